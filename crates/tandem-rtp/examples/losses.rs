//! Speech through our codecs with packets lost by a seed: one WAV for each case into a directory, one line of JSON for each on the output,
//! with what the E-model says of the same losses. It judges nothing: `./tandem bench rtp --only mos_rank_corr` does.
//!
//! `losses SPEECH.wav DIRECTORY SEEDS`

use std::error::Error;
use std::path::Path;

use tandem_rtp::audio::codec::{opus, Codec, Decoder};
use tandem_rtp::audio::file::wav::{header, Wav};
use tandem_rtp::audio::leg::{Form, Leg, Numbers};
use tandem_rtp::audio::resample::Resampler;
use tandem_rtp::audio::{frame_samples, FRAME_US};
use tandem_rtp::quality::{self, mos, rating, Bursts};
use tandem_rtp::rtp::Packet;

/// Hz of what is written, and of the engine.
const RATE: u32 = 16_000;
const LOSSES_PERCENT: [u32; 5] = [0, 1, 3, 5, 10];
/// Mean packets of a run of losses: by chance, and in bursts.
const RUNS: [f64; 2] = [1.0, 3.0];
/// Packets that are never lost, so that a stream begins.
const FIRST_PACKETS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [speech, directory, seeds] = words.as_slice() else { return Err("losses SPEECH.wav DIRECTORY SEEDS".into()) };
    let (directory, seeds) = (Path::new(directory), seeds.parse::<u64>()?);
    let speech = read(Path::new(speech))?;
    let codecs = [("PCMU", Codec::Pcmu), ("G722", Codec::G722), ("opus", Codec::Opus(opus::Options::default()))];
    for (name, codec) in codecs {
        // A narrow band is judged against a narrow band: what G.711 cannot carry is no fault of the network.
        let reference = format!("{name}-reference.wav");
        write(&directory.join(&reference), &carried(&speech, codec)?)?;
        let packets = said(codec, &speech)?;
        for conceal in [true, false] {
            for (loss, run) in LOSSES_PERCENT.iter().flat_map(|&loss| RUNS.map(|run| (loss, run))) {
                if loss == 0 && run > 1.0 {
                    continue;
                }
                for seed in 0..if loss == 0 { 1 } else { seeds } {
                    let lost = losses(packets.len(), f64::from(loss) / 100.0, run, seed);
                    let file = format!("{name}-{conceal}-{loss}-{run}-{seed}.wav");
                    let heard = if conceal { concealed(codec, &packets, &lost)? } else { silenced(codec, &packets, &lost)? };
                    write(&directory.join(&file), &heard)?;
                    let mut bursts = Bursts::default();
                    lost.iter().for_each(|&lost| if lost { bursts.missed(1) } else { bursts.arrived() });
                    let percent = 100.0 * bursts.lost as f32 / lost.len() as f32;
                    let said = mos(rating(quality::Codec::of(name, conceal), percent, bursts.ratio(), 0.0));
                    let line = serde_json::json!({
                        "codec": name, "conceal": conceal, "loss": loss, "run": run, "seed": seed, "reference": reference, "file": file,
                        "lost": bursts.lost, "packets": lost.len(), "burst_ratio": bursts.ratio(), "mos": said,
                    });
                    println!("{line}");
                }
            }
        }
    }
    Ok(())
}

/// Which packets are lost: a chain of two states (Gilbert), in one of which each packet is lost. Runs of a mean of 1 are chance.
fn losses(packets: usize, part: f64, run: f64, seed: u64) -> Vec<bool> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut random = move || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    };
    let stays = if run > 1.0 { 1.0 - 1.0 / run } else { part };
    let begins = if run > 1.0 { part / (1.0 - part) / run } else { part };
    let mut bad = false;
    let mut next = |n: usize| {
        bad = random() < if bad { stays } else { begins };
        bad && n >= FIRST_PACKETS
    };
    (0..packets).map(&mut next).collect()
}

fn form(codec: Codec) -> Form {
    Form { receive: vec![(96, codec)], send: (96, codec), events: None, noise: None, ptime_ms: 20, suppress: false }
}

fn said(codec: Codec, speech: &[i16]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut phone = Leg::new(form(codec), RATE, Numbers { ssrc: 1, ..Numbers::default() })?;
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    for frame in speech.chunks_exact(frame_samples(RATE)) {
        phone.sender.frame(frame);
        if phone.sender.next(&mut packet) {
            packets.push(packet.clone());
        }
    }
    Ok(packets)
}

/// By the receiver that a leg has: jitter buffer and concealment.
fn concealed(codec: Codec, packets: &[Vec<u8>], lost: &[bool]) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut leg = Leg::new(form(codec), RATE, Numbers::default())?;
    let mut frame = vec![0; frame_samples(RATE)];
    let mut heard = Vec::new();
    for (turn, (packet, &lost)) in packets.iter().zip(lost).enumerate() {
        let now = turn as u64 * FRAME_US;
        if let (false, Ok(packet)) = (lost, Packet::read(packet)) {
            leg.receiver.packet(now, &packet);
        }
        leg.receiver.frame(now, &mut frame);
        heard.extend_from_slice(&frame);
    }
    Ok(heard)
}

/// By a receiver that plays silence where a packet is lost.
fn silenced(codec: Codec, packets: &[Vec<u8>], lost: &[bool]) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut decoder = Decoder::new(codec, RATE)?;
    let mut decoded = Vec::new();
    for (packet, &lost) in packets.iter().zip(lost) {
        match Packet::read(packet) {
            Ok(packet) if !lost => decoder.decode(packet.payload, &mut decoded)?,
            _ => decoded.resize(decoded.len() + frame_samples(decoder.rate()), 0),
        }
    }
    changed(&decoded, decoder.rate(), RATE)
}

/// The speech within the band of a codec.
fn carried(speech: &[i16], codec: Codec) -> Result<Vec<i16>, Box<dyn Error>> {
    let rate = codec.rate(RATE);
    changed(&changed(speech, RATE, rate)?, rate, RATE)
}

fn changed(samples: &[i16], from: u32, to: u32) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut out = Vec::new();
    Resampler::new(from, to).ok_or("no such rate")?.run(samples, &mut out);
    Ok(out)
}

fn read(path: &Path) -> Result<Vec<i16>, Box<dyn Error>> {
    let wav = Wav::open(std::fs::read(path)?.into())?;
    if wav.rate() != RATE {
        return Err("the speech must have 16 kHz".into());
    }
    let mut samples = Vec::new();
    wav.read(0, wav.samples() as usize, &mut samples);
    Ok(samples)
}

fn write(path: &Path, samples: &[i16]) -> Result<(), Box<dyn Error>> {
    let mut bytes = header(RATE, 1, samples.len() as u32 * 2).to_vec();
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    Ok(std::fs::write(path, bytes)?)
}
