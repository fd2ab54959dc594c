//! One datagram socket and what waits to leave by it. It reads into a batch that all sockets share.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use tandem_sip::frame::Why;
use tandem_sys::datagram::{SendBatch, Sending};
use tandem_sys::epoll::Interest;

/// Datagrams that may wait for one socket.
pub const QUEUE_DATAGRAMS: usize = 8192;
/// Bytes that may wait for one socket.
pub const QUEUE_BYTES: usize = 16 << 20;

/// A datagram socket with its outgoing queue.
pub struct Udp {
    fd: OwnedFd,
    v6: bool,
    /// It has several addresses: each datagram says which one it leaves from.
    wildcard: bool,
    bytes: Vec<u8>,
    items: Vec<Item>,
    sent: usize,
    /// What epoll has been told.
    pub interest: Interest,
}

struct Item {
    start: usize,
    end: usize,
    remote: SocketAddr,
    from: Option<IpAddr>,
    cookie: u64,
}

impl Udp {
    /// Takes a socket with what it is bound to.
    pub fn new(fd: OwnedFd, bound: SocketAddr) -> Self {
        let (v6, wildcard) = (bound.is_ipv6(), bound.ip().is_unspecified());
        Udp { fd, v6, wildcard, bytes: Vec::new(), items: Vec::new(), sent: 0, interest: Interest { read: true, write: false } }
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Queues a datagram; false when too much waits already.
    pub fn queue(&mut self, bytes: &[u8], remote: SocketAddr, from: Option<IpAddr>, cookie: u64) -> bool {
        if self.items.len() - self.sent >= QUEUE_DATAGRAMS || self.bytes.len() + bytes.len() > QUEUE_BYTES {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let from = from.filter(|_| self.wildcard);
        self.items.push(Item { start, end: self.bytes.len(), remote, from, cookie });
        true
    }

    /// Whether anything waits.
    pub fn waits(&self) -> bool {
        self.sent < self.items.len()
    }

    /// Sends what waits, as far as the kernel takes it; `failed` gets cookie and reason of what cannot go.
    pub fn flush(&mut self, batch: &mut SendBatch, failed: &mut Vec<(u64, Why)>) {
        while let Some(items) = self.items.get(self.sent..).filter(|items| !items.is_empty()) {
            let bytes = &self.bytes;
            let sending = items.iter().map(|item| Sending {
                bytes: bytes.get(item.start..item.end).unwrap_or_default(),
                remote: item.remote,
                from: item.from,
            });
            match batch.send(self.fd.as_raw_fd(), self.v6, sending) {
                Ok(count) => self.sent += count.max(1),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS) => return,
                Err(error) => {
                    let why = if error.raw_os_error() == Some(libc::EMSGSIZE) { Why::Size } else { Why::Route };
                    failed.extend(items.first().map(|item| (item.cookie, why)));
                    self.sent += 1;
                }
            }
        }
        self.bytes.clear();
        self.items.clear();
        self.sent = 0;
    }
}
