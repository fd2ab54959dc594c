//! The edge's end of one link: a connection to an owner, or the wait for one, batched both ways. What is kept and what may pass is the keeper's.

use std::os::fd::RawFd;
use tandem_link::{Got, Place, Stage, Stream, Tls, CIPHER_READ_BYTES, HELLO_SECONDS, SILENCE_SECONDS};
use tandem_sip::frame::{self, BadFrame};
use tandem_sip::keeper::KEPT_BYTES;
use tandem_sys::epoll::Interest;

/// First wait before the owner is tried again, in microseconds.
pub const RETRY_FIRST_US: u64 = 20_000;
/// Longest wait before an owner on this machine is tried again, in microseconds.
pub const RETRY_MOST_US: u64 = 200_000;
/// Longest wait before an owner on another machine is tried again, in microseconds.
pub const RETRY_FAR_US: u64 = 1_000_000;
/// Bytes read from the link in one go.
pub const READ_BYTES: usize = 256 * 1024;
/// Bytes waiting for an owner beyond which sockets are not read: what the keeper may hold, and room for what is not kept.
pub const OUT_BYTES: usize = KEPT_BYTES + (16 << 20);
/// Buffer that an idle link keeps.
const IDLE_BYTES: usize = 4 << 20;
const _: () = assert!(READ_BYTES >= CIPHER_READ_BYTES);

/// A connection to an owner, or the wait for one.
pub struct Link {
    place: Place,
    stream: Option<Stream>,
    /// The stream is open and has our HELLO: frames may follow.
    begun: bool,
    /// The owner has said HELLO on this connection.
    greeted: bool,
    interest: Interest,
    /// Monotonic microseconds of the connection's begin, and of the last bytes from the owner.
    connected_at: u64,
    heard_at: u64,
    /// SIP frames that the owner has been told of in HEARD.
    pub told: u64,
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
    /// The owner is gone; why.
    Gone(String),
}

impl Link {
    /// A link to the owner that listens at `place`.
    pub fn new(place: Place) -> Self {
        Link {
            place,
            stream: None,
            begun: false,
            greeted: false,
            interest: Interest::default(),
            connected_at: 0,
            heard_at: 0,
            told: 0,
            retry_at: 0,
            wait: RETRY_FIRST_US,
            input: Vec::new(),
            read: 0,
            filled: 0,
            output: Vec::new(),
            sent: 0,
        }
    }

    /// Where the owner listens.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Tries to connect when it is time to; the descriptor to watch when that has begun. `now` is monotonic, in microseconds.
    pub fn connect(&mut self, tls: Option<&Tls>, now: u64) -> Option<RawFd> {
        if self.stream.is_some() || now < self.retry_at {
            return None;
        }
        let Ok(stream) = Stream::connect(&self.place, tls) else {
            self.rest(now);
            return None;
        };
        let fd = stream.fd();
        self.interest = Interest { read: true, write: stream.wants_write() };
        self.stream = Some(stream);
        (self.begun, self.greeted, self.connected_at, self.heard_at) = (false, false, now, now);
        (self.read, self.filled, self.sent, self.told) = (0, 0, 0, 0);
        self.output.clear();
        Some(fd)
    }

    /// True once, when the connection is open: HELLO is due, and then all else.
    pub fn begins(&mut self) -> bool {
        let begins = !self.begun && self.stream.as_ref().is_some_and(|stream| stream.stage() == Stage::Open);
        self.begun |= begins;
        begins
    }

    /// The owner said HELLO and, under TLS, has proven its name: it is tried at once when it goes. False: it has not.
    pub fn greeted(&mut self, name: &str) -> bool {
        (self.wait, self.greeted) = (RETRY_FIRST_US, true);
        self.stream.as_ref().is_some_and(|stream| stream.proves(name))
    }

    /// When to call `connect` next; `None` while connected.
    pub fn retry_at(&self) -> Option<u64> {
        self.stream.is_none().then_some(self.retry_at)
    }

    /// Whether frames can be written.
    pub fn up(&self) -> bool {
        self.begun
    }

    /// Whether the owner on it has said HELLO.
    pub fn stands(&self) -> bool {
        self.begun && self.greeted
    }

    /// Why the connection must be given up: it never began, or its other end is silent. Those on this machine may be.
    pub fn overdue(&self, now: u64) -> Option<&'static str> {
        let stream = self.stream.as_ref().filter(|stream| !stream.is_local())?;
        let (waits, silent) = (now.saturating_sub(self.connected_at), now.saturating_sub(self.heard_at));
        match stream.stage() {
            Stage::Open if self.greeted && silent > SILENCE_SECONDS * 1_000_000 => Some("silent"),
            Stage::Open if !self.greeted && waits > HELLO_SECONDS * 1_000_000 => Some("no HELLO"),
            Stage::Connecting | Stage::Handshaking if waits > HELLO_SECONDS * 1_000_000 => Some("not connected"),
            _ => None,
        }
    }

    /// Gives the connection up. One that came to nothing is tried again later and later.
    pub fn drop_stream(&mut self, now: u64) {
        self.stream = None;
        (self.begun, self.greeted) = (false, false);
        self.output = Vec::new();
        self.sent = 0;
        self.rest(now);
    }

    /// Tries this one again only after so many microseconds.
    pub fn rest_for(&mut self, now: u64, wait: u64) {
        self.retry_at = now + wait;
    }

    fn rest(&mut self, now: u64) {
        self.retry_at = now + self.wait;
        self.wait = (self.wait * 2).min(if self.place.is_local() { RETRY_MOST_US } else { RETRY_FAR_US });
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Where frames are appended; what is written without a connection is lost, which only kept frames may not be.
    pub fn output(&mut self) -> Option<&mut Vec<u8>> {
        self.begun.then_some(&mut self.output)
    }

    /// Writes what waits. An error: the owner is gone.
    pub fn flush(&mut self) -> std::io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let rest = self.output.get(self.sent..).unwrap_or_default();
        if rest.is_empty() {
            return stream.flush();
        }
        self.sent += stream.write(rest)?;
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
            if self.output.capacity() > IDLE_BYTES {
                self.output = Vec::new();
            }
        } else if self.sent > READ_BYTES {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    /// The descriptor, and what to watch it for, if that has changed.
    pub fn changed_interest(&mut self) -> Option<(RawFd, Interest)> {
        let stream = self.stream.as_ref()?;
        let waits = self.begun && self.output.len() > self.sent;
        let interest = Interest { read: true, write: waits || stream.wants_write() };
        let changed = interest != self.interest;
        self.interest = interest;
        changed.then_some((stream.fd(), interest))
    }

    /// The socket can be written: a connect may have ended.
    pub fn connected(&mut self) -> std::io::Result<()> {
        self.stream.as_mut().map_or(Ok(()), Stream::connected)
    }

    /// Reads once.
    pub fn fill(&mut self, now: u64) -> Heard {
        let Some(stream) = &mut self.stream else { return Heard::Nothing };
        if self.read > 0 {
            self.input.copy_within(self.read..self.filled, 0);
            self.filled -= self.read;
            self.read = 0;
        }
        if self.input.len() < self.filled + READ_BYTES {
            self.input.resize(self.filled + READ_BYTES, 0);
        }
        let Some(room) = self.input.get_mut(self.filled..) else { return Heard::Gone("no room".into()) };
        match stream.read(room) {
            Ok(Got::End) => Heard::Gone("closed".into()),
            Ok(Got::Bytes(count)) => {
                self.filled += count;
                self.heard_at = now;
                Heard::Bytes
            }
            Ok(Got::Nothing) => Heard::Nothing,
            Err(error) => Heard::Gone(error.to_string()),
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
