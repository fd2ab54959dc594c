//! What becomes of a message from an edge: absorbed, refused, or an event for Python. It knows nothing of calls.

use super::compose::{push_response, refusal_ack};
use super::events::{self, RequestIs, ResponseIs};
use super::glance::{param, tag, Glance};
use super::outbox::call_text;
use super::Owner;
use crate::frame::SipUp;
use crate::ids::{call_id, read_tag};
use crate::txn::{AckIs, CallId, Final, Flow, Responding, NO_CALL};

/// Seconds that an overloaded owner asks new work to wait, at least; a part of the branch's hash spreads it.
const RETRY_AFTER_SECONDS: u64 = 2;

/// A request cut into what places it.
pub(super) struct Asking<'m, 'a> {
    pub edge: u16,
    pub sip: &'m SipUp<'a>,
    pub message: &'m Glance<'a>,
    pub method: &'a [u8],
    pub uri: &'a [u8],
    pub to_tag: &'a [u8],
    pub cseq: u32,
    pub flow: Flow,
    /// The handle of this request; an ACK has that of its INVITE.
    pub handle: u64,
    pub call: CallId,
}

impl Owner {
    pub(super) fn sip(&mut self, edge: u16, sip: &SipUp<'_>, now: u64) {
        self.out.counters.messages_in += 1;
        if self.out.epoch(sip.shard).is_none() {
            self.out.counters.foreign_shards += 1;
            return; // not taken: its owner will
        }
        if self.in_hand.contains_key(&(edge, sip.seq)) {
            return; // the link came back while Python has it
        }
        let flow = Flow { edge, connection: sip.flow, transport: sip.transport, local: sip.local, remote: sip.remote };
        let glance = Glance::of(sip.message);
        let told = match &glance {
            Some(message) if message.start.starts_with(b"SIP/2.0 ") => self.response(edge, sip, message, flow, now),
            Some(message) => self.request(edge, sip, message, flow, now),
            None => {
                self.out.counters.malformed += 1;
                false
            }
        };
        if !told {
            self.out.taken(edge, sip.seq);
        }
    }

    /// True: Python was told and will say taken.
    fn response(&mut self, edge: u16, sip: &SipUp<'_>, message: &Glance<'_>, flow: Flow, now: u64) -> bool {
        let parts = || {
            let mut start = message.start.splitn(3, |c| *c == b' ').skip(1);
            let status = std::str::from_utf8(start.next()?).ok()?.parse::<u16>().ok().filter(|status| (100..=699).contains(status))?;
            let via = message.value(b"via")?;
            let to = message.value(b"to")?;
            Some((status, start.next().unwrap_or_default(), param(via, b"branch"), message.cseq()?, to))
        };
        let Some((status, reason, branch, (cseq, method), to)) = parts() else {
            self.out.counters.malformed += 1;
            return false;
        };
        let Some((call, branch_n)) = self.config.keys.read_branch(branch) else {
            self.out.counters.stray_responses += 1;
            return false;
        };
        let call_id: CallId = call.try_into().unwrap_or(NO_CALL);
        let is_cancel = method == b"CANCEL";
        let hash = if is_cancel { self.cancel_key(call, branch_n) } else { self.client_key(call, branch_n) };
        let to_tag = self.config.keys.hash(&[b"tag", tag(to)]);
        let key = self.clients.key(hash, is_cancel);
        let verdict = match key {
            Some(key) => self.clients.answered(key, status, to_tag, now, &mut self.out, |request| refusal_ack(request, to)),
            None => Final::Unknown,
        };
        let n = match verdict {
            Final::Absorb => return false,
            Final::Tell { n, ack_waits } => {
                self.in_hand.insert((edge, sip.seq), key.filter(|_| ack_waits).unwrap_or(0));
                n
            }
            // A second answer after all was over: the call must end it (RFC 3261 13.2.2.4)
            Final::Unknown if method == b"INVITE" && (200..300).contains(&status) => {
                self.in_hand.insert((edge, sip.seq), 0);
                branch_n
            }
            Final::Unknown => {
                self.out.counters.stray_responses += 1;
                return false;
            }
        };
        let is = ResponseIs { call: call_text(&call_id), n, flow: &flow, status, reason, method, cseq };
        self.out.event(|out| events::response(out, sip, message, &is));
        true
    }

    fn request<'a>(&mut self, edge: u16, sip: &SipUp<'a>, message: &Glance<'a>, flow: Flow, now: u64) -> bool {
        let parts = || {
            let mut start = message.start.split(|c| *c == b' ');
            let (method, uri, version) = (start.next()?, start.next()?, start.next()?);
            let (number, of) = message.cseq()?;
            let (via, to) = (message.value(b"via")?, message.value(b"to")?);
            let (from, call_id) = (message.value(b"from")?, message.value(b"call-id")?);
            (start.next().is_none() && version == b"SIP/2.0" && of == method && !uri.is_empty() && !method.is_empty())
                .then_some((method, uri, number, via, from, to, call_id))
        };
        let Some((method, uri, cseq, via, from, to, sip_call_id)) = parts() else {
            self.out.counters.malformed += 1;
            return false;
        };
        let to_tag = tag(to);
        let of_invite = self.handle_of(via, if method == b"ACK" || method == b"CANCEL" { b"INVITE" } else { method }, uri, from, sip_call_id, cseq);
        let handle = if method == b"CANCEL" { self.handle_of(via, method, uri, from, sip_call_id, cseq) } else { of_invite };
        let call = match (read_tag(to_tag), method) {
            (Some((call, _)), _) => call.try_into().unwrap_or(NO_CALL),
            (None, b"INVITE" | b"CANCEL") if to_tag.is_empty() => call_id(sip.shard, of_invite),
            _ => NO_CALL,
        };
        let asking = Asking { edge, sip, message, method, uri, to_tag, cseq, flow, handle, call };
        match method {
            b"ACK" => return self.ack(&asking, now),
            _ if self.servers.knows(handle) => {
                self.servers.receive(handle, method == b"INVITE", call, sip.shard, &flow, now, &mut self.out);
                self.out.counters.repeats += 1;
                return false;
            }
            b"CANCEL" if !self.servers.knows(of_invite) => {
                self.out.counters.stray_cancels += 1;
                self.refuse(&asking, 481, "Call/Transaction Does Not Exist", b"", now);
                return false;
            }
            _ => {}
        }
        let trust = if to_tag.is_empty() && method != b"CANCEL" {
            if self.out.waiting() >= self.config.inbox_events {
                self.out.counters.overloaded += 1;
                let extra = format!("Retry-After: {}\r\n", RETRY_AFTER_SECONDS + handle % 8);
                self.refuse(&asking, 503, "Service Unavailable", extra.as_bytes(), now);
                return false;
            }
            match self.trust(&asking, now) {
                Some(trust) => trust,
                None => return false,
            }
        } else {
            Vec::new()
        };
        if method == b"REGISTER" && to_tag.is_empty() {
            self.register(&asking, &trust, now);
            return false;
        }
        self.servers.take_up(handle, method == b"INVITE", call, sip.shard, &flow, now);
        let vias = vias_of(message, &flow);
        let is = RequestIs { call: call_text(&call), txn: handle, flow: &flow, trust: &trust, method, uri, cseq, vias: &vias };
        self.out.event(|out| events::request(out, sip, message, &is));
        self.in_hand.insert((edge, sip.seq), 0);
        true
    }

    fn ack(&mut self, asking: &Asking<'_, '_>, now: u64) -> bool {
        let Asking { edge, sip, message, to_tag, cseq, handle, call, .. } = *asking;
        if self.servers.refusal_acked(handle, now) {
            return false;
        }
        let ack = self.ack_key(to_tag, cseq);
        let first = match self.servers.accepted_acked(ack) {
            AckIs::First => true,
            AckIs::Again => false,
            // A new owner may not know the 2xx. The ACK to a refusal has the INVITE's branch: it is never one of these.
            AckIs::Unknown => call != NO_CALL && call_id(sip.shard, handle) != call,
        };
        if !first {
            self.out.counters.stray_acks += 1;
            return false;
        }
        self.out.event(|out| events::acked(out, sip, edge, message, &call, to_tag, cseq));
        self.in_hand.insert((edge, sip.seq), 0);
        true
    }

    /// Answers a request finally, and remembers that for its repeats.
    pub(super) fn refuse(&mut self, asking: &Asking<'_, '_>, status: u16, reason: &str, extra: &[u8], now: u64) {
        let mut to_tag = call_id(asking.sip.shard, asking.handle).to_vec();
        to_tag.extend_from_slice(b"a0");
        let mut response = Vec::with_capacity(512);
        push_response(&mut response, asking.message, &vias_of(asking.message, &asking.flow), status, reason, &to_tag, extra);
        let responding = Responding {
            status, invite: asking.method == b"INVITE", flow: asking.flow, shard: asking.sip.shard, call: asking.call, message: &response,
            reliable: false, age: 0, acked: false, ack: 0, silent: true,
        };
        self.servers.respond(asking.handle, &responding, now, &mut self.out);
    }

    fn handle_of(&self, via: &[u8], method: &[u8], uri: &[u8], from: &[u8], sip_call_id: &[u8], cseq: u32) -> u64 {
        let top = first_value(via);
        let branch = param(top, b"branch");
        match branch.strip_prefix(crate::ids::COOKIE) {
            Some(rest) if !rest.is_empty() => self.config.keys.hash(&[b"txn", branch, sent_by(top), method]),
            // RFC 3261 17.2.3 for RFC 2543 peers; without the To tag, which the ACK has and the INVITE has not
            _ => self.config.keys.hash(&[b"2543", uri, tag(from), sip_call_id, &cseq.to_le_bytes(), top, method]),
        }
    }

    pub(super) fn client_key(&self, call: &[u8], n: u32) -> u64 {
        self.config.keys.hash(&[b"client", call, &n.to_le_bytes()])
    }

    pub(super) fn cancel_key(&self, call: &[u8], n: u32) -> u64 {
        self.config.keys.hash(&[b"cancel", call, &n.to_le_bytes()])
    }

    pub(super) fn ack_key(&self, to_tag: &[u8], cseq: u32) -> u64 {
        self.config.keys.hash(&[b"ack", to_tag, &cseq.to_le_bytes()]).max(1)
    }
}

/// The request's Via lines with `received` and `rport` in the first value (RFC 3261 18.2.1, RFC 3581 4).
fn vias_of(message: &Glance<'_>, flow: &Flow) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for (at, line) in message.all(b"via").enumerate() {
        if at > 0 {
            out.extend_from_slice(line.whole);
            continue;
        }
        let top = first_value(line.value);
        let rest = line.value.get(top.len()..).unwrap_or_default();
        out.extend_from_slice(b"Via: ");
        let mut wants_rport = false;
        for (at, part) in top.split(|c| *c == b';').enumerate() {
            let name = part.split(|c| *c == b'=').next().unwrap_or_default().trim_ascii();
            if name.eq_ignore_ascii_case(b"rport") {
                wants_rport = true;
            } else if !name.eq_ignore_ascii_case(b"received") || at == 0 {
                if at > 0 {
                    out.push(b';');
                }
                out.extend_from_slice(part);
            }
        }
        let ip = flow.remote.ip().to_string();
        if wants_rport || host_of(sent_by(top)) != ip.as_bytes() {
            out.extend_from_slice(format!(";received={ip}").as_bytes());
        }
        if wants_rport {
            out.extend_from_slice(format!(";rport={}", flow.remote.port).as_bytes());
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The first of comma separated values; commas in quotes do not count.
fn first_value(value: &[u8]) -> &[u8] {
    let mut quoted = false;
    let end = value.iter().position(|c| {
        quoted ^= *c == b'"';
        *c == b',' && !quoted
    });
    value.get(..end.unwrap_or(value.len())).unwrap_or_default().trim_ascii_end()
}

fn sent_by(via: &[u8]) -> &[u8] {
    let before = via.split(|c| *c == b';').next().unwrap_or_default().trim_ascii();
    before.rsplit(|c| c.is_ascii_whitespace()).next().unwrap_or_default()
}

fn host_of(sent_by: &[u8]) -> &[u8] {
    match sent_by.strip_prefix(b"[") {
        Some(v6) => v6.split(|c| *c == b']').next().unwrap_or_default(),
        None => sent_by.split(|c| *c == b':').next().unwrap_or_default(),
    }
}
