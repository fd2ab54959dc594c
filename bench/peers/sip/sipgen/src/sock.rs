//! A UDP socket that sends and receives in batches.

use std::mem::{size_of, zeroed};
use std::net::Ipv4Addr;

pub const BATCH: usize = 64;
pub const BUF: usize = 4096;

pub fn sa(s: &str) -> libc::sockaddr_in {
    let (h, p) = s.rsplit_once(':').expect("address must be ip:port");
    let ip: Ipv4Addr = h.parse().expect("IPv4 address");
    sa_from(ip, p.parse().expect("port"))
}
pub fn sa_from(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    let mut a: libc::sockaddr_in = unsafe { zeroed() };
    a.sin_family = libc::AF_INET as u16;
    a.sin_port = port.to_be();
    a.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
    a
}
pub struct Sock {
    pub fd: i32,
    pub me: String,
    out: Vec<u8>,
    idx: Vec<(usize, usize, libc::sockaddr_in)>,
    rx: Vec<u8>,
    pub senderr: u64,
    pub tx: u64,
    pub rxn: u64,
}
impl Sock {
    pub fn new(addr: &str) -> Sock {
        unsafe {
            let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0);
            let a = sa(addr);
            let r = libc::bind(fd, &a as *const _ as *const libc::sockaddr, size_of::<libc::sockaddr_in>() as u32);
            if r != 0 {
                panic!("bind {}: {}", addr, std::io::Error::last_os_error());
            }
            let sz: i32 = 16 << 20;
            for o in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
                libc::setsockopt(fd, libc::SOL_SOCKET, o, &sz as *const _ as *const libc::c_void, 4);
            }
            Sock { fd, me: addr.to_string(), out: Vec::with_capacity(1 << 20), idx: Vec::new(), rx: vec![0; BATCH * BUF], senderr: 0, tx: 0, rxn: 0 }
        }
    }
    pub fn push(&mut self, msg: &[u8], to: libc::sockaddr_in) {
        let s = self.out.len();
        self.out.extend_from_slice(msg);
        self.idx.push((s, msg.len(), to));
        if self.idx.len() >= 256 {
            self.flush();
        }
    }
    pub fn flush(&mut self) {
        if self.idx.is_empty() {
            return;
        }
        unsafe {
            let n = self.idx.len();
            let mut iov: Vec<libc::iovec> = Vec::with_capacity(n);
            let mut mm: Vec<libc::mmsghdr> = Vec::with_capacity(n);
            for i in 0..n {
                let (o, l, _) = self.idx[i];
                iov.push(libc::iovec { iov_base: self.out.as_ptr().add(o) as *mut _, iov_len: l });
            }
            for i in 0..n {
                let mut h: libc::mmsghdr = zeroed();
                h.msg_hdr.msg_name = &self.idx[i].2 as *const _ as *mut _;
                h.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
                h.msg_hdr.msg_iov = &mut iov[i];
                h.msg_hdr.msg_iovlen = 1;
                mm.push(h);
            }
            let mut done = 0;
            while done < n {
                let r = libc::sendmmsg(self.fd, mm.as_mut_ptr().add(done), (n - done) as u32, 0);
                if r <= 0 {
                    self.senderr += 1;
                    done += 1;
                } else {
                    done += r as usize;
                    self.tx += r as u64;
                }
            }
        }
        self.out.clear();
        self.idx.clear();
    }
    pub fn recv(&mut self, f: &mut dyn FnMut(&[u8], libc::sockaddr_in)) -> usize {
        unsafe {
            let mut names: [libc::sockaddr_in; BATCH] = zeroed();
            let mut iov: [libc::iovec; BATCH] = zeroed();
            let mut mm: [libc::mmsghdr; BATCH] = zeroed();
            for i in 0..BATCH {
                iov[i] = libc::iovec { iov_base: self.rx.as_mut_ptr().add(i * BUF) as *mut _, iov_len: BUF };
                mm[i].msg_hdr.msg_name = &mut names[i] as *mut _ as *mut _;
                mm[i].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
                mm[i].msg_hdr.msg_iov = &mut iov[i];
                mm[i].msg_hdr.msg_iovlen = 1;
            }
            let r = libc::recvmmsg(self.fd, mm.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, std::ptr::null_mut());
            if r <= 0 {
                return 0;
            }
            self.rxn += r as u64;
            for i in 0..r as usize {
                f(&self.rx[i * BUF..i * BUF + mm[i].msg_len as usize], names[i]);
            }
            r as usize
        }
    }
}
