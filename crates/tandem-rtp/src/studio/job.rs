//! Something that is played, as it was asked: an heir asks it again from here. No sound is in it.

use serde::{Deserialize, Serialize};

use crate::audio::play::{Item, Player, Position};

/// A piece of what is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// A sound file of the relay's host.
    File(String),
    /// The bytes of one.
    Blob(Vec<u8>),
    /// A tone by its name ([`crate::audio::play::tones::named`]).
    Tone(String),
    /// Text that a command speaks.
    Speech(String),
    /// Nothing for so many milliseconds.
    Silence(u64),
}

/// What is played to one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The name that whoever asked gave it: it is told with this name when it is over.
    pub name: Option<String>,
    /// One after another.
    pub pieces: Vec<Piece>,
    /// How often all of it; `None`: for ever.
    pub times: Option<u64>,
    /// When it ends at the latest, microseconds since 1970.
    pub until: Option<u64>,
    /// Nothing else is heard meanwhile.
    pub alone: bool,
    /// Where it is.
    pub position: Position,
}

/// A job that sounds.
#[derive(Debug)]
pub(crate) struct Playing {
    job: Job,
    player: Player,
}

impl Playing {
    /// Begins where the job is. `items`: its pieces with their sound.
    pub fn new(job: Job, items: Vec<Item>, rate: u32) -> Playing {
        let player = Player::new(items, job.times, job.position, rate);
        Playing { job, player }
    }

    /// Goes on at another rate.
    pub fn at_rate(self, rate: u32) -> Playing {
        let Playing { job, player } = self;
        let (items, position) = player.into_items();
        Playing::new(Job { position, ..job }, items, rate)
    }

    /// Overwrites `frame` with what sounds in this turn; false: it is over.
    pub fn frame(&mut self, now: u64, frame: &mut [i16]) -> bool {
        let late = self.job.until.is_some_and(|until| until <= now);
        !late && self.player.frame(frame)
    }

    /// Nothing else is heard meanwhile.
    pub fn alone(&self) -> bool {
        self.job.alone
    }

    /// The job, as far as it is.
    pub fn job(&self) -> Job {
        Job { position: self.player.position(), ..self.job.clone() }
    }

    /// The name of the job.
    pub fn into_name(self) -> Option<String> {
        self.job.name
    }
}
