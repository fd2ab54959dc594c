//! Concealment of lost frames for codecs that have none: the last pitch period is repeated, joined by overlap-add, and fades to silence
//! (after the description in ITU-T G.711 Appendix I). Unlike there, nothing is delayed: the first joint is smoothed in what is made up.

/// Microseconds of the past that are kept: three of the longest periods and the window of the search.
const HISTORY_US: u32 = 65_000;
/// Shortest and longest pitch period: 200 Hz and 66 Hz.
const PERIOD_US: (u32, u32) = (5_000, 15_000);
/// Window in which a period is looked for.
const WINDOW_US: u32 = 20_000;
/// Rate at which it is looked for first, Hz.
const COARSE_RATE: u32 = 4_000;
/// A gap of so long plays one period, of twice that two, then three: a single one would sing.
const STEP_US: u32 = 10_000;
/// What is left of the loudness after each step, from the first on: linear to nothing after 60 ms.
const FADE_STEPS: u32 = 5;
/// Longest overlap after a gap.
const JOIN_US: u32 = 10_000;
/// Growth of that overlap with each step of the gap.
const JOIN_GROWTH_US: u32 = 4_000;

/// The past of one stream, and the gap that it may be in.
#[derive(Debug, Clone)]
pub struct Plc {
    rate: u32,
    past: Vec<i16>,
    gap: Option<Gap>,
}

#[derive(Debug, Clone)]
struct Gap {
    /// Last periods before the gap; what is repeated is its end.
    base: Vec<i16>,
    /// Samples of one period.
    period: usize,
    /// Samples of `base` that are being repeated, and the one that comes next.
    cycle: usize,
    at: usize,
    /// Samples made up so far.
    made: usize,
    /// Step at the gap's edge, which is faded out over a quarter of a period.
    step: i32,
}

impl Gap {
    /// The sample at `at` of the cycle. Its last quarter period slides into what came before its first, so that it can be repeated.
    fn value(&self) -> i32 {
        let first = self.base.len().saturating_sub(self.cycle) + self.at;
        let value = self.base.get(first).copied().map_or(0, i32::from);
        let quarter = self.period / 4;
        let before = first.checked_sub(self.cycle).and_then(|at| self.base.get(at));
        match before {
            Some(&before) if self.at + quarter >= self.cycle && quarter > 0 => {
                let left = (self.cycle - self.at) as i32;
                (value * left + i32::from(before) * (quarter as i32 - left)) / quarter as i32
            }
            _ => value,
        }
    }
}

impl Plc {
    /// Conceals samples of `rate` Hz.
    ///
    /// ```
    /// let mut plc = tandem_rtp::audio::plc::Plc::new(8_000);
    /// let mut tone: Vec<i16> = (0..480).map(|n| if n % 80 < 40 { 8_000 } else { -8_000 }).collect();
    /// plc.heard(&mut tone);
    /// let mut made = Vec::new();
    /// plc.conceal(80, &mut made);
    /// assert_eq!((80, 8_000, -8_000), (made.len(), made[20], made[60]));
    /// ```
    pub fn new(rate: u32) -> Plc {
        Plc { rate, past: Vec::new(), gap: None }
    }

    fn samples(&self, us: u32) -> usize {
        (u64::from(self.rate) * u64::from(us) / 1_000_000) as usize
    }

    /// Takes in a decoded frame; after a gap its begin is joined to what was made up.
    pub fn heard(&mut self, frame: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let steps = gap.made / self.samples(STEP_US).max(1);
            let join = gap.period / 4 + steps * self.samples(JOIN_GROWTH_US);
            let join = join.min(self.samples(JOIN_US)).min(frame.len());
            for (n, sample) in frame.iter_mut().take(join).enumerate() {
                let old = i64::from(self.next(&mut gap));
                let new = i64::from(*sample);
                *sample = ((old * (join - n) as i64 + new * n as i64) / join as i64) as i16;
            }
        }
        self.remember(frame);
    }

    /// Appends `samples` that go on as the stream did.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let mut gap = self.gap.take().unwrap_or_else(|| self.open());
        let start = out.len();
        out.extend((0..samples).map(|_| self.next(&mut gap)));
        self.remember(out.get(start..).unwrap_or_default());
        self.gap = Some(gap);
    }

    fn remember(&mut self, frame: &[i16]) {
        let most = self.samples(HISTORY_US);
        let frame = frame.get(frame.len().saturating_sub(most)..).unwrap_or_default();
        let drop = (self.past.len() + frame.len()).saturating_sub(most);
        self.past.drain(..drop.min(self.past.len()));
        self.past.extend_from_slice(frame);
    }

    /// The next made-up sample.
    fn next(&self, gap: &mut Gap) -> i16 {
        let step = self.samples(STEP_US).max(1);
        let steps = gap.made / step;
        if gap.made.is_multiple_of(step) && (1..=2).contains(&steps) {
            // One period more, in phase with where the last one stands.
            let cycle = (gap.period * (steps + 1)).min(gap.base.len() / gap.period.max(1) * gap.period);
            gap.at += cycle.saturating_sub(gap.cycle);
            gap.cycle = cycle;
            gap.at %= gap.cycle.max(1);
        }
        let value = gap.value();
        gap.at = (gap.at + 1) % gap.cycle.max(1);
        let quarter = (gap.period / 4).max(1);
        let eased = if gap.made < quarter { value + gap.step * (quarter - gap.made) as i32 / quarter as i32 } else { value };
        let fade = FADE_STEPS as usize * step;
        let left = (fade + step).saturating_sub(gap.made.max(step));
        gap.made = gap.made.saturating_add(1);
        (i64::from(eased.clamp(-32_768, 32_767)) * left as i64 / fade as i64) as i16
    }

    fn open(&self) -> Gap {
        let period = self.period();
        let base = self.past.get(self.past.len().saturating_sub(period * 13 / 4)..).unwrap_or_default();
        let base = base.to_vec();
        let last = |back: usize| self.past.len().checked_sub(back).and_then(|at| self.past.get(at)).copied().map_or(0, i32::from);
        let step = if self.past.len() > period { last(1) - last(1 + period) } else { 0 };
        let cycle = period.min(base.len());
        Gap { base, period: period.max(1), cycle, at: 0, made: 0, step }
    }

    /// Samples of the period that the end of the past repeats best: a coarse search over every few samples, then a fine one around it.
    fn period(&self) -> usize {
        let (shortest, longest) = (self.samples(PERIOD_US.0), self.samples(PERIOD_US.1));
        if self.past.len() < longest + self.samples(WINDOW_US) {
            return longest;
        }
        let stride = (self.rate / COARSE_RATE).max(1) as usize;
        let coarse = self.best((shortest..=longest).step_by(stride), stride).unwrap_or(longest);
        let around = coarse.saturating_sub(stride - 1).max(shortest)..=(coarse + stride - 1).min(longest);
        self.best(around, (stride / 2).max(1)).unwrap_or(coarse)
    }

    /// The lag of largest normalized correlation, looking at every `stride`th sample of the window.
    fn best(&self, lags: impl Iterator<Item = usize>, stride: usize) -> Option<usize> {
        let window = self.samples(WINDOW_US);
        let now = self.past.get(self.past.len().checked_sub(window)?..)?;
        let score = |lag: usize| {
            let then = self.past.get(self.past.len().checked_sub(window + lag)?..self.past.len().checked_sub(lag)?)?;
            let (mut product, mut energy) = (0i64, 1i64);
            for (&a, &b) in now.iter().zip(then).step_by(stride) {
                product += i64::from(a) * i64::from(b);
                energy += i64::from(b) * i64::from(b);
            }
            Some(product as f64 / (energy as f64).sqrt())
        };
        lags.filter_map(|lag| Some((lag, score(lag)?))).max_by(|one, other| one.1.total_cmp(&other.1)).map(|(lag, _)| lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (10_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16).collect()
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
    }

    #[test]
    fn a_lost_frame_of_a_steady_sound_sounds_on() {
        for rate in [8_000, 16_000, 44_100, 48_000] {
            for hertz in [80.0, 117.0, 180.0, 440.0] {
                let frame = rate as usize / 50;
                let whole = tone(rate, hertz, 10 * frame);
                let mut plc = Plc::new(rate);
                let mut head = whole[..8 * frame].to_vec();
                plc.heard(&mut head);
                let mut made = Vec::new();
                plc.conceal(frame, &mut made);
                let half = frame / 2;
                let error: Vec<i16> = made[..half].iter().zip(&whole[8 * frame..]).map(|(&a, &b)| a.saturating_sub(b)).collect();
                assert!(power(&error) < power(&whole) / 12.0, "{rate} {hertz}: {}", power(&error) / power(&whole));
                // No click where the gap begins: no step larger than the tone's own.
                let own = whole.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
                let edge = (i32::from(made[0]) - i32::from(head[head.len() - 1])).abs();
                assert!(edge <= own * 3 / 2 + 50, "{rate} {hertz}: {edge} > {own}");
            }
        }
    }

    #[test]
    fn a_gap_fades_to_silence_in_60_ms_and_the_next_frame_fades_in() {
        let mut plc = Plc::new(8_000);
        plc.heard(&mut tone(8_000, 150.0, 1_600));
        let mut made = Vec::new();
        for _ in 0..5 {
            plc.conceal(160, &mut made);
        }
        assert_eq!(800, made.len());
        let powers: Vec<f64> = made.chunks(80).map(power).collect();
        assert!(powers[0] > 1e7 && powers[2] < powers[0] && powers[4] < powers[2] / 2.0, "{powers:?}");
        assert!(made[480..].iter().all(|&s| s == 0));
        let mut next = vec![10_000; 160];
        plc.heard(&mut next);
        assert!(next[0] < 200 && next[40] > 3_000 && next[80..].iter().all(|&s| s == 10_000), "{next:?}");
    }

    #[test]
    fn nothing_heard_is_concealed_by_silence_and_any_length_is_bounded() {
        let mut plc = Plc::new(48_000);
        let mut made = Vec::new();
        plc.conceal(5_760, &mut made);
        assert!(made.iter().all(|&s| s == 0));
        for samples in [0, 1, 7, 100, 5_760] {
            plc.heard(&mut vec![i16::MIN; samples]);
            plc.conceal(samples, &mut made);
        }
        assert!(plc.past.len() <= plc.samples(HISTORY_US));
    }
}
