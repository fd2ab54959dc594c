//! Answers that need no transaction: the question's own headers, a status and a few lines (RFC 3261 8.2.6). Bytes only, no decisions.

use crate::decimal;
use crate::question::Question;
use crate::via::Via;
use std::net::SocketAddr;

/// The port of a sent-by that names none (RFC 3261 18.2.2), for datagrams.
const SIP_PORT: u16 = 5060;

/// A stateless answer.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// `401 Unauthorized`.
    pub status: &'a str,
    /// Given to a To without one.
    pub tag: &'a [u8],
    /// Complete header lines.
    pub headers: &'a [u8],
    /// One-letter header names, where every byte counts (RFC 3261 7.3.3).
    pub compact: bool,
}

impl Reply<'_> {
    /// Writes the answer to a request that came from `source` into `out`, which is cleared.
    pub fn write(&self, out: &mut Vec<u8>, question: &Question<'_>, source: SocketAddr) {
        let names =
            if self.compact { ["v", "f", "t", "i", "CSeq", "l"] } else { ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"] };
        let [via, from, to, call_id, cseq, content_length] = names;
        out.clear();
        line(out, &[b"SIP/2.0 ", self.status.as_bytes()]);
        for (i, value) in question.vias.iter().enumerate() {
            out.extend_from_slice(via.as_bytes());
            out.extend_from_slice(b": ");
            if i == 0 {
                push_via(out, value, source);
            } else {
                out.extend_from_slice(value);
            }
            out.extend_from_slice(b"\r\n");
        }
        line(out, &[from.as_bytes(), b": ", question.from]);
        let tagged = question.to_tag.is_empty() && !self.tag.is_empty();
        let (separator, tag): (&[u8], &[u8]) = if tagged { (b";tag=", self.tag) } else { (b"", b"") };
        line(out, &[to.as_bytes(), b": ", question.to, separator, tag]);
        line(out, &[call_id.as_bytes(), b": ", question.call_id]);
        line(out, &[cseq.as_bytes(), b": ", question.cseq]);
        out.extend_from_slice(self.headers);
        line(out, &[content_length.as_bytes(), b": 0"]);
        out.extend_from_slice(b"\r\n");
    }
}

/// Where a response goes to whose request came in a datagram from `source`: there if it asked for `rport` (RFC 3581 4), else to the
/// source's address at the port of sent-by (RFC 3261 18.2.2). `vias`: a response's Via lines, or all of it. No `maddr`: it would let
/// a peer name any third party.
///
/// ```
/// let towards = |via: &str| tandem_sip::reply::towards(via.as_bytes(), "192.0.2.1:40000".parse().unwrap()).to_string();
/// assert_eq!("192.0.2.1:40000", towards("Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;received=192.0.2.1;rport=40000\r\n"));
/// assert_eq!("192.0.2.1:5070", towards("Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;received=192.0.2.1\r\n"));
/// assert_eq!("192.0.2.1:5060", towards("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1, SIP/2.0/UDP x;rport\r\n"));
/// ```
pub fn towards(vias: &[u8], source: SocketAddr) -> SocketAddr {
    top_via(vias).map_or(source, |via| towards_sender(&via, source))
}

/// The same from the top Via of a request that came from `source`.
pub fn towards_sender(via: &Via<'_>, source: SocketAddr) -> SocketAddr {
    match via.params.get(b"rport") {
        None if via.port != Some(0) => SocketAddr::new(source.ip(), via.port.unwrap_or(SIP_PORT)),
        _ => source,
    }
}

/// The first value of the first header line; a status line before it is passed over.
fn top_via(message: &[u8]) -> Option<Via<'_>> {
    let rest = match message.starts_with(b"SIP/2.0 ") {
        true => message.get(memchr::memmem::find(message, b"\r\n")? + 2..)?,
        false => message,
    };
    let value = rest.get(memchr::memchr(b':', rest)? + 1..)?;
    let mut ends = memchr::memmem::find_iter(value, b"\r\n");
    let end = ends.find(|&at| !matches!(value.get(at + 2), Some(b' ' | b'\t'))).unwrap_or(value.len());
    Via::first(value.get(..end)?.trim_ascii())
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}

/// Appends a Via value whose first element is the sender's, with `received` and `rport` as RFC 3261 18.2.1 and 3581 4 say:
/// `rport` where it was asked for; `received` then, or where sent-by is not the source's address.
pub fn push_via(out: &mut Vec<u8>, value: &[u8], source: SocketAddr) {
    let comma = value.iter().position(|&c| c == b',').unwrap_or(value.len()); // no quoted string precedes it in a Via
    let (first, others) = value.split_at(comma);
    let mut asked = false;
    let mut parts = first.split(|&c| c == b';');
    let head = parts.next().unwrap_or_default().trim_ascii_end();
    out.extend_from_slice(head);
    for part in parts {
        let name = part.split(|&c| c == b'=').next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"received") {
            continue; // only we say that
        }
        if name.eq_ignore_ascii_case(b"rport") {
            asked = true;
            continue;
        }
        out.push(b';');
        out.extend_from_slice(part.trim_ascii());
    }
    let ip = source.ip().to_canonical();
    let sent_by = head.rsplit(|c| c.is_ascii_whitespace()).next().unwrap_or_default();
    let before = out.len();
    out.extend_from_slice(b";received=");
    decimal::push_ip(out, ip);
    let named = out.get(before + b";received=".len()..).unwrap_or_default() == host(sent_by);
    if named && !asked {
        out.truncate(before);
    }
    if asked {
        out.extend_from_slice(b";rport=");
        decimal::push(out, source.port());
    }
    out.extend_from_slice(others);
}

fn host(sent_by: &[u8]) -> &[u8] {
    let end = match sent_by.strip_prefix(b"[") {
        Some(inside) => return inside.split(|&c| c == b']').next().unwrap_or_default(),
        None => sent_by.iter().position(|&c| c == b':').unwrap_or(sent_by.len()),
    };
    sent_by.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_told_where_it_came_from() {
        for (value, expected) in [
            ("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;rport", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;received=192.0.2.1;rport=40000"),
            ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa"),
            ("SIP/2.0/UDP pc;received=9.9.9.9;branch=b", "SIP/2.0/UDP pc;branch=b;received=192.0.2.1"),
            (
                "SIP/2.0/UDP a;rport=1 ;branch=b, SIP/2.0/UDP c;rport",
                "SIP/2.0/UDP a;branch=b;received=192.0.2.1;rport=40000, SIP/2.0/UDP c;rport",
            ),
        ] {
            let mut out = Vec::new();
            push_via(&mut out, value.as_bytes(), "192.0.2.1:40000".parse().unwrap());
            assert_eq!(expected, String::from_utf8(out).unwrap());
        }
    }
}
