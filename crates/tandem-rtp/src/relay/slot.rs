//! One endpoint while packets flow: its plan, and what the packets have taught. It forwards nothing itself.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::meeting::{Common, Meeting};
use super::sound::Spot;
use super::watch::Watch;
use super::{Component, Key, SINKS};
use crate::learn::Learner;
use crate::plan::{Endpoint, Guard};

/// Why packets went nowhere, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// From another address than the one learned, with a strict source.
    pub source: u64,
    /// Not what belongs here: neither RTP, RTCP, STUN nor DTLS.
    pub alien: u64,
    /// SRTP that does not authenticate, or came twice; and what could not be protected.
    pub guard: u64,
    /// Nobody to send it to, or its address is not known.
    pub nowhere: u64,
    /// Media blocked.
    pub blocked: u64,
}

impl Drops {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.source + self.alien + self.guard + self.nowhere + self.blocked
    }
}

/// What one component has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets received from the peer.
    pub packets: u64,
    /// Their bytes, without UDP and IP.
    pub bytes: u64,
    /// Packets sent to the peer.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// When the last packet came, microseconds since 1970; 0: none did.
    pub last_at: u64,
}

/// One of an endpoint's two ports.
pub(super) struct Way {
    pub(super) learner: Learner,
    /// Where packets to the peer go now; from the learner, or from ICE.
    pub(super) to: Option<SocketAddr>,
    pub(super) counts: Counts,
}

/// An endpoint of the table.
pub struct Slot {
    /// What it has to do.
    pub plan: Endpoint,
    /// What the shell calls it.
    pub token: u64,
    pub(super) ways: [Way; 2],
    pub(super) drops: Drops,
    /// Of SRTP.
    pub(super) lock: Option<Box<Lock>>,
    /// ICE and DTLS.
    pub(super) meeting: Option<Box<Meeting>>,
    /// How well its streams do.
    pub(super) watch: Watch,
    /// Where the plan's sinks were found last in the table.
    pub(super) sinks: Vec<Key>,
    /// Since when the plan stands, microseconds.
    pub(super) since: u64,
    /// What comes to it passes elsewhere, in the kernel.
    pub(super) passes: bool,
    /// Every packet of it has to be seen.
    pub(super) tapped: bool,
    /// The call that it is of.
    pub(super) call: Spot,
    /// Where in the audio engine its sound is: its call, or a room.
    pub(super) at: Spot,
    /// The room that it is in.
    pub(super) room: Option<Box<str>>,
    /// What it receives goes to the audio engine too.
    pub(super) listened: bool,
    /// What its peer gets comes from the audio engine, and from nowhere else.
    pub(super) made: bool,
    /// That its peer is silent has been said.
    pub(super) told_silent: bool,
    /// When its state was told last, microseconds.
    pub(super) kept_at: u64,
    /// Something that an heir must know has changed since then.
    pub(super) dirty: bool,
}

impl Slot {
    pub(super) fn new(now: u64, plan: Endpoint, token: u64, common: &mut Common) -> Slot {
        let described = plan.remote.map(|at| [at.rtp, at.rtcp]);
        let way = |component: Component| {
            let to = described.map(|at| at[component as usize]);
            Way { learner: Learner::new(plan.learning, plan.strict, to), to, counts: Counts::default() }
        };
        Slot {
            ways: [way(Component::Rtp), way(Component::Rtcp)],
            call: Spot::call(&plan.call),
            at: Spot::call(&plan.call),
            room: None,
            listened: false,
            made: false,
            plan,
            token,
            drops: Drops::default(),
            lock: None,
            meeting: None,
            watch: Watch::new(now, common.number(), u64::from(common.number()), common.number()),
            sinks: Vec::new(),
            since: now,
            passes: false,
            tapped: false,
            told_silent: false,
            kept_at: now,
            dirty: true,
        }
    }

    /// Another plan; what was learned stays unless the peer's address in it is another one.
    pub(super) fn replan(&mut self, now: u64, plan: Endpoint) {
        let described = plan.remote.map(|at| [at.rtp, at.rtcp]);
        for (component, way) in [Component::Rtp, Component::Rtcp].into_iter().zip(&mut self.ways) {
            way.learner.describe(plan.learning, plan.strict, described.map(|at| at[component as usize]));
            if plan.ice.is_none() {
                way.to = way.learner.send_to();
            }
        }
        self.plan = plan;
        self.since = now;
        self.told_silent = false;
        self.dirty = true;
    }

    /// Takes sinks and keys of its plan.
    pub(super) fn settle(&mut self) {
        self.plan.sinks.truncate(SINKS);
        self.sinks = vec![Key::MAX; self.plan.sinks.len()];
        if matches!(self.plan.guard, Guard::Plain | Guard::Opaque) {
            self.lock = None;
        } else {
            self.lock.get_or_insert_default().plan(&self.plan.guard);
        }
    }

    /// Whether a packet from `from` is the peer's; learns its address, unless ICE says it.
    pub(super) fn accept(&mut self, now: u64, component: Component, from: SocketAddr) -> bool {
        let by_ice = self.plan.ice.is_some();
        let way = &mut self.ways[component as usize];
        if by_ice {
            return true; // what protects the packets decides
        }
        let decision = way.learner.saw(now, from);
        if let Some(moved) = decision.moved {
            way.to = Some(moved);
            self.dirty = true;
        }
        decision.accept
    }

    /// When anything came from its peer last, microseconds; 0: nothing did.
    pub(super) fn heard_at(&self) -> u64 {
        self.ways[0].counts.last_at.max(self.ways[1].counts.last_at)
    }
}
