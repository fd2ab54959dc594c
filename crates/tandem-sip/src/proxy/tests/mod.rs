//! A proxy whose client and members a test plays, message by message; no test stands here.

mod calls;
mod dialogs;
mod flows;
mod names;
mod policy;
mod probes;

use super::{FrontConfig, Output, Own, Proxy, Source, Verdict, World};
use crate::frame::Transport;
use crate::ids::{Key, Keys};
use crate::index::Index;
use crate::limits::Limits;
use crate::message::Message;
use crate::name::Name;
use std::collections::BTreeSet;
use std::net::SocketAddr;

pub(super) const EDGE: &str = "10.0.0.1:5060";
pub(super) const ALICE: &str = "192.0.2.1:40000";

pub(super) fn keys() -> Keys {
    Keys { hash: [1; 16], signing: vec![Key { id: b'b', secret: [2; 16] }, Key { id: b'a', secret: [3; 16] }] }
}

pub(super) fn member(n: usize) -> String {
    format!("10.0.0.1{n}:5060")
}

/// One message that left.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Left {
    pub(super) to: String,
    pub(super) flow: u64,
    pub(super) transport: Transport,
    pub(super) cookie: u64,
    pub(super) text: String,
}

pub(super) struct World1 {
    pub(super) proxy: Proxy,
    pub(super) now: u64,
    pub(super) flows: BTreeSet<u64>,
}

impl World1 {
    /// A pool `farm` of so many members; `more` are fields of the pool.
    pub(super) fn new(members: usize, more: &str) -> World1 {
        World1::with(&format!(r#"{{"pools": [{}], "routes": [{{"pool": "farm"}}]}}"#, farm(members, more)))
    }

    pub(super) fn with(front: &str) -> World1 {
        let mut own = Own::default();
        own.add(Transport::Udp, EDGE.parse().unwrap(), EDGE.as_bytes(), 0);
        own.add(Transport::Tcp, EDGE.parse().unwrap(), EDGE.as_bytes(), 1);
        let mut proxy = Proxy::new(keys(), own, 0, 7);
        let config: FrontConfig = serde_json::from_str(front).unwrap();
        proxy.apply(&config, 0).unwrap();
        World1 { proxy, now: 1_000_000, flows: BTreeSet::new() }
    }

    /// Gives a message of `from` to the proxy, and what left then.
    pub(super) fn says(&mut self, from: &str, text: &str) -> Vec<Left> {
        self.verdict(from, text).1
    }

    pub(super) fn verdict(&mut self, from: &str, text: &str) -> (Verdict, Vec<Left>) {
        self.over(Transport::Udp, 0, from, text)
    }

    pub(super) fn over(&mut self, transport: Transport, flow: u64, from: &str, text: &str) -> (Verdict, Vec<Left>) {
        let mut index = Index::default();
        let message = Message::parse(text.as_bytes(), &Limits::default(), &mut index).unwrap();
        let remote: SocketAddr = from.parse().unwrap();
        let local = u8::from(transport != Transport::Udp);
        let source = Source { transport, local, remote, flow, edge: 0 };
        let mut out = Output::default();
        let alive = |flow: u64| self.flows.contains(&flow);
        let member = self.proxy.pools.member_at(remote, transport);
        let world = World { now: self.now, alive: &alive, alone: true };
        let verdict = match self.proxy.handle(&message, &source, member, &world, &mut out) {
            Verdict::Pass => self.proxy.nobody(&message, &source, &mut out),
            verdict => verdict,
        };
        (verdict, left(&out))
    }

    /// Lets time pass; what left meanwhile, with the milliseconds at which it did.
    pub(super) fn waits(&mut self, ms: u64) -> Vec<(u64, Left)> {
        let (begin, end) = (self.now, self.now + ms * 1_000);
        let mut all = Vec::new();
        while let Some(at) = self.proxy.wake_at().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            let mut out = Output::default();
            self.proxy.advance(self.now, &mut out);
            all.extend(left(&out).into_iter().map(|left| ((self.now - begin) / 1_000, left)));
        }
        self.now = end;
        all
    }

    pub(super) fn fails(&mut self, cookie: u64) -> Vec<Left> {
        let mut out = Output::default();
        self.proxy.failed(cookie, self.now, &mut out);
        left(&out)
    }
}

pub(super) fn farm(members: usize, more: &str) -> String {
    let list: Vec<String> = (0..members).map(|n| format!(r#"{{"name": "m{n}", "address": "{}"}}"#, member(n))).collect();
    format!(r#"{{"name": "farm"{more}, "members": [{}]}}"#, list.join(","))
}

fn left(out: &Output) -> Vec<Left> {
    let one = |send: &super::Send| Left {
        to: send.hop.remote.to_string(),
        flow: send.hop.flow,
        transport: send.hop.transport,
        cookie: send.cookie,
        text: String::from_utf8(out.of(send).to_vec()).unwrap(),
    };
    out.sends.iter().map(one).collect()
}

/// A request of Alice's.
pub(super) fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>\r\nCall-ID: one@alice\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:alice@{ALICE}>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The answer of a server to a request that it got.
pub(super) fn answer(request: &str, status: &str) -> String {
    let mut index = Index::default();
    let message = Message::parse(request.as_bytes(), &Limits::default(), &mut index).unwrap();
    let mut out = format!("SIP/2.0 {status}\r\n");
    for header in message.headers() {
        if matches!(header.name, Name::Via | Name::From | Name::CallId | Name::CSeq | Name::RecordRoute) {
            out.push_str(std::str::from_utf8(header.line).unwrap());
        }
    }
    let to = std::str::from_utf8(message.first(Name::To).unwrap()).unwrap();
    let tag = if message.to_tag().is_some() || status.starts_with("100") { "" } else { ";tag=b" };
    format!("{out}To: {to}{tag}\r\nContact: <sip:bob@{}>\r\nContent-Length: 0\r\n\r\n", member(0))
}

pub(super) fn header(message: &str, name: &str) -> String {
    let line = message.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_else(|| panic!("no {name} in {message}"));
    line[name.len() + 2..].to_owned()
}

/// The first line of each message and where it went.
pub(super) fn lines(left: &[Left]) -> Vec<String> {
    left.iter().map(|left| format!("{} -> {}", left.text.lines().next().unwrap_or_default(), left.to)).collect()
}

pub(super) fn timed(left: &[(u64, Left)]) -> Vec<String> {
    left.iter().map(|(ms, left)| format!("{ms} {} -> {}", left.text.lines().next().unwrap_or_default(), left.to)).collect()
}
