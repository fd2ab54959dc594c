//! What holds for the two desks of a call whose codecs differ.

use super::*;
use crate::audio::codec::{opus, Codec};
use crate::audio::dtmf::detect::Detector;
use crate::audio::dtmf::tone::Keypad;
use crate::audio::dtmf::Digit;
use crate::audio::leg::{Form, Leg, Numbers};
use crate::audio::FRAME_US;
use crate::rtp::Packet;

/// The ids of a call's two endpoints; their places are 0 and 1.
const IDS: [EndpointId; 2] = [EndpointId(1), EndpointId(2)];

fn form(codec: Codec, events: bool) -> Form {
    Form {
        receive: vec![(96, codec)],
        send: (96, codec),
        events: events.then_some((101, codec.clock())),
        noise: None,
        ptime_ms: 20,
        suppress: false,
    }
}

fn leg(codec: Codec, events: bool, rate: u32, ssrc: u32) -> Leg {
    Leg::new(form(codec, events), rate, Numbers { ssrc, ..Numbers::default() }).unwrap()
}

/// A call: the phones at both ends, and the desks towards them.
struct Call {
    phones: [Leg; 2],
    bridge: Bridge,
}

impl Call {
    fn new(a: Codec, b: Codec, events: [bool; 2], rate: u32) -> Call {
        let mut bridge = Bridge::new(rate);
        for (side, codec) in [a, b].into_iter().enumerate() {
            let leg = leg(codec, events[side], rate, 3 + side as u32);
            let mut desk = Desk::new(IDS[side], side as Key, leg, rate);
            (desk.listens, desk.makes, desk.planned) = (true, true, true);
            desk.sources = vec![IDS[1 - side]];
            bridge.desks.push(desk);
        }
        Call { phones: [leg(a, events[0], rate, 1), leg(b, events[1], rate, 2)], bridge }
    }

    /// Both phones say a frame; what they hear, and what is told.
    fn turn(&mut self, turn: u64, said: [&[i16]; 2]) -> ([Vec<i16>; 2], Vec<(EndpointId, Told)>) {
        let (now, mut packet) = (turn * FRAME_US, Vec::new());
        for (side, frame) in said.into_iter().enumerate() {
            self.phones[side].sender.frame(frame);
            while self.phones[side].sender.next(&mut packet) {
                self.bridge.desk(IDS[side]).unwrap().packet(now, &Packet::read(&packet).unwrap());
            }
        }
        let phones = &mut self.phones;
        let hear = |key, bytes: &[u8]| phones[key as usize].receiver.packet(now, &Packet::read(bytes).unwrap());
        let told = self.bridge.turn(now, &mut packet, hear).told;
        let heard = [0, 1].map(|side| {
            let mut frame = vec![0; said[side].len()];
            self.phones[side].receiver.frame(now, &mut frame);
            frame
        });
        (heard, told)
    }
}

fn tone(rate: u32, hertz: f64, turn: u64) -> Vec<i16> {
    let first = turn as usize * frame_samples(rate);
    (first..first + frame_samples(rate))
        .map(|n| (8_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16)
        .collect()
}

/// How much of a frame's power is at a frequency, 0 to 1.
fn share(frame: &[i16], rate: u32, hertz: f64) -> f64 {
    let (mut re, mut im, mut total) = (0.0, 0.0, 1.0);
    for (n, &sample) in frame.iter().enumerate() {
        let (sin, cos) = (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin_cos();
        (re, im, total) = (re + f64::from(sample) * cos, im + f64::from(sample) * sin, total + f64::from(sample).powi(2));
    }
    2.0 * (re * re + im * im) / frame.len() as f64 / total
}

#[test]
fn both_sides_hear_the_other_and_not_themselves() {
    let opus = Codec::Opus(opus::Options::default());
    for (a, b) in [(opus, Codec::Pcma), (Codec::G722, opus), (Codec::Pcmu, Codec::G722), (Codec::Pcmu, Codec::Pcma)] {
        for rate in [8_000, 16_000, 48_000] {
            let mut call = Call::new(a, b, [true, true], rate);
            for turn in 0..80 {
                let (heard, _) = call.turn(turn, [&tone(rate, 440.0, turn), &tone(rate, 1_000.0, turn)]);
                if turn > 30 {
                    let shares = [share(&heard[0], rate, 1_000.0), share(&heard[1], rate, 440.0)];
                    assert!(shares.iter().all(|&share| share > 0.9), "{a:?} {b:?} {rate}: {shares:?}");
                }
            }
        }
    }
}

/// A key is pressed at `a` and heard at `b`, whichever way either of them knows.
fn key_travels(events: [bool; 2]) -> (Vec<(EndpointId, Told)>, Vec<Press>) {
    let mut call = Call::new(Codec::Pcma, Codec::Pcmu, events, 8_000);
    let mut keypad = Keypad::new(8_000);
    let mut detector = Detector::new(8_000);
    let (mut told, mut presses) = (Vec::new(), Vec::new());
    let digit = Digit::of('8').unwrap();
    for turn in 0..100 {
        if turn == 20 {
            if events[0] {
                call.phones[0].sender.press(digit, 120)
            } else {
                keypad.press(digit, 120)
            };
        }
        let mut said = tone(8_000, 300.0, turn);
        keypad.make(&mut said);
        let (heard, events_told) = call.turn(turn, [&said, &[0; 160]]);
        told.extend(events_told);
        if events[1] {
            presses.extend(std::iter::from_fn(|| call.phones[1].receiver.key(turn * FRAME_US)));
        }
        // Tones that leak beside events would be keys pressed twice.
        detector.hears(&heard[1], &mut presses);
    }
    (told, presses)
}

#[test]
fn a_key_arrives_once_and_as_long_in_all_four_ways() {
    let digit = Digit::of('8').unwrap();
    for events in [[true, true], [true, false], [false, true], [false, false]] {
        let (told, presses) = key_travels(events);
        assert_eq!(vec![(IDS[0], Told::Key(digit))], told, "{events:?}");
        let [Press::Down(down), Press::Up { digit: up, milliseconds }] = presses[..] else { panic!("{events:?}: {presses:?}") };
        assert_eq!((digit, digit), (down, up));
        assert!((90..=180).contains(&milliseconds), "{events:?}: {milliseconds}");
    }
}

#[test]
fn a_side_without_a_stream_is_sent_nothing_and_its_time_passes() {
    let mut call = Call::new(Codec::Pcma, Codec::Pcmu, [true, true], 8_000);
    let mut sent = 0;
    for turn in 0..100u64 {
        call.bridge.turn(turn * FRAME_US, &mut Vec::new(), |_, _| sent += 1);
    }
    assert_eq!(0, sent);
    assert_eq!(100 * 160, call.bridge.desks[0].leg.sender.numbers(0).timestamp);
}
