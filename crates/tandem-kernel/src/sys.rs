//! The system calls that std does not offer, each behind a safe function. The only unsafe code of the crate; it decides nothing.

#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE: libc::c_long = 2;
const MAP_DELETE: libc::c_long = 3;
const PROGRAM_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;
const SCHED_CLS: u32 = 3;
const TCX_INGRESS: u32 = 46;
/// What the verifier says, in bytes, at most.
const LOG_BYTES: usize = 1 << 20;

/// bpf(2)'s argument; a command takes the beginning of it.
type Attributes = [u64; 16];

/// A map of the kernel, with the lengths that it was made with.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    key_bytes: usize,
    value_bytes: usize,
    entries: usize,
}

impl Map {
    /// Makes one; `kind` and `flags` as bpf(2) has them.
    pub fn create(name: &str, kind: u32, key_bytes: u32, value_bytes: u32, entries: u32, flags: u32) -> io::Result<Map> {
        let mut attributes = Attributes::default();
        attributes[..3].copy_from_slice(&[pair(kind, key_bytes), pair(value_bytes, entries), pair(flags, 0)]);
        // The name follows three and a half longs.
        put_name(&mut attributes, 28, name);
        let fd = bpf_fd(MAP_CREATE, &attributes)?;
        Ok(Map { fd, key_bytes: key_bytes as usize, value_bytes: value_bytes as usize, entries: entries as usize })
    }

    /// Its descriptor's number, which goes into instructions.
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Sets an entry.
    pub fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if key.len() != self.key_bytes || value.len() != self.value_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut attributes = Attributes::default();
        attributes[..3].copy_from_slice(&[pair(self.raw() as u32, 0), key.as_ptr() as u64, value.as_ptr() as u64]);
        // SAFETY: the kernel reads as many bytes as the map was made with, which were compared above.
        unsafe { bpf(MAP_UPDATE, &attributes) }.map(drop)
    }

    /// Takes an entry away; one that is not there is no error.
    pub fn remove(&self, key: &[u8]) -> io::Result<()> {
        if key.len() != self.key_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut attributes = Attributes::default();
        attributes[..2].copy_from_slice(&[pair(self.raw() as u32, 0), key.as_ptr() as u64]);
        // SAFETY: as above.
        match unsafe { bpf(MAP_DELETE, &attributes) } {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            done => done.map(drop),
        }
    }

    /// The memory of an array that was made for it (BPF_F_MMAPABLE).
    pub fn memory(&self) -> io::Result<Memory> {
        let (stride, entries) = (self.value_bytes.div_ceil(8), self.entries);
        let bytes = stride * 8 * entries;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping; the address is checked below.
        let at = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, self.raw(), 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Memory { at: at.cast(), bytes, stride, entries })
    }
}

/// An array of the kernel in our memory. The kernel reads and writes it at the same time, so it is only touched by whole longs.
#[derive(Debug)]
pub struct Memory {
    at: *const AtomicU64,
    bytes: usize,
    stride: usize,
    entries: usize,
}

// SAFETY: it is memory that others change anyway, and touched by atomic operations only.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Reads the beginning of an entry; zeroes if there is none.
    pub fn read<const LONGS: usize>(&self, entry: usize) -> [u64; LONGS] {
        let mut longs = [0; LONGS];
        for (to, from) in longs.iter_mut().zip(self.entry(entry)) {
            *to = from.load(Ordering::Relaxed);
        }
        longs
    }

    /// Writes the beginning of an entry.
    pub fn write(&self, entry: usize, longs: &[u64]) {
        for (to, from) in self.entry(entry).iter().zip(longs) {
            to.store(*from, Ordering::Release);
        }
    }

    fn entry(&self, entry: usize) -> &[AtomicU64] {
        if entry >= self.entries {
            return &[];
        }
        // SAFETY: `stride` longs of the mapping, which lives as long as `self`, begin there.
        unsafe { std::slice::from_raw_parts(self.at.add(entry * self.stride), self.stride) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody borrows from it any more.
        unsafe { libc::munmap(self.at as *mut libc::c_void, self.bytes) };
    }
}

/// Loads a program for tc, of whole 8 byte instructions. The error's text holds the last of what the verifier said.
pub fn load(name: &str, code: &[u8], license: &[u8]) -> io::Result<OwnedFd> {
    if !code.len().is_multiple_of(8) || license.last() != Some(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut attributes = Attributes::default();
    attributes[..3].copy_from_slice(&[pair(SCHED_CLS, code.len() as u32 / 8), code.as_ptr() as u64, license.as_ptr() as u64]);
    put_name(&mut attributes, 48, name);
    let refused = match bpf_fd(PROGRAM_LOAD, &attributes) {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => error,
        done => return done,
    };
    let mut log = vec![0u8; LOG_BYTES];
    attributes[3] = pair(1, LOG_BYTES as u32);
    attributes[4] = log.as_mut_ptr() as u64;
    match bpf_fd(PROGRAM_LOAD, &attributes) {
        Ok(fd) => Ok(fd),
        Err(_) => {
            let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
            let said = String::from_utf8_lossy(log.get(..end).unwrap_or_default());
            let last: Vec<&str> = said.trim_end().rsplit('\n').take(3).collect();
            Err(io::Error::new(refused.kind(), format!("{refused}: {}", last.join(" < "))))
        }
    }
}

/// Attaches a program to the ingress of an interface for as long as the result lives (TCX, Linux 6.6).
pub fn link(program: &OwnedFd, interface: u32) -> io::Result<OwnedFd> {
    let mut attributes = Attributes::default();
    attributes[..2].copy_from_slice(&[pair(program.as_raw_fd() as u32, interface), pair(TCX_INGRESS, 0)]);
    bpf_fd(LINK_CREATE, &attributes)
}

/// A netlink socket of the routing family that hears of `groups` (RTMGRP_*).
pub fn netlink(groups: u32, nonblocking: bool) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
    // SAFETY: no pointers; the descriptor is new.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: all zeroes is a valid address.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = groups;
    // SAFETY: the address is as long as is said.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_nl>() as libc::socklen_t) };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

/// The kernel's steady clock, in nanoseconds: the one that programs have.
pub fn steady_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live variable is written.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Two words as the kernel reads them from memory.
fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// Writes at most 15 bytes of a name at a byte of the attributes.
fn put_name(attributes: &mut Attributes, at: usize, name: &str) {
    for (n, byte) in name.bytes().take(15).enumerate() {
        let (long, within) = ((at + n) / 8, (at + n) % 8);
        let mut bytes = attributes[long].to_ne_bytes();
        bytes[within] = byte;
        attributes[long] = u64::from_ne_bytes(bytes);
    }
}

fn bpf_fd(command: libc::c_long, attributes: &Attributes) -> io::Result<OwnedFd> {
    // SAFETY: callers are in this file, and their pointers live until it returns; the descriptor is new.
    unsafe { bpf(command, attributes).map(|fd| OwnedFd::from_raw_fd(fd as RawFd)) }
}

/// # Safety
/// Pointers in the attributes are good for what the command reads and writes.
unsafe fn bpf(command: libc::c_long, attributes: &Attributes) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are as long as is said; for the rest the caller answers.
    match unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of::<Attributes>()) } {
        result if result < 0 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
