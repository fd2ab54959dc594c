//! Keeping flows to phones open, and seeing which of them are gone. Whose turn it is, the pure part knows; owners say which flows.

use crate::connection::End;
use crate::edge::Edge;
use crate::judge::Source;
use std::net::SocketAddr;
use tandem_sip::base32;
use tandem_sip::frame::{self, Address, Transport};
use tandem_sip::ids::mac;
use tandem_sip::keepalive::{Asked, Due, Kind, Watch};
use tandem_sys::socket;

/// Line ends that every SIP element passes over (RFC 3261 7.5), and that a phone with outbound answers (RFC 5626 3.5.1).
const PING: &[u8] = b"\r\n\r\n";
/// A phone's ping may be late by one part in this many of its interval before its flow counts as failed (RFC 5626 5.4 leaves it to us).
const LATE: u64 = 4;
/// Seconds without an acknowledgement after which the kernel gives a phone's connection up.
const GONE_SECONDS: u16 = 30;
/// What the branches of our OPTIONS begin with.
const BRANCH: &[u8] = b"z9hG4bKka";
/// Their characters behind that: when, and a MAC of it and of the flow.
const BRANCH_CHARS: usize = 7 + 13;
/// Bytes of a response in which its topmost Via must stand to be known as an answer to our OPTIONS.
const HEAD_BYTES: usize = 512;

/// How a phone's connection is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What an owner asked for.
    kind: Kind,
    seconds: u16,
    /// When the registration ends, seconds since 1970.
    until: u32,
    /// When we pinged last, monotonic microseconds.
    pinged_at: u64,
}

impl Edge {
    /// An owner names a flow to keep. A connection that is gone is told gone: its end may have been while the link was down.
    pub(crate) fn watch_flow(&mut self, owner: usize, watch: &Watch) {
        if watch.flow.transport == Transport::Udp {
            return self.watches.watch(owner as u8, watch, self.now, self.seconds());
        }
        let Some(connection) = self.connections.get(watch.flow.flow) else {
            if let Some(output) = self.links.output(owner) {
                frame::push_closed(output, watch.flow.flow);
            }
            return;
        };
        if watch.seconds > 0 && connection.kept.is_none_or(|kept| kept.seconds != watch.seconds) {
            let _ = socket::keep_alive(connection.fd(), watch.seconds, GONE_SECONDS);
        }
        let pinged_at = connection.kept.map_or(0, |kept| kept.pinged_at);
        connection.kept = Some(Kept { kind: watch.kind, seconds: watch.seconds, until: watch.until, pinged_at });
    }

    /// Pings the phones over UDP whose turn it is.
    pub(crate) fn keep_alive(&mut self) {
        if self.watches.wake_at().is_none_or(|due| self.now < due) {
            return;
        }
        let (wall, misses) = (self.seconds(), self.judge.policy.keepalive.options_misses as u8);
        let mut watches = std::mem::replace(&mut self.watches, tandem_sip::keepalive::Watches::new([0; 16]));
        watches.advance(self.now, wall, misses, |due| self.due(due));
        self.watches = watches;
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Ping { local, remote } => {
                self.counters.pinged += 1;
                self.send_datagram(local, remote.into(), PING, 0);
            }
            Due::Ask { local, remote } => {
                self.counters.asked += 1;
                let text = self.options(local, Transport::Udp, remote.into());
                self.send_datagram(local, remote.into(), &text, 0);
            }
            Due::Tell { owner, flow, answers } => {
                if let Some(output) = self.links.output(usize::from(owner)) {
                    frame::push_answers(output, &flow, answers);
                }
            }
        }
    }

    /// Looks after the connections of registered phones, once a second.
    pub(crate) fn keep_connections(&mut self) {
        let (now, wall, misses) = (self.now, self.seconds(), u64::from(self.judge.policy.keepalive.options_misses));
        let (mut silent, mut quiet) = (Vec::new(), Vec::new());
        for connection in self.connections.kept() {
            let Some(kept) = connection.kept.as_mut() else { continue };
            let (every, silence) = (u64::from(kept.seconds) * 1_000_000, now.saturating_sub(connection.heard_at));
            let late = every / LATE;
            let failed = match kept.kind {
                Kind::Silence => connection.pings && silence > every + late,
                Kind::Options => silence > every * (misses + 1) + late,
                Kind::Keep | Kind::Crlf => false,
            };
            let pings = matches!(kept.kind, Kind::Silence | Kind::Options | Kind::Crlf) && every > 0;
            if kept.until <= wall {
                connection.kept = None;
            } else if failed {
                silent.push(connection.flow);
            } else if pings && silence >= every && now.saturating_sub(kept.pinged_at) >= every {
                kept.pinged_at = now;
                quiet.push((connection.flow, kept.kind, connection.transport, connection.local, connection.remote));
            }
        }
        silent.into_iter().for_each(|flow| self.end(flow, End::Silent));
        for (flow, kind, transport, local, remote) in quiet {
            if kind == Kind::Options {
                self.counters.asked += 1;
                let text = self.options(local, transport, remote);
                self.queue(flow, &text, 0);
            } else {
                self.counters.pinged += 1;
                self.queue(flow, PING, 0);
            }
        }
    }

    /// Whether a message is a phone's answer to our OPTIONS, which nobody else waits for.
    pub(crate) fn is_answer_to_us(&mut self, source: &Source<'_>, bytes: &[u8]) -> bool {
        if self.judge.policy.keepalive.options == Asked::Off || !bytes.starts_with(b"SIP/2.0 ") {
            return false;
        }
        let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        let Some(at) = memchr::memmem::find(head, BRANCH).map(|at| at + BRANCH.len()) else { return false };
        let Some((time, sum)) = head.get(at..at + BRANCH_CHARS).and_then(|text| text.split_at_checked(7)) else { return false };
        let (Some(time), Some(sum)) = (base32::read(time), base32::read(sum)) else { return false };
        if sum != self.branch_of(time, source.remote.into()) {
            return false;
        }
        self.counters.ask_answered += 1;
        if source.flow == 0 {
            let mut told = Vec::new();
            self.watches.answered(source.local, &source.remote.into(), |due| told.push(due));
            told.into_iter().for_each(|due| self.due(due));
        }
        true
    }

    /// OPTIONS by which a phone shows that it is there; any answer will do.
    fn options(&self, local: u8, transport: Transport, remote: SocketAddr) -> Vec<u8> {
        let ours = self.locals.leaving(local, transport, remote).map_or("tandem.invalid", |at| &at.advertised);
        let time = u64::from(self.seconds());
        let mut name = Vec::with_capacity(BRANCH_CHARS);
        base32::push(&mut name, time, 7);
        base32::push(&mut name, self.branch_of(time & ((1 << 35) - 1), remote.into()), 13);
        let (name, branch) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(BRANCH));
        let by = transport.via();
        format!(
            "OPTIONS sip:{remote} SIP/2.0\r\nVia: SIP/2.0/{by} {ours};branch={branch}{name};rport\r\nMax-Forwards: 1\r\n\
             From: <sip:{ours}>;tag={name}\r\nTo: <sip:{remote}>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    fn branch_of(&self, time: u64, remote: Address) -> u64 {
        mac(&self.judge.keys.keys.hash, &[b"keepalive", &time.to_le_bytes(), &remote.ip, &remote.port.to_le_bytes()])
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.at / 1_000_000).unwrap_or(u32::MAX)
    }
}
