//! The frames of the link between edge and owner, read and written in place; it holds no connection. docs/concepts/boundary.md, 2.

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

/// Reads the body of a frame from an edge.
pub fn read_up(body: &[u8]) -> Result<Up<'_>, BadFrame> {
    let (&kind, rest) = body.split_first().ok_or(BadFrame::Length(0))?;
    let mut r = Reader { kind, rest };
    Ok(match kind {
        1 => {
            if r.u16()? != PROTOCOL {
                return Err(BadFrame::Field { kind, field: "protocol" });
            }
            let (edge, incarnation, count) = (r.u16()?, r.u64()?, r.u8()?);
            let locals = r.rest;
            for _ in 0..count {
                r.local()?;
            }
            let locals = &locals[..locals.len() - r.rest.len()];
            Up::Hello(UpHello { edge, incarnation, epoch: r.u32()?, count, locals })
        }
        2 => Up::Sip(SipUp {
            seq: r.u64()?,
            shard: r.shard()?,
            epoch: r.u32()?,
            flow: r.u64()?,
            transport: r.transport()?,
            local: r.u8()?,
            remote: r.address()?,
            received_at: r.u64()?,
            message: r.rest,
        }),
        3 => Up::Failed { cookie: r.u64()?, why: Why::read(r.u8()?).ok_or(BadFrame::Field { kind, field: "reason" })? },
        4 => Up::Closed { flow: r.u64()? },
        5 => Up::Stats(r.rest),
        _ => return Err(BadFrame::Kind(kind)),
    })
}

/// Reads the body of a frame from an owner.
pub fn read_down(body: &[u8]) -> Result<Down<'_>, BadFrame> {
    let (&kind, rest) = body.split_first().ok_or(BadFrame::Length(0))?;
    let mut r = Reader { kind, rest };
    Ok(match kind {
        64 => {
            if r.u16()? != PROTOCOL {
                return Err(BadFrame::Field { kind, field: "protocol" });
            }
            Down::Hello { node: r.u16()?, incarnation: r.u64()? }
        }
        65 => Down::Sip(SipDown {
            shard: r.shard()?,
            epoch: r.u32()?,
            cookie: r.u64()?,
            flow: r.u64()?,
            transport: r.transport()?,
            local: r.u8()?,
            remote: r.address()?,
            message: r.rest,
        }),
        66 => Down::Taken(Taken(r.rest)),
        67 => Down::Claim { epoch: r.u32()?, shards: Ranges(r.rest) },
        68 => Down::Policy(r.rest),
        69 => Down::Close { flow: r.u64()? },
        70 => Down::Keys(r.rest),
        _ => return Err(BadFrame::Kind(kind)),
    })
}

/// Appends the edge's HELLO.
pub fn push_up_hello(out: &mut Vec<u8>, edge: u16, incarnation: u64, locals: &[Local<'_>], epoch: u32) {
    frame(out, 1, |out| {
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&edge.to_le_bytes());
        out.extend_from_slice(&incarnation.to_le_bytes());
        out.push(locals.len().min(255) as u8);
        for local in locals.iter().take(255) {
            out.push(local.transport as u8);
            push_address(out, local.bound);
            out.extend_from_slice(&(local.advertised.len() as u16).to_le_bytes());
            out.extend_from_slice(local.advertised);
        }
        out.extend_from_slice(&epoch.to_le_bytes());
    });
}

/// Appends a SIP frame up.
pub fn push_sip_up(out: &mut Vec<u8>, sip: &SipUp<'_>) {
    frame(out, 2, |out| {
        out.extend_from_slice(&sip.seq.to_le_bytes());
        out.extend_from_slice(&sip.shard.to_le_bytes());
        out.extend_from_slice(&sip.epoch.to_le_bytes());
        out.extend_from_slice(&sip.flow.to_le_bytes());
        out.extend_from_slice(&[sip.transport as u8, sip.local]);
        push_address(out, sip.remote);
        out.extend_from_slice(&sip.received_at.to_le_bytes());
        out.extend_from_slice(sip.message);
    });
}

/// Appends FAILED.
pub fn push_failed(out: &mut Vec<u8>, cookie: u64, why: Why) {
    frame(out, 3, |out| {
        out.extend_from_slice(&cookie.to_le_bytes());
        out.push(why as u8);
    });
}

/// Appends CLOSED.
pub fn push_closed(out: &mut Vec<u8>, flow: u64) {
    frame(out, 4, |out| out.extend_from_slice(&flow.to_le_bytes()));
}

/// Appends STATS.
pub fn push_stats(out: &mut Vec<u8>, json: &[u8]) {
    frame(out, 5, |out| out.extend_from_slice(json));
}

/// Appends the owner's HELLO.
pub fn push_down_hello(out: &mut Vec<u8>, node: u16, incarnation: u64) {
    frame(out, 64, |out| {
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&node.to_le_bytes());
        out.extend_from_slice(&incarnation.to_le_bytes());
    });
}

/// Appends a SIP frame down.
pub fn push_sip_down(out: &mut Vec<u8>, sip: &SipDown<'_>) {
    frame(out, 65, |out| {
        out.extend_from_slice(&sip.shard.to_le_bytes());
        out.extend_from_slice(&sip.epoch.to_le_bytes());
        out.extend_from_slice(&sip.cookie.to_le_bytes());
        out.extend_from_slice(&sip.flow.to_le_bytes());
        out.extend_from_slice(&[sip.transport as u8, sip.local]);
        push_address(out, sip.remote);
        out.extend_from_slice(sip.message);
    });
}

/// Appends TAKEN, in as many frames as the limit asks for.
pub fn push_taken(out: &mut Vec<u8>, seqs: &[u64]) {
    for part in seqs.chunks((MAX_FRAME - 1) / 8) {
        frame(out, 66, |out| part.iter().for_each(|seq| out.extend_from_slice(&seq.to_le_bytes())));
    }
}

/// Appends CLAIM.
pub fn push_claim(out: &mut Vec<u8>, epoch: u32, shards: &[(u16, u16)]) {
    frame(out, 67, |out| {
        out.extend_from_slice(&epoch.to_le_bytes());
        for (first, count) in shards {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
    });
}

/// Appends POLICY.
pub fn push_policy(out: &mut Vec<u8>, json: &[u8]) {
    frame(out, 68, |out| out.extend_from_slice(json));
}

/// Appends CLOSE.
pub fn push_close(out: &mut Vec<u8>, flow: u64) {
    frame(out, 69, |out| out.extend_from_slice(&flow.to_le_bytes()));
}

/// Appends KEYS.
pub fn push_keys(out: &mut Vec<u8>, json: &[u8]) {
    frame(out, 70, |out| out.extend_from_slice(json));
}

fn frame(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    body(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn push_address(out: &mut Vec<u8>, address: Address) {
    out.extend_from_slice(&address.ip);
    out.extend_from_slice(&address.port.to_le_bytes());
}

struct Reader<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadFrame> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(BadFrame::Short(self.kind))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadFrame> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(BadFrame::Short(self.kind))?;
        self.rest = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, BadFrame> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, BadFrame> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, BadFrame> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, BadFrame> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn shard(&mut self) -> Result<u16, BadFrame> {
        let shard = self.u16()?;
        if shard < crate::ids::SHARDS { Ok(shard) } else { Err(BadFrame::Field { kind: self.kind, field: "shard" }) }
    }

    fn transport(&mut self) -> Result<Transport, BadFrame> {
        Transport::read(self.u8()?).ok_or(BadFrame::Field { kind: self.kind, field: "transport" })
    }

    fn address(&mut self) -> Result<Address, BadFrame> {
        Ok(Address { ip: self.array()?, port: self.u16()? })
    }

    fn local(&mut self) -> Result<Local<'a>, BadFrame> {
        let (transport, bound) = (self.transport()?, self.address()?);
        let length = self.u16()?;
        Ok(Local { transport, bound, advertised: self.take(usize::from(length))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Address {
        "192.0.2.7:5062".parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn every_frame_up_reads_back_as_written() {
        let sip = SipUp {
            seq: 9, shard: 517, epoch: 3, flow: 4, transport: Transport::Wss, local: 2, remote: peer(), received_at: 77, message: b"BYE",
        };
        let mut out = Vec::new();
        push_up_hello(&mut out, 5, 6, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"h:1" }], 8);
        push_sip_up(&mut out, &sip);
        push_failed(&mut out, 11, Why::Tls);
        push_closed(&mut out, 12);
        push_stats(&mut out, b"{}");
        let mut rest = &out[..];
        let mut seen = Vec::new();
        while let Some((body, used)) = next(rest).unwrap() {
            seen.push(read_up(body).unwrap());
            rest = &rest[used..];
        }
        let Up::Hello(hello) = seen[0] else { panic!() };
        assert_eq!((5, 6, 8), (hello.edge, hello.incarnation, hello.epoch));
        assert_eq!(b"h:1", hello.locals().next().unwrap().advertised);
        assert_eq!(Up::Sip(sip), seen[1]);
        assert_eq!([Up::Failed { cookie: 11, why: Why::Tls }, Up::Closed { flow: 12 }, Up::Stats(b"{}")], seen[2..]);
    }

    #[test]
    fn every_frame_down_reads_back_as_written() {
        let sip = SipDown { shard: 1, epoch: 2, cookie: 3, flow: 0, transport: Transport::Udp, local: 0, remote: peer(), message: b"x" };
        let mut out = Vec::new();
        push_sip_down(&mut out, &sip);
        push_taken(&mut out, &[1, u64::MAX]);
        push_claim(&mut out, 4, &[(0, 1024)]);
        let (body, used) = next(&out).unwrap().unwrap();
        assert_eq!(Down::Sip(sip), read_down(body).unwrap());
        let (body, more) = next(&out[used..]).unwrap().unwrap();
        let Down::Taken(taken) = read_down(body).unwrap() else { panic!() };
        assert_eq!(vec![1, u64::MAX], taken.seqs().collect::<Vec<_>>());
        let (body, _) = next(&out[used + more..]).unwrap().unwrap();
        let Down::Claim { epoch: 4, shards } = read_down(body).unwrap() else { panic!() };
        assert_eq!(vec![(0, 1024)], shards.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error_and_not_a_panic() {
        let mut out = Vec::new();
        push_up_hello(&mut out, 5, 6, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"h:1" }], 8);
        for end in 5..out.len() {
            assert!(read_up(&out[4..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_it_is_waited_for() {
        assert_eq!(Err(BadFrame::Length(MAX_FRAME + 1)), next(&(MAX_FRAME as u32 + 1).to_le_bytes()));
    }
}
