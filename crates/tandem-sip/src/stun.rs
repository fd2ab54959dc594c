//! STUN on the SIP port (RFC 8489, RFC 5626 8): binding requests known, and answered with the address that they came from. Nothing else
//! of STUN is here.

use std::net::{IpAddr, SocketAddr};

/// Bytes of a head.
const HEAD: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0, 0x20];

/// Whether a datagram is STUN: its first two bits are 0 and the cookie is there (RFC 8489 5). No SIP message begins so.
pub fn is_stun(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD && bytes.first().is_some_and(|first| first & 0xc0 == 0) && bytes.get(4..8) == Some(&COOKIE)
}

/// Writes the answer to a binding request from `source` into `out`, which is cleared. False: it is no binding request, or asks for what
/// is not done here.
///
/// ```
/// let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
/// let mut out = Vec::new();
/// assert!(tandem_sip::stun::answer(request, "192.0.2.1:32853".parse().unwrap(), &mut out));
/// assert_eq!(b"\x01\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"[..], out);
/// ```
pub fn answer(request: &[u8], source: SocketAddr, out: &mut Vec<u8>) -> bool {
    out.clear();
    let Some((head, attributes)) = request.split_at_checked(HEAD).filter(|_| is_stun(request)) else { return false };
    let length = head.get(2..4).map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
    if !head.starts_with(&BINDING_REQUEST) || length != attributes.len() || length % 4 != 0 || !understood(attributes) {
        return false;
    }
    let cookie_and_id = head.get(4..).unwrap_or_default();
    let mut address = match source.ip().to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let family = if address.len() == 4 { 1 } else { 2 };
    address.iter_mut().zip(cookie_and_id).for_each(|(byte, mask)| *byte ^= mask);
    let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let value = 4 + address.len() as u8;
    out.extend_from_slice(&BINDING_SUCCESS);
    out.extend_from_slice(&[0, 4 + value]);
    out.extend_from_slice(cookie_and_id);
    out.extend_from_slice(&XOR_MAPPED_ADDRESS);
    out.extend_from_slice(&[0, value, 0, family]);
    out.extend_from_slice(&port.to_be_bytes());
    out.extend_from_slice(&address);
    true
}

/// Whether no attribute must be understood to answer (RFC 8489 14): a phone's keep-alive has none.
fn understood(mut attributes: &[u8]) -> bool {
    while let [high, _, long, short, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*long, *short])).next_multiple_of(4);
        let Some(after) = rest.get(length..) else { return false };
        if high & 0x80 == 0 {
            return false;
        }
        attributes = after;
    }
    attributes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        [&BINDING_REQUEST[..], &[0, attributes.len() as u8], &COOKIE, b"abcdefghijkl", attributes].concat()
    }

    #[test]
    fn an_address_is_hidden_as_rfc_5769_has_it() {
        // RFC 5769 2.3: 2001:db8:1234:5678:11:2233:4455:6677, port 32853.
        let id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        let bytes = [&BINDING_REQUEST[..], &[0, 0], &COOKIE, &id].concat();
        let mut out = Vec::new();
        assert!(answer(&bytes, "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap(), &mut out));
        let value =
            [0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9];
        assert_eq!(value, out[24..]);
        assert_eq!((44, [0, 24]), (out.len(), [out[2], out[3]]));
    }

    #[test]
    fn only_binding_requests_that_ask_for_nothing_more_are_answered() {
        let source = "192.0.2.1:1".parse().unwrap();
        let mut out = Vec::new();
        let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        assert!(answer(&request(&[]), source, &mut out));
        assert!(answer(&request(&software), source, &mut out));
        let mut indication = request(&[]);
        indication[1] = 0x11;
        let mut short = request(&software);
        short.pop();
        let username = [0, 6, 0, 4, b'a', b'b', b'c', b'd'];
        for bytes in
            [indication, short, request(&username), request(&[0x80, 0x22, 0, 9]), request(&[1, 2]), b"OPTIONS sip:a SIP/2.0".to_vec()]
        {
            assert!(!answer(&bytes, source, &mut out) && out.is_empty(), "{bytes:?}");
        }
        assert!(!is_stun(b"OPTIONS sip:a SIP/2.0\r\n") && !is_stun(&[0; 19]) && is_stun(&request(&[])));
    }
}
