//! STUN (RFC 8489) as ICE uses it (RFC 8445): Binding messages are read, checked and written. No transaction is kept here.

mod binding;
mod checksum;
mod message;
mod role;
mod writer;

pub use binding::answer;
pub(crate) use binding::tell;
pub use message::{Class, Malformed, Message, Unknown};
pub use role::IceRole;
pub use writer::Writer;

/// Number of a transaction (RFC 8489 5): 96 random bits.
pub type Transaction = [u8; 12];

/// Bytes of a head (RFC 8489 5).
pub const HEAD_BYTES: usize = 20;
/// Bytes of the largest message that is read: no datagram of STUN may be larger than what every IPv6 path carries (RFC 8489 6.1).
pub const MESSAGE_BYTES: usize = 1_280;
/// Attributes of one message that were not understood and are named in an answer (RFC 8489 14.13); more are not named.
pub const UNKNOWN_ATTRIBUTES: usize = 8;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// The one method that ICE has.
const BINDING: u16 = 1;

/// Numbers of the attributes that are known here (RFC 8489 18.3, RFC 8445 20.1).
mod attribute {
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802a;
}

/// Whether a datagram is STUN: the first byte is 0 to 3 and the cookie is there (RFC 8489 5, RFC 7983 7).
///
/// ```
/// assert!(tandem_rtp::stun::is_stun(b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"));
/// ```
pub fn is_stun(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD_BYTES && bytes.first().is_some_and(|first| *first < 4) && bytes.get(4..8) == Some(&COOKIE)
}

#[cfg(test)]
mod tests;
