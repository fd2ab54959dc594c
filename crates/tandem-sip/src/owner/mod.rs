//! The owner's side of the link: transactions, refusals and events for the calls of one node. Pure: frames in, frames and events out.

mod commands;
mod compose;
mod config;
mod counters;
mod detour;
mod early;
mod edge;
mod events;
mod flows;
mod glance;
mod inbound;
mod links;
mod msgpack;
mod outbox;
mod proven;
mod signing;
mod trust;
mod unheard;

#[cfg(test)]
mod emergency_tests;
#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod tests;

pub use config::{BadConfig, Config, INBOX_EVENTS};
pub use counters::Counters;
pub use edge::{Edge, Listening};
pub use msgpack::BadCommands;
pub use outbox::OUTPUT_BYTES;
pub use trust::{Saved, EDGE_PREFIX, ROW_PREFIX};
pub use unheard::EDGE_GRACE;

use crate::accounts::Accounts;
use crate::frame::{push_alive, push_policy, read_up, Up};
use crate::ids::Keys;
use crate::index::Index;
use crate::nonces::Nonces;
use crate::policy::{BadPolicy, Policy};
use crate::registrar::Registrar;
use crate::txn::{Clients, Servers};
use crate::users::Users;
use msgpack as mp;
use outbox::Outbox;
use std::collections::{BTreeMap, HashMap};

/// One node's owner.
///
/// ```
/// use tandem_sip::owner::{Config, Owner};
/// let config = br#"{"node_id": 1, "incarnation": 1, "epoch": 1,
///   "keys": {"hash": "00000000000000000000000000000001", "signing": [{"id": "a", "secret": "00000000000000000000000000000002"}]}}"#;
/// let mut owner = Owner::new(Config::read(config).unwrap()).unwrap();
/// owner.link_up(1, 1_000_000);
/// assert!(!owner.output(1).is_empty());
/// ```
pub struct Owner {
    config: Config,
    policy: Option<Policy>,
    servers: Servers,
    clients: Clients,
    out: Outbox,
    /// When another key signs, in microseconds since 1970; 0: never.
    keys_change_at: u64,
    /// Frames given to Python and not taken yet; the client transaction whose ACK waits for it, or 0.
    in_hand: HashMap<(u16, u64), u64>,
    edge_stats: BTreeMap<u16, Vec<u8>>,
    clock_offset: i64,
    detours: detour::Detours,
    early: early::Early,
    proven: proven::Proven,
    /// The names that peers have proven by certificate, by edge and connection.
    peers: BTreeMap<(u16, u64), Vec<Box<[u8]>>>,
    accounts: Accounts,
    users: Users,
    nonces: Nonces,
    registrar: Registrar,
    saves: Vec<Saved>,
    sweep_at: u64,
    /// Frames of REGISTERs whose rows the next sweep stores: (edge, seq).
    unswept: Vec<(u16, u64)>,
    index: Index,
}

impl Owner {
    /// An owner of the shards that `config` names, without edges.
    pub fn new(mut config: Config) -> Result<Owner, BadPolicy> {
        let mut out = Outbox::default();
        for &(first, count) in &config.shards {
            out.epochs.iter_mut().skip(usize::from(first)).take(usize::from(count)).for_each(|epoch| *epoch = config.epoch);
        }
        let json = std::mem::take(&mut config.policy_json);
        let intervals = config.intervals;
        let accounts = Accounts::new(config.keys.hash);
        let registrar = Registrar::new(config.registrar, config.keys.hash);
        let mut owner = Owner {
            config,
            policy: None,
            servers: Servers::new(intervals),
            clients: Clients::new(intervals),
            out,
            keys_change_at: 1,
            in_hand: HashMap::new(),
            edge_stats: BTreeMap::new(),
            clock_offset: 0,
            detours: detour::Detours::default(),
            early: early::Early::default(),
            proven: proven::Proven::default(),
            peers: BTreeMap::new(),
            accounts,
            users: Users::default(),
            nonces: Nonces::default(),
            registrar,
            saves: Vec::new(),
            sweep_at: 0,
            unswept: Vec::new(),
            index: Index::default(),
        };
        if !json.is_empty() {
            owner.set_policy(&json)?;
        }
        Ok(owner)
    }

    /// What to add to `now` for microseconds since 1970; 0 where `now` is that already.
    pub fn set_clock(&mut self, offset: i64) {
        self.clock_offset = offset;
    }

    /// The keys in force.
    pub fn keys(&self) -> &Keys {
        &self.config.keys
    }

    /// Puts a policy in force here and at every edge.
    pub fn set_policy(&mut self, json: &[u8]) -> Result<(), BadPolicy> {
        let policy = Policy::from_json(json)?;
        self.users.hide_names(policy.userhash);
        let keepalive = policy.keepalive;
        let changed = self.policy.replace(policy).is_none_or(|old| old.keepalive != keepalive);
        self.config.policy_json = json.to_vec();
        for edge in self.out.edges.values_mut().filter(|edge| edge.up) {
            push_policy(&mut edge.output, json);
        }
        if changed {
            self.keep_alive_anew(keepalive);
        }
        Ok(())
    }

    /// One whole frame of an edge, without its length word. A frame that cannot be read is counted and dropped.
    pub fn handle(&mut self, edge: u16, frame: &[u8], now: u64) {
        self.tell(now);
        match read_up(frame) {
            Ok(Up::Sip(sip)) => self.sip(edge, &sip, now),
            Ok(Up::Hello(hello)) => {
                self.forget_peers(edge);
                self.edge_began(edge, hello.incarnation);
                let lost = self.out.hello(edge, &hello);
                self.undelivered(&lost, now);
                self.watch_all(edge);
                self.edge_up(edge);
                self.edge_greeted(edge, now);
            }
            Ok(Up::Failed { cookie, why }) => self.failed(cookie, why, now),
            Ok(Up::Closed { flow }) => {
                self.peers.remove(&(edge, flow));
                self.registrar.flow_closed(edge, flow, self.out.at);
                let at = self.out.at;
                self.out.event(|out| {
                    mp::array(out, 4);
                    mp::int(out, 8);
                    mp::int(out, at);
                    mp::int(out, u64::from(edge));
                    mp::int(out, flow);
                });
            }
            Ok(Up::Stats(json)) => {
                self.edge_stats.insert(edge, json.to_vec());
                if let Some(edge) = self.out.edges.get_mut(&edge).filter(|edge| edge.up) {
                    push_alive(&mut edge.output);
                }
            }
            Ok(Up::Peer { flow, names }) => self.peer_proved(edge, flow, names),
            Ok(Up::Heard { incarnation, count }) => {
                let count = if incarnation == self.config.incarnation { count } else { 0 }; // it speaks of an owner before us
                if let Some(edge) = self.out.edges.get_mut(&edge) {
                    edge.heard(count);
                }
            }
            Ok(Up::Answers { flow, answers }) => self.answers(edge, &flow, answers),
            Err(_) => self.out.counters.bad_frames += 1,
        }
    }

    /// Runs the timers.
    pub fn advance(&mut self, now: u64) {
        self.tell(now);
        self.stop_waiting(now);
        self.give_up(now);
        self.servers.advance(now, &mut self.out);
        self.clients.advance(now, &mut self.out);
        self.sweep();
    }

    /// When `advance` may next have something to do; 0: never.
    pub fn wake_at(&self) -> u64 {
        [self.servers.wake_at(), self.clients.wake_at(), self.sweep_due(), self.early.wake_at(), self.gives_up_at()]
            .into_iter()
            .fold(0, crate::txn::earlier)
    }

    /// All waiting events as one msgpack array.
    pub fn drain(&mut self) -> Vec<u8> {
        self.out.drain()
    }

    /// Events that wait for Python.
    pub fn waiting(&self) -> usize {
        self.out.waiting()
    }

    /// Frames for one edge, with their length words.
    pub fn output(&mut self, edge: u16) -> Vec<u8> {
        self.out.output(edge)
    }

    /// Edges with something to send.
    pub fn edges_with_output(&self) -> impl Iterator<Item = u16> + '_ {
        self.out.edges.iter().filter(|(_, edge)| edge.has_output()).map(|(number, _)| *number)
    }

    /// What is known of the edges.
    pub fn edges(&self) -> impl Iterator<Item = (u16, &Edge)> {
        self.out.edges.iter().map(|(number, edge)| (*number, edge))
    }

    /// The last STATS of each edge, JSON.
    pub fn edge_stats(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.edge_stats.iter().map(|(number, json)| (*number, &json[..]))
    }

    /// Counters and sizes by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut list = self.out.counters.list();
        list.extend([
            ("server_transactions", self.servers.len() as u64),
            ("client_transactions", self.clients.len() as u64),
            ("events_waiting", self.out.waiting() as u64),
            ("frames_in_hand", self.in_hand.len() as u64),
            ("registrations", self.registrar.len() as u64),
            ("registrar_bytes", self.registrar.memory() as u64),
            ("users", self.users.len() as u64),
            ("peers_proven", self.peers.len() as u64),
            ("bytes_unheard", self.out.edges.values().map(|edge| edge.unheard.bytes() as u64).sum()),
            ("edges_up", self.out.edges.values().filter(|edge| edge.up).count() as u64),
        ]);
        list
    }

    fn tell(&mut self, now: u64) {
        self.out.at = now.saturating_add_signed(self.clock_offset);
        self.turn_keys();
    }
}
