//! The hosts file: names that need no server. It is read; nothing is written there.

use std::collections::HashMap;
use std::net::IpAddr;

/// Most bytes that are read of it.
pub(crate) const HOSTS_BYTES: u64 = 1 << 20;

/// Addresses by name, lower case.
pub(crate) type Hosts = HashMap<Box<str>, Vec<IpAddr>>;

/// `address name name ... # comment`; lines that are none are passed over. `localhost` is always there (RFC 6761 6.3).
pub(crate) fn parse(text: &str) -> Hosts {
    let mut hosts = Hosts::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        for name in words.filter_map(crate::model::clean) {
            let known = hosts.entry(name).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    let local = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    hosts.entry("localhost".into()).or_insert_with(|| local.to_vec());
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_read_and_the_rest_passed_over() {
        let hosts = parse("192.0.2.1 PBX pbx.example # ours\n# nothing\nnonsense pbx\n2001:db8::1 pbx\n192.0.2.1 pbx\n");
        assert_eq!(["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()].as_slice(), &hosts["pbx"]);
        assert_eq!(1, hosts["pbx.example"].len());
        assert!(hosts["localhost"].iter().all(IpAddr::is_loopback));
    }
}
