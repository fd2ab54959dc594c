//! Opening, accepting and tuning the link's sockets. Nothing is read or written here.

use crate::{Place, SILENCE_SECONDS};
use rustix::io::Errno;
use rustix::net::{self, sockopt, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// A connection's socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A listening socket of an owner, non-blocking.
#[derive(Debug)]
pub enum Listener {
    /// Unix.
    Unix(UnixListener),
    /// TCP in the clear.
    Tcp(TcpListener),
    /// TCP under TLS.
    Tls(TcpListener),
}

impl Listener {
    /// Where it listens.
    ///
    /// # Errors
    /// It is no listening socket of its kind.
    pub fn place(&self) -> io::Result<Place> {
        Ok(match self {
            Listener::Unix(socket) => Place::Unix(socket.local_addr()?.as_pathname().unwrap_or(Path::new("")).into()),
            Listener::Tcp(socket) => Place::Tcp(socket.local_addr()?),
            Listener::Tls(socket) => Place::Tls(socket.local_addr()?),
        })
    }

    /// Opens one.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(place: &Place) -> io::Result<Listener> {
        Ok(match place {
            Place::Unix(path) => {
                let _ = std::fs::remove_file(path);
                Listener::Unix(UnixListener::bind(path)?)
            }
            Place::Tcp(address) => Listener::Tcp(TcpListener::bind(address)?),
            Place::Tls(address) => Listener::Tls(TcpListener::bind(address)?),
        })
    }

    /// Makes it non-blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Listener::Unix(socket) => socket.set_nonblocking(true),
            Listener::Tcp(socket) | Listener::Tls(socket) => socket.set_nonblocking(true),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Unix(socket) => socket.as_fd(),
            Listener::Tcp(socket) | Listener::Tls(socket) => socket.as_fd(),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

/// Takes one waiting connection.
pub(crate) fn take(listener: &Listener) -> io::Result<Socket> {
    match listener {
        Listener::Unix(socket) => {
            let (stream, _) = socket.accept()?;
            stream.set_nonblocking(true)?;
            Ok(Socket::Unix(stream))
        }
        Listener::Tcp(socket) | Listener::Tls(socket) => {
            let (stream, _) = socket.accept()?;
            stream.set_nonblocking(true)?;
            tune(&stream)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// Begins a connection; a TCP one is open when it can be written and has no error.
pub(crate) fn begin(place: &Place) -> io::Result<Socket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match place {
        Place::Unix(path) => {
            let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            net::connect(&fd, &SocketAddrUnix::new(path)?)?;
            Ok(Socket::Unix(fd.into()))
        }
        Place::Tcp(address) | Place::Tls(address) => {
            let fd = open(address, flags)?;
            match net::connect(&fd, address) {
                Ok(()) | Err(Errno::INPROGRESS) => {}
                Err(error) => return Err(error.into()),
            }
            let stream = TcpStream::from(fd);
            tune(&stream)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// The error that waits on a socket.
pub(crate) fn trouble(socket: &Socket) -> Option<io::Error> {
    match sockopt::socket_error(socket) {
        Ok(Ok(())) => None,
        Ok(Err(error)) | Err(error) => Some(error.into()),
    }
}

fn open(address: &SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    Ok(net::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// Frames leave at once; what a dead host does not acknowledge ends the connection.
fn tune(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_user_timeout(stream, SILENCE_SECONDS as u32 * 1000)?;
    Ok(())
}
