//! Comfort noise (RFC 3389): the background that a silent sender describes, made; and the description of one that is heard.

use super::vad::{level_dbov, SILENCE_DBOV};

/// Coefficients that are read and made at most.
pub const ORDER: usize = 10;
/// Part of the way to a new description that one frame goes: no step is heard.
const EASE: f32 = 0.25;
/// A coefficient is brought below this: what rings for longer is no background.
const STABLE: f32 = 0.95;
/// Level until one is described, dBov.
const LEVEL_DBOV: f32 = -70.0;

/// A background: its level and its spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Background {
    /// -dBov, 0 to 127 (RFC 3389 3.1).
    pub level: u8,
    /// Reflection coefficients, -1 to 1 (RFC 3389 3.2); zeros are white noise.
    pub reflection: [f32; ORDER],
}

impl Background {
    /// Reads a payload; `None`: it is empty. Coefficients after the tenth are left out.
    ///
    /// ```
    /// use tandem_rtp::audio::comfort::Background;
    /// let background = Background::read(&[60, 127, 127]).unwrap();
    /// assert_eq!((60, 0.0), (background.level, background.reflection[0]));
    /// ```
    pub fn read(payload: &[u8]) -> Option<Background> {
        let (&level, coefficients) = payload.split_first()?;
        let mut reflection = [0.0; ORDER];
        for (k, &n) in reflection.iter_mut().zip(coefficients) {
            // RFC 3389 3.2; 255 is reserved.
            *k = 258.0 * (f32::from(n.min(254)) - 127.0) / 32_768.0;
        }
        Some(Background { level: level & 0x7f, reflection })
    }

    /// Appends the payload, with all coefficients.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.level & 0x7f);
        out.extend(self.reflection.iter().map(|k| (k * 32_768.0 / 258.0 + 127.0).round().clamp(0.0, 254.0) as u8));
    }

    /// Describes a frame without speech.
    pub fn of(frame: &[i16]) -> Background {
        let level = (-level_dbov(frame)).round().clamp(0.0, 127.0) as u8;
        Background { level, reflection: reflection(frame) }
    }
}

/// Reflection coefficients of a frame, by the Schur recursion over its autocorrelation.
fn reflection(frame: &[i16]) -> [f32; ORDER] {
    let mut forward = [0.0f64; ORDER + 1];
    for (lag, sum) in forward.iter_mut().enumerate() {
        *sum = frame.iter().zip(frame.iter().skip(lag)).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    }
    let mut result = [0.0; ORDER];
    // A little white noise keeps the recursion stable.
    forward[0] = forward[0] * 1.001 + 1.0;
    let mut backward = forward;
    for (n, k) in result.iter_mut().enumerate() {
        let (Some(&next), Some(&power)) = (forward.get(n + 1), backward.first()) else { break };
        if power <= 0.0 {
            break;
        }
        let reflected = -next / power;
        *k = reflected as f32;
        for m in 0..ORDER - n {
            let (Some(&f), Some(&b)) = (forward.get(m + n + 1), backward.get(m)) else { break };
            if let Some(place) = forward.get_mut(m + n + 1) {
                *place = f + reflected * b;
            }
            if let Some(place) = backward.get_mut(m) {
                *place = b + reflected * f;
            }
        }
    }
    result
}

/// Makes the noise of one stream.
#[derive(Debug, Clone)]
pub struct Comfort {
    seed: u32,
    level: f32,
    goal: Background,
    reflection: [f32; ORDER],
    lattice: [f32; ORDER + 1],
}

impl Comfort {
    /// Noise from a seed of the caller's: the same seed makes the same noise.
    pub fn new(seed: u32) -> Comfort {
        let goal = Background { level: -LEVEL_DBOV as u8, reflection: [0.0; ORDER] };
        Comfort { seed: seed | 1, level: LEVEL_DBOV, goal, reflection: [0.0; ORDER], lattice: [0.0; ORDER + 1] }
    }

    /// Goes on as `background`.
    pub fn follow(&mut self, background: Background) {
        self.goal = background;
        self.goal.reflection.iter_mut().for_each(|k| *k = k.clamp(-STABLE, STABLE));
    }

    /// Appends `samples` of noise.
    pub fn make(&mut self, samples: usize, out: &mut Vec<i16>) {
        self.level += (-f32::from(self.goal.level) - self.level) * EASE;
        for (k, goal) in self.reflection.iter_mut().zip(self.goal.reflection) {
            *k += (goal - *k) * EASE;
        }
        // White noise of this power comes out of the lattice with the level wanted.
        let gain: f32 = self.reflection.iter().map(|k| (1.0 - k * k).max(1e-4)).product();
        let rms = 32_768.0 * 10f32.powf(self.level.max(SILENCE_DBOV) / 20.0);
        let peak = (3.0 * gain).sqrt() * rms;
        out.extend((0..samples).map(|_| {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (f32::from((self.seed >> 16) as u16) / 32_768.0 - 1.0) * peak;
            self.shape(white).clamp(-32_768.0, 32_767.0) as i16
        }));
    }

    /// One sample through the all-pole lattice.
    fn shape(&mut self, white: f32) -> f32 {
        let mut forward = white;
        for n in (0..ORDER).rev() {
            let (Some(&k), Some(&back)) = (self.reflection.get(n), self.lattice.get(n)) else { continue };
            forward -= k * back;
            if let Some(place) = self.lattice.get_mut(n + 1) {
                *place = back + k * forward;
            }
        }
        self.lattice[0] = forward;
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(background: Background) -> Vec<i16> {
        let (mut comfort, mut out) = (Comfort::new(5), Vec::new());
        comfort.follow(background);
        (0..100).for_each(|_| comfort.make(160, &mut out));
        out.split_off(8_000)
    }

    #[test]
    fn noise_has_the_level_that_was_described_whatever_its_spectrum() {
        for level in [30, 50, 70] {
            for first in [-0.9, 0.0, 0.6] {
                let mut reflection = [0.0; ORDER];
                (reflection[0], reflection[1]) = (first, 0.3);
                let heard = -level_dbov(&made(Background { level, reflection }));
                assert!((heard - f32::from(level)).abs() < 1.5, "{level} {first}: {heard}");
            }
        }
        assert!(made(Background { level: 127, ..Background::default() }).iter().all(|&s| s == 0));
    }

    #[test]
    fn a_background_is_described_as_it_was_made() {
        let mut reflection = [0.0; ORDER];
        (reflection[0], reflection[1], reflection[2]) = (-0.8, 0.4, -0.1);
        let described = Background::of(&made(Background { level: 40, reflection }));
        assert!((38..=42).contains(&described.level));
        for (k, expected) in described.reflection.iter().zip(reflection) {
            assert!((k - expected).abs() < 0.1, "{described:?}");
        }
        let mut payload = Vec::new();
        described.write(&mut payload);
        let again = Background::read(&payload).unwrap();
        assert_eq!((11, described.level), (payload.len(), again.level));
        assert!(again.reflection.iter().zip(described.reflection).all(|(a, b)| (a - b).abs() < 0.005));
    }

    #[test]
    fn every_payload_is_stable() {
        for n in [0, 1, 127, 253, 254, 255] {
            let heard = made(Background::read(&[&[30][..], &[n; 300]].concat()).unwrap());
            assert!(level_dbov(&heard) < -10.0, "{n}");
        }
        assert_eq!(None, Background::read(&[]));
        assert_eq!(Background::default(), Background::of(&[]).clone_level(0));
    }

    impl Background {
        fn clone_level(mut self, level: u8) -> Background {
            self.level = level;
            self.reflection = self.reflection.map(|k| k + 0.0);
            self
        }
    }
}
