//! DTMF tones made: both frequencies of a key, with soft edges.

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
