//! Writes requests, responses and ACKs as Python's events (src/tandem/boundary.py has the order of fields). It decides nothing.

use super::glance::{tag, Glance};
use super::msgpack as mp;
use super::outbox::push_flow;
use crate::frame::SipUp;
use crate::txn::Flow;
use smallvec::SmallVec;

/// Headers that call logic looks at; they are in `special` and not in `rest`.
pub const SPECIAL: [&[u8]; 40] = [
    b"accept", b"alert-info", b"allow", b"allow-events", b"call-info", b"content-disposition", b"content-encoding", b"diversion",
    b"event", b"expires", b"history-info", b"in-reply-to", b"join", b"min-expires", b"min-se", b"p-asserted-identity",
    b"p-preferred-identity", b"path", b"priority", b"privacy", b"proxy-authenticate", b"proxy-require", b"rack", b"reason", b"refer-sub",
    b"refer-to", b"referred-by", b"remote-party-id", b"replaces", b"require", b"retry-after", b"route", b"rseq", b"server",
    b"session-expires", b"subscription-state", b"supported", b"unsupported", b"user-agent", b"www-authenticate",
];

/// Headers with a field of their own, or that end at each hop.
const OWN: [&[u8]; 15] = [
    b"via", b"from", b"to", b"call-id", b"cseq", b"contact", b"max-forwards", b"record-route", b"content-type", b"content-length",
    b"authorization", b"proxy-authorization", b"authentication-info", b"proxy-authentication-info", b"timestamp",
];

/// What a request's event says beside its message.
pub struct RequestIs<'a> {
    /// Call id as text.
    pub call: &'a [u8],
    /// Server handle.
    pub txn: u64,
    /// Where it came from.
    pub flow: &'a Flow,
    /// Trust.
    pub trust: &'a [u8],
    /// Method.
    pub method: &'a [u8],
    /// Request-URI.
    pub uri: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// Complete Via lines, `received` and `rport` filled in.
    pub vias: &'a [u8],
}

/// Appends the event `Request`.
pub fn request(out: &mut Vec<u8>, sip: &SipUp<'_>, message: &Glance<'_>, is: &RequestIs<'_>) {
    let (from, to) = (message.value(b"from").unwrap_or_default(), message.value(b"to").unwrap_or_default());
    mp::array(out, 24);
    mp::int(out, 1);
    mp::int(out, sip.seq);
    mp::int(out, sip.received_at);
    mp::text(out, is.call);
    mp::int(out, is.txn);
    push_flow(out, is.flow);
    for value in [is.trust, is.method, is.uri, from, to, tag(from), tag(to), message.value(b"call-id").unwrap_or_default()] {
        mp::text(out, value);
    }
    mp::int(out, u64::from(is.cseq));
    mp::text(out, is.vias);
    push_lines(out, message, b"record-route");
    push_values(out, message, b"contact");
    match message.value(b"max-forwards").and_then(|value| std::str::from_utf8(value).ok()?.parse::<u32>().ok()) {
        Some(hops) => mp::int(out, u64::from(hops)),
        None => mp::absent(out),
    }
    push_rest(out, message);
    mp::text(out, message.value(b"content-type").unwrap_or_default());
    mp::bytes(out, message.body);
    mp::int(out, sip.message.len() as u64);
}

/// What a response's event says beside its message.
pub struct ResponseIs<'a> {
    /// Call id.
    pub call: &'a [u8],
    /// Client transaction.
    pub n: u32,
    /// Where it came from.
    pub flow: &'a Flow,
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: &'a [u8],
    /// CSeq method.
    pub method: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
}

/// Appends the event `Response`.
pub fn response(out: &mut Vec<u8>, sip: &SipUp<'_>, message: &Glance<'_>, is: &ResponseIs<'_>) {
    let (from, to) = (message.value(b"from").unwrap_or_default(), message.value(b"to").unwrap_or_default());
    mp::array(out, 19);
    mp::int(out, 2);
    mp::int(out, sip.seq);
    mp::int(out, sip.received_at);
    mp::text(out, is.call);
    mp::int(out, u64::from(is.n));
    push_flow(out, is.flow);
    mp::int(out, u64::from(is.status));
    for value in [is.reason, is.method, from, to, tag(to)] {
        mp::text(out, value);
    }
    mp::int(out, u64::from(is.cseq));
    push_lines(out, message, b"record-route");
    push_values(out, message, b"contact");
    push_rest(out, message);
    mp::text(out, message.value(b"content-type").unwrap_or_default());
    mp::bytes(out, message.body);
}

/// Appends the event `Acked`.
pub fn acked(out: &mut Vec<u8>, sip: &SipUp<'_>, edge: u16, message: &Glance<'_>, call: &[u8], to_tag: &[u8], cseq: u32) {
    mp::array(out, 9);
    mp::int(out, 3);
    mp::int(out, sip.seq);
    mp::int(out, sip.received_at);
    mp::text(out, call);
    mp::int(out, u64::from(edge));
    mp::text(out, to_tag);
    mp::int(out, u64::from(cseq));
    mp::text(out, message.value(b"content-type").unwrap_or_default());
    mp::bytes(out, message.body);
}

/// `special` and `rest`.
fn push_rest(out: &mut Vec<u8>, message: &Glance<'_>) {
    let mut special: SmallVec<[(&[u8], SmallVec<[&[u8]; 2]>); 12]> = SmallVec::new();
    let mut rest: SmallVec<[&[u8]; 16]> = SmallVec::new();
    for line in &message.lines {
        if let Some(name) = SPECIAL.iter().find(|name| name.eq_ignore_ascii_case(line.name)) {
            match special.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(line.value),
                None => special.push((name, SmallVec::from_slice(&[line.value]))),
            }
        } else if !OWN.iter().any(|name| name.eq_ignore_ascii_case(line.name)) {
            rest.push(line.whole);
        }
    }
    mp::map(out, special.len());
    for (name, values) in &special {
        mp::text(out, name);
        mp::array(out, values.len());
        values.iter().for_each(|value| mp::text(out, value));
    }
    mp::text_of(out, &rest);
}

fn push_lines(out: &mut Vec<u8>, message: &Glance<'_>, name: &[u8]) {
    let lines: SmallVec<[&[u8]; 8]> = message.all(name).map(|line| line.whole).collect();
    mp::text_of(out, &lines);
}

fn push_values(out: &mut Vec<u8>, message: &Glance<'_>, name: &[u8]) {
    let mut pieces: SmallVec<[&[u8]; 8]> = SmallVec::new();
    for line in message.all(name) {
        if !pieces.is_empty() {
            pieces.push(b", ");
        }
        pieces.push(line.value);
    }
    mp::text_of(out, &pieces);
}
