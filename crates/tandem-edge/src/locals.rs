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
    /// The number by which local networks know it: the same, told as it is.
    twin: Option<u8>,
}

/// All of them; the index is the link's `local`.
#[derive(Clone, Debug, Default)]
pub struct Locals {
    all: Vec<Address>,
    twins: bool,
}

impl Locals {
    /// With `twins`, each address that is advertised under another name has a second number, for local networks.
    pub fn new(twins: bool) -> Locals {
        Locals { all: Vec::new(), twins }
    }

    /// Adds listening socket `socket`, bound to `bound`. A wildcard comes first, for peers that we call and the kernel's choice of
    /// source, then one number for each of `host` so that an answer leaves from the address that was asked.
    pub fn add(&mut self, socket: usize, listen: &Listen, bound: SocketAddr, host: &[IpAddr]) {
        let transport = listen.transport;
        let fits = |ip: &&IpAddr| ip.is_ipv4() == bound.is_ipv4();
        let wildcard = bound.ip().is_unspecified();
        let first = if wildcard { host.iter().find(fits).copied().unwrap_or(bound.ip()) } else { bound.ip() };
        let (from, port) = (self.all.len(), bound.port());
        self.push(Address { socket, transport, bound, advertised: advertised(listen, first, port), twin: None });
        if wildcard {
            host.iter().filter(fits).for_each(|&ip| self.push(under_wildcard(socket, listen, ip, port)));
        }
        let told = SocketAddr::new(first, port);
        (from..self.all.len()).for_each(|at| self.add_twin(at, told));
    }

    // `told`: what stands for a wildcard.
    fn add_twin(&mut self, at: usize, told: SocketAddr) {
        let number = self.all.len();
        let Some(address) = self.all.get_mut(at).filter(|_| self.twins && number < LOCALS) else { return };
        let real = if address.bound.ip().is_unspecified() { told } else { address.bound };
        if address.advertised != real.to_string() {
            address.twin = Some(number as u8);
            let twin = Address { advertised: real.to_string(), twin: None, ..address.clone() };
            self.all.push(twin);
        }
    }

    /// The number by which a peer of a local network knows the address.
    pub fn within(&self, local: u8) -> u8 {
        self.get(local).and_then(|address| address.twin).unwrap_or(local)
    }

    /// Gives a number to an address under a wildcard that a peer has asked and that had none: it came to this host later, or its
    /// network is routed here. Numbers never change; `None` when there are no more.
    pub fn learn(&mut self, socket: usize, listen: &Listen, ip: IpAddr) -> Option<u8> {
        let wildcard = self.all.iter().find(|at| at.socket == socket && at.bound.ip().is_unspecified())?;
        let port = wildcard.bound.port();
        if self.all.len() >= LOCALS {
            return None;
        }
        let number = self.all.len();
        self.push(under_wildcard(socket, listen, ip, port));
        self.add_twin(number, SocketAddr::new(ip, port));
        Some(number as u8)
    }

    fn push(&mut self, address: Address) {
        if self.all.len() < LOCALS {
            self.all.push(address);
        }
    }

    /// The number of the address that was asked on a socket.
    pub fn asked(&self, socket: usize, asked: IpAddr) -> Option<u8> {
        let at = self.all.iter().position(|local| local.socket == socket && local.bound.ip() == asked)?;
        Some(at as u8)
    }

    /// The first number of a socket.
    pub fn first(&self, socket: usize) -> u8 {
        self.all.iter().position(|local| local.socket == socket).unwrap_or(0) as u8
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
    Address { socket, transport: listen.transport, bound, advertised, twin: None }
}

fn advertised(listen: &Listen, ip: IpAddr, port: u16) -> String {
    listen.advertised.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| SocketAddr::new(ip, port).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::Nets;

    fn listen() -> Listen {
        Listen { transport: Transport::Udp, bound: None, fd: None, advertised: None, proxy_protocol: Nets::default() }
    }

    #[test]
    fn a_wildcard_has_a_number_for_each_address_that_can_be_asked() {
        let host: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1", "127.0.0.1"].iter().map(|ip| ip.parse().unwrap()).collect();
        let mut locals = Locals::default();
        locals.add(0, &listen(), "0.0.0.0:5060".parse().unwrap(), &host);
        locals.add(1, &listen(), "[::1]:5060".parse().unwrap(), &host);
        let said: Vec<&str> = locals.iter().map(|at| &*at.advertised).collect();
        assert_eq!(vec!["192.0.2.1:5060", "192.0.2.1:5060", "127.0.0.1:5060", "[::1]:5060"], said);
        assert_eq!(Some(2), locals.asked(0, host[2]));
        assert_eq!(None, locals.asked(0, "198.51.100.1".parse().unwrap()));
        assert_eq!(3, locals.first(1));
        let remote = "[2001:db8::9]:5060".parse().unwrap();
        assert_eq!(1, locals.leaving(0, Transport::Udp, remote).unwrap().socket);
    }

    #[test]
    fn local_networks_are_told_the_address_itself() {
        let host: Vec<IpAddr> = ["10.0.0.5", "127.0.0.1"].iter().map(|ip| ip.parse().unwrap()).collect();
        let public = Listen { advertised: Some("sip.example:5060".into()), ..listen() };
        let mut locals = Locals::new(true);
        locals.add(0, &public, "0.0.0.0:5060".parse().unwrap(), &host);
        locals.add(1, &public, "[2001:db8::1]:5070".parse().unwrap(), &host);
        let told = |local: u8| (&*locals.get(local).unwrap().advertised, &*locals.get(locals.within(local)).unwrap().advertised);
        let asked = |socket, ip: &str| told(locals.asked(socket, ip.parse().unwrap()).unwrap());
        assert_eq!(("sip.example:5060", "10.0.0.5:5060"), asked(0, "10.0.0.5"));
        assert_eq!(("127.0.0.1:5060", "127.0.0.1:5060"), asked(0, "127.0.0.1"));
        assert_eq!(("sip.example:5060", "10.0.0.5:5060"), told(locals.first(0)));
        assert_eq!(("sip.example:5060", "[2001:db8::1]:5070"), asked(1, "2001:db8::1"));
        let mut alone = Locals::new(false);
        alone.add(0, &public, "0.0.0.0:5060".parse().unwrap(), &host);
        assert_eq!(1, alone.within(1));
        let later = locals.learn(0, &public, "10.0.0.9".parse().unwrap()).unwrap();
        assert_eq!("10.0.0.9:5060", locals.get(locals.within(later)).unwrap().advertised);
    }

    #[test]
    fn an_address_that_comes_later_gets_the_next_number() {
        let mut locals = Locals::default();
        locals.add(0, &listen(), "0.0.0.0:5060".parse().unwrap(), &["192.0.2.1".parse().unwrap()]);
        let later = "192.0.2.99".parse().unwrap();
        assert_eq!((None, Some(2), Some(2)), (locals.asked(0, later), locals.learn(0, &listen(), later), locals.asked(0, later)));
        assert_eq!(Some(1), locals.asked(0, "192.0.2.1".parse().unwrap()));
        let all: Vec<_> = (0..300_u32).map(|n| locals.learn(0, &listen(), std::net::Ipv4Addr::from(n).into())).collect();
        assert_eq!((Some(Some(254)), Some(None)), (all.get(251).copied(), all.get(252).copied()));
    }
}
