//! Addresses of a description: c=, o= and a=rtcp. Names are not looked up.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// IP4 or IP6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    Ip4,
    /// IPv6.
    Ip6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ip4,
            IpAddr::V6(_) => Family::Ip6,
        }
    }

    /// As descriptions have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Ip4 => "IP4",
            Family::Ip6 => "IP6",
        }
    }

    /// Reads "IP4" or "IP6", also "ip4" and "IPv4".
    pub fn parse(text: &str) -> Option<Family> {
        match &text.to_ascii_lowercase()[..] {
            "ip4" | "ipv4" => Some(Family::Ip4),
            "ip6" | "ipv6" => Some(Family::Ip6),
            _ => None,
        }
    }

    /// The other one.
    pub fn other(self) -> Family {
        match self {
            Family::Ip4 => Family::Ip6,
            Family::Ip6 => Family::Ip4,
        }
    }
}

/// A connection line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// As told.
    pub family: Family,
    /// `None`: a name.
    pub address: Option<IpAddr>,
}

impl Connection {
    /// Reads the value of a connection line, or of what follows the port of a=rtcp: `IN IP4 192.0.2.1`, also with `/ttl`.
    pub fn parse(value: &[u8]) -> Option<Connection> {
        let mut words = std::str::from_utf8(value).ok()?.split_ascii_whitespace();
        words.next().filter(|net| *net == "IN")?;
        let family = Family::parse(words.next()?)?;
        let address = words.next()?.split('/').next().and_then(|address| address.parse().ok());
        Some(Connection { family: address.map_or(family, Family::of), address })
    }

    /// 0.0.0.0 or ::, the hold of RFC 2543.
    pub fn is_zero(&self) -> bool {
        self.address.is_some_and(|address| address.is_unspecified())
    }

    /// The value of a connection line.
    pub fn value(address: IpAddr) -> String {
        format!("IN {} {address}", Family::of(address).as_str())
    }
}

/// The port of a=rtcp, and its address when it has one (RFC 3605).
pub fn rtcp_port(value: &[u8]) -> Option<(u16, Option<IpAddr>)> {
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (port, rest) = value.split_at_checked(end)?;
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some((port, Connection::parse(rest).and_then(|connection| connection.address)))
}

/// An origin line (RFC 8866 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// "-" when there is none.
    pub username: String,
    /// Session id: a decimal number of any length.
    pub session: String,
    /// Version: a decimal number of any length.
    pub version: String,
    /// "IP4" or "IP6" as it came.
    pub family: String,
    /// Address or name.
    pub address: String,
}

impl Origin {
    /// Reads the value of an origin line.
    pub fn parse(value: &[u8]) -> Option<Origin> {
        let text = String::from_utf8_lossy(value);
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let [username, session, version, "IN", family, address] = words[..] else { return None };
        let [username, session, version, family, address] = [username, session, version, family, address].map(str::to_owned);
        Some(Origin { username, session, version, family, address })
    }

    /// The value of an origin line.
    pub fn value(&self) -> String {
        let Origin { username, session, version, family, address } = self;
        format!("{username} {session} {version} IN {family} {address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_an_address_or_a_name() {
        let connection = |text: &str| Connection::parse(text.as_bytes());
        assert_eq!("192.0.2.1".parse().ok(), connection("IN IP4 192.0.2.1").unwrap().address);
        assert_eq!("224.2.1.1".parse().ok(), connection("IN IP4 224.2.1.1/127/3").unwrap().address);
        assert_eq!(Some(Connection { family: Family::Ip4, address: None }), connection("IN IP4 host.example.com"));
        assert_eq!(Family::Ip6, connection("IN IP4 2001:db8::1").unwrap().family, "the address has the last word");
        assert!(connection("IN IP4 0.0.0.0").unwrap().is_zero() && connection("IN IP6 ::").unwrap().is_zero());
        for text in ["", "IN", "IN IP4", "IN IP5 1.2.3.4", "ATM IP4 1.2.3.4"] {
            assert_eq!(None, connection(text), "{text}");
        }
    }

    #[test]
    fn an_rtcp_attribute_has_a_port_and_perhaps_an_address() {
        assert_eq!(Some((5005, None)), rtcp_port(b"5005"));
        assert_eq!(Some((5005, "192.0.2.1".parse().ok())), rtcp_port(b"5005 IN IP4 192.0.2.1"));
        assert_eq!(None, rtcp_port(b"x"));
        assert_eq!(None, rtcp_port(b"65536"));
    }

    #[test]
    fn an_origin_is_read_and_written() {
        let text = "- 18446744073709551616 2 IN IP4 host.example.com";
        assert_eq!(text, Origin::parse(text.as_bytes()).unwrap().value());
        assert_eq!(None, Origin::parse(b"- 1 2 IN IP4"));
    }
}
