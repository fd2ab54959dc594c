//! The called side: rings, answers, repeats its 200 where that is wanted, counts.

use crate::sip::*;
use crate::sock::Sock;
use std::collections::{HashMap, HashSet, VecDeque};

const T1: u64 = 500_000_000; // ns
const T2: u64 = 4_000_000_000;
const GIVE_UP: u64 = 64 * T1;

#[derive(Default)]
pub struct Uas {
    pub invites: u64,
    pub reinv: u64,
    pub acks: u64,
    pub byes: u64,
    pub options: u64,
    pub other: u64,
    pub repeats: u64, // of 200s
    ring: u64,        // ns
    no100: bool,
    repeat200: bool,
    seen: HashSet<u64>,
    ringing: VecDeque<(u64, usize, Vec<u8>, libc::sockaddr_in)>,
    unacked: HashMap<u64, (usize, Vec<u8>, libc::sockaddr_in)>,
    again: VecDeque<(u64, u64, u64)>, // due, Call-ID, pause; checked every T1
    out: Vec<u8>,
}

impl Uas {
    /// It rings for `ring` nanoseconds.
    pub fn new(ring: u64, no100: bool, repeat200: bool) -> Uas {
        Uas { ring, no100, repeat200, ..Default::default() }
    }

    /// A message that came to `socks[si]`.
    pub fn heard(&mut self, socks: &mut [Sock], si: usize, m: &[u8], from: libc::sockaddr_in, now: u64) {
        let me = socks[si].me.clone();
        if m.starts_with(b"INVITE ") {
            self.invites += 1;
            if !self.seen.insert(call_id(m)) {
                self.reinv += 1;
            }
            if !self.no100 {
                uas_reply(&mut self.out, m, "100 Trying", &me, false);
                socks[si].push(&self.out, from);
            }
            uas_reply(&mut self.out, m, "180 Ringing", &me, false);
            socks[si].push(&self.out, from);
            if self.ring > 0 {
                self.ringing.push_back((now + self.ring, si, m.to_vec(), from));
            } else {
                self.answer(socks, si, m, from, now);
            }
        } else if m.starts_with(b"ACK ") {
            self.acks += 1;
            if self.repeat200 {
                self.unacked.remove(&call_id(m));
            }
        } else if m.starts_with(b"BYE ") || m.starts_with(b"OPTIONS ") || m.starts_with(b"CANCEL ") {
            if m[0] == b'B' {
                self.byes += 1
            } else {
                self.options += 1
            }
            uas_reply(&mut self.out, m, "200 OK", &me, false);
            socks[si].push(&self.out, from);
        } else {
            self.other += 1;
        }
    }

    /// What is due: answers, and 200s without an ACK (RFC 3261 13.3.1.4).
    pub fn due(&mut self, socks: &mut [Sock], now: u64) {
        while self.ringing.front().is_some_and(|r| r.0 <= now) {
            let (_, si, m, from) = self.ringing.pop_front().unwrap();
            self.answer(socks, si, &m, from, now);
        }
        while self.again.front().is_some_and(|a| a.0 <= now) {
            let (_, call, waited) = self.again.pop_front().unwrap();
            let Some((si, ok, from)) = self.unacked.get(&call) else { continue };
            // doubling up to T2, seen every T1: 0.5, 1, 2, 4, 4 ... seconds after each other
            let (mut at, mut pause) = (T1, T1);
            while at < waited {
                pause = (pause * 2).min(T2);
                at += pause;
            }
            if at == waited {
                socks[*si].push(ok, *from);
                self.repeats += 1;
            }
            if waited < GIVE_UP {
                self.again.push_back((now + T1, call, waited + T1));
            }
        }
    }

    /// When something is due next.
    pub fn next(&self) -> Option<u64> {
        let (ring, again) = (self.ringing.front().map(|r| r.0), self.again.front().map(|a| a.0));
        ring.into_iter().chain(again).min()
    }

    fn answer(&mut self, socks: &mut [Sock], si: usize, m: &[u8], from: libc::sockaddr_in, now: u64) {
        let me = socks[si].me.clone();
        uas_reply(&mut self.out, m, "200 OK", &me, true);
        socks[si].push(&self.out, from);
        if self.repeat200 && self.unacked.insert(call_id(m), (si, self.out.clone(), from)).is_none() {
            self.again.push_back((now + T1, call_id(m), T1));
        }
    }
}

fn call_id(m: &[u8]) -> u64 {
    lines(m).skip(1).find(|l| is(l, "Call-ID", b'i')).map_or(0, |l| fnv(val(l)))
}
