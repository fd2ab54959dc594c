//! SIP without sockets and clocks: header index, framing, transactions, digest, tokens, registrar, link. It does no I/O.

pub mod base32;
pub mod cidr;
pub mod digest;
pub mod frame;
pub mod ids;
pub mod keeper;
pub mod nonce;
pub mod nonces;
pub mod policy;
pub mod txn;
pub mod users;
pub mod abuse;
pub mod registrar;
pub mod auth;
pub mod challenge;
pub mod gate;
pub mod question;
pub mod reply;
