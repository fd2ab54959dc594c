//! The desks of one call: each hears the others that its plan names, and what is played to it. It decides about no plan.

use super::desk::Desk;
use super::tape::{Reeled, Tape};
use super::Told;
use crate::audio::dtmf::Press;
use crate::audio::frame_samples;
use crate::audio::mixer::Mixer;
use crate::plan::EndpointId;
use crate::relay::Key;

/// What a turn gives.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    pub told: Vec<(EndpointId, Told)>,
    pub reeled: Option<Reeled>,
}

/// The desks of a call.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub rate: u32,
    pub desks: Vec<Desk>,
    pub tape: Option<Tape>,
    mixer: Mixer,
    mixed: Vec<i16>,
    played: Vec<i16>,
    presses: Vec<(EndpointId, Press)>,
}

impl Bridge {
    pub fn new(rate: u32) -> Bridge {
        Bridge { rate, desks: Vec::new(), tape: None, mixer: Mixer::default(), mixed: Vec::new(), played: Vec::new(), presses: Vec::new() }
    }

    pub fn desk(&mut self, id: EndpointId) -> Option<&mut Desk> {
        self.desks.iter_mut().find(|desk| desk.id == id)
    }

    /// One turn of 20 ms: each packet goes to `send`.
    pub fn turn(&mut self, now: u64, packet: &mut Vec<u8>, mut send: impl FnMut(Key, &[u8])) -> Turned {
        let mut turned = Turned::default();
        self.presses.clear();
        self.desks.iter_mut().for_each(|desk| desk.listen(now, &mut self.presses));
        self.keys(now, &mut turned.told);
        self.mixed.resize(frame_samples(self.rate), 0);
        self.played.resize(frame_samples(self.rate), 0);
        for at in 0..self.desks.len() {
            self.speak(now, at, &mut turned.told, packet, &mut send);
        }
        if let Some(tape) = &mut self.tape {
            let said: Vec<&[i16]> = self.desks.iter().filter(|desk| desk.listens).map(|desk| &desk.frame[..]).collect();
            turned.reeled = tape.frame(now, self.rate, &said);
        }
        turned
    }

    fn keys(&mut self, now: u64, told: &mut Vec<(EndpointId, Told)>) {
        for (from, press) in self.presses.drain(..) {
            if let (Press::Down(digit), Some(desk)) = (press, self.desks.iter_mut().find(|desk| desk.id == from)) {
                desk.key(now, digit, told);
            }
            self.desks.iter_mut().filter(|desk| desk.makes && desk.sources.contains(&from)).for_each(|desk| desk.pass(press));
        }
        self.desks.iter_mut().for_each(|desk| desk.tick(now, told));
    }

    /// What the peer of one desk hears.
    fn speak(&mut self, now: u64, at: usize, told: &mut Vec<(EndpointId, Told)>, packet: &mut Vec<u8>, send: &mut impl FnMut(Key, &[u8])) {
        let Some(desk) = self.desks.get_mut(at).filter(|desk| desk.makes) else { return };
        let plays = desk.sound(now, &mut self.played, told);
        let mut streams = plays;
        self.mixer.clear(self.mixed.len());
        if plays {
            self.mixer.add(&self.played);
        }
        let (alone, sources) = (plays && desk.alone(), std::mem::take(&mut desk.sources));
        for other in self.desks.iter().filter(|other| !alone && sources.contains(&other.id)) {
            streams |= other.heard.stream;
            self.mixer.add(&other.frame);
        }
        self.mixer.write(&mut self.mixed);
        let Some(desk) = self.desks.get_mut(at) else { return };
        desk.sources = sources;
        let sounds = streams || desk.leg.sender.busy();
        desk.speak(sounds.then_some(&self.mixed), packet, send);
    }
}

#[cfg(test)]
mod tests;
