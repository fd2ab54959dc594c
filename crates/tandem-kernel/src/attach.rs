//! The program at the ingress of an interface: by a link that ends with the process (Linux 6.6), else by a filter of tc that names its
//! holder. It knows nothing of streams.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::netlink::{attribute, find, Netlink};
use crate::sys;

/// What the names of our filters begin with; their holder's rest follows.
const PREFIX: &str = "tandem-media/";
const CLSACT: u32 = 0xffff_fff1; // TC_H_CLSACT
const INGRESS: u32 = 0xffff_fff2; // its TC_H_MIN_INGRESS
const ALL_PROTOCOLS: u16 = 3; // ETH_P_ALL
const KIND: u16 = 1; // TCA_KIND
const OPTIONS: u16 = 2; // TCA_OPTIONS
const BPF_FD: u16 = 6; // TCA_BPF_FD
const BPF_NAME: u16 = 7; // TCA_BPF_NAME
const BPF_FLAGS: u16 = 8; // TCA_BPF_FLAGS
const DIRECT: u32 = 1; // TCA_BPF_FLAG_ACT_DIRECT
const HEAD: usize = 20; // struct tcmsg
/// Not in errno.h, and yet an answer of older kernels.
const ENOTSUPP: i32 = 524;

/// Which of both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// A link where the kernel has them.
    #[default]
    Auto,
    /// A filter.
    Filter,
}

/// The program at one interface; gone with the value.
pub enum Attachment {
    /// By a link.
    Link(#[allow(dead_code, reason = "closing it detaches")] OwnedFd),
    /// By a filter.
    Filter {
        /// The kernel's number of the interface.
        interface: u32,
        /// The filter's name.
        name: String,
    },
}

/// A name that no other living process of this network namespace has: an abstract socket that ends with the process.
pub struct Holder {
    name: String,
    _socket: UnixDatagram,
}

impl Holder {
    /// A new one.
    pub fn new() -> io::Result<Holder> {
        let name = format!("{PREFIX}{}-{:x}", std::process::id(), sys::steady_ns());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        Ok(Holder { name, _socket: socket })
    }
}

/// Attaches the program, after all that dead holders left there is gone.
pub fn attach(netlink: &mut Netlink, program: &OwnedFd, interface: u32, holder: &Holder, way: Way) -> io::Result<Attachment> {
    let _ = clear(netlink, interface, &|name| name != holder.name && is_dead(name)); // no tc here: nothing was left either
    if way == Way::Auto {
        match sys::link(program, interface) {
            Ok(link) => return Ok(Attachment::Link(link)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP)) => {}
            Err(error) => return Err(error),
        }
    }
    filter(netlink, program, interface, &holder.name)?;
    Ok(Attachment::Filter { interface, name: holder.name.clone() })
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Attachment::Filter { interface, name } = self {
            // What fails here, the lease ends and a successor clears.
            let _ = Netlink::open().and_then(|mut netlink| clear(&mut netlink, *interface, &|found| found == name));
        }
    }
}

fn filter(netlink: &mut Netlink, program: &OwnedFd, interface: u32, name: &str) -> io::Result<()> {
    const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
    let qdisc = [head(interface, 0xffff_0000, CLSACT, 0), attribute(KIND, b"clsact\0")].concat();
    match netlink.ask(libc::RTM_NEWQDISC, CREATE, &qdisc, &mut |_| {}) {
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
        _ => {}
    }
    let options = [
        attribute(BPF_FD, &(program.as_raw_fd() as u32).to_ne_bytes()),
        attribute(BPF_NAME, &[name.as_bytes(), &[0]].concat()),
        attribute(BPF_FLAGS, &DIRECT.to_ne_bytes()),
    ];
    let info = u32::from(ALL_PROTOCOLS.to_be());
    let body = [head(interface, 0, INGRESS, info), attribute(KIND, b"bpf\0"), attribute(OPTIONS, &options.concat())].concat();
    netlink.ask(libc::RTM_NEWTFILTER, CREATE, &body, &mut |_| {})
}

/// Takes our filters away of whose names `which` is true.
fn clear(netlink: &mut Netlink, interface: u32, which: &dyn Fn(&str) -> bool) -> io::Result<()> {
    let mut found = Vec::new();
    netlink.ask(libc::RTM_GETTFILTER, libc::NLM_F_DUMP as u16, &head(interface, 0, INGRESS, 0), &mut |message| {
        let attributes = message.body.get(HEAD..).unwrap_or_default();
        let name = find(attributes, OPTIONS).and_then(|options| find(options, BPF_NAME));
        let name = name.and_then(|name| std::str::from_utf8(name).ok()).map(|name| name.trim_end_matches('\0'));
        if name.is_some_and(|name| name.starts_with(PREFIX) && which(name)) {
            found.push([message.body.get(..HEAD).unwrap_or_default(), &attribute(KIND, b"bpf\0")].concat());
        }
    })?;
    found.iter().try_for_each(|body| netlink.ask(libc::RTM_DELTFILTER, 0, body, &mut |_| {}))
}

/// Whether the holder of a filter lives no more.
fn is_dead(name: &str) -> bool {
    SocketAddr::from_abstract_name(name).and_then(|address| UnixDatagram::bind_addr(&address)).is_ok()
}

fn head(interface: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    [0, interface, handle, parent, info].map(u32::to_ne_bytes).concat()
}
