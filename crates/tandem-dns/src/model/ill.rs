//! Targets that failed lately, which are tried last until their time is over. Who failed is told by whoever sends.

use std::collections::HashMap;
use std::net::SocketAddr;
use tandem_sip::frame::Transport;

/// Most targets that are remembered; beyond it the failure that ends first is forgotten.
pub const ILL: usize = 4_096;

/// By target, until when.
#[derive(Debug, Default)]
pub struct Ill(HashMap<(Transport, SocketAddr), u64>);

impl Ill {
    /// A target failed: 503, a transport error, or silence.
    pub fn failed(&mut self, transport: Transport, address: SocketAddr, until_us: u64, now_us: u64) {
        if self.0.len() >= ILL {
            self.0.retain(|_, until| *until > now_us);
        }
        if self.0.len() >= ILL {
            let first = self.0.iter().min_by_key(|(_, until)| **until).map(|(target, _)| *target);
            first.map(|target| self.0.remove(&target));
        }
        self.0.insert((transport, address), until_us);
    }

    /// It has answered.
    pub fn well(&mut self, transport: Transport, address: SocketAddr) {
        self.0.remove(&(transport, address));
    }

    /// Whether it is tried last now.
    pub fn is_ill(&self, transport: Transport, address: SocketAddr, now_us: u64) -> bool {
        self.0.get(&(transport, address)).is_some_and(|until| *until > now_us)
    }
}
