//! The names that a called trunk's certificate must have, by the trunk's addresses. The policy's own look-ups go the other way.

use serde::Deserialize;
use std::net::IpAddr;

/// First address, and how many bits of it count; IPv4 mapped.
type Range = (u128, u32);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Text {
    trunks: Vec<Trunk>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Trunk {
    cidrs: Vec<String>,
    tls_names: Vec<String>,
    addresses: Vec<String>,
    server_names: Vec<String>,
}

impl Trunk {
    /// Where it is called, and the names that its certificate may have there.
    fn compiled(self) -> Option<(Vec<Range>, Vec<String>)> {
        let names = if self.tls_names.is_empty() { self.server_names } else { self.tls_names };
        let ranges = self.addresses.iter().chain(&self.cidrs).filter_map(|text| range(text)).collect();
        (!names.is_empty()).then_some((ranges, names))
    }
}

/// Names by address.
#[derive(Default)]
pub struct Trunks {
    all: Vec<(Vec<Range>, Vec<String>)>,
}

impl Trunks {
    /// Reads the trunks of a policy that `Policy` has checked; those without certificate names are left out.
    pub fn read(policy: &[u8]) -> Trunks {
        let text: Text = serde_json::from_slice(policy).unwrap_or_default();
        Trunks { all: text.trunks.into_iter().filter_map(Trunk::compiled).collect() }
    }

    /// The names of the trunk at an address.
    pub fn names(&self, remote: IpAddr) -> &[String] {
        let bits = mapped(remote);
        let holds = |&(start, length): &Range| bits.checked_shr(128 - length).unwrap_or(0) == start.checked_shr(128 - length).unwrap_or(0);
        self.all.iter().find(|(ranges, _)| ranges.iter().any(holds)).map_or(&[], |(_, names)| names)
    }
}

fn range(text: &str) -> Option<Range> {
    let (ip, length) = text.split_once('/').map_or((text, None), |(ip, length)| (ip, Some(length)));
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length: u32 = length.map_or(Some(most), |length| length.parse().ok())?;
    (length <= most).then_some((mapped(ip), length + 128 - most))
}

fn mapped(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_is_asked_for_its_names_at_its_addresses_only() {
        let policy =
            br#"{"trunks": [{"cidrs": ["192.0.2.0/24", "2001:db8::/32"], "tls_names": ["sbc.example"]}, {"cidrs": ["0.0.0.0/0"]}]}"#;
        let trunks = Trunks::read(policy);
        for (ip, count) in [("192.0.2.77", 1), ("192.0.3.1", 0), ("2001:db8::1", 1), ("2001:db9::1", 0)] {
            assert_eq!(count, trunks.names(ip.parse().unwrap()).len(), "{ip}");
        }
    }

    #[test]
    fn a_trunk_with_a_host_name_must_prove_that_name_where_the_name_leads() {
        let policy = br#"{"trunks": [{"addresses": ["192.0.2.1"], "server_names": ["sbc.example"]}, {"addresses": ["192.0.2.2"], "server_names": ["a"], "tls_names": ["b"]}]}"#;
        let trunks = Trunks::read(policy);
        assert_eq!(["sbc.example"], trunks.names("192.0.2.1".parse().unwrap()));
        assert_eq!(["b"], trunks.names("192.0.2.2".parse().unwrap()));
        assert!(trunks.names("192.0.2.3".parse().unwrap()).is_empty());
    }
}
