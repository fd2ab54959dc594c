//! Keys for SRTP from a DTLS handshake (RFC 5763, RFC 5764), DTLS 1.2 and 1.3. Records and cryptography are `dimpl`'s; here is who the peer
//! must be, which keys come out, and what happens when the handshake is disturbed. No application data is carried.
//!
//! `dimpl` draws its random numbers from the operating system: the one place of this crate where they are no argument.

mod certificate;
mod engine;
mod fingerprint;
mod handshake;
mod identity;
mod record;

pub use certificate::{BadCertificate, Certificate};
pub use engine::Keys;
pub use fingerprint::{Fingerprint, UnknownHash};
pub use handshake::{Event, Failure, Handshake, Output, Setup, State};
pub use identity::Identity;
pub use record::is_dtls;

/// Bytes of the largest datagram that is taken; larger ones are dropped.
pub const DATAGRAM_BYTES: usize = 2_048;
/// Time that a handshake has from its first ClientHello, microseconds.
pub const FINISH_US: u64 = 10_000_000;
/// Before the first retransmission of a flight, microseconds, doubled with each (RFC 9147 5.8.2 lets media choose less than a second).
pub const RETRANSMIT_US: u64 = 250_000;
/// Datagrams that wait inside a handshake for what should have come before them; then it is given up.
pub const DATAGRAMS_WAITING: usize = 30;
/// Datagrams of a flight that wait to be sent.
pub const DATAGRAMS_TO_SEND: usize = 10;
/// Handshakes begun at once for one association, and then one each [`START_INTERVAL_US`]: each costs about a millisecond.
pub const STARTS: u32 = 4;
/// Microseconds, see [`STARTS`].
pub const START_INTERVAL_US: u64 = 1_000_000;
/// A handshake that has not moved for so long gives way to another ClientHello, microseconds.
pub const STUCK_US: u64 = 1_000_000;

#[cfg(test)]
mod tests;
