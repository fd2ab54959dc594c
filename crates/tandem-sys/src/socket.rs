//! Opening, adopting and tuning sockets. It neither reads nor writes them.

use crate::check;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Connections that wait in the kernel for accept.
pub const BACKLOG: i32 = 4096;
/// Kernel buffer of a datagram socket, each way, in bytes.
pub const DATAGRAM_BUFFER_BYTES: i32 = 8 << 20;

/// Opens a non-blocking socket bound to `address`; a stream socket listens.
pub fn listen(address: SocketAddr, stream: bool) -> io::Result<OwnedFd> {
    let fd = open(address, stream)?;
    if stream {
        set(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    }
    if address.is_ipv6() {
        set(fd.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    let (storage, length) = to_system(address);
    // SAFETY: `storage` holds an address of `length` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), length) })?;
    if stream {
        // SAFETY: no pointers.
        check(unsafe { libc::listen(fd.as_raw_fd(), BACKLOG) })?;
    }
    Ok(fd)
}

/// Takes over an inherited socket. The supervisor keeps its own descriptor of it.
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: dup makes a descriptor that nobody else owns, or fails.
    let own = unsafe { OwnedFd::from_raw_fd(check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3))?) };
    // SAFETY: no pointers.
    unsafe {
        let flags = check(libc::fcntl(own.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(own.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK))?;
    }
    Ok(own)
}

/// Big buffers and, where there may be several, the destination of each datagram.
pub fn tune_datagrams(fd: RawFd, bound: SocketAddr) -> io::Result<()> {
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if set(fd, libc::SOL_SOCKET, force, DATAGRAM_BUFFER_BYTES).is_err() {
            set(fd, libc::SOL_SOCKET, plain, DATAGRAM_BUFFER_BYTES)?;
        }
    }
    match bound.ip() {
        ip if !ip.is_unspecified() => Ok(()), // whoever asks it asked this address
        IpAddr::V6(_) => set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        IpAddr::V4(_) => set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    }
}

/// No delay, and the kernel's keep-alive for peers that vanish.
pub fn tune_stream(fd: RawFd) -> io::Result<()> {
    set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)
}

/// Lets the kernel ask after `seconds` of silence whether the other end is there, and end the connection when it does not answer, or
/// does not acknowledge what was sent, for `gone_seconds`.
pub fn keep_alive(fd: RawFd, seconds: u16, gone_seconds: u16) -> io::Result<()> {
    const PROBES: libc::c_int = 3;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, libc::c_int::from(seconds))?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, (libc::c_int::from(gone_seconds) / PROBES).max(1))?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, PROBES)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, libc::c_int::from(gone_seconds) * 1000)
}

/// Whoever closes it now sends a reset and waits for nothing.
pub fn reset_at_close(fd: RawFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the bytes of a live variable.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size) }).map(drop)
}

/// Marks what a datagram socket sends: the DSCP and ECN byte of both families.
pub fn type_of_service(fd: RawFd, tos: u8) -> io::Result<()> {
    set(fd, libc::IPPROTO_IP, libc::IP_TOS, libc::c_int::from(tos))?;
    if local_address(fd)?.is_ipv6() {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, libc::c_int::from(tos))?;
    }
    Ok(())
}

/// Acknowledges what was read now, not within the kernel's 40 ms: a phone with Nagle's algorithm sends its next small message (the
/// INVITE behind an ACK, to which nothing is answered) only then. The kernel forgets it: once for each read.
pub fn acknowledge(fd: RawFd) {
    let _ = set(fd, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 1);
}

/// Takes one waiting connection.
pub fn accept(fd: RawFd) -> io::Result<(OwnedFd, SocketAddr)> {
    let (mut storage, mut length) = empty();
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: `storage` has room for any address, and `length` says so.
    let fd = unsafe {
        let fd = check(libc::accept4(fd, (&raw mut storage).cast(), &mut length, flags))?;
        OwnedFd::from_raw_fd(fd)
    };
    Ok((fd, from_system(&storage)?))
}

/// Begins a connection, from `source` if given. It is open when the descriptor can be written and `error` is none.
pub fn connect(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<OwnedFd> {
    let fd = open(remote, true)?;
    if let Some(source) = source {
        let (storage, length) = to_system(SocketAddr::new(source, 0));
        // SAFETY: `storage` holds an address of `length` bytes.
        check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), length) })?;
    }
    let (storage, length) = to_system(remote);
    // SAFETY: as above.
    match check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const storage).cast(), length) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(fd),
    }
}

/// The address of ours that the kernel would leave from towards `remote`. Nothing is sent.
pub fn leaving_from(remote: SocketAddr) -> io::Result<IpAddr> {
    let fd = open(remote, false)?;
    let (storage, length) = to_system(remote);
    // SAFETY: `storage` holds an address of `length` bytes.
    check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const storage).cast(), length) })?;
    local_address(fd.as_raw_fd()).map(|address| address.ip())
}

/// Connects to a Unix stream socket, and never waits: a full backlog is an error.
pub fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: all zeroes is a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    // The last byte stays zero.
    if bytes.len() >= address.sun_path.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "path of a Unix socket: more than 107 bytes"));
    }
    for (place, byte) in address.sun_path.iter_mut().zip(bytes) {
        *place = *byte as libc::c_char;
    }
    // SAFETY: no pointers; the result is checked and owned by nobody else.
    let fd = unsafe {
        OwnedFd::from_raw_fd(check(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0))?)
    };
    // SAFETY: `address` is whole and lives through the call.
    check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_un>() as libc::socklen_t) })?;
    Ok(fd)
}

/// Lets this process have as many descriptors as the system allows it; how many that is.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through both calls.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &limit))?;
    }
    Ok(limit.rlim_cur)
}

/// The error that waits on a socket.
pub fn error(fd: RawFd) -> Option<io::Error> {
    let (mut value, mut length) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: four bytes of a live variable.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut value).cast(), &mut length) };
    match check(result) {
        Err(error) => Some(error),
        Ok(_) if value != 0 => Some(io::Error::from_raw_os_error(value)),
        Ok(_) => None,
    }
}

/// The address that a socket is bound to.
pub fn local_address(fd: RawFd) -> io::Result<SocketAddr> {
    let (mut storage, mut length) = empty();
    // SAFETY: `storage` has room for any address, and `length` says so.
    check(unsafe { libc::getsockname(fd, (&raw mut storage).cast(), &mut length) })?;
    from_system(&storage)
}

/// Every address of this host's interfaces that are up, loopback last.
pub fn host_addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the list is walked while it is alive and freed once; null addresses are passed over.
    unsafe {
        if libc::getifaddrs(&mut list) != 0 {
            return found;
        }
        let mut entry = list;
        while let Some(interface) = entry.as_ref() {
            entry = interface.ifa_next;
            let Some(family) = interface.ifa_addr.as_ref().map(|address| i32::from(address.sa_family)) else { continue };
            if interface.ifa_flags & libc::IFF_UP as libc::c_uint == 0 {
                continue;
            }
            let mut storage = empty().0;
            let size = match family {
                libc::AF_INET => size_of::<libc::sockaddr_in>(),
                libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
                _ => continue,
            };
            std::ptr::copy_nonoverlapping(interface.ifa_addr.cast::<u8>(), (&raw mut storage).cast::<u8>(), size);
            if let Ok(address) = from_system(&storage) {
                found.push(address.ip());
            }
        }
        libc::freeifaddrs(list);
    }
    found.retain(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    found.sort_by_key(|ip| ip.is_loopback());
    found.dedup();
    found
}

pub(crate) fn empty() -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeroes is a valid sockaddr_storage.
    (unsafe { std::mem::zeroed() }, size_of::<libc::sockaddr_storage>() as libc::socklen_t)
}

pub(crate) fn to_system(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    let mut storage = empty().0;
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_storage is larger than, and aligned for, every address.
            let system = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            system.sin_family = libc::AF_INET as libc::sa_family_t;
            system.sin_port = v4.port().to_be();
            system.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            (storage, size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above.
            let system = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            system.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            system.sin6_port = v6.port().to_be();
            system.sin6_addr.s6_addr = v6.ip().octets();
            system.sin6_scope_id = v6.scope_id();
            (storage, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
        }
    }
}

pub(crate) fn from_system(storage: &libc::sockaddr_storage) -> io::Result<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in.
            let system = unsafe { &*(storage as *const libc::sockaddr_storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(system.sin_addr.s_addr.to_ne_bytes());
            Ok(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(system.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is a sockaddr_in6.
            let system = unsafe { &*(storage as *const libc::sockaddr_storage).cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(system.sin6_addr.s6_addr), u16::from_be(system.sin6_port));
            match ip.to_ipv4_mapped() {
                Some(v4) => Ok(SocketAddr::V4(SocketAddrV4::new(v4, port))),
                None => Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, system.sin6_scope_id))),
            }
        }
        family => Err(io::Error::other(format!("address family {family}"))),
    }
}

fn open(address: SocketAddr, stream: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = if stream { libc::SOCK_STREAM } else { libc::SOCK_DGRAM };
    // SAFETY: no pointers; the result is checked and owned by nobody else.
    let fd = unsafe { check(libc::socket(family, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0))? };
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: four bytes of a live variable.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size) }).map(drop)
}
