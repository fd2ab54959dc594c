//! Sets of address ranges, IPv4 and IPv6, with a number each; the longest prefix wins. It parses and finds, nothing else.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// One range. IPv4 is held as IPv4-mapped IPv6, so both kinds of socket agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    bits: u128,
    length: u8,
}

impl FromStr for Cidr {
    type Err = &'static str;

    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a single address. Host bits are cut off.
    fn from_str(text: &str) -> Result<Cidr, &'static str> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| "not an address or address/bits")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length: u8 = match length {
            None => most,
            Some(text) => text.parse().ok().filter(|&bits| bits <= most).ok_or("not 0..=32 (IPv4) or 0..=128 (IPv6) bits")?,
        };
        let length = length + (128 - most);
        Ok(Cidr { bits: mapped(address) & mask(length), length })
    }
}

impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Cidr {
        Cidr { bits: mapped(address), length: 128 }
    }
}

/// Ranges by prefix length, longest first; each length is a sorted list.
#[derive(Clone, Debug, Default)]
pub struct Cidrs {
    lengths: Vec<(u8, Vec<(u128, u32)>)>,
}

impl Cidrs {
    /// Adds a range with its number; of two equal ranges the first stays.
    pub fn add(&mut self, cidr: Cidr, number: u32) {
        let at = match self.lengths.binary_search_by(|(length, _)| cidr.length.cmp(length)) {
            Ok(at) => at,
            Err(at) => {
                self.lengths.insert(at, (cidr.length, Vec::new()));
                at
            }
        };
        let Some((_, list)) = self.lengths.get_mut(at) else { return };
        if let Err(at) = list.binary_search_by_key(&cidr.bits, |&(bits, _)| bits) {
            list.insert(at, (cidr.bits, number));
        }
    }

    /// Whether any range has an address in common with those that are counted as this one is (`source_key`).
    pub fn touches(&self, source: IpAddr) -> bool {
        let whole = mapped(source);
        let most = if whole >> 32 == 0xffff { 128 } else { 64 };
        let shared = |length: u8, bits: u128| (bits ^ whole) & mask(length.min(most)) == 0;
        self.lengths.iter().any(|(length, list)| list.iter().any(|&(bits, _)| shared(*length, bits)))
    }

    /// The number of the longest range that holds the address.
    pub fn find(&self, address: IpAddr) -> Option<u32> {
        let bits = mapped(address);
        self.lengths.iter().find_map(|(length, list)| {
            let at = list.binary_search_by_key(&(bits & mask(*length)), |&(bits, _)| bits).ok()?;
            list.get(at).map(|&(_, number)| number)
        })
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
    .to_bits()
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// The address that limits count by: IPv4 whole, IPv6 its /64 (one customer has 2^64 of them).
pub fn source_key(address: IpAddr) -> u64 {
    let v6: Ipv6Addr = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    match v6.to_ipv4_mapped() {
        Some(v4) => 0xffff_0000_0000 | u64::from(v4.to_bits()),
        None => (v6.to_bits() >> 64) as u64,
    }
}

/// Whether a host is an address, or the name of this machine, and no name of the DNS.
pub(crate) fn is_address(host: &[u8]) -> bool {
    host.eq_ignore_ascii_case(b"localhost")
        || std::str::from_utf8(host).is_ok_and(|text| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
}

/// The address, or the first one of the /64, that a key of `source_key` counts.
pub fn key_source(key: u64) -> IpAddr {
    match key >> 32 {
        0xffff => IpAddr::V4(((key & 0xffff_ffff) as u32).into()),
        _ => IpAddr::V6((u128::from(key) << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> Cidrs {
        let mut set = Cidrs::default();
        for (i, text) in texts.iter().enumerate() {
            set.add(text.parse().unwrap(), i as u32);
        }
        set
    }

    #[test]
    fn the_longest_prefix_wins() {
        let set = set(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "0.0.0.0/0", "2001:db8::/32"]);
        for (address, number) in [
            ("10.9.9.9", Some(0)),
            ("10.1.9.9", Some(1)),
            ("10.1.2.3", Some(2)),
            ("::ffff:10.1.2.3", Some(2)),
            ("11.0.0.1", Some(3)),
            ("2001:db8::5", Some(4)),
            ("2001:db9::5", None),
        ] {
            assert_eq!(number, set.find(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn all_of_ipv6_is_a_range_too() {
        assert_eq!(Some(0), set(&["::/0"]).find("fe80::1".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "a.example"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_64() {
        let key = |text: &str| source_key(text.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        for (source, counted) in [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:0:1::9", "2001:db8:0:1::")] {
            assert_eq!(counted, key_source(key(source)).to_string());
        }
    }

    #[test]
    fn a_range_touches_a_source_whose_64_it_shares() {
        let set = set(&["2001:db8::7", "2001:db9::/32", "192.0.2.0/24"]);
        for source in ["2001:db8::1", "2001:db9:1::1", "192.0.2.9", "::ffff:192.0.2.9"] {
            assert!(set.touches(source.parse().unwrap()), "{source}");
        }
        for source in ["2001:db8:0:1::1", "192.0.3.9", "2001:dba::1"] {
            assert!(!set.touches(source.parse().unwrap()), "{source}");
        }
    }
}
