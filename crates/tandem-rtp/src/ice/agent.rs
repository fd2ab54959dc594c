//! The agent: requests answered, nominations followed, consent watched. What is answered, selected and asked stands in its parts.

use std::net::SocketAddr;

use super::answer::{self, Verdict};
use super::checks::{Checks, Due, Heard};
use super::generation::{Check, Generation};
use super::state::{self, State};
use super::{Component, Destination, Event, CHECKS_PER_SECOND, COMPONENTS, REFUSALS_PER_SECOND};
use crate::budget::Budget;
use crate::plan;
use crate::stun::{Class, IceRole, Message};

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handled {
    /// The buffer holds an answer: send it to where the datagram came from, from where it came to.
    pub reply: bool,
    /// What has changed.
    pub event: Option<Event>,
    /// For counters.
    pub outcome: Outcome,
}

/// How a datagram was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A check of the peer.
    Granted,
    /// A request without credentials: it was told its address.
    Told,
    /// A request that was refused with this code.
    Refused(u16),
    /// An answer to a check of ours.
    Answered,
    /// No message, an indication, or a stray answer.
    Ignored,
    /// More than [`CHECKS_PER_SECOND`] or [`REFUSALS_PER_SECOND`]: not answered.
    Limited,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The buffer holds a request: it goes from the component's port to this address.
    Send {
        /// Of RTP or RTCP.
        component: Component,
        /// A candidate of the peer.
        to: SocketAddr,
    },
    /// What has changed.
    Event(Event),
}

/// An ICE agent. After each `handle` and at the time that `wants` says, `poll` is called until it has nothing.
///
/// ```
/// use tandem_rtp::{ice::{Agent, Component, Destination, Event}, plan::{Credentials, Ice}, stun::{Class, Writer}};
/// let credentials = |ufrag: &str, pwd: &str| Credentials { ufrag: ufrag.into(), pwd: pwd.into() };
/// let plan = Ice { local: credentials("ours", "our password"), remote: None };
/// let mut agent = Agent::new(&plan, None, true, [7; 32]);
///
/// let (mut check, mut out) = (Vec::new(), Vec::new());
/// Writer::new(&mut check, Class::Request, *b"abcdefghijkl").username(b"ours", b"them").use_candidate().integrity(b"our password").fingerprint();
/// let remote = "192.0.2.1:30000".parse().unwrap();
/// let handled = agent.handle(0, Component::Rtp, remote, &check, &mut out);
/// assert!(handled.reply);
/// assert_eq!(Some(Event::Selected { component: Component::Rtp, remote }), handled.event);
/// assert_eq!(Destination::Selected(remote), agent.destination(Component::Rtcp));
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    mux: bool,
    /// As the plan has it.
    planned: bool,
    /// As it is: a conflict of roles may have changed it.
    controlling: bool,
    current: Generation,
    previous: Option<Generation>,
    checks: Checks,
    granted: Budget,
    refused: Budget,
}

impl Agent {
    /// An agent that begins. `mux`: RTCP goes over the RTP component. `seed`: random, used for no other agent.
    pub fn new(ice: &plan::Ice, peer: Option<&plan::IcePeer>, mux: bool, seed: [u8; 32]) -> Agent {
        let current = Generation::new(ice.local.clone(), ice.remote.clone());
        let mut agent = Agent::with(current, None, mux, is_controlling(peer), seed);
        agent.add(peer);
        agent
    }

    /// An agent that goes on where another one ended: it answers at once, and sends where that one sent. `seed` must be a new one.
    pub fn heir(now: u64, state: &State, seed: [u8; 32]) -> Agent {
        let previous = state.previous.as_ref().map(|kept| state::revive(kept, now));
        Agent::with(state::revive(&state.current, now), previous, state.mux, state.controlling, seed)
    }

    fn with(current: Generation, previous: Option<Generation>, mux: bool, controlling: bool, seed: [u8; 32]) -> Agent {
        Agent {
            mux,
            planned: controlling,
            controlling,
            current,
            previous,
            checks: Checks::new(seed),
            granted: Budget::new(CHECKS_PER_SECOND, CHECKS_PER_SECOND),
            refused: Budget::new(REFUSALS_PER_SECOND, REFUSALS_PER_SECOND),
        }
    }

    /// What an heir goes on with.
    pub fn state(&self, now: u64) -> State {
        State {
            controlling: self.controlling,
            mux: self.mux,
            current: state::keep(&self.current, now),
            previous: self.previous.as_ref().map(|previous| state::keep(previous, now)),
        }
    }

    /// A new plan. Other credentials of ours restart ICE (RFC 8445 9): the old address carries media until a nomination under the new
    /// ones. New candidates are added (RFC 8840).
    pub fn update(&mut self, ice: &plan::Ice, peer: Option<&plan::IcePeer>, mux: bool) {
        let controlling = is_controlling(peer);
        if ice.local != self.current.local {
            let fresh = Generation::new(ice.local.clone(), ice.remote.clone());
            let old = std::mem::replace(&mut self.current, fresh);
            if !old.is_bare() {
                self.previous = Some(old);
            }
            self.checks.clear();
            self.controlling = controlling;
        } else if ice.remote != self.current.remote {
            ice.remote.clone().into_iter().for_each(|remote| self.current.meet(remote));
        }
        if controlling != self.planned {
            self.controlling = controlling;
        }
        (self.planned, self.mux) = (controlling, mux);
        self.add(peer);
    }

    fn add(&mut self, peer: Option<&plan::IcePeer>) {
        peer.iter().flat_map(|peer| &peer.candidates).for_each(|candidate| self.checks.add(candidate));
    }

    /// Where a component's packets go now; with `mux` RTCP's go where RTP's go.
    pub fn destination(&self, component: Component) -> Destination {
        let component = if self.mux { Component::Rtp } else { component };
        match (self.current.destination(component), &self.previous) {
            (Destination::Unselected, Some(previous)) => previous.destination(component),
            (destination, _) => destination,
        }
    }

    /// Takes a datagram that came to a component's port at `now`, microseconds; an answer is written into `out`, which is cleared.
    /// [`crate::stun::is_stun`] says which datagrams are for here.
    pub fn handle(&mut self, now: u64, component: Component, from: SocketAddr, bytes: &[u8], out: &mut Vec<u8>) -> Handled {
        out.clear();
        let (outcome, event) = match Message::read(bytes) {
            Ok(message) if message.class == Class::Request => self.request(now, component, from, &message, out),
            Ok(message) if message.class != Class::Indication => self.answer(now, component, from, &message),
            _ => (Outcome::Ignored, None),
        };
        Handled { reply: !out.is_empty(), event, outcome }
    }

    /// What is due at `now`, microseconds, one a call; a request is written into `out`.
    pub fn poll(&mut self, now: u64, out: &mut Vec<u8>) -> Option<Output> {
        let lapsed = self.current.lapse(now).or_else(|| self.previous.as_mut()?.lapse(now));
        if let Some(event) = lapsed {
            return Some(Output::Event(event));
        }
        if !self.controlling {
            return None;
        }
        Some(match self.checks.poll(now, components(self.mux), &self.current, out)? {
            Due::Send(component, to) => Output::Send { component, to },
            Due::Failed(event) => Output::Event(event),
        })
    }

    /// When `poll` has something next, microseconds; a time that has passed: now.
    pub fn wants(&self) -> Option<u64> {
        let checks = if self.controlling { self.checks.wants(components(self.mux), &self.current) } else { None };
        let previous = self.previous.as_ref().and_then(Generation::wants);
        [checks, previous, self.current.wants()].into_iter().flatten().min()
    }

    fn request(
        &mut self,
        now: u64,
        component: Component,
        from: SocketAddr,
        request: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> (Outcome, Option<Event>) {
        let (controlling, ours) = (self.controlling, self.checks.tie_breaker);
        // A lite agent is controlled and stays so; of two that are controlling the greater tie-breaker does (RFC 8445 7.3.1.1).
        let conflict = |role| match role {
            IceRole::Controlled(_) => !controlling,
            IceRole::Controlling(theirs) => controlling && ours >= theirs,
        };
        let mut verdict = answer::judge(request, &self.current, conflict);
        let mut old = false;
        if let (Verdict::Unauthenticated, Some(previous)) = (verdict, &self.previous) {
            verdict = answer::judge(request, previous, conflict);
            old = verdict != Verdict::Unauthenticated;
        }
        let known = !matches!(verdict, Verdict::Plain | Verdict::BadRequest | Verdict::Unauthenticated);
        let budget = if known { &mut self.granted } else { &mut self.refused };
        if !budget.take(now) {
            return (Outcome::Limited, None);
        }
        let generation = self.previous.as_mut().filter(|_| old).unwrap_or(&mut self.current);
        if let Some(code) = answer::write(verdict, request, from, generation.local.pwd.as_bytes(), out) {
            return (Outcome::Refused(code), None);
        }
        let Verdict::Granted(peer) = verdict else { return (Outcome::Told, None) };
        if matches!(request.role, Some(IceRole::Controlling(_))) {
            self.controlling = false;
        }
        if self.mux && component == Component::Rtcp {
            return (Outcome::Granted, None); // a check from before multiplexing was agreed: nothing goes over that pair
        }
        let priority = request.priority.unwrap_or_default();
        let nominates = request.use_candidate && !old && !self.controlling;
        let event = generation.checked(now, Check { component, from, peer, priority, nominates });
        if nominates && event.is_some() {
            self.supersede(component);
        }
        (Outcome::Granted, event)
    }

    fn answer(&mut self, now: u64, component: Component, from: SocketAddr, answer: &Message<'_>) -> (Outcome, Option<Event>) {
        if !self.controlling {
            return (Outcome::Ignored, None);
        }
        match self.checks.answered(now, (component, from), answer, &mut self.current) {
            Heard::Stray => (Outcome::Ignored, None),
            Heard::Known => (Outcome::Answered, None),
            Heard::Selected(event) => {
                self.supersede(component);
                (Outcome::Answered, Some(event))
            }
            Heard::Conflict => {
                self.controlling = false;
                (Outcome::Answered, None)
            }
        }
    }

    /// A component has an address under the new credentials: the one under the old ones carries nothing any more.
    fn supersede(&mut self, component: Component) {
        if let Some(previous) = &mut self.previous {
            *previous.place(component) = None;
        }
        let mux = self.mux;
        self.previous.take_if(|previous| mux || previous.is_bare());
    }
}

/// A full peer is controlling whoever has offered (RFC 8445 6.1.1).
fn is_controlling(peer: Option<&plan::IcePeer>) -> bool {
    peer.is_some_and(|peer| peer.lite && peer.controlling)
}

fn components(mux: bool) -> &'static [Component] {
    if mux {
        &[Component::Rtp]
    } else {
        &COMPONENTS
    }
}
