//! Speech with noise added by a seed, through a leg's noise suppression: one line of JSON for each rate, noise and ratio, with what was
//! there before and after. It judges nothing: `./tandem bench rtp --only denoise_pause_db` does.
//!
//! `denoise SPEECH.wav`

mod speech;

use std::error::Error;
use std::time::Instant;

use speech::{delay, ratio_of, white, Speech};
use tandem_rtp::audio::denoise::Denoiser;
use tandem_rtp::audio::frame_samples;

/// Hz of engines with noise suppression.
const RATES: [u32; 3] = [8_000, 16_000, 48_000];
/// Signal to noise over the whole of the speech, dB.
const RATIOS: [f64; 3] = [0.0, 5.0, 15.0];
/// Loudest turn and one of a pause differ by so much, dB.
const PAUSE_DB: f64 = 35.0;
/// What is heard first is left out: the network finds the noise, seconds.
const FIRST_SECONDS: usize = 1;

/// What the noise is like.
#[derive(Clone, Copy)]
enum Noise {
    /// No colour.
    White,
    /// A fan, a car: 3 dB less an octave.
    Pink,
    /// Four voices that talk at once, each the speech itself from elsewhere in it.
    Babble,
}

fn main() -> Result<(), Box<dyn Error>> {
    let speech = Speech::asked("denoise")?;
    for rate in RATES {
        let mut clean = speech.at(rate)?;
        clean.truncate(clean.len() / frame_samples(rate) * frame_samples(rate));
        for (name, noise) in [("white", Noise::White), ("pink", Noise::Pink), ("babble", Noise::Babble)] {
            for ratio in RATIOS {
                println!("{}", case(rate, &clean, name, noise, ratio)?);
            }
        }
    }
    Ok(())
}

fn case(rate: u32, clean: &[i16], name: &str, noise: Noise, ratio: f64) -> Result<serde_json::Value, Box<dyn Error>> {
    let added = noise.made(clean, rate);
    let scale = (power(clean.iter().map(|&one| f64::from(one))) / power(added.iter().copied()) / 10f64.powf(ratio / 10.0)).sqrt();
    let noisy: Vec<i16> = clean.iter().zip(&added).map(|(&one, &other)| (f64::from(one) + scale * other).round() as i16).collect();
    let mut denoiser = Denoiser::new(rate).ok_or("no denoiser")?;
    let mut heard = noisy.clone();
    let began = Instant::now();
    heard.chunks_mut(frame_samples(rate)).for_each(|turn| denoiser.run(turn));
    let nanoseconds = began.elapsed().as_nanos() as usize / (heard.len() / frame_samples(rate));
    let near = (denoiser.delay_us() * u64::from(rate) / 1_000_000) as usize;
    let late = delay(clean, &heard, near / 2..near * 2);
    let first = FIRST_SECONDS * rate as usize;
    let told = |sound: &[i16]| ratio_of(clean.get(first..).unwrap_or_default(), sound.get(first..).unwrap_or_default());
    let aligned = heard.get(late..).unwrap_or_default();
    let (before, after) = (told(&noisy), told(aligned));
    let pauses = floor(rate, clean, &noisy, first) - floor(rate, clean, aligned, first);
    Ok(serde_json::json!({
        "rate": rate, "noise": name, "ratio_db": ratio, "before_db": before, "after_db": after, "pauses_db": pauses,
        "delay_samples": late, "delay_us": denoiser.delay_us(), "turn_ns": nanoseconds,
    }))
}

impl Noise {
    fn made(self, speech: &[i16], rate: u32) -> Vec<f64> {
        let mut white = white();
        match self {
            Noise::White => speech.iter().map(|_| white()).collect(),
            Noise::Pink => {
                // White noise through low passes an octave apart, each as strong as its band is narrow.
                let mut passes: Vec<(f64, f64)> = (0..12).map(|octave| (1.0 - (-0.9 / f64::from(1 << octave)).exp(), 0.0)).collect();
                let mut next = || {
                    let fresh = white();
                    passes.iter_mut().fold(0.0, |sum, (alpha, level)| {
                        *level += *alpha * (fresh - *level);
                        sum + *level / alpha.sqrt()
                    })
                };
                speech.iter().map(|_| next()).collect()
            }
            Noise::Babble => {
                let at = |place: usize| f64::from(speech.get(place % speech.len().max(1)).copied().unwrap_or_default());
                let apart = rate as usize * 3 / 2;
                (0..speech.len()).map(|n| (1..=4).map(|voice| at(n + voice * apart)).sum()).collect()
            }
        }
    }
}

fn power(samples: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = samples.len().max(1) as f64;
    samples.map(|sample| sample * sample).sum::<f64>() / count
}

/// How loud it is while nobody speaks, dB.
fn floor(rate: u32, clean: &[i16], sound: &[i16], first: usize) -> f64 {
    let turn = frame_samples(rate);
    let loudness = |samples: &[i16]| power(samples.iter().map(|&one| f64::from(one)));
    let most = clean.chunks(turn).map(loudness).fold(1.0, f64::max);
    let pauses: Vec<f64> = clean
        .chunks_exact(turn)
        .zip(sound.chunks_exact(turn))
        .skip(first / turn)
        .filter(|(clean, _)| loudness(clean) < most / 10f64.powf(PAUSE_DB / 10.0))
        .map(|(_, sound)| loudness(sound))
        .collect();
    10.0 * (pauses.iter().sum::<f64>() / pauses.len().max(1) as f64).max(1.0).log10()
}
