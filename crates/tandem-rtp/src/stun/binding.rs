//! The answer to a Binding request without credentials: the address that it came from. Requests of ICE are answered by `ice`.

use std::net::SocketAddr;

use super::{Class, Message, Writer};

/// Writes the answer to a plain Binding request from `from` into `out`, which is cleared. False: it is none, it has credentials
/// (or half of them), or asks for what is not done here; nothing is to be sent then.
///
/// ```
/// let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
/// let mut out = Vec::new();
/// assert!(tandem_rtp::stun::answer(request, "192.0.2.1:32853".parse().unwrap(), &mut out));
/// assert_eq!(b"\x01\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..], out);
/// ```
pub fn answer(request: &[u8], from: SocketAddr, out: &mut Vec<u8>) -> bool {
    out.clear();
    let Ok(request) = Message::read(request) else { return false };
    let plain = request.class == Class::Request && request.username.is_none() && !request.has_integrity();
    if !plain || !request.unknown.kinds().is_empty() {
        return false;
    }
    tell(&request, from, out);
    true
}

/// Writes it for a request that is known to be plain.
pub(crate) fn tell(request: &Message<'_>, from: SocketAddr, out: &mut Vec<u8>) {
    let writer = Writer::new(out, Class::Success, request.transaction).mapped(from);
    if request.fingerprint {
        writer.fingerprint(); // RFC 8489 7: whoever does not use it need not understand it
    }
}
