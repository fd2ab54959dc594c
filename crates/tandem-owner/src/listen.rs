//! Where a node listens for edges, and who may come in. It reads no frame.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, RawFd};
use std::path::PathBuf;
use tandem_link::{accept, Listener, Place, Stream, Tls};

/// One place where a node listens.
#[derive(Debug)]
pub enum Listen {
    /// A listening Unix socket that this process was given.
    Fd(RawFd),
    /// The path of a Unix socket to bind; what is there is replaced.
    Path(PathBuf),
    /// A listening TCP socket that this process was given, in the clear.
    Tcp(RawFd),
    /// The same, under TLS.
    Tls(RawFd),
}

/// All listening sockets of a node.
#[derive(Debug)]
pub(crate) struct Listeners {
    sockets: Vec<Listener>,
    tls: Option<Tls>,
}

impl Listeners {
    pub(crate) fn open(places: Vec<Listen>, tls: Option<Tls>) -> io::Result<Listeners> {
        let sockets = places.into_iter().map(open).collect::<io::Result<Vec<_>>>()?;
        if tls.is_none() && sockets.iter().any(|socket| matches!(socket, Listener::Tls(_))) {
            return Err(io::Error::other("a socket for TLS and no certificate for it"));
        }
        Ok(Listeners { sockets, tls })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd)
    }

    /// Takes one waiting connection.
    pub(crate) fn accept(&self, at: usize) -> Option<Stream> {
        accept(self.sockets.get(at)?, self.tls.as_ref()).ok()
    }

    /// Reads certificates again if they changed; those that are not usable change nothing.
    pub(crate) fn reload(&mut self) -> bool {
        self.tls.as_mut().is_none_or(|tls| tls.reload().is_ok())
    }
}

#[allow(unsafe_code)]
fn open(at: Listen) -> io::Result<Listener> {
    // SAFETY: the supervisor gave these descriptors to this process for this one use.
    let listener = unsafe {
        match at {
            Listen::Fd(fd) => Listener::Unix(FromRawFd::from_raw_fd(fd)),
            Listen::Tcp(fd) => Listener::Tcp(FromRawFd::from_raw_fd(fd)),
            Listen::Tls(fd) => Listener::Tls(FromRawFd::from_raw_fd(fd)),
            Listen::Path(path) => Listener::open(&Place::Unix(path))?,
        }
    };
    listener.place()?; // not a socket of its kind: say so now
    listener.set_nonblocking()?;
    Ok(listener)
}
