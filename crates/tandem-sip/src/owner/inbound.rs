//! What becomes of a message from an edge: absorbed, refused, or an event for Python. It knows nothing of calls.

use super::compose::refusal_ack;
use super::events::{self, RequestIs, ResponseIs};
use super::outbox::call_text;
use super::Owner;
use crate::build;
use crate::frame::{SipUp, Transport};
use crate::ids::{call_id, read_tag};
use crate::limits::Limits;
use crate::message::Message;
use crate::name::Name;
use crate::refusal::Refusal;
use crate::reply;
use crate::txn::{AckIs, CallId, Final, Flow, Responding, Sink, NO_CALL};
use std::net::SocketAddr;

/// Seconds that an overloaded owner asks new work to wait, at least; a part of the branch's hash spreads it.
const RETRY_AFTER_SECONDS: u64 = 2;

/// A request cut into what places it.
pub(super) struct Asking<'m, 'a> {
    pub edge: u16,
    pub sip: &'m SipUp<'m>,
    pub message: Message<'a>,
    pub method: &'a [u8],
    pub to_tag: &'a [u8],
    pub cseq: u32,
    /// Where it came from.
    pub flow: Flow,
    /// Where its responses go.
    pub back: Flow,
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
        let mut index = std::mem::take(&mut self.index);
        let told = match Message::parse(sip.message, &Limits::default(), &mut index) {
            Ok(message) if message.begins() => match message.check() {
                Ok(()) => self.request(edge, sip, message, flow, now),
                Err(why) => self.malformed(sip, Some(message), flow, why),
            },
            Ok(message) if message.is_request() => self.request(edge, sip, message, flow, now),
            Ok(message) => self.response(edge, sip, message, flow, now),
            Err(why) => {
                let salvaged = Message::salvage(sip.message, &Limits::default(), &mut index);
                self.malformed(sip, salvaged, flow, why)
            }
        };
        self.index = index;
        if !told {
            self.out.taken(edge, sip.seq);
        }
    }

    /// Refuses without state what no rule can be applied to; a response or an ACK in silence.
    fn malformed(&mut self, sip: &SipUp<'_>, message: Option<Message<'_>>, flow: Flow, why: Refusal) -> bool {
        self.out.counters.malformed += 1;
        if let Some(message) = message {
            let mut answer = Vec::with_capacity(512);
            build::response(&mut answer, &message, Some(sip.remote.into()), why.status(), why.reason(), Some(b"malformed"), b"");
            self.out.send(&back(flow, &answer), sip.shard, 0, &answer);
        }
        false
    }

    /// True: Python was told and will say taken.
    fn response(&mut self, edge: u16, sip: &SipUp<'_>, message: Message<'_>, flow: Flow, now: u64) -> bool {
        let branch = message.top_via().branch.unwrap_or_default();
        let (status, (cseq, method)) = (message.status(), message.cseq());
        let to = message.first(Name::To).unwrap_or_default();
        let Some((call, branch_n)) = self.config.keys.read_branch(branch) else {
            self.out.counters.stray_responses += 1;
            return false;
        };
        let call_id: CallId = call.try_into().unwrap_or(NO_CALL);
        let is_cancel = method == b"CANCEL";
        let hash = if is_cancel { self.cancel_key(call, branch_n) } else { self.client_key(call, branch_n) };
        let to_tag = self.config.keys.hash(&[b"tag", message.to_tag().unwrap_or_default()]);
        let key = self.clients.key(hash, is_cancel);
        if let Some(key) = key {
            self.heard_over_tcp(key);
            self.clients.heard_on(key, &flow);
        }
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
        let contact = self.contact_behind(&message, &flow);
        let is = ResponseIs { call: call_text(&call_id), n, flow: &flow, method, cseq, contact };
        self.out.event(|out| events::response(out, sip, &message, &is));
        true
    }

    fn request(&mut self, edge: u16, sip: &SipUp<'_>, message: Message<'_>, flow: Flow, now: u64) -> bool {
        let (method, cseq, to_tag) = (message.method_bytes(), message.cseq().0, message.to_tag().unwrap_or_default());
        let of_invite = self.handle_of(&message, if method == b"ACK" || method == b"CANCEL" { b"INVITE" } else { method });
        let handle = if method == b"CANCEL" { self.handle_of(&message, method) } else { of_invite };
        let call = match (read_tag(to_tag), method) {
            (Some((call, _)), _) => call.try_into().unwrap_or(NO_CALL),
            (None, b"INVITE" | b"CANCEL") if to_tag.is_empty() => call_id(sip.shard, of_invite),
            _ => NO_CALL,
        };
        let back = by(flow, |source| reply::towards_sender(&message.top_via(), source));
        let asking = Asking { edge, sip, message, method, to_tag, cseq, flow, back, handle, call };
        match method {
            b"ACK" => return self.ack(&asking, now),
            _ if self.servers.knows(handle) => {
                self.servers.receive(handle, method == b"INVITE", call, sip.shard, &back, now, &mut self.out);
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
            if self.out.waiting() >= self.config.inbox_events && !self.calls_for_help(&message) {
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
        if !self.account_admits(&asking, &trust) {
            self.out.counters.account_rate_exceeded += 1;
            let extra = format!("Retry-After: {}\r\n", RETRY_AFTER_SECONDS + handle % 8);
            self.refuse(&asking, 503, "Service Unavailable", extra.as_bytes(), now);
            return false;
        }
        if method == b"REGISTER" && to_tag.is_empty() {
            return self.register(&asking, &trust, now);
        }
        self.servers.take_up(handle, method == b"INVITE", call, sip.shard, &back, now);
        let contact = self.contact_behind(&message, &flow);
        let mut vias = Vec::with_capacity(256);
        build::push_vias(&mut vias, &message, Some(flow.remote.into()));
        let is = RequestIs { call: call_text(&call), txn: handle, flow: &flow, trust: &trust, vias: &vias, contact };
        self.out.event(|out| events::request(out, sip, &message, &is));
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
        self.out.event(|out| events::acked(out, sip, edge, &message, &call, to_tag, cseq));
        self.in_hand.insert((edge, sip.seq), 0);
        true
    }

    /// Answers a request finally, and remembers that for its repeats.
    pub(super) fn refuse(&mut self, asking: &Asking<'_, '_>, status: u16, reason: &str, extra: &[u8], now: u64) {
        let mut to_tag = call_id(asking.sip.shard, asking.handle).to_vec();
        to_tag.extend_from_slice(b"a0");
        let mut response = Vec::with_capacity(512);
        build::response(&mut response, &asking.message, Some(asking.flow.remote.into()), status, reason, Some(&to_tag), extra);
        let responding = Responding {
            status,
            invite: asking.method == b"INVITE",
            flow: asking.back,
            shard: asking.sip.shard,
            call: asking.call,
            message: &response,
            reliable: false,
            age: 0,
            acked: false,
            ack: 0,
            silent: true,
        };
        self.servers.respond(asking.handle, &responding, now, &mut self.out);
    }

    fn handle_of(&self, message: &Message<'_>, method: &[u8]) -> u64 {
        let via = message.top_via();
        let (branch, port) = (via.branch.unwrap_or_default(), via.port.unwrap_or(0).to_le_bytes());
        if via.is_rfc3261() {
            return self.config.keys.hash(&[b"txn", branch, via.host, &port, method]);
        }
        // RFC 3261 17.2.3 for RFC 2543 peers; without the To tag, which the ACK has and the INVITE has not
        let from_tag = message.from_tag().unwrap_or_default();
        self.config.keys.hash(&[
            b"2543",
            message.uri(),
            from_tag,
            message.call_id(),
            &message.cseq().0.to_le_bytes(),
            branch,
            via.host,
            &port,
            method,
        ])
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

/// Where the response with these Via lines goes: over a stream, back on its connection.
pub(super) fn back(flow: Flow, vias: &[u8]) -> Flow {
    by(flow, |source| reply::towards(vias, source))
}

fn by(flow: Flow, towards: impl FnOnce(SocketAddr) -> SocketAddr) -> Flow {
    match flow.transport {
        Transport::Udp => Flow { remote: towards(flow.remote.into()).into(), ..flow },
        _ => flow,
    }
}
