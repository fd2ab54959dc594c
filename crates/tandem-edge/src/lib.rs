//! The edge process: it holds sockets and connections, refuses what must not pass and hands the rest to owners. It decides about no call.

pub mod config;
pub mod sys;
