//! One endpoint at the engine: its leg, what it said in this turn, and what is played to it or gathered from it. It knows no other desk.

use serde::{Deserialize, Serialize};

use super::job::{Job, Playing};
use super::Told;
use crate::audio::clean::{Cleaner, Places, Wish};
use crate::audio::codec::CodecError;
use crate::audio::dtmf::detect::Detector;
use crate::audio::dtmf::{Digit, Press};
use crate::audio::frame_samples;
use crate::audio::gather::{self, Gather};
use crate::audio::leg::{self, Form, Heard, Leg};
use crate::audio::play::Item;
use crate::plan::EndpointId;
use crate::relay::Key;
use crate::rtp::Packet;

/// Packets to a peer come from the engine for so long after the last key that was put into them, microseconds.
const KEYS_LINGER_US: u64 = 1_000_000;

/// What an heir of a desk must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskState {
    /// Its leg.
    pub leg: leg::State,
    /// What is played to it.
    pub job: Option<Job>,
    /// What is gathered from it, and under which name.
    pub gather: Option<(Option<String>, Gather)>,
}

/// An endpoint at the engine.
#[derive(Debug)]
pub(crate) struct Desk {
    pub id: EndpointId,
    pub key: Key,
    pub leg: Leg,
    rate: u32,
    /// What it says is heard here.
    pub listens: bool,
    /// What its peer hears is made here.
    pub makes: bool,
    /// The plans ask for it, not only what is played to it.
    pub planned: bool,
    /// The peer wants to hear.
    pub hears: bool,
    /// What it says is replaced by silence.
    pub silenced: bool,
    /// Desks whose sound its peer hears.
    pub sources: Vec<EndpointId>,
    pub playing: Option<Playing>,
    pub gather: Option<(Option<String>, Gather)>,
    /// Until when keys are put in.
    keys_until: u64,
    detector: Option<Detector>,
    presses: Vec<Press>,
    cleaner: Option<Cleaner>,
    /// What it said in this turn.
    pub frame: Vec<i16>,
    pub heard: Heard,
}

impl Desk {
    pub fn new(id: EndpointId, key: Key, leg: Leg, rate: u32) -> Desk {
        let mut desk = Desk {
            id,
            key,
            leg,
            rate,
            listens: false,
            makes: false,
            planned: false,
            hears: true,
            silenced: false,
            sources: Vec::new(),
            playing: None,
            gather: None,
            keys_until: 0,
            detector: None,
            presses: Vec::new(),
            cleaner: None,
            frame: Vec::new(),
            heard: Heard::default(),
        };
        desk.tune();
        desk
    }

    /// Speaks another form, or at another rate; the stream goes on.
    pub fn reform(&mut self, form: Form, rate: u32, now: u64) -> Result<(), CodecError> {
        if *self.leg.form() == form && self.rate == rate {
            return Ok(());
        }
        self.leg.reform(form, rate, now)?;
        if self.rate != rate {
            self.rate = rate;
            self.playing = self.playing.take().map(|playing| playing.at_rate(rate));
        }
        self.tune();
        Ok(())
    }

    fn tune(&mut self) {
        self.frame = vec![0; frame_samples(self.rate)];
        self.detector = self.leg.form().events.is_none().then(|| Detector::new(self.rate));
    }

    /// A packet of its peer.
    pub fn packet(&mut self, now: u64, packet: &Packet<'_>) {
        self.leg.receiver.packet(now, packet);
    }

    /// What its peer said in this turn, and the keys that were pressed.
    pub fn listen(&mut self, now: u64, presses: &mut Vec<(EndpointId, Press)>) {
        if !self.listens {
            self.frame.fill(0);
            self.heard = Heard::default();
            return;
        }
        self.heard = self.leg.receiver.frame(now, &mut self.frame);
        while let Some(press) = self.leg.receiver.key(now) {
            presses.push((self.id, press));
        }
        if let Some(detector) = &mut self.detector {
            detector.hears(&self.frame, &mut self.presses);
            presses.extend(self.presses.drain(..).map(|press| (self.id, press)));
            // The tone itself is left out from its first block on, or the far end would hear the key twice.
            if detector.suspects() {
                self.frame.fill(0);
            }
        }
        // Behind the detector: to the network a key is noise.
        if let Some(cleaner) = &mut self.cleaner {
            cleaner.run(&mut self.frame);
        }
        if self.silenced {
            self.frame.fill(0);
        }
    }

    /// What is taken out of what its peer says from now on. Where all places are taken nothing is.
    pub fn clean(&mut self, wish: Wish, places: &Places) {
        places.fit(&mut self.cleaner, wish, self.rate);
    }

    /// Makes packets of what its peer hears in this turn; `None`: nobody is there who could be heard.
    pub fn speak(&mut self, frame: Option<&[i16]>, packet: &mut Vec<u8>, send: &mut impl FnMut(Key, &[u8])) {
        let (sender, cleaner) = (&mut self.leg.sender, &mut self.cleaner);
        let Some(frame) = frame.filter(|_| self.hears) else {
            sender.silent();
            cleaner.iter_mut().for_each(|cleaner| cleaner.hears_nothing());
            return;
        };
        cleaner.iter_mut().for_each(|cleaner| cleaner.hears(frame));
        sender.frame(frame);
        while sender.next(packet) {
            send(self.key, packet);
        }
    }

    /// Keys that somebody else seems to press, for its peer to hear.
    pub fn press(&mut self, now: u64, digit: Digit, milliseconds: u32) -> bool {
        self.keys_until = now + KEYS_LINGER_US;
        self.leg.sender.press(digit, milliseconds)
    }

    /// A key that is being pressed.
    pub fn pass(&mut self, press: Press) {
        match press {
            Press::Down(digit) => _ = self.leg.sender.hold(digit),
            Press::Up { .. } => self.leg.sender.release(),
        }
    }

    /// A key of its peer, for what is gathered.
    pub fn key(&mut self, now: u64, digit: Digit, tell: &mut Vec<(EndpointId, Told)>) {
        tell.push((self.id, Told::Key(digit)));
        let Some((_, gather)) = &mut self.gather else { return };
        for told in gather.key(now, digit) {
            match told {
                gather::Told::StopPrompt => self.stop(tell),
                gather::Told::Over(why, digits) => self.gathered(why, digits, tell),
            }
        }
    }

    /// Time passes for what is gathered.
    pub fn tick(&mut self, now: u64, tell: &mut Vec<(EndpointId, Told)>) {
        let Some((_, gather)) = &mut self.gather else { return };
        if let Some(gather::Told::Over(why, digits)) = gather.tick(now) {
            self.gathered(why, digits, tell);
        }
    }

    fn gathered(&mut self, why: gather::Why, digits: Vec<Digit>, tell: &mut Vec<(EndpointId, Told)>) {
        let Some((name, _)) = self.gather.take() else { return };
        tell.push((self.id, Told::Gathered { name, why, digits: digits.into_iter().map(Digit::key).collect() }));
    }

    /// Plays from now on; what was played before is over.
    pub fn play(&mut self, job: Job, items: Vec<Item>, tell: &mut Vec<(EndpointId, Told)>) {
        self.stop(tell);
        self.playing = Some(Playing::new(job, items, self.rate));
    }

    /// Plays no more.
    pub fn stop(&mut self, tell: &mut Vec<(EndpointId, Told)>) {
        if let Some(playing) = self.playing.take() {
            tell.push((self.id, Told::Played { name: playing.into_name(), whole: false }));
        }
    }

    /// Overwrites `frame` with what is played to its peer in this turn; false: nothing is.
    pub fn sound(&mut self, now: u64, frame: &mut [i16], tell: &mut Vec<(EndpointId, Told)>) -> bool {
        let Some(playing) = &mut self.playing else { return false };
        if playing.frame(now, frame) {
            return true;
        }
        let name = self.playing.take().and_then(Playing::into_name);
        tell.push((self.id, Told::Played { name, whole: true }));
        if let Some((_, gather)) = &mut self.gather {
            gather.prompt_ended(now);
        }
        false
    }

    /// Nothing else is heard beside what is played.
    pub fn alone(&self) -> bool {
        self.playing.as_ref().is_some_and(Playing::alone)
    }

    /// Something is done here beside what the plans ask for.
    pub fn has_work(&self, now: u64) -> Work {
        let keys = self.keys_until > now || self.leg.sender.waiting().next().is_some();
        Work { makes: self.playing.is_some() || keys, listens: self.gather.is_some(), planned: false }
    }

    /// Only a job or a key had made it necessary, and that is over.
    pub fn is_done(&self, now: u64) -> bool {
        self.makes && !self.planned && !self.has_work(now).makes
    }

    /// What an heir must know.
    pub fn state(&self, now: u64) -> DeskState {
        DeskState { leg: self.leg.state(now), job: self.playing.as_ref().map(Playing::job), gather: self.gather.clone() }
    }
}

/// What a desk is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Work {
    pub makes: bool,
    pub listens: bool,
    /// It makes because the plans ask for it.
    pub planned: bool,
}
