//! What holds for every codec.

use super::*;

fn all() -> Vec<Codec> {
    vec![
        Codec::Pcma,
        Codec::Pcmu,
        Codec::G722,
        Codec::L16(l16::Form::new(16_000, 1).unwrap()),
        Codec::L16(l16::Form::new(44_100, 2).unwrap()),
        Codec::Opus(opus::Options::default()),
        Codec::Opus(opus::Options { fec: true, cbr: true, ..opus::Options::default() }),
    ]
}

fn tone(rate: u32, hertz: f64, samples: usize) -> Vec<i16> {
    (0..samples).map(|n| (8_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16).collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

#[test]
fn frames_of_10_to_60_ms_come_back_as_long_and_as_loud() {
    for codec in all() {
        for ms in [10, 20, 40, 60] {
            for engine in [8_000, 16_000, 48_000] {
                let (mut encoder, mut decoder) = (Encoder::new(codec, engine).unwrap(), Decoder::new(codec, engine).unwrap());
                let rate = encoder.rate();
                let spoken = tone(rate, 440.0, rate as usize);
                let mut heard = Vec::new();
                for frame in spoken.chunks_exact((rate * ms / 1_000) as usize) {
                    let mut payload = Vec::new();
                    encoder.encode(frame, &mut payload).unwrap();
                    assert_eq!(Some(codec.clock() * ms / 1_000), codec.units(&payload), "{codec:?} {ms}");
                    let before = heard.len();
                    decoder.decode(&payload, &mut heard).unwrap();
                    assert_eq!(frame.len(), heard.len() - before, "{codec:?} {ms}");
                }
                let decibel = 10.0 * (power(&heard[heard.len() / 4..]) / power(&spoken)).log10();
                assert!(decibel.abs() < 2.0, "{codec:?} {ms} ms at {engine}: {decibel} dB");
            }
        }
    }
}

#[test]
fn lost_frames_are_concealed_in_full_length() {
    for codec in all() {
        let (mut encoder, mut decoder) = (Encoder::new(codec, 16_000).unwrap(), Decoder::new(codec, 16_000).unwrap());
        let frame = encoder.rate() as usize / 50;
        let mut heard = Vec::new();
        for (n, samples) in tone(encoder.rate(), 200.0, 50 * frame).chunks_exact(frame).enumerate() {
            let mut payload = Vec::new();
            encoder.encode(samples, &mut payload).unwrap();
            match n % 10 {
                9 => decoder.conceal(None, codec.clock() / 50, &mut heard).unwrap(),
                _ => decoder.decode(&payload, &mut heard).unwrap(),
            }
        }
        assert_eq!(50 * frame, heard.len(), "{codec:?}");
        assert!(heard.chunks_exact(frame).skip(5).all(|frame| power(frame) > 1e5), "{codec:?}");
    }
}

#[test]
fn opus_recovers_a_lost_frame_from_the_next() {
    let options = opus::Options { fec: true, bitrate: 32_000, ..opus::Options::default() };
    let errors = [true, false].map(|recovers| {
        let mut encoder = opus::Encoder::new(16_000, options).unwrap();
        let (mut lossy, mut whole) = (opus::Decoder::new(16_000).unwrap(), opus::Decoder::new(16_000).unwrap());
        // A voice that glides, which no concealment can guess.
        let spoken: Vec<i16> = (0..32_000)
            .map(|n| {
                let t = f64::from(n) / 16_000.0;
                let phase = 150.0 * t + 20.0 * (t * 25.0).sin();
                (1..8).map(|k| 2_000.0 / f64::from(k) * (f64::from(k) * phase * std::f64::consts::TAU).sin()).sum::<f64>() as i16
            })
            .collect();
        let packets: Vec<Vec<u8>> = spoken
            .chunks_exact(320)
            .map(|frame| {
                let mut packet = Vec::new();
                encoder.encode(frame, &mut packet).unwrap();
                packet
            })
            .collect();
        let (mut heard, mut right) = (Vec::new(), Vec::new());
        for (n, packet) in packets.iter().enumerate() {
            whole.decode(packet, &mut right).unwrap();
            if n % 5 == 4 && n + 1 < packets.len() {
                lossy.conceal(packets.get(n + 1).filter(|_| recovers).map(Vec::as_slice), 960, &mut heard).unwrap();
            } else {
                lossy.decode(packet, &mut heard).unwrap();
            }
        }
        let error: Vec<i16> = heard.iter().zip(&right).map(|(&a, &b)| a.saturating_sub(b)).collect();
        power(&error)
    });
    assert!(errors[0] < errors[1] / 2.0, "{errors:?}");
}

#[test]
fn opus_sends_next_to_nothing_of_silence() {
    let mut encoder = opus::Encoder::new(16_000, opus::Options { dtx: true, ..opus::Options::default() }).unwrap();
    let sizes: Vec<usize> = (0..100)
        .map(|_| {
            let mut packet = Vec::new();
            encoder.encode(&[0; 320], &mut packet).unwrap();
            packet.len()
        })
        .collect();
    assert!(sizes[50..].iter().filter(|&&bytes| bytes <= opus::DTX_BYTES).count() >= 40, "{sizes:?}");
}

#[test]
fn bytes_of_nobody_are_an_error_or_a_sound_and_nothing_else() {
    let mut seed = 7u32;
    for codec in all() {
        let mut decoder = Decoder::new(codec, 16_000).unwrap();
        for n in 0..2_000usize {
            let bytes: Vec<u8> = (0..n % 400)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            let mut heard = Vec::new();
            match decoder.decode(&bytes, &mut heard) {
                Ok(()) => assert!(!heard.is_empty() && heard.len() <= decoder.rate() as usize * FRAME_MS_LIMIT / 1_000),
                Err(_) => assert!(heard.is_empty()),
            }
            decoder.conceal(Some(&bytes), seed % 10_000, &mut heard).ok();
        }
    }
}

#[test]
fn an_encoder_for_another_length_says_so() {
    let mut encoder = Encoder::new(Codec::Opus(opus::Options::default()), 16_000).unwrap();
    assert_eq!(Err(CodecError::Frame), encoder.encode(&[0; 480], &mut Vec::new()));
    assert_eq!(CodecError::Rate(44_100), opus::Encoder::new(44_100, opus::Options::default()).unwrap_err());
}

#[test]
fn a_peers_wishes_for_opus_are_read_and_bounded() {
    let read = |fmtp: &str| opus::Options::read(fmtp);
    assert_eq!(opus::Options::default(), read("stereo=1;sprop-stereo=0; foo"));
    assert_eq!(
        opus::Options { playback: 16_000, cbr: true, dtx: true, ..opus::Options::default() },
        read("maxplaybackrate=16000;CBR=1; usedtx=1")
    );
    assert_eq!([6_000, 24_000, 24_000], ["1", "99999999", "x"].map(|n| read(&format!("maxaveragebitrate={n}")).bitrate));
}
