//! Playing: files, tones and silences one after another, once, often or for ever, from any place on. Where the frames go is not known here.

pub mod tones;

use self::tones::{Cadence, Sounding};
use super::codec::{opus, CodecError};
use super::file::{self, wav::Wav, FileError};
use super::resample::Resampler;
use super::{frame_samples, FRAME_MS};
use std::sync::Arc;

/// Items of a list at most.
pub const ITEMS: usize = 256;
/// Pieces that are taken for one frame at most: a list of items shorter than this would be no sound.
const PIECES: usize = 64;

/// A sound file that can be played by many at once.
#[derive(Debug, Clone)]
pub enum Sound {
    /// WAV.
    Wav(Wav),
    /// Ogg/Opus.
    Opus(file::opus::Opus),
}

impl Sound {
    /// Opens a file by what it begins with. It reads an Ogg file to its end: not a matter for a thread that carries packets.
    ///
    /// # Errors
    /// All of [`FileError`].
    pub fn open(bytes: Arc<[u8]>) -> Result<Sound, FileError> {
        match bytes.get(..4) {
            Some(b"RIFF") => Wav::open(bytes).map(Sound::Wav),
            Some(b"OggS") => file::opus::Opus::open(bytes).map(Sound::Opus),
            _ => Err(FileError::Kind),
        }
    }

    /// How long it is, milliseconds.
    pub fn milliseconds(&self) -> u64 {
        match self {
            Sound::Wav(wav) => wav.samples() * 1_000 / u64::from(wav.rate()),
            Sound::Opus(opus) => opus.units() * 1_000 / u64::from(opus::CLOCK),
        }
    }
}

/// One thing to be played.
#[derive(Debug, Clone)]
pub enum Item {
    /// A file.
    File(Sound),
    /// A tone with its cadence, for so many milliseconds; `None`: until it is stopped, or once if it does not repeat itself.
    Tone(Cadence, Option<u64>),
    /// Nothing for so many milliseconds.
    Silence(u64),
}

/// Where a player is: what an heir of it must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Times that the whole list has been played.
    pub round: u64,
    /// The item, from 0.
    pub item: usize,
    /// Milliseconds into it.
    pub milliseconds: u64,
}

#[derive(Debug)]
enum Source {
    Wav { wav: Wav, at: u64 },
    Opus(Box<file::opus::Playing>),
    Tone { sounding: Sounding, left: Option<u64> },
    Silence { left: u64 },
}

/// Plays a list.
#[derive(Debug)]
pub struct Player {
    rate: u32,
    items: Vec<Item>,
    /// Times that the list is played; `None`: for ever.
    times: Option<u64>,
    position: Position,
    source: Option<Source>,
    resampler: Option<Resampler>,
    /// Samples at the source's rate, and at the engine's, that are still to be heard.
    raw: Vec<i16>,
    ready: Vec<i16>,
    paused: bool,
}

impl Player {
    /// Plays `items` from a position on, at `rate` Hz. A list of more than [`ITEMS`] is cut off there; an empty one is over at once.
    ///
    /// ```
    /// use tandem_rtp::audio::play::{tones, Item, Player, Position};
    /// let beep = Item::Tone(tones::named("beep").unwrap(), None);
    /// let mut player = Player::new(vec![beep], Some(1), Position::default(), 8_000);
    /// let mut frame = [0; 160];
    /// assert!(player.frame(&mut frame) && frame.iter().any(|&sample| sample > 1_000));
    /// ```
    pub fn new(mut items: Vec<Item>, times: Option<u64>, position: Position, rate: u32) -> Player {
        items.truncate(ITEMS);
        Player { rate, items, times, position, source: None, resampler: None, raw: Vec::new(), ready: Vec::new(), paused: false }
    }

    /// Where it is: what is heard next.
    pub fn position(&self) -> Position {
        let waiting = self.ready.len() as u64 * 1_000 / u64::from(self.rate.max(1));
        Position { milliseconds: self.position.milliseconds.saturating_sub(waiting), ..self.position }
    }

    /// What it plays, and where it is: for a player at another rate.
    pub fn into_items(self) -> (Vec<Item>, Position) {
        let position = self.position();
        (self.items, position)
    }

    /// Silent from now on, or again heard where it was.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Overwrites `frame`, which has the samples of one turn; false: it is over, and the frame is silence.
    pub fn frame(&mut self, frame: &mut [i16]) -> bool {
        if self.paused {
            frame.fill(0);
            return true;
        }
        for _ in 0..PIECES {
            if self.ready.len() >= frame.len() || !self.take() {
                break;
            }
        }
        let have = self.ready.len().min(frame.len());
        let (filled, empty) = frame.split_at_mut(have);
        filled.copy_from_slice(self.ready.get(..have).unwrap_or_default());
        empty.fill(0);
        self.ready.drain(..have);
        have > 0 || !self.over()
    }

    fn over(&self) -> bool {
        self.items.is_empty() || self.times.is_some_and(|times| self.position.round >= times)
    }

    /// Takes a piece of the source; false: the list is over.
    fn take(&mut self) -> bool {
        if self.over() {
            return false;
        }
        if self.source.is_none() {
            match self.open() {
                Ok(()) => {}
                Err(_) => {
                    self.step();
                    return true;
                }
            }
        }
        self.raw.clear();
        let rate = self.source_rate();
        let samples = frame_samples(rate);
        let goes_on = match &mut self.source {
            Some(Source::Wav { wav, at }) => {
                wav.read(*at, samples, &mut self.raw);
                *at += self.raw.len() as u64;
                !self.raw.is_empty()
            }
            Some(Source::Opus(playing)) => playing.next(&mut self.raw),
            Some(Source::Tone { sounding, left }) => {
                let milliseconds = left.map_or(u64::from(FRAME_MS), |left| left.min(u64::from(FRAME_MS)));
                *left = left.map(|left| left - milliseconds);
                milliseconds > 0 && sounding.make((u64::from(rate) * milliseconds / 1_000) as usize, &mut self.raw)
            }
            Some(Source::Silence { left }) => {
                let milliseconds = (*left).min(u64::from(FRAME_MS));
                *left -= milliseconds;
                self.raw.resize((u64::from(rate) * milliseconds / 1_000) as usize, 0);
                milliseconds > 0
            }
            None => false,
        };
        let played = self.raw.len() as u64 * 1_000 / u64::from(rate.max(1));
        self.position.milliseconds = self.position.milliseconds.saturating_add(played);
        match &mut self.resampler {
            Some(resampler) => resampler.run(&self.raw, &mut self.ready),
            None => self.ready.extend_from_slice(&self.raw),
        }
        if !goes_on {
            self.step();
        }
        true
    }

    fn source_rate(&self) -> u32 {
        match &self.source {
            Some(Source::Wav { wav, .. }) => wav.rate(),
            Some(Source::Opus(playing)) => playing.rate(),
            _ => self.rate,
        }
    }

    fn open(&mut self) -> Result<(), CodecError> {
        let at = self.position.milliseconds;
        let Some(item) = self.items.get(self.position.item) else { return Err(CodecError::Frame) };
        let source = match item {
            Item::File(Sound::Wav(wav)) => Source::Wav { at: at.saturating_mul(u64::from(wav.rate())) / 1_000, wav: wav.clone() },
            Item::File(Sound::Opus(opus)) => {
                Source::Opus(Box::new(opus.play(at.saturating_mul(u64::from(opus::CLOCK)) / 1_000, opus::rate_for(self.rate))?))
            }
            Item::Tone(cadence, length) => Source::Tone {
                sounding: Sounding::new(cadence.clone(), self.rate, at),
                left: length.map(|length| length.saturating_sub(at)),
            },
            Item::Silence(length) => Source::Silence { left: length.saturating_sub(at) },
        };
        self.source = Some(source);
        let from = self.source_rate();
        self.resampler = match from == self.rate {
            true => None,
            false => Some(Resampler::any(from, self.rate).ok_or(CodecError::Rate(from))?),
        };
        Ok(())
    }

    /// On to the next item.
    fn step(&mut self) {
        self.source = None;
        self.position.milliseconds = 0;
        self.position.item = self.position.item.saturating_add(1);
        if self.position.item >= self.items.len() {
            self.position.item = 0;
            self.position.round = self.position.round.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
