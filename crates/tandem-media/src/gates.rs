//! The sockets where commands come and answers go: UDP, TCP and a Unix datagram socket. What a command says, they do not know.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use tandem_sys::epoll::{Epoll, Interest};

use crate::config::{Ng, RelayError};
use crate::stream::{self, MESSAGE_BYTES};

/// Most connections at once; further ones are closed at once.
pub const CONNECTIONS: usize = 256;
/// Most bytes that wait to be written to one connection; one that does not read is closed.
pub const UNREAD_BYTES: usize = 1 << 20;
/// Messages taken from one socket before others have their turn.
pub const TURN: usize = 64;

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asker {
    /// By datagram, to the gate of this number.
    Udp(u64, SocketAddr),
    /// By the Unix socket; its own path.
    Unix(u64, PathBuf),
    /// By a connection.
    Tcp(u64),
}

enum Gate {
    Udp(UdpSocket),
    Unix(UnixDatagram),
    Listener(TcpListener),
    Connection(Box<Connection>),
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    unsent: Vec<u8>,
}

/// All of them, by epoll's token.
pub struct Gates {
    gates: BTreeMap<u64, Gate>,
    next: u64,
    connections: usize,
}

impl Gates {
    /// Opens what is configured; tokens count up from `first`.
    pub fn open(ng: &Ng, epoll: &Epoll, first: u64) -> Result<Gates, RelayError> {
        let mut gates = Gates { gates: BTreeMap::new(), next: first, connections: 0 };
        for at in &ng.udp {
            let opened = UdpSocket::bind(at).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            gates.add(epoll, &format!("ng.udp {at}"), opened.map(Gate::Udp))?;
        }
        for fd in &ng.udp_fds {
            gates.add(epoll, &format!("ng.udp_fds {fd}"), adopt(*fd).map(|fd| Gate::Udp(UdpSocket::from(fd))))?;
        }
        for at in &ng.tcp {
            let opened = TcpListener::bind(at).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            gates.add(epoll, &format!("ng.tcp {at}"), opened.map(Gate::Listener))?;
        }
        if let Some(fd) = ng.unix_fd {
            gates.add(epoll, &format!("ng.unix_fd {fd}"), adopt(fd).map(|fd| Gate::Unix(UnixDatagram::from(fd))))?;
        } else if let Some(path) = &ng.unix {
            gates.add(epoll, &format!("ng.unix {}", path.display()), unix(path).map(Gate::Unix))?;
        }
        Ok(gates)
    }

    /// Whether the token is one of these.
    pub fn has(&self, token: u64) -> bool {
        self.gates.contains_key(&token)
    }

    /// Gives every whole message that came to `each`, at most [`TURN`] for each call.
    pub fn read(&mut self, epoll: &Epoll, token: u64, each: &mut dyn FnMut(Asker, &[u8])) {
        let mut room = [0; MESSAGE_BYTES];
        match self.gates.get_mut(&token) {
            None => {}
            Some(Gate::Udp(socket)) => {
                for _ in 0..TURN {
                    let Ok((len, from)) = socket.recv_from(&mut room) else { break };
                    each(Asker::Udp(token, from), room.get(..len).unwrap_or_default());
                }
            }
            Some(Gate::Unix(socket)) => {
                for _ in 0..TURN {
                    let Ok((len, from)) = socket.recv_from(&mut room) else { break };
                    let Some(path) = from.as_pathname() else { continue }; // nobody to answer
                    each(Asker::Unix(token, path.to_owned()), room.get(..len).unwrap_or_default());
                }
            }
            Some(Gate::Listener(listener)) => {
                let Ok((stream, _)) = listener.accept() else { return };
                self.accept(epoll, stream);
            }
            Some(Gate::Connection(connection)) => {
                let open = connection.take(&mut room, &mut |message| each(Asker::Tcp(token), message));
                if !open {
                    self.close(token);
                }
            }
        }
    }

    /// A connection can be written again.
    pub fn written(&mut self, epoll: &Epoll, token: u64) {
        if let Some(Gate::Connection(connection)) = self.gates.get_mut(&token) {
            if !connection.flush(epoll, token) {
                self.close(token);
            }
        }
    }

    /// Answers; false: whoever asked is gone, or does not read.
    pub fn answer(&mut self, epoll: &Epoll, asker: &Asker, bytes: &[u8]) -> bool {
        match asker {
            Asker::Udp(token, to) => match self.gates.get(token) {
                Some(Gate::Udp(socket)) => socket.send_to(bytes, to).is_ok(),
                _ => false,
            },
            Asker::Unix(token, path) => match self.gates.get(token) {
                Some(Gate::Unix(socket)) => socket.send_to(bytes, path).is_ok(),
                _ => false,
            },
            Asker::Tcp(token) => {
                let Some(Gate::Connection(connection)) = self.gates.get_mut(token) else { return false };
                connection.unsent.extend_from_slice(bytes);
                connection.unsent.push(b'\n');
                let open = connection.unsent.len() <= UNREAD_BYTES && connection.flush(epoll, *token);
                if !open {
                    self.close(*token);
                }
                open
            }
        }
    }

    fn add(&mut self, epoll: &Epoll, what: &str, gate: io::Result<Gate>) -> Result<(), RelayError> {
        let failed = |why| RelayError::Socket { what: what.into(), why };
        let gate = gate.map_err(failed)?;
        let fd = match &gate {
            Gate::Udp(socket) => socket.as_raw_fd(),
            Gate::Unix(socket) => socket.as_raw_fd(),
            Gate::Listener(socket) => socket.as_raw_fd(),
            Gate::Connection(connection) => connection.stream.as_raw_fd(),
        };
        epoll.add(fd, self.next, Interest { read: true, write: false }).map_err(failed)?;
        self.gates.insert(self.next, gate);
        self.next += 1;
        Ok(())
    }

    fn accept(&mut self, epoll: &Epoll, stream: TcpStream) {
        if self.connections >= CONNECTIONS || stream.set_nonblocking(true).is_err() {
            return;
        }
        let _ = stream.set_nodelay(true);
        let connection = Box::new(Connection { stream, read: Vec::new(), unsent: Vec::new() });
        if self.add(epoll, "ng connection", Ok(Gate::Connection(connection))).is_ok() {
            self.connections += 1;
        }
    }

    fn close(&mut self, token: u64) {
        if self.gates.remove(&token).is_some() {
            self.connections = self.connections.saturating_sub(1);
        }
    }
}

impl Connection {
    /// False: it has ended.
    fn take(&mut self, room: &mut [u8], each: &mut dyn FnMut(&[u8])) -> bool {
        match self.stream.read(room) {
            Ok(0) => return false,
            Ok(len) => self.read.extend_from_slice(room.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return true,
            Err(_) => return false,
        }
        let mut at = stream::gap(&self.read);
        let open = loop {
            let rest = self.read.get(at..).unwrap_or_default();
            match stream::end(rest) {
                Ok(Some(end)) => {
                    each(rest.get(..end).unwrap_or_default());
                    at += end + stream::gap(rest.get(end..).unwrap_or_default());
                }
                Ok(None) => break true,
                Err(stream::Broken) => break false,
            }
        };
        self.read.drain(..at.min(self.read.len()));
        open
    }

    /// False: it has ended.
    fn flush(&mut self, epoll: &Epoll, token: u64) -> bool {
        let open = match self.stream.write(&self.unsent) {
            Ok(len) => {
                self.unsent.drain(..len);
                true
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        };
        let interest = Interest { read: true, write: !self.unsent.is_empty() };
        open && epoll.modify(self.stream.as_raw_fd(), token, interest).is_ok()
    }
}

/// A Unix datagram socket at a path; one that a dead process left behind is replaced.
fn unix(path: &Path) -> io::Result<UnixDatagram> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixDatagram::bind(path)?;
    // Whoever may write there commands all media.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    tandem_sys::socket::adopt(fd)
}
