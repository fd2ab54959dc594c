//! Just enough SIP for a load: finds headers in well-formed messages, answers requests. It checks nothing.

use crate::sock::sa_from;

pub fn lines(m: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = m;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let p = rest.windows(2).position(|w| w == b"\r\n").unwrap_or(rest.len());
        let l = &rest[..p];
        rest = if p + 2 <= rest.len() { &rest[p + 2..] } else { &[] };
        if l.is_empty() {
            return None;
        }
        Some(l)
    })
}
pub fn is(l: &[u8], name: &str, short: u8) -> bool {
    let n = name.len();
    (l.len() > n && l[n] == b':' && l[..n].eq_ignore_ascii_case(name.as_bytes())) || (l.len() > 1 && short != 0 && (l[0] | 32) == short && l[1] == b':')
}
pub fn val(l: &[u8]) -> &[u8] {
    let p = l.iter().position(|&c| c == b':').unwrap_or(0) + 1;
    let mut v = &l[p..];
    while !v.is_empty() && v[0] == b' ' {
        v = &v[1..];
    }
    v
}
pub fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    if n.len() > h.len() {
        return None;
    }
    h.windows(n.len()).position(|w| w == n)
}
pub fn angle(v: &[u8]) -> &[u8] {
    if let Some(a) = v.iter().position(|&c| c == b'<') {
        if let Some(b) = v[a..].iter().position(|&c| c == b'>') {
            return &v[a + 1..a + b];
        }
    }
    let e = v.iter().position(|&c| c == b';').unwrap_or(v.len());
    &v[..e]
}
pub fn uri_addr(u: &[u8]) -> Option<libc::sockaddr_in> {
    let s = std::str::from_utf8(u).ok()?;
    let s = s.strip_prefix("sip:").unwrap_or(s);
    let s = s.split(|c| c == ';' || c == '?').next()?;
    let s = s.rsplit('@').next()?;
    let (h, p) = match s.rsplit_once(':') {
        Some((h, p)) => (h, p.parse().ok()?),
        None => (s, 5060u16),
    };
    Some(sa_from(h.parse().ok()?, p))
}
pub fn param<'a>(v: &'a [u8], name: &str) -> Option<String> {
    let s = std::str::from_utf8(v).ok()?;
    let mut from = 0;
    while let Some(p) = s[from..].find(name) {
        let at = from + p;
        let before_ok = at == 0 || !s.as_bytes()[at - 1].is_ascii_alphanumeric();
        let r = &s[at + name.len()..];
        if before_ok && r.starts_with('=') {
            let r = &r[1..];
            return Some(if let Some(q) = r.strip_prefix('"') { q.split('"').next()?.to_string() } else { r.split(|c: char| c == ',' || c == ' ').next()?.to_string() });
        }
        from = at + name.len();
    }
    None
}

pub fn fnv(b: &[u8]) -> u64 {
    let mut h = 0xcbf29ce484222325u64;
    for &c in b {
        h = (h ^ c as u64).wrapping_mul(0x100000001b3);
    }
    h
}
pub const SDP: &str = "v=0\r\no=gen 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

pub fn uas_reply(out: &mut Vec<u8>, m: &[u8], code: &str, me: &str, sdp: bool) {
    out.clear();
    out.extend_from_slice(b"SIP/2.0 ");
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut cid = 0u64;
    let mut to_at = None;
    for l in lines(m).skip(1) {
        if is(l, "Via", b'v') || is(l, "From", b'f') || is(l, "CSeq", 0) || is(l, "Record-Route", 0) {
            out.extend_from_slice(l);
            out.extend_from_slice(b"\r\n");
        } else if is(l, "Call-ID", b'i') {
            cid = fnv(val(l));
            out.extend_from_slice(l);
            out.extend_from_slice(b"\r\n");
        } else if is(l, "To", b't') {
            out.extend_from_slice(l);
            if find(l, b";tag=").is_none() && !code.starts_with("100") {
                to_at = Some(out.len());
            }
            out.extend_from_slice(b"\r\n");
        }
    }
    if let Some(p) = to_at {
        let t = format!(";tag=u{:x}", cid & 0xffffffffff);
        let tail = out.split_off(p);
        out.extend_from_slice(t.as_bytes());
        out.extend_from_slice(&tail);
    }
    if !code.starts_with("100") {
        out.extend_from_slice(format!("Contact: <sip:uas@{}>\r\n", me).as_bytes());
    }
    out.extend_from_slice(b"Server: sipgen\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n");
    if sdp {
        out.extend_from_slice(format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}", SDP.len(), SDP).as_bytes());
    } else {
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }
}
