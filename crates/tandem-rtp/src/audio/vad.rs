//! Whether a frame is speech: its level over a noise floor that is learned. It hears loud and soft, not words.

/// Level over the floor from which on a frame is speech, dB.
const MARGIN_DB: f32 = 9.0;
/// A softer frame is never speech, dBov.
const SOFTEST_DBOV: f32 = -55.0;
/// A louder one always is, whatever the floor has learned, dBov.
const LOUD_DBOV: f32 = -25.0;
/// Frames of 20 ms that count as speech after the last one: words have soft ends.
const HANGOVER: u8 = 10;
/// How fast the floor rises to a louder background, dB a frame.
const RISE_DB: f32 = 0.04;
/// How fast it falls to a softer one, as a part of the difference.
const FALL: f32 = 0.25;
/// Level of digital silence, dBov.
pub const SILENCE_DBOV: f32 = -127.0;

/// Level of a frame against the loudest square wave, dBov: 0 down to [`SILENCE_DBOV`].
///
/// ```
/// use tandem_rtp::audio::vad::level_dbov;
/// assert_eq!((-127.0, 0.0), (level_dbov(&[0; 160]), level_dbov(&[i16::MIN; 160])));
/// ```
pub fn level_dbov(frame: &[i16]) -> f32 {
    let sum: u64 = frame.iter().map(|&sample| (i32::from(sample) * i32::from(sample)) as u64).sum();
    if sum == 0 {
        return SILENCE_DBOV;
    }
    let mean = sum as f32 / frame.len() as f32;
    (10.0 * (mean / (32_768.0 * 32_768.0)).log10()).max(SILENCE_DBOV)
}

/// Hears one stream.
#[derive(Debug, Clone)]
pub struct Vad {
    floor: f32,
    level: f32,
    hangover: u8,
}

impl Default for Vad {
    fn default() -> Vad {
        Vad { floor: SOFTEST_DBOV, level: SILENCE_DBOV, hangover: 0 }
    }
}

impl Vad {
    /// Whether a frame of 20 ms is speech, or so soon after it that it counts.
    pub fn hears(&mut self, frame: &[i16]) -> bool {
        self.level = level_dbov(frame);
        if self.level < self.floor {
            self.floor += (self.level.max(-90.0) - self.floor) * FALL;
        } else {
            self.floor = (self.floor + RISE_DB).min(self.level);
        }
        let speech = self.level > SOFTEST_DBOV && (self.level > self.floor + MARGIN_DB || self.level > LOUD_DBOV);
        self.hangover = if speech { HANGOVER } else { self.hangover.saturating_sub(1) };
        self.hangover > 0
    }

    /// Level of the last frame, dBov.
    pub fn level(&self) -> f32 {
        self.level
    }

    /// Noise floor, dBov.
    pub fn floor(&self) -> f32 {
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(level: i32, frames: usize) -> Vec<Vec<i16>> {
        let mut seed = 3u32;
        let mut sample = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((i64::from(seed >> 8) - (1 << 23)) * i64::from(level)) >> 23) as i16
        };
        (0..frames).map(|_| (0..160).map(|_| sample()).collect()).collect()
    }

    #[test]
    fn speech_is_heard_over_a_background_and_its_end_a_little_later() {
        let mut vad = Vad::default();
        let background = noise(200, 200);
        let heard: Vec<bool> = background.iter().map(|frame| vad.hears(frame)).collect();
        assert!(heard[50..].iter().all(|&speech| !speech));
        assert!(noise(3_000, 20).iter().all(|frame| vad.hears(frame)));
        let after: Vec<bool> = background.iter().map(|frame| vad.hears(frame)).collect();
        assert_eq!(Some(usize::from(HANGOVER) - 1), after.iter().position(|&speech| !speech));
    }

    #[test]
    fn a_background_that_becomes_louder_is_speech_only_for_seconds() {
        let mut vad = Vad::default();
        noise(60, 100).iter().for_each(|frame| _ = vad.hears(frame));
        let heard: Vec<bool> = noise(600, 1_500).iter().map(|frame| vad.hears(frame)).collect();
        assert!(heard[0] && !heard[1_400]);
    }

    #[test]
    fn silence_is_none_and_shouting_always_is() {
        let mut vad = Vad::default();
        assert!(!(0..50).any(|_| vad.hears(&[0; 160])));
        assert!(noise(20_000, 3_000).iter().all(|frame| vad.hears(frame)));
        assert!(!Vad::default().hears(&[]));
    }
}
