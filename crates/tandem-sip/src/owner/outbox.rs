//! What an owner hands out: frames per edge, and events for Python. It decides nothing.

use super::counters::Counters;
use super::edge::{Edge, Listening};
use super::msgpack as mp;
use crate::frame::{SipDown, Transport, UpHello};
use crate::ids::SHARDS;
use crate::txn::{CallId, Flow, Sink, NO_CALL};
use std::collections::BTreeMap;

/// Bytes that may wait for one edge's link; what is beyond is dropped and counted (UDP repeats it).
pub const OUTPUT_BYTES: usize = 64 * 1024 * 1024;
/// Microseconds.
pub type Micros = u64;

/// Output of one owner.
#[derive(Debug)]
pub struct Outbox {
    /// Edges by number.
    pub edges: BTreeMap<u16, Edge>,
    /// Epoch of each shard; 0: not ours.
    pub epochs: Vec<u32>,
    /// What is counted.
    pub counters: Counters,
    /// Microseconds since 1970 now, for events of the owner's own.
    pub at: Micros,
    /// The number of this turn: what goes out in it is heard when `heard_turn` says so.
    pub turn: u64,
    events: Vec<u8>,
    waiting: usize,
}

impl Default for Outbox {
    fn default() -> Outbox {
        let epochs = vec![0; usize::from(SHARDS)];
        Outbox { edges: BTreeMap::new(), epochs, counters: Counters::default(), at: 0, turn: 0, events: vec![0; 5], waiting: 0 }
    }
}

impl Outbox {
    /// The epoch in which a shard is ours; `None`: it is not.
    pub fn epoch(&self, shard: u16) -> Option<u32> {
        self.epochs.get(usize::from(shard)).copied().filter(|epoch| *epoch > 0)
    }

    /// `host:port` that a peer on this flow talks to: the flow's own address, else the edge's first of that transport.
    pub fn advertised(&self, flow: &Flow) -> Option<(u8, &[u8])> {
        let locals = &self.edges.get(&flow.edge)?.locals;
        let own = usize::from(flow.local);
        let at = match locals.get(own) {
            Some(local) if local.transport == flow.transport => own,
            _ => locals.iter().position(|local| local.transport == flow.transport)?,
        };
        Some((at as u8, &locals.get(at)?.advertised))
    }

    /// The flow by which a datagram leaves: through whichever edge holds the address that the peer talks to.
    pub fn leaving(&self, flow: &Flow) -> Flow {
        if flow.transport != Transport::Udp || self.edges.get(&flow.edge).is_none_or(|edge| edge.up) {
            return *flow;
        }
        let Some(asked) = self.edges.get(&flow.edge).and_then(|edge| edge.locals.get(usize::from(flow.local))) else { return *flow };
        let find = |same: &dyn Fn(&Listening) -> bool| {
            let up = self.edges.iter().filter(|(_, edge)| edge.up);
            let mut places = up.filter_map(|(number, edge)| Some((*number, edge.locals.iter().position(same)? as u8)));
            places.next()
        };
        // A wildcard is another address on each host: there the name that peers are told must be the same.
        let own = !asked.bound.ip().is_unspecified();
        let bound = find(&|at| own && (at.transport, at.bound) == (Transport::Udp, asked.bound));
        let other = bound.or_else(|| find(&|at| at.transport == Transport::Udp && at.advertised == asked.advertised));
        other.map_or(*flow, |(edge, local)| Flow { edge, local, ..*flow })
    }

    /// Remembers an edge's HELLO. The cookies of messages that its last life has not heard, on connections that went with it.
    pub fn hello(&mut self, number: u16, hello: &UpHello<'_>) -> Vec<u64> {
        self.edges.entry(number).or_default().hello(hello)
    }

    /// Says taken.
    pub fn taken(&mut self, edge: u16, seq: u64) {
        if let Some(edge) = self.edges.get_mut(&edge).filter(|edge| edge.up) {
            edge.taken.push(seq);
        }
    }

    /// An edge's frames so far, with length words, TAKEN last: what was decided goes before what is forgotten.
    pub fn output(&mut self, edge: u16) -> Vec<u8> {
        let turn = self.turn;
        self.edges.get_mut(&edge).map_or_else(Vec::new, |edge| edge.take(turn))
    }

    /// The newest turn of which every edge has heard everything. `sure`: edges of whom that need not be asked.
    pub fn heard_turn(&self, sure: impl Fn(u16) -> bool) -> u64 {
        let asked = self.edges.iter().filter(|(number, _)| !sure(**number));
        asked.filter_map(|(_, edge)| edge.unheard.oldest()).map(|turn| turn.saturating_sub(1)).min().unwrap_or(self.turn)
    }

    /// Events that wait for Python.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// All events as one msgpack array.
    pub fn drain(&mut self) -> Vec<u8> {
        if self.waiting == 0 {
            return vec![0x90];
        }
        let mut events = std::mem::replace(&mut self.events, vec![0; 5]);
        events[0] = 0xdd;
        events[1..5].copy_from_slice(&(self.waiting as u32).to_be_bytes());
        self.waiting = 0;
        events
    }

    /// Adds one event: `fields` writes its whole array.
    pub fn event(&mut self, fields: impl FnOnce(&mut Vec<u8>)) {
        fields(&mut self.events);
        self.waiting += 1;
        self.counters.events += 1;
    }

    /// Adds `Failed`.
    pub fn failed(&mut self, call: &CallId, txn: u64, server: bool, why: &str) {
        self.counters.failures += 1;
        let at = self.at;
        self.event(|out| {
            mp::array(out, 6);
            mp::int(out, 5);
            mp::int(out, at);
            mp::text(out, call_text(call));
            mp::int(out, txn);
            mp::boolean(out, server);
            mp::text(out, why.as_bytes());
        });
    }
}

impl Sink for Outbox {
    fn send(&mut self, flow: &Flow, shard: u16, cookie: u64, message: &[u8]) {
        let Some(epoch) = self.epoch(shard) else {
            self.counters.messages_unsent += 1; // the shard has moved: its new owner speaks
            return;
        };
        let (flow, turn) = (self.leaving(flow), self.turn);
        let (transport, local, remote) = (flow.transport, flow.local, flow.remote);
        let sip = SipDown { shard, epoch, cookie, flow: flow.connection, transport, local, remote, message };
        let edge = self.edges.get_mut(&flow.edge).filter(|edge| edge.reachable());
        if edge.is_some_and(|edge| edge.say(&sip, turn)) {
            self.counters.messages_out += 1;
        } else {
            self.counters.messages_unsent += 1;
        }
    }

    fn timed_out(&mut self, call: &CallId, txn: u64, server: bool) {
        self.counters.timeouts += 1;
        let at = self.at;
        self.event(|out| {
            mp::array(out, 5);
            mp::int(out, 4);
            mp::int(out, at);
            mp::text(out, call_text(call));
            mp::int(out, txn);
            mp::boolean(out, server);
        });
    }
}

/// A call id as text: empty for none.
pub fn call_text(call: &CallId) -> &[u8] {
    if *call == NO_CALL {
        b""
    } else {
        call
    }
}

/// Appends a flow as Python reads it.
pub fn push_flow(out: &mut Vec<u8>, flow: &Flow) {
    mp::array(out, 6);
    mp::int(out, u64::from(flow.edge));
    mp::int(out, flow.connection);
    mp::int(out, flow.transport as u64);
    mp::int(out, u64::from(flow.local));
    mp::text(out, flow.remote.ip().to_string().as_bytes());
    mp::int(out, u64::from(flow.remote.port));
}
