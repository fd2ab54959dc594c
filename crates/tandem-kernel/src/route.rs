//! Where packets between two addresses leave this host: asked of the kernel once for each stream, not for each packet.

use std::net::IpAddr;

use crate::kernel::Refused;
use crate::links::address;
use crate::netlink::{attribute, find, Netlink};

const DESTINATION: u16 = 1; // RTA_DST
const SOURCE: u16 = 2; // RTA_SRC
const INTERFACE: u16 = 4; // RTA_OIF
const GATEWAY: u16 = 5; // RTA_GATEWAY
const VIA: u16 = 18; // RTA_VIA: a gateway of another family
const ENCAPSULATION: u16 = 22; // RTA_ENCAP
const HEAD: usize = 12; // struct rtmsg
const UNICAST: u8 = 1; // RTN_UNICAST
const OURS: u8 = 2; // RTN_LOCAL

/// The way of a stream out of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The kernel's number of the interface.
    pub interface: u32,
    /// It ends on this host.
    pub here: bool,
    /// The next host, whose link address the kernel finds: a gateway, or the destination itself.
    pub hop: IpAddr,
}

/// Asks for it.
pub fn find_route(netlink: &mut Netlink, source: IpAddr, destination: IpAddr) -> Result<Route, Refused> {
    let (from, to, family) = match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (from.octets().to_vec(), to.octets().to_vec(), libc::AF_INET as u8),
        (IpAddr::V6(from), IpAddr::V6(to)) => (from.octets().to_vec(), to.octets().to_vec(), libc::AF_INET6 as u8),
        _ => return Err(Refused::Families),
    };
    let bits = 8 * to.len() as u8;
    let head = [family, bits, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let body = [&head[..], &attribute(DESTINATION, &to), &attribute(SOURCE, &from)].concat();
    let mut found = Err(Refused::NoRoute(destination));
    let asked = netlink.ask(libc::RTM_GETROUTE, 0, &body, &mut |message| found = read(message.body, destination));
    match asked {
        Ok(()) => found,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EINVAL | libc::EACCES)) => {
            Err(Refused::NoRoute(destination))
        }
        Err(error) => Err(Refused::System(error)),
    }
}

fn read(body: &[u8], destination: IpAddr) -> Result<Route, Refused> {
    let no_route = || Refused::NoRoute(destination);
    let attributes = body.get(HEAD..).ok_or_else(no_route)?;
    let here = match body.get(7) {
        Some(&UNICAST) if find(attributes, ENCAPSULATION).is_none() => false,
        Some(&OURS) => true,
        _ => return Err(no_route()),
    };
    let interface = find(attributes, INTERFACE).and_then(|bytes| bytes.first_chunk()).ok_or_else(no_route)?;
    let gateway = find(attributes, GATEWAY).or_else(|| find(attributes, VIA).and_then(|via| via.get(2..)));
    let hop = match gateway {
        Some(bytes) => address(bytes).ok_or_else(no_route)?,
        None => destination,
    };
    Ok(Route { interface: u32::from_ne_bytes(*interface), here, hop })
}

#[cfg(test)]
mod tests {
    use super::{read, Route};
    use crate::kernel::Refused;
    use crate::netlink::attribute;

    fn answer(kind: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let head = [2, 32, 32, 0, 254, 0, 0, kind, 0, 0, 0, 0];
        [&head[..], &attributes.concat()].concat()
    }

    #[test]
    fn the_next_host_is_the_gateway_or_the_destination() {
        let to = "198.51.100.7".parse().unwrap();
        let out = attribute(4, &9u32.to_ne_bytes());
        let gateway = attribute(5, &[192, 0, 2, 1]);
        let via6 = attribute(18, &[[10, 0].as_slice(), &[0xfe, 0x80], &[0; 13], &[1]].concat());
        assert_eq!(Route { interface: 9, here: false, hop: to }, read(&answer(1, std::slice::from_ref(&out)), to).unwrap());
        let by_gateway = read(&answer(1, &[out.clone(), gateway]), to).unwrap();
        assert_eq!("192.0.2.1", by_gateway.hop.to_string());
        assert_eq!("fe80::1", read(&answer(1, &[out.clone(), via6]), to).unwrap().hop.to_string());
        assert!(read(&answer(2, std::slice::from_ref(&out)), to).unwrap().here);
        assert!(matches!(read(&answer(5, std::slice::from_ref(&out)), to), Err(Refused::NoRoute(_))));
        assert!(matches!(read(&answer(1, &[out, attribute(22, &[0; 4])]), to), Err(Refused::NoRoute(_))));
        assert!(matches!(read(&[], to), Err(Refused::NoRoute(_))));
    }
}
