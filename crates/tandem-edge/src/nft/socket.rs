//! A netlink socket to nf_tables: transactions and questions. The kernel answers before `send` returns, so nothing waits here.

use super::rules::{How, Step};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_netfilter::nftables::NfTablesMessage;
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily};
use netlink_sys::{protocols::NETLINK_NETFILTER, Socket, SocketAddr};
use std::io::{self, ErrorKind};

/// Bytes read at once: a part of a dump is smaller.
const READ_BYTES: usize = 64 << 10;
/// Parts of one answer that are read: sets of 65,536 have some hundred.
const PARTS: usize = 100_000;

/// The socket.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens one; anybody may.
    pub fn open() -> io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        Ok(Netlink { socket, sequence: 0 })
    }

    /// All of it, or the first error and nothing.
    pub fn commit(&mut self, steps: &[Step]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let ends = |netlink: &mut Netlink, bytes: &mut Vec<u8>, message| {
            let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, libc::NFNL_SUBSYS_NFTABLES as u16);
            netlink.push(bytes, NetfilterMessage::new(header, NetfilterMessageInner::None(message)), 0);
        };
        ends(self, &mut bytes, ControlMessage::BatchBegin);
        for (how, message) in steps {
            let flags = match how {
                How::Make => NLM_F_CREATE,
                How::Append => NLM_F_CREATE | NLM_F_APPEND,
                How::Plain => 0,
            };
            self.push(&mut bytes, inet(message.clone()), flags);
        }
        ends(self, &mut bytes, ControlMessage::BatchEnd);
        self.socket.send(&bytes, 0)?;
        self.answers().map(drop)
    }

    /// What the kernel says to a question.
    pub fn ask(&mut self, message: NfTablesMessage, all: bool) -> io::Result<Vec<NfTablesMessage>> {
        let mut bytes = Vec::new();
        self.push(&mut bytes, inet(message), if all { NLM_F_DUMP } else { 0 });
        self.socket.send(&bytes, 0)?;
        self.answers()
    }

    fn push(&mut self, bytes: &mut Vec<u8>, message: NetfilterMessage, flags: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len(), 0);
        if let Some(room) = bytes.get_mut(start..) {
            message.serialize(room);
        }
    }

    fn answers(&mut self) -> io::Result<Vec<NfTablesMessage>> {
        let (mut said, mut failed) = (Vec::new(), Ok(()));
        let mut room = Vec::with_capacity(READ_BYTES);
        for _ in 0..PARTS {
            room.clear();
            match self.socket.recv(&mut room, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let mut rest = &room[..];
            while let Ok(message) = NetlinkMessage::<NetfilterMessage>::deserialize(rest) {
                // Lengths are aligned to four bytes.
                rest = rest.get((message.header.length as usize).next_multiple_of(4).max(16)..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::Error(error) if failed.is_ok() => {
                        failed = error.code.map_or(Ok(()), |_| Err(error.to_io()));
                    }
                    NetlinkPayload::InnerMessage(NetfilterMessage { inner: NetfilterMessageInner::NfTables(message), .. }) => {
                        said.push(message);
                    }
                    _ => {}
                }
            }
        }
        failed.map(|()| said)
    }
}

fn inet(message: NfTablesMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0), message)
}
