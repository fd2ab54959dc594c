//! What a proxy before a pool promises of any datagrams, whoever sends them: no panic, little output, and responses only where the Via says.
//!
//! A script is datagrams with a zero byte before each, then one byte: who sends it (two strangers, two members), which of two edges with
//! the same keys gets it, and how much time passes first.

use std::net::{IpAddr, SocketAddr};
use tandem_sip::frame::Transport;
use tandem_sip::ids::{Key, Keys};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::name::Name;
use tandem_sip::proxy::{FrontConfig, Output, Own, Proxy, Source, Verdict, World};
use tandem_sip::via::Via;

/// Where the edge is.
pub const EDGE: &str = "10.0.0.1:5060";
/// Who sends: strangers first, then members.
pub const SENDERS: [&str; 4] = ["192.0.2.1:40000", "192.0.2.2:5060", "10.0.0.10:5060", "10.0.0.11:5060"];
const STRANGERS: usize = 2;
/// Messages that one datagram may bring about: the members that are tried, and as many CANCELs.
const SENDS: usize = 16;
/// Bytes that we may add to a message.
const ADDED_BYTES: usize = 2_048;
/// Steps of the proxy's clock that one wait may take.
const STEPS: usize = 20_000;

/// Two edges with the same keys.
pub struct Front {
    edges: [Proxy; 2],
    now: u64,
    longest: usize,
}

/// One message that left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Front {
    /// `more`: fields of the pool, each behind a comma.
    pub fn new(more: &str) -> Front {
        let members = format!(r#"{{"name": "m0", "address": "{}"}}, {{"name": "m1", "address": "{}"}}"#, SENDERS[2], SENDERS[3]);
        let json = format!(r#"{{"pools": [{{"name": "farm", "members": [{members}]{more}}}], "routes": [{{"pool": "farm"}}]}}"#);
        let config: FrontConfig = serde_json::from_str(&json).expect("a front");
        let edge = |signing: Vec<Key>| {
            let mut own = Own::default();
            own.add(Transport::Udp, EDGE.parse().expect("an address"), EDGE.as_bytes(), 0);
            let mut proxy = Proxy::new(Keys { hash: [1; 16], signing }, own, 0, 1);
            proxy.apply(&config, 0).expect("a good front");
            proxy
        };
        let (old, new) = (|| Key { id: b'a', secret: [3; 16] }, || Key { id: b'b', secret: [2; 16] });
        // The second knows a newer key already, and does not sign by it.
        Front { edges: [edge(vec![old()]), edge(vec![old(), new()])], now: 1_000_000, longest: 0 }
    }

    /// Runs a script.
    pub fn run(&mut self, script: &[u8]) {
        for part in script.split(|byte| *byte == 0).skip(1) {
            let Some((&how, datagram)) = part.split_first() else { continue };
            self.waits([0, 200, 5_000, 200_000][usize::from(how >> 4 & 3)]);
            self.hears(usize::from(how >> 2 & 1), usize::from(how & 3), datagram);
        }
        self.waits(400_000);
        for edge in &self.edges {
            assert_eq!((0, 0), edge.transactions(), "transactions end");
        }
    }

    /// Gives a datagram to an edge, and what left then; nothing when it is no message.
    pub fn hears(&mut self, edge: usize, sender: usize, bytes: &[u8]) -> Vec<Sent> {
        self.longest = self.longest.max(bytes.len());
        let mut index = Index::default();
        let Ok(message) = Message::parse(bytes, &Limits::default(), &mut index) else { return Vec::new() };
        let remote: SocketAddr = SENDERS[sender].parse().expect("an address");
        let proxy = &mut self.edges[edge];
        let member = proxy.pools.member_at(remote, Transport::Udp);
        assert_eq!(sender >= STRANGERS, member.is_some());
        let source = Source { transport: Transport::Udp, local: 0, remote, flow: 0, edge: 0 };
        let world = World { now: self.now, alive: &|_| false, alone: true };
        let mut out = Output::default();
        if proxy.handle(&message, &source, member, &world, &mut out) == Verdict::Pass {
            proxy.nobody(&message, &source, &mut out);
        }
        let sent = self.taken(&out);
        assert!(sent.len() <= SENDS, "{} messages for one", sent.len());
        for one in &sent {
            let to_member = SENDERS[STRANGERS..].contains(&one.to.to_string().as_str());
            let allowed = match message.is_request() {
                // Members go where they want, and so does who has a token of ours.
                true => member.is_some() || to_member || one.to.ip() == remote.ip() || memchr::memmem::find(bytes, b":u").is_some(),
                false => to_member || next_via(&message) == Some(one.to),
            };
            assert!(allowed, "to {} of {remote}: {}", one.to, String::from_utf8_lossy(bytes));
            let silent = message.is_request() && message.method_bytes() == b"ACK";
            assert!(!(silent && one.bytes.starts_with(b"SIP/2.0")), "an ACK is answered");
        }
        sent
    }

    /// Lets time pass at both edges.
    pub fn waits(&mut self, ms: u64) -> Vec<Sent> {
        let end = self.now + ms * 1_000;
        let mut all = Vec::new();
        for at in 0..self.edges.len() {
            let mut steps = 0;
            while let Some(due) = self.edges[at].wake_at().filter(|due| *due <= end) {
                let mut out = Output::default();
                self.edges[at].advance(due.max(self.now), &mut out);
                all.extend(self.taken(&out));
                steps += 1;
                assert!(steps < STEPS, "its clock stands still");
            }
        }
        self.now = end;
        all
    }

    fn taken(&self, out: &Output) -> Vec<Sent> {
        let limits =
            Limits { message_bytes: 1 << 20, headers: 2_000, header_bytes: 1 << 18, vias: 2_000, body_bytes: 1 << 20, uri_bytes: 1 << 18 };
        let one = |send: &tandem_sip::proxy::Send| {
            let bytes = out.of(send).to_vec();
            assert!(bytes.len() <= 2 * self.longest + ADDED_BYTES, "{} bytes of {}", bytes.len(), self.longest);
            assert!(Message::parse(&bytes, &limits, &mut Index::default()).is_ok(), "{}", String::from_utf8_lossy(&bytes));
            Sent { to: send.hop.remote, bytes }
        };
        out.sends.iter().map(one).collect()
    }
}

/// Where the second Via of a response says that it goes (RFC 3261 18.2.2, RFC 3581 4).
fn next_via(message: &Message<'_>) -> Option<SocketAddr> {
    let value = message.values(Name::Via).nth(1)?;
    let via = Via::parse(value).ok()?;
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u16>().ok();
    let host = std::str::from_utf8(via.params.get(b"received").unwrap_or(via.host)).ok()?;
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let port = via.params.get(b"rport").and_then(number).or(via.port).filter(|port| *port != 0).unwrap_or(5060);
    Some(SocketAddr::new(ip.to_canonical(), port))
}
