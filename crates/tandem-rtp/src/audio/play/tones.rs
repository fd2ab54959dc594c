//! Call progress tones: frequencies and cadences by name (ITU-T E.180 supplement 2; the precise tone plan of North America).

/// Loudness of one frequency, as a part of full scale: -16 dBov and less for each of several.
const PEAK: f32 = 0.2;
/// Edges of a burst, microseconds: no click is heard.
const EDGE_US: u32 = 3_000;

/// A part of a cadence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Frequencies that sound together, Hz; 0 is none.
    pub hertz: [f32; 2],
    /// How long, milliseconds.
    pub milliseconds: u32,
}

/// Bursts one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Cadence {
    /// At least one, none of them of no length.
    bursts: Vec<Burst>,
    /// It begins again after the last.
    repeats: bool,
}

const fn burst(one: f32, two: f32, milliseconds: u32) -> Burst {
    Burst { hertz: [one, two], milliseconds }
}

type Row = (&'static str, &'static [Burst], bool);

/// Name, bursts, and whether they repeat. Europe has no suffix; `us` and `uk` are those of North America and the United Kingdom.
const TABLE: [Row; 17] = [
    ("dial", &[burst(425.0, 0.0, 1_000)], true),
    ("ringback", &[burst(425.0, 0.0, 1_000), burst(0.0, 0.0, 4_000)], true),
    ("busy", &[burst(425.0, 0.0, 500), burst(0.0, 0.0, 500)], true),
    ("congestion", &[burst(425.0, 0.0, 250), burst(0.0, 0.0, 250)], true),
    ("waiting", &[burst(425.0, 0.0, 200), burst(0.0, 0.0, 200), burst(425.0, 0.0, 200), burst(0.0, 0.0, 5_000)], true),
    ("dial.us", &[burst(350.0, 440.0, 1_000)], true),
    ("ringback.us", &[burst(440.0, 480.0, 2_000), burst(0.0, 0.0, 4_000)], true),
    ("busy.us", &[burst(480.0, 620.0, 500), burst(0.0, 0.0, 500)], true),
    ("congestion.us", &[burst(480.0, 620.0, 250), burst(0.0, 0.0, 250)], true),
    ("waiting.us", &[burst(440.0, 0.0, 300), burst(0.0, 0.0, 10_000)], true),
    ("dial.uk", &[burst(350.0, 440.0, 1_000)], true),
    ("ringback.uk", &[burst(400.0, 450.0, 400), burst(0.0, 0.0, 200), burst(400.0, 450.0, 400), burst(0.0, 0.0, 2_000)], true),
    ("busy.uk", &[burst(400.0, 0.0, 375), burst(0.0, 0.0, 375)], true),
    ("congestion.uk", &[burst(400.0, 0.0, 400), burst(0.0, 0.0, 350), burst(400.0, 0.0, 225), burst(0.0, 0.0, 525)], true),
    ("sit", &[burst(950.0, 0.0, 330), burst(1_400.0, 0.0, 330), burst(1_800.0, 0.0, 330), burst(0.0, 0.0, 1_000)], true),
    ("record", &[burst(1_400.0, 0.0, 500), burst(0.0, 0.0, 14_500)], true),
    ("beep", &[burst(1_000.0, 0.0, 250)], false),
];

/// The names that [`named`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|&(name, ..)| name)
}

/// The tone of a name.
///
/// ```
/// use tandem_rtp::audio::play::tones;
/// assert!(tones::named("busy.us").is_some() && tones::named("music").is_none());
/// ```
pub fn named(name: &str) -> Option<Cadence> {
    let (_, bursts, repeats) = TABLE.iter().find(|(known, ..)| *known == name)?;
    Some(Cadence { bursts: bursts.to_vec(), repeats: *repeats })
}

impl Cadence {
    /// A tone of one's own; `None`: without a burst, or with one of no length.
    pub fn new(bursts: Vec<Burst>, repeats: bool) -> Option<Cadence> {
        let good = !bursts.is_empty() && bursts.len() <= 16 && bursts.iter().all(|burst| burst.milliseconds > 0);
        good.then_some(Cadence { bursts, repeats })
    }
}

/// A tone being made.
#[derive(Debug, Clone)]
pub struct Sounding {
    cadence: Cadence,
    rate: u32,
    /// Its burst, and samples of it that were made.
    burst: usize,
    made: u64,
    phase: [f32; 2],
    over: bool,
}

impl Sounding {
    /// A tone at `rate` Hz, so many milliseconds after its begin.
    pub fn new(cadence: Cadence, rate: u32, milliseconds: u64) -> Sounding {
        let whole: u64 = cadence.bursts.iter().map(|burst| u64::from(burst.milliseconds)).sum();
        let over = !cadence.repeats && milliseconds >= whole;
        let (mut at, mut number) = (milliseconds % whole.max(1), 0);
        while let Some(burst) = cadence.bursts.get(number).filter(|burst| at >= u64::from(burst.milliseconds)) {
            at -= u64::from(burst.milliseconds);
            number += 1;
        }
        Sounding { cadence, rate, burst: number, made: at * u64::from(rate) / 1_000, phase: [0.0; 2], over }
    }

    /// Appends `samples`; false: it is over, with fewer or none appended.
    pub fn make(&mut self, samples: usize, out: &mut Vec<i16>) -> bool {
        let mut left = samples;
        while left > 0 && !self.over {
            let Some(&burst) = self.cadence.bursts.get(self.burst) else { break };
            let length = u64::from(burst.milliseconds) * u64::from(self.rate) / 1_000;
            let now = (length.saturating_sub(self.made)).min(left as u64);
            out.extend((0..now).map(|n| self.sample(burst, self.made + n, length)));
            self.made += now;
            left -= now as usize;
            if self.made >= length {
                self.made = 0;
                self.phase = [0.0; 2];
                self.burst += 1;
                if self.burst >= self.cadence.bursts.len() {
                    self.burst = 0;
                    self.over = !self.cadence.repeats;
                }
            }
        }
        left == 0
    }

    fn sample(&mut self, burst: Burst, at: u64, length: u64) -> i16 {
        let edge = (u64::from(self.rate) * u64::from(EDGE_US) / 1_000_000).max(1);
        let ease = (at.min(length - 1 - at) as f32 / edge as f32).min(1.0);
        let mut sum = 0.0;
        for (phase, hertz) in self.phase.iter_mut().zip(burst.hertz) {
            if hertz > 0.0 {
                sum += (*phase * std::f32::consts::TAU).sin();
                *phase = (*phase + hertz / self.rate.max(1) as f32).fract();
            }
        }
        (32_767.0 * PEAK * ease * sum) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tone_of_the_table_sounds_and_rests_as_it_says() {
        for (name, bursts, repeats) in TABLE {
            let mut sounding = Sounding::new(named(name).unwrap(), 8_000, 0);
            for round in 0..2 {
                for burst in bursts {
                    let mut samples = Vec::new();
                    let went_on = sounding.make(burst.milliseconds as usize * 8, &mut samples);
                    if round == 1 && !repeats {
                        assert!(!went_on && samples.is_empty());
                        continue;
                    }
                    assert!(went_on, "{name}");
                    let loud = samples.iter().any(|&s| s > 3_000);
                    assert_eq!(burst.hertz != [0.0; 2], loud, "{name}");
                    let crossings = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count() as f32;
                    if burst.hertz[1] == 0.0 {
                        let hertz = crossings * 1_000.0 / burst.milliseconds as f32;
                        assert!((hertz - burst.hertz[0]).abs() <= 12.0, "{name}: {hertz}");
                    }
                }
            }
        }
        assert_eq!(17, names().count());
    }

    #[test]
    fn a_tone_goes_on_where_it_was() {
        let whole = {
            let (mut sounding, mut samples) = (Sounding::new(named("busy").unwrap(), 8_000, 0), Vec::new());
            sounding.make(16_000, &mut samples);
            samples
        };
        for (at, quiet) in [(0, false), (600, true), (1_100, false), (61_600, true)] {
            let (mut sounding, mut samples) = (Sounding::new(named("busy").unwrap(), 8_000, at), Vec::new());
            sounding.make(400, &mut samples);
            assert_eq!(quiet, samples.iter().all(|&s| s == 0), "{at}");
            assert_eq!(400, samples.len());
        }
        assert!(whole[..4_000].iter().any(|&s| s != 0) && whole[4_000..8_000].iter().all(|&s| s == 0));
        assert!(!Sounding::new(named("beep").unwrap(), 8_000, 250).make(1, &mut Vec::new()));
        assert_eq!(None, Cadence::new(vec![], true));
        assert_eq!(None, Cadence::new(vec![burst(1.0, 0.0, 0)], true));
    }
}
