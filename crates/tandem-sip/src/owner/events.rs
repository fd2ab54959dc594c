//! Writes requests, responses and ACKs as Python's events (src/tandem/boundary.py has the order of fields). It decides nothing.

use super::msgpack as mp;
use super::outbox::push_flow;
use crate::extract::{classify, Classified};
use crate::frame::SipUp;
use crate::message::Message;
use crate::name::Name;
use crate::txn::Flow;
use smallvec::SmallVec;

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
    /// Complete Via lines, `received` and `rport` filled in.
    pub vias: &'a [u8],
    /// Its Contact, where that is not the message's own.
    pub contact: Option<Vec<u8>>,
}

/// Appends the event `Request`.
pub fn request(out: &mut Vec<u8>, sip: &SipUp<'_>, message: &Message<'_>, is: &RequestIs<'_>) {
    let parts = classify(message);
    mp::array(out, 24);
    mp::int(out, 1);
    mp::int(out, sip.seq);
    mp::int(out, sip.received_at);
    mp::text(out, is.call);
    mp::int(out, is.txn);
    push_flow(out, is.flow);
    let value = |name| message.first(name).unwrap_or_default();
    for value in [is.trust, message.method_bytes(), message.uri(), value(Name::From), value(Name::To)] {
        mp::text(out, value);
    }
    for value in [message.from_tag().unwrap_or_default(), message.to_tag().unwrap_or_default(), message.call_id()] {
        mp::text(out, value);
    }
    mp::int(out, u64::from(message.cseq().0));
    mp::text(out, is.vias);
    push_pieces(out, parts.record_routes());
    push_contacts(out, &parts, is.contact.as_deref());
    match u64::try_from(parts.max_forwards()) {
        Ok(hops) => mp::int(out, hops),
        Err(_) => mp::absent(out),
    }
    push_rest(out, &parts);
    mp::text(out, parts.content_type());
    mp::bytes(out, message.body());
    mp::int(out, message.bytes().len() as u64);
}

/// What a response's event says beside its message.
pub struct ResponseIs<'a> {
    /// Call id.
    pub call: &'a [u8],
    /// Client transaction.
    pub n: u32,
    /// Where it came from.
    pub flow: &'a Flow,
    /// CSeq method.
    pub method: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// Its Contact, where that is not the message's own.
    pub contact: Option<Vec<u8>>,
}

/// Appends the event `Response`.
pub fn response(out: &mut Vec<u8>, sip: &SipUp<'_>, message: &Message<'_>, is: &ResponseIs<'_>) {
    let parts = classify(message);
    mp::array(out, 19);
    mp::int(out, 2);
    mp::int(out, sip.seq);
    mp::int(out, sip.received_at);
    mp::text(out, is.call);
    mp::int(out, u64::from(is.n));
    push_flow(out, is.flow);
    mp::int(out, u64::from(message.status()));
    let value = |name| message.first(name).unwrap_or_default();
    for value in [message.reason(), is.method, value(Name::From), value(Name::To), message.to_tag().unwrap_or_default()] {
        mp::text(out, value);
    }
    mp::int(out, u64::from(is.cseq));
    push_pieces(out, parts.record_routes());
    push_contacts(out, &parts, is.contact.as_deref());
    push_rest(out, &parts);
    mp::text(out, parts.content_type());
    mp::bytes(out, message.body());
}

/// Appends the event `Acked`.
pub fn acked(out: &mut Vec<u8>, sip: &SipUp<'_>, edge: u16, message: &Message<'_>, call: &[u8], to_tag: &[u8], cseq: u32) {
    mp::array(out, 9);
    mp::int(out, 3);
    mp::int(out, sip.seq);
    mp::int(out, sip.received_at);
    mp::text(out, call);
    mp::int(out, u64::from(edge));
    mp::text(out, to_tag);
    mp::int(out, u64::from(cseq));
    mp::text(out, classify(message).content_type());
    mp::bytes(out, message.body());
}

/// `special` and `rest`.
fn push_rest(out: &mut Vec<u8>, parts: &Classified<'_>) {
    mp::map(out, parts.special().count());
    for (name, values) in parts.special() {
        mp::text(out, name.as_bytes());
        mp::array(out, values.clone().count());
        values.for_each(|value| mp::text(out, value));
    }
    push_pieces(out, parts.rest());
}

fn push_contacts(out: &mut Vec<u8>, parts: &Classified<'_>, instead: Option<&[u8]>) {
    if let Some(contact) = instead {
        return mp::text(out, contact);
    }
    let separated = parts.contacts().enumerate().flat_map(|(at, value)| [if at > 0 { &b", "[..] } else { b"" }, value]);
    push_pieces(out, separated);
}

fn push_pieces<'a>(out: &mut Vec<u8>, pieces: impl Iterator<Item = &'a [u8]>) {
    mp::text_of(out, &pieces.collect::<SmallVec<[&[u8]; 16]>>());
}
