//! The streams that the kernel forwards for this process: put, changed, counted, taken back. What a stream is worth, the caller knows.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::attach::{attach, Attachment, Holder, Way};
use crate::flow::{Counters, Flow};
use crate::layout::{self, Place};
use crate::links;
use crate::netlink::{Changes, Netlink};
use crate::program::Program;
use crate::route::{find_route, Route};
use crate::slots::Slots;
use crate::sys;

/// Most streams at once.
pub const FLOWS: u32 = 65_536;
/// Most changes and ends of streams within a second.
pub const CHANGES: u32 = 8_192;
/// Most interfaces.
pub const INTERFACES: usize = 64;
/// How long the kernel forwards without a word from us, in nanoseconds. It ends what a filter of a killed process would go on with.
pub const LEASE_NS: u64 = 5_000_000_000;

/// Why the kernel forwards nothing here; the text is for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

impl Unavailable {
    pub(crate) fn of(what: &str, error: &io::Error) -> Unavailable {
        Unavailable(match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => format!("{what}: not permitted: needs root, or CAP_BPF and CAP_NET_ADMIN"),
            Some(libc::ENOSYS) => format!("{what}: this kernel has no bpf"),
            _ => format!("{what}: {error}"),
        })
    }
}

/// Why a stream stays in userspace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// What comes from this host, or stays on it, is forwarded only where both do, and the loopback is one of the interfaces.
    #[error("{0} is on this host")]
    Here(IpAddr),
    /// The kernel knows no plain way to it.
    #[error("no route to {0}, or not a plain one")]
    NoRoute(IpAddr),
    /// Not all addresses are of one family.
    #[error("IPv4 on one side, IPv6 on the other")]
    Families,
    /// A link-local address means something on one interface only.
    #[error("{0} is link-local")]
    LinkLocal(IpAddr),
    /// [`FLOWS`] streams, or [`CHANGES`] changes within a second.
    #[error("too many streams or changes")]
    Full,
    /// The system.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// What can be chosen at the start.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Most streams, at most [`FLOWS`]; each takes 300 bytes of the kernel's memory from the start.
    pub flows: u32,
    /// How the program is attached.
    pub way: Way,
}

impl Default for Options {
    fn default() -> Options {
        Options { flows: FLOWS, way: Way::Auto }
    }
}

struct Known {
    flow: Flow,
    route: Route,
    number: u32,
    state: u32,
    /// It has no way any more; its packets go to the socket.
    stranded: bool,
}

struct Interface {
    name: String,
    number: u32,
    loopback: bool,
    attachment: Option<Attachment>,
}

/// The kernel's part of a relay. When it is dropped, or its process ends, packets go to the sockets again.
///
/// ```no_run
/// use tandem_kernel::{Flow, Kernel, Kind};
/// let mut kernel = Kernel::open(&["eth0".into()])?;
/// let (local, remote) = ("192.0.2.1:30000".parse()?, "198.51.100.1:4000".parse()?);
/// let (new_source, new_destination) = ("192.0.2.1:30002".parse()?, "203.0.113.1:5000".parse()?);
/// kernel.put(Flow { local, remote, new_source, new_destination, tos: 184, kind: Kind::Rtp(8_000) })?;
/// kernel.tend(); // each second
/// println!("{} packets", kernel.counters(local, remote).unwrap_or_default().packets);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Kernel {
    interfaces: Vec<Interface>,
    holder: Holder,
    way: Way,
    program: Program,
    known: HashMap<Place, Known>,
    numbers: Slots,
    states: Slots,
    netlink: Netlink,
    changes: Changes,
}

impl Kernel {
    /// Loads the program and attaches it where packets of streams come in.
    pub fn open(interfaces: &[String]) -> Result<Kernel, Unavailable> {
        Kernel::open_with(interfaces, Options::default())
    }

    /// The same, with choices.
    pub fn open_with(interfaces: &[String], options: Options) -> Result<Kernel, Unavailable> {
        if interfaces.is_empty() || interfaces.len() > INTERFACES {
            return Err(Unavailable(format!("1 to {INTERFACES} interfaces, not {}", interfaces.len())));
        }
        let flows = options.flows.clamp(1, FLOWS);
        let opened = |error| Unavailable::of("no routing netlink", &error);
        let mut kernel = Kernel {
            interfaces: Vec::new(),
            holder: Holder::new().map_err(|error| Unavailable::of("no abstract socket", &error))?,
            way: options.way,
            program: Program::load(flows, CHANGES)?,
            known: HashMap::new(),
            numbers: Slots::new(flows + CHANGES),
            states: Slots::new(flows + CHANGES),
            netlink: Netlink::open().map_err(opened)?,
            changes: Changes::open().map_err(opened)?,
        };
        kernel.renew();
        for name in interfaces {
            let mut interface = Interface { name: name.clone(), number: 0, loopback: false, attachment: None };
            kernel.join(&mut interface)?;
            kernel.interfaces.push(interface);
        }
        Ok(kernel)
    }

    /// Forwards a stream from now on, or changes how; what it counts goes on.
    pub fn put(&mut self, flow: Flow) -> Result<(), Refused> {
        let route = self.route(&flow)?;
        let (now, place) = (sys::steady_ns(), layout::place(flow.local, flow.remote));
        let known = self.known.get(&place);
        if known.is_some_and(|known| known.flow == flow && known.route == route && !known.stranded) {
            return Ok(());
        }
        if known.is_none() && self.known.len() >= self.numbers.entries().saturating_sub(CHANGES) as usize {
            return Err(Refused::Full);
        }
        let old = known.map(|known| (known.number, known.state));
        let number = self.numbers.take(now).ok_or(Refused::Full)?;
        let state = match old {
            Some((_, state)) => state,
            None => {
                let Some(state) = self.states.take(now) else {
                    self.numbers.give(now, number);
                    return Err(Refused::Full);
                };
                self.program.states.write(state as usize, &[0; layout::STATE_BYTES / 8]);
                state
            }
        };
        self.program.flows.write(number as usize, &layout::flow(&flow, &route, state));
        if let Err(error) = self.program.places.put(&place, &number.to_ne_bytes()) {
            self.numbers.give(now, number);
            if old.is_none() {
                self.states.give(now, state);
            }
            return Err(error.into());
        }
        if let Some((number, _)) = old {
            self.numbers.give(now, number);
        }
        self.known.insert(place, Known { flow, route, number, state, stranded: false });
        Ok(())
    }

    /// Gives a stream back to its socket; what was counted last. `None`: it was not here.
    pub fn remove(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<Counters> {
        let place = layout::place(local, remote);
        let Known { number, state, .. } = self.known.remove(&place)?;
        let now = sys::steady_ns();
        if self.program.places.remove(&place).is_err() {
            return None; // its numbers are never used again
        }
        self.numbers.give(now, number);
        self.states.give(now, state);
        Some(self.read(state))
    }

    /// What was counted since a stream was put. `None`: it is not here.
    pub fn counters(&self, local: SocketAddr, remote: SocketAddr) -> Option<Counters> {
        self.known.get(&layout::place(local, remote)).map(|known| self.read(known.state))
    }

    /// Whether the kernel forwards a stream now: one that was put, and has a way still.
    pub fn forwards(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        self.known.get(&layout::place(local, remote)).is_some_and(|known| !known.stranded)
    }

    /// Every stream with what was counted, in no order.
    pub fn flows(&self) -> impl Iterator<Item = (&Flow, Counters)> {
        self.known.values().map(|known| (&known.flow, self.read(known.state)))
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The names of the interfaces where the program is attached now, and whether by a link.
    pub fn interfaces(&self) -> impl Iterator<Item = (&str, bool)> {
        let attached = self.interfaces.iter().filter_map(|interface| Some((interface, interface.attachment.as_ref()?)));
        attached.map(|(interface, attachment)| (interface.name.as_str(), matches!(attachment, Attachment::Link(_))))
    }

    /// To be called each second: renews the lease, and follows what has changed of interfaces and routes. Streams that have no way
    /// any more are forwarded no more ([`Kernel::forwards`]) until they are put again.
    pub fn tend(&mut self) {
        self.renew();
        if !self.changes.any() {
            return;
        }
        let mut interfaces = std::mem::take(&mut self.interfaces);
        for interface in &mut interfaces {
            let number = links::named(&mut self.netlink, &interface.name).map_or(0, |link| link.number);
            if number != interface.number {
                let _ = self.join(interface); // it comes back with the next change
            }
        }
        self.interfaces = interfaces;
        let flows: Vec<Flow> = self.known.values().map(|known| known.flow).collect();
        for flow in flows {
            let place = layout::place(flow.local, flow.remote);
            if self.forwards(flow.local, flow.remote) && self.put(flow).is_err() && self.program.places.remove(&place).is_ok() {
                self.known.entry(place).and_modify(|known| known.stranded = true);
            }
        }
    }

    fn join(&mut self, interface: &mut Interface) -> Result<(), Unavailable> {
        interface.attachment = None;
        let name = &interface.name;
        let link = links::named(&mut self.netlink, name).map_err(|error| match error.raw_os_error() {
            Some(libc::ENODEV) => Unavailable(format!("no interface {name}")),
            _ => Unavailable::of(&format!("interface {name}"), &error),
        })?;
        (interface.number, interface.loopback) = (link.number, link.loopback);
        if !link.ethernet && !link.loopback {
            return Err(Unavailable(format!("interface {name} does not carry Ethernet frames")));
        }
        let attached = attach(&mut self.netlink, &self.program.fd, link.number, &self.holder, self.way);
        interface.attachment = Some(attached.map_err(|error| Unavailable::of(&format!("interface {name}"), &error))?);
        Ok(())
    }

    fn route(&mut self, flow: &Flow) -> Result<Route, Refused> {
        let addresses = [flow.local, flow.remote, flow.new_source, flow.new_destination].map(|at| at.ip());
        if addresses.iter().any(|ip| ip.is_ipv4() != flow.local.is_ipv4()) {
            return Err(Refused::Families);
        }
        if let Some(ip) = addresses.iter().find(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())) {
            return Err(Refused::LinkLocal(*ip));
        }
        let from = find_route(&mut self.netlink, flow.local.ip(), flow.remote.ip())?;
        let to = find_route(&mut self.netlink, flow.new_source.ip(), flow.new_destination.ip())?;
        let loopback = self.interfaces.iter().any(|interface| interface.loopback && interface.attachment.is_some());
        // Linux takes a packet from one of its own addresses only on the loopback.
        match (from.here, to.here) {
            (true, _) if !loopback => Err(Refused::Here(flow.remote.ip())),
            (false, true) => Err(Refused::Here(flow.new_destination.ip())),
            _ => Ok(to),
        }
    }

    fn renew(&self) {
        self.program.lease.write(0, &[sys::steady_ns() + LEASE_NS]);
    }

    fn read(&self, state: u32) -> Counters {
        /// A packet that comes meanwhile is seen in some numbers and not yet in others: then once more.
        const TRIES: usize = 4;
        let mut state_now = self.program.states.read(state as usize);
        for _ in 1..TRIES {
            let again = self.program.states.read(state as usize);
            if again == state_now {
                break;
            }
            state_now = again;
        }
        layout::counters(&state_now, sys::steady_ns())
    }
}
