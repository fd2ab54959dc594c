//! SIP without sockets and clocks: header index, framing, transactions, digest, tokens, registrar, link. It does no I/O.

pub mod base32;
pub mod digest;
pub mod ids;
pub mod nonce;
pub mod nonces;
pub mod policy;
pub mod cidr;
pub mod users;
