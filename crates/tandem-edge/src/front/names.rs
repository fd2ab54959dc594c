//! Host names in the front: messages that wait until a next hop's name is known, and members that move with theirs. Names are resolved
//! by `tandem_dns` on its own thread; nothing here waits.

use super::Front;
use crate::config::EdgeError;
use crate::edge::{Edge, NAMES};
use crate::judge::Source;
use crate::locals::Locals;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use tandem_dns::model::Wish;
use tandem_dns::{Event, Resolver, Settings};
use tandem_sip::frame::Transport;
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::proxy::{Named, Names, Verdict};
use tandem_sys::epoll::Interest;

/// Messages that wait for a name; beyond it they are refused with 503.
pub const PARKED: usize = 1_024;
/// Bytes of all of them.
pub const PARKED_BYTES: usize = 8 << 20;
/// How often one message may wait: a name that leads to another place meanwhile is no reason to wait for ever.
const WAITS: u8 = 2;

/// A message that waits.
struct Parked {
    bytes: Vec<u8>,
    transport: Transport,
    local: u8,
    remote: SocketAddr,
    flow: u64,
    waits: u8,
}

/// The resolver of this edge with what waits for it.
pub struct Lookups {
    pub(super) resolver: Arc<Resolver>,
    /// Where names are kept for the next life.
    pub(super) kept: PathBuf,
    parked: HashMap<u64, Parked>,
    bytes: usize,
    next: u64,
}

/// What the proxy may ask without waiting.
pub(super) struct Known(pub(super) Arc<Resolver>);

impl Names for Known {
    fn find(&self, uri: &[u8], seed: u64) -> Named {
        let Ok(wish) = Wish::of_uri(uri) else { return Named::Nowhere };
        match self.0.peek(&wish) {
            None => Named::Unknown,
            Some(Err(why)) if why.is_temporary() => Named::NotNow,
            Some(Err(_)) => Named::Nowhere,
            Some(Ok(found)) => match self.0.order(&found, seed).first() {
                Some(target) => Named::At(target.transport, target.address),
                None => Named::Nowhere,
            },
        }
    }
}

impl Lookups {
    /// With what can be sent by these addresses; no thread starts before a name is asked for.
    pub fn new(settings: &Settings, locals: &Locals, kept: PathBuf) -> Result<Lookups, EdgeError> {
        let mut settings = settings.clone();
        let speaks = |name: &String| locals.iter().any(|local| local.transport.via().eq_ignore_ascii_case(name));
        if settings.transports.iter().any(speaks) {
            settings.transports.retain(speaks);
        }
        if settings.families.is_empty() {
            let has = |v6: bool| locals.iter().any(|local| local.bound.is_ipv6() == v6);
            settings.families =
                [("ipv6", has(true)), ("ipv4", has(false))].iter().filter(|(_, has)| *has).map(|(name, _)| (*name).into()).collect();
        }
        let resolver = Resolver::new(settings).map_err(|error| EdgeError::Config(error.to_string()))?;
        Ok(Lookups { resolver: Arc::new(resolver), kept, parked: HashMap::new(), bytes: 0, next: 1 })
    }

    /// Asks for the URI's name; false when it cannot be asked, or too much waits already.
    fn park(&mut self, uri: &[u8], parked: Parked) -> bool {
        if self.parked.len() >= PARKED || self.bytes + parked.bytes.len() > PARKED_BYTES || parked.waits > WAITS {
            return false;
        }
        let asked = Wish::of_uri(uri).is_ok_and(|wish| self.resolver.ask(wish, self.next));
        if asked {
            self.bytes += parked.bytes.len();
            self.parked.insert(self.next, parked);
            self.next += 1;
        }
        asked
    }

    fn take(&mut self, token: u64) -> Option<Parked> {
        let parked = self.parked.remove(&token)?;
        self.bytes -= parked.bytes.len();
        Some(parked)
    }
}

impl Edge {
    /// Watches for answers, from the first front on.
    pub(crate) fn open_names(&mut self) -> Result<(), EdgeError> {
        if self.lookups.is_none() {
            let lookups = Lookups::new(&self.config.dns, &self.locals, self.config.keys.with_file_name("edge-names.json"))?;
            let fd = lookups.resolver.fd().as_raw_fd();
            let system = |why| EdgeError::Socket { what: "eventfd of names".into(), why };
            self.epoll.add(fd, NAMES, Interest { read: true, write: false }).map_err(system)?;
            self.lookups = Some(lookups);
        }
        Ok(())
    }

    /// Keeps a message whose next hop's name must be looked up first. Refused when too much waits.
    pub(crate) fn park(&mut self, source: &Source<'_>, bytes: &[u8], waits: u8) -> Verdict {
        let parked = Parked {
            bytes: bytes.to_vec(),
            transport: source.transport,
            local: source.local,
            remote: source.remote,
            flow: source.flow,
            waits,
        };
        let (Some(front), Some(lookups)) = (&mut self.front, &mut self.lookups) else { return Verdict::Silence("no_name") };
        if lookups.park(&front.missing(), parked) {
            return Verdict::Done;
        }
        let mut index = Index::default();
        match Message::parse(bytes, &Limits::default(), &mut index) {
            Ok(message) => front.not_now(&message, source),
            Err(_) => Verdict::Silence("no_name"),
        }
    }

    /// Answers have come: messages go on, members move.
    pub(crate) fn names_ready(&mut self) {
        let events = self.lookups.as_ref().map(|lookups| lookups.resolver.drain()).unwrap_or_default();
        let mut moved = false;
        for event in events {
            match event {
                Event::Answered { token, .. } => self.resume(token),
                Event::Changed { .. } => moved = true,
                Event::Enum { .. } => {}
            }
        }
        if moved {
            self.move_members();
        }
    }

    /// It said 503, nothing, or could not be reached: of several servers of one name, this one is tried last for a while.
    pub(crate) fn not_reached(&self, transport: Transport, remote: SocketAddr) {
        if let Some(lookups) = &self.lookups {
            lookups.resolver.failed(transport, remote);
        }
    }

    fn resume(&mut self, token: u64) {
        let Some(parked) = self.lookups.as_mut().and_then(|lookups| lookups.take(token)) else { return };
        let Parked { bytes, transport, local, remote, flow, waits } = parked;
        let source = Source { transport, local, remote, flow, names: &[] };
        let mut index = Index::default();
        let Ok(message) = Message::parse(&bytes, &Limits::default(), &mut index) else { return };
        let Edge { front, connections, links, now, .. } = self;
        let Some(front) = front else { return };
        let member = front.member(&source);
        let verdict = match front.handle(&message, &source, member, connections, links.len() > 0, *now) {
            Verdict::Look => self.park(&source, &bytes, waits + 1),
            verdict => verdict,
        };
        self.fronted(verdict);
    }

    fn move_members(&mut self) {
        let Some(front) = &mut self.front else { return };
        match front.replace(self.now) {
            Ok(changes) => self.tell_changes(&changes),
            Err(error) => self.log.say(self.at, "members by name not usable, the old ones stay", &[("why", &error)]),
        }
    }
}

impl Front {
    /// The URI whose name is missing.
    fn missing(&self) -> Vec<u8> {
        self.proxy.missing()
    }
}
