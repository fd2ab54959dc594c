//! The checks that we send when we are controlling (RFC 8445 7.2, 8.1.1): pairs tried by priority; the first that answers is nominated.
//! A lite agent that is controlled sends none.

use std::net::SocketAddr;

use super::consent::Consent;
use super::draw::Draw;
use super::generation::Generation;
use super::selected::Selected;
use super::{Component, Event, REMOTE_CANDIDATES};
use crate::sdp::Candidate;
use crate::stun::{Class, IceRole, Message, Transaction, Writer};

/// Between two new transactions, microseconds (RFC 8445 14.2: Ta).
const PACE_US: u64 = 50_000;
/// Before the first retransmission, microseconds, doubled with each (RFC 8445 14.3).
const RETRANSMIT_US: u64 = 500_000;
/// Times that a request is sent (RFC 8489 6.2.1: Rc).
const SENDS: u32 = 7;
/// After the last of them an answer is waited for so long, microseconds (RFC 8489 6.2.1: Rm times RTO).
const LAST_US: u64 = 16 * RETRANSMIT_US;
/// PRIORITY of our checks: a peer-reflexive candidate's (RFC 8445 7.1.1), less the component's number.
const PRIORITY: u32 = 110 << 24 | 65_535 << 8 | 256;

/// What an answer of the peer led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answers no check of ours.
    Stray,
    /// It does.
    Known,
    /// And a pair is selected by it.
    Selected(Event),
    /// The peer is controlling too, and stays so (RFC 8445 7.2.5.1).
    Conflict,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A request was written: it goes from this component's port to there.
    Send(Component, SocketAddr),
    /// No candidate of a component answered.
    Failed(Event),
}

#[derive(Debug, Clone)]
enum Progress {
    Waiting,
    /// `due`: when it is sent again, or given up.
    Asked {
        transaction: Transaction,
        sends: u32,
        due: u64,
        nominates: bool,
    },
    Valid,
    Failed,
}

/// A candidate of the peer, with our port of its component.
#[derive(Debug, Clone)]
struct Pair {
    component: Component,
    address: SocketAddr,
    priority: u32,
    progress: Progress,
}

impl Pair {
    /// The request that is to be sent again; one that was sent often enough is given up.
    fn again(&mut self, now: u64) -> Option<(SocketAddr, Transaction, bool)> {
        let Progress::Asked { transaction, sends, due, nominates } = &mut self.progress else { return None };
        if *due > now {
            return None;
        }
        if *sends >= SENDS {
            self.progress = Progress::Failed;
            return None;
        }
        *sends += 1;
        *due = now.saturating_add(patience(*sends));
        Some((self.address, *transaction, *nominates))
    }
}

/// The check list of both components.
#[derive(Debug, Clone)]
pub(super) struct Checks {
    draw: Draw,
    pub(super) tie_breaker: u64,
    /// The highest priority first.
    pairs: Vec<Pair>,
    /// No new transaction before this, microseconds.
    paced: u64,
    rtp: Consent,
    rtcp: Consent,
    /// Components whose failure was told.
    failed: Vec<Component>,
}

impl Checks {
    /// `seed`: random, of this agent alone.
    pub(super) fn new(seed: [u8; 32]) -> Checks {
        let mut draw = Draw::new(seed);
        let tie_breaker = draw.number();
        Checks { draw, tie_breaker, pairs: Vec::new(), paced: 0, rtp: Consent::default(), rtcp: Consent::default(), failed: Vec::new() }
    }

    /// A candidate that the peer told, at any time (RFC 8838). It is left out if it is known, of a third component, or one too many.
    pub(super) fn add(&mut self, candidate: &Candidate) {
        let Candidate { address, priority, .. } = *candidate;
        let component = match candidate.component {
            1 => Component::Rtp,
            2 => Component::Rtcp,
            _ => return,
        };
        let known = self.pairs.iter().any(|pair| (pair.component, pair.address) == (component, address));
        if known || self.pairs.len() >= REMOTE_CANDIDATES {
            return;
        }
        let at = self.pairs.partition_point(|pair| pair.priority >= priority);
        self.pairs.insert(at, Pair { component, address, priority, progress: Progress::Waiting });
        self.failed.retain(|failed| *failed != component);
    }

    /// Forgets all pairs: ICE begins anew.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.failed.clear();
    }

    /// What is due at `now`, one a call; a request is written into `out`.
    pub(super) fn poll(&mut self, now: u64, components: &[Component], generation: &Generation, out: &mut Vec<u8>) -> Option<Due> {
        components.iter().find_map(|&component| match generation.selected(component) {
            Some(selected) if selected.expired || self.consent(component).due > now => None,
            Some(selected) => {
                let (consent, draw) = self.consent_mut(component);
                let transaction = consent.ask(now, draw);
                self.write(component, selected.remote, transaction, false, generation, out)
            }
            None => self.check(now, component, generation, out),
        })
    }

    /// When something is due next, microseconds; a time that has passed: now.
    pub(super) fn wants(&self, components: &[Component], generation: &Generation) -> Option<u64> {
        generation.remote.as_ref()?;
        let next = |&component: &Component| match generation.selected(component) {
            Some(selected) => (!selected.expired).then_some(self.consent(component).due),
            None => self.next_check(component),
        };
        components.iter().filter_map(next).min()
    }

    /// An answer of the peer to a check or a question for consent.
    pub(super) fn answered(
        &mut self,
        now: u64,
        (component, from): (Component, SocketAddr),
        answer: &Message<'_>,
        generation: &mut Generation,
    ) -> Heard {
        let Some(remote) = generation.remote.clone() else { return Heard::Stray };
        let right = answer.is_from(remote.pwd.as_bytes());
        if let Some(selected) = generation.place(component) {
            let fresh = right && answer.class == Class::Success && from == selected.remote && !selected.expired;
            if !fresh || !self.consent_mut(component).0.answers(answer.transaction) {
                return Heard::Stray; // also an answer after consent has ended (RFC 7675 5.1)
            }
            selected.renew(now);
            return Heard::Known;
        }
        let Some((pair, nominates)) = self.asked(component, answer.transaction) else { return Heard::Stray };
        match (answer.class, answer.error) {
            // An answer from elsewhere makes no pair (RFC 8445 7.2.5.2.1).
            (Class::Success, _) if right && from != pair.address => pair.progress = Progress::Failed,
            (Class::Success, _) if right && nominates => {
                let Pair { address, priority, .. } = *pair;
                *generation.place(component) = Some(Selected::new(now, address, priority, &remote.ufrag));
                generation.consents = true;
                self.begin_consent(now, component);
                return Heard::Selected(Event::Selected { component, remote: address });
            }
            (Class::Success, _) if right => pair.progress = Progress::Valid,
            (Class::Error, Some(487)) if right => return Heard::Conflict,
            // 400 and 401 have no MAC; who did not see the request does not know its number.
            (Class::Error, Some(code)) if right || code == 400 || code == 401 => pair.progress = Progress::Failed,
            _ => return Heard::Stray,
        }
        Heard::Known
    }

    /// From now on consent on this component's pair is asked for.
    pub(super) fn begin_consent(&mut self, now: u64, component: Component) {
        let (consent, draw) = self.consent_mut(component);
        consent.begin(now, draw);
    }

    fn consent(&self, component: Component) -> &Consent {
        match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        }
    }

    fn consent_mut(&mut self, component: Component) -> (&mut Consent, &mut Draw) {
        match component {
            Component::Rtp => (&mut self.rtp, &mut self.draw),
            Component::Rtcp => (&mut self.rtcp, &mut self.draw),
        }
    }

    fn of(&mut self, component: Component) -> impl Iterator<Item = &mut Pair> {
        self.pairs.iter_mut().filter(move |pair| pair.component == component)
    }

    fn asked(&mut self, component: Component, answer: Transaction) -> Option<(&mut Pair, bool)> {
        self.of(component).find_map(|pair| match pair.progress {
            Progress::Asked { transaction, nominates, .. } if transaction == answer => Some((pair, nominates)),
            _ => None,
        })
    }

    fn check(&mut self, now: u64, component: Component, generation: &Generation, out: &mut Vec<u8>) -> Option<Due> {
        generation.remote.as_ref()?;
        let again = self.of(component).find_map(|pair| pair.again(now));
        if let Some((to, transaction, nominates)) = again {
            return self.write(component, to, transaction, nominates, generation, out);
        }
        let transaction = self.draw.transaction();
        let paced = self.paced > now;
        let nominating = self.of(component).any(|pair| matches!(pair.progress, Progress::Asked { nominates: true, .. }));
        let valid = self.of(component).position(|pair| matches!(pair.progress, Progress::Valid)).filter(|_| !nominating);
        let waiting = self.of(component).position(|pair| matches!(pair.progress, Progress::Waiting)).filter(|_| !nominating && !paced);
        if let Some(pair) = valid.or(waiting).and_then(|at| self.of(component).nth(at)) {
            let (to, nominates) = (pair.address, valid.is_some());
            pair.progress = Progress::Asked { transaction, sends: 1, due: now.saturating_add(patience(1)), nominates };
            self.paced = now.saturating_add(PACE_US);
            return self.write(component, to, transaction, nominates, generation, out);
        }
        if !self.has_failed(component) || self.failed.contains(&component) {
            return None;
        }
        self.failed.push(component);
        Some(Due::Failed(Event::Failed { component }))
    }

    /// There are candidates, and none of them answered.
    fn has_failed(&self, component: Component) -> bool {
        let mut mine = self.pairs.iter().filter(|pair| pair.component == component).peekable();
        mine.peek().is_some() && mine.all(|pair| matches!(pair.progress, Progress::Failed))
    }

    fn next_check(&self, component: Component) -> Option<u64> {
        if self.has_failed(component) {
            return (!self.failed.contains(&component)).then_some(0);
        }
        let mine = self.pairs.iter().filter(|pair| pair.component == component);
        let nominating = mine.clone().any(|pair| matches!(pair.progress, Progress::Asked { nominates: true, .. }));
        mine.filter_map(|pair| match pair.progress {
            Progress::Asked { due, .. } => Some(due),
            Progress::Waiting if !nominating => Some(self.paced),
            Progress::Valid if !nominating => Some(0),
            _ => None,
        })
        .min()
    }

    fn write(
        &self,
        component: Component,
        to: SocketAddr,
        transaction: Transaction,
        nominates: bool,
        generation: &Generation,
        out: &mut Vec<u8>,
    ) -> Option<Due> {
        let (remote, local) = (generation.remote.as_ref()?, &generation.local);
        let writer = Writer::new(out, Class::Request, transaction)
            .username(remote.ufrag.as_bytes(), local.ufrag.as_bytes())
            .priority(PRIORITY - number(component))
            .role(IceRole::Controlling(self.tie_breaker));
        let writer = if nominates { writer.use_candidate() } else { writer };
        writer.integrity(remote.pwd.as_bytes()).fingerprint();
        Some(Due::Send(component, to))
    }
}

/// RFC 8445 13.1.
fn number(component: Component) -> u32 {
    match component {
        Component::Rtp => 1,
        Component::Rtcp => 2,
    }
}

/// How long an answer is waited for after the request was sent so many times.
fn patience(sends: u32) -> u64 {
    if sends >= SENDS {
        LAST_US
    } else {
        RETRANSMIT_US << (sends - 1)
    }
}
