//! Readiness of many descriptors, level triggered. It owns none of them.

use crate::check;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Events taken from the kernel at once.
pub const EVENTS: usize = 256;

/// What is wanted of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// Tell when it can be read.
    pub read: bool,
    /// Tell when it can be written.
    pub write: bool,
}

/// What a descriptor has become.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The name given at `add`.
    pub token: u64,
    /// It can be read, or has ended.
    pub read: bool,
    /// It can be written, or has failed.
    pub write: bool,
}

/// One epoll instance.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Opens an instance.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked and owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Epoll { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS] })
    }

    /// Watches `fd` under the name `token`.
    pub fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what is wanted of `fd`.
    pub fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Forgets `fd`. Closing the last descriptor of a socket does the same.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::default())
    }

    /// Waits at most `milliseconds` and appends what is ready.
    pub fn wait(&mut self, milliseconds: i32, ready: &mut Vec<Ready>) -> io::Result<()> {
        // SAFETY: the buffer has EVENTS places and outlives the call.
        let count = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), EVENTS as libc::c_int, milliseconds) };
        let count = match check(count) {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        const ENDED: u32 = (libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLRDHUP) as u32;
        ready.extend(self.events.iter().take(count).map(|event| {
            let (bits, token) = (event.events, event.u64);
            Ready {
                token,
                read: bits & (libc::EPOLLIN as u32 | ENDED) != 0,
                write: bits & (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0,
            }
        }));
        Ok(())
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut bits = 0;
        if interest.read {
            bits |= libc::EPOLLIN | libc::EPOLLRDHUP;
        }
        if interest.write {
            bits |= libc::EPOLLOUT;
        }
        let mut event = libc::epoll_event { events: bits as u32, u64: token };
        // SAFETY: `event` lives through the call.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd, &mut event) }).map(drop)
    }
}
