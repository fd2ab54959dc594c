//! Noise taken out of what one leg says, by RNNoise's network at 48 kHz. It knows no packets, and no echo.

use std::sync::OnceLock;

use nnnoiseless::{DenoiseState, RnnModel};

use super::resample::Resampler;
use super::{frame_samples, FRAME_MS};

/// Hz at which the network hears.
const HZ: u32 = 48_000;
/// Samples of one of its frames: 10 ms.
const FRAME: usize = DenoiseState::FRAME_SIZE;

/// The weights, which are in the program: read once.
static MODEL: OnceLock<RnnModel> = OnceLock::new();

/// Of one leg.
pub struct Denoiser {
    rate: u32,
    up: Resampler,
    down: Resampler,
    state: Box<DenoiseState<'static>>,
    wide: Vec<i16>,
    narrow: Vec<i16>,
}

impl std::fmt::Debug for Denoiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Denoiser").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Denoiser {
    /// At `rate` Hz; `None`: it is none of [`super::RATES`].
    ///
    /// ```
    /// use tandem_rtp::audio::denoise::Denoiser;
    /// let mut frame = vec![0; 160];
    /// Denoiser::new(8_000).unwrap().run(&mut frame);
    /// assert_eq!(vec![0; 160], frame);
    /// assert!(Denoiser::new(7_000).is_none());
    /// ```
    pub fn new(rate: u32) -> Option<Denoiser> {
        let (up, down) = (Resampler::new(rate, HZ)?, Resampler::new(HZ, rate)?);
        let state = DenoiseState::with_model(MODEL.get_or_init(RnnModel::default));
        Some(Denoiser { rate, up, down, state, wide: Vec::new(), narrow: Vec::new() })
    }

    /// Time by which the sound is delayed, microseconds: a frame of the network, and the filters.
    pub fn delay_us(&self) -> u64 {
        u64::from(FRAME_MS) * 500 + self.up.delay_us() + self.down.delay_us()
    }

    /// Overwrites a turn of 20 ms; a frame of another length stays as it is.
    pub fn run(&mut self, frame: &mut [i16]) {
        if frame.len() != frame_samples(self.rate) {
            return;
        }
        self.wide.clear();
        self.narrow.clear();
        self.up.run(frame, &mut self.wide);
        for piece in self.wide.chunks_exact_mut(FRAME) {
            let (mut noisy, mut clean) = ([0.0; FRAME], [0.0; FRAME]);
            noisy.iter_mut().zip(&*piece).for_each(|(to, from)| *to = f32::from(*from));
            self.state.process_frame(&mut clean, &noisy);
            piece.iter_mut().zip(clean).for_each(|(to, from)| *to = from as i16);
            // `as` saturates
        }
        self.down.run(&self.wide, &mut self.narrow);
        frame.iter_mut().zip(&self.narrow).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sound_panics_and_a_turn_of_another_length_stays() {
        let mut denoiser = Denoiser::new(8_000).unwrap();
        for fill in [i16::MIN, i16::MAX, 0] {
            denoiser.run(&mut [fill; 160]);
        }
        let mut odd = [7; 100];
        denoiser.run(&mut odd);
        assert_eq!([7; 100], odd);
    }
}
