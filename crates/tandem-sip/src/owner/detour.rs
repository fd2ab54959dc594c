//! Large requests to UDP peers: TCP first (RFC 3261 18.1.1), and what was learned of each peer. It composes and sends nothing.

use super::outbox::Micros;
use super::Owner;
use crate::frame::{Address, Transport, Why};
use crate::txn::{CallId, Flow, Unsent};
use std::collections::HashMap;

/// Bytes of a request that leave in a datagram anywhere; a longer one is tried over TCP first (RFC 3261 18.1.1).
pub(super) const DATAGRAM_BYTES: usize = 1300;
/// How long it is remembered whether a peer takes TCP, in microseconds.
pub(super) const VERDICT: Micros = 600_000_000;
/// Peers remembered; beyond it a peer is tried anew with each large request.
const PEERS_TRIED: usize = 4096;

/// Whether peers take TCP, by address, and until when that counts.
#[derive(Default)]
pub(super) struct Detours(HashMap<Address, (bool, Micros)>);

impl Detours {
    /// `None`: nobody knows.
    fn takes_tcp(&self, peer: Address, at: Micros) -> Option<bool> {
        self.0.get(&peer).filter(|(_, until)| *until > at).map(|(takes, _)| *takes)
    }

    fn learn(&mut self, peer: Address, takes_tcp: bool, at: Micros) {
        if self.0.len() >= PEERS_TRIED && !self.0.contains_key(&peer) {
            self.0.retain(|_, (_, until)| *until > at);
        }
        if self.0.len() < PEERS_TRIED || self.0.contains_key(&peer) {
            self.0.insert(peer, (takes_tcp, at + VERDICT));
        }
    }
}

impl Owner {
    /// The TCP flow to try instead of a UDP one, for addresses. A phone that registered over UDP has none: it is behind a NAT as a
    /// rule, and gets fragments.
    pub(super) fn detour(&self, flow: &Flow, named_edge: u16) -> Option<Flow> {
        if flow.transport != Transport::Udp {
            return None;
        }
        let verdict = self.detours.takes_tcp(flow.remote, self.out.at);
        // An address that Python names without an edge is a trunk's; in its dialogs the edge is named. No phone registers from a
        // trunk's address: who comes from there is the trunk.
        let is_trunk = || self.policy.as_ref().is_some_and(|policy| policy.trunk_at(flow.remote.ip()).is_some());
        if verdict == Some(false) || !(named_edge == 0 || verdict == Some(true) || is_trunk()) {
            return None;
        }
        self.over_tcp(flow)
    }

    /// The same peer over TCP, if the edge speaks that.
    pub(super) fn over_tcp(&self, flow: &Flow) -> Option<Flow> {
        let stream = Flow { connection: 0, transport: Transport::Tcp, ..*flow };
        let local = self.out.advertised(&stream)?.0;
        Some(Flow { local, ..stream })
    }

    /// A request could not be sent, for this reason. What to tell Python, if it is over.
    pub(super) fn unsent(&mut self, key: u64, why: Why, now: u64) -> Option<(CallId, u32)> {
        match self.clients.fail(key, now, &mut self.out) {
            Unsent::Over(call, n) => Some((call, n)),
            Unsent::FellBack(flow) => {
                self.out.counters.fell_back_to_udp += 1;
                if why != Why::Flow {
                    self.detours.learn(flow.remote, false, self.out.at);
                }
                None
            }
            Unsent::Unknown => None,
        }
    }

    /// A response came to a request that was tried over TCP.
    pub(super) fn heard_over_tcp(&mut self, key: u64) {
        if let Some((Transport::Tcp, peer, true)) = self.clients.towards(key) {
            self.detours.learn(peer, true, self.out.at);
        }
    }
}
