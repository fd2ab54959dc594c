//! The owner's thread: accepts edges, hands over their frames in batches, stores what must be stored first, writes what goes out.

use crate::link::{hello, Link, READ_BYTES};
use crate::listen::{Listen, Listeners};
use crate::trace::Trace;
use rustix::event::{epoll, eventfd, EventfdFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::time::{clock_gettime, ClockId};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tandem_link::{edge_name, BadTls, Files, Tls, HELLO_SECONDS, SILENCE_SECONDS};
use tandem_sip::frame::{next, read_down, read_up, Down, Up};
use tandem_sip::owner::{BadCommands, Config, Owner, EDGE_PREFIX, ROW_PREFIX};
use tandem_sip::policy::BadPolicy;
use tandem_store::{Store, StoreError};
use thiserror::Error;

/// Where a response's CSeq line is looked for: our own stand within it.
const HEAD_BYTES: usize = 1_024;

/// Connections that have not said HELLO, and edges, at most.
const LINKS: usize = 256;
/// Microseconds after which a journal that failed is asked again.
const RETRY: u64 = 100_000;
/// Connections from other machines that have not said HELLO, at most.
const STRANGERS: usize = 64;
/// Microseconds between two looks at silent links and at certificates.
const LOOK: u64 = 1_000_000;
/// The first listening socket; others follow.
const LISTENERS: u64 = 1 << 48;
const WAKE: u64 = u64::MAX;

/// How a node is started.
#[derive(Debug)]
pub struct NodeConfig {
    /// The owner's.
    pub owner: Config,
    /// Where edges connect.
    pub listen: Vec<Listen>,
    /// Certificates for edges on other machines.
    pub tls: Option<Files>,
    /// Directory of the trace; `None`: no trace.
    pub trace: Option<PathBuf>,
}

/// Why a node does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The policy.
    #[error(transparent)]
    Policy(#[from] BadPolicy),
    /// The link's certificates.
    #[error("link: {0}")]
    Tls(#[from] BadTls),
    /// A socket, a thread, or the trace's directory.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// A running owner. Dropping it closes all links.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    listeners: Option<Listeners>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    inbox: OwnedFd,
    wake: OwnedFd,
    stop: AtomicBool,
}

struct State {
    owner: Owner,
    links: HashMap<u64, Link>,
    by_edge: HashMap<u16, u64>,
    next_link: u64,
    store: Option<Arc<Store>>,
    trace: Option<Trace>,
    /// The inbox's eventfd is readable.
    armed: bool,
    /// When the thread means to wake up; 0: not by itself.
    planned: u64,
    retry_at: u64,
    /// Rows that the journal refused.
    unsaved: Vec<tandem_sip::owner::Saved>,
    /// Links that broke outside the thread.
    broken: Vec<u64>,
    journal_failures: u64,
    trace_failures: u64,
    wakeups: u64,
    links_refused: u64,
    links_silent: u64,
    tls_failures: u64,
    /// When to look at silent links next; 0: there are only those of this machine.
    look_at: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

impl Node {
    /// Makes a node: the registrar's rows are read from `store`, the socket is bound. Edges are accepted after `open`.
    ///
    /// # Errors
    /// The policy is bad, or a socket or file cannot be made.
    pub fn start(config: NodeConfig, store: Option<Arc<Store>>) -> Result<Node, NodeError> {
        let mut owner = Owner::new(config.owner)?;
        owner.set_clock(clock_offset());
        if let Some(store) = &store {
            for prefix in [EDGE_PREFIX, ROW_PREFIX] {
                store.scan(prefix, |key, row| {
                    owner.load(key, row);
                });
            }
        }
        let trace = config.trace.map(|dir| Trace::open(&dir)).transpose().map_err(|error| NodeError::Io("trace", error))?;
        let tls = config.tls.map(Tls::open).transpose()?;
        let listeners = Listeners::open(config.listen, tls).map_err(|error| NodeError::Io("link socket", error))?;
        let fd = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| NodeError::Io("eventfd", error.into()));
        let state = State {
            owner,
            links: HashMap::new(),
            by_edge: HashMap::new(),
            next_link: 1,
            store,
            trace,
            armed: false,
            planned: 0,
            retry_at: 0,
            unsaved: Vec::new(),
            broken: Vec::new(),
            journal_failures: 0,
            trace_failures: 0,
            wakeups: 0,
            links_refused: 0,
            links_silent: 0,
            tls_failures: 0,
            look_at: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), inbox: fd()?, wake: fd()?, stop: AtomicBool::new(false) });
        Ok(Node { shared, thread: None, listeners: Some(listeners) })
    }

    /// Accepts edges from now on. Before it, what a dead owner had in hand is given back with `run`. A second call does nothing.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open(&mut self) -> Result<(), NodeError> {
        let Some(listeners) = self.listeners.take() else { return Ok(()) };
        let shared = self.shared.clone();
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| NodeError::Io("epoll", error.into()))?;
        let watched = listeners.iter().zip(LISTENERS..).try_for_each(|(socket, number)| watch(&poller, &socket, number));
        watched.and_then(|()| watch(&poller, &shared.wake, WAKE)).map_err(|error| NodeError::Io("epoll", error))?;
        let run = move || Loop { shared: &shared, poller, listeners, buffer: vec![0; READ_BYTES] }.run();
        let thread = std::thread::Builder::new().name("tandem-owner".into()).spawn(run);
        self.thread = Some(thread.map_err(|error| NodeError::Io("thread", error))?);
        Ok(())
    }

    /// Readable while events wait.
    pub fn fd(&self) -> RawFd {
        self.shared.inbox.as_raw_fd()
    }

    /// All waiting events as one msgpack array.
    pub fn drain(&self) -> Vec<u8> {
        let mut state = self.shared.lock();
        if state.armed {
            let _ = rustix::io::read(&self.shared.inbox, &mut [0; 8]);
            state.armed = false;
        }
        state.owner.drain()
    }

    /// Runs commands and writes to the edges. Bytes that an edge may not get, should this process die: 0 means that all is in the kernel of
    /// this machine, or heard by edges on others. What `said` tells then counts when `heard` has reached it.
    ///
    /// # Errors
    /// The batch is not one of this version's.
    pub fn run(&self, commands: &[u8]) -> Result<usize, BadCommands> {
        let mut state = self.shared.lock();
        let now = monotonic();
        state.owner.turn();
        let done = state.owner.run(commands, now);
        let left = self.after(state, now);
        done.map(|()| left)
    }

    /// (the number of the last `run`, that of the newest `run` of which the edges have everything).
    pub fn said_and_heard(&self) -> (u64, u64) {
        let state = self.shared.lock();
        (state.owner.said_turn(), state.heard_turn())
    }

    /// Does something with the owner, and sends what comes of it.
    pub fn with<T>(&self, what: impl FnOnce(&mut Owner) -> T) -> T {
        let mut state = self.shared.lock();
        let now = monotonic();
        state.owner.advance(now); // tells it the time
        let done = what(&mut state.owner);
        self.after(state, now);
        done
    }

    /// Counters by name: the owner's and the node's own.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let state = self.shared.lock();
        let mut list = state.owner.counters();
        list.extend([
            ("links", state.by_edge.len() as u64),
            ("bytes_unsent", state.links.values().map(|link| link.unsent() as u64).sum()),
            ("journal_failures", state.journal_failures),
            ("trace_failures", state.trace_failures),
            ("owner_wakeups", state.wakeups),
            ("links_refused", state.links_refused),
            ("links_silent", state.links_silent),
            ("link_tls_failures", state.tls_failures),
        ]);
        list
    }

    /// The last STATS of each edge, JSON.
    pub fn edge_stats(&self) -> Vec<(u16, Vec<u8>)> {
        self.shared.lock().owner.edge_stats().map(|(edge, json)| (edge, json.to_vec())).collect()
    }

    /// Ends the thread and closes all links.
    pub fn close(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        poke(&self.shared.wake);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let mut state = self.shared.lock();
        state.links.clear();
        state.by_edge.clear();
        state.store = None;
    }

    fn after(&self, mut state: MutexGuard<'_, State>, now: u64) -> usize {
        let left = state.send(now);
        state.arm(&self.shared.inbox);
        let due = state.owner.wake_at();
        let sooner = due != 0 && (state.planned == 0 || due < state.planned);
        if sooner || left > 0 || !state.broken.is_empty() {
            poke(&self.shared.wake);
        }
        left
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Stores the registrar's rows, then writes what goes out; the bytes that wait.
    fn send(&mut self, now: u64) -> usize {
        if !self.save(now) {
            return 1; // nothing leaves before it is durable
        }
        let edges: Vec<u16> = self.owner.edges_with_output().collect();
        for edge in edges {
            let bytes = self.owner.output(edge);
            self.trace_out(edge, &bytes);
            let Some(number) = self.by_edge.get(&edge) else { continue };
            if self.links.get_mut(number).is_some_and(|link| !link.write(&bytes)) {
                self.broken.push(*number);
            }
        }
        if let Some(Err(_)) = self.trace.as_mut().map(Trace::write) {
            self.trace_failures += 1;
        }
        self.links.values().map(Link::unsent).sum::<usize>() + self.owner.bytes_unheard(|edge| self.is_sure(edge))
    }

    /// What the kernel has for an edge of this machine, that edge gets: also when we die.
    fn is_sure(&self, edge: u16) -> bool {
        let link = self.by_edge.get(&edge).and_then(|number| self.links.get(number));
        link.is_some_and(|link| link.is_local() && link.unsent() == 0)
    }

    fn heard_turn(&self) -> u64 {
        self.owner.heard_turn(|edge| self.is_sure(edge))
    }

    fn save(&mut self, now: u64) -> bool {
        self.unsaved.extend(self.owner.saves());
        let (false, Some(store)) = (self.unsaved.is_empty(), self.store.clone()) else {
            self.unsaved.clear();
            return true;
        };
        if now < self.retry_at {
            return false;
        }
        store.advance(now.saturating_add_signed(clock_offset()));
        let puts: Vec<_> = self.unsaved.iter().map(|(key, row, expires_at)| (&key[..], row.as_deref(), *expires_at)).collect();
        let done: Result<(), StoreError> = store.put(&puts);
        match done {
            Ok(()) => self.unsaved.clear(),
            Err(_) => {
                self.journal_failures += 1;
                self.retry_at = now + RETRY;
                return false;
            }
        }
        true
    }

    fn arm(&mut self, inbox: &OwnedFd) {
        if !self.armed && self.owner.waiting() > 0 {
            poke(inbox);
            self.armed = true;
        }
    }

    /// False: what has no right to come here, or no sense.
    fn frame(&mut self, number: u64, link: &mut Link, frame: &[u8], now: u64) -> bool {
        let edge = match link.edge {
            Some(edge) => edge,
            None => {
                let Some(new) = hello(frame).filter(|edge| link.proves(&edge_name(*edge))) else {
                    self.links_refused += 1;
                    return false;
                };
                link.edge = Some(new);
                if let Some(old) = self.by_edge.insert(new, number) {
                    self.links.remove(&old);
                    self.owner.link_down(new, now);
                }
                self.owner.link_up(new, now);
                new
            }
        };
        if self.trace.is_some() {
            self.trace_in(edge, frame);
        }
        self.owner.handle(edge, frame, now);
        true
    }

    fn trace_in(&mut self, edge: u16, frame: &[u8]) {
        let (Some(trace), Ok(Up::Sip(sip))) = (&mut self.trace, read_up(frame)) else { return };
        if of_register(sip.message) {
            return;
        }
        let local = local(&self.owner, edge, sip.local);
        let remote = std::net::SocketAddr::from(sip.remote).to_string();
        trace.push(sip.received_at, true, sip.transport as u8, local, &remote, sip.message);
    }

    fn trace_out(&mut self, edge: u16, bytes: &[u8]) {
        let Some(trace) = &mut self.trace else { return };
        let at = monotonic().saturating_add_signed(clock_offset());
        let mut rest = bytes;
        while let Ok(Some((frame, used))) = next(rest) {
            rest = rest.get(used..).unwrap_or_default();
            if let Ok(Down::Sip(sip)) = read_down(frame) {
                if of_register(sip.message) {
                    continue;
                }
                let remote = std::net::SocketAddr::from(sip.remote).to_string();
                trace.push(at, false, sip.transport as u8, local(&self.owner, edge, sip.local), &remote, sip.message);
            }
        }
    }

    fn drop_link(&mut self, number: u64, now: u64) {
        let Some(link) = self.links.remove(&number) else { return };
        if let Some(edge) = link.edge.filter(|edge| self.by_edge.get(edge) == Some(&number)) {
            self.by_edge.remove(&edge);
            self.owner.link_down(edge, now);
        }
    }
}

/// Registrations are many, and belong to no call: the trace is for calls.
fn of_register(message: &[u8]) -> bool {
    let head = message.get(..HEAD_BYTES).unwrap_or(message);
    message.starts_with(b"REGISTER ") || (message.starts_with(b"SIP/2.0 ") && memchr::memmem::find(head, b" REGISTER\r\n").is_some())
}

fn local(owner: &Owner, edge: u16, local: u8) -> &[u8] {
    let edge = owner.edges().find(|(number, _)| *number == edge).map(|(_, edge)| edge);
    edge.and_then(|edge| edge.locals.get(usize::from(local))).map_or(b"", |local| &local.advertised)
}

struct Loop<'a> {
    shared: &'a Shared,
    poller: OwnedFd,
    listeners: Listeners,
    buffer: Vec<u8>,
}

impl Loop<'_> {
    fn run(mut self) {
        let mut events = Vec::with_capacity(64);
        while !self.shared.stop.load(Ordering::Acquire) {
            let timeout = self.plan();
            events.clear();
            if epoll::wait(&self.poller, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()).is_err() {
                continue; // interrupted
            }
            let mut state = self.shared.lock();
            let now = monotonic();
            state.owner.set_clock(clock_offset());
            state.wakeups += 1;
            for event in &events {
                match event.data.u64() {
                    WAKE => {
                        let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
                    }
                    number @ LISTENERS.. => self.accept(&mut state, (number - LISTENERS) as usize, now),
                    number => self.serve(&mut state, number, event.flags, now),
                }
            }
            self.look(&mut state, now);
            state.owner.advance(now);
            state.send(now);
            for number in std::mem::take(&mut state.broken) {
                state.drop_link(number, now);
            }
            self.ask_for_room(&mut state);
            state.arm(&self.shared.inbox);
        }
    }

    /// How long to sleep; `None`: until something happens.
    fn plan(&self) -> Option<rustix::event::Timespec> {
        let mut state = self.shared.lock();
        let now = monotonic();
        let mut due = state.owner.wake_at();
        if !state.unsaved.is_empty() && (due == 0 || state.retry_at < due) {
            due = state.retry_at.max(1);
        }
        if state.look_at != 0 && (due == 0 || state.look_at < due) {
            due = state.look_at;
        }
        state.planned = due;
        let micros = due.saturating_sub(now).max(500); // a finer timer than this is of no use to SIP
        (due != 0).then(|| rustix::event::Timespec { tv_sec: (micros / 1_000_000) as i64, tv_nsec: (micros % 1_000_000 * 1000) as _ })
    }

    fn accept(&self, state: &mut State, at: usize, now: u64) {
        let Some(stream) = self.listeners.accept(at) else { return };
        let strangers = state.links.values().filter(|link| !link.is_local() && link.edge.is_none()).count();
        if state.links.len() >= LINKS || (!stream.is_local() && strangers >= STRANGERS) {
            state.links_refused += 1;
            return;
        }
        let number = state.next_link;
        if watch(&self.poller, &stream, number).is_ok() {
            if !stream.is_local() && state.look_at == 0 {
                state.look_at = now + LOOK;
            }
            state.next_link += 1;
            state.links.insert(number, Link::new(stream, now));
        }
    }

    /// Ends links from other machines that say nothing: edges do every second.
    fn look(&mut self, state: &mut State, now: u64) {
        if state.look_at == 0 || now < state.look_at {
            return;
        }
        state.tls_failures += u64::from(!self.listeners.reload());
        let far = state.links.iter().filter(|(_, link)| !link.is_local());
        let limit = |link: &Link| if link.edge.is_some() { SILENCE_SECONDS } else { HELLO_SECONDS } * 1_000_000;
        let silent: Vec<u64> = far.clone().filter(|(_, link)| now > link.heard_at + limit(link)).map(|(number, _)| *number).collect();
        state.look_at = if far.count() > silent.len() { now + LOOK } else { 0 };
        for number in silent {
            state.links_silent += 1;
            state.drop_link(number, now);
        }
    }

    fn serve(&mut self, state: &mut State, number: u64, flags: epoll::EventFlags, now: u64) {
        let Some(mut link) = state.links.remove(&number) else { return };
        let mut good = true;
        if flags.contains(epoll::EventFlags::OUT) {
            good = link.flush();
        }
        if good && flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            good = link.read(&mut self.buffer, now, |link, frame| state.frame(number, link, frame, now));
        }
        state.links.insert(number, link);
        if !good {
            state.drop_link(number, now);
        }
    }

    fn ask_for_room(&self, state: &mut State) {
        for (number, link) in &mut state.links {
            let wants = link.waits();
            if wants != link.wants_room {
                link.wants_room = wants;
                let flags = epoll::EventFlags::IN | if wants { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
                let _ = epoll::modify(&self.poller, &*link, epoll::EventData::new_u64(*number), flags);
            }
        }
    }
}

fn watch(poller: &OwnedFd, what: &impl AsFd, number: u64) -> io::Result<()> {
    let what: BorrowedFd<'_> = what.as_fd();
    Ok(epoll::add(poller, what, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?)
}

fn poke(fd: &OwnedFd) {
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// Microseconds on the clock that only goes forward.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

/// What makes microseconds since 1970 of it.
fn clock_offset() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    (now.tv_sec * 1_000_000 + now.tv_nsec / 1000).wrapping_sub(monotonic() as i64)
}
