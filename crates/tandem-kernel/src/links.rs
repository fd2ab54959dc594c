//! Interfaces by their names and by the addresses that they have. It changes nothing about them.

use std::io;
use std::net::IpAddr;

use crate::netlink::{attribute, find, Message, Netlink};

const NAME: u16 = 3; // IFLA_IFNAME
const ADDRESS: u16 = 1; // IFA_ADDRESS
const LOCAL: u16 = 2; // IFA_LOCAL: on a point-to-point interface, IFA_ADDRESS is the other end
const HEAD: usize = 16; // struct ifinfomsg
const ADDRESS_HEAD: usize = 8; // struct ifaddrmsg

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub number: u32,
    /// Its name now.
    pub name: String,
    /// Frames on it begin with an Ethernet head.
    pub ethernet: bool,
    /// It is the loopback.
    pub loopback: bool,
}

/// The interface of that name.
pub fn named(netlink: &mut Netlink, name: &str) -> io::Result<Link> {
    let name = [name.as_bytes(), &[0]].concat();
    one(netlink, &[&[0; HEAD][..], &attribute(NAME, &name)].concat())
}

/// The names of the interfaces that have one of these addresses, each once.
pub fn having(addresses: &[IpAddr]) -> io::Result<Vec<String>> {
    let (mut netlink, mut numbers) = (Netlink::open()?, Vec::new());
    netlink.ask(libc::RTM_GETADDR, libc::NLM_F_DUMP as u16, &[0; ADDRESS_HEAD], &mut |message| {
        let attributes = message.body.get(ADDRESS_HEAD..).unwrap_or_default();
        let number = message.body.get(4..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes));
        let address = find(attributes, LOCAL).or_else(|| find(attributes, ADDRESS)).and_then(address);
        if let (Some(number), Some(address)) = (number, address) {
            if addresses.contains(&address) && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
    })?;
    let link = |number: u32| one(&mut netlink, &[&[0; 4][..], &number.to_ne_bytes(), &[0; 8]].concat());
    numbers.into_iter().map(link).map(|found| found.map(|link| link.name)).collect()
}

/// An address of 4 or 16 bytes.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| (*bytes).into()),
        16 => bytes.first_chunk::<16>().map(|bytes| (*bytes).into()),
        _ => None,
    }
}

fn one(netlink: &mut Netlink, body: &[u8]) -> io::Result<Link> {
    let mut link = None;
    netlink.ask(libc::RTM_GETLINK, 0, body, &mut |message| link = link.take().or_else(|| read(&message)))?;
    link.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn read(message: &Message<'_>) -> Option<Link> {
    let kind = u16::from_ne_bytes(*message.body.get(2..)?.first_chunk()?);
    let number = u32::from_ne_bytes(*message.body.get(4..)?.first_chunk()?);
    let name = find(message.body.get(HEAD..)?, NAME)?;
    let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned();
    Some(Link { number, name, ethernet: kind == libc::ARPHRD_ETHER, loopback: kind == libc::ARPHRD_LOOPBACK })
}
