//! Secure RTP and RTCP (RFC 3711, RFC 7714): keys, and the contexts that protect and open packets.

mod master;

pub use master::{Master, Suite};
