//! What an owner hands out: frames per edge, and events for Python. It decides nothing.

use super::counters::Counters;
use super::msgpack as mp;
use crate::frame::{push_sip_down, push_taken, Address, Local, SipDown, Transport, UpHello};
use crate::ids::SHARDS;
use crate::txn::{CallId, Flow, Sink, NO_CALL};
use std::collections::BTreeMap;

/// Bytes that may wait for one edge's link; what is beyond is dropped and counted (UDP repeats it).
pub const OUTPUT_BYTES: usize = 64 * 1024 * 1024;
/// Microseconds.
pub type Micros = u64;

/// One listening address as an edge announced it.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Transport.
    pub transport: Transport,
    /// What it is bound to.
    pub bound: Address,
    /// `host:port` for Via and Contact.
    pub advertised: Box<[u8]>,
}

/// What the owner knows of an edge.
#[derive(Debug, Default)]
pub struct Edge {
    /// The link stands.
    pub up: bool,
    /// It has said HELLO to this owner.
    pub greeted: bool,
    /// Changes at each start of the edge.
    pub incarnation: u64,
    /// The highest epoch that the edge has seen.
    pub epoch: u32,
    /// Its addresses.
    pub locals: Vec<Listening>,
    /// Frames with their length words.
    pub output: Vec<u8>,
    /// Numbers to say taken.
    pub taken: Vec<u64>,
}

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
    events: Vec<u8>,
    waiting: usize,
}

impl Default for Outbox {
    fn default() -> Outbox {
        let epochs = vec![0; usize::from(SHARDS)];
        Outbox { edges: BTreeMap::new(), epochs, counters: Counters::default(), at: 0, events: vec![0; 5], waiting: 0 }
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

    /// The edge by which a message leaves, and the number that its address has there. Over UDP, while the flow's own edge has no link,
    /// that is another which holds the same address: the peer sees no difference.
    fn holder(&self, flow: &Flow) -> (u16, u8) {
        let own = (flow.edge, flow.local);
        if flow.transport != Transport::Udp || self.edges.get(&flow.edge).is_some_and(|edge| edge.up) {
            return own;
        }
        let Some(asked) = self.edges.get(&flow.edge).and_then(|edge| edge.locals.get(usize::from(flow.local))) else { return own };
        let same = |local: &Listening| (local.transport, local.bound) == (Transport::Udp, asked.bound);
        let up = self.edges.iter().filter(|(_, edge)| edge.up);
        let mut places = up.filter_map(|(number, edge)| Some((*number, edge.locals.iter().position(same)? as u8)));
        places.next().unwrap_or(own)
    }

    /// Remembers an edge's HELLO.
    pub fn hello(&mut self, number: u16, hello: &UpHello<'_>) {
        let edge = self.edges.entry(number).or_default();
        let listening =
            |local: Local<'_>| Listening { transport: local.transport, bound: local.bound, advertised: local.advertised.into() };
        edge.greeted = true;
        (edge.incarnation, edge.epoch, edge.locals) = (hello.incarnation, hello.epoch, hello.locals().map(listening).collect());
    }

    /// Says taken.
    pub fn taken(&mut self, edge: u16, seq: u64) {
        if let Some(edge) = self.edges.get_mut(&edge).filter(|edge| edge.up) {
            edge.taken.push(seq);
        }
    }

    /// An edge's frames so far, with length words, TAKEN last: what was decided goes before what is forgotten.
    pub fn output(&mut self, edge: u16) -> Vec<u8> {
        let Some(edge) = self.edges.get_mut(&edge) else { return Vec::new() };
        if !edge.taken.is_empty() {
            push_taken(&mut edge.output, &edge.taken);
            edge.taken.clear();
        }
        std::mem::take(&mut edge.output)
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
        let (number, local) = self.holder(flow);
        let Some(edge) = self.edges.get_mut(&number).filter(|edge| edge.up && edge.output.len() < OUTPUT_BYTES) else {
            self.counters.messages_unsent += 1;
            return;
        };
        let (transport, remote) = (flow.transport, flow.remote);
        push_sip_down(&mut edge.output, &SipDown { shard, epoch, cookie, flow: flow.connection, transport, local, remote, message });
        self.counters.messages_out += 1;
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
