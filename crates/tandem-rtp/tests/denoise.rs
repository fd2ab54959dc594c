//! Noise suppression on read speech: what is heard in pauses becomes quiet at every rate of a call, the speech stays.

use tandem_rtp::audio::denoise::Denoiser;
use tandem_rtp::audio::file::wav::Wav;
use tandem_rtp::audio::frame_samples;
use tandem_rtp::audio::resample::Resampler;

fn speech(rate: u32) -> Vec<i16> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/speech/austen.wav");
    let wav = Wav::open(std::fs::read(file).unwrap().into()).unwrap();
    let (mut samples, mut out) = (Vec::new(), Vec::new());
    wav.read(0, wav.samples() as usize, &mut samples);
    Resampler::new(wav.rate(), rate).unwrap().run(&samples, &mut out);
    out.truncate(out.len() / frame_samples(rate) * frame_samples(rate));
    out
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

#[test]
fn noise_goes_from_the_pauses_and_speech_stays() {
    for rate in [8_000, 16_000, 44_100] {
        let clean = speech(rate);
        let mut state = 7u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) as i16) / 40
        };
        let noisy: Vec<i16> = clean.iter().map(|&sample| sample.saturating_add(noise())).collect();
        let mut heard = noisy.clone();
        let (mut denoiser, turn) = (Denoiser::new(rate).unwrap(), frame_samples(rate));
        heard.chunks_mut(turn).for_each(|frame| denoiser.run(frame));
        assert_eq!(noisy.len(), heard.len());
        let loudest = clean.chunks(turn).map(power).fold(0.0, f64::max);
        let (mut before, mut after) = ([0.0; 2], [0.0; 2]);
        let turns = clean.chunks(turn).zip(noisy.chunks(turn)).zip(heard.chunks(turn).skip(1));
        for ((clean, noisy), heard) in turns.skip(50) {
            let speaks = match power(clean) / loudest {
                part if part < 0.0003 => 0,
                part if part > 0.03 => 1,
                _ => continue,
            };
            before[speaks] += power(noisy);
            after[speaks] += power(heard);
        }
        let decibels = |at: usize| 10.0 * (before[at] / after[at]).log10();
        assert!(decibels(0) > 15.0, "{rate} Hz: pauses {:.1} dB", decibels(0));
        assert!(decibels(1).abs() < 3.0, "{rate} Hz: speech {:.1} dB", decibels(1));
    }
}
