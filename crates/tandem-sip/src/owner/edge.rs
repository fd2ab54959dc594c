//! What an owner knows of one edge: its addresses, what goes out to it, and what it may not have heard. It decides nothing.

use super::outbox::{Micros, OUTPUT_BYTES};
use super::unheard::Unheard;
use crate::frame::{push_sip_down, push_taken, Address, Local, SipDown, Transport, UpHello};

/// One listening address as an edge announced it.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Transport.
    pub transport: Transport,
    /// What it is bound to.
    pub bound: Address,
    /// `host:port` for Via and Contact.
    pub advertised: Box<[u8]>,
}

/// What the owner knows of an edge.
#[derive(Debug, Default)]
pub struct Edge {
    /// The link stands.
    pub up: bool,
    /// It has said HELLO to this owner.
    pub greeted: bool,
    /// Changes at each start of the edge.
    pub incarnation: u64,
    /// The highest epoch that the edge has seen.
    pub epoch: u32,
    /// Its addresses.
    pub locals: Vec<Listening>,
    /// Frames with their length words.
    pub output: Vec<u8>,
    /// Numbers to say taken.
    pub taken: Vec<u64>,
    /// What went out, or would have, and was not heard.
    pub unheard: Unheard,
    /// How much of `output` `unheard` has already, and the SIP frames in the rest.
    noted: usize,
    frames: u64,
    /// A link begins, and the edge has not said yet how far it has heard us: nothing leaves before what is said again.
    awaited: bool,
    /// When its link was lost; 0: it stands, never stood, or was waited for long enough.
    pub lost_at: Micros,
}

impl Edge {
    /// The link stands, or may come back so soon that what is said waits for it.
    pub fn reachable(&self) -> bool {
        self.up || self.lost_at != 0
    }

    /// A link begins: `greeting` is what the edge must know first.
    pub fn begin(&mut self, greeting: Vec<u8>) {
        self.lose_output(0);
        (self.up, self.lost_at, self.awaited) = (true, 0, !self.unheard.is_empty());
        self.noted = greeting.len();
        self.output = greeting;
    }

    /// The link is gone.
    pub fn end(&mut self, now: Micros, turn: u64) {
        self.lose_output(turn);
        (self.up, self.lost_at, self.awaited) = (false, now.max(1), false);
    }

    /// Its HELLO. The cookies of messages that its last life has not heard, on connections that went with it.
    pub fn hello(&mut self, hello: &UpHello<'_>) -> Vec<u64> {
        let mut lost = Vec::new();
        if self.incarnation != hello.incarnation {
            self.unheard.lose(|sip| lost.extend(on_a_connection(sip)));
            self.unheard = Unheard::default();
            self.awaited = false;
        }
        let listening =
            |local: Local<'_>| Listening { transport: local.transport, bound: local.bound, advertised: local.advertised.into() };
        self.greeted = true;
        (self.incarnation, self.epoch, self.locals) = (hello.incarnation, hello.epoch, hello.locals().map(listening).collect());
        lost
    }

    /// The edge has heard so many of our SIP frames; the first time on a link, all others are said again, before anything new.
    pub fn heard(&mut self, count: u64) {
        if !std::mem::take(&mut self.awaited) {
            return self.unheard.heard(count);
        }
        let again = self.unheard.again(count);
        let new = self.output.split_off(self.noted.min(self.output.len()));
        self.output.extend_from_slice(&again);
        self.noted = self.output.len();
        self.output.extend_from_slice(&new);
    }

    /// Whether anything may leave.
    pub fn has_output(&self) -> bool {
        !(self.awaited || self.output.is_empty() && self.taken.is_empty())
    }

    /// What may leave now, with TAKEN last.
    pub fn take(&mut self, turn: u64) -> Vec<u8> {
        if self.awaited {
            return Vec::new();
        }
        self.unheard.said(self.output.get(self.noted..).unwrap_or_default(), self.frames, turn);
        (self.noted, self.frames) = (0, 0);
        if !self.taken.is_empty() {
            push_taken(&mut self.output, &self.taken);
            self.taken.clear();
        }
        std::mem::take(&mut self.output)
    }

    fn lose_output(&mut self, turn: u64) {
        self.unheard.said(self.output.get(self.noted..).unwrap_or_default(), self.frames, turn);
        (self.noted, self.frames) = (0, 0);
        (self.output, self.taken) = (Vec::new(), Vec::new());
    }

    /// Says a message, or keeps it for a link that may come back. False: no room.
    pub fn say(&mut self, sip: &SipDown<'_>, turn: u64) -> bool {
        if self.up {
            if self.output.len() >= OUTPUT_BYTES {
                return false;
            }
            push_sip_down(&mut self.output, sip);
            self.frames += 1;
            return true;
        }
        let mut frame = Vec::with_capacity(sip.message.len() + 64);
        push_sip_down(&mut frame, sip);
        self.unheard.said(&frame, 1, turn)
    }
}

/// The cookie of a message that only its own edge could send; datagrams are repeated.
pub fn on_a_connection(sip: &SipDown<'_>) -> Option<u64> {
    Some(sip.cookie).filter(|cookie| *cookie != 0 && sip.transport.is_reliable())
}
