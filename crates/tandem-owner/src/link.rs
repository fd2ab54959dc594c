//! One edge's connection: bytes in cut into frames, bytes out that wait until the kernel takes them. It reads no frame's meaning but HELLO's.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use tandem_sip::frame::{next, read_up, BadFrame, Up};

/// Bytes read from one link in one go.
pub const READ_BYTES: usize = 256 * 1024;

/// A connection of an edge.
#[derive(Debug)]
pub struct Link {
    /// The socket, non-blocking.
    pub stream: UnixStream,
    /// The edge's number, once it has said HELLO.
    pub edge: Option<u16>,
    /// The poller is asked for room to write.
    pub wants_room: bool,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
}

impl Link {
    /// A new connection.
    pub fn new(stream: UnixStream) -> Link {
        Link { stream, edge: None, wants_room: false, partial: Vec::new(), unsent: Vec::new(), sent: 0 }
    }

    /// Reads once, and gives every whole frame. `Ok(false)`: the link is at its end.
    ///
    /// # Errors
    /// A frame that is none: the link cannot be read any further.
    pub fn read(&mut self, buffer: &mut [u8], mut each: impl FnMut(&mut Option<u16>, &[u8])) -> Result<bool, BadFrame> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) => return Ok(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)),
        };
        let fresh = buffer.get(..count).unwrap_or_default();
        let edge = &mut self.edge;
        if self.partial.is_empty() {
            let used = frames(fresh, |frame| each(edge, frame))?;
            self.partial.extend_from_slice(fresh.get(used..).unwrap_or_default());
        } else {
            self.partial.extend_from_slice(fresh);
            let used = frames(&self.partial, |frame| each(edge, frame))?;
            self.partial.drain(..used);
        }
        Ok(true)
    }

    /// Writes what it can; what the kernel does not take waits. False: the link is broken.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if self.unsent.is_empty() {
            let Some(sent) = push(&mut self.stream, bytes) else { return false };
            self.unsent.extend_from_slice(bytes.get(sent..).unwrap_or_default());
            return true;
        }
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    /// Writes more of what waits. False: the link is broken.
    pub fn flush(&mut self) -> bool {
        let Some(sent) = push(&mut self.stream, self.unsent.get(self.sent..).unwrap_or_default()) else { return false };
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
        self.unsent.len() - self.sent
    }
}

/// The edge that a frame's HELLO names.
pub fn hello(frame: &[u8]) -> Option<u16> {
    match read_up(frame) {
        Ok(Up::Hello(hello)) => Some(hello.edge),
        _ => None,
    }
}

fn frames(bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<usize, BadFrame> {
    let mut used = 0;
    while let Some((frame, length)) = next(bytes.get(used..).unwrap_or_default())? {
        each(frame);
        used += length;
    }
    Ok(used)
}

fn push(stream: &mut UnixStream, bytes: &[u8]) -> Option<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(bytes.get(sent..).unwrap_or_default()) {
            Ok(0) => return None,
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    Some(sent)
}
