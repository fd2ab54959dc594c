//! Answers to a request made from the request alone (RFC 3261 8.2.6, 8.2.7). It keeps no state and knows no dialog.

use crate::decimal;
use crate::message::Message;
use crate::name::Name;
use crate::scan::{trim_start, Params};
use std::net::{IpAddr, SocketAddr};

/// Appends a response without body: Vias (the first with `received` and `rport`), From, To with `to_tag` where it has none, Call-ID,
/// CSeq, then `extra_headers` (complete lines, each ending in CRLF), then Content-Length: 0. A header that the request lacks (after
/// [`Message::salvage`]) is left out. `to_tag`: not for 100.
///
/// ```
/// # use tandem_sip::{build, index::Index, limits::Limits, message::Message};
/// # let mut index = Index::default();
/// let bytes = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;rport\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\ni: x\r\nCSeq: 7 OPTIONS\r\n\r\n";
/// let message = Message::parse(bytes, &Limits::default(), &mut index).unwrap();
/// let mut out = Vec::new();
/// build::response(&mut out, &message, Some("192.0.2.1:5070".parse().unwrap()), 200, "OK", Some(b"2"), b"Allow: OPTIONS\r\n");
/// assert!(out.starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP c;received=192.0.2.1;rport=5070\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\n"));
/// ```
pub fn response(
    out: &mut Vec<u8>,
    request: &Message<'_>,
    source: Option<SocketAddr>,
    status: u16,
    reason: &str,
    to_tag: Option<&[u8]>,
    extra_headers: &[u8],
) {
    out.extend_from_slice(b"SIP/2.0 ");
    decimal::push(out, status);
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    push_vias(out, request, source);
    push_lines(out, request, Name::From);
    push_to(out, request, to_tag);
    push_lines(out, request, Name::CallId);
    push_lines(out, request, Name::CSeq);
    if status == 100 {
        push_lines(out, request, Name::Timestamp); // RFC 3261 8.2.6.1
    }
    out.extend_from_slice(extra_headers);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// Appends all Via lines as they came. The first value says where the request came from: `received` where sent-by names another
/// host or the peer asked for `rport` (RFC 3261 18.2.1, RFC 3581 4). Without a source, nothing is changed.
pub fn push_vias(out: &mut Vec<u8>, request: &Message<'_>, source: Option<SocketAddr>) {
    let mut lines = request.headers_named(Name::Via);
    if let (Some(source), Some(first)) = (source, lines.clone().next()) {
        lines.next();
        push_top_via(out, request, first.raw_name, first.value, source);
    }
    for header in lines {
        out.extend_from_slice(header.line);
    }
}

fn push_top_via(out: &mut Vec<u8>, request: &Message<'_>, name: &[u8], value: &[u8], source: SocketAddr) {
    let via = request.top_via();
    let span = request.index.via.params;
    let (before, from_params) = value.split_at_checked(span.start as usize).unwrap_or((value, &[]));
    let after = value.get(span.end as usize..).unwrap_or_default();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(before);
    let mut params = Params::new(from_params);
    let mut rport = false;
    let mut left = params.rest();
    while let Some((key, _)) = params.next() {
        // A `received` or `rport` value that the peer wrote itself is not true: ours stand instead.
        let asked = key.eq_ignore_ascii_case(b"rport");
        if !asked && !key.eq_ignore_ascii_case(b"received") {
            let bytes = left.len() - params.rest().len();
            out.extend_from_slice(left.get(..bytes).unwrap_or_default());
        }
        rport |= asked;
        left = params.rest();
    }
    let ip = source.ip().to_canonical();
    if rport || host_ip(via.host) != Some(ip) {
        out.extend_from_slice(b";received=");
        decimal::push_ip(out, ip);
    }
    if rport {
        out.extend_from_slice(b";rport=");
        decimal::push(out, source.port());
    }
    if !trim_start(after).is_empty() {
        out.extend_from_slice(after);
    }
    out.extend_from_slice(b"\r\n");
}

fn host_ip(host: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(host).ok()?;
    let ip: IpAddr = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()?;
    Some(ip.to_canonical())
}

fn push_lines(out: &mut Vec<u8>, request: &Message<'_>, name: Name) {
    if let Some(header) = request.headers_named(name).next() {
        out.extend_from_slice(header.line);
    }
}

fn push_to(out: &mut Vec<u8>, request: &Message<'_>, to_tag: Option<&[u8]>) {
    let Some(to) = request.headers_named(Name::To).next() else { return };
    match to_tag.filter(|_| request.to_tag().is_none()) {
        None => out.extend_from_slice(to.line),
        Some(tag) => {
            for part in [to.raw_name, b": ", to.value, b";tag=", tag, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::limits::Limits;

    fn answer(vias: &str, source: &str) -> String {
        let request = format!(
            "INVITE sip:a@b SIP/2.0\r\n{vias}From: <sip:a@b>;tag=1\r\nTo: sip:c@d\r\nCall-ID: x\r\nTimestamp: 5\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        let mut index = Index::default();
        let message = Message::parse(request.as_bytes(), &Limits::default(), &mut index).unwrap();
        let mut out = Vec::new();
        response(&mut out, &message, Some(source.parse().unwrap()), 100, "Trying", None, b"");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_source_that_sent_by_names_is_not_repeated() {
        let text = answer("v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP p\r\n", "192.0.2.1:9");
        assert_eq!(
            "SIP/2.0 100 Trying\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP p\r\nFrom: <sip:a@b>;tag=1\r\nTo: sip:c@d\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nTimestamp: 5\r\nContent-Length: 0\r\n\r\n",
            text
        );
    }

    #[test]
    fn rport_and_received_are_ours_and_other_values_stay() {
        let text = answer(
            "Via: SIP/2.0/UDP h:5 ;rport=1;branch=z9hG4bK1\r\n ;received=6.6.6.6;x=\"a;b\" , SIP/2.0/TCP p;rport\r\n",
            "[::ffff:192.0.2.1]:9",
        );
        assert!(
            text.contains("Via: SIP/2.0/UDP h:5;branch=z9hG4bK1;x=\"a;b\";received=192.0.2.1;rport=9 , SIP/2.0/TCP p;rport\r\n"),
            "{text}"
        );
        assert!(answer("Via: SIP/2.0/UDP [2001:db8:0::1];branch=z9hG4bK1\r\n", "[2001:db8::1]:9").contains("branch=z9hG4bK1\r\nFrom"));
        assert!(answer("Via: SIP/2.0/UDP h\r\n", "[2001:db8::1]:9").contains("Via: SIP/2.0/UDP h;received=2001:db8::1\r\n"));
    }

    #[test]
    fn a_refused_request_is_answered_with_what_it_has() {
        let bytes =
            b"INVITE  sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n: bad\r\nFrom: \"x <sip:a@b>\r\nTo: sip:c@d\r\nTo: sip:e@f\r\n\r\n";
        let mut index = Index::default();
        assert_eq!(400, Message::parse(bytes, &Limits::default(), &mut index).unwrap_err().status());
        let message = Message::salvage(bytes, &Limits::default(), &mut index).unwrap();
        let mut out = Vec::new();
        response(&mut out, &message, Some("192.0.2.1:5".parse().unwrap()), 400, "Bad Start Line", Some(b"t"), b"");
        assert_eq!(
            "SIP/2.0 400 Bad Start Line\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nFrom: \"x <sip:a@b>\r\nTo: sip:c@d;tag=t\r\nContent-Length: 0\r\n\r\n",
            String::from_utf8(out).unwrap()
        );
        assert!(Message::salvage(b"ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n", &Limits::default(), &mut index).is_none());
        assert!(Message::salvage(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n", &Limits::default(), &mut index).is_none());
    }
}
