//! A recording of a call or a room while it runs: frames go in, what is to be written comes out. It has no file.

use crate::audio::codec::CodecError;
use crate::audio::record::{Kind, Recorder, State, Write};
use crate::audio::resample::Resampler;

/// A recording that begins or goes on.
#[derive(Debug, Clone)]
pub struct Reel {
    /// What kind of file.
    pub kind: Kind,
    /// Random, for the stream of an Ogg file.
    pub serial: u32,
    /// Nothing is recorded until it is told to.
    pub paused: bool,
    /// Where a predecessor was, and what its file holds behind that.
    pub left: Option<(State, Vec<u8>)>,
    /// Hz of the file, one of [`crate::audio::RATES`]; `None`: those that hold what is said. It does not change.
    pub rate: Option<u32>,
}

/// What became of a recording in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reeled {
    /// To be written, in order.
    pub writes: Vec<Write>,
    /// Where it is when that is written; `None`: it has ended.
    pub state: Option<State>,
    /// Hz of the file.
    pub rate: u32,
}

/// A recording that runs.
#[derive(Debug)]
pub(crate) struct Tape {
    recorder: Recorder,
    /// Hz of its file.
    rate: u32,
    /// From another rate to it: Hz, and one for each leg.
    resamplers: (u32, Vec<Resampler>),
    resampled: Vec<Vec<i16>>,
}

impl Tape {
    pub fn new(reel: &Reel, rate: u32, now: u64) -> Result<Tape, CodecError> {
        let mut recorder = match &reel.left {
            Some((state, tail)) => Recorder::heir(reel.kind, rate, state, now, tail)?,
            None => Recorder::new(reel.kind, rate, reel.serial)?,
        };
        recorder.pause(reel.paused);
        Ok(Tape { recorder, rate, resamplers: (rate, Vec::new()), resampled: Vec::new() })
    }

    pub fn pause(&mut self, paused: bool) {
        self.recorder.pause(paused);
    }

    /// Takes what was said in a turn, one frame of `rate` Hz for each leg; something to be written, about once a second.
    pub fn frame(&mut self, now: u64, rate: u32, legs: &[&[i16]]) -> Option<Reeled> {
        if rate == self.rate {
            self.recorder.frame(legs);
        } else {
            self.resample(rate, legs);
            let frames: Vec<&[i16]> = self.resampled.iter().map(|frame| &frame[..]).collect();
            self.recorder.frame(&frames);
        }
        let writes = self.recorder.writes();
        (!writes.is_empty()).then(|| Reeled { writes, state: Some(self.recorder.state(now)), rate: self.rate })
    }

    fn resample(&mut self, rate: u32, legs: &[&[i16]]) {
        let (from, resamplers) = &mut self.resamplers;
        if *from != rate || resamplers.len() != legs.len() {
            *from = rate;
            *resamplers = legs.iter().filter_map(|_| Resampler::new(rate, self.rate)).collect();
        }
        self.resampled.resize_with(legs.len(), Vec::new);
        for ((resampler, leg), out) in resamplers.iter_mut().zip(legs).zip(&mut self.resampled) {
            out.clear();
            resampler.run(leg, out);
        }
    }

    pub fn end(self) -> Reeled {
        Reeled { writes: self.recorder.finish(), state: None, rate: self.rate }
    }
}
