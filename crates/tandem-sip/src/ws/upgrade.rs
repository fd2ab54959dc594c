//! The HTTP request that opens a WebSocket, and its answer (RFC 6455 4.2, RFC 7118 4). It serves nothing else.

use data_encoding::BASE64;
use httparse::{Error, Request, Status, EMPTY_HEADER};
use sha1::{Digest, Sha1};

/// Bytes of the request: browsers add cookies.
pub const REQUEST_BYTES: usize = 8 * 1024;
/// Header lines of the request.
pub const HEADERS: usize = 64;
/// What the key is joined with (RFC 6455 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What became of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// The request is not whole.
    NeedMore,
    /// Send this; what follows the first `used` bytes are frames.
    Accepted {
        /// The answer.
        answer: Vec<u8>,
        /// Bytes of the request.
        used: usize,
    },
    /// Send this, then close.
    Refused {
        /// The answer.
        answer: Vec<u8>,
        /// Why, for the log.
        why: &'static str,
    },
}

/// Reads a request. `origins`: those whose pages may connect, like `https://phone.example`; empty: any. Who names no origin is no page.
///
/// ```
/// use tandem_sip::ws::upgrade::{read, Upgrade};
/// let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
/// Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
/// let Upgrade::Accepted { answer, used } = read(request, &[]) else { panic!() };
/// assert!(String::from_utf8(answer).unwrap().contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
/// assert_eq!(request.len(), used);
/// ```
pub fn read(bytes: &[u8], origins: &[String]) -> Upgrade {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes.get(..REQUEST_BYTES).unwrap_or(bytes)) {
        Ok(Status::Complete(used)) => match check(&request, origins) {
            Ok(key) => Upgrade::Accepted { answer: accept(key), used },
            Err(refusal) => refusal.answer(),
        },
        Ok(Status::Partial) if bytes.len() >= REQUEST_BYTES => Refusal("431 Request Header Fields Too Large", "", "too long").answer(),
        Ok(Status::Partial) => Upgrade::NeedMore,
        Err(Error::TooManyHeaders) => Refusal("431 Request Header Fields Too Large", "", "too many headers").answer(),
        Err(_) => Refusal("400 Bad Request", "", "no HTTP").answer(),
    }
}

struct Refusal(&'static str, &'static str, &'static str);

impl Refusal {
    fn answer(&self) -> Upgrade {
        let Refusal(status, headers, why) = self;
        let answer = format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: 0\r\n\r\n");
        Upgrade::Refused { answer: answer.into_bytes(), why }
    }
}

/// The key of a request that may be upgraded.
fn check<'a>(request: &Request<'_, 'a>, origins: &[String]) -> Result<&'a [u8], Refusal> {
    const UPGRADE: &str = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n";
    if request.method != Some("GET") {
        return Err(Refusal("405 Method Not Allowed", "Allow: GET\r\n", "not a GET"));
    }
    if request.version != Some(1) || one(request, "host").is_none() {
        return Err(Refusal("400 Bad Request", "", "not HTTP/1.1 with a Host"));
    }
    if !lists(request, "upgrade", b"websocket") || !lists(request, "connection", b"upgrade") {
        return Err(Refusal("426 Upgrade Required", UPGRADE, "no upgrade asked for"));
    }
    if one(request, "sec-websocket-version") != Some(b"13") {
        return Err(Refusal("426 Upgrade Required", UPGRADE, "not version 13"));
    }
    if !lists(request, "sec-websocket-protocol", b"sip") {
        return Err(Refusal("400 Bad Request", "", "sub-protocol sip not offered"));
    }
    let bad_key = Refusal("400 Bad Request", "", "bad Sec-WebSocket-Key");
    let Some(key) = one(request, "sec-websocket-key") else { return Err(bad_key) };
    if BASE64.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(bad_key);
    }
    let allowed = |origin: &[u8]| origins.is_empty() || origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin));
    match values(request, "origin").all(allowed) {
        true => Ok(key),
        false => Err(Refusal("403 Forbidden", "", "origin not allowed")),
    }
}

fn values<'a, 'r>(request: &'r Request<'_, 'a>, name: &'r str) -> impl Iterator<Item = &'a [u8]> + 'r {
    request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.trim_ascii())
}

/// The value of a header that stands once.
fn one<'a>(request: &Request<'_, 'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = values(request, name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Whether a comma separated header has this element.
fn lists(request: &Request<'_, '_>, name: &str, element: &[u8]) -> bool {
    values(request, name).flat_map(|value| value.split(|&c| c == b',')).any(|part| part.trim_ascii().eq_ignore_ascii_case(element))
}

fn accept(key: &[u8]) -> Vec<u8> {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let accept = BASE64.encode(&digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: https://phone.example\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp, sip\r\n\r\n";

    fn status(request: &str, origins: &[&str]) -> String {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        match read(request.as_bytes(), &origins) {
            Upgrade::NeedMore => "more".into(),
            Upgrade::Accepted { .. } => "101".into(),
            Upgrade::Refused { answer, .. } => String::from_utf8(answer).unwrap()[9..12].into(),
        }
    }

    #[test]
    fn a_good_request_is_taken_and_every_part_of_it_is_needed() {
        assert_eq!("101", status(GOOD, &[]));
        for at in 0..GOOD.len() {
            assert_eq!("more", status(&GOOD[..at], &[]), "{at}");
        }
        for (part, instead, expected) in [
            ("GET", "POST", "405"),
            ("HTTP/1.1", "HTTP/1.0", "400"),
            ("Host: a", "X: a", "400"),
            ("Upgrade: WebSocket", "X: y", "426"),
            ("Connection: Upgrade", "Connection: close", "426"),
            ("Version: 13", "Version: 8", "426"),
            ("xmpp, sip", "xmpp", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "%%%", "400"),
            ("GET /ws", "\u{1}", "400"),
        ] {
            assert_eq!(expected, status(&GOOD.replace(part, instead), &[]), "{instead}");
        }
    }

    #[test]
    fn only_pages_of_listed_origins_connect_and_what_is_no_page_may() {
        assert_eq!("101", status(GOOD, &["https://other.example", "https://PHONE.example"]));
        assert_eq!("403", status(GOOD, &["https://other.example"]));
        assert_eq!("101", status(&GOOD.replace("Origin: https://phone.example\r\n", ""), &["https://other.example"]));
        let twice = GOOD.replace("Host: a", "Host: a\r\nOrigin: https://other.example");
        assert_eq!(("101", "403"), (&*status(&twice, &[]), &*status(&twice, &["https://phone.example"])));
    }

    #[test]
    fn a_long_request_is_refused() {
        assert_eq!("431", status(&GOOD.replace("/ws", &"x".repeat(REQUEST_BYTES)), &[]));
        assert_eq!("431", status(&GOOD.replace("Host: a\r\n", &"X: y\r\n".repeat(HEADERS)), &[]));
    }
}
