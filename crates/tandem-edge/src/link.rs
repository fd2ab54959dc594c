//! The edge's end of the link: one Unix stream socket to the owner, batched both ways. What is kept and what may pass is the keeper's.

use crate::sys::socket;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tandem_sip::frame::{self, BadFrame};
use tandem_sip::keeper::KEPT_BYTES;

/// First wait before the owner is tried again, in microseconds.
pub const RETRY_FIRST_US: u64 = 20_000;
/// Longest wait before the owner is tried again, in microseconds.
pub const RETRY_MOST_US: u64 = 200_000;
/// Bytes read from the link in one go.
pub const READ_BYTES: usize = 256 * 1024;
/// Bytes waiting for the owner beyond which sockets are not read: what the keeper may hold, and room for what is not kept.
pub const OUT_BYTES: usize = KEPT_BYTES + (16 << 20);
/// Buffer that an idle link keeps.
const IDLE_BYTES: usize = 4 << 20;

/// A connection to the owner, or the wait for one.
pub struct Link {
    path: Option<PathBuf>,
    stream: Option<UnixStream>,
    retry_at: u64,
    wait: u64,
    input: Vec<u8>,
    read: usize,
    filled: usize,
    output: Vec<u8>,
    sent: usize,
}

/// What the link told.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing more for now.
    Nothing,
    /// Bytes came in; read frames.
    Bytes,
    /// The owner is gone.
    Gone,
}

impl Link {
    /// A link to the owner that listens at `path`; without one there is nobody to link to, ever.
    pub fn new(path: Option<&Path>) -> Self {
        Link {
            path: path.map(Path::to_path_buf),
            stream: None,
            retry_at: 0,
            wait: RETRY_FIRST_US,
            input: Vec::new(),
            read: 0,
            filled: 0,
            output: Vec::new(),
            sent: 0,
        }
    }

    /// Tries to connect when it is time to; the descriptor to watch when that worked. `now` is monotonic, in microseconds.
    pub fn connect(&mut self, now: u64) -> Option<RawFd> {
        if self.stream.is_some() || now < self.retry_at {
            return None;
        }
        let path = self.path.as_deref()?;
        match socket::connect_unix(path).map(UnixStream::from) {
            Ok(stream) => {
                let fd = stream.as_raw_fd();
                self.stream = Some(stream);
                (self.read, self.filled, self.sent) = (0, 0, 0);
                self.output.clear();
                Some(fd)
            }
            Err(_) => {
                self.retry_at = now + self.wait;
                self.wait = (self.wait * 2).min(RETRY_MOST_US);
                None
            }
        }
    }

    /// The owner spoke: it is tried at once when it goes.
    pub fn proven(&mut self) {
        self.wait = RETRY_FIRST_US;
    }

    /// When to call `connect` next; `None` while connected, and for ever without an owner.
    pub fn retry_at(&self) -> Option<u64> {
        (self.stream.is_none() && self.named()).then_some(self.retry_at)
    }

    /// Whether there is an owner to link to.
    pub fn named(&self) -> bool {
        self.path.is_some()
    }

    /// Whether there is a connection.
    pub fn up(&self) -> bool {
        self.stream.is_some()
    }

    /// The descriptor to watch.
    pub fn fd(&self) -> Option<RawFd> {
        self.stream.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Gives the connection up.
    pub fn drop_stream(&mut self, now: u64) {
        self.stream = None;
        self.output = Vec::new();
        self.sent = 0;
        self.retry_at = now + self.wait;
        self.wait = (self.wait * 2).min(RETRY_MOST_US);
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Where frames are appended; what is written without a connection is lost, which only kept frames may not be.
    pub fn output(&mut self) -> Option<&mut Vec<u8>> {
        self.stream.as_ref()?;
        Some(&mut self.output)
    }

    /// Writes what waits. False: the owner is gone.
    pub fn flush(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return false,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.sent > READ_BYTES {
                        self.output.drain(..self.sent);
                        self.sent = 0;
                    }
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.output.clear();
        self.sent = 0;
        if self.output.capacity() > IDLE_BYTES {
            self.output = Vec::new();
        }
        true
    }

    /// Reads once.
    pub fn fill(&mut self) -> Heard {
        let Some(stream) = &mut self.stream else { return Heard::Nothing };
        if self.read > 0 {
            self.input.copy_within(self.read..self.filled, 0);
            self.filled -= self.read;
            self.read = 0;
        }
        if self.input.len() < READ_BYTES {
            self.input.resize(READ_BYTES, 0);
        }
        let Some(room) = self.input.get_mut(self.filled..) else { return Heard::Gone };
        match stream.read(room) {
            Ok(0) => Heard::Gone,
            Ok(count) => {
                self.filled += count;
                Heard::Bytes
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Heard::Nothing,
            Err(_) => Heard::Gone,
        }
    }

    /// Hands the bytes read out and takes them back, so that frames can be acted on while the link is in use.
    pub fn borrow_input(&mut self) -> (Vec<u8>, usize, usize) {
        (std::mem::take(&mut self.input), self.read, self.filled)
    }

    /// The bytes of `borrow_input`, and how far they were used.
    pub fn return_input(&mut self, input: Vec<u8>, used: usize) {
        self.input = input;
        self.read = used;
    }
}

/// The next frame of `bytes` from `at`: its body and where the next one begins.
pub fn next(bytes: &[u8], at: usize, end: usize) -> Result<Option<(&[u8], usize)>, BadFrame> {
    let rest = bytes.get(at..end).unwrap_or_default();
    Ok(frame::next(rest)?.map(|(body, used)| (body, at + used)))
}
