//! Sample rates changed by a polyphase filter in whole numbers: one stream, one direction. The filter delays by [`Resampler::delay_us`].

use std::sync::{Arc, OnceLock};

use super::RATES;

/// Half of the filter's length, in samples of the lower of both rates.
const HALF: usize = 16;
/// Where the filter has fallen by 6 dB, as a part of the lower rate's half.
const CUTOFF: f64 = 0.95;
/// Shape of the Kaiser window: 70 dB.
const BETA: f64 = 6.8;
/// Fraction bits of a coefficient: with 14, no sum can leave 32 bits.
const BITS: u32 = 14;
/// Samples that one call takes at most in one piece: 120 ms at 48 kHz. A longer frame is taken in several.
const PIECE: usize = 5_760;

/// Rates of files that can be played, Hz.
pub const ANY: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Coefficients of a filter at most: 512 KiB of them.
pub const COEFFICIENTS: usize = 262_144;

/// Coefficients of one pair of rates, phase after phase, each in the order of the samples.
#[derive(Debug)]
struct Filter {
    up: usize,
    down: usize,
    taps: usize,
    coefficients: Vec<i16>,
}

/// A pair's filter is a constant that takes a millisecond to work out.
static FILTERS: [[OnceLock<Arc<Filter>>; RATES.len()]; RATES.len()] = [const { [const { OnceLock::new() }; RATES.len()] }; RATES.len()];

/// Changes one stream's sample rate.
#[derive(Debug, Clone)]
pub struct Resampler {
    /// `None`: both rates are the same.
    filter: Option<Arc<Filter>>,
    from: u32,
    to: u32,
    /// The last samples of the frame before, and the frame.
    past: Vec<i16>,
    /// Position of the next output: whole input samples, and the phase in `up` parts of one.
    at: usize,
    phase: usize,
}

impl Resampler {
    /// From `from` Hz to `to` Hz; `None`: a rate is none of [`RATES`].
    ///
    /// ```
    /// let mut resampler = tandem_rtp::audio::resample::Resampler::new(8_000, 16_000).unwrap();
    /// let mut out = Vec::new();
    /// resampler.run(&[0; 160], &mut out);
    /// assert_eq!(320, out.len());
    /// ```
    pub fn new(from: u32, to: u32) -> Option<Resampler> {
        let place = |rate| RATES.iter().position(|&known| known == rate);
        let cell = FILTERS.get(place(from)?)?.get(place(to)?)?;
        let filter = (from != to).then(|| Arc::clone(cell.get_or_init(|| Arc::new(Filter::new(from, to)))));
        let past = filter.as_ref().map_or(Vec::new(), |filter| vec![0; filter.taps - 1]);
        Some(Resampler { filter, from, to, past, at: 0, phase: 0 })
    }

    /// Between any two rates from [`ANY`], as files have them: the filter is worked out anew, for a millisecond or some. `None`: the
    /// rates have so little in common that it would have more than [`COEFFICIENTS`].
    pub fn any(from: u32, to: u32) -> Option<Resampler> {
        if !ANY.contains(&from) || !ANY.contains(&to) {
            return None;
        }
        if let Some(known) = Resampler::new(from, to) {
            return Some(known);
        }
        if from == to {
            return Some(Resampler { filter: None, from, to, past: Vec::new(), at: 0, phase: 0 });
        }
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        if up * taps(up, down) > COEFFICIENTS {
            return None;
        }
        let filter = Filter::new(from, to);
        Some(Resampler { past: vec![0; filter.taps - 1], filter: Some(Arc::new(filter)), from, to, at: 0, phase: 0 })
    }

    /// Hz of what it takes.
    pub fn from(&self) -> u32 {
        self.from
    }

    /// Hz of what it gives.
    pub fn to(&self) -> u32 {
        self.to
    }

    /// Time by which the stream is delayed, microseconds.
    pub fn delay_us(&self) -> u64 {
        let Some(filter) = &self.filter else { return 0 };
        (filter.taps as u64) * 500_000 / u64::from(self.from)
    }

    /// Appends a frame at the other rate. Frames of 10 ms become frames of 10 ms.
    pub fn run(&mut self, frame: &[i16], out: &mut Vec<i16>) {
        let Some(filter) = self.filter.clone() else {
            out.extend_from_slice(frame);
            return;
        };
        for piece in frame.chunks(PIECE) {
            self.piece(&filter, piece, out);
        }
    }

    fn piece(&mut self, filter: &Filter, piece: &[i16], out: &mut Vec<i16>) {
        self.past.extend_from_slice(piece);
        while self.at < piece.len() {
            let samples = self.past.get(self.at..self.at + filter.taps).unwrap_or_default();
            let coefficients = filter.coefficients.get(self.phase * filter.taps..(self.phase + 1) * filter.taps).unwrap_or_default();
            out.push(dot(samples, coefficients));
            self.phase += filter.down;
            self.at += self.phase / filter.up;
            self.phase %= filter.up;
        }
        self.at -= piece.len();
        let keep = self.past.len() - (filter.taps - 1);
        self.past.copy_within(keep.., 0);
        self.past.truncate(filter.taps - 1);
    }
}

#[inline]
fn dot(samples: &[i16], coefficients: &[i16]) -> i16 {
    let sum: i32 = samples.iter().zip(coefficients).map(|(&sample, &c)| i32::from(sample) * i32::from(c)).sum();
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(-32_768, 32_767) as i16
}

impl Filter {
    fn new(from: u32, to: u32) -> Filter {
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let taps = taps(up, down);
        // Cut-off as a part of the input's rate.
        let cutoff = CUTOFF * 0.5 * f64::from(from.min(to)) / f64::from(from);
        let middle = taps as f64 / 2.0;
        let mut coefficients = Vec::with_capacity(up * taps);
        for phase in 0..up {
            let weight = |tap: usize| {
                let distance = tap as f64 + 1.0 - middle - phase as f64 / up as f64;
                sinc(2.0 * cutoff * distance) * kaiser(distance / middle)
            };
            let sum: f64 = (0..taps).map(weight).sum();
            coefficients.extend((0..taps).map(|tap| (weight(tap) / sum * f64::from(1 << BITS)).round() as i16));
        }
        Filter { up, down, taps, coefficients }
    }
}

/// Length of the filter in samples of the input: in time, that of the lower rate.
fn taps(up: usize, down: usize) -> usize {
    (2 * HALF * down.max(up)).div_ceil(up).next_multiple_of(8)
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 {
        1.0
    } else {
        x.sin() / x
    }
}

/// The window, -1 to 1.
fn kaiser(x: f64) -> f64 {
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64) -> Vec<i16> {
        (0..rate).map(|n| (16_000.0 * (f64::from(n) * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16).collect()
    }

    /// Loudness of what comes out, in dB over what went in.
    fn gain(from: u32, to: u32, hertz: f64) -> f64 {
        let (mut resampler, mut out) = (Resampler::new(from, to).unwrap(), Vec::new());
        for frame in tone(from, hertz).chunks(from as usize / 100) {
            let before = out.len();
            resampler.run(frame, &mut out);
            assert_eq!(to as usize / 100, out.len() - before, "{from} to {to}");
        }
        let power = |s: &[i16]| s.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / s.len() as f64;
        10.0 * ((power(&out[to as usize / 10..]) + 1e-3) / power(&tone(from, hertz))).log10()
    }

    #[test]
    fn what_both_rates_can_carry_comes_through_as_loud() {
        for from in RATES {
            for to in RATES {
                let edge = f64::from(from.min(to)) * 0.5;
                for hertz in [100.0, 1_000.0, edge * 0.8] {
                    let gain = gain(from, to, hertz);
                    assert!(gain.abs() < 0.3, "{from} to {to}, {hertz} Hz: {gain} dB");
                }
                if to < from {
                    for hertz in [edge * 1.1, edge * 1.3].into_iter().filter(|&hertz| hertz < f64::from(from) * 0.45) {
                        let gain = gain(from, to, hertz);
                        assert!(gain < -50.0, "{from} to {to}, {hertz} Hz: {gain} dB");
                    }
                }
            }
        }
    }

    #[test]
    fn files_of_other_rates_are_heard_too() {
        for from in [11_025, 12_000, 22_050, 88_200, 96_000, 192_000] {
            let (mut resampler, mut out) = (Resampler::any(from, 8_000).unwrap(), Vec::new());
            resampler.run(&tone(from, 1_000.0), &mut out);
            let power = out[1_000..].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / (out.len() - 1_000) as f64;
            assert!((out.len().abs_diff(8_000) <= 1) && (power / 1.28e8 - 1.0).abs() < 0.05, "{from}: {} {power}", out.len());
        }
    }

    #[test]
    fn there_and_back_is_the_same_sound_a_little_later() {
        for other in [16_000, 44_100, 48_000] {
            let (mut up, mut down) = (Resampler::new(8_000, other).unwrap(), Resampler::new(other, 8_000).unwrap());
            let delay = ((up.delay_us() + down.delay_us()) * 8 / 1_000) as usize;
            let (mut high, mut low) = (Vec::new(), Vec::new());
            let spoken = tone(8_000, 440.0);
            up.run(&spoken, &mut high);
            down.run(&high, &mut low);
            let error =
                |shift: usize| spoken[1_000..6_000].iter().zip(&low[1_000 + shift..]).map(|(&a, &b)| f64::from(a - b).powi(2)).sum::<f64>();
            let best = (0..40).min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap();
            assert!(best.abs_diff(delay) <= 1, "{other}: {best}, said {delay}");
            assert!(up.delay_us() + down.delay_us() < 5_000);
        }
    }

    #[test]
    fn no_sum_leaves_32_bits_and_full_scale_clips() {
        for from in RATES {
            for to in RATES.into_iter().filter(|&to| to != from) {
                let filter = Filter::new(from, to);
                for phase in filter.coefficients.chunks(filter.taps) {
                    assert!(phase.iter().map(|&c| i64::from(c).abs()).sum::<i64>() < 1 << 16, "{from} {to}");
                    assert!((phase.iter().map(|&c| i64::from(c)).sum::<i64>() - (1 << BITS)).abs() < 40, "{from} {to}");
                }
                let mut out = Vec::new();
                Resampler::new(from, to).unwrap().run(&[i16::MIN, i16::MAX, i16::MAX, i16::MIN].repeat(100), &mut out);
            }
        }
    }

    #[test]
    fn frames_of_any_length_lose_no_sample_and_odd_rates_are_refused() {
        let (mut resampler, mut out) = (Resampler::new(44_100, 8_000).unwrap(), Vec::new());
        for n in 0..441 {
            resampler.run(&vec![0; n % 201], &mut out);
        }
        let total: usize = (0..441usize).map(|n| n % 201).sum();
        assert!(out.len().abs_diff(total * 80 / 441) <= 1);
        assert!(Resampler::new(11_025, 8_000).is_none());
        assert!(Resampler::any(191_999, 8_000).is_none() && Resampler::any(3_999, 8_000).is_none());
        let mut same = Vec::new();
        Resampler::new(8_000, 8_000).unwrap().run(&[1, 2, 3], &mut same);
        assert_eq!(vec![1, 2, 3], same);
    }
}
