//! A list of networks in the configuration: is an address in one of them. It names none of them.

use serde::{Deserialize, Deserializer};
use std::net::IpAddr;
use tandem_sip::cidr::{Cidr, Cidrs};

/// Networks of one list.
pub const NETS: usize = 256;

/// Written as `["192.0.2.0/24", "2001:db8::1"]`.
#[derive(Clone, Debug, Default)]
pub struct Nets {
    cidrs: Cidrs,
    count: usize,
}

impl Nets {
    /// Whether one of them has the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.count > 0 && self.cidrs.find(address).is_some()
    }

    /// Whether the list has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Deserialize<'a> for Nets {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        if texts.len() > NETS {
            return Err(serde::de::Error::custom(format!("{} networks, at most {NETS} are allowed", texts.len())));
        }
        let mut nets = Nets::default();
        for text in &texts {
            let cidr: Cidr = text.parse().map_err(|why| serde::de::Error::custom(format!("network `{text}`: {why}")))?;
            nets.cidrs.add(cidr, 0);
            nets.count += 1;
        }
        Ok(nets)
    }
}

#[cfg(test)]
mod tests {
    use super::Nets;

    #[test]
    fn addresses_are_found_in_their_network_and_a_bad_one_is_named() {
        let nets: Nets = serde_json::from_str(r#"["192.0.2.0/24", "2001:db8::1"]"#).unwrap();
        let has = |text: &str| nets.contains(text.parse().unwrap());
        assert_eq!((true, true, false, true), (has("192.0.2.7"), has("::ffff:192.0.2.7"), has("192.0.3.7"), has("2001:db8::1")));
        let error = serde_json::from_str::<Nets>(r#"["192.0.2.0/33"]"#).unwrap_err().to_string();
        assert!(error.contains("192.0.2.0/33"), "{error}");
        assert!(Nets::default().is_empty() && !Nets::default().contains("::1".parse().unwrap()));
    }
}
