//! A phone on a table that hears itself, made of read speech by a seed, through a leg's echo cancellation: one line of JSON for each rate and
//! way, with what was there before and after. It judges nothing: `./tandem bench rtp --only echo_loss_db` does.
//!
//! `echo SPEECH.wav`

mod speech;

use std::error::Error;
use std::time::Instant;

use speech::{delay, ratio_of, white, Speech};
use tandem_rtp::audio::codec::g711::Law;
use tandem_rtp::audio::echo::Canceller;
use tandem_rtp::audio::frame_samples;

/// Hz of engines with G.711, and with G.722 or Opus.
const RATES: [u32; 2] = [8_000, 16_000];
/// From the engine to the phone's ear and back from its mouth, ms: a near one, a usual one, a far one with deep jitter buffers.
const WAYS_MS: [usize; 3] = [60, 180, 400];
/// The echo is quieter than what is heard by so much, dB: a loud speaker on a table, and a handset.
const LOSSES_DB: [f64; 2] = [6.0, 20.0];
/// A room: how long it rings (to -60 dB), seconds.
const ROOM_SECONDS: f64 = 0.2;
/// Seconds of the far side alone, of which the last are measured; of both; of the near side alone.
const PARTS: [usize; 3] = [12, 7, 7];
const MEASURED_SECONDS: usize = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let speech = Speech::asked("echo")?;
    for rate in RATES {
        let clean = speech.at(rate)?;
        for way in WAYS_MS {
            for loss in LOSSES_DB {
                println!("{}", case(rate, &clean, way, loss)?);
            }
        }
    }
    Ok(())
}

fn case(rate: u32, speech: &[i16], way: usize, loss: f64) -> Result<serde_json::Value, Box<dyn Error>> {
    let hertz = rate as usize;
    let at = |n: usize| f64::from(speech.get(n % speech.len().max(1)).copied().unwrap_or_default());
    let total = PARTS.iter().sum::<usize>() * hertz;
    let (near_from, far_to) = (PARTS[0] * hertz, (PARTS[0] + PARTS[1]) * hertz);
    let far: Vec<i16> = (0..total).map(|n| if n < far_to { at(n) as i16 } else { 0 }).collect();
    // The same voice from elsewhere in the text: no sample of both is alike.
    let near: Vec<i16> = (0..total).map(|n| if n < near_from { 0 } else { at(n + hertz * 3) as i16 }).collect();
    let echo = echoed(&far, rate, way, loss);
    let said: Vec<i16> = near.iter().zip(&echo).map(|(&one, &other)| coded(f64::from(one) + other)).collect();
    let mut canceller = Canceller::new(rate).ok_or("no canceller")?;
    let mut heard = said.clone();
    let turn = frame_samples(rate);
    let began = Instant::now();
    for (said, far) in heard.chunks_exact_mut(turn).zip(far.chunks_exact(turn)) {
        canceller.run(said);
        canceller.hears(far);
    }
    let nanoseconds = began.elapsed().as_nanos() as usize / (total / turn);
    // What the canceller's filters leave of a voice without any echo: they turn phases, which nobody hears and the ratio would count.
    let mut alone = Canceller::new(rate).ok_or("no canceller")?;
    let mut plain = near.clone();
    for said in plain.chunks_exact_mut(turn) {
        alone.run(said);
        alone.hears_nothing();
    }
    let part = |sound: &[i16], from: usize, to: usize| sound.get(from..to).unwrap_or_default().to_vec();
    let (from, to) = (near_from - MEASURED_SECONDS * hertz, near_from);
    let removed = level(&part(&said, from, to)) - level(&part(&heard, from, to));
    let late = delay(&part(&near, far_to, total), &part(&heard, far_to, total), 0..hertz / 50);
    let ratio = |clean: &[i16], sound: &[i16], from: usize, to: usize| ratio_of(&part(clean, from, to), &part(sound, from, to));
    let (before, after) = (ratio(&near, &said, near_from, far_to), ratio(&plain, &heard, near_from, far_to));
    // What is left of the echo's tail is gone after a second.
    let kept = ratio(&plain, &heard, far_to + hertz, total);
    let loudness = |sound: &[i16]| level(&part(sound, far_to + hertz, total));
    let (both, only) = (|sound: &[i16]| level(&part(sound, near_from, far_to)), |sound: &[i16]| loudness(sound) - loudness(&near));
    Ok(serde_json::json!({
        "rate": rate, "way_ms": way, "loss_db": loss, "removed_db": removed, "both_before_db": before, "both_after_db": after,
        "near_db": kept, "near_level_db": only(&heard), "both_level_db": both(&heard) - both(&plain), "delay_samples": late, "turn_ns": nanoseconds,
    }))
}

/// By the network to the phone, out of its speaker, round the room, into its microphone and back.
fn echoed(far: &[i16], rate: u32, way_ms: usize, loss_db: f64) -> Vec<f64> {
    let mut white = white();
    let taps = (ROOM_SECONDS * f64::from(rate)) as usize;
    let mut room: Vec<f64> = (0..taps).map(|n| white() * 10f64.powf(-3.0 * n as f64 / taps as f64)).collect();
    let power: f64 = room.iter().map(|tap| tap * tap).sum();
    room.iter_mut().for_each(|tap| *tap *= 10f64.powf(-loss_db / 20.0) / power.sqrt());
    let late = way_ms * rate as usize / 1_000;
    let played: Vec<f64> = far.iter().map(|&sample| f64::from(coded(f64::from(sample)))).collect();
    (0..far.len())
        .map(|n| {
            let newest = n.checked_sub(late).and_then(|newest| played.get(..=newest)).unwrap_or_default();
            newest.iter().rev().zip(&room).map(|(sample, tap)| sample * tap).sum()
        })
        .collect()
}

/// As G.711 leaves it.
fn coded(sample: f64) -> i16 {
    Law::A.sample(Law::A.byte(sample as i16))
}

fn level(samples: &[i16]) -> f64 {
    let power = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    10.0 * power.max(1.0).log10()
}
