//! One endpoint while packets flow: its plan, and what the packets have taught. It forwards nothing itself.

use std::net::SocketAddr;

use super::{Component, Key, SINKS};
use crate::plan::{Endpoint, Guard, Learning};

/// How long after its first packet a peer's address may still be learned, in microseconds (rtpengine's 3 seconds).
pub const LEARN_US: u64 = 3_000_000;
/// An established source that was silent for so long, in microseconds, may be replaced by one from the same address (a NAT that forgot).
pub const REBIND_US: u64 = 1_000_000;

/// Why packets went nowhere, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Drops {
    /// From another address than the one learned, with a strict source.
    pub source: u64,
    /// Not what belongs here: no RTP, no RTCP.
    pub alien: u64,
    /// SRTP that does not authenticate, or came twice.
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

/// The address of one component's peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Peer {
    /// Where packets to it go.
    pub to: Option<SocketAddr>,
    /// When the first packet came from it, microseconds; 0: none yet.
    pub first_at: u64,
    /// When the last one came, microseconds.
    pub last_at: u64,
    /// `to` stands and is no longer learned.
    pub firm: bool,
}

/// What one component has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Packets received from the peer.
    pub packets: u64,
    /// Their bytes, without UDP and IP.
    pub bytes: u64,
    /// Packets sent to the peer.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
}

/// An endpoint of the table.
pub struct Slot {
    /// What it has to do.
    pub plan: Endpoint,
    /// What the shell calls it.
    pub token: u64,
    /// The peer: RTP, RTCP.
    pub peers: [Peer; 2],
    /// Traffic: RTP, RTCP.
    pub counts: [Counts; 2],
    /// What was dropped.
    pub drops: Drops,
    /// Where the plan's sinks were found last in the table.
    pub(super) sinks: Vec<Key>,
    /// Since when the plan stands, microseconds.
    pub(super) since: u64,
    /// That its peer is silent has been said.
    pub(super) told_silent: bool,
    /// When its state was given to the store last, microseconds.
    pub(super) kept_at: u64,
    /// Something that an heir must know has changed since the last look.
    pub dirty: bool,
}

impl Slot {
    pub(super) fn new(now: u64, plan: Endpoint, token: u64) -> Slot {
        let mut slot = Slot {
            plan,
            token,
            peers: [Peer::default(); 2],
            counts: [Counts::default(); 2],
            drops: Drops::default(),
            sinks: Vec::new(),
            since: now,
            told_silent: false,
            kept_at: now,
            dirty: true,
        };
        slot.described();
        slot.resink();
        slot
    }

    /// Another plan; what was learned stays unless the peer's address in it is another one.
    pub(super) fn replan(&mut self, now: u64, plan: Endpoint) {
        let moved = plan.remote != self.plan.remote;
        self.plan = plan;
        self.since = now;
        self.told_silent = false;
        self.resink();
        self.dirty = true;
        if moved {
            self.described();
        }
    }

    fn resink(&mut self) {
        self.plan.sinks.truncate(SINKS);
        self.sinks = vec![Key::MAX; self.plan.sinks.len()];
    }

    /// Begins with the addresses of the description.
    fn described(&mut self) {
        let remote = self.plan.remote;
        let firm = self.plan.learning == Learning::Off;
        for (peer, to) in self.peers.iter_mut().zip([remote.map(|at| at.rtp), remote.map(|at| at.rtcp)]) {
            *peer = Peer { to, firm, ..Peer::default() };
        }
    }

    /// Whether a packet from `from` is the peer's; learns its address.
    pub(super) fn accept(&mut self, now: u64, component: Component, from: SocketAddr) -> bool {
        let Some(peer) = self.peers.get_mut(component as usize) else { return false };
        if peer.to == Some(from) {
            if !peer.firm {
                if peer.first_at == 0 {
                    peer.first_at = now.max(1);
                }
                peer.firm = self.plan.learning == Learning::Immediate || now.saturating_sub(peer.first_at) >= LEARN_US;
                self.dirty |= peer.firm;
            }
            peer.last_at = now;
            return true;
        }
        if self.plan.ice.is_some() || matches!(self.plan.guard, Guard::Dtls { .. }) && self.plan.learning == Learning::Off {
            return true; // authentication decides, and ICE selects
        }
        if peer.firm {
            let rebound = self.plan.learning != Learning::Off
                && peer.to.is_some_and(|to| to.ip() == from.ip())
                && now.saturating_sub(peer.last_at) > REBIND_US;
            if !rebound {
                return !self.plan.strict;
            }
            peer.to = Some(from);
            peer.last_at = now;
            self.dirty = true;
            return true;
        }
        if peer.first_at == 0 {
            peer.first_at = now.max(1);
        }
        let better = self.plan.learning != Learning::Heuristic
            || nearness(&self.plan, component, from) >= peer.to.map_or(0, |to| nearness(&self.plan, component, to));
        if better || peer.last_at == 0 {
            peer.to = Some(from);
            self.dirty = true;
        }
        peer.last_at = now;
        peer.firm = self.plan.learning == Learning::Immediate || now.saturating_sub(peer.first_at) >= LEARN_US;
        true
    }
}

/// How near an address is to the description's: both parts, the address, the port, nothing.
fn nearness(plan: &Endpoint, component: Component, at: SocketAddr) -> u8 {
    let Some(remote) = plan.remote else { return 0 };
    let told = if component == Component::Rtp { remote.rtp } else { remote.rtcp };
    2 * u8::from(told.ip() == at.ip()) + u8::from(told.port() == at.port())
}
