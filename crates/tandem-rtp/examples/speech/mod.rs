//! What the examples that judge a leg's sound share: the speech that they are given, white noise by a seed, and how like two sounds are.

use std::error::Error;
use std::ops::Range;

use tandem_rtp::audio::file::wav::Wav;
use tandem_rtp::audio::resample::Resampler;

/// Speech of a file.
pub struct Speech {
    rate: u32,
    samples: Vec<i16>,
}

impl Speech {
    /// That of the WAV file that the command line names; `example` is the program's name.
    pub fn asked(example: &str) -> Result<Speech, Box<dyn Error>> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let [file] = words.as_slice() else { return Err(format!("{example} SPEECH.wav").into()) };
        let wav = Wav::open(std::fs::read(file)?.into())?;
        let mut samples = Vec::new();
        wav.read(0, wav.samples() as usize, &mut samples);
        Ok(Speech { rate: wav.rate(), samples })
    }

    /// At another rate, Hz.
    pub fn at(&self, rate: u32) -> Result<Vec<i16>, Box<dyn Error>> {
        let mut samples = Vec::new();
        Resampler::new(self.rate, rate).ok_or("a rate that is not resampled")?.run(&self.samples, &mut samples);
        Ok(samples)
    }
}

/// White noise, -1 to 1: the same each time.
pub fn white() -> impl FnMut() -> f64 {
    let mut state = 7u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

/// SI-SDR, dB: what of a sound is the clean one at any loudness, to the rest.
pub fn ratio_of(clean: &[i16], sound: &[i16]) -> f64 {
    let pairs = || clean.iter().zip(sound).map(|(&one, &other)| (f64::from(one), f64::from(other)));
    let (cross, own): (f64, f64) = pairs().fold((0.0, 0.0), |(cross, own), (one, other)| (cross + one * other, own + one * one));
    let scale = cross / own.max(1.0);
    let rest: f64 = pairs().map(|(one, other)| (other - scale * one).powi(2)).sum();
    10.0 * (scale * scale * own / rest.max(1.0)).log10()
}

/// By how many samples it is late, of those in question: where it is most like the clean sound.
pub fn delay(clean: &[i16], heard: &[i16], late: Range<usize>) -> usize {
    let like = |late: &usize| {
        let pairs = clean.iter().zip(heard.get(*late..).unwrap_or_default());
        pairs.map(|(&one, &other)| f64::from(one) * f64::from(other)).sum::<f64>()
    };
    late.clone().max_by(|one, other| like(one).total_cmp(&like(other))).unwrap_or(late.start)
}
