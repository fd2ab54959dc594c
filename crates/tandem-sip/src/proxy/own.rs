//! Our own addresses as peers see them: what stands in Via and Record-Route, and what in a Route means us. It opens nothing.

use crate::frame::Transport;
use crate::ids::mac;
use crate::uri::Uri;
use std::net::SocketAddr;

/// One address of ours.
#[derive(Clone, Debug)]
pub struct OwnAddress {
    /// How messages travel there.
    pub transport: Transport,
    /// What is bound.
    pub bound: SocketAddr,
    /// `host:port` as peers are told.
    pub advertised: Box<[u8]>,
    /// Which of the configured listening addresses it belongs to.
    pub listen: u8,
    /// `Via: SIP/2.0/UDP host:port;branch=`.
    pub(super) via: Box<[u8]>,
    /// Names it in tokens: numbers change with the host's addresses, this does not.
    pub(super) mark: u16,
}

impl OwnAddress {
    fn alike(&self, other: &OwnAddress) -> bool {
        self.transport == other.transport && self.bound.is_ipv4() == other.bound.is_ipv4()
    }
}

/// All of them, in the order of the numbers that [`super::Source::local`] has.
#[derive(Clone, Debug, Default)]
pub struct Own {
    all: Vec<OwnAddress>,
    names: Vec<(Box<[u8]>, Option<u16>)>,
    several: Vec<bool>,
}

impl Own {
    /// Adds the address with the next number.
    pub fn add(&mut self, transport: Transport, bound: SocketAddr, advertised: &[u8], listen: u8) {
        let via = [b"Via: SIP/2.0/", transport.via().as_bytes(), b" ", advertised, b";branch="].concat();
        let mark = mac(&[0; 16], &[&[transport as u8], bound.to_string().as_bytes()]) as u16;
        self.name(advertised);
        self.name(bound.to_string().as_bytes());
        self.all.push(OwnAddress { transport, bound, advertised: advertised.into(), listen, via: via.into(), mark });
        let alike = |at: &OwnAddress| self.all.iter().filter(|other| other.alike(at)).count() > 1;
        self.several = self.all.iter().map(alike).collect();
    }

    /// Adds a name by which a Route may mean us: `host` (any port) or `host:port`.
    pub fn name(&mut self, text: &[u8]) {
        let (host, port) = split(text);
        let known = (host.to_ascii_lowercase().into_boxed_slice(), port);
        if !self.names.contains(&known) {
            self.names.push(known);
        }
    }

    /// The address of a number.
    pub fn get(&self, local: u8) -> Option<&OwnAddress> {
        self.all.get(usize::from(local))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Where a message to `remote` leaves: `local` if it fits, else the first address of this transport and family, else the first of this
    /// family (a stream that we open needs no listening socket).
    pub fn leaving(&self, local: u8, transport: Transport, remote: SocketAddr) -> Option<u8> {
        let family = |at: &OwnAddress| at.bound.is_ipv4() == remote.ip().to_canonical().is_ipv4();
        let fits = |at: &OwnAddress| at.transport == transport && family(at);
        if self.get(local).is_some_and(fits) {
            return Some(local);
        }
        let any = || self.all.iter().position(|at| transport.is_reliable() && family(at));
        self.all.iter().position(fits).or_else(any).map(|at| at as u8)
    }

    /// Whether peers can reach us by datagrams at more than one address of this one's family: a response must then say which.
    pub(super) fn several(&self, local: u8) -> bool {
        self.several.get(usize::from(local)).copied().unwrap_or(true)
    }

    /// Whether peers are told different things of two addresses.
    pub(super) fn differ(&self, a: u8, b: u8) -> bool {
        let told = |local| self.get(local).map(|at| (at.transport, &at.advertised));
        a != b && told(a) != told(b)
    }

    /// The number of the address that a token names.
    pub(super) fn marked(&self, mark: u16) -> Option<u8> {
        self.all.iter().position(|at| at.mark == mark).map(|at| at as u8)
    }

    /// Whether a URI's host and port mean us.
    pub fn is_ours(&self, uri: &Uri<'_>) -> bool {
        self.names.iter().any(|(host, port)| {
            let same_port = port.is_none() || *port == uri.port || (uri.port.is_none() && matches!(port, Some(5060 | 5061)));
            same_port && host.eq_ignore_ascii_case(uri.host)
        })
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &OwnAddress> {
        self.all.iter()
    }
}

fn split(text: &[u8]) -> (&[u8], Option<u16>) {
    let from = text.iter().rposition(|&c| c == b']').unwrap_or(0);
    let Some(colon) = text.get(from..).and_then(|rest| rest.iter().position(|&c| c == b':')) else { return (text, None) };
    let (host, port) = text.split_at(from + colon);
    let port = std::str::from_utf8(port.get(1..).unwrap_or_default()).ok().and_then(|digits| digits.parse().ok());
    (host, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_means_us_by_address_advertised_name_or_alias() {
        let mut own = Own::default();
        own.add(Transport::Udp, "10.0.0.1:5060".parse().unwrap(), b"edge.example:5060", 0);
        own.add(Transport::Tcp, "[2001:db8::1]:5070".parse().unwrap(), b"[2001:db8::1]:5070", 1);
        own.name(b"sip.example");
        let ours = |text: &str| own.is_ours(&Uri::parse(text.as_bytes()).unwrap());
        for text in ["sip:EDGE.example;lr", "sip:x@10.0.0.1:5060", "sip:10.0.0.1", "sip:[2001:db8::1]:5070", "sip:sip.example:9999"] {
            assert!(ours(text), "{text}");
        }
        for text in ["sip:10.0.0.1:5070", "sip:[2001:db8::1]", "sip:edge.example.org"] {
            assert!(!ours(text), "{text}");
        }
        assert_eq!(Some(1), own.leaving(0, Transport::Tcp, "[2001:db8::9]:5060".parse().unwrap()));
        assert_eq!(Some(0), own.leaving(1, Transport::Tls, "192.0.2.1:5061".parse().unwrap()));
        assert_eq!(None, own.leaving(0, Transport::Udp, "[2001:db8::9]:5060".parse().unwrap()));
        assert_eq!(Some(1), own.marked(own.get(1).unwrap().mark));
    }
}
