//! One connection of a link: bytes in, bytes out, TLS between them where there is any. It never waits and reads no frame.

use crate::sockets::{self, Listener, Socket};
use crate::{tls, Place, Tls};
use rustls::Connection as Session;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Bytes read from the socket under TLS in one go; a reader's room must not be smaller.
pub const CIPHER_READ_BYTES: usize = 64 * 1024;
/// Encrypted bytes that may wait for the kernel; beyond them nothing more is encrypted.
const CIPHER_BYTES: usize = 256 * 1024;
/// Plain bytes encrypted in one go.
const PLAIN_BYTES: usize = 64 * 1024;

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Connecting.
    Connecting,
    /// The TLS handshake is under way.
    Handshaking,
    /// Frames flow.
    Open,
}

/// What a read gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing more for now.
    Nothing,
    /// The other end has closed it.
    End,
}

/// A connection.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    stage: Stage,
    tls: Option<Box<Secret>>,
}

#[derive(Debug)]
struct Secret {
    session: Session,
    /// Encrypted, and not yet in the kernel.
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    plain: Vec<u8>,
    /// The other end has said goodbye.
    over: bool,
}

impl Stream {
    /// Begins a connection to an owner; `tls` is what a `tls:` place needs.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn connect(place: &Place, tls: Option<&Tls>) -> io::Result<Stream> {
        let session = match (place, tls) {
            (Place::Tls(address), Some(tls)) => Some(tls.connect(*address).map_err(io::Error::other)?),
            (Place::Tls(_), None) => return Err(io::Error::other("no certificate for the link")),
            _ => None,
        };
        let stage = if place.is_local() { Stage::Open } else { Stage::Connecting };
        Ok(Stream { socket: sockets::begin(place)?, stage, tls: session.map(Secret::new) })
    }

    pub(crate) fn accepted(socket: Socket, session: Option<Session>) -> Stream {
        let stage = if session.is_some() { Stage::Handshaking } else { Stage::Open };
        Stream { socket, stage, tls: session.map(Secret::new) }
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether it never leaves this machine: what the kernel has, the other end gets.
    pub fn is_local(&self) -> bool {
        matches!(self.socket, Socket::Unix(_))
    }

    /// The descriptor to watch.
    pub fn fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    /// Whether the other end has proven to be called `name`; without TLS nobody is asked to.
    pub fn proves(&self, name: &str) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls::proves(&tls.session, name))
    }

    /// The socket can be written: a connect has ended, well or not.
    ///
    /// # Errors
    /// Not well.
    pub fn connected(&mut self) -> io::Result<()> {
        if self.stage != Stage::Connecting {
            return Ok(());
        }
        if let Some(error) = sockets::trouble(&self.socket) {
            return Err(error);
        }
        self.stage = if self.tls.is_some() { Stage::Handshaking } else { Stage::Open };
        self.flush()
    }

    /// Reads once, into room for at least CIPHER_READ_BYTES. A TLS connection becomes open here.
    ///
    /// # Errors
    /// The connection is broken, or TLS is.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<Got> {
        if self.stage == Stage::Connecting {
            return Ok(Got::Nothing);
        }
        let Some(tls) = &mut self.tls else { return got(read(&mut self.socket, room)) };
        let mut raw = std::mem::take(&mut tls.input);
        raw.resize(CIPHER_READ_BYTES, 0);
        let more = got(read(&mut self.socket, &mut raw));
        let decrypted = match more {
            Ok(Got::Bytes(count)) => tls.decrypt(raw.get(..count).unwrap_or_default()),
            _ => Ok(()),
        };
        tls.input = raw;
        if self.stage == Stage::Handshaking && !tls.session.is_handshaking() {
            self.stage = Stage::Open;
        }
        // An alert tells the other end why; nothing else will.
        let flushed = tls.flush(&mut self.socket);
        decrypted.and(flushed)?;
        let count = tls.plain.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..count), tls.plain.get(..count)) {
            to.copy_from_slice(from);
            tls.plain.drain(..count);
        }
        match more? {
            _ if count > 0 => Ok(Got::Bytes(count)),
            Got::Bytes(_) if !tls.over => Ok(Got::Nothing),
            Got::Nothing => Ok(Got::Nothing),
            _ => Ok(Got::End),
        }
    }

    /// Takes as many bytes as the kernel (and TLS) has room for; how many.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stage != Stage::Open {
            return Ok(0);
        }
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let count = match &mut self.tls {
                None => write(&mut self.socket, rest)?,
                Some(tls) => {
                    tls.flush(&mut self.socket)?;
                    tls.encrypt(rest)?
                }
            };
            if count == 0 {
                break;
            }
            taken += count;
        }
        self.flush()?;
        Ok(taken)
    }

    /// Writes what TLS has encrypted, as far as the kernel has room.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) if self.stage != Stage::Connecting => tls.flush(&mut self.socket),
            _ => Ok(()),
        }
    }

    /// Bytes that were taken and are not yet in the kernel.
    pub fn unsent(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.output.len() - tls.written)
    }

    /// Whether to watch for room to write, besides for what the caller still has.
    pub fn wants_write(&self) -> bool {
        self.stage == Stage::Connecting || self.unsent() > 0
    }
}

/// Takes one waiting connection. `tls` is what a TLS listener needs.
///
/// # Errors
/// What the system or TLS says; `WouldBlock` when nobody waits.
pub fn accept(listener: &Listener, tls: Option<&Tls>) -> io::Result<Stream> {
    let socket = sockets::take(listener)?;
    let session = match (listener, tls) {
        (Listener::Tls(_), Some(tls)) => Some(tls.accept().map_err(io::Error::other)?),
        (Listener::Tls(_), None) => return Err(io::Error::other("no certificate for the link")),
        _ => None,
    };
    Ok(Stream::accepted(socket, session))
}

/// A connection on this machine, non-blocking.
impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Stream {
        Stream::accepted(Socket::Unix(stream), None)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Secret {
    fn new(mut session: Session) -> Box<Secret> {
        session.set_buffer_limit(None); // CIPHER_BYTES limits what waits
        Box::new(Secret { session, output: Vec::new(), written: 0, input: Vec::new(), plain: Vec::new(), over: false })
    }

    fn decrypt(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && self.session.read_tls(&mut bytes)? > 0 {
            let state = self.session.process_new_packets().map_err(io::Error::other)?;
            let (at, more) = (self.plain.len(), state.plaintext_bytes_to_read());
            self.plain.resize(at + more, 0);
            self.session.reader().read_exact(self.plain.get_mut(at..).unwrap_or_default())?;
            self.over |= state.peer_has_closed();
        }
        Ok(())
    }

    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.output.len() - self.written > CIPHER_BYTES {
            return Ok(0);
        }
        let part = bytes.get(..PLAIN_BYTES).unwrap_or(bytes);
        self.session.writer().write(part)
    }

    fn flush(&mut self, socket: &mut Socket) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.output)?;
        }
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match write(socket, rest)? {
                0 => break,
                count => self.written += count,
            }
        }
        if self.written == self.output.len() {
            (self.output, self.written) = (Vec::new(), 0);
        }
        Ok(())
    }
}

fn got(read: io::Result<usize>) -> io::Result<Got> {
    match read {
        Ok(0) => Ok(Got::End),
        Ok(count) => Ok(Got::Bytes(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Got::Nothing),
        Err(error) => Err(error),
    }
}

fn read(socket: &mut Socket, room: &mut [u8]) -> io::Result<usize> {
    match socket {
        Socket::Unix(stream) => stream.read(room),
        Socket::Tcp(stream) => stream.read(room),
    }
}

/// 0: no room.
fn write(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    let result = match socket {
        Socket::Unix(stream) => stream.write(bytes),
        Socket::Tcp(stream) => stream.write(bytes),
    };
    match result {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
