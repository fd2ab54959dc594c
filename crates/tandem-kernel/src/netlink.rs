//! Routing netlink (RFC 3549): requests, their answers, attributes. What the messages are about, its callers know.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::sys;

/// Room for one read; the kernel's answers are at most 32 KiB.
const READ_BYTES: usize = 65_536;
/// Most reads for one answer.
const READS: usize = 4_096;
const HEAD: usize = 16;
const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;

/// A message of an answer.
pub struct Message<'a> {
    /// RTM_*.
    pub kind: u16,
    /// What follows the head.
    pub body: &'a [u8],
}

/// A socket for one request after another.
pub struct Netlink {
    socket: File,
    number: u32,
}

impl Netlink {
    /// Opens one.
    pub fn open() -> io::Result<Netlink> {
        Ok(Netlink { socket: File::from(sys::netlink(0, false)?), number: 0 })
    }

    /// Asks, and gives each message of the answer to `each`. `flags`: NLM_F_*, without REQUEST and ACK.
    pub fn ask(&mut self, kind: u16, flags: u16, body: &[u8], each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        self.number = self.number.wrapping_add(1);
        let dump = flags & libc::NLM_F_DUMP as u16 == libc::NLM_F_DUMP as u16;
        let flags = flags | REQUEST | if dump { 0 } else { ACK };
        let length = (HEAD + body.len()) as u32;
        let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &self.number.to_ne_bytes(), &[0; 4]];
        self.socket.write_all(&[&head.concat(), body].concat())?;
        let mut room = vec![0; READ_BYTES];
        for _ in 0..READS {
            let length = self.socket.read(&mut room)?;
            for (number, message) in messages(room.get(..length).unwrap_or_default()) {
                match i32::from(message.kind) {
                    _ if number != self.number => {}
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => {
                        return match message.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code)) {
                            0 => Ok(()),
                            code => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
                        };
                    }
                    _ => each(message),
                }
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Hears that addresses, links, routes or rules have changed.
pub struct Changes(File);

impl Changes {
    /// From now on.
    pub fn open() -> io::Result<Changes> {
        const RULES6: libc::c_int = 1 << (19 - 1); // RTNLGRP_IPV6_RULE has no name of the old kind
        const RULES4: libc::c_int = 0x80;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV4_ROUTE | RULES4;
        let groups = groups | libc::RTMGRP_IPV6_IFADDR | libc::RTMGRP_IPV6_ROUTE | RULES6;
        Ok(Changes(File::from(sys::netlink(groups as u32, true)?)))
    }

    /// Whether anything has changed since it was asked last. Changes that were too many to be told are changes.
    pub fn any(&mut self) -> bool {
        let (mut room, mut any) = ([0; 8_192], false);
        for _ in 0..READS {
            match self.0.read(&mut room) {
                Ok(0) => break,
                Ok(_) => any = true,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(_) => break,
            }
        }
        any
    }
}

/// An attribute with its padding.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len();
    let mut bytes = [&(length as u16).to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// Attributes one after another.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head: [u8; 4] = *bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([head[2], head[3]]) & !(libc::NLA_F_NESTED as u16), value))
    })
}

/// The value of the first attribute of a kind.
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u32, Message<'_>)> {
    std::iter::from_fn(move || {
        let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let (length, kind, number) = (word(0)? as usize, word(4)? & 0xffff, word(8)?);
        let kind = if cfg!(target_endian = "big") { word(4)? >> 16 } else { kind };
        let body = bytes.get(HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((number, Message { kind: kind as u16, body }))
    })
}

#[cfg(test)]
mod tests {
    use super::{attribute, attributes, find, messages};

    #[test]
    fn attributes_come_back_and_broken_ones_end_it() {
        let bytes = [attribute(1, b"bpf\0"), attribute(7, b"x"), attribute(8, &[1, 2])].concat();
        assert_eq!(Some(&b"x"[..]), find(&bytes, 7));
        assert_eq!(3, attributes(&bytes).count());
        for cut in 0..bytes.len() {
            assert!(attributes(&bytes[..cut]).count() <= 3);
        }
        assert_eq!(0, attributes(&[0; 16]).count() + messages(&[0; 32]).count());
        assert_eq!(0, messages(&[255; 32]).count());
    }
}
