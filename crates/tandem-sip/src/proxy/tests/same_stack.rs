//! same_stack
