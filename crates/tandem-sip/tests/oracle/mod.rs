//! What both parsers accept, both must read alike: ours beside sipx-sip. Also what ours promises of any bytes whatever.

use bytes::Bytes;
use sipx_sip::headers as theirs;
use tandem_sip::framing::{Frame, Framer};
use tandem_sip::message::Message;
use tandem_sip::{build, extract, index::Index, limits::Limits, name::Name, uri::Uri};

/// True when both accepted the bytes.
pub fn agree(bytes: &[u8]) -> bool {
    let mut index = Index::default();
    let Ok(ours) = Message::parse(bytes, &Limits::default(), &mut index) else { return false };
    let their_limits = sipx_sip::parser::Limits::datagram();
    let Ok(other) = sipx_sip::parser::parse_datagram(Bytes::copy_from_slice(bytes), &their_limits) else { return false };
    match &other {
        sipx_sip::Message::Request(request) => {
            assert_eq!(request.method.as_bytes(), ours.method_bytes());
            if let (Ok(uri), true) = (Uri::parse(ours.uri()), request.uri.scheme().is_sip()) {
                assert_eq!((request.uri.user(), request.uri.port()), (uri.user, uri.port));
                assert_eq!(request.uri.headers().is_some_and(|headers| headers.iter().next().is_some()), !uri.headers.is_empty());
            }
        }
        sipx_sip::Message::Response(response) => {
            assert_eq!((response.status.code(), &*response.reason), (ours.status(), ours.reason()));
        }
    }
    let headers = other.headers();
    let values: Vec<_> = headers.iter().map(|header| trim(header.raw_value())).collect();
    assert_eq!(values, ours.headers().map(|header| header.value).collect::<Vec<_>>());
    if let Some(Ok(via)) = headers.get(&sipx_sip::HeaderName::Via).map(|via| theirs::Via::parse_list(&via.value())) {
        let (via, top) = (via.first().expect("a value"), ours.top_via());
        assert_eq!((&*via.transport, via.port), (top.transport, top.port));
        // A parameter may stand once (RFC 3261 7.3.1): of two, one of them without a value, each takes another.
        if top.params.filter(|(name, _)| name.eq_ignore_ascii_case(b"branch")).count() < 2 {
            assert_eq!(via.branch(), top.branch);
        }
        assert_eq!(via.host.to_bytes().to_ascii_lowercase(), top.host.to_ascii_lowercase());
    }
    if let Some(Ok(from)) = headers.typed::<theirs::From>() {
        assert_eq!(from.0.tag(), ours.from_tag());
    }
    if let Some(Ok(to)) = headers.typed::<theirs::To>() {
        assert_eq!(to.0.tag(), ours.to_tag());
    }
    if let Some(Ok(id)) = headers.typed::<theirs::CallId>() {
        assert_eq!(id.0, ours.call_id());
    }
    if let Some(Ok(cseq)) = headers.typed::<theirs::CSeq>() {
        assert_eq!((cseq.sequence, cseq.method.as_bytes()), ours.cseq());
    }
    assert_eq!(&other.body()[..], ours.body());
    true
}

/// Reads everything that can be read of a datagram, answers it, and puts it together again.
pub fn read_all(bytes: &[u8]) {
    let (mut index, limits) = (Index::default(), Limits::default());
    let source = "192.0.2.1:5060".parse().expect("an address");
    match Message::parse(bytes, &limits, &mut index) {
        Ok(message) => {
            lossless(&message);
            let _ = (message.check(), message.max_forwards(), message.top_via().params.count());
            for header in message.headers() {
                let _ = tandem_sip::address::addresses(header.value).count();
                let _ = tandem_sip::Values::new(header.value).filter_map(|value| tandem_sip::via::Via::parse(value).ok()).count();
            }
            let classified = extract::classify(&message);
            let _ = classified.special().map(|(_, values)| values.count()).sum::<usize>();
            let mut out = Vec::new();
            build::response(&mut out, &message, Some(source), 486, "Busy Here", Some(b"ours"), b"");
            let mut index = Index::default();
            let answer = Message::parse(&out, &Limits { header_bytes: 9_000, ..limits }, &mut index).expect("our own answer is good");
            assert_eq!((486, message.call_id(), message.cseq()), (answer.status(), answer.call_id(), answer.cseq()));
            assert_eq!((message.from_tag(), message.to_tag().or(Some(b"ours"))), (answer.from_tag(), answer.to_tag()));
            assert_eq!(message.top_via().branch, answer.top_via().branch);
            assert_eq!(message.values(Name::Via).count(), answer.values(Name::Via).count());
        }
        Err(refusal) => {
            assert!((400..600).contains(&refusal.status()) && !refusal.field().is_empty());
            if let Some(message) = Message::salvage(bytes, &limits, &mut index) {
                let mut out = Vec::new();
                build::response(&mut out, &message, Some(source), refusal.status(), refusal.reason(), Some(b"ours"), b"");
                assert!(out.ends_with(b"\r\n\r\n"));
            }
        }
    }
}

/// Start line, lines and body are the message again, byte for byte; the classes hold each line once.
fn lossless(message: &Message<'_>) {
    let bytes = message.bytes();
    let lines: Vec<u8> = message.headers().flat_map(|header| header.line.iter().copied()).collect();
    let body = message.body().len();
    let head = &bytes[..bytes.len() - body];
    assert!(head.ends_with(&[&lines[..], b"\r\n"].concat()));
    let rest: usize = extract::classify(message).rest().map(<[u8]>::len).sum();
    let named: usize = message.headers().filter(|header| !extract::is_rest(header.name)).map(|header| header.line.len()).sum();
    assert_eq!(lines.len(), rest + named);
    for header in message.headers() {
        assert!(header.line.starts_with(header.raw_name) && header.line.ends_with(b"\r\n"));
    }
}

/// A stream gives the same frames whole and cut in pieces of `step` bytes, and holds no more than a message.
pub fn same_frames(bytes: &[u8], step: usize) {
    let limits = Limits { message_bytes: 4_096, body_bytes: 4_096, ..Limits::default() };
    assert_eq!(frames(&[bytes], limits), frames(&bytes.chunks(step.max(1)).collect::<Vec<_>>(), limits));
}

fn frames(parts: &[&[u8]], limits: Limits) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(limits);
    let mut list = Vec::new();
    for part in parts {
        framer.push(part);
        loop {
            match framer.next() {
                Frame::NeedMore => break,
                Frame::KeepAlive => {} // a run of them is told once, however long it is
                Frame::Message(bytes) => list.push(bytes.to_vec()),
                Frame::Broken(refusal) => {
                    list.push(refusal.to_string().into_bytes());
                    return list;
                }
            }
        }
        assert!(framer.pending().len() <= limits.message_bytes);
    }
    list
}

fn trim(bytes: &[u8]) -> &[u8] {
    let lws = |byte: &u8| b" \t\r\n".contains(byte);
    let start = bytes.iter().position(|byte| !lws(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !lws(byte)).map_or(start, |at| at + 1);
    &bytes[start..end]
}
