//! The frames of the link between edge and owner, read and written in place; it holds no connection. docs/concepts/boundary.md, 2.

mod read;
mod watch;
mod write;

pub use read::{read_down, read_up};
pub use watch::{push_answers, push_forget, push_forget_rest, push_watch, Forgotten, Watches};
pub use write::{
    push_alive, push_claim, push_close, push_closed, push_down_hello, push_failed, push_heard, push_keys, push_peer, push_policy,
    push_sip_down, push_sip_up, push_stats, push_taken, push_up_hello,
};

use crate::keepalive::Watched;
use read::Reader;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// The largest frame, in bytes after its length word.
pub const MAX_FRAME: usize = 80 * 1024;
/// The version that both HELLOs must name.
pub const PROTOCOL: u16 = 1;
/// Bytes before the message in a SIP frame up, without the length word.
pub const SIP_UP_HEAD: usize = 1 + 8 + 2 + 4 + 8 + 1 + 1 + 18 + 8;
/// Bytes before the message in a SIP frame down, without the length word.
pub const SIP_DOWN_HEAD: usize = 1 + 2 + 4 + 8 + 8 + 1 + 1 + 18;

/// Why bytes are not a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BadFrame {
    /// The length word is 0 or above the limit.
    #[error("frame of {0} bytes: a frame has 1 to {MAX_FRAME} bytes")]
    Length(usize),
    /// The body ends before its fields do.
    #[error("frame of kind {0} ends before its fields do")]
    Short(u8),
    /// A field has a value that no field of this kind may have.
    #[error("frame of kind {kind}: bad {field}")]
    Field {
        /// The frame's kind.
        kind: u8,
        /// The field's name.
        field: &'static str,
    },
    /// The other side speaks another protocol.
    #[error("unknown frame kind {0}")]
    Kind(u8),
}

/// How a message travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Transport {
    /// Datagrams.
    Udp = 1,
    /// A stream.
    Tcp = 2,
    /// TLS over TCP.
    Tls = 3,
    /// WebSocket.
    Ws = 4,
    /// WebSocket over TLS.
    Wss = 5,
}

impl Transport {
    /// From its number on the link.
    pub fn read(number: u8) -> Option<Transport> {
        Some(match number {
            1 => Transport::Udp,
            2 => Transport::Tcp,
            3 => Transport::Tls,
            4 => Transport::Ws,
            5 => Transport::Wss,
            _ => return None,
        })
    }

    /// True for all but UDP: nothing is repeated over it (RFC 3261 17.1.1.2).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Its name in a Via (RFC 3261 20.42, RFC 7118 5.1).
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }
}

/// An IP address and port; IPv4 is mapped into IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Address {
    /// 16 bytes, IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// Port.
    pub port: u16,
}

impl Address {
    /// The IP address as itself: IPv4 where it was IPv4.
    pub fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }
}

impl From<SocketAddr> for Address {
    fn from(from: SocketAddr) -> Address {
        let ip = match from.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Address { ip: ip.octets(), port: from.port() }
    }
}

impl From<Address> for SocketAddr {
    fn from(from: Address) -> SocketAddr {
        SocketAddr::new(from.ip(), from.port)
    }
}

/// A frame from the edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Up<'a> {
    /// The first frame of a link.
    Hello(UpHello<'a>),
    /// A message that came in.
    Sip(SipUp<'a>),
    /// A message of ours that did not go out.
    Failed {
        /// The cookie of the SIP frame down.
        cookie: u64,
        /// Why.
        why: Why,
    },
    /// A connection ended.
    Closed {
        /// Its flow.
        flow: u64,
    },
    /// Counters as JSON.
    Stats(&'a [u8]),
    /// Who a connection's peer has proven to be; before any message of it, and again on each new link.
    Peer {
        /// Its flow.
        flow: u64,
        /// The names in its verified certificate.
        names: Names<'a>,
    },
    /// How far the edge has heard the owner: behind HELLO, and after each turn in which something came.
    Heard {
        /// The owner's incarnation.
        incarnation: u64,
        /// SIP frames of it that have come, over all its connections.
        count: u64,
    },
    /// A phone that is asked by OPTIONS has stopped answering, or has begun to.
    Answers {
        /// Its flow, as its WATCH named it.
        flow: Watched,
        /// It does.
        answers: bool,
    },
}

/// The names in a PEER frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// The names, in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Reader { kind: 6, rest: self.0 };
        std::iter::from_fn(move || rest.name().ok())
    }
}

/// The edge's HELLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpHello<'a> {
    /// Number of the edge.
    pub edge: u16,
    /// Changes at each start of the edge.
    pub incarnation: u64,
    /// The highest epoch of any shard that the edge has seen.
    pub epoch: u32,
    count: u8,
    locals: &'a [u8],
}

/// One address on which an edge listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local<'a> {
    /// Transport.
    pub transport: Transport,
    /// What the socket is bound to.
    pub bound: Address,
    /// `host:port` for Via and Contact.
    pub advertised: &'a [u8],
}

impl<'a> UpHello<'a> {
    /// The listening addresses, in the order of `local` numbers.
    pub fn locals(&self) -> impl Iterator<Item = Local<'a>> {
        let mut rest = Reader { kind: 1, rest: self.locals };
        (0..self.count).map_while(move |_| rest.local().ok())
    }
}

/// A message that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SipUp<'a> {
    /// The link's number of this frame.
    pub seq: u64,
    /// Whose it is.
    pub shard: u16,
    /// The shard's epoch as the edge knows it.
    pub epoch: u32,
    /// Connection number, 0 for datagrams.
    pub flow: u64,
    /// Transport.
    pub transport: Transport,
    /// Index of the listening address.
    pub local: u8,
    /// The peer.
    pub remote: Address,
    /// Microseconds since 1970.
    pub received_at: u64,
    /// One whole SIP message.
    pub message: &'a [u8],
}

/// Why the edge could not send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Why {
    /// The connection is gone.
    Flow = 1,
    /// Nobody listens there.
    Refused = 2,
    /// Connecting took too long.
    Timeout = 3,
    /// Too large for the transport.
    Size = 4,
    /// No route to the host, or no socket for the transport.
    Route = 5,
    /// The TLS handshake failed.
    Tls = 6,
}

impl Why {
    fn read(number: u8) -> Option<Why> {
        Some(match number {
            1 => Why::Flow,
            2 => Why::Refused,
            3 => Why::Timeout,
            4 => Why::Size,
            5 => Why::Route,
            6 => Why::Tls,
            _ => return None,
        })
    }

    /// Its name in the event `Failed`.
    pub fn name(self) -> &'static str {
        match self {
            Why::Flow => "flow",
            Why::Refused => "refused",
            Why::Timeout => "timeout",
            Why::Size => "size",
            Why::Route => "route",
            Why::Tls => "tls",
        }
    }
}

/// A frame from the owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Down<'a> {
    /// The first frame of a link.
    Hello {
        /// Number of the node.
        node: u16,
        /// Changes at each start of the node.
        incarnation: u64,
    },
    /// A message to send.
    Sip(SipDown<'a>),
    /// Frames that the edge may forget.
    Taken(Taken<'a>),
    /// Shards that the owner owns now.
    Claim {
        /// Their epoch.
        epoch: u32,
        /// Which.
        shards: Ranges<'a>,
    },
    /// The policy as JSON (section 5).
    Policy(&'a [u8]),
    /// Close a connection.
    Close {
        /// Its flow.
        flow: u64,
    },
    /// Keys as JSON.
    Keys(&'a [u8]),
    /// The owner's answer to each STATS: it lives, and so does the way to it.
    Alive,
    /// Flows to keep alive.
    Watch(Watches<'a>),
    /// Flows to keep alive no more.
    Forget(Forgotten<'a>),
}

/// A message to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SipDown<'a> {
    /// Whose it is.
    pub shard: u16,
    /// The epoch in which the owner owns it.
    pub epoch: u32,
    /// Comes back in FAILED; 0: nobody asks.
    pub cookie: u64,
    /// Connection, or 0: datagram, or connect to `remote`.
    pub flow: u64,
    /// Transport.
    pub transport: Transport,
    /// Listening address to send from.
    pub local: u8,
    /// The peer.
    pub remote: Address,
    /// One whole SIP message.
    pub message: &'a [u8],
}

/// Sequence numbers in a TAKEN frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken<'a>(&'a [u8]);

impl Taken<'_> {
    /// The numbers, in the order written.
    pub fn seqs(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().unwrap_or_default()))
    }
}

/// Shard ranges in a CLAIM frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ranges<'a>(&'a [u8]);

impl Ranges<'_> {
    /// (first shard, count).
    pub fn iter(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.0.chunks_exact(4).map(|c| (u16::from_le_bytes([c[0], c[1]]), u16::from_le_bytes([c[2], c[3]])))
    }
}

/// Cuts the first frame off a stream: (body with its kind first, bytes used); `None` until it is whole.
///
/// ```
/// use tandem_sip::frame::{next, push_close};
/// let mut bytes = Vec::new();
/// push_close(&mut bytes, 7);
/// assert_eq!(Ok(None), next(&bytes[..5]));
/// assert_eq!(13, next(&bytes).unwrap().unwrap().1);
/// ```
pub fn next(stream: &[u8]) -> Result<Option<(&[u8], usize)>, BadFrame> {
    let Some(head) = stream.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*head) as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(BadFrame::Length(length));
    }
    Ok(stream.get(4..4 + length).map(|body| (body, 4 + length)))
}

#[cfg(test)]
mod tests;
