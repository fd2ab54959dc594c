//! The edge's loop: one thread, all sockets, one turn after another. What it does with messages stands in `up` and `down`.

use crate::acquainted::Acquainted;
use crate::admission::Admission;
use crate::config::{Config, EdgeError};
use crate::connection::READ_BYTES;
use crate::connections::Connections;
use crate::control::Control;
use crate::counters::Counters;
use crate::files;
use crate::front::{Front, Lookups};
use crate::hep::Copies;
use crate::judge::Judge;
use crate::keyring::Keyring;
use crate::links::{Links, OWNERS};
use crate::locals::Locals;
use crate::nft::Firewall;
use crate::notes::Notes;
use crate::tls::Tls;
use crate::trunks::Trunks;
use crate::udp::Udp;
use crate::verdicts::Verdicts;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tandem_sip::frame::Transport;
use tandem_sip::keepalive::Watches;
use tandem_sip::keeper::{Keeper, KEPT_BYTES};
use tandem_sys::datagram::{Batch, SendBatch};
use tandem_sys::epoll::{Epoll, Interest, Ready};
use tandem_sys::log::Log;
use tandem_sys::signal::{Asked, Signals, Stopper};
use tandem_sys::socket;

pub(crate) const STOP: u64 = 0;
pub(crate) const SIGNAL: u64 = 1;
/// The first link; others follow.
pub(crate) const LINK: u64 = 2;
/// Whoever gives verdicts about requests.
pub(crate) const VERDICTS: u64 = 1022;
/// The control socket; its connections follow.
pub(crate) const CONTROL: u64 = 9;
const _: () = assert!(LINK + OWNERS as u64 <= CONTROL);
pub(crate) const SOCKETS: u64 = 16;
/// The resolver's eventfd.
pub(crate) const NAMES: u64 = 1023;
/// What other edges of this host hand over.
pub(crate) const SIBLINGS: u64 = 1021;
pub(crate) const FLOWS: u64 = 1024;

/// Time between two looks at files, counters and connections, in microseconds.
const TICK_US: u64 = 1_000_000;
/// The same while a connection of ours may be opening.
const FAST_TICK_US: u64 = 250_000;
/// Kept bytes beyond which REGISTERs are asked to come later.
const BUSY_KEPT_BYTES: usize = KEPT_BYTES / 4;
/// How long a stopping edge writes what waits, in microseconds.
const FLUSH_US: u64 = 500_000;

/// A listening socket.
pub(crate) enum Socket {
    Udp(Udp),
    Stream(OwnedFd, Transport),
}

/// One edge: open it, run it, stop it.
pub struct Edge {
    pub(crate) config: Config,
    pub(crate) epoll: Epoll,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) locals: Locals,
    pub(crate) connections: Connections,
    pub(crate) links: Links,
    /// Links that did not come about when they were tried last.
    pub(crate) unreached: BTreeSet<usize>,
    pub(crate) keeper: Keeper,
    pub(crate) judge: Judge,
    pub(crate) keyring: Keyring,
    pub(crate) front: Option<Front>,
    pub(crate) verdicts: Option<Verdicts>,
    /// From the first front on.
    pub(crate) lookups: Option<Lookups>,
    pub(crate) trunks: Trunks,
    pub(crate) tls: Tls,
    /// Whose pages may open WebSockets; none: any.
    pub(crate) origins: Arc<[String]>,
    pub(crate) counters: Counters,
    pub(crate) log: Log,
    pub(crate) control: Option<Control>,
    /// Copies for a Homer.
    pub(crate) copies: Option<Copies>,
    /// The kernel's side of bans.
    pub(crate) firewall: Option<Firewall>,
    /// What people said of bans that they asked for.
    pub(crate) notes: Notes,
    pub(crate) incarnation: u64,
    /// Flows to phones over UDP that owners want kept open.
    pub(crate) watches: Watches,
    /// Connections with something to write at the turn's end.
    pub(crate) dirty: Vec<u64>,
    /// Sources whose reading is suspended since too much is kept.
    pub(crate) asleep: Vec<u64>,
    pub(crate) batch: Option<Box<Batch>>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    pub(crate) at: u64,
    pub(crate) now: u64,
    send_batch: SendBatch,
    started: Instant,
    stopper: Stopper,
    next_tick: u64,
    next_second: u64,
    /// A listening socket is not watched until the next tick.
    pub(crate) listeners_rest: bool,
    pub(crate) admission: Admission,
    /// Registered UDP peers.
    pub(crate) acquainted: Acquainted,
}

impl Edge {
    /// Opens sockets and reads files; links are tried in `run`.
    pub fn open(config: Config) -> Result<Edge, EdgeError> {
        let at = wall();
        let system = |why| EdgeError::Socket { what: "epoll".into(), why };
        let mut log = Log::of("tandem-edge");
        let mut keyring = Keyring::open(&config.keys)?;
        let keys = keyring.keys(at);
        let (policy, trunks) = files::policy(&config, at, &mut log);
        let tls = Tls::open(&config, &keys).map_err(|error| EdgeError::Config(error.to_string()))?;
        let links = Links::open(&config).map_err(|error| EdgeError::Config(format!("link_tls: {error}")))?;
        let mut edge = Edge {
            epoll: Epoll::new().map_err(system)?,
            sockets: Vec::new(),
            locals: Locals::new(!config.local_net.is_empty()),
            connections: Connections::after(at),
            // Above all numbers of earlier incarnations, as the keeper asks.
            keeper: Keeper::new(at, links.len()),
            links,
            unreached: BTreeSet::new(),
            watches: Watches::new(keys.keys.hash),
            judge: Judge::new(policy, keys),
            keyring,
            front: None,
            verdicts: None,
            lookups: None,
            trunks,
            tls,
            origins: config.ws_origins.clone().into(),
            counters: Counters::default(),
            log,
            control: None,
            copies: None,
            firewall: None,
            notes: Notes::default(),
            incarnation: at,
            dirty: Vec::new(),
            asleep: Vec::new(),
            batch: Some(Box::default()),
            scratch: vec![0; READ_BYTES],
            answer: Vec::new(),
            at,
            now: 0,
            send_batch: SendBatch::new(),
            started: Instant::now(),
            stopper: Stopper::open().map_err(system)?,
            next_tick: 0,
            next_second: 0,
            listeners_rest: false,
            admission: Admission::default(),
            acquainted: Acquainted::default(),
            config,
        };
        edge.listen()?;
        if let Some(front) = edge.config.front.take() {
            edge.apply_front(front).map_err(|error| EdgeError::Config(format!("front.{error}")))?;
        }
        if let Some(hep) = edge.config.hep.take() {
            edge.copies = Some(Copies::start(hep, edge.judge.keys.keys.hash).map_err(EdgeError::Config)?);
        }
        let listens = edge.locals.iter().map(|local| (local.transport, local.bound.port())).collect();
        edge.firewall = Firewall::start(edge.config.nft, listens);
        edge.open_control()?;
        Ok(edge)
    }

    /// Ends `run` from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The addresses in the order of the link's `local` numbers.
    pub fn locals(&self) -> Vec<SocketAddr> {
        self.locals.iter().map(|local| local.bound).collect()
    }

    /// Runs until stopped; with `signals`, until SIGTERM too.
    pub fn run(mut self, signals: Option<Signals>) -> Result<(), EdgeError> {
        let system = |why| EdgeError::Socket { what: "epoll".into(), why };
        let read = Interest { read: true, write: false };
        tandem_sys::thread::prompt();
        self.epoll.add(self.stopper.as_raw_fd(), STOP, read).map_err(system)?;
        if let Some(signals) = &signals {
            self.epoll.add(signals.as_raw_fd(), SIGNAL, read).map_err(system)?;
        }
        self.log.say(self.at, "serving", &[("edge", &self.config.edge), ("addresses", &self.locals.iter().count())]);
        let mut ready = Vec::new();
        loop {
            self.clock();
            self.connect_links();
            self.connect_verdicts();
            if self.now >= self.next_tick {
                self.tick();
            }
            self.front_due();
            self.keep_alive();
            self.flush();
            let (patience, slept) = (self.patience(), self.started.elapsed().as_micros() as u64);
            self.epoll.wait(patience, &mut ready).map_err(system)?;
            self.clock();
            self.admission.turn(self.now, self.now.saturating_sub(slept));
            self.resume_secure();
            self.judge.busy = self.admission.lags() || self.keeper.bytes() > BUSY_KEPT_BYTES;
            for event in ready.drain(..) {
                match event.token {
                    STOP => return self.stop(),
                    SIGNAL => match signals.as_ref().and_then(Signals::take) {
                        Some(Asked::Stop) => return self.stop(),
                        Some(Asked::Reload) => self.reload_tls(true),
                        None => {}
                    },
                    _ => self.turn(event),
                }
            }
            self.wake();
        }
    }

    fn turn(&mut self, event: Ready) {
        match event.token {
            NAMES => self.names_ready(),
            LINK..CONTROL => self.link_ready((event.token - LINK) as usize, event),
            CONTROL..SOCKETS => self.control_ready(event),
            VERDICTS => self.verdicts_ready(event),
            SIBLINGS => self.siblings_ready(),
            FLOWS.. => self.connection_ready(event),
            token => self.socket_ready((token - SOCKETS) as usize, event),
        }
    }

    /// Too much is kept, or waits for the owner: sockets are not read.
    pub(crate) fn full(&self) -> bool {
        self.keeper.full() || self.links.full()
    }

    fn clock(&mut self) {
        self.now = self.started.elapsed().as_micros() as u64;
        self.at = wall();
    }

    fn patience(&self) -> i32 {
        let front = |front: &Front| front.wake_at().into_iter().chain(front.late_at(self.now)).min();
        let front = self.front.as_ref().and_then(front).unwrap_or(u64::MAX);
        let next = self.links.retry_at().map_or(self.next_tick, |retry| retry.min(self.next_tick));
        let next = next.min(front).min(self.admission.wake_at().unwrap_or(u64::MAX));
        let watch = self.watches.wake_at().unwrap_or(u64::MAX);
        let verdicts = self.verdicts.as_ref().and_then(Verdicts::retry_at).unwrap_or(u64::MAX);
        next.min(watch).min(verdicts).saturating_sub(self.now).div_ceil(1_000) as i32
    }

    fn tick(&mut self) {
        self.next_tick = self.now + if self.connections.opening() { FAST_TICK_US } else { TICK_US };
        self.reload_tls(false);
        self.tend_links();
        self.firewall_news();
        self.tend_keys();
        for (flow, end) in self.connections.overdue(&self.judge.policy.limits, self.now) {
            self.end(flow, end);
        }
        if std::mem::take(&mut self.listeners_rest) {
            (0..self.sockets.len()).for_each(|at| self.rest_listener(at, false));
        }
        if self.now >= self.next_second {
            self.next_second = self.now + TICK_US;
            if let Some(pulse) = &self.config.pulse {
                // A full disk is no reason to be killed: a file that cannot be made is never looked at.
                let _ = tandem_sys::pulse::beat(pulse);
            }
            self.keep_connections();
            if let Some(front) = &mut self.front {
                front.tend(self.now);
            }
            self.stats();
        }
    }

    /// The number of the address that a peer asked. A floating address that came to this host gets one, so that answers leave from it.
    pub(crate) fn local_of(&mut self, socket: usize, asked: Option<IpAddr>, remote: IpAddr) -> u8 {
        let local = self.local_asked(socket, asked);
        if self.config.local_net.contains(remote) {
            return self.locals.within(local);
        }
        local
    }

    /// The same, whoever asks.
    pub(crate) fn local_asked(&mut self, socket: usize, asked: Option<IpAddr>) -> u8 {
        let Some(ip) = asked else { return self.locals.first(socket) };
        if let Some(local) = self.locals.asked(socket, ip) {
            return local;
        }
        let learned = self.config.listen.get(socket).and_then(|listen| self.locals.learn(socket, listen, ip));
        if learned.is_some() {
            self.log.say(self.at, "address learned", &[("address", &ip)]);
            self.renew_links("addresses"); // HELLO has the list
        }
        if let (Some(_), Some(front)) = (learned, &mut self.front) {
            front.learn(&self.locals);
        }
        learned.unwrap_or_else(|| self.locals.first(socket))
    }

    fn reload_tls(&mut self, anyway: bool) {
        match self.tls.reload(anyway) {
            Ok(false) => {}
            Ok(true) => self.log.say(self.at, "certificates read again", &[]),
            Err(error) => self.log.say(self.at, "certificates not usable, the old ones stay", &[("why", &error)]),
        }
    }

    // One write per turn and socket.
    fn flush(&mut self) {
        if let Some(copies) = &mut self.copies {
            copies.flush();
        }
        let mut failed = Vec::new();
        for (at, socket) in self.sockets.iter_mut().enumerate() {
            let Socket::Udp(udp) = socket else { continue };
            if !udp.waits() && !udp.interest.write {
                continue;
            }
            udp.flush(&mut self.send_batch, &mut failed);
            let interest = Interest { write: udp.waits(), ..udp.interest };
            if interest != udp.interest {
                udp.interest = interest;
                let _ = self.epoll.modify(udp.fd(), SOCKETS + at as u64, interest);
            }
        }
        for (cookie, why) in failed {
            self.failed(cookie, why);
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        for flow in dirty.drain(..) {
            self.flush_connection(flow);
        }
        self.dirty = dirty;
        self.flush_verdicts();
        self.flush_links();
    }

    fn wake(&mut self) {
        if self.asleep.is_empty() || self.full() {
            return;
        }
        for token in std::mem::take(&mut self.asleep) {
            self.read_again(token);
        }
    }

    fn stop(mut self) -> Result<(), EdgeError> {
        self.log.say(self.at, "stopping", &[("kept_frames", &self.keeper.frames()), ("connections", &self.connections.len())]);
        let until = self.now + FLUSH_US;
        for flow in self.connections.flows() {
            if let Some(connection) = self.connections.get(flow) {
                connection.close();
            }
        }
        loop {
            self.flush();
            let waiting = self.links.waiting() > 0
                || self.sockets.iter().any(|socket| matches!(socket, Socket::Udp(udp) if udp.waits()))
                || self.connections.waiting();
            self.clock();
            if !waiting || self.now >= until {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
            self.dirty = self.connections.flows();
        }
    }

    fn listen(&mut self) -> Result<(), EdgeError> {
        let host = socket::host_addresses();
        for at in 0..self.config.listen.len() {
            let Some(listen) = self.config.listen.get(at).cloned() else { continue };
            let what = format!("listen[{at}]");
            let system = |why| EdgeError::Socket { what: what.clone(), why };
            let stream = listen.transport != Transport::Udp;
            let fd = match (listen.fd, listen.bound) {
                (Some(fd), _) => socket::adopt(fd).map_err(system)?,
                (None, Some(address)) => socket::listen(address, stream).map_err(system)?,
                (None, None) => continue,
            };
            let bound = socket::local_address(fd.as_raw_fd()).map_err(system)?;
            self.locals.add(at, &listen, bound, &host);
            self.epoll.add(fd.as_raw_fd(), SOCKETS + at as u64, Interest { read: true, write: false }).map_err(system)?;
            self.sockets.push(if stream {
                Socket::Stream(fd, listen.transport)
            } else {
                socket::tune_datagrams(fd.as_raw_fd(), bound).map_err(system)?;
                Socket::Udp(Udp::new(fd, bound))
            });
        }
        Ok(())
    }
}

/// Microseconds since 1970.
pub(crate) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
