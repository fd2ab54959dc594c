//! SIP transactions (RFC 3261 17, RFC 6026): what is repeated, absorbed and forgotten when. They parse nothing and decide nothing about calls.

mod client;
mod server;
mod timers;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod server_tests;

pub use client::{Asked, Clients, Final, Unsent, MAX_FORKS};
pub use server::{AckIs, Responding, Servers};
pub use timers::{earlier, Intervals, Timers};

use crate::frame::{Address, Transport};
use crate::ids::CALL_ID;
use std::hash::{BuildHasherDefault, Hasher};

/// Where a message goes: an edge, and a connection or a datagram peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Number of the edge.
    pub edge: u16,
    /// Connection, 0 for a datagram or "connect to `remote`".
    pub connection: u64,
    /// Transport.
    pub transport: Transport,
    /// Listening address of the edge.
    pub local: u8,
    /// The peer.
    pub remote: Address,
}

/// The call that a transaction belongs to; zeros where there is none.
pub type CallId = [u8; CALL_ID];
/// No call.
pub const NO_CALL: CallId = [0; CALL_ID];

/// Where transactions put what they decide.
pub trait Sink {
    /// Send these bytes; `cookie` names the transaction if that fails.
    fn send(&mut self, flow: &Flow, shard: u16, cookie: u64, message: &[u8]);
    /// A transaction ran out of time.
    fn timed_out(&mut self, call: &CallId, txn: u64, server: bool);
}

/// Hands keyed 64-bit hashes through unchanged: they are uniform, and no peer can choose them.
#[derive(Default, Clone)]
pub struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A table whose keys are keyed hashes.
pub type Table<T> = std::collections::HashMap<u64, T, BuildHasherDefault<Uniform>>;
