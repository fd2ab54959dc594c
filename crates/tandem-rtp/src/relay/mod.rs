//! The packet side: takes datagrams of endpoints and says what leaves where. It opens no socket and never waits.

mod live;
mod lock;
mod media;
mod meeting;
mod plain;
mod slot;
mod sound;
#[cfg(test)]
mod sound_tests;
mod table;
#[cfg(test)]
mod tests;
mod watch;

pub use live::{Live, Silence};
pub use lock::LockState;
pub use meeting::MeetingState;
pub use plain::Plain;
pub use slot::{Counts, Drops, Slot};
pub use sound::SoundError;
pub use table::{Key, Relay, Share};

use std::net::SocketAddr;

use crate::plan::EndpointId;
use crate::studio::{Reeled, Told};

/// Room for a datagram, in bytes; larger ones are cut by the socket and dropped.
pub const PACKET_BYTES: usize = 4096;
/// What protecting a packet may add, in bytes: tag, SRTCP index.
pub const GROWTH_BYTES: usize = 64;
/// Most endpoints that get what one receives.
pub const SINKS: usize = 32;

/// Which of an endpoint's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Component {
    /// The even port: RTP, and RTCP when multiplexed.
    Rtp,
    /// The odd one.
    Rtcp,
}

/// What has happened to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// DTLS has found keys.
    Keyed,
    /// There are none, and there will be none unless the descriptions ask for a new handshake; why.
    Unkeyed(String),
    /// The peer has said that it ends, or shows no consent any more (RFC 7675).
    Gone,
    /// None of the peer's candidates answers.
    Unreached,
    /// Something at the audio engine.
    Told(Told),
}

/// Takes what leaves.
pub trait Out {
    /// Sends `bytes` to `to` from a port of the endpoint whose slot has this token ([`Slot::token`]).
    fn send(&mut self, token: u64, component: Component, to: SocketAddr, bytes: &[u8]);
    /// Something has happened to an endpoint.
    fn event(&mut self, _: EndpointId, _: Event) {}
    /// There is something to be written of the recording of a call, or of a `room`.
    fn reeled(&mut self, _room: bool, _name: &str, _: Reeled) {}
}

/// A datagram with room behind it.
pub struct Packet {
    bytes: Box<[u8; PACKET_BYTES + GROWTH_BYTES]>,
    len: usize,
}

impl Packet {
    /// Room for one.
    pub fn new() -> Packet {
        Packet { bytes: Box::new([0; PACKET_BYTES + GROWTH_BYTES]), len: 0 }
    }

    /// Where a socket may write.
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..PACKET_BYTES).unwrap_or_default()
    }

    /// Says how much was written; more than there is room for counts as all of it.
    pub fn filled(&mut self, len: usize) {
        self.len = len.min(self.bytes.len());
    }

    /// The datagram.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The datagram and the room behind it, for what changes its length.
    pub fn whole(&mut self) -> (&mut [u8], usize) {
        (&mut self.bytes[..], self.len)
    }

    /// Becomes a copy of another one.
    pub fn copy(&mut self, from: &[u8]) {
        let len = from.len().min(self.bytes.len());
        if let (Some(to), Some(from)) = (self.bytes.get_mut(..len), from.get(..len)) {
            to.copy_from_slice(from);
        }
        self.len = len;
    }
}

impl Default for Packet {
    fn default() -> Packet {
        Packet::new()
    }
}
