//! What an heir must know of an endpoint beside its plan, and when it is told. It writes no bytes.

use serde::{Deserialize, Serialize};

use super::slot::{Counts, Drops, Peer};
use super::{Relay, Slot};
use crate::plan::EndpointId;

/// How often a stream that runs is told anew, in microseconds; SRTP forgives 2^15 packets, which is 10 minutes.
pub const KEEP_US: u64 = 5_000_000;

/// What packets have taught about one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Whose.
    pub id: EndpointId,
    /// The peer: RTP, RTCP.
    pub peers: [Peer; 2],
    /// Traffic: RTP, RTCP.
    pub counts: [Counts; 2],
    /// What was dropped.
    pub drops: Drops,
}

/// How long a peer may be silent, in microseconds; 0: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// One that should send.
    pub sending: u64,
    /// One that is on hold.
    pub held: u64,
}

impl Relay {
    /// What is known of an endpoint.
    pub fn live(&self, id: EndpointId) -> Option<Live> {
        self.slot(self.key(id)?).map(Slot::live)
    }

    /// An endpoint goes on with what an earlier process knew.
    pub fn inherit(&mut self, id: EndpointId, live: Live) {
        let slot = self.key(id).and_then(|key| self.slots.get_mut(key as usize)).and_then(Option::as_mut);
        if let Some(slot) = slot {
            slot.inherit(live);
        }
    }

    /// What an heir must be told now: of endpoints that have changed, and of those that run, every [`KEEP_US`].
    pub fn changed(&mut self, now: u64) -> Vec<Live> {
        let due = |slot: &&mut Slot| slot.dirty || slot.heard_at() > slot.kept_at && now.saturating_sub(slot.kept_at) >= KEEP_US;
        let mut told = Vec::new();
        for slot in self.slots().filter(due) {
            slot.dirty = false;
            slot.kept_at = now;
            told.push(slot.live());
        }
        told
    }

    /// Endpoints whose peers are silent for too long; each is named once, until it is heard again.
    pub fn silent(&mut self, now: u64, limit: Silence) -> Vec<EndpointId> {
        let mut silent = Vec::new();
        for slot in self.slots() {
            let limit = if slot.plan.sends { limit.sending } else { limit.held };
            let quiet = limit > 0 && now.saturating_sub(slot.heard_at().max(slot.since)) > limit;
            if quiet && !slot.told_silent {
                silent.push(slot.plan.id);
            }
            slot.told_silent = quiet;
        }
        silent
    }
}

impl Slot {
    fn heard_at(&self) -> u64 {
        self.peers.iter().map(|peer| peer.last_at).max().unwrap_or_default()
    }

    pub(super) fn live(&self) -> Live {
        Live { id: self.plan.id, peers: self.peers, counts: self.counts, drops: self.drops }
    }

    fn inherit(&mut self, live: Live) {
        (self.peers, self.counts, self.drops) = (live.peers, live.counts, live.drops);
    }
}
