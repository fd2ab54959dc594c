//! A request with another Request-URI, headers added and taken away, as a verdict wants it. It knows no verdict.

use crate::message::Message;
use crate::name::Name;
use std::collections::BTreeMap;

/// The whole message anew; an empty `uri` is the old one, `add` stands behind what was there. Names were checked where the verdict was
/// given, values too.
pub(crate) fn edited(message: &Message<'_>, uri: &str, add: &BTreeMap<String, String>, remove: &[String]) -> Vec<u8> {
    let bytes = message.bytes();
    let mut out = Vec::with_capacity(bytes.len() + 256);
    let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    match uri {
        "" => out.extend_from_slice(bytes.get(..first).unwrap_or_default()),
        uri => [message.method_bytes(), b" ", uri.as_bytes(), b" SIP/2.0\r\n"].iter().for_each(|part| out.extend_from_slice(part)),
    }
    for header in message.headers() {
        let named = |name: &String| match Name::parse(name.as_bytes()) {
            Name::Other => header.raw_name.eq_ignore_ascii_case(name.as_bytes()),
            known => header.name == known,
        };
        if !remove.iter().any(named) {
            out.extend_from_slice(header.line);
        }
    }
    for (name, value) in add {
        let clean = value.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0'));
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        // One character was one byte; what is none is told in UTF-8 (RFC 3261 7.3.1).
        clean.for_each(|c| match u8::try_from(c) {
            Ok(byte) => out.push(byte),
            Err(_) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        });
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(message.body());
    out
}
