//! Datagrams as records of a pcap file, with IP and UDP headers made for them. It opens no file.

use std::net::{IpAddr, SocketAddr};

/// IPv4 or IPv6, by the version in the first four bits.
const LINKTYPE_RAW: u32 = 101;
/// Magic of times in microseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Longest record, in bytes.
const SNAP_BYTES: u32 = 65_535;
/// Bytes that a record has beside the datagram, at most: its own header, IPv6, UDP.
pub const HEADERS: usize = 16 + 40 + 8;
const UDP: u8 = 17;
const HOPS: u8 = 64;

/// How a file begins.
pub fn header() -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    out.extend_from_slice(&MICROSECONDS.to_le_bytes());
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&4u16.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&SNAP_BYTES.to_le_bytes());
    out.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
    out
}

/// Writes a datagram behind what `out` holds. `at`: microseconds since 1970; `bytes`: at most 65,000.
///
/// ```
/// use tandem_media::pcap;
/// let mut file = pcap::header();
/// pcap::record(1_700_000_000_000_001, "192.0.2.1:5004".parse().unwrap(), "192.0.2.2:6004".parse().unwrap(), b"abc", &mut file);
/// assert_eq!(24 + 16 + 20 + 8 + 3, file.len());
/// ```
pub fn record(at: u64, from: SocketAddr, to: SocketAddr, bytes: &[u8], out: &mut Vec<u8>) {
    let length = (8 + bytes.len()) as u16;
    let (ip, pseudo) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let mut head = vec![0x45, 0];
            head.extend_from_slice(&(20 + length).to_be_bytes());
            head.extend_from_slice(&[0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
            head.extend_from_slice(&addresses);
            let proof = folded(sum(&head)).to_be_bytes();
            head.splice(10..12, proof);
            (head, addresses)
        }
        (from, to) => {
            let addresses = [six(from), six(to)].concat();
            let mut head = vec![0x60, 0, 0, 0];
            head.extend_from_slice(&length.to_be_bytes());
            head.extend_from_slice(&[UDP, HOPS]);
            head.extend_from_slice(&addresses);
            (head, addresses)
        }
    };
    let mut udp = [from.port().to_be_bytes(), to.port().to_be_bytes(), length.to_be_bytes()].concat();
    let total = sum(&pseudo) + u64::from(length) + u64::from(UDP) + sum(&udp) + sum(bytes);
    let proof = match folded(total) {
        0 => 0xffff, // RFC 768: zero means that there is none
        proof => proof,
    };
    udp.extend_from_slice(&proof.to_be_bytes());
    let whole = (ip.len() + udp.len() + bytes.len()) as u32;
    for field in [(at / 1_000_000) as u32, (at % 1_000_000) as u32, whole, whole] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for part in [&ip[..], &udp[..], bytes] {
        out.extend_from_slice(part);
    }
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
        IpAddr::V6(six) => six.octets(),
    }
}

/// RFC 1071, before the fold.
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair.first().copied().unwrap_or(0)) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

fn folded(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_both_families_prove_the_packet() {
        for (from, to, start) in [("192.0.2.1:5004", "192.0.2.2:6004", 12), ("[2001:db8::1]:5004", "[2001:db8::2]:6004", 8)] {
            let mut out = Vec::new();
            record(1_500_000, from.parse().unwrap(), to.parse().unwrap(), b"odd", &mut out);
            let packet = &out[16..];
            let ip = if start == 12 { 20 } else { 40 };
            if ip == 20 {
                assert_eq!(0, folded(sum(&packet[..20])));
            }
            let udp = &packet[ip..];
            assert_eq!(0, folded(sum(&packet[start..ip]) + u64::from(UDP) + udp.len() as u64 + sum(udp)));
            assert_eq!([&1u32.to_le_bytes()[..], &500_000u32.to_le_bytes()].concat(), out[..8]);
        }
    }
}
