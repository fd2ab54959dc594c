//! An edge's judge with a front behind it, and what a stranger may get out of them over UDP: one answer at most, never longer than the question.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::net::SocketAddr;
use tandem_edge::judge::{Judge, Source, Verdict};
use tandem_edge::keys::EdgeKeys;
use tandem_sip::frame::Transport;
use tandem_sip::message::Message;
use tandem_sip::policy::Policy;
use tandem_sip::proxy::{self, FrontConfig, Output, Own, Proxy, World};
use tandem_sip::ring::Ring;

const HEX: &str = "000102030405060708090a0b0c0d0e0f";
const MEMBER: &str = "10.0.0.11:5060";
pub const AT: u64 = 1_795_000_000_000_000;

pub struct Oracle {
    pub judge: Judge,
    front: Option<Proxy>,
    output: Output,
    answer: Vec<u8>,
    at: u64,
}

impl Oracle {
    /// `policy`: fields after the usual ones, beginning with a comma.
    pub fn new(front: bool, policy: &str) -> Oracle {
        let keys = format!(r#"{{"hash":"{HEX}","signing":[{{"id":"a","secret":"{HEX}"}}],"nonce":[{{"id":"a","secret":"{HEX}"}}]}}"#);
        let keys = EdgeKeys::of(&Ring::read(keys.as_bytes()).unwrap(), AT);
        let policy = format!(r#"{{"default_domain": "demo.example", "domains": {{"demo.example": "demo"}}{policy}}}"#);
        let mut own = Own::default();
        own.add(Transport::Udp, "192.0.2.100:5060".parse().unwrap(), b"192.0.2.100:5060", 0);
        let front = front.then(|| {
            let config: FrontConfig = serde_json::from_str(&format!(
                r#"{{"pools": [{{"name": "farm", "members": [{{"name": "fs1", "address": "{MEMBER}", "transport": "udp"}}]}}],
                    "routes": [{{"user_prefix": "+", "pool": "farm"}}, {{"domains": ["demo.example"], "pool": "farm"}}, {{"refuse": 403}}]}}"#
            ))
            .unwrap();
            let mut proxy = Proxy::new(keys.keys.clone(), own, 0, 0);
            proxy.apply(&config, 1).unwrap();
            proxy
        });
        let mut judge = Judge::new(Policy::from_json(policy.as_bytes()).unwrap(), keys);
        judge.fronts = front.is_some();
        Oracle { judge, front, output: Output::default(), answer: Vec::with_capacity(4096), at: AT }
    }

    /// What goes back to whoever sent a datagram: how many messages, and how many bytes.
    pub fn hears(&mut self, remote: SocketAddr, bytes: &[u8]) -> (usize, usize) {
        self.at += 1_000_000; // no limit but those of length
        self.output.clear();
        let Oracle { judge, front, output, answer, at } = self;
        let now = *at - AT + 1;
        let source = Source { flow: 0, transport: Transport::Udp, local: 0, remote, names: &[] };
        let mut fronted = |message: &Message<'_>| {
            let from = proxy::Source { transport: Transport::Udp, local: 0, remote, flow: 0, edge: 0 };
            let world = World { now, alive: &|_| false, alone: true };
            let proxy = front.as_mut()?;
            let verdict = match proxy.handle(message, &from, None, &world, output) {
                proxy::Verdict::Pass => proxy.nobody(message, &from, output),
                verdict => verdict,
            };
            Some(verdict)
        };
        match judge.message(&source, bytes, *at, false, &mut fronted, answer) {
            Verdict::Answer(_) => (1, answer.len()),
            _ => {
                let member: SocketAddr = MEMBER.parse().unwrap();
                let back = output.sends.iter().filter(|send| send.hop.remote != member);
                back.fold((0, 0), |(count, sum), send| (count + 1, sum + output.of(send).len()))
            }
        }
    }

    /// Panics where a stranger would gain.
    pub fn check(&mut self, remote: SocketAddr, bytes: &[u8]) {
        let (count, out) = self.hears(remote, bytes);
        assert!(count <= 1, "{count} answers to {:?}", String::from_utf8_lossy(bytes));
        assert!(out <= bytes.len(), "{out} bytes for {}: {:?}", bytes.len(), String::from_utf8_lossy(bytes));
    }
}
