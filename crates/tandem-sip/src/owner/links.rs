//! Links to edges that begin and end, the shards that are claimed at them, and what becomes of messages that they did not hear.

use super::edge::on_a_connection;
use super::msgpack as mp;
use super::{Owner, EDGE_GRACE};
use crate::frame::{push_claim, push_close, push_down_hello, push_keys, push_policy, Why};
use std::collections::BTreeMap;

impl Owner {
    /// Owns `count` shards from `first` in `epoch` (0: gives them up), and tells the edges.
    pub fn claim(&mut self, epoch: u32, first: u16, count: u16) {
        self.out.epochs.iter_mut().skip(usize::from(first)).take(usize::from(count)).for_each(|known| *known = epoch);
        for edge in self.out.edges.values_mut().filter(|edge| edge.up) {
            push_claim(&mut edge.output, epoch, &[(first, count)]);
        }
    }

    /// The link to an edge stands: HELLO, CLAIM, KEYS and POLICY go out.
    pub fn link_up(&mut self, number: u16, now: u64) {
        self.tell(now);
        let mut greeting = Vec::new();
        push_down_hello(&mut greeting, self.config.node, self.config.incarnation);
        push_keys(&mut greeting, &self.config.keys_json);
        if !self.config.policy_json.is_empty() {
            push_policy(&mut greeting, &self.config.policy_json);
        }
        for (epoch, shards) in claims(&self.out.epochs) {
            push_claim(&mut greeting, epoch, &shards);
        }
        self.out.edges.entry(number).or_default().begin(greeting);
    }

    /// The link to an edge is gone: event `EdgeDown`.
    pub fn link_down(&mut self, number: u16, now: u64) {
        self.tell(now);
        self.forget_peers(number);
        let Some(edge) = self.out.edges.get_mut(&number).filter(|edge| edge.up) else { return };
        edge.end(now, self.out.turn);
        let at = self.out.at;
        self.out.event(|out| {
            mp::array(out, 3);
            mp::int(out, 7);
            mp::int(out, at);
            mp::int(out, u64::from(number));
        });
    }

    /// Begins a turn, and says its number.
    pub fn turn(&mut self) -> u64 {
        self.out.turn += 1;
        self.out.turn
    }

    /// The number of this turn.
    pub fn said_turn(&self) -> u64 {
        self.out.turn
    }

    /// Bytes that edges have not heard, but for those that are `sure` to.
    pub fn bytes_unheard(&self, sure: impl Fn(u16) -> bool) -> usize {
        let asked = self.out.edges.iter().filter(|(number, _)| !sure(**number));
        asked.map(|(_, edge)| edge.unheard.bytes()).sum()
    }

    /// The newest turn of which every edge has heard everything. `sure`: edges of whom that need not be asked.
    pub fn heard_turn(&self, sure: impl Fn(u16) -> bool) -> u64 {
        self.out.heard_turn(sure)
    }

    pub(super) fn edge_up(&mut self, number: u16) {
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

    /// A message did not go out.
    pub(super) fn failed(&mut self, cookie: u64, why: Why, now: u64) {
        if let Some((call, n)) = self.unsent(cookie, why, now) {
            self.out.failed(&call, u64::from(n), false, why.name());
        } else if let Some(call) = self.servers.fail(cookie) {
            self.out.failed(&call, cookie, true, why.name());
        }
    }

    /// Messages on connections that their edge never heard of: they are gone with it.
    pub(super) fn undelivered(&mut self, cookies: &[u64], now: u64) {
        for cookie in cookies {
            self.out.counters.messages_unsent += 1;
            self.failed(*cookie, Why::Flow, now);
        }
    }

    /// Edges that did not come back.
    pub(super) fn give_up(&mut self, now: u64) {
        if self.gives_up_at() == 0 || now < self.gives_up_at() {
            return;
        }
        let mut lost = Vec::new();
        for edge in self.out.edges.values_mut().filter(|edge| edge.lost_at != 0 && now >= edge.lost_at + EDGE_GRACE) {
            edge.lost_at = 0;
            edge.unheard.lose(|sip| lost.extend(on_a_connection(sip)));
        }
        self.undelivered(&lost, now);
    }

    pub(super) fn gives_up_at(&self) -> u64 {
        let lost = self.out.edges.values().filter(|edge| edge.lost_at != 0);
        lost.map(|edge| edge.lost_at + EDGE_GRACE).min().unwrap_or(0)
    }

    pub(super) fn close(&mut self, edge: u16, connection: u64) {
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
