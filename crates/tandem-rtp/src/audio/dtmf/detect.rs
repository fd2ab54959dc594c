//! DTMF tones found in the sound, by Goertzel's filters: keys told once, speech and music told apart from them (limits of ITU-T Q.24).

use super::{Digit, Press, HIGH_HERTZ, LOW_HERTZ};

/// Blocks last 102 samples at 8 kHz: neighbouring frequencies of a group are one bin apart.
const BLOCK_AT_8000: u32 = 102;
/// Blocks of 12.75 ms that must agree before a key is down: 40 ms are surely heard, 20 ms surely not, by the share below.
const AGREE: u8 = 2;
/// Blocks without the key before it is up: gaps of 10 ms are bridged.
const MISSING: u8 = 2;
/// Softest group, dBov of its frequency.
const SOFTEST_DBOV: f32 = -42.0;
/// How much louder the high group may be, as a power: 4 dB.
const TWIST_HIGH: f32 = 2.5;
/// How much louder the low group may be: 8 dB.
const TWIST_LOW: f32 = 6.3;
/// How much a frequency must stand above the others of its group: 8 dB.
const PEAK: f32 = 6.3;
/// Part of the block's power that both frequencies must have: speech spreads over many.
const SHARE: f32 = 0.88;
/// How far beside its frequency a tone is looked for too, so that its share is measured where it is.
const BESIDE: f32 = 0.012;
/// Part of a tone's power that must be found at the frequency itself: what is 1.5 % off has it, what is 3.5 % off has not.
const CENTRE: f32 = 0.55;
/// The same while the key is down: 5 dB of noise do not cut it.
const SHARE_DOWN: f32 = 0.6;
/// How loud a second harmonic may be against its frequency, as a power: vowels have them.
const HARMONIC: f32 = 0.06;

/// How far the power of a frequency may change from one block to the next before a key is down: voices move, 3 dB.
const STEADY: f32 = 2.0;

/// A key in a block, and the power of its frequencies.
#[derive(Debug, Clone, Copy)]
struct Found {
    digit: Digit,
    low: f32,
    high: f32,
}

impl Found {
    fn agrees(&self, before: &Found) -> bool {
        let steady = |one: f32, other: f32| one < STEADY * other && other < STEADY * one;
        self.digit == before.digit && steady(self.low, before.low) && steady(self.high, before.high)
    }
}

/// Finds keys in one stream.
#[derive(Debug, Clone)]
pub struct Detector {
    rate: u32,
    /// Samples of a block.
    length: usize,
    /// Two cosines by frequency: the four low and the four high ones; both a little below, and a little above; and the second harmonics of
    /// the high ones. The low ones' harmonics are too near to the high frequencies to be told from them.
    cosines: [f32; 28],
    block: Vec<i16>,
    /// What the last block held, and how many before it agreed.
    candidate: Option<Found>,
    agreed: u8,
    down: Option<Digit>,
    missing: u8,
    /// Blocks that the key has been down.
    blocks: u32,
}

impl Detector {
    /// A detector for samples of `rate` Hz, at least 8,000.
    pub fn new(rate: u32) -> Detector {
        let rate = rate.max(8_000);
        let length = (u64::from(BLOCK_AT_8000) * u64::from(rate) / 8_000) as usize;
        let mut cosines = [0.0; 28];
        let all = |factor: f32| LOW_HERTZ.into_iter().chain(HIGH_HERTZ).map(move |hertz| factor * hertz as f32);
        let harmonics = HIGH_HERTZ.map(|hertz| 2.0 * hertz as f32);
        for (place, hertz) in cosines.iter_mut().zip(all(1.0).chain(all(1.0 - BESIDE)).chain(all(1.0 + BESIDE)).chain(harmonics)) {
            *place = 2.0 * (std::f32::consts::TAU * hertz / rate as f32).cos();
        }
        Detector { rate, length, cosines, block: Vec::with_capacity(length), candidate: None, agreed: 0, down: None, missing: 0, blocks: 0 }
    }

    /// The key that is down.
    pub fn down(&self) -> Option<Digit> {
        self.down
    }

    /// Whether the end of what was heard may be the begin of a key: two hits make one.
    pub fn suspects(&self) -> bool {
        self.down.is_some() || self.candidate.is_some()
    }

    /// Hears a frame of at most 120 ms; appends what it means to `out`.
    pub fn hears(&mut self, mut frame: &[i16], out: &mut Vec<Press>) {
        while !frame.is_empty() {
            let (now, later) = frame.split_at(frame.len().min(self.length - self.block.len()));
            self.block.extend_from_slice(now);
            frame = later;
            if self.block.len() == self.length {
                let found = self.find();
                self.block.clear();
                self.judge(found, out);
            }
        }
    }

    fn judge(&mut self, found: Option<Found>, out: &mut Vec<Press>) {
        let agrees = found.zip(self.candidate).is_some_and(|(found, before)| found.agrees(&before));
        self.agreed = if agrees { self.agreed.saturating_add(1) } else { u8::from(found.is_some()) };
        self.candidate = found;
        let found = found.map(|found| found.digit);
        if let Some(digit) = self.down {
            self.missing = if found == Some(digit) { 0 } else { self.missing + 1 };
            self.blocks = self.blocks.saturating_add(1);
            if self.missing >= MISSING {
                let heard = u64::from(self.blocks - u32::from(self.missing)) * self.length as u64 * 1_000 / u64::from(self.rate);
                out.push(Press::Up { digit, milliseconds: heard as u32 });
                self.down = None;
            }
        }
        if let (None, Some(digit), true) = (self.down, found, self.agreed >= AGREE) {
            out.push(Press::Down(digit));
            (self.down, self.missing, self.blocks) = (Some(digit), 0, u32::from(self.agreed));
        }
    }

    /// The key of the block.
    fn find(&self) -> Option<Found> {
        let total: f32 = self.block.iter().map(|&sample| f32::from(sample) * f32::from(sample)).sum();
        let length = self.length as f32;
        let softest = 32_768.0f32.powi(2) * 10f32.powf(SOFTEST_DBOV / 10.0);
        if total / length < 2.0 * softest {
            return None;
        }
        let [low, high] = [0, 4].map(|first| {
            let powers: [f32; 4] = std::array::from_fn(|n| self.power(first + n));
            let best = powers.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1)).map_or(0, |(n, _)| n);
            (best, powers)
        });
        let (row, column) = (low.0, high.0);
        let (low_power, high_power) = (low.1.get(row).copied()?, high.1.get(column).copied()?);
        let stands_out =
            |powers: [f32; 4], best: usize, power: f32| powers.iter().enumerate().all(|(n, &other)| n == best || other * PEAK < power);
        let share = if self.down.is_some() { SHARE_DOWN } else { SHARE };
        // A Goertzel power is that of a sine's square times half the block.
        let told = low_power.min(high_power) / (length * length / 4.0) / 2.0 > softest
            && high_power < low_power * TWIST_HIGH
            && low_power < high_power * TWIST_LOW
            && stands_out(low.1, row, low_power)
            && stands_out(high.1, column, high_power)
            && self.power(24 + column) < HARMONIC * high_power
            && {
                let whole = |place: usize, power: f32| power.max(self.power(8 + place)).max(self.power(16 + place));
                let (low, high) = (whole(row, low_power), whole(4 + column, high_power));
                low_power > CENTRE * low && high_power > CENTRE * high && low + high > share * total * length / 2.0
            };
        if !told {
            return None;
        }
        Digit::at(row, column).map(|digit| Found { digit, low: low_power, high: high_power })
    }

    /// Power of a frequency in the block, by its place among the cosines.
    fn power(&self, place: usize) -> f32 {
        let cosine = self.cosines.get(place).copied().unwrap_or_default();
        let (mut one, mut two) = (0.0f32, 0.0f32);
        for &sample in &self.block {
            (one, two) = (f32::from(sample) + cosine * one - two, one);
        }
        one * one + two * two - cosine * one * two
    }
}

#[cfg(test)]
mod tests {
    use super::super::tone::Tone;
    use super::*;

    const KEYS: &str = "0123456789*#ABCD";

    fn sine(rate: u32, hertz: f64, dbov: f64, samples: usize) -> Vec<f64> {
        let peak = 32_768.0 * 10f64.powf(dbov / 20.0) * std::f64::consts::SQRT_2;
        (0..samples).map(|n| peak * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()).collect()
    }

    fn sum(parts: &[Vec<f64>]) -> Vec<i16> {
        (0..parts[0].len()).map(|n| parts.iter().map(|part| part[n]).sum::<f64>().clamp(-32_768.0, 32_767.0) as i16).collect()
    }

    fn keys(detector: &mut Detector, sound: &[i16]) -> String {
        let mut presses = Vec::new();
        sound.chunks(detector.rate as usize / 50).for_each(|frame| detector.hears(frame, &mut presses));
        presses.iter().filter_map(|press| if let Press::Down(digit) = press { Some(digit.key()) } else { None }).collect()
    }

    #[test]
    fn every_key_that_we_make_is_found_once_with_its_length() {
        for rate in [8_000, 16_000, 48_000] {
            let mut detector = Detector::new(rate);
            let (mut sound, frame) = (Vec::new(), rate as usize / 50);
            for key in KEYS.chars() {
                let mut tone = Tone::new(Digit::of(key).unwrap(), rate);
                for n in 0..4 {
                    let mut part = vec![0; frame];
                    tone.make(&mut part, n == 3);
                    sound.extend(part);
                }
                sound.extend(vec![0; 4 * frame]);
            }
            let mut presses = Vec::new();
            sound.chunks(frame).for_each(|frame| detector.hears(frame, &mut presses));
            let ups = presses.iter().filter(|press| matches!(press, Press::Up { milliseconds: 50..=90, .. })).count();
            assert_eq!((KEYS.len(), 2 * KEYS.len()), (ups, presses.len()), "{presses:?}");
            assert_eq!(KEYS, keys(&mut Detector::new(rate), &sound));
        }
    }

    /// ITU-T Q.24: 1.5 % off is a key, 3.5 % is none; 40 ms are, 20 ms are not.
    #[test]
    fn limits_of_frequency_and_length_hold() {
        for key in KEYS.chars() {
            let (low, high) = Digit::of(key).unwrap().hertz();
            let tone = |off: f64, samples| {
                sum(&[sine(8_000, f64::from(low) * off, -20.0, samples), sine(8_000, f64::from(high) * off, -20.0, samples)])
            };
            for off in [0.985, 1.0, 1.015] {
                let sound = [tone(off, 800), vec![0; 800]].concat();
                assert_eq!(key.to_string(), keys(&mut Detector::new(8_000), &sound), "{off}");
            }
            for off in [0.965, 1.035, 0.95, 1.05] {
                assert_eq!("", keys(&mut Detector::new(8_000), &tone(off, 800)), "{key} {off}");
            }
            for lead in (0..102).step_by(10) {
                let at = |ms: usize| [vec![0; lead], tone(1.0, ms * 8), vec![0; 800]].concat();
                assert_eq!(key.to_string(), keys(&mut Detector::new(8_000), &at(40)), "{lead}");
                assert_eq!("", keys(&mut Detector::new(8_000), &at(20)), "{lead}");
            }
        }
    }

    #[test]
    fn twist_inside_the_limits_is_a_key_and_outside_none() {
        let pair = |low: f64, high: f64| sum(&[sine(8_000, 770.0, low, 800), sine(8_000, 1_336.0, high, 800)]);
        for (low, high, key) in
            [(-20.0, -17.0, "5"), (-20.0, -27.0, "5"), (-25.0, -19.0, ""), (-15.0, -25.0, ""), (-35.0, -35.0, "5"), (-50.0, -50.0, "")]
        {
            assert_eq!(key, keys(&mut Detector::new(8_000), &pair(low, high)), "{low} {high}");
        }
    }

    #[test]
    fn noise_does_not_hide_a_key() {
        let mut seed = 1u32;
        let noise: Vec<f64> = (0..1_600)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (f64::from(seed >> 8) / f64::from(1 << 23) - 1.0) * 500.0
            })
            .collect();
        let tone = sum(&[sine(8_000, 852.0, -20.0, 1_600), sine(8_000, 1_477.0, -20.0, 1_600), noise]);
        assert_eq!("9", keys(&mut Detector::new(8_000), &tone));
    }

    /// Talk-off: voices glide through pairs of the frequencies, with their harmonics.
    #[test]
    fn voices_and_sweeps_press_no_key() {
        let (mut detector, mut presses) = (Detector::new(8_000), Vec::new());
        for second in 0..120u32 {
            let mut phase = 0.0f64;
            let sound: Vec<i16> = (0..8_000)
                .map(|n| {
                    let t = f64::from(n) / 8_000.0;
                    let pitch = 90.0 + f64::from(second) * 2.0 + 30.0 * (t * std::f64::consts::TAU * 3.0).sin();
                    phase += pitch / 8_000.0;
                    let voice: f64 = (1..24)
                        .filter(|&k| f64::from(k) * pitch < 3_900.0)
                        .map(|k| {
                            let hertz = f64::from(k) * pitch;
                            let formant = |at: f64| 1.0 / (1.0 + ((hertz - at) / 120.0).powi(2));
                            (0.1 + formant(500.0 + 500.0 * t) + 0.7 * formant(1_200.0 + 400.0 * t)) / f64::from(k).sqrt()
                                * (f64::from(k) * phase * std::f64::consts::TAU).sin()
                        })
                        .sum();
                    (6_000.0 * voice) as i16
                })
                .collect();
            sound.chunks(160).for_each(|frame| detector.hears(frame, &mut presses));
        }
        assert!(presses.is_empty(), "{presses:?}");
        let dial = sum(&[sine(8_000, 350.0, -16.0, 16_000), sine(8_000, 440.0, -16.0, 16_000)]);
        let single = sum(&[sine(8_000, 770.0, -10.0, 16_000)]);
        assert_eq!("", keys(&mut Detector::new(8_000), &[dial, single].concat()));
    }
}
