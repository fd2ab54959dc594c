//! A conference: what its members say is added up, and each hears the sum without itself. Members come with their legs; who may enter, and
//! where packets go, is decided elsewhere.

mod chime;
mod shared;

use std::collections::BTreeMap;

use self::chime::Chime;
use self::shared::Shared;
use super::clean::{Cleaner, Places, Wish};
use super::codec::CodecError;
use super::dtmf::detect::Detector;
use super::dtmf::{Digit, Press};
use super::leg::{self, Leg};
use super::mixer::Mixer;
use super::{frame_samples, RATES};
use crate::rtp::Packet;

/// Members of a room at most.
pub const MEMBERS: usize = 1_000;
/// Members that are heard at one time at most: of more who speak, the loudest.
pub const SPEAKERS: usize = 6;
/// By how much somebody must be louder than one who is heard already to be heard in his place, dB.
const INCUMBENT_DB: f32 = 6.0;

/// Names a member of one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct MemberId(pub u64);

/// What a member is in the room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Hears all and is heard by all. Comes and goes with a tone.
    #[default]
    Member,
    /// The same, without a tone: a supervisor who takes part.
    Barge,
    /// Hears all, is heard by nobody, without a tone.
    Listener,
    /// Hears all, is heard by one, without a tone.
    Whisper(MemberId),
}

/// A member's place, as others may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Seat {
    /// What it is there for.
    pub role: Role,
    /// It is not heard.
    pub muted: bool,
    /// It hears nothing.
    pub deaf: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A member speaks, or has stopped: also one that is muted.
    Talking(MemberId, bool),
    /// A member pressed a key, as an event or as a tone.
    Key(MemberId, Digit),
}

/// Why nobody entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// [`MEMBERS`] are there.
    #[error("the room is full")]
    Full,
    /// The member is there already.
    #[error("the member is in the room")]
    Twice,
    /// No codec could be made.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// One member, for the roster and for an heir.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Its name.
    pub id: MemberId,
    /// Its place.
    pub seat: Seat,
    /// It speaks.
    pub talking: bool,
    /// What an heir of its leg must know.
    pub leg: leg::State,
}

#[derive(Debug)]
struct Member {
    leg: Leg,
    seat: Seat,
    detector: Option<Detector>,
    cleaner: Option<Cleaner>,
    /// What it says in this turn.
    frame: Vec<i16>,
    talking: bool,
    /// It was heard in the last turn.
    heard: bool,
    level: f32,
}

/// A conference.
#[derive(Debug)]
pub struct Room {
    rate: u32,
    members: BTreeMap<MemberId, Member>,
    mixer: Mixer,
    /// What all hear together, and one member's own mix.
    mixed: Vec<i16>,
    own: Vec<i16>,
    whispered: Vec<(MemberId, MemberId)>,
    loudest: Vec<(f32, MemberId)>,
    presses: Vec<Press>,
    chime: Chime,
    shared: Vec<Shared>,
}

impl Room {
    /// An empty room that mixes at `rate` Hz, one of [`RATES`]. Legs are made for the same rate.
    ///
    /// # Errors
    /// [`CodecError::Rate`].
    pub fn new(rate: u32) -> Result<Room, RoomError> {
        if !RATES.contains(&rate) {
            return Err(CodecError::Rate(rate).into());
        }
        Ok(Room {
            rate,
            members: BTreeMap::new(),
            mixer: Mixer::default(),
            mixed: vec![0; frame_samples(rate)],
            own: vec![0; frame_samples(rate)],
            whispered: Vec::new(),
            loudest: Vec::new(),
            presses: Vec::new(),
            chime: Chime::new(rate),
            shared: Vec::new(),
        })
    }

    /// Hz at which it mixes.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// A member enters; with a tone, if its role has one and `tone` is set (an heir's members come in silence).
    ///
    /// # Errors
    /// [`RoomError::Full`], [`RoomError::Twice`].
    pub fn enter(&mut self, id: MemberId, leg: Leg, seat: Seat, tone: bool) -> Result<(), RoomError> {
        if self.members.contains_key(&id) {
            return Err(RoomError::Twice);
        }
        if self.members.len() >= MEMBERS {
            return Err(RoomError::Full);
        }
        let detector = leg.form().events.is_none().then(|| Detector::new(self.rate));
        let frame = vec![0; frame_samples(self.rate)];
        self.members.insert(
            id,
            Member { leg, seat, detector, cleaner: None, frame, talking: false, heard: false, level: super::vad::SILENCE_DBOV },
        );
        if tone && seat.role == Role::Member {
            self.chime.entered();
        }
        Ok(())
    }

    /// A member leaves; its leg.
    pub fn leave(&mut self, id: MemberId) -> Option<Leg> {
        let member = self.members.remove(&id)?;
        if member.seat.role == Role::Member {
            self.chime.left();
        }
        if self.members.is_empty() {
            self.shared.clear();
        }
        Some(member.leg)
    }

    /// A member's place.
    pub fn seat(&self, id: MemberId) -> Option<Seat> {
        self.members.get(&id).map(|member| member.seat)
    }

    /// Gives a member another place; false: it is not here.
    pub fn place(&mut self, id: MemberId, seat: Seat) -> bool {
        let member = self.members.get_mut(&id);
        member.map(|member| member.seat = seat).is_some()
    }

    /// What is taken out of what a member says from now on. Where all places are taken nothing is.
    pub fn clean(&mut self, id: MemberId, wish: Wish, places: &Places) {
        if let Some(member) = self.members.get_mut(&id) {
            places.fit(&mut member.cleaner, wish, self.rate);
        }
    }

    /// A member's leg.
    pub fn leg(&mut self, id: MemberId) -> Option<&mut Leg> {
        self.members.get_mut(&id).map(|member| &mut member.leg)
    }

    /// Members there are.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// All members, with what an heir needs.
    pub fn roster(&self, now: u64) -> Vec<Entry> {
        let entry =
            |(&id, member): (&MemberId, &Member)| Entry { id, seat: member.seat, talking: member.talking, leg: member.leg.state(now) };
        self.members.iter().map(entry).collect()
    }

    /// What an heir of a member's leg must know.
    pub fn state(&self, now: u64, id: MemberId) -> Option<leg::State> {
        self.members.get(&id).map(|member| member.leg.state(now))
    }

    /// What was heard in the last turn by those who said nothing: for a recording.
    pub fn mixed(&self) -> &[i16] {
        &self.mixed
    }

    /// A packet of a member.
    pub fn packet(&mut self, now: u64, id: MemberId, packet: &Packet<'_>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.leg.receiver.packet(now, packet);
        }
    }

    /// One turn of 20 ms at `now`. `announced` is a frame that all hear besides, or empty. Every packet goes to `send`, every event to `tell`.
    pub fn turn(
        &mut self,
        now: u64,
        announced: &[i16],
        packet: &mut Vec<u8>,
        mut send: impl FnMut(MemberId, &[u8]),
        mut tell: impl FnMut(Event),
    ) {
        self.listen(now, &mut tell);
        self.choose();
        self.mixer.clear(frame_samples(self.rate));
        self.members.values().filter(|member| member.heard).for_each(|member| self.mixer.add(&member.frame));
        self.mixer.add(announced);
        self.chime.add(&mut self.mixer);
        self.mixer.write(&mut self.mixed);
        self.shared.iter_mut().for_each(Shared::begin);
        self.speak(packet, &mut send);
    }

    /// What everybody says.
    fn listen(&mut self, now: u64, tell: &mut impl FnMut(Event)) {
        self.whispered.clear();
        for (&id, member) in &mut self.members {
            let heard = member.leg.receiver.frame(now, &mut member.frame);
            while let Some(press) = member.leg.receiver.key(now) {
                if let Press::Down(digit) = press {
                    tell(Event::Key(id, digit));
                }
            }
            if let Some(detector) = &mut member.detector {
                detector.hears(&member.frame, &mut self.presses);
                for press in self.presses.drain(..) {
                    if let Press::Down(digit) = press {
                        tell(Event::Key(id, digit));
                    }
                }
            }
            if let Some(cleaner) = &mut member.cleaner {
                cleaner.run(&mut member.frame);
            }
            if heard.speech != member.talking {
                member.talking = heard.speech;
                tell(Event::Talking(id, heard.speech));
            }
            member.level = member.leg.receiver.level();
            if let (Role::Whisper(to), true, false) = (member.seat.role, member.talking, member.seat.muted) {
                self.whispered.push((to, id));
            }
        }
    }

    /// Who is heard: the loudest of those who speak and may.
    fn choose(&mut self) {
        self.loudest.clear();
        for (&id, member) in &mut self.members {
            let may = matches!(member.seat.role, Role::Member | Role::Barge) && !member.seat.muted;
            if may && member.talking {
                self.loudest.push((member.level + if member.heard { INCUMBENT_DB } else { 0.0 }, id));
            }
            member.heard = false;
        }
        if self.loudest.len() > SPEAKERS {
            self.loudest.sort_by(|one, other| other.0.total_cmp(&one.0));
            self.loudest.truncate(SPEAKERS);
        }
        for (_, id) in &self.loudest {
            if let Some(member) = self.members.get_mut(id) {
                member.heard = true;
            }
        }
    }

    /// What everybody hears. Those who hear the same in the same codec share one encoding.
    fn speak(&mut self, packet: &mut Vec<u8>, send: &mut impl FnMut(MemberId, &[u8])) {
        let whispered = std::mem::take(&mut self.whispered);
        let mut members = std::mem::take(&mut self.members);
        for &(to, from) in &whispered {
            // The mix of one who is whispered to is made here, while the whisperer can be read too.
            let Some(whisper) = members.get(&from).map(|member| member.frame.clone()) else { continue };
            if let Some(member) = members.get_mut(&to).filter(|member| !member.seat.deaf) {
                if !member.heard {
                    member.frame.fill(0);
                    member.heard = true;
                }
                // Its own voice is taken out of the sum, so what is whispered is taken out of its own voice.
                member.frame.iter_mut().zip(&whisper).for_each(|(own, &whisper)| *own = own.saturating_sub(whisper));
            }
        }
        for (&id, member) in &mut members {
            if member.seat.deaf {
                self.own.fill(0);
            } else if member.heard {
                self.mixer.without(&member.frame, &mut self.own);
            }
            let own = member.seat.deaf || member.heard;
            let sound = if own { &self.own } else { &self.mixed };
            if let Some(cleaner) = &mut member.cleaner {
                cleaner.hears(sound);
            }
            let encoded =
                if own || member.leg.sender.busy() { None } else { shared::payload(&mut self.shared, member.leg.form(), self.rate, sound) };
            match encoded {
                Some([]) => member.leg.sender.silent(),
                Some(payload) => {
                    member.leg.sender.encoded(payload, packet);
                    send(id, packet);
                }
                None => member.leg.sender.frame(sound),
            }
            while member.leg.sender.next(packet) {
                send(id, packet);
            }
        }
        self.members = members;
        self.whispered = whispered;
    }
}

#[cfg(test)]
mod tests;
