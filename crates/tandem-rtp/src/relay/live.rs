//! What an heir must know of an endpoint beside its plan, and when it is told. It writes no bytes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::lock::LockState;
use super::meeting::MeetingState;
use super::slot::{Counts, Drops};
use super::watch::Watch;
use super::{Relay, Share, Slot};
use crate::learn::Learner;
use crate::plan::{EndpointId, Guard};
use crate::quality::{Inbound, Outbound};
use crate::studio::DeskState;

/// How often a stream that runs is told anew, in microseconds; SRTP forgives 2^15 packets, which is 10 minutes.
pub const KEEP_US: u64 = 5_000_000;

/// What packets have taught about one endpoint. It holds keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Whose.
    pub id: EndpointId,
    /// Where the peer was found, for RTP and for RTCP.
    pub learned: [Option<SocketAddr>; 2],
    /// Traffic: RTP, RTCP.
    pub counts: [Counts; 2],
    /// What was dropped.
    pub drops: Drops,
    /// SRTP.
    pub lock: Option<LockState>,
    /// ICE and DTLS.
    pub meeting: Option<MeetingState>,
    /// Streams from the peer.
    pub heard: Vec<Inbound>,
    /// Streams to it.
    pub sent: Vec<Outbound>,
    /// At the audio engine.
    pub desk: Option<DeskState>,
    /// What comes to it passes in the kernel. Nothing for an heir.
    #[serde(skip)]
    pub passes: bool,
}

/// How long a peer may be silent, in microseconds; 0: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// One that should send.
    pub sending: u64,
    /// One that is on hold.
    pub held: u64,
}

impl Live {
    /// An heir will go on from this: what it must not repeat is counted up before it says anything (RFC 3711 9.1). The store has to
    /// have it before the heir begins.
    pub fn handed_on(mut self) -> Live {
        let states = self.lock.iter_mut().flat_map(|lock| [&mut lock.receive, &mut lock.send]);
        for state in states.flatten() {
            state.takeovers = state.takeovers.saturating_add(1);
        }
        self
    }
}

impl Relay {
    /// What is known of an endpoint.
    pub fn live(&self, now: u64, id: EndpointId) -> Option<Live> {
        let slot = self.slot(self.key(id)?)?;
        Some(Live { desk: self.sound.state(now, slot.at, id), ..slot.live(now) })
    }

    /// An endpoint goes on with what an earlier process knew.
    pub fn inherit(&mut self, now: u64, live: Live) {
        let Some(key) = self.key(live.id) else { return };
        let Some(Some(slot)) = self.slots.get_mut(key as usize) else { return };
        slot.inherit(now, &live);
        if let Some(state) = &live.meeting {
            slot.meet_again(now, state, &mut self.common);
        }
    }

    /// What an heir must be told now: of all endpoints that have changed; of those of the share that play or gather; and of those of
    /// it that run, every [`KEEP_US`].
    pub fn changed(&mut self, now: u64, share: Share) -> Vec<Live> {
        let mut told = Vec::new();
        for (place, slot) in self.slots.iter_mut().enumerate().filter_map(|(place, slot)| Some((place, slot.as_mut()?))) {
            let due = || {
                let runs = slot.made || slot.heard_at() > slot.kept_at;
                let busy = (slot.made || slot.listened) && self.sound.is_busy(slot.at, slot.plan.id);
                busy || runs && now.saturating_sub(slot.kept_at) >= KEEP_US
            };
            if slot.dirty || share.has(place) && due() {
                slot.dirty = false;
                slot.kept_at = now;
                told.push(Live { desk: self.sound.state(now, slot.at, slot.plan.id), ..slot.live(now) });
            }
        }
        told
    }

    /// Endpoints whose peers are silent for too long; each is named once, until it is heard again.
    pub fn silent(&mut self, now: u64, limit: Silence, share: Share) -> Vec<EndpointId> {
        let mut silent = Vec::new();
        for slot in share.of(&mut self.slots) {
            let usual = if slot.plan.sends { limit.sending } else { limit.held };
            let limit = slot.plan.timeout_seconds.map_or(usual, |seconds| u64::from(seconds) * 1_000_000);
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
    pub(super) fn live(&self, now: u64) -> Live {
        Live {
            id: self.plan.id,
            learned: [self.ways[0].learner.learned(), self.ways[1].learner.learned()],
            counts: [self.ways[0].counts, self.ways[1].counts],
            drops: self.drops,
            lock: self.lock.as_ref().map(|lock| lock.state()),
            meeting: self.meeting_state(now),
            heard: self.watch.heard.clone(),
            sent: self.watch.sent.clone(),
            passes: self.passes,
            desk: None,
        }
    }

    fn inherit(&mut self, now: u64, live: &Live) {
        let described = self.plan.remote.map(|at| [at.rtp, at.rtcp]);
        for (at, way) in self.ways.iter_mut().enumerate() {
            let (told, learned) = (described.map(|both| both[at & 1]), live.learned[at & 1]);
            way.learner = Learner::heir(now, self.plan.learning, self.plan.strict, told, learned);
            way.to = way.learner.send_to();
            way.counts = live.counts[at & 1];
        }
        self.drops = live.drops;
        if let Some(state) = &live.lock {
            let by_handshake = matches!(self.plan.guard, Guard::Dtls { .. });
            self.lock.get_or_insert_default().inherit(state, by_handshake);
        }
        let Watch { heard, sent, .. } = &mut self.watch;
        *heard = live.heard.iter().cloned().map(Inbound::heir).collect();
        sent.clone_from(&live.sent);
    }
}
