//! A call: its legs and what holds for all of them. Who speaks to whom is found here; descriptions are not read.

use serde::{Deserialize, Serialize};

use super::medium::Medium;
use crate::audio::clean;
use crate::ng::{Recording, What};
use crate::plan::{Credentials, Learning, Place};
use crate::sdp::{Family, Origin};

/// Version of the form in which calls are kept; a reader takes its own and older ones.
pub const VERSION: u16 = 1;
/// Legs of a call at most.
pub const LEGS: usize = 32;
/// Tags that one leg remembers.
pub const TAGS: usize = 16;
/// Ids of effects that a call remembers.
pub const EFFECTS: usize = 16;

/// A call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// [`VERSION`].
    pub version: u16,
    /// The ng call-id.
    pub id: String,
    /// When it began, microseconds since 1970.
    pub created: u64,
    /// When the last command about it came.
    pub signalled: u64,
    /// When it ends, once it was deleted.
    pub ends: Option<u64>,
    /// In order of their beginning.
    pub legs: Vec<Leg>,
    /// Number of the next leg.
    pub next_leg: u32,
    /// DSCP and ECN byte; `None`: as configured.
    pub tos: Option<u8>,
    /// Recording.
    pub recording: Recording,
    /// For the recording.
    pub metadata: Option<String>,
    /// What is held back of everybody.
    pub held_back: HeldBack,
    /// Ids of the last effects that must not be repeated.
    pub effects: Vec<String>,
}

/// What is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldBack {
    /// Media packets.
    pub media: bool,
    /// Their sound.
    pub sound: bool,
    /// Telephone events.
    pub dtmf: bool,
    /// Everything, by drop-traffic.
    pub traffic: bool,
}

impl HeldBack {
    /// Holds something back, or no more.
    pub fn set(&mut self, what: What, on: bool) {
        match what {
            What::Media => self.media = on,
            What::Sound => self.sound = on,
            What::Dtmf => self.dtmf = on,
        }
    }
}

/// One party of a call, and our side towards it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Its number within the call.
    pub number: u32,
    /// When it began, microseconds since 1970.
    pub created: u64,
    /// SIP tag, once known.
    pub tag: Option<String>,
    /// Tags of other answerers of the same offer (RFC 3261 12.1: forks).
    pub other_tags: Vec<String>,
    /// Via branch of the offer that it got.
    pub branch: Option<String>,
    /// Its name.
    pub label: Option<String>,
    /// The leg that it speaks with; both must say so.
    pub peer: Option<u32>,
    /// It is a subscription: the sections that it hears, as leg and section.
    pub hears: Vec<(u32, u16)>,
    /// It was made by publish or subscribe request.
    pub role: Role,
    /// Name of the interface.
    pub interface: String,
    /// Family of our ports.
    pub family: Family,
    /// Our ICE credentials.
    pub ice: Option<Credentials>,
    /// Its last ICE user name, by which a restart is known.
    pub their_ufrag: Option<String>,
    /// It has refused ICE.
    pub ice_refused: bool,
    /// It began: it is the offerer of the first description.
    pub began: bool,
    /// Our a=tls-id.
    pub tls_id: Option<String>,
    /// The sections of the first BUNDLE group of its last description.
    pub their_bundle: Vec<u16>,
    /// The sections of the BUNDLE group that it was told.
    pub our_bundle: Vec<u16>,
    /// NAT learning.
    pub learning: Option<Learning>,
    /// Its RTP is asymmetric.
    pub asymmetric: bool,
    /// See [`crate::plan::Endpoint::strict`].
    pub strict: bool,
    /// See [`crate::plan::Endpoint::handover`].
    pub handover: bool,
    /// See [`crate::plan::Endpoint::inject_dtmf`].
    pub inject_dtmf: bool,
    /// See [`crate::plan::Endpoint::clean`].
    pub clean: clean::Wish,
    /// See [`crate::plan::Endpoint::timeout_seconds`].
    pub timeout_seconds: Option<u32>,
    /// What is held back of it.
    pub held_back: HeldBack,
    /// The room that it is in.
    pub room: Option<Place>,
    /// The session lines that it was told last.
    pub told: Told,
    /// Sections.
    pub media: Vec<Medium>,
}

/// How a leg came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Role {
    /// By offer and answer.
    #[default]
    Dialog,
    /// By publish.
    Publisher,
    /// By subscribe request.
    Subscriber,
}

/// Session lines that stay the same in all descriptions for a leg, when that is asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Told {
    /// o=.
    pub origin: Option<Origin>,
    /// s=.
    pub name: Option<Vec<u8>>,
    /// Hash of the last description without o=.
    pub hash: u64,
    /// Version of o=.
    pub version: u64,
}

impl Call {
    /// A call without legs.
    pub fn new(id: &str, now: u64) -> Call {
        Call {
            version: VERSION,
            id: id.to_owned(),
            created: now,
            signalled: now,
            ends: None,
            legs: Vec::new(),
            next_leg: 1,
            tos: None,
            recording: Recording::Off,
            metadata: None,
            held_back: HeldBack::default(),
            effects: Vec::new(),
        }
    }

    /// Adds a leg and returns its place.
    pub fn add(&mut self, tag: Option<&str>, now: u64) -> usize {
        let leg = Leg {
            number: self.next_leg,
            created: now,
            tag: tag.map(str::to_owned),
            other_tags: Vec::new(),
            branch: None,
            label: None,
            peer: None,
            hears: Vec::new(),
            role: Role::Dialog,
            interface: String::new(),
            family: Family::Ip4,
            ice: None,
            their_ufrag: None,
            ice_refused: false,
            began: false,
            tls_id: None,
            their_bundle: Vec::new(),
            our_bundle: Vec::new(),
            learning: None,
            asymmetric: false,
            strict: false,
            handover: false,
            inject_dtmf: false,
            clean: clean::Wish::default(),
            timeout_seconds: None,
            held_back: HeldBack::default(),
            room: None,
            told: Told::default(),
            media: Vec::new(),
        };
        self.next_leg += 1;
        self.legs.push(leg);
        self.legs.len() - 1
    }

    /// The leg with that tag, an older one too.
    pub fn by_tag(&self, tag: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.has_tag(tag))
    }

    /// The leg with that number.
    pub fn by_number(&self, number: u32) -> Option<usize> {
        self.legs.iter().position(|leg| leg.number == number)
    }

    /// Two legs at once.
    pub fn two(&mut self, one: usize, other: usize) -> Option<(&mut Leg, &mut Leg)> {
        let (low, high) = (one.min(other), one.max(other));
        let (first, second) = self.legs.split_at_mut_checked(high)?;
        let (low, high) = (first.get_mut(low)?, second.first_mut()?);
        Some(if one < other { (low, high) } else { (high, low) })
    }

    /// The leg that a leg speaks with, if both say so.
    pub fn peer(&self, leg: &Leg) -> Option<&Leg> {
        let peer = self.legs.iter().find(|other| Some(other.number) == leg.peer)?;
        (peer.peer == Some(leg.number)).then_some(peer)
    }

    /// Both speak with each other from now on.
    pub fn join(&mut self, one: usize, other: usize) {
        let number = |at: usize| self.legs.get(at).map(|leg| leg.number);
        let (first, second) = (number(one), number(other));
        self.legs.get_mut(one).into_iter().for_each(|leg| leg.peer = second);
        self.legs.get_mut(other).into_iter().for_each(|leg| leg.peer = first);
    }

    /// Remembers an effect; false: it was there already.
    pub fn first_time(&mut self, effect: &str) -> bool {
        if self.effects.iter().any(|other| other == effect) {
            return false;
        }
        if self.effects.len() == EFFECTS {
            self.effects.remove(0);
        }
        self.effects.push(effect.to_owned());
        true
    }
}

impl Leg {
    /// Whether it has, or had, that tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag) || self.other_tags.iter().any(|other| other == tag)
    }

    /// Another answerer speaks: its tag is the one from now on.
    pub fn answered_by(&mut self, tag: &str) {
        if self.tag.as_deref() == Some(tag) {
            return;
        }
        self.other_tags.retain(|other| other != tag);
        if let Some(old) = self.tag.replace(tag.to_owned()) {
            if self.other_tags.len() == TAGS {
                self.other_tags.remove(0);
            }
            self.other_tags.push(old);
        }
    }

    /// Whether it has an endpoint of that section, its own or that of its carrier.
    pub fn carried(&self, section: usize) -> Option<&Medium> {
        let medium = self.media.get(section)?;
        match medium.carrier {
            Some(carrier) => self.media.get(usize::from(carrier)),
            None => Some(medium),
        }
    }
}
