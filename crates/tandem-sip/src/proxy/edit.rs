//! A message on its way through us: what changes is spliced in, every other byte is copied as it came. It decides nothing.

use super::identity::ip;
use crate::decimal;
use crate::index::Start;
use crate::message::Message;
use crate::name::Name;
use crate::scan::{trim_start, Params};
use std::net::SocketAddr;

/// Hops of a request that came without Max-Forwards (RFC 3261 16.6, 3).
pub const MAX_FORWARDS: u8 = 70;

/// What a forwarded request has otherwise than the one that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward<'a> {
    /// The new Request-URI.
    pub(super) uri: Option<&'a [u8]>,
    /// Complete lines put on top: our Via, then Record-Route or Path, then what is left of Route when `drop_routes`.
    pub(super) top: &'a [u8],
    /// All Route lines go; what is left of them stands in `top`.
    pub(super) drop_routes: bool,
    /// Max-Forwards of the request that leaves.
    pub(super) hops: u8,
    /// Where it came from: `received` and `rport` of the Via that was on top. None: that Via stays.
    pub(super) source: Option<SocketAddr>,
}

/// Appends a request with its changes.
pub(super) fn forward(out: &mut Vec<u8>, message: &Message<'_>, with: &Forward<'_>) {
    let (buf, end) = (message.buf, message.index.body.end as usize);
    let Start::Request { method, uri } = message.index.start else { return };
    out.reserve(buf.len() + with.top.len() + 128);
    let mut copied = method.start as usize;
    let mut copy = |out: &mut Vec<u8>, until: u32, next: u32| {
        out.extend_from_slice(buf.get(copied..until as usize).unwrap_or_default());
        copied = next as usize;
    };
    if let Some(new) = with.uri {
        copy(out, uri.start, uri.end);
        out.extend_from_slice(new);
    }
    let first = message.index.lines.first().map_or(0, |line| line.start);
    copy(out, first, first);
    out.extend_from_slice(with.top);
    let has_hops = message.index.first.get(Name::MaxForwards).is_some();
    if !has_hops {
        push_hops(out, with.hops);
    }
    let mut via_seen = with.source.is_none();
    for line in &message.index.lines {
        match line.name {
            Name::Via if !via_seen => {
                via_seen = true;
                if let Some(source) = with.source {
                    let params = message.index.via.params;
                    let change = received(message, source);
                    if change.any() {
                        copy(out, line.value.start + params.start, line.value.start + params.end);
                        change.push(out, message.top_via().params, source);
                    }
                }
            }
            Name::MaxForwards => {
                copy(out, line.start, line.end);
                push_hops(out, with.hops);
            }
            Name::Route if with.drop_routes => copy(out, line.start, line.end),
            _ => {}
        }
    }
    copy(out, end as u32, end as u32);
}

/// Appends a response without its first Via value. False: there would be no Via left.
pub(super) fn answer(out: &mut Vec<u8>, message: &Message<'_>) -> bool {
    let (buf, end) = (message.buf, message.index.body.end as usize);
    let mut vias = message.headers_named(Name::Via);
    let Some(top) = vias.next() else { return false };
    let rest = after_top(message);
    if rest.is_empty() && vias.next().is_none() {
        return false;
    }
    let at = |part: &[u8]| crate::scan::Span::within(buf, part);
    let start = buf.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    let line = at(top.line);
    out.extend_from_slice(buf.get(start..line.start as usize).unwrap_or_default());
    if !rest.is_empty() {
        out.extend_from_slice(b"Via: ");
        out.extend_from_slice(buf.get(at(rest).start as usize..line.end as usize).unwrap_or_default());
    }
    out.extend_from_slice(buf.get(line.end as usize..end).unwrap_or_default());
    true
}

/// The Via value below the first one.
pub(super) fn next_via<'b>(message: &Message<'b>) -> Option<crate::via::Via<'b>> {
    let rest = after_top(message);
    let value = if rest.is_empty() { message.all(Name::Via).nth(1)? } else { rest };
    crate::via::Via::first(value)
}

/// What follows the first Via value in its own line, behind the comma.
fn after_top<'b>(message: &Message<'b>) -> &'b [u8] {
    let line = message.index.via_at.of(message.buf);
    let rest = trim_start(line.get(message.index.via.params.end as usize..).unwrap_or_default());
    rest.strip_prefix(b",").map(trim_start).unwrap_or_default()
}

/// What the Via on top must be told.
struct Received {
    /// `received` is to be written.
    host: bool,
    /// `rport` was asked for.
    rport: bool,
    /// The peer wrote values itself, which are not true.
    false_ones: bool,
}

fn received(message: &Message<'_>, source: SocketAddr) -> Received {
    let via = message.top_via();
    let mut change = Received { host: false, rport: false, false_ones: false };
    for (name, _) in via.params {
        match name.len() {
            5 if name.eq_ignore_ascii_case(b"rport") => change.rport = true,
            8 if name.eq_ignore_ascii_case(b"received") => change.false_ones = true,
            _ => {}
        }
    }
    // RFC 3581 4: with rport, received too.
    change.host = change.rport || ip(via.host) != Some(source.ip().to_canonical());
    change
}

impl Received {
    fn any(&self) -> bool {
        self.host || self.rport || self.false_ones
    }

    /// The parameters anew: `rport` gets its value where it stands.
    fn push(&self, out: &mut Vec<u8>, params: Params<'_>, source: SocketAddr) {
        let mut params = params;
        let mut left = params.rest();
        while let Some((key, _)) = params.next() {
            let written = left.get(..left.len() - params.rest().len()).unwrap_or_default();
            left = params.rest();
            if key.eq_ignore_ascii_case(b"rport") {
                out.extend_from_slice(b";rport=");
                decimal::push(out, source.port());
            } else if !key.eq_ignore_ascii_case(b"received") {
                out.extend_from_slice(written);
            }
        }
        if self.host {
            out.extend_from_slice(b";received=");
            decimal::push_ip(out, source.ip().to_canonical());
        }
    }
}

fn push_hops(out: &mut Vec<u8>, hops: u8) {
    out.extend_from_slice(b"Max-Forwards: ");
    decimal::push(out, hops);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::limits::Limits;

    fn forwarded(request: &str, with: &Forward<'_>) -> String {
        let mut index = Index::default();
        let message = Message::parse(request.as_bytes(), &Limits::default(), &mut index).unwrap();
        let mut out = Vec::new();
        forward(&mut out, &message, with);
        String::from_utf8(out).unwrap()
    }

    fn answered(response: &str) -> Option<String> {
        let mut index = Index::default();
        let message = Message::parse(response.as_bytes(), &Limits::default(), &mut index).unwrap();
        let mut out = Vec::new();
        answer(&mut out, &message).then(|| String::from_utf8(out).unwrap())
    }

    const REST: &str = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

    #[test]
    fn only_what_must_change_does() {
        let with = Forward {
            uri: Some(b"sip:new"),
            top: b"Via: us\r\nRecord-Route: <sip:us;lr>\r\n",
            drop_routes: true,
            hops: 69,
            source: Some("192.0.2.1:9".parse().unwrap()),
        };
        let request = format!("\r\nOPTIONS sip:old SIP/2.0\r\nX-Odd : \u{e4}\r\n  folded\r\nv:SIP/2.0/UDP h:5;rport;x=\"a;b\" ;branch=z9 , SIP/2.0/TCP p\r\nMax-Forwards:70\r\nRoute: <sip:us;lr>\r\n{REST}Via: SIP/2.0/UDP q\r\nRoute: <sip:r>\r\nContent-Length: 2\r\n\r\nhijunk");
        let expected = format!("OPTIONS sip:new SIP/2.0\r\nVia: us\r\nRecord-Route: <sip:us;lr>\r\nX-Odd : \u{e4}\r\n  folded\r\nv:SIP/2.0/UDP h:5;rport=9;x=\"a;b\" ;branch=z9;received=192.0.2.1 , SIP/2.0/TCP p\r\nMax-Forwards: 69\r\n{REST}Via: SIP/2.0/UDP q\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(expected, forwarded(&request, &with));
    }

    #[test]
    fn a_via_that_tells_the_truth_stays_and_a_missing_hop_count_is_added() {
        let with = Forward { uri: None, top: b"Via: us\r\n", drop_routes: false, hops: 70, source: Some("192.0.2.1:9".parse().unwrap()) };
        let request = format!("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5;branch=z9\r\n{REST}\r\n");
        assert_eq!(request.replace("Via: SIP", "Via: us\r\nMax-Forwards: 70\r\nVia: SIP"), forwarded(&request, &with));
        let false_one = request.replace(";branch", ";received=6.6.6.6;branch");
        assert!(forwarded(&false_one, &with).contains("Via: SIP/2.0/UDP 192.0.2.1:5;branch=z9\r\n"));
    }

    #[test]
    fn a_response_loses_its_first_via_wherever_it_stands() {
        let one = format!("SIP/2.0 200 OK\r\nX: y\r\nVia: SIP/2.0/UDP us\r\nv: SIP/2.0/UDP them\r\n{REST}\r\nbody");
        assert_eq!(one.replace("Via: SIP/2.0/UDP us\r\n", ""), answered(&one).unwrap());
        let two = format!("\r\nSIP/2.0 200 OK\r\nv : SIP/2.0/UDP us ,\r\n SIP/2.0/UDP them;rport=1, SIP/2.0/TCP p\r\n{REST}\r\n");
        let expected = format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP them;rport=1, SIP/2.0/TCP p\r\n{REST}\r\n");
        assert_eq!(expected, answered(&two).unwrap());
        assert_eq!(None, answered(&format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP us\r\n{REST}\r\n")));
    }
}
