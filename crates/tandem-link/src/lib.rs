//! The sockets under the links between edges and owners: Unix, TCP, TLS, never waiting for any of them. It reads no frame.

mod place;
mod sockets;
mod stream;
mod tls;

pub use place::{BadPlace, Place};
pub use sockets::Listener;
pub use stream::{accept, Got, Stage, Stream, CIPHER_READ_BYTES};
pub use tls::{edge_name, node_name, BadTls, Files, Tls, DOMAIN};

/// How long a link between machines may be silent, in seconds: each end says something every second, so its host is dead or cut off.
pub const SILENCE_SECONDS: u64 = 4;
/// How long the other end may take to be connected and say HELLO, in seconds.
pub const HELLO_SECONDS: u64 = 4;
