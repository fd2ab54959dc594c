//! All stream connections of an edge, found by number and by peer, within their limits. It reads and writes none of them.

use crate::connection::{Connection, End, Stage};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use tandem_sip::cidr::source_key;
use tandem_sip::frame::Transport;
use tandem_sip::policy::Limits;

/// Seconds within which a connect and its handshake must succeed.
pub const CONNECT_SECONDS: u64 = 4;
/// The same until the peer has taken the connection at all: an address that drops our SYNs costs a call no more than this.
pub const REACH_SECONDS: u64 = 2;
/// Seconds within which a peer must have sent its first whole message, and each later one once begun.
pub const FIRST_MESSAGE_SECONDS: u64 = 10;
/// The same for a peer that has proven itself: radio links stall.
pub const PROVEN_MESSAGE_SECONDS: u64 = 32;

/// Seconds within which a balancer's header must have come: it is the first that a balancer sends.
pub const PREFACE_SECONDS: u64 = 3;
/// Seconds that a connection stays, unread, for the answers to what came before bytes that are no SIP.
pub const LAST_WORDS_SECONDS: u64 = 2;

/// The table.
#[derive(Default)]
#[allow(clippy::len_without_is_empty)]
pub struct Connections {
    all: HashMap<u64, Connection>,
    by_peer: HashMap<(Transport, SocketAddr), u64>,
    /// By the addresses at which peers want to be called on what they opened.
    aliases: HashMap<(Transport, SocketAddr), u64>,
    per_source: HashMap<u64, u32>,
    last: u64,
    opening: usize,
}

impl Connections {
    /// Numbers begin above `last`: those of an earlier incarnation of this edge may still stand in dialogs, and must lead nowhere.
    pub fn after(last: u64) -> Connections {
        Connections { last, ..Connections::default() }
    }

    /// Whether one more of `source` may be accepted.
    pub fn has_room(&self, source: IpAddr, limits: &Limits, exempt: bool) -> bool {
        let of_source = self.per_source.get(&source_key(source)).copied().unwrap_or(0);
        self.all.len() < limits.connections as usize && (exempt || of_source < limits.connections_per_source)
    }

    /// A number that no connection had.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a connection.
    pub fn add(&mut self, connection: Connection) {
        self.by_peer.insert((connection.transport, connection.remote), connection.flow);
        *self.per_source.entry(source_key(connection.remote.ip())).or_default() += 1;
        self.opening += usize::from(connection.outgoing);
        self.all.insert(connection.flow, connection);
    }

    /// Takes a connection out.
    pub fn remove(&mut self, flow: u64) -> Option<Connection> {
        let connection = self.all.remove(&flow)?;
        let peer = (connection.transport, connection.remote);
        if self.by_peer.get(&peer) == Some(&flow) {
            self.by_peer.remove(&peer);
        }
        if let Some(address) = connection.alias {
            forget(&mut self.aliases, (connection.transport, address), flow);
        }
        let source = source_key(connection.remote.ip());
        if let Some(count) = self.per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
        self.opening -= usize::from(connection.outgoing);
        Some(connection)
    }

    /// How many there are of each transport.
    pub fn by_transport(&self) -> Vec<(Transport, u64)> {
        let mut counts: Vec<(Transport, u64)> = Vec::new();
        for connection in self.all.values() {
            match counts.iter_mut().find(|(transport, _)| *transport == connection.transport) {
                Some((_, count)) => *count += 1,
                None => counts.push((connection.transport, 1)),
            }
        }
        counts
    }

    /// The connection of a number.
    pub fn get(&mut self, flow: u64) -> Option<&mut Connection> {
        self.all.get_mut(&flow)
    }

    /// Whether there is one of this number.
    pub fn has(&self, flow: u64) -> bool {
        self.all.contains_key(&flow)
    }

    /// The connection to a peer.
    pub fn to(&self, transport: Transport, remote: SocketAddr) -> Option<u64> {
        let peer = (transport, remote);
        self.by_peer.get(&peer).or_else(|| self.aliases.get(&peer)).copied()
    }

    /// Requests to this address go back on a connection, instead of that of its last alias.
    pub fn alias(&mut self, flow: u64, address: SocketAddr) {
        let Some(connection) = self.all.get_mut(&flow) else { return };
        let transport = connection.transport;
        if let Some(old) = connection.alias.replace(address).filter(|old| *old != address) {
            forget(&mut self.aliases, (transport, old), flow);
        }
        self.aliases.insert((transport, address), flow);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether one that we opened is there, so that its time-out must be watched more closely.
    pub fn opening(&self) -> bool {
        self.opening > 0
    }

    /// All numbers.
    pub fn flows(&self) -> Vec<u64> {
        self.all.keys().copied().collect()
    }

    /// Those of one source, as limits count it.
    pub fn of(&self, source: IpAddr) -> impl Iterator<Item = &Connection> {
        let key = source_key(source);
        let any = self.per_source.contains_key(&key);
        self.all.values().filter(move |connection| any && source_key(connection.remote.ip()) == key)
    }

    /// Whether bytes wait to be written on any.
    pub fn waiting(&self) -> bool {
        self.all.values().any(Connection::wants_write)
    }

    /// Those of registered phones.
    pub fn kept(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.all.values_mut().filter(|connection| connection.kept.is_some())
    }

    /// Those whose peers have proven a name.
    pub fn named(&self) -> impl Iterator<Item = &Connection> {
        self.all.values().filter(|connection| !connection.names.is_empty())
    }

    /// Those that have waited too long, at monotonic `now`.
    pub fn overdue(&self, limits: &Limits, now: u64) -> Vec<(u64, End)> {
        let idle = u64::from(limits.idle_seconds);
        self.all.values().filter_map(|connection| overdue(connection, idle, now).map(|end| (connection.flow, end))).collect()
    }
}

fn forget(aliases: &mut HashMap<(Transport, SocketAddr), u64>, address: (Transport, SocketAddr), flow: u64) {
    if aliases.get(&address) == Some(&flow) {
        aliases.remove(&address);
    }
}

fn overdue(connection: &Connection, idle_seconds: u64, now: u64) -> Option<End> {
    let older = |since: u64, seconds: u64| now.saturating_sub(since) >= seconds * 1_000_000;
    let patience = if connection.stage == Stage::Connecting { REACH_SECONDS } else { CONNECT_SECONDS };
    if connection.outgoing && connection.stage != Stage::Open && older(connection.opened_at, patience) {
        return Some(End::Timeout);
    }
    if connection.stage == Stage::Prefaced && older(connection.opened_at, PREFACE_SECONDS) {
        return Some(End::ProxyHeader);
    }
    if let Some(until) = connection.last_words_until {
        return (now >= until).then_some(End::Framing);
    }
    let patience = if connection.proven { PROVEN_MESSAGE_SECONDS } else { FIRST_MESSAGE_SECONDS };
    if connection.partial_since.is_some_and(|since| older(since, patience)) {
        return Some(End::Slow);
    }
    if !connection.spoke && !connection.proven && older(connection.opened_at, FIRST_MESSAGE_SECONDS) {
        return Some(End::Slow);
    }
    (connection.kept.is_none() && older(connection.heard_at, idle_seconds)).then_some(End::Idle)
}
