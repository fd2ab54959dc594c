//! The addresses of this edge as the link numbers them; a wildcard is unfolded into the host's own addresses. It opens nothing.

use crate::config::Listen;
use std::net::{IpAddr, SocketAddr};
use tandem_sip::frame::{Local, Transport};

/// Addresses in all: HELLO counts them in one byte.
pub const LOCALS: usize = 255;

/// One address that peers can ask.
#[derive(Clone, Debug)]
pub struct Address {
    /// Which of the listening sockets.
    pub socket: usize,
    /// How messages travel there.
    pub transport: Transport,
    /// What is bound, or the host's address under a wildcard.
    pub bound: SocketAddr,
    /// `host:port` for Via and Contact.
    pub advertised: String,
}

/// All of them; the index is the link's `local`.
#[derive(Clone, Debug, Default)]
pub struct Locals {
    all: Vec<Address>,
}

impl Locals {
    /// Adds listening socket `socket`, bound to `bound`. A wildcard comes first, for peers that we call and the kernel's choice of
    /// source, then one number for each of `host` so that an answer leaves from the address that was asked.
    pub fn add(&mut self, socket: usize, listen: &Listen, bound: SocketAddr, host: &[IpAddr]) {
        let transport = listen.transport;
        let fits = |ip: &&IpAddr| ip.is_ipv4() == bound.is_ipv4();
        let wildcard = bound.ip().is_unspecified();
        let first = if wildcard { host.iter().find(fits).copied().unwrap_or(bound.ip()) } else { bound.ip() };
        self.push(Address { socket, transport, bound, advertised: advertised(listen, first, bound.port()) });
        if wildcard {
            host.iter().filter(fits).for_each(|&ip| self.push(under_wildcard(socket, listen, ip, bound.port())));
        }
    }

    /// Gives a number to each of the `host`'s addresses that has none under a wildcard; true if there was one. Numbers never change.
    pub fn learn(&mut self, listens: &[Listen], host: &[IpAddr]) -> bool {
        let before = self.all.len();
        let wildcards: Vec<Address> = self.all.iter().filter(|at| at.bound.ip().is_unspecified()).cloned().collect();
        for (wildcard, &ip) in wildcards.iter().flat_map(|at| host.iter().map(move |ip| (at, ip))) {
            let known = self.all.iter().any(|at| at.socket == wildcard.socket && at.bound.ip() == ip);
            let Some(listen) = listens.get(wildcard.socket).filter(|_| !known && ip.is_ipv4() == wildcard.bound.is_ipv4()) else { continue };
            self.push(under_wildcard(wildcard.socket, listen, ip, wildcard.bound.port()));
        }
        self.all.len() > before
    }

    fn push(&mut self, address: Address) {
        if self.all.len() < LOCALS {
            self.all.push(address);
        }
    }

    /// The number of the address `asked` on a socket; the socket's first when it is not known.
    pub fn asked(&self, socket: usize, asked: Option<IpAddr>) -> u8 {
        let mut first = None;
        for (at, local) in self.all.iter().enumerate().filter(|(_, local)| local.socket == socket) {
            if asked.is_none_or(|ip| ip == local.bound.ip()) {
                return at as u8;
            }
            first = first.or(Some(at));
        }
        first.unwrap_or(0) as u8
    }

    /// The address of a number.
    pub fn get(&self, local: u8) -> Option<&Address> {
        self.all.get(usize::from(local))
    }

    /// Where a message to `remote` leaves: the address named if it fits, else the first that does.
    pub fn leaving(&self, local: u8, transport: Transport, remote: SocketAddr) -> Option<&Address> {
        let fits = |at: &&Address| at.transport == transport && at.bound.is_ipv4() == remote.is_ipv4();
        self.get(local).filter(fits).or_else(|| self.all.iter().find(fits))
    }

    /// As HELLO lists them.
    pub fn hello(&self) -> Vec<Local<'_>> {
        let local = |at: &'_ Address| (at.transport, at.bound.into());
        self.all
            .iter()
            .map(|at| (local(at), at.advertised.as_bytes()))
            .map(|((transport, bound), advertised)| Local { transport, bound, advertised })
            .collect()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.all.iter()
    }
}

fn under_wildcard(socket: usize, listen: &Listen, ip: IpAddr, port: u16) -> Address {
    let bound = SocketAddr::new(ip, port);
    // Who asks the loopback address reaches it, and may not reach a public one.
    let advertised = if ip.is_loopback() { bound.to_string() } else { advertised(listen, ip, port) };
    Address { socket, transport: listen.transport, bound, advertised }
}

fn advertised(listen: &Listen, ip: IpAddr, port: u16) -> String {
    listen.advertised.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| SocketAddr::new(ip, port).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen() -> Listen {
        Listen { transport: Transport::Udp, bound: None, fd: None, advertised: None }
    }

    #[test]
    fn a_wildcard_has_a_number_for_each_address_that_can_be_asked() {
        let host: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1", "127.0.0.1"].iter().map(|ip| ip.parse().unwrap()).collect();
        let mut locals = Locals::default();
        locals.add(0, &listen(), "0.0.0.0:5060".parse().unwrap(), &host);
        locals.add(1, &listen(), "[::1]:5060".parse().unwrap(), &host);
        let said: Vec<&str> = locals.iter().map(|at| &*at.advertised).collect();
        assert_eq!(vec!["192.0.2.1:5060", "192.0.2.1:5060", "127.0.0.1:5060", "[::1]:5060"], said);
        assert_eq!(2, locals.asked(0, Some(host[2])));
        assert_eq!(0, locals.asked(0, Some("198.51.100.1".parse().unwrap())));
        assert_eq!(3, locals.asked(1, None));
        let remote = "[2001:db8::9]:5060".parse().unwrap();
        assert_eq!(1, locals.leaving(0, Transport::Udp, remote).unwrap().socket);
    }

    #[test]
    fn an_address_that_comes_later_gets_the_next_number() {
        let mut host: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap()];
        let mut locals = Locals::default();
        locals.add(0, &listen(), "0.0.0.0:5060".parse().unwrap(), &host);
        assert!(!locals.learn(&[listen()], &host));
        host.insert(0, "192.0.2.99".parse().unwrap());
        assert!(locals.learn(&[listen()], &host));
        assert_eq!((2, 1), (locals.asked(0, Some(host[0])), locals.asked(0, Some(host[1]))));
    }
}
