//! How an endpoint meets its peer before media flows: ICE says where it is, DTLS what the keys are. Media packets do not come here.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::slot::Way;
use super::{Component, Event, Out, Slot};
use crate::dtls::{self, Fingerprint, Handshake, Identity, Setup};
use crate::ice::{self, Agent, Destination};
use crate::plan::{Endpoint, Guard};
use crate::stun;

/// The agent and the handshake, where the plan asks for them.
#[derive(Default)]
pub(super) struct Meeting {
    agent: Option<Agent>,
    handshake: Option<Handshake>,
    /// Of which association of the plan the handshake is.
    association: u32,
    /// Keys that a predecessor's handshake found.
    established: bool,
    /// What is written before it is sent.
    buffer: Vec<u8>,
}

/// What an heir needs of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeetingState {
    /// ICE.
    pub ice: Option<ice::State>,
    /// DTLS, and of which association.
    pub dtls: Option<(dtls::State, u32)>,
}

/// Fills with bytes that nobody can guess.
/// Random bytes that are asked for at once.
const RANDOM_BYTES: usize = 512;

type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What all meetings of a relay share.
pub(super) struct Common {
    pub identity: Identity,
    /// The instant of `identity` on our clock, microseconds.
    pub origin: u64,
    pub random: Random,
    /// Random ones that nobody has got: the kernel is not asked for each.
    pub numbers: Vec<u32>,
}

impl Common {
    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        (self.random)(&mut seed);
        seed
    }

    /// Any number.
    pub fn number(&mut self) -> u32 {
        if self.numbers.is_empty() {
            let mut bytes = [0; RANDOM_BYTES];
            (self.random)(&mut bytes);
            self.numbers.extend(bytes.as_chunks().0.iter().map(|four| u32::from_be_bytes(*four)));
        }
        self.numbers.pop().unwrap_or_default()
    }

    fn since(&self, now: u64) -> u64 {
        now.saturating_sub(self.origin)
    }
}

impl Slot {
    /// Makes, changes or ends agent and handshake as the plan says.
    pub(super) fn meet(&mut self, now: u64, common: &mut Common) {
        let dtls = matches!(self.plan.guard, Guard::Dtls { .. });
        if self.plan.ice.is_none() && !dtls {
            self.meeting = None;
            return;
        }
        let meeting = self.meeting.get_or_insert_default();
        match (&self.plan.ice, &mut meeting.agent) {
            (Some(ice), Some(agent)) => agent.update(ice, self.plan.ice_peer.as_ref(), self.plan.mux),
            (Some(ice), none) => *none = Some(Agent::new(ice, self.plan.ice_peer.as_ref(), self.plan.mux, common.seed())),
            (None, agent) => *agent = None,
        }
        meeting.aim(&mut self.ways);
        meeting.greet(now, &self.plan, &self.ways, self.lock.as_deref_mut(), common);
    }

    /// Goes on where a predecessor ended.
    pub(super) fn meet_again(&mut self, now: u64, state: &MeetingState, common: &mut Common) {
        let Some(meeting) = &mut self.meeting else { return };
        if let (Some(ice), Some(kept)) = (&self.plan.ice, &state.ice) {
            let mut agent = Agent::heir(now, kept, common.seed());
            agent.update(ice, self.plan.ice_peer.as_ref(), self.plan.mux);
            meeting.agent = Some(agent);
            meeting.aim(&mut self.ways);
        }
        if let (Guard::Dtls { active, fingerprint }, Some((kept, association))) = (&self.plan.guard, &state.dtls) {
            if *association == self.plan.association {
                let setup = Setup { active: *active, ice: self.plan.ice.is_some() };
                let expected = fingerprint.as_ref().and_then(|(name, value)| Fingerprint::new(name, value).ok());
                meeting.handshake = Some(Handshake::heir(common.since(now), &common.identity, setup, expected, *kept));
                meeting.established = *kept == dtls::State::Established;
                meeting.association = *association;
            }
        }
    }

    /// What an heir needs to meet again.
    pub(super) fn meeting_state(&self, now: u64) -> Option<MeetingState> {
        let meeting = self.meeting.as_ref()?;
        let dtls = meeting.handshake.as_ref().map(|handshake| (handshake.state(), meeting.association));
        Some(MeetingState { ice: meeting.agent.as_ref().map(|agent| agent.state(now)), dtls })
    }

    /// A STUN message.
    pub(super) fn stun(&mut self, now: u64, component: Component, from: SocketAddr, bytes: &[u8], common: &mut Common, out: &mut impl Out) {
        let Some(meeting) = self.meeting.as_mut().filter(|meeting| meeting.agent.is_some()) else {
            let mut answer = Vec::new();
            if stun::answer(bytes, from, &mut answer) {
                out.send(self.token, component, from, &answer);
            }
            return;
        };
        let Meeting { agent, buffer, .. } = &mut **meeting;
        let Some(agent) = agent else { return };
        let handled = agent.handle(now, of(component), from, bytes, buffer);
        if handled.reply {
            out.send(self.token, component, from, buffer);
        }
        if handled.outcome == ice::Outcome::Granted {
            self.ways[component as usize].counts.last_at = now;
        }
        if handled.event.is_some() {
            self.dirty = true;
            meeting.aim(&mut self.ways);
            meeting.greet(now, &self.plan, &self.ways, self.lock.as_deref_mut(), common);
        }
        self.meeting_due(now, common, out);
    }

    /// A DTLS record.
    pub(super) fn dtls(&mut self, now: u64, from: SocketAddr, bytes: &[u8], common: &mut Common, out: &mut impl Out) {
        let Some(handshake) = self.meeting.as_mut().and_then(|meeting| meeting.handshake.as_mut()) else {
            self.drops.alien += 1;
            return;
        };
        if handshake.handle(common.since(now), from, bytes) {
            self.dirty = true;
        } else {
            self.drops.alien += 1;
        }
        self.meeting_due(now, common, out);
    }

    /// Whether something is due at this time.
    pub(super) fn meeting_wants(&self, now: u64, common: &Common) -> bool {
        let Some(meeting) = &self.meeting else { return false };
        let ice = meeting.agent.as_ref().and_then(Agent::wants).is_some_and(|at| at <= now);
        ice || meeting.handshake.as_ref().and_then(Handshake::wants).is_some_and(|at| at <= common.since(now))
    }

    /// Says what is due.
    pub(super) fn meeting_due(&mut self, now: u64, common: &mut Common, out: &mut impl Out) {
        let Some(meeting) = &mut self.meeting else { return };
        let id = self.plan.id;
        let Meeting { agent, handshake, buffer, established, .. } = &mut **meeting;
        while let Some(due) = agent.as_mut().and_then(|agent| agent.poll(now, buffer)) {
            match due {
                ice::Output::Send { component, to } => out.send(self.token, ours(component), to, buffer),
                ice::Output::Event(event) => {
                    self.dirty = true;
                    match event {
                        ice::Event::Selected { .. } => {}
                        ice::Event::Expired { .. } => out.event(id, Event::Gone),
                        ice::Event::Failed { .. } => out.event(id, Event::Unreached),
                    }
                }
            }
        }
        while let Some(due) = handshake.as_mut().and_then(|handshake| handshake.poll(common.since(now), buffer)) {
            match due {
                dtls::Output::Send(to) => {
                    if let Some(to) = to.or(self.ways[0].to) {
                        out.send(self.token, Component::Rtp, to, buffer);
                    }
                }
                dtls::Output::Event(event) => {
                    self.dirty = true;
                    match event {
                        dtls::Event::Established(keys) => {
                            *established = true;
                            self.lock.get_or_insert_default().keys(Some(&keys.receive), Some(&keys.send));
                            out.event(id, Event::Keyed);
                        }
                        dtls::Event::Failed(failure) => out.event(id, Event::Unkeyed(failure.to_string())),
                        dtls::Event::Lost => out.event(id, Event::Unkeyed("the handshake died with its process".into())),
                        dtls::Event::Closed => out.event(id, Event::Gone),
                    }
                }
            }
        }
        meeting.aim(&mut self.ways);
    }
}

impl Meeting {
    /// Tells the ways where ICE sends.
    fn aim(&mut self, ways: &mut [Way; 2]) {
        let Some(agent) = &self.agent else { return };
        for (component, way) in [ice::Component::Rtp, ice::Component::Rtcp].into_iter().zip(ways.iter_mut()) {
            way.to = match agent.destination(component) {
                Destination::Selected(to) => Some(to),
                Destination::Expired => None,
                Destination::Unselected => way.learner.send_to(),
            };
        }
        if let (Some(handshake), Some(to)) = (&mut self.handshake, ways[0].to) {
            handshake.aim(to);
        }
    }

    /// Begins the handshake of a new association, an active one when it is known where to.
    fn greet(&mut self, now: u64, plan: &Endpoint, ways: &[Way; 2], lock: Option<&mut Lock>, common: &mut Common) {
        let Guard::Dtls { active, fingerprint } = &plan.guard else {
            self.handshake = None;
            return;
        };
        let expected = fingerprint.as_ref().and_then(|(name, value)| Fingerprint::new(name, value).ok());
        // Before the answer our side waits as the passive one; roles that change ask for another association (RFC 8842 3.1).
        let kept = self.handshake.as_ref().is_some_and(|handshake| handshake.is_active() == *active);
        if kept && self.association == plan.association {
            if let (Some(handshake), Some(expected)) = (&mut self.handshake, expected) {
                handshake.expect(expected);
            }
            return;
        }
        let selected = plan.ice.is_none()
            || self.agent.as_ref().is_some_and(|agent| agent.destination(ice::Component::Rtp) != Destination::Unselected);
        if *active && (ways[0].to.is_none() || !selected) {
            return;
        }
        if self.association != plan.association || self.established {
            if let Some(lock) = lock {
                *lock = Lock::default();
            }
        }
        let setup = Setup { active: *active, ice: plan.ice.is_some() };
        let mut handshake = Handshake::new(common.since(now), &common.identity, setup, expected);
        if let Some(to) = ways[0].to {
            handshake.aim(to);
        }
        (self.handshake, self.association, self.established) = (Some(handshake), plan.association, false);
    }
}

fn of(component: Component) -> ice::Component {
    match component {
        Component::Rtp => ice::Component::Rtp,
        Component::Rtcp => ice::Component::Rtcp,
    }
}

fn ours(component: ice::Component) -> Component {
    match component {
        ice::Component::Rtp => Component::Rtp,
        ice::Component::Rtcp => Component::Rtcp,
    }
}
