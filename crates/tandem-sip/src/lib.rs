//! SIP without sockets and clocks: header index, framing, transactions, digest, tokens, registrar, link. It does no I/O.

pub mod abuse;
pub mod accounts;
pub mod address;
pub mod auth;
pub mod base32;
pub mod build;
pub mod challenge;
mod check;
pub mod cidr;
pub mod digest;
pub mod extract;
pub mod frame;
pub mod framing;
pub mod gate;
pub mod ids;
pub mod index;
pub mod keeper;
pub mod limits;
pub mod message;
pub mod name;
pub mod nonce;
pub mod nonces;
pub mod owner;
pub mod policy;
pub mod pool;
pub mod question;
pub mod refusal;
pub mod registrar;
pub mod reply;
mod scan;
pub mod txn;
pub mod uri;
pub mod users;
pub mod via;
pub mod ws;

pub use scan::{Params, Values};
