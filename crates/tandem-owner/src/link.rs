//! One edge's connection: bytes in cut into frames, bytes out that wait until the kernel takes them. It reads no frame's meaning but HELLO's.

use std::os::fd::{AsFd, BorrowedFd};
use tandem_link::{Got, Stage, Stream, CIPHER_READ_BYTES};
use tandem_sip::frame::{next, read_up, Up};

/// Bytes read from one link in one go.
pub const READ_BYTES: usize = 256 * 1024;
const _: () = assert!(READ_BYTES >= CIPHER_READ_BYTES);

/// A connection of an edge.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    /// The edge's number, once it has said HELLO.
    pub edge: Option<u16>,
    /// The poller is asked for room to write.
    pub wants_room: bool,
    /// When it began and when it was heard last, in microseconds of the clock that only goes forward.
    pub heard_at: u64,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
}

impl Link {
    /// A new connection.
    pub fn new(stream: Stream, now: u64) -> Link {
        Link { stream, edge: None, wants_room: false, heard_at: now, partial: Vec::new(), unsent: Vec::new(), sent: 0 }
    }

    /// Whether it never leaves this machine: what the kernel has taken, the edge gets.
    pub fn is_local(&self) -> bool {
        self.stream.is_local()
    }

    /// Whether the edge has proven its name; where there is no TLS, nobody has to.
    pub fn proves(&self, name: &str) -> bool {
        self.stream.proves(name)
    }

    /// Reads once, and gives every whole frame to `each`, which says whether it is one of those expected. False: the link is at its end.
    pub fn read(&mut self, buffer: &mut [u8], now: u64, mut each: impl FnMut(&mut Link, &[u8]) -> bool) -> bool {
        let count = match self.stream.read(buffer) {
            Ok(Got::Bytes(count)) => count,
            Ok(Got::Nothing) => return true,
            Ok(Got::End) | Err(_) => return false,
        };
        self.heard_at = now;
        let fresh = buffer.get(..count).unwrap_or_default();
        let mut partial = std::mem::take(&mut self.partial);
        let bytes = if partial.is_empty() {
            fresh
        } else {
            partial.extend_from_slice(fresh);
            &partial
        };
        let Some(used) = frames(bytes, |frame| each(self, frame)) else { return false };
        self.partial = bytes.get(used..).unwrap_or_default().to_vec();
        true
    }

    /// Writes what it can; what the kernel does not take waits. False: the link is broken.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if self.unsent.is_empty() {
            let Ok(sent) = self.stream.write(bytes) else { return false };
            self.unsent.extend_from_slice(bytes.get(sent..).unwrap_or_default());
            return true;
        }
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    /// Writes more of what waits. False: the link is broken.
    pub fn flush(&mut self) -> bool {
        let rest = self.unsent.get(self.sent..).unwrap_or_default();
        let Ok(sent) = self.stream.write(rest) else { return false };
        self.sent += sent;
        if self.sent == self.unsent.len() {
            (self.unsent, self.sent) = (Vec::new(), 0);
        } else if self.sent > READ_BYTES {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        true
    }

    /// Bytes that wait.
    pub fn unsent(&self) -> usize {
        self.unsent.len() - self.sent + self.stream.unsent()
    }

    /// Whether there is something to write as soon as there is room.
    pub fn waits(&self) -> bool {
        self.stream.wants_write() || (self.stream.stage() == Stage::Open && self.unsent.len() > self.sent)
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The edge that a frame's HELLO names.
pub fn hello(frame: &[u8]) -> Option<u16> {
    match read_up(frame) {
        Ok(Up::Hello(hello)) => Some(hello.edge),
        _ => None,
    }
}

/// Bytes used; `None` when something is no frame, or is not expected.
fn frames(bytes: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> Option<usize> {
    let mut used = 0;
    while let Some((frame, length)) = next(bytes.get(used..).unwrap_or_default()).ok()? {
        if !each(frame) {
            return None;
        }
        used += length;
    }
    Some(used)
}
