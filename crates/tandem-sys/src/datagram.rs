//! Datagrams in batches, with the local address that was asked (IP_PKTINFO). It knows nothing of what is in them.

use crate::check;
use crate::socket::{empty, from_system, to_system};
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;

/// Datagrams per system call.
pub const BATCH: usize = 64;
/// Largest datagram, in bytes.
pub const DATAGRAM_BYTES: usize = 65_535;
/// From one datagram's room to the next, in bytes. No multiple of a page: the beginnings of all would share a few lines of the cache.
const STRIDE_BYTES: usize = (DATAGRAM_BYTES + 1) + 17 * 64;
/// Room for one packet-info control message.
const CONTROL_BYTES: usize = 64;

/// Room for one batch of received datagrams. Untouched pages cost nothing.
pub struct Batch {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    headers: Vec<libc::mmsghdr>,
}

#[repr(C, align(8))]
struct Slot {
    control: [u8; CONTROL_BYTES],
    name: libc::sockaddr_storage,
    part: libc::iovec,
}

/// One received datagram.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// What was sent.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub remote: SocketAddr,
    /// The address of ours that it was sent to.
    pub asked: Option<IpAddr>,
}

impl Batch {
    /// Reserves the room.
    pub fn new() -> Self {
        let slot =
            || Slot { control: [0; CONTROL_BYTES], name: empty().0, part: libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 } };
        Batch {
            bytes: vec![0; BATCH * STRIDE_BYTES],
            slots: (0..BATCH).map(|_| slot()).collect(),
            // SAFETY: all zeroes is a valid mmsghdr.
            headers: (0..BATCH).map(|_| unsafe { std::mem::zeroed() }).collect(),
        }
    }

    /// Takes what is there, at most BATCH datagrams; 0 when there is nothing.
    pub fn receive(&mut self, fd: RawFd) -> io::Result<usize> {
        let places = self.bytes.chunks_exact_mut(STRIDE_BYTES);
        for ((place, slot), header) in places.zip(&mut self.slots).zip(&mut self.headers) {
            slot.part = libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: DATAGRAM_BYTES };
            let message = &mut header.msg_hdr;
            message.msg_name = (&raw mut slot.name).cast();
            message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            message.msg_iov = &raw mut slot.part;
            message.msg_iovlen = 1;
            message.msg_control = slot.control.as_mut_ptr().cast();
            message.msg_controllen = CONTROL_BYTES as _;
            message.msg_flags = 0;
        }
        // SAFETY: every pointer written above is into vectors of self, which live and do not move during the call.
        let count = unsafe { libc::recvmmsg(fd, self.headers.as_mut_ptr(), BATCH as _, libc::MSG_DONTWAIT as _, std::ptr::null_mut()) };
        match check(count) {
            Ok(count) => Ok(count as usize),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The datagram at `index` of the last `receive`; `None` when it was cut or its address is of no known family.
    pub fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let (slot, header) = (self.slots.get(index)?, self.headers.get(index)?);
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let start = index * STRIDE_BYTES;
        let bytes = self.bytes.get(start..start + header.msg_len as usize)?;
        Some(Datagram { bytes, remote: from_system(&slot.name).ok()?, asked: asked(&header.msg_hdr) })
    }
}

// SAFETY: the pointers inside are written anew before each system call and read by none other.
unsafe impl Send for Batch {}
// SAFETY: as above.
unsafe impl Send for SendBatch {}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

fn asked(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel filled the control buffer and its length; CMSG_* stay inside it.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(message);
        while let Some(header) = control.as_ref() {
            let data = libc::CMSG_DATA(control);
            if (header.cmsg_level, header.cmsg_type) == (libc::IPPROTO_IP, libc::IP_PKTINFO) {
                let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                return Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            if (header.cmsg_level, header.cmsg_type) == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) {
                let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).to_canonical());
            }
            control = libc::CMSG_NXTHDR(message, control);
        }
    }
    None
}

/// One datagram to send.
#[derive(Debug)]
pub struct Sending<'a> {
    /// What to send.
    pub bytes: &'a [u8],
    /// To whom.
    pub remote: SocketAddr,
    /// From which address of ours; `None` lets the kernel choose.
    pub from: Option<IpAddr>,
}

/// Room for one batch of sent datagrams.
pub struct SendBatch {
    slots: Vec<Slot>,
    headers: Vec<libc::mmsghdr>,
}

impl SendBatch {
    /// Reserves the room.
    pub fn new() -> Self {
        let batch = Batch { bytes: Vec::new(), ..Batch::new() };
        SendBatch { slots: batch.slots, headers: batch.headers }
    }

    /// Sends the first BATCH of `all` at most, and says how many went. The error is that of the first one.
    /// `v6` says that the socket is of that family: IPv4 peers are then mapped.
    pub fn send<'a>(&mut self, fd: RawFd, v6: bool, all: impl Iterator<Item = Sending<'a>>) -> io::Result<usize> {
        let mut count = 0;
        for ((sending, slot), header) in all.zip(&mut self.slots).zip(&mut self.headers) {
            let remote = if v6 { mapped(sending.remote) } else { sending.remote };
            let (name, length) = to_system(remote);
            slot.name = name;
            slot.part = libc::iovec { iov_base: sending.bytes.as_ptr().cast_mut().cast(), iov_len: sending.bytes.len() };
            let message = &mut header.msg_hdr;
            message.msg_name = (&raw mut slot.name).cast();
            message.msg_namelen = length;
            message.msg_iov = &raw mut slot.part;
            message.msg_iovlen = 1;
            message.msg_flags = 0;
            message.msg_control = slot.control.as_mut_ptr().cast();
            message.msg_controllen = CONTROL_BYTES as _;
            write_source(message, sending.from, v6);
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: every pointer written above is into self or into bytes that `all` borrowed for 'a.
        check(unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _) }).map(|sent| sent as usize)
    }
}

impl Default for SendBatch {
    fn default() -> Self {
        Self::new()
    }
}

fn write_source(message: &mut libc::msghdr, from: Option<IpAddr>, v6: bool) {
    let Some(from) = from else {
        message.msg_control = std::ptr::null_mut();
        message.msg_controllen = 0;
        return;
    };
    // SAFETY: CONTROL_BYTES is more than either control message takes, and the buffer is aligned.
    unsafe {
        let control = libc::CMSG_FIRSTHDR(message);
        let size = if v6 {
            let ip = match from {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            (*control).cmsg_level = libc::IPPROTO_IPV6;
            (*control).cmsg_type = libc::IPV6_PKTINFO;
            libc::CMSG_DATA(control).cast::<libc::in6_pktinfo>().write_unaligned(info);
            size_of::<libc::in6_pktinfo>()
        } else {
            let IpAddr::V4(ip) = from else {
                message.msg_control = std::ptr::null_mut();
                message.msg_controllen = 0;
                return;
            };
            let mut info: libc::in_pktinfo = std::mem::zeroed();
            info.ipi_spec_dst.s_addr = u32::from_ne_bytes(ip.octets());
            (*control).cmsg_level = libc::IPPROTO_IP;
            (*control).cmsg_type = libc::IP_PKTINFO;
            libc::CMSG_DATA(control).cast::<libc::in_pktinfo>().write_unaligned(info);
            size_of::<libc::in_pktinfo>()
        } as libc::c_uint;
        (*control).cmsg_len = libc::CMSG_LEN(size) as _;
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0)),
        v6 => v6,
    }
}
