//! What an heir needs of an agent to go on: credentials, role, and the addresses that the peer has proved. Checks under way are not
//! among it: they begin anew.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::generation::Generation;
use super::selected::Selected;
use super::Component;
use crate::plan::Credentials;

/// An agent's state. Times are ages, so that it holds on another machine's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// We send the checks.
    pub controlling: bool,
    /// RTCP goes over the RTP component.
    pub mux: bool,
    /// What is agreed now.
    pub current: Kept,
    /// What was agreed before a restart of ICE and still carries media.
    pub previous: Option<Kept>,
}

/// What belongs to one pair of credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Ours.
    pub local: Credentials,
    /// The peer's, once known.
    pub remote: Option<Credentials>,
    /// The peer's silence means something (RFC 7675).
    pub consents: bool,
    /// RTP's address.
    pub rtp: Option<Proven>,
    /// RTCP's.
    pub rtcp: Option<Proven>,
}

/// An address that was nominated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The peer's.
    pub remote: SocketAddr,
    /// Of the check that nominated it.
    pub priority: u32,
    /// ufrag of the peer that nominated it.
    pub peer: String,
    /// Since the nomination, microseconds.
    pub age_us: u64,
    /// Since consent was last shown, microseconds.
    pub silent_us: u64,
    /// Nothing is sent there any more.
    pub expired: bool,
}

pub(super) fn keep(generation: &Generation, now: u64) -> Kept {
    let proven = |component| {
        generation.selected(component).map(|selected| Proven {
            remote: selected.remote,
            priority: selected.priority,
            peer: selected.peer.to_string(),
            age_us: now.saturating_sub(selected.since),
            silent_us: now.saturating_sub(selected.proof),
            expired: selected.expired,
        })
    };
    Kept {
        local: generation.local.clone(),
        remote: generation.remote.clone(),
        consents: generation.consents,
        rtp: proven(Component::Rtp),
        rtcp: proven(Component::Rtcp),
    }
}

pub(super) fn revive(kept: &Kept, now: u64) -> Generation {
    let mut generation = Generation::new(kept.local.clone(), kept.remote.clone());
    generation.consents = kept.consents;
    for (component, proven) in [(Component::Rtp, &kept.rtp), (Component::Rtcp, &kept.rtcp)] {
        let Some(proven) = proven else { continue };
        let mut selected = Selected::new(now, proven.remote, proven.priority, &proven.peer);
        selected.since = now.saturating_sub(proven.age_us);
        selected.proof = now.saturating_sub(proven.silent_us);
        selected.expired = proven.expired;
        *generation.place(component) = Some(selected);
    }
    generation
}
