//! Signals as a descriptor, and a descriptor by which another thread stops the loop.

use crate::check;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// What a signal asks of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP of this thread, blocked and readable.
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals in this thread and opens the descriptor.
    pub fn open() -> io::Result<Self> {
        // SAFETY: `set` is initialised by sigemptyset before use; results are checked.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
                libc::sigaddset(&mut set, signal);
            }
            check(-libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()))?;
            let fd = check(libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC))?;
            Ok(Signals(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// The next signal that came.
    pub fn take(&self) -> Option<Asked> {
        // SAFETY: a zeroed signalfd_siginfo is valid, and the kernel writes at most its size.
        let (info, size) = unsafe {
            let mut info: libc::signalfd_siginfo = std::mem::zeroed();
            let size = std::mem::size_of::<libc::signalfd_siginfo>();
            let size = libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size);
            (info, size)
        };
        (size > 0).then_some(if info.ssi_signo == libc::SIGHUP as u32 { Asked::Reload } else { Asked::Stop })
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Stops a loop from another thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<OwnedFd>);

impl Stopper {
    /// Opens one.
    pub fn open() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked and owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC))?) };
        Ok(Stopper(Arc::new(fd)))
    }

    /// Can be read no more until the next `stop`.
    pub fn quiet(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes of a live variable; it never waits, an empty counter is an error that says nothing new.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }

    /// Asks the loop to end, or to look.
    pub fn stop(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a live variable. A full counter is as good as one more.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }
}

impl AsRawFd for Stopper {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
