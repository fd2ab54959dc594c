//! System calls that std does not offer, each behind a safe function, and lines on stderr. Nothing here knows SIP or media.

#![allow(unsafe_code)]

pub mod datagram;
pub mod epoll;
pub mod log;
pub mod memory;
pub mod pulse;
pub mod signal;
pub mod socket;
pub mod thread;

use std::io;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
