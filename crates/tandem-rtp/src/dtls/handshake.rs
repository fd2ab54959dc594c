//! The handshake of one association, with what disturbs it: strangers, losses, a peer that begins again, a process that died. The records
//! are the engine's.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::engine::{Engine, Keys};
use super::{is_dtls, record, Fingerprint, Identity, DATAGRAM_BYTES, FINISH_US, STARTS, START_INTERVAL_US, STUCK_US};
use crate::budget::Budget;

/// What the descriptions agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// We send the ClientHello (a=setup:active on our side, RFC 4145).
    pub active: bool,
    /// ICE says where to send, and has proved that the peer is there: no cookie is asked for.
    pub ice: bool,
}

/// Why there are no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Whoever it was had another certificate than the description says.
    #[error("the peer's certificate has not the fingerprint of its description")]
    Fingerprint,
    /// The peer offered none of our SRTP profiles (RFC 5764 4.1.2).
    #[error("no SRTP profile in common")]
    Profile,
    /// [`FINISH_US`] are over.
    #[error("not finished in time")]
    TimedOut,
    /// The peer gave up (RFC 8446 6).
    #[error("alert {0} of the peer")]
    Alert(u8),
    /// The peer broke the protocol, or speaks none of its kinds that we do.
    #[error("{0}")]
    Protocol(dimpl::Error),
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer is who it should be, and these are the keys. Again, with others, when it has begun anew.
    Established(Keys),
    /// There will be no keys unless the peer begins again.
    Failed(Failure),
    /// The handshake died with the process that ran it: only a new one by call control (re-INVITE, ICE restart) helps for sure.
    Lost,
    /// The peer has closed the association (close_notify): it is gone.
    Closed,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The buffer holds a datagram: send it there. `None`: where media goes; no address is known here.
    Send(Option<SocketAddr>),
    /// What has happened.
    Event(Event),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing came yet: an heir begins like a new one.
    Waiting,
    /// Under way: it dies with its process.
    Running,
    /// Keys are there: an heir needs nothing else.
    Established,
    /// No keys.
    Failed,
}

/// A DTLS association for SRTP. After each `handle`, and when `wants` says so, `poll` is called until it has nothing.
#[derive(Debug)]
pub struct Handshake {
    identity: Identity,
    setup: Setup,
    expected: Option<Fingerprint>,
    engine: Option<Engine>,
    state: State,
    /// When this attempt has to be over, microseconds.
    deadline: Option<u64>,
    established: bool,
    lost: bool,
    failure: Option<Failure>,
    /// Where ICE or the description says that the peer is.
    aim: Option<SocketAddr>,
    /// Where it was heard.
    heard: Option<SocketAddr>,
    /// Where the last datagram came from.
    last: Option<SocketAddr>,
    /// Without ICE: the cookie came back.
    cookie: bool,
    dtls13: bool,
    starts: Budget,
}

impl Handshake {
    /// A new one. An active one has its ClientHello ready at once: make it when the peer's address is known.
    ///
    /// `fingerprint`: the peer's; `None`: its description is to come, see [`Handshake::expect`].
    pub fn new(now: u64, identity: &Identity, setup: Setup, fingerprint: Option<Fingerprint>) -> Handshake {
        let mut handshake = Handshake {
            identity: identity.clone(),
            setup,
            expected: fingerprint,
            engine: None,
            state: State::Waiting,
            deadline: None,
            established: false,
            lost: false,
            failure: None,
            aim: None,
            heard: None,
            last: None,
            cookie: false,
            dtls13: false,
            starts: Budget::every(START_INTERVAL_US, STARTS),
        };
        if setup.active {
            handshake.begin(now, None);
        }
        handshake
    }

    /// Goes on where another process ended. Keys that are established live elsewhere; what was under way is [`Event::Lost`], but a peer
    /// that begins again is answered.
    pub fn heir(now: u64, identity: &Identity, setup: Setup, fingerprint: Option<Fingerprint>, state: State) -> Handshake {
        if state == State::Waiting {
            return Handshake::new(now, identity, setup, fingerprint);
        }
        let passive = Setup { active: false, ..setup };
        let mut handshake = Handshake::new(now, identity, passive, fingerprint);
        handshake.setup = setup;
        (handshake.state, handshake.established) = match state {
            State::Running => (State::Failed, false),
            other => (other, other == State::Established),
        };
        handshake.lost = state == State::Running;
        handshake
    }

    /// What an heir must know.
    pub fn state(&self) -> State {
        if self.state == State::Running && !self.is_proved() {
            self.idle()
        } else {
            self.state
        }
    }

    /// The peer's description has come: `poll` tells no keys before, and may have them now.
    pub fn expect(&mut self, fingerprint: Fingerprint) {
        self.expected = Some(fingerprint);
    }

    /// Where to send to, by ICE or the description. With ICE the peer has proved that it is there.
    pub fn aim(&mut self, to: SocketAddr) {
        if self.setup.ice && self.aim != Some(to) {
            self.heard = Some(to); // also in the middle of a handshake: the peer has moved
        }
        self.aim = Some(to);
    }

    /// Whether ours is the active side.
    pub fn is_active(&self) -> bool {
        self.setup.active
    }

    /// Whether DTLS 1.3 was spoken when keys were told last.
    pub fn is_dtls13(&self) -> bool {
        self.dtls13
    }

    /// Takes a datagram; false: it is none for this handshake. The fingerprint decides who the peer is, not the address.
    pub fn handle(&mut self, now: u64, from: SocketAddr, bytes: &[u8]) -> bool {
        if !is_dtls(bytes) || bytes.len() > DATAGRAM_BYTES {
            return false;
        }
        if record::client_hello(bytes).is_some_and(|hello| !self.is_greeted(now, from, hello)) {
            return false;
        }
        let to = self.destination();
        let Some(engine) = &mut self.engine else { return false };
        if let Some(alert) = record::plain_alert(bytes) {
            // Nothing guards it: only whom we talk to ends a handshake by one, and nobody an association.
            let ends = !engine.connected && to == Some(from);
            if ends {
                self.broke(now, Failure::Alert(alert));
            }
            return ends;
        }
        if engine.is_unanswered() {
            if !record::answers_hello(bytes) {
                return false;
            }
            self.heard = Some(from);
        }
        self.last = Some(from);
        let handled = engine.handle(now, &self.identity, bytes);
        handled.map_err(|failure| self.broke(now, failure)).is_ok()
    }

    /// What is due at `now`, microseconds, one a call; a datagram is written into `out`, which is cleared.
    pub fn poll(&mut self, now: u64, out: &mut Vec<u8>) -> Option<Output> {
        out.clear();
        if std::mem::take(&mut self.lost) {
            return Some(Output::Event(Event::Lost));
        }
        while let Some(engine) = &mut self.engine {
            match engine.poll(now, &self.identity, out) {
                Ok(true) => {
                    self.cookie |= !record::asks_again(out);
                    return Some(Output::Send(self.destination()));
                }
                Ok(false) => {}
                Err(failure) => {
                    self.broke(now, failure);
                    continue;
                }
            }
            if engine.doomed {
                self.engine = None;
                break;
            }
            if let Some(event) = self.judge(now) {
                return Some(Output::Event(event));
            }
            if !self.engine.as_ref().is_some_and(|engine| engine.doomed) {
                break;
            }
        }
        self.give_up(now).map(Output::Event)
    }

    /// When `poll` has something next, microseconds; a time that has passed: now.
    pub fn wants(&self) -> Option<u64> {
        let hopeless = (self.lost || self.is_hopeless()).then_some(0);
        let timer = self.engine.as_ref().and_then(|engine| engine.wakes);
        let deadline = self.deadline.filter(|_| !self.is_unjudged());
        [hopeless, timer, deadline].into_iter().flatten().min()
    }

    /// Tells the peer that the association is over (close_notify); `poll` has the datagram, if there is a way to say so.
    pub fn close(&mut self, now: u64) {
        if let Some(engine) = &mut self.engine {
            engine.close(now);
        }
        (self.deadline, self.lost) = (None, false);
    }

    fn destination(&self) -> Option<SocketAddr> {
        if self.setup.ice {
            self.aim.or(self.heard)
        } else {
            self.heard.or(self.aim)
        }
    }

    /// Whether a ClientHello is for the engine, after a new one has begun if it needs one.
    fn is_greeted(&mut self, now: u64, from: SocketAddr, hello: [u8; 32]) -> bool {
        if self.setup.active {
            return false;
        }
        if let Some(engine) = &self.engine {
            if engine.hello == Some(hello) {
                self.heard = Some(from); // sent again, or with the cookie
                return true;
            }
            // A stranger's ClientHello must not end what goes well, and one that leads nowhere must not keep the peer out.
            let busy = self.state == State::Running && !engine.doomed;
            let moving = engine.is_complete() || now < engine.moved.saturating_add(STUCK_US);
            let proved = self.setup.ice && self.aim == Some(from);
            if busy && moving && !proved && self.heard != Some(from) {
                return false;
            }
        }
        if !self.starts.take(now) {
            return false;
        }
        self.heard = Some(from);
        self.begin(now, Some(hello));
        true
    }

    fn begin(&mut self, now: u64, hello: Option<[u8; 32]>) {
        self.cookie &= self.state == State::Running;
        self.engine = Some(Engine::new(now, &self.identity, self.setup.ice, hello));
        self.state = State::Running;
        self.deadline = Some(now.saturating_add(FINISH_US));
    }

    /// The engine is of no more use.
    fn broke(&mut self, now: u64, failure: Failure) {
        self.engine = None;
        let again = self.setup.active && matches!(failure, Failure::Protocol(_)) && self.starts.take(now);
        self.failure = Some(failure);
        if again && self.state == State::Running {
            self.begin(now, None);
        }
    }

    /// Looks at what the engine has: whose certificate it is, and whether there are keys.
    fn judge(&mut self, now: u64) -> Option<Event> {
        let engine = self.engine.as_mut()?;
        if engine.closed {
            self.engine = None;
            self.failure = Some(Failure::Alert(0));
            return (self.state == State::Established).then_some(Event::Closed);
        }
        if self.state != State::Running || !engine.is_complete() {
            return None;
        }
        let failure = match (self.expected.as_ref()?.is_of(&engine.certificate), engine.keys.take()) {
            (true, Some(keys)) => {
                (self.heard, self.dtls13) = (self.last, engine.is_dtls13());
                (self.state, self.established, self.deadline) = (State::Established, true, None);
                return Some(Event::Established(keys));
            }
            (true, None) => Failure::Profile,
            (false, _) => Failure::Fingerprint,
        };
        engine.close(now);
        self.failure = Some(failure);
        None
    }

    /// An active handshake whose engine is gone: nobody begins it again.
    fn is_hopeless(&self) -> bool {
        self.state == State::Running && self.setup.active && self.engine.is_none()
    }

    fn idle(&self) -> State {
        if self.established {
            State::Established
        } else {
            State::Waiting
        }
    }

    /// Whether who talks to us has shown that its address is its own.
    fn is_proved(&self) -> bool {
        match self.setup {
            Setup { active: true, .. } => true,
            Setup { ice: true, .. } => self.aim.is_some() && self.aim == self.heard,
            _ => self.cookie,
        }
    }

    /// All is there but the peer's description, which people make wait.
    fn is_unjudged(&self) -> bool {
        self.expected.is_none() && self.engine.as_ref().is_some_and(Engine::is_complete)
    }

    fn give_up(&mut self, now: u64) -> Option<Event> {
        let over = self.deadline.is_some_and(|deadline| deadline <= now) && !self.is_unjudged();
        if self.state != State::Running || !(over || self.is_hopeless()) {
            return None;
        }
        let stranger = !self.is_proved();
        (self.engine, self.deadline) = (None, None);
        let failure = self.failure.take().unwrap_or(Failure::TimedOut);
        if self.established || stranger {
            self.state = self.idle(); // old keys hold whoever tried to begin anew, and a hello from anywhere says nothing of the peer
            return None;
        }
        self.state = State::Failed;
        Some(Event::Failed(failure))
    }
}
