//! What holds for a leg.

use super::super::codec::{l16, opus};
use super::super::dtmf::{Digit, Press};
use super::super::{frame_samples, FRAME_US, RATES};
use super::*;
use crate::rtp::Packet;

fn payload(number: u8, name: &str, clock: u32) -> Payload {
    Payload { number, name: name.into(), clock, channels: 1, fmtp: String::new() }
}

fn numbers(ssrc: u32) -> Numbers {
    Numbers { ssrc, sequence: 65_530, timestamp: u32::MAX - 1_000, at: 0 }
}

fn form(codec: Codec, ptime_ms: u32) -> Form {
    let clock = codec.clock();
    Form { receive: vec![(96, codec)], send: (96, codec), events: Some((101, clock)), noise: Some(13), ptime_ms, suppress: false }
}

fn tone(rate: u32, hertz: f64, turn: u64) -> Vec<i16> {
    let first = turn as usize * frame_samples(rate);
    (first..first + frame_samples(rate))
        .map(|n| (8_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16)
        .collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

fn packets(leg: &mut Leg) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    let mut packet = Vec::new();
    while leg.sender.next(&mut packet) {
        list.push(packet.clone());
    }
    list
}

#[test]
fn what_is_sent_by_one_leg_is_heard_by_the_other_in_every_codec_rate_and_packet_time() {
    let codecs = [
        Codec::Pcma,
        Codec::Pcmu,
        Codec::G722,
        Codec::L16(l16::Form::new(44_100, 2).unwrap()),
        Codec::L16(l16::Form::new(16_000, 1).unwrap()),
        Codec::Opus(opus::Options::default()),
    ];
    for codec in codecs {
        for ptime_ms in PTIMES_MS {
            for rate in RATES {
                // No network carries more in one packet.
                if matches!(codec, Codec::L16(form) if form.rate() * ptime_ms / 1_000 * 4 > 2_000) {
                    continue;
                }
                let mut one = Leg::new(form(codec, ptime_ms), rate, numbers(1)).unwrap();
                let mut other = Leg::new(form(codec, ptime_ms), rate, numbers(2)).unwrap();
                let (mut heard, mut sent) = (Vec::new(), 0);
                for turn in 0..60 {
                    let now = turn * FRAME_US;
                    one.sender.frame(&tone(rate, 440.0, turn));
                    for bytes in packets(&mut one) {
                        sent += 1;
                        other.receiver.packet(now, &Packet::read(&bytes).unwrap());
                    }
                    let mut frame = vec![0; frame_samples(rate)];
                    other.receiver.frame(now, &mut frame);
                    heard.extend(frame);
                }
                assert_eq!(1_200 / ptime_ms, sent, "{codec:?} {ptime_ms} {rate}");
                let decibel = 10.0 * (power(&heard[heard.len() / 2..]) / 3.2e7).log10();
                assert!(decibel.abs() < 2.0, "{codec:?} {ptime_ms} ms {rate} Hz: {decibel} dB");
                let statistics = other.receiver.statistics();
                assert_eq!((0, 0, 0), (statistics.undecodable, statistics.unknown, statistics.concealed), "{codec:?} {ptime_ms} {rate}");
            }
        }
    }
}

#[test]
fn a_form_takes_what_it_can_of_a_description() {
    let list = [payload(97, "ILBC", 8_000), payload(9, "G722", 8_000), payload(0, "PCMU", 8_000), payload(101, "telephone-event", 48_000)];
    let form = Form::of(&list, 30).unwrap();
    assert_eq!((vec![(9, Codec::G722), (0, Codec::Pcmu)], (9, Codec::G722), 20), (form.receive.clone(), form.send, form.ptime_ms));
    assert_eq!((Some((101, 48_000)), None, 16_000), (form.events, form.noise, form.bandwidth()));
    assert_eq!(None, Form::of(&list[..1], 20));
    assert_eq!(20, Form::of(&list, 3).unwrap().ptime_ms);
}

#[test]
fn the_first_packet_is_marked_and_so_is_the_first_after_a_silence() {
    let mut leg = Leg::new(form(Codec::Pcma, 20), 8_000, numbers(1)).unwrap();
    let mut markers = Vec::new();
    for turn in 0..6 {
        if turn == 3 {
            leg.sender.silent();
            continue;
        }
        leg.sender.frame(&tone(8_000, 440.0, turn));
        for bytes in packets(&mut leg) {
            let header = Packet::read(&bytes).unwrap().header;
            markers.push((header.marker, header.sequence, header.timestamp.wrapping_sub(u32::MAX - 1_000)));
        }
    }
    assert_eq!(vec![(true, 65_530, 0), (false, 65_531, 160), (false, 65_532, 320), (true, 65_533, 640), (false, 65_534, 800)], markers);
}

#[test]
fn keys_travel_as_events_beside_the_sound() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus(opus::Options::default())] {
        let mut one = Leg::new(form(codec, 20), 16_000, numbers(1)).unwrap();
        let mut other = Leg::new(form(codec, 20), 16_000, numbers(2)).unwrap();
        "90#".chars().for_each(|key| assert!(one.sender.press(Digit::of(key).unwrap(), 100)));
        assert_eq!(3, one.state(0).waiting.len());
        let mut keys = Vec::new();
        for turn in 0..60 {
            one.sender.frame(&tone(16_000, 440.0, turn));
            for bytes in packets(&mut one) {
                other.receiver.packet(turn * FRAME_US, &Packet::read(&bytes).unwrap());
            }
            other.receiver.frame(turn * FRAME_US, &mut [0; 320]);
            keys.extend(std::iter::from_fn(|| other.receiver.key(turn * FRAME_US)));
        }
        let downs: String = keys.iter().filter_map(|k| if let Press::Down(digit) = k { Some(digit.key()) } else { None }).collect();
        assert_eq!(("90#", 6), (downs.as_str(), keys.len()));
        assert!(keys.iter().all(|k| !matches!(k, Press::Up { milliseconds, .. } if *milliseconds != 100)), "{keys:?}");
        assert_eq!(0, other.receiver.statistics().concealed);
    }
}

#[test]
fn silence_is_described_once_and_sounds_like_the_background() {
    let quiet: Vec<i16> = (0..160).map(|n: i32| if n * 7 % 5 < 2 { 60 } else { -60 }).collect();
    let mut one = Leg::new(Form { suppress: true, ..form(Codec::Pcma, 20) }, 8_000, numbers(1)).unwrap();
    let mut other = Leg::new(form(Codec::Pcma, 20), 8_000, numbers(2)).unwrap();
    let (mut sent, mut heard) = (0, Vec::new());
    for turn in 0..200 {
        one.sender.frame(&if turn < 50 { tone(8_000, 440.0, turn) } else { quiet.clone() });
        for bytes in packets(&mut one) {
            sent += 1;
            other.receiver.packet(turn * FRAME_US, &Packet::read(&bytes).unwrap());
        }
        let mut frame = [0; 160];
        other.receiver.frame(turn * FRAME_US, &mut frame);
        heard.extend(frame);
    }
    assert!(sent < 75, "{sent}");
    let level = super::super::vad::level_dbov(&heard[120 * 160..]);
    assert!((-58.0..-50.0).contains(&level), "{level}");
}

#[test]
fn opus_dtx_sends_little_and_is_heard_as_silence_not_as_loss() {
    let codec = Codec::Opus(opus::Options { dtx: true, ..opus::Options::default() });
    let mut one = Leg::new(form(codec, 20), 16_000, numbers(1)).unwrap();
    let mut other = Leg::new(form(codec, 20), 16_000, numbers(2)).unwrap();
    let mut sent = 0;
    for turn in 0..200 {
        one.sender.frame(&if (50..150).contains(&turn) { vec![0; 320] } else { tone(16_000, 440.0, turn) });
        for bytes in packets(&mut one) {
            sent += 1;
            other.receiver.packet(turn * FRAME_US, &Packet::read(&bytes).unwrap());
        }
        other.receiver.frame(turn * FRAME_US, &mut [0; 320]);
    }
    assert!(sent < 150 && one.sender.statistics().suppressed > 50, "{sent}");
    assert_eq!(0, other.receiver.statistics().jitter.lost);
}

#[test]
fn an_heir_goes_on_and_the_far_end_hears_a_short_gap() {
    let mut one = Leg::new(form(Codec::Pcma, 20), 8_000, numbers(1)).unwrap();
    let mut other = Leg::new(form(Codec::Pcma, 20), 8_000, numbers(2)).unwrap();
    let (mut state, mut silent) = (None, 0);
    let mut last = 0;
    for turn in 0..200u64 {
        let now = 1_000_000 + turn * FRAME_US;
        if turn == 50 {
            state = Some(one.state(now));
        }
        if turn == 110 {
            // The state is more than a second old, and 200 ms nobody has sent.
            one = Leg::heir(form(Codec::Pcma, 20), 8_000, state.as_ref().unwrap(), now, numbers(77)).unwrap();
        }
        if !(100..110).contains(&turn) {
            one.sender.frame(&tone(8_000, 440.0, turn));
            for bytes in packets(&mut one) {
                let header = Packet::read(&bytes).unwrap().header;
                assert_eq!(1, header.ssrc);
                assert!(turn == 0 || header.sequence.wrapping_sub(last) < 3_000 && header.sequence != last);
                last = header.sequence;
                other.receiver.packet(now, &Packet::read(&bytes).unwrap());
            }
        }
        let mut frame = [0; 160];
        other.receiver.frame(now, &mut frame);
        silent += u64::from(turn > 5 && power(&frame) < 1e6);
    }
    let statistics = other.receiver.statistics().jitter;
    assert!(silent <= 12, "{silent}");
    assert_eq!((0, 0), (statistics.restarts, statistics.strays));
}

#[test]
fn another_form_keeps_the_stream() {
    let mut leg = Leg::new(form(Codec::Pcma, 20), 8_000, numbers(1)).unwrap();
    leg.sender.frame(&[0; 160]);
    assert_eq!(1, packets(&mut leg).len());
    leg.reform(form(Codec::G722, 20), 8_000, 0).unwrap();
    leg.sender.frame(&[0; 160]);
    let header = Packet::read(&packets(&mut leg)[0]).unwrap().header;
    assert_eq!((1, 65_531, true), (header.ssrc, header.sequence, header.marker));
}

#[test]
fn payloads_of_no_form_are_counted_and_nothing_more() {
    let mut leg = Leg::new(form(Codec::Opus(opus::Options::default()), 20), 48_000, numbers(1)).unwrap();
    let mut seed = 1u32;
    for n in 0..3_000u32 {
        let mut bytes = vec![0x80, (n % 128) as u8, (n >> 8) as u8, n as u8, 0, 0, ((n * 4) >> 8) as u8, (n * 4) as u8, 0, 0, 0, 1];
        bytes.extend((0..n % 200).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        }));
        leg.receiver.packet(u64::from(n) * 5_000, &Packet::read(&bytes).unwrap());
        leg.receiver.frame(u64::from(n) * 5_000, &mut [0; 960]);
        while leg.receiver.key(u64::from(n) * 5_000).is_some() {}
    }
    let statistics = leg.receiver.statistics();
    assert!(statistics.unknown > 2_900 && statistics.undecodable > 0);
}
