//! Frames made a little shorter or longer without a click: how a jitter buffer catches up with its sender, or waits for it.

/// How much a frame in silence changes, microseconds.
const STEP_US: u32 = 5_000;
/// Shortest and longest cut in speech: one pitch period, 400 Hz to 80 Hz.
const PERIOD_US: (u32, u32) = (2_500, 12_500);
/// Both ends of a change overlap for so long.
const OVERLAP_US: u32 = 2_500;

fn samples(rate: u32, us: u32) -> usize {
    (u64::from(rate) * u64::from(us) / 1_000_000) as usize
}

/// Cuts a few milliseconds out of the frame.
pub fn shorten(frame: &mut Vec<i16>, rate: u32) {
    let (cut, overlap) = (samples(rate, STEP_US), samples(rate, OVERLAP_US));
    if frame.len() >= cut + 2 * overlap {
        remove(frame, (frame.len() - cut - overlap) / 2, cut, overlap);
    }
}

/// Cuts one pitch period out of the frame, or whatever repeats best.
pub fn hurry(frame: &mut Vec<i16>, rate: u32) {
    let overlap = samples(rate, OVERLAP_US);
    let (shortest, longest) = (samples(rate, PERIOD_US.0), samples(rate, PERIOD_US.1));
    let longest = longest.min(frame.len().saturating_sub(2 * overlap));
    let score = |lag: usize| {
        let (one, other) = (frame.get(..overlap)?, frame.get(lag..lag + overlap)?);
        let (mut product, mut energy) = (0i64, 1i64);
        for (&a, &b) in one.iter().zip(other) {
            product += i64::from(a) * i64::from(b);
            energy += i64::from(b) * i64::from(b);
        }
        Some(product as f64 / (energy as f64).sqrt())
    };
    let best = (shortest..=longest).filter_map(|lag| Some((lag, score(lag)?))).max_by(|one, other| one.1.total_cmp(&other.1));
    if let Some((cut, _)) = best {
        remove(frame, 0, cut, overlap);
    }
}

/// Repeats a few milliseconds of the frame.
pub fn lengthen(frame: &mut Vec<i16>, rate: u32) {
    let (step, overlap) = (samples(rate, STEP_US), samples(rate, OVERLAP_US));
    let at = frame.len() / 2;
    if at < step + overlap || frame.len() < at + overlap {
        return;
    }
    // From `at` on the frame begins again `step` earlier.
    let again: Vec<i16> = frame.get(at - step..).unwrap_or_default().to_vec();
    let tail: Vec<i16> = frame.get(at..at + overlap).unwrap_or_default().to_vec();
    frame.truncate(at);
    frame.extend(again.iter().enumerate().map(|(n, &new)| tail.get(n).map_or(new, |&old| mix(old, new, n, overlap))));
}

/// Takes `cut` samples out at `at`, and slides from what is before into what is after.
fn remove(frame: &mut Vec<i16>, at: usize, cut: usize, overlap: usize) {
    for n in 0..overlap {
        let (Some(&old), Some(&new)) = (frame.get(at + n), frame.get(at + cut + n)) else { return };
        if let Some(sample) = frame.get_mut(at + cut + n) {
            *sample = mix(old, new, n, overlap);
        }
    }
    frame.drain(at..at + cut);
}

fn mix(old: i16, new: i16, n: usize, overlap: usize) -> i16 {
    ((i64::from(old) * (overlap - n) as i64 + i64::from(new) * n as i64) / overlap.max(1) as i64) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (10_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16).collect()
    }

    fn steepest(frame: &[i16]) -> i32 {
        frame.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap_or_default()
    }

    #[test]
    fn a_frame_changes_by_5_ms_and_a_hurried_one_by_a_period() {
        for rate in [8_000u32, 16_000, 48_000] {
            let frame = tone(rate, 200.0, rate as usize / 50);
            let [mut short, mut long, mut hurried] = [frame.clone(), frame.clone(), frame.clone()];
            shorten(&mut short, rate);
            lengthen(&mut long, rate);
            hurry(&mut hurried, rate);
            let ms = |frame: &[i16]| frame.len() as f64 * 1_000.0 / f64::from(rate);
            assert_eq!([15.0, 25.0], [ms(&short), ms(&long)], "{rate}");
            assert!((ms(&hurried) - 15.0).abs() < 0.3 || (ms(&hurried) - 10.0).abs() < 0.3, "{rate}: {}", ms(&hurried));
            for changed in [&short, &long, &hurried] {
                assert!(steepest(changed) <= steepest(&frame) * 3 / 2, "{rate}");
            }
            assert_eq!(frame[..20], hurried[..20]);
        }
    }

    #[test]
    fn frames_that_are_too_short_stay_as_they_are() {
        for length in 0..100 {
            for change in [shorten, lengthen, hurry] {
                let mut frame = vec![5; length];
                change(&mut frame, 8_000);
                assert!(frame.len() + 100 >= length && frame.iter().all(|&s| s == 5));
            }
        }
    }
}
