//! Pairs of ports for media, an even one and the one above it, bound when they are taken. It does not know who uses them.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use tandem_rtp::plan::Local;

use crate::config::{Interface, Ports};

/// How many pairs are tried that another program holds, before there is none.
pub const TRIES: usize = 64;

/// The two sockets of an endpoint.
pub struct Pair {
    /// The even port.
    pub rtp: UdpSocket,
    /// The odd one.
    pub rtcp: UdpSocket,
}

/// The pairs of all interfaces.
pub struct PortPool {
    interfaces: Vec<Interface>,
    range: Ports,
    next: u16,
    taken: HashSet<(IpAddr, u16)>,
}

impl PortPool {
    /// All pairs free. `seed` chooses the first port, so that a restarted relay does not give out the same ones at once.
    pub fn new(interfaces: Vec<Interface>, range: Ports, seed: u16) -> PortPool {
        let mut pool = PortPool { interfaces, range, next: 0, taken: HashSet::new() };
        pool.next = pool.first() + 2 * (seed % pool.pairs());
        pool
    }

    /// Pairs of one address.
    pub fn pairs(&self) -> u16 {
        ((u32::from(self.range.max) + 1 - u32::from(self.first())) / 2).max(1) as u16
    }

    /// Pairs in use, of all addresses.
    pub fn used(&self) -> usize {
        self.taken.len()
    }

    /// Binds a free pair on the interface of this name ("": the first) and family.
    pub fn take(&mut self, name: &str, v6: bool) -> Option<(Local, Pair)> {
        let named = |one: &&Interface| (name.is_empty() || one.name == name) && one.address.is_ipv6() == v6;
        let interface = self.interfaces.iter().find(named)?.clone();
        let mut busy = 0;
        for _ in 0..self.pairs() {
            let port = self.step();
            if self.taken.contains(&(interface.address, port)) {
                continue;
            }
            match bind(interface.address, port) {
                Ok(pair) => {
                    self.taken.insert((interface.address, port));
                    return Some((local(&interface, port), pair));
                }
                Err(_) if busy < TRIES => busy += 1,
                Err(_) => return None,
            }
        }
        None
    }

    /// Binds the pair that an endpoint had before a restart.
    pub fn again(&mut self, at: Local) -> io::Result<Pair> {
        let pair = bind(at.address, at.rtp)?;
        self.taken.insert((at.address, at.rtp));
        Ok(pair)
    }

    /// Others may have it.
    pub fn free(&mut self, at: Local) {
        self.taken.remove(&(at.address, at.rtp));
    }

    /// What peers are told of an address that is not there any more is told of one that is; `None`: there is none of this name.
    pub fn interface(&self, name: &str, v6: bool) -> Option<&Interface> {
        self.interfaces.iter().find(|one| (name.is_empty() || one.name == name) && one.address.is_ipv6() == v6)
    }

    fn first(&self) -> u16 {
        self.range.min + self.range.min % 2
    }

    fn step(&mut self) -> u16 {
        let port = self.next;
        let beyond = u32::from(port) + 3 > u32::from(self.range.max);
        self.next = if beyond { self.first() } else { port + 2 };
        port
    }
}

fn local(interface: &Interface, port: u16) -> Local {
    let advertised = interface.advertised.unwrap_or(interface.address);
    Local { address: interface.address, advertised, rtp: port, rtcp: port + 1 }
}

fn bind(address: IpAddr, port: u16) -> io::Result<Pair> {
    let open = |port| {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket)
    };
    Ok(Pair { rtp: open(port)?, rtcp: open(port + 1)? })
}

#[cfg(test)]
mod tests {
    use super::PortPool;
    use crate::config::{Interface, Ports};

    fn pool(min: u16, max: u16) -> PortPool {
        let interface = Interface { name: "default".into(), address: "127.0.0.1".parse().unwrap(), advertised: None };
        PortPool::new(vec![interface], Ports { min, max }, 0)
    }

    #[test]
    fn a_pair_is_even_and_odd_and_nobody_gets_it_twice() {
        let mut pool = pool(46_001, 46_006);
        let (first, kept) = pool.take("", false).unwrap();
        let (second, _also) = pool.take("default", false).unwrap();
        assert_eq!((46_002, 46_003, 46_004), (first.rtp, first.rtcp, second.rtp));
        assert!(pool.take("", false).is_none());
        drop(kept);
        pool.free(first);
        assert_eq!(first, pool.take("", false).unwrap().0);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_ports() {
        let mut pool = pool(46_010, 46_020);
        assert!(pool.take("outside", false).is_none());
        assert!(pool.take("", true).is_none());
    }

    #[test]
    fn a_port_that_another_program_has_is_passed_over() {
        let mut pool = pool(46_030, 46_033);
        let _other = std::net::UdpSocket::bind("127.0.0.1:46031").unwrap();
        assert_eq!(46_032, pool.take("", false).unwrap().0.rtp);
    }
}
