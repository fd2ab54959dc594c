//! A stream that the kernel forwards, and what it counts of it. Values only.

use std::net::SocketAddr;

/// One direction of an established stream: what comes from `remote` to `local` leaves from `new_source` to `new_destination`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// An address and port of ours, on which a socket stays open for all that is not forwarded.
    pub local: SocketAddr,
    /// The only source whose packets are forwarded.
    pub remote: SocketAddr,
    /// An address and port of ours.
    pub new_source: SocketAddr,
    /// Where the packets go, of the same family.
    pub new_destination: SocketAddr,
    /// DSCP and ECN byte of what leaves.
    pub tos: u8,
    /// What is forwarded, and how it is counted.
    pub kind: Kind,
}

/// What a flow carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RTP with a clock of so many Hz; RTCP, STUN and all else goes to the socket.
    Rtp(u32),
    /// Whatever has at least 12 bytes, as T.38 over UDPTL; its sequence is not looked at.
    Any,
}

/// What has been forwarded of a flow since it was put, over all its changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Their bytes, without UDP and IP.
    pub bytes: u64,
    /// Microseconds since the last one; `None`: there was none.
    pub idle_us: Option<u64>,
    /// What the sequence numbers promised (RFC 3550 A.3), over all beginnings of the sequence.
    pub expected: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// Packets that came twice, one right after the other.
    pub twice: u64,
    /// Interarrival jitter (RFC 3550 6.4.1), in nanoseconds.
    pub jitter_ns: u64,
    /// The source of the last packet.
    pub ssrc: u32,
    /// The highest sequence number since the sequence began, with its wraps (RFC 3550 A.1).
    pub highest: u32,
    /// The RTP timestamp of the last packet.
    pub timestamp: u32,
    /// How often the sequence began: 1, and one more for each other source and each jump.
    pub beginnings: u32,
}

impl Counters {
    /// Packets that did not come (RFC 3550 6.4.1: negative when more came than were expected).
    pub fn lost(&self) -> i64 {
        self.expected as i64 - self.packets as i64
    }
}
