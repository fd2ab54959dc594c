//! Our own requests to members, to see whether they live: written, repeated once, and judged by their answer. It chooses no time: the
//! pools do.

use super::branch;
use super::output::Output;
use super::text::push_address;
use super::Proxy;
use crate::base32;
use crate::decimal;
use crate::frame::Transport;
use crate::ids::mac;
use crate::message::Message;
use crate::pool::{MemberId, Outcome};

/// A probe over datagrams that has no answer by then is sent once more, in microseconds (T1).
const AGAIN_US: u64 = 500_000;
/// Marks our cookies.
const COOKIE: u64 = 0xf5 << 56;

/// Probes under way.
#[derive(Debug, Default)]
pub(super) struct Probing {
    last: u32,
    open: Vec<Probe>,
}

#[derive(Debug)]
struct Probe {
    member: MemberId,
    n: u32,
    asked_at: u64,
    again_at: u64,
    until: u64,
}

impl Probing {
    pub(super) fn wake_at(&self) -> Option<u64> {
        self.open.iter().map(|probe| if probe.again_at == 0 { probe.until } else { probe.again_at.min(probe.until) }).min()
    }
}

impl Proxy {
    /// Whether this edge is the one of its host that probes.
    pub fn set_prober(&mut self, on: bool, now: u64) {
        self.pools.set_prober(on, now);
    }

    /// Sends probes that are due, and gives up those that nobody answers.
    pub(super) fn probe(&mut self, now: u64, out: &mut Output) {
        for member in self.pools.probes(now) {
            let timeout_us = self.pools.member(member).map_or(0, |known| self.pools.settings(known.pool).health.timeout_us);
            self.probing.last = self.probing.last.wrapping_add(1) & 0xf_ffff;
            let n = self.probing.last;
            self.probing.open.retain(|probe| probe.member != member);
            let datagram = self.pools.member(member).is_some_and(|known| known.transport == Transport::Udp);
            let again_at = if datagram && timeout_us > AGAIN_US { now + AGAIN_US } else { 0 };
            self.probing.open.push(Probe { member, n, asked_at: now, again_at, until: now + timeout_us });
            self.send_probe(member, n, out);
        }
        let mut open = std::mem::take(&mut self.probing.open);
        open.retain_mut(|probe| {
            if probe.until <= now {
                out.changes.extend(self.pools.probed(probe.member, Outcome::NoAnswer, now));
                return false;
            }
            if probe.again_at != 0 && probe.again_at <= now {
                probe.again_at = 0;
                self.send_probe(probe.member, probe.n, out);
            }
            true
        });
        self.probing.open = open;
    }

    /// The edge that sent a probe whose response this is.
    pub(super) fn prober_of(&self, message: &Message<'_>) -> Option<(u16, MemberId, u32)> {
        let (by, edge, member, n, sum) = branch::read_probe(message.top_via().branch?)?;
        let key = self.keys.signing.iter().find(|key| key.id == by)?;
        (mac(&key.secret, &[b"probe", &numbers(edge, member, n)]) == sum).then_some((edge, member, n))
    }

    /// A response to a probe of ours.
    pub(super) fn probe_answered(&mut self, member: MemberId, n: u32, status: u16, now: u64, out: &mut Output) {
        let Some(at) = self.probing.open.iter().position(|probe| probe.member == member && probe.n == n).filter(|_| status >= 200) else {
            return;
        };
        let probe = self.probing.open.swap_remove(at);
        let after_us = Some(now.saturating_sub(probe.asked_at));
        let outcome = Outcome::Reply { status, after_us, retry_after_seconds: None };
        out.changes.extend(self.pools.probed(member, outcome, now));
    }

    /// A probe could not be sent. False: the cookie is none of a probe.
    pub(super) fn probe_failed(&mut self, cookie: u64, now: u64, out: &mut Output) -> bool {
        let (member, n) = ((cookie & 0xffff) as MemberId, (cookie >> 16 & 0xf_ffff) as u32);
        let at = self.probing.open.iter().position(|probe| probe.member == member && probe.n == n);
        let Some(at) = at.filter(|_| cookie >> 56 == COOKIE >> 56) else { return false };
        self.probing.open.swap_remove(at);
        out.changes.extend(self.pools.probed(member, Outcome::Transport, now));
        true
    }

    fn send_probe(&mut self, member: MemberId, n: u32, out: &mut Output) {
        let Some(hop) = self.hop_of(member, 0) else { return };
        let (Some(own), Some(key)) = (self.own.get(hop.local), self.keys.signing.first()) else { return };
        let Some(known) = self.pools.member(member) else { return };
        let method = self.pools.settings(known.pool).health.method.as_bytes();
        let numbers = numbers(self.edge, member, n);
        let start = out.bytes.len();
        let bytes = &mut out.bytes;
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
        put(&[method, b" sip:"]);
        push_address(bytes, hop.remote);
        if hop.transport != Transport::Udp {
            bytes.extend_from_slice(b";transport=");
            bytes.extend_from_slice(hop.transport.via().to_ascii_lowercase().as_bytes());
        }
        for part in [b" SIP/2.0\r\nVia: SIP/2.0/", hop.transport.via().as_bytes(), b" ", &own.advertised, b";branch="] {
            bytes.extend_from_slice(part);
        }
        branch::push_probe(bytes, key.id, self.edge, member, n, mac(&key.secret, &[b"probe", &numbers]));
        bytes.extend_from_slice(b"\r\nMax-Forwards: 70\r\nFrom: <sip:");
        bytes.extend_from_slice(&own.advertised);
        bytes.extend_from_slice(b">;tag=");
        let name = self.keys.hash(&[b"probe", &numbers, &self.born.to_le_bytes()]);
        base32::push(bytes, name, 8);
        bytes.extend_from_slice(b"\r\nTo: <sip:");
        push_address(bytes, hop.remote);
        bytes.extend_from_slice(b">\r\nCall-ID: ");
        base32::push(bytes, name, 13);
        bytes.extend_from_slice(b"\r\nCSeq: ");
        decimal::push(bytes, u64::from(n) + 1);
        for part in [b" ", method, b"\r\nContact: <sip:", &own.advertised, b">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"] {
            bytes.extend_from_slice(part);
        }
        out.sent(start, hop, COOKIE | u64::from(n) << 16 | u64::from(member));
    }
}

fn numbers(edge: u16, member: MemberId, n: u32) -> [u8; 8] {
    let ([a, b], [c, d], [e, f, g, h]) = (edge.to_le_bytes(), member.to_le_bytes(), n.to_le_bytes());
    [a, b, c, d, e, f, g, h]
}
