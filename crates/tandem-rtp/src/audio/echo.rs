//! The echo of what one leg hears taken out of what it says, by AEC3 as browsers have it. It knows no packets, and no noise.

use sonora::config::{Config, EchoCanceller};
use sonora::{AudioProcessing, StreamConfig};

use super::{frame_samples, RATES};

/// Pieces of 10 ms, as the canceller takes them, in a turn.
const PIECES: usize = 2;
/// A turn of it at the highest rate.
static SILENCE: [i16; 960] = [0; 960];

/// Of one leg. The way to the phone and back may take up to half a second, jitter buffers and all.
pub struct Canceller {
    rate: u32,
    /// Large: it keeps what was heard in the last half second.
    engine: Box<AudioProcessing>,
    out: Vec<i16>,
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Canceller {
    /// At `rate` Hz; `None`: it is none of [`RATES`].
    ///
    /// ```
    /// use tandem_rtp::audio::echo::Canceller;
    /// let mut canceller = Canceller::new(8_000).unwrap();
    /// let mut frame = vec![0; 160];
    /// canceller.hears(&frame);
    /// canceller.run(&mut frame);
    /// assert_eq!(vec![0; 160], frame);
    /// assert!(Canceller::new(7_000).is_none());
    /// ```
    pub fn new(rate: u32) -> Option<Canceller> {
        if !RATES.contains(&rate) {
            return None;
        }
        let config = Config { echo_canceller: Some(EchoCanceller::default()), ..Config::default() };
        let stream = StreamConfig::new(rate, 1);
        let engine = Box::new(AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build());
        Some(Canceller { rate, engine, out: vec![0; frame_samples(rate) / PIECES] })
    }

    /// What its peer is about to hear, a turn of 20 ms. To be called once for each turn, in silence too.
    pub fn hears(&mut self, frame: &[i16]) {
        if frame.len() == frame_samples(self.rate) {
            for piece in frame.chunks_exact(self.out.len()) {
                // Only formats can be wrong, and these were checked.
                let _ = self.engine.process_render_i16(piece, &mut self.out);
            }
        }
    }

    /// A turn in which its peer hears nothing.
    pub fn hears_nothing(&mut self) {
        self.hears(SILENCE.get(..frame_samples(self.rate)).unwrap_or_default());
    }

    /// Overwrites what its peer said in a turn of 20 ms; a frame of another length stays as it is.
    pub fn run(&mut self, frame: &mut [i16]) {
        if frame.len() == frame_samples(self.rate) {
            for piece in frame.chunks_exact_mut(self.out.len()) {
                if self.engine.process_capture_i16(piece, &mut self.out).is_ok() {
                    piece.copy_from_slice(&self.out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sound_panics_and_a_turn_of_another_length_stays() {
        for rate in RATES {
            let mut canceller = Canceller::new(rate).unwrap();
            for fill in [i16::MIN, i16::MAX, 0] {
                let mut frame = vec![fill; frame_samples(rate)];
                canceller.hears(&frame);
                canceller.run(&mut frame);
            }
            let mut odd = [7; 100];
            canceller.hears(&odd);
            canceller.run(&mut odd);
            assert_eq!([7; 100], odd);
        }
    }
}
