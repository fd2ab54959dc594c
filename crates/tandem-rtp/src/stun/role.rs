//! The role that an ICE agent says it has, with its tie-breaker (RFC 8445 7.1.3).

/// Who nominates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceRole {
    /// ICE-CONTROLLING: the sender nominates.
    Controlling(u64),
    /// ICE-CONTROLLED: the receiver nominates.
    Controlled(u64),
}
