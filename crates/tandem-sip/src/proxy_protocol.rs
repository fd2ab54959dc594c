//! The PROXY protocol's header, versions 1 and 2, by which a load balancer names the peer behind it. The crate `ppp` knows its form;
//! here are its limits, and what follows from it.

use ppp::{v1, v2};
use std::net::SocketAddr;

/// Bytes of a header of version 1 (its specification, 2.1).
pub const V1_BYTES: usize = 107;
/// Bytes of a header of version 2 with what balancers add to it.
pub const V2_BYTES: usize = 2048;
/// The type of the checksum.
const CRC32C: u8 = 3;

/// What the first bytes of a connection say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preface {
    /// The header is not whole.
    NeedMore,
    /// The peer is `source`; the header has `used` bytes.
    Proxied {
        /// Who has connected to the balancer.
        source: SocketAddr,
        /// Bytes of the header.
        used: usize,
    },
    /// The balancer speaks for itself, or knows no address: the connection's own counts.
    Local {
        /// Bytes of the header.
        used: usize,
    },
    /// No header, or a wrong one.
    Bad(&'static str),
}

/// Reads the header at the start of `bytes`. All that may still become one is `NeedMore`, at most [`V2_BYTES`].
///
/// ```
/// use tandem_sip::proxy_protocol::{read, Preface};
/// let bytes = b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 5061\r\n\x16\x03\x01";
/// assert_eq!(Preface::Proxied { source: "192.0.2.9:40000".parse().unwrap(), used: 46 }, read(bytes));
/// ```
pub fn read(bytes: &[u8]) -> Preface {
    let begins = |prefix: &[u8]| bytes.starts_with(prefix) || prefix.starts_with(bytes);
    if begins(v2::PROTOCOL_PREFIX) {
        binary(bytes)
    } else if begins(b"PROXY ") {
        text(bytes)
    } else {
        Preface::Bad("no PROXY header")
    }
}

fn text(bytes: &[u8]) -> Preface {
    let head = bytes.get(..V1_BYTES).unwrap_or(bytes);
    // Only whole lines are parsed: `ppp` takes half an address for a wrong one.
    let Some(end) = memchr::memchr(b'\n', head) else {
        return if bytes.len() >= V1_BYTES { Preface::Bad("no line end within 107 bytes") } else { Preface::NeedMore };
    };
    let used = end + 1;
    let Ok(header) = v1::Header::try_from(head.get(..used).unwrap_or_default()) else { return Preface::Bad("not version 1") };
    if header.header.len() != used {
        return Preface::Bad("not version 1");
    }
    match header.addresses {
        v1::Addresses::Unknown => Preface::Local { used },
        v1::Addresses::Tcp4(at) => proxied(SocketAddr::from((at.source_address, at.source_port)), used),
        v1::Addresses::Tcp6(at) => proxied(SocketAddr::from((at.source_address, at.source_port)), used),
    }
}

fn binary(bytes: &[u8]) -> Preface {
    if let Some(&[high, low]) = bytes.get(14..16) {
        if 16 + usize::from(u16::from_be_bytes([high, low])) > V2_BYTES {
            return Preface::Bad("above 2048 bytes");
        }
    }
    let header = match v2::Header::try_from(bytes) {
        Ok(header) => header,
        Err(v2::ParseError::Incomplete(_) | v2::ParseError::Partial(..)) => return Preface::NeedMore,
        Err(_) => return Preface::Bad("not version 2"),
    };
    let used = header.header.len();
    if header.protocol == v2::Protocol::Datagram {
        return Preface::Bad("of datagrams");
    }
    if !intact(&header) {
        return Preface::Bad("wrong checksum");
    }
    match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(at)) => proxied(SocketAddr::from((at.source_address, at.source_port)), used),
        (v2::Command::Proxy, v2::Addresses::IPv6(at)) => proxied(SocketAddr::from((at.source_address, at.source_port)), used),
        _ => Preface::Local { used },
    }
}

fn proxied(source: SocketAddr, used: usize) -> Preface {
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    Preface::Proxied { source, used }
}

/// Whether the checksum is right, where there is one (its specification, 2.2.4), and what follows the addresses can be read.
fn intact(header: &v2::Header<'_>) -> bool {
    let bytes: &[u8] = &header.header;
    let Ok(found) = header.tlvs().collect::<Result<Vec<_>, _>>() else { return false };
    let Some(sum) = found.iter().find(|found| found.kind == CRC32C) else { return true };
    let Ok(expected) = <[u8; 4]>::try_from(&*sum.value) else { return false };
    // Its place: behind the fixed part, the addresses, and what stands before it.
    let before: usize = found.iter().take_while(|found| found.kind != CRC32C).map(|found| 3 + found.value.len()).sum();
    let all: usize = found.iter().map(|found| 3 + found.value.len()).sum();
    let at = bytes.len() - all.min(bytes.len()) + before + 3;
    let (Some(head), Some(tail)) = (bytes.get(..at), bytes.get(at + 4..)) else { return false };
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]), tail);
    sum == u32::from_be_bytes(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u16).to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, payload].concat()
    }

    const FOUR: [u8; 12] = [192, 0, 2, 9, 198, 51, 100, 1, 0x9c, 0x40, 0x13, 0xc5];

    fn checked(spoil: u8) -> Vec<u8> {
        let payload = [&FOUR[..], &[4, 0, 1, 7], &[CRC32C, 0, 4, 0, 0, 0, 0], &[1, 0, 3], b"sip"].concat();
        let mut bytes = v2(1, 0x11, &payload);
        let sum = crc32c::crc32c(&bytes).to_be_bytes();
        let at = 16 + 12 + 4 + 3;
        bytes[at..at + 4].copy_from_slice(&sum);
        bytes[at] ^= spoil;
        bytes
    }

    #[test]
    fn both_versions_name_the_peer_and_are_waited_for() {
        let six = [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 16], &[0x9c, 0x40, 0x13, 0xc5]].concat();
        for (bytes, source) in [
            (b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 5061\r\n".to_vec(), "192.0.2.9:40000"),
            (b"PROXY TCP6 2001:db8::9 2001:db8::1 40000 5061\r\n".to_vec(), "[2001:db8::9]:40000"),
            (b"PROXY TCP6 ::ffff:192.0.2.9 ::ffff:192.0.2.1 40000 5061\r\n".to_vec(), "192.0.2.9:40000"),
            (v2(1, 0x11, &FOUR), "192.0.2.9:40000"),
            (v2(1, 0x21, &six), "[2001:db8::9]:40000"),
            (checked(0), "192.0.2.9:40000"),
        ] {
            for at in 0..bytes.len() {
                assert_eq!(Preface::NeedMore, read(&bytes[..at]), "{bytes:?} {at}");
            }
            let expected = Preface::Proxied { source: source.parse().unwrap(), used: bytes.len() };
            assert_eq!(expected, read(&bytes));
            assert_eq!(expected, read(&[&bytes[..], b"INVITE"].concat()));
        }
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        for bytes in [b"PROXY UNKNOWN\r\n".to_vec(), b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), v2(0, 0, b""), v2(1, 0, b"")] {
            assert_eq!(Preface::Local { used: bytes.len() }, read(&bytes));
        }
    }

    #[test]
    fn what_is_no_header_is_known_by_its_first_wrong_byte() {
        for bytes in [
            b"INVITE".to_vec(),
            b"\x16\x03\x01".to_vec(),
            b"\r\n\r\nINVITE".to_vec(),
            b"PROXY TCP4 192.0.2.9 198.51.100.1 40000\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.9 198.51.100.1 040000 5061\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::9 198.51.100.1 40000 5061\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 5061\n".to_vec(),
            [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
            v2(2, 0x11, &FOUR),
            v2(1, 0x12, &FOUR),
            v2(1, 0x11, &FOUR[..8]),
            v2(1, 0x11, &[&FOUR[..], &[4, 0, 9, 1]].concat()),
            v2(1, 0x11, &[&FOUR[..], &[0; 3000]].concat())[..16].to_vec(),
            checked(1),
        ] {
            assert!(matches!(read(&bytes), Preface::Bad(_)), "{bytes:?}");
        }
    }
}
