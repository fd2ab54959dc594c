//! HEP version 3 packets (the EEP of Homer): a message with where it went and when, as bytes. It chooses no messages and sends nothing.

use std::net::{IpAddr, SocketAddr};

/// Bytes that a packet has beside message, Call-ID and password, at most.
pub const OVERHEAD: usize = 160;
/// Longest packet: its length is a 16-bit number.
pub const PACKET_BYTES: usize = 65_535;

const SIP: u8 = 1;
const FAMILY_INET: u8 = 2;
const FAMILY_INET6: u8 = 10;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// A message that travelled.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// It was a datagram, not part of a stream.
    pub datagram: bool,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who got it.
    pub to: SocketAddr,
    /// When, microseconds since 1970.
    pub at_us: u64,
    /// Who copies: Homer's capture id.
    pub id: u32,
    /// Homer's password; empty: none is sent.
    pub password: &'a [u8],
    /// What joins the copies of one call; empty: nothing does.
    pub call_id: &'a [u8],
    /// The message.
    pub message: &'a [u8],
}

impl Packet<'_> {
    /// Appends the packet; false: it would be longer than `PACKET_BYTES`, and nothing was written.
    ///
    /// ```
    /// use tandem_sip::hep::Packet;
    /// let (from, to) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    /// let copy = Packet { datagram: true, from, to, at_us: 1_500_000, id: 7, password: b"", call_id: b"c", message: b"OPTIONS" };
    /// let mut packet = Vec::new();
    /// assert!(copy.push(&mut packet));
    /// assert_eq!((b"HEP3", packet.len()), (&packet[..4].try_into().unwrap(), usize::from(packet[4]) * 256 + usize::from(packet[5])));
    /// ```
    pub fn push(&self, out: &mut Vec<u8>) -> bool {
        if OVERHEAD + self.message.len() + self.call_id.len() + self.password.len() > PACKET_BYTES {
            return false;
        }
        let start = out.len();
        out.extend_from_slice(b"HEP3\0\0");
        let [from, to] = [self.from, self.to].map(|address| address.ip().to_canonical());
        chunk(out, 1, &[if from.is_ipv4() && to.is_ipv4() { FAMILY_INET } else { FAMILY_INET6 }]);
        chunk(out, 2, &[if self.datagram { UDP } else { TCP }]);
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                chunk(out, 3, &from.octets());
                chunk(out, 4, &to.octets());
            }
            _ => {
                chunk(out, 5, &six(from));
                chunk(out, 6, &six(to));
            }
        }
        chunk(out, 7, &self.from.port().to_be_bytes());
        chunk(out, 8, &self.to.port().to_be_bytes());
        chunk(out, 9, &((self.at_us / 1_000_000) as u32).to_be_bytes());
        chunk(out, 10, &((self.at_us % 1_000_000) as u32).to_be_bytes());
        chunk(out, 11, &[SIP]);
        chunk(out, 12, &self.id.to_be_bytes());
        if !self.password.is_empty() {
            chunk(out, 14, self.password);
        }
        chunk(out, 15, self.message);
        if !self.call_id.is_empty() {
            chunk(out, 17, self.call_id);
        }
        let length = ((out.len() - start) as u16).to_be_bytes();
        if let Some(field) = out.get_mut(start + 4..start + 6) {
            field.copy_from_slice(&length);
        }
        true
    }
}

fn six(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Vendor 0 is the format's own.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&((value.len() + 6) as u16).to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(from: &str, to: &str, message: &[u8]) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let copy =
            Packet { datagram: false, from, to, at_us: 1_795_000_000_123_456, id: 2001, password: b"pw", call_id: b"abc@x", message };
        copy.push(&mut out).then(|| out.split_off(6))
    }

    #[test]
    fn every_chunk_stands_where_the_format_says() {
        let packet = copy("192.0.2.1:5060", "198.51.100.2:40000", b"ACK sip:x SIP/2.0\r\n\r\n").unwrap();
        let by_hand: Vec<u8> = [
            &b"HEP3\x00\x8b"[..],
            &[0, 0, 0, 1, 0, 7, 2],
            &[0, 0, 0, 2, 0, 7, 6],
            &[0, 0, 0, 3, 0, 10, 192, 0, 2, 1],
            &[0, 0, 0, 4, 0, 10, 198, 51, 100, 2],
            &[0, 0, 0, 7, 0, 8, 0x13, 0xc4],
            &[0, 0, 0, 8, 0, 8, 0x9c, 0x40],
            &[0, 0, 0, 9, 0, 10],
            &1_795_000_000u32.to_be_bytes(),
            &[0, 0, 0, 10, 0, 10],
            &123_456u32.to_be_bytes(),
            &[0, 0, 0, 11, 0, 7, 1],
            &[0, 0, 0, 12, 0, 10, 0, 0, 7, 209],
            &[0, 0, 0, 14, 0, 8, b'p', b'w'],
            &[0, 0, 0, 15, 0, 27],
            b"ACK sip:x SIP/2.0\r\n\r\n",
            &[0, 0, 0, 17, 0, 11],
            b"abc@x",
        ]
        .concat();
        assert_eq!(by_hand, packet);
    }

    #[test]
    fn an_ipv4_address_beside_an_ipv6_one_is_mapped_and_a_mapped_pair_is_ipv4() {
        let packet = copy("192.0.2.1:5060", "[2001:db8::1]:5060", b"x").unwrap();
        assert!(packet.windows(22).any(|part| part.starts_with(&[0, 0, 0, 5, 0, 22]) && part.ends_with(&[0xff, 0xff, 192, 0, 2, 1])));
        let packet = copy("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2", b"x").unwrap();
        assert!(packet.windows(10).any(|part| part == [0, 0, 0, 3, 0, 10, 192, 0, 2, 1]));
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        assert!(copy("192.0.2.1:1", "192.0.2.2:2", &vec![b'x'; 65_300]).is_some());
        assert_eq!(None, copy("192.0.2.1:1", "192.0.2.2:2", &vec![b'x'; 65_500]));
    }
}
