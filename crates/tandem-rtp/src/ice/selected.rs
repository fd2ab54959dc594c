//! The peer's address that a component sends to, and the consent to do so (RFC 7675). How it is chosen is the generation's.

use std::net::SocketAddr;

use super::{Component, CONSENT_SHOWN_US, CONSENT_US};

/// Where a component's packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// ICE has not said yet: the description's address, if any.
    Unselected,
    /// Here, and nowhere else.
    Selected(SocketAddr),
    /// Nowhere: the peer has shown no consent for [`CONSENT_US`].
    Expired,
}

/// What has changed for whoever sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Packets of this component go here from now on: a nomination, or consent after it had expired.
    Selected {
        /// Of RTP or RTCP.
        component: Component,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// Nothing may be sent to the address that was selected; the peer is gone, or its address is.
    Expired {
        /// Of RTP or RTCP.
        component: Component,
        /// The address that was.
        remote: SocketAddr,
    },
    /// We are controlling, and none of the peer's candidates answered. It is told again when others have come and failed.
    Failed {
        /// Of RTP or RTCP.
        component: Component,
    },
}

/// A pair that the peer nominated, or we did. Our side of it is the component's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) remote: SocketAddr,
    /// Of the check that nominated; 0 where it said none.
    pub(super) priority: u32,
    /// ufrag of the peer that nominated it: several answer when an offer was forked.
    pub(super) peer: Box<str>,
    /// When it was nominated, microseconds.
    pub(super) since: u64,
    /// When consent was last shown, microseconds.
    pub(super) proof: u64,
    /// No longer sent to.
    pub(super) expired: bool,
}

impl Selected {
    pub(super) fn new(now: u64, remote: SocketAddr, priority: u32, peer: &str) -> Selected {
        Selected { remote, priority, peer: peer.into(), since: now, proof: now, expired: false }
    }

    /// The peer showed consent on this pair. True: it had expired, and is sent to again.
    pub(super) fn renew(&mut self, now: u64) -> bool {
        self.proof = self.proof.max(now);
        std::mem::take(&mut self.expired)
    }

    /// Whether a check at `now` comes so late that only a peer that shows consent sends it.
    pub(super) fn shows_consent(&self, now: u64) -> bool {
        now >= self.since.saturating_add(CONSENT_SHOWN_US)
    }

    /// When consent ends, microseconds; `None`: it has ended.
    pub(super) fn ends(&self) -> Option<u64> {
        (!self.expired).then(|| self.proof.saturating_add(CONSENT_US))
    }

    pub(super) fn destination(&self) -> Destination {
        if self.expired {
            Destination::Expired
        } else {
            Destination::Selected(self.remote)
        }
    }
}
