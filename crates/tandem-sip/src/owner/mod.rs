//! The owner's side of the link: transactions, refusals and events for the calls of one node. Pure: frames in, frames and events out.

mod commands;
mod compose;
mod config;
mod counters;
mod detour;
mod early;
mod events;
mod glance;
mod inbound;
mod msgpack;
mod outbox;
mod proven;
mod trust;

#[cfg(test)]
mod tests;

pub use config::{BadConfig, Config, INBOX_EVENTS};
pub use counters::Counters;
pub use msgpack::BadCommands;
pub use outbox::{Edge, Listening, OUTPUT_BYTES};
pub use trust::{Saved, EDGE_PREFIX, ROW_PREFIX};

use crate::accounts::Accounts;
use crate::frame::{push_claim, push_close, push_down_hello, push_keys, push_policy, read_up, Up};
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
        self.policy = Some(Policy::from_json(json)?);
        self.config.policy_json = json.to_vec();
        for edge in self.out.edges.values_mut().filter(|edge| edge.up) {
            push_policy(&mut edge.output, json);
        }
        Ok(())
    }

    /// Owns `count` shards from `first` in `epoch` (0: gives them up), and tells the edges.
    pub fn claim(&mut self, epoch: u32, first: u16, count: u16) {
        self.out.epochs.iter_mut().skip(usize::from(first)).take(usize::from(count)).for_each(|known| *known = epoch);
        if epoch > 0 {
            for edge in self.out.edges.values_mut().filter(|edge| edge.up) {
                push_claim(&mut edge.output, epoch, &[(first, count)]);
            }
        }
    }

    /// The link to an edge stands: HELLO, CLAIM, KEYS and POLICY go out.
    pub fn link_up(&mut self, number: u16, now: u64) {
        self.tell(now);
        let claims = claims(&self.out.epochs);
        let edge = self.out.edges.entry(number).or_default();
        edge.up = true;
        edge.output.clear();
        edge.taken.clear();
        push_down_hello(&mut edge.output, self.config.node, self.config.incarnation);
        push_keys(&mut edge.output, &self.config.keys_json);
        if !self.config.policy_json.is_empty() {
            push_policy(&mut edge.output, &self.config.policy_json);
        }
        for (epoch, shards) in claims {
            push_claim(&mut edge.output, epoch, &shards);
        }
    }

    /// The link to an edge is gone: event `EdgeDown`.
    pub fn link_down(&mut self, number: u16, now: u64) {
        self.tell(now);
        self.forget_peers(number);
        let Some(edge) = self.out.edges.get_mut(&number).filter(|edge| edge.up) else { return };
        edge.up = false;
        (edge.output, edge.taken) = (Vec::new(), Vec::new());
        let at = self.out.at;
        self.out.event(|out| {
            mp::array(out, 3);
            mp::int(out, 7);
            mp::int(out, at);
            mp::int(out, u64::from(number));
        });
    }

    /// One whole frame of an edge, without its length word. A frame that cannot be read is counted and dropped.
    pub fn handle(&mut self, edge: u16, frame: &[u8], now: u64) {
        self.tell(now);
        match read_up(frame) {
            Ok(Up::Sip(sip)) => self.sip(edge, &sip, now),
            Ok(Up::Hello(hello)) => {
                self.forget_peers(edge);
                self.edge_began(edge, hello.incarnation);
                self.out.hello(edge, &hello);
                self.edge_up(edge);
                self.edge_greeted(edge, now);
            }
            Ok(Up::Failed { cookie, why }) => {
                if let Some((call, n)) = self.unsent(cookie, why, now) {
                    self.out.failed(&call, u64::from(n), false, why.name());
                } else if let Some(call) = self.servers.fail(cookie) {
                    self.out.failed(&call, cookie, true, why.name());
                }
            }
            Ok(Up::Closed { flow }) => {
                self.peers.remove(&(edge, flow));
                self.registrar.flow_closed(edge, flow);
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
            }
            Ok(Up::Peer { flow, names }) => self.peer_proved(edge, flow, names),
            Err(_) => self.out.counters.bad_frames += 1,
        }
    }

    /// Runs the timers.
    pub fn advance(&mut self, now: u64) {
        self.tell(now);
        self.stop_waiting(now);
        self.servers.advance(now, &mut self.out);
        self.clients.advance(now, &mut self.out);
        self.sweep();
    }

    /// When `advance` may next have something to do; 0: never.
    pub fn wake_at(&self) -> u64 {
        [self.servers.wake_at(), self.clients.wake_at(), self.sweep_due(), self.early.wake_at()].into_iter().fold(0, crate::txn::earlier)
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
        self.out.edges.iter().filter(|(_, edge)| !edge.output.is_empty() || !edge.taken.is_empty()).map(|(number, _)| *number)
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
            ("edges_up", self.out.edges.values().filter(|edge| edge.up).count() as u64),
        ]);
        list
    }

    fn tell(&mut self, now: u64) {
        self.out.at = now.saturating_add_signed(self.clock_offset);
    }

    fn edge_up(&mut self, number: u16) {
        let at = self.out.at;
        let Some(edge) = self.out.edges.get(&number) else { return };
        let locals: Vec<_> = edge.locals.iter().map(|local| (local.transport as u64, local.advertised.clone())).collect();
        let incarnation = edge.incarnation;
        self.out.event(|out| {
            mp::array(out, 5);
            mp::int(out, 6);
            mp::int(out, at);
            mp::int(out, u64::from(number));
            mp::int(out, incarnation);
            mp::array(out, locals.len());
            for (transport, advertised) in &locals {
                mp::array(out, 2);
                mp::int(out, *transport);
                mp::text(out, advertised);
            }
        });
    }

    fn close(&mut self, edge: u16, connection: u64) {
        if let Some(edge) = self.out.edges.get_mut(&edge).filter(|edge| edge.up) {
            push_close(&mut edge.output, connection);
        }
    }
}

/// Shards by epoch, as ranges.
fn claims(epochs: &[u32]) -> BTreeMap<u32, Vec<(u16, u16)>> {
    let mut claims: BTreeMap<u32, Vec<(u16, u16)>> = BTreeMap::new();
    let mut start = 0;
    for run in epochs.chunk_by(|a, b| a == b) {
        if let Some(&epoch) = run.first().filter(|epoch| **epoch > 0) {
            claims.entry(epoch).or_default().push((start, run.len() as u16));
        }
        start += run.len() as u16;
    }
    claims
}
