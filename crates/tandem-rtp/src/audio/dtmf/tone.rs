//! DTMF tones made: both frequencies of a key, with soft edges, and a queue of keys that become tones in the sound.

use std::collections::VecDeque;

use super::send::{PAUSE_MS, PRESS_MS, WAITING};
use super::Digit;

/// Loudness of each frequency, dBov: -10 dBm0 together (ITU-T Q.23 leaves it to administrations).
const LEVEL_DBOV: f32 = -17.0;
/// The edges last so long, microseconds: no click is heard.
const EDGE_US: u64 = 2_000;

/// The tone of one key that is down.
#[derive(Debug, Clone)]
pub struct Tone {
    rate: u32,
    step: (f32, f32),
    phase: (f32, f32),
    /// Samples made so far.
    made: usize,
}

impl Tone {
    /// The tone of a key at `rate` Hz.
    pub fn new(digit: Digit, rate: u32) -> Tone {
        let (low, high) = digit.hertz();
        let step = |hertz: u32| hertz as f32 / rate.max(1) as f32;
        Tone { rate, step: (step(low), step(high)), phase: (0.0, 0.0), made: 0 }
    }

    /// Overwrites `frame` with the tone. With `last` it fades out at the frame's end.
    pub fn make(&mut self, frame: &mut [i16], last: bool) {
        let edge = (u64::from(self.rate) * EDGE_US / 1_000_000).max(1) as usize;
        let peak = 32_768.0 * 10f32.powf(LEVEL_DBOV / 20.0) * std::f32::consts::SQRT_2;
        let length = frame.len();
        for (n, sample) in frame.iter_mut().enumerate() {
            let rise = (self.made as f32 / edge as f32).min(1.0);
            let fall = if last { ((length - n) as f32 / edge as f32).min(1.0) } else { 1.0 };
            let sum = turn(&mut self.phase.0, self.step.0) + turn(&mut self.phase.1, self.step.1);
            *sample = (peak * rise * fall * sum) as i16;
            self.made = self.made.saturating_add(1);
        }
    }
}

/// The sine at `phase`, which goes on by `step`; both count whole turns.
fn turn(phase: &mut f32, step: f32) -> f32 {
    let value = (*phase * std::f32::consts::TAU).sin();
    *phase = (*phase + step).fract();
    value
}

/// Keys that become tones, one after another.
#[derive(Debug, Clone)]
pub struct Keypad {
    rate: u32,
    waiting: VecDeque<(Digit, u32)>,
    /// The key that sounds, and samples that are left of it; `u64::MAX`: until it is let go.
    sounding: Option<(Digit, Tone, u64)>,
    /// Samples of silence before the next key.
    pause: u64,
}

impl Keypad {
    /// Tones of `rate` Hz.
    pub fn new(rate: u32) -> Keypad {
        Keypad { rate, waiting: VecDeque::new(), sounding: None, pause: 0 }
    }

    /// Queues a press of `milliseconds`, brought inside [`PRESS_MS`]. False: too many wait.
    pub fn press(&mut self, digit: Digit, milliseconds: u32) -> bool {
        self.queue(digit, milliseconds.clamp(PRESS_MS.0, PRESS_MS.1))
    }

    /// A key goes down, until [`Keypad::release`], or for the longest press. False: too many wait.
    pub fn hold(&mut self, digit: Digit) -> bool {
        self.queue(digit, u32::MAX)
    }

    fn queue(&mut self, digit: Digit, milliseconds: u32) -> bool {
        let room = self.waiting.len() < WAITING;
        if room {
            self.waiting.push_back((digit, milliseconds));
        }
        room
    }

    /// The key that is held is let go; a held one that still waits becomes a shortest press.
    pub fn release(&mut self) {
        if let Some((_, milliseconds)) = self.waiting.iter_mut().find(|(_, milliseconds)| *milliseconds == u32::MAX) {
            *milliseconds = PRESS_MS.0;
        } else if let Some((_, tone, left)) = &mut self.sounding {
            let shortest = u64::from(self.rate) * u64::from(PRESS_MS.0) / 1_000;
            *left = (*left).min(shortest.saturating_sub(tone.made as u64));
        }
    }

    /// Whether a key sounds or waits.
    pub fn busy(&self) -> bool {
        self.sounding.is_some() || self.pause > 0 || !self.waiting.is_empty()
    }

    /// Keys that wait, the one that sounds first.
    pub fn waiting(&self) -> impl Iterator<Item = Digit> + '_ {
        self.sounding.iter().map(|(digit, ..)| *digit).chain(self.waiting.iter().map(|&(digit, _)| digit))
    }

    /// Overwrites a frame with the tones of its time; between two keys it is silent.
    pub fn make(&mut self, frame: &mut [i16]) {
        let mut rest = frame;
        while !rest.is_empty() && self.busy() {
            if self.pause > 0 {
                let quiet = (rest.len() as u64).min(self.pause);
                self.pause -= quiet;
                let (now, later) = rest.split_at_mut(quiet as usize);
                now.fill(0);
                rest = later;
                continue;
            }
            if self.sounding.is_none() {
                let Some((digit, milliseconds)) = self.waiting.pop_front() else { break };
                let milliseconds = u64::from(milliseconds.min(PRESS_MS.1));
                self.sounding = Some((digit, Tone::new(digit, self.rate), milliseconds * u64::from(self.rate) / 1_000));
            }
            let Some((_, tone, left)) = &mut self.sounding else { break };
            let loud = (rest.len() as u64).min(*left);
            *left -= loud;
            let over = *left == 0;
            let (now, later) = rest.split_at_mut(loud as usize);
            tone.make(now, over);
            rest = later;
            if over {
                self.sounding = None;
                self.pause = u64::from(self.rate) * u64::from(PAUSE_MS) / 1_000;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::detect::Detector;
    use super::super::Press;
    use super::*;

    fn heard(keypad: &mut Keypad, turns: usize, mut each: impl FnMut(usize, &mut Keypad)) -> Vec<Press> {
        let (mut detector, mut presses) = (Detector::new(16_000), Vec::new());
        for turn in 0..turns {
            each(turn, keypad);
            let mut frame = [100; 320];
            keypad.make(&mut frame);
            detector.hears(&frame, &mut presses);
        }
        presses
    }

    #[test]
    fn keys_in_a_queue_are_heard_one_by_one() {
        let mut keypad = Keypad::new(16_000);
        "4*D".chars().for_each(|key| assert!(keypad.press(Digit::of(key).unwrap(), 70)));
        let presses = heard(&mut keypad, 40, |_, _| {});
        let keys: String = presses.iter().filter_map(|p| if let Press::Down(digit) = p { Some(digit.key()) } else { None }).collect();
        assert_eq!(("4*D", 6, false), (keys.as_str(), presses.len(), keypad.busy()));
    }

    #[test]
    fn a_held_key_sounds_until_it_is_let_go() {
        let mut keypad = Keypad::new(16_000);
        keypad.hold(Digit::of('5').unwrap());
        let presses = heard(&mut keypad, 40, |turn, keypad| {
            if turn == 20 {
                keypad.release()
            }
        });
        assert!(matches!(presses[..], [Press::Down(_), Press::Up { milliseconds: 370..=420, .. }]), "{presses:?}");
        keypad.hold(Digit::of('6').unwrap());
        keypad.release();
        assert!(matches!(heard(&mut keypad, 20, |_, _| {})[..], [Press::Down(_), Press::Up { milliseconds: 25..=60, .. }]));
        assert_eq!(WAITING, (0..1_000).filter(|_| keypad.press(Digit::of('1').unwrap(), 50)).count());
    }
}
