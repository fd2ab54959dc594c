//! What holds for a player.

use super::super::codec::opus::Options;
use super::super::file::wav;
use super::super::record::{Kind, Recorder, Write};
use super::*;

/// A WAV file of so many milliseconds whose samples tell their time: each is its millisecond.
fn ramp(rate: u32, milliseconds: u64) -> Item {
    let samples = u64::from(rate) * milliseconds / 1_000;
    let mut bytes = wav::header(rate, 1, samples as u32 * 2).to_vec();
    bytes.extend((0..samples).flat_map(|n| ((n * 1_000 / u64::from(rate)) as i16).to_le_bytes()));
    Item::File(Sound::open(bytes.into()).unwrap())
}

fn tone_file(hertz: f64, milliseconds: u64) -> Item {
    let (mut recorder, mut file) = (Recorder::new(Kind::Opus(Options::default()), 16_000, 1).unwrap(), Vec::new());
    for turn in 0..milliseconds / 20 {
        let tone = |n: u64| (8_000.0 * (n as f64 * hertz * std::f64::consts::TAU / 16_000.0).sin()) as i16;
        let frame: Vec<i16> = (turn * 320..(turn + 1) * 320).map(tone).collect();
        recorder.frame(&[&frame]);
        recorder.writes().into_iter().for_each(|Write { bytes, .. }| file.extend(bytes));
    }
    recorder.finish().into_iter().for_each(|Write { bytes, .. }| file.extend(bytes));
    Item::File(Sound::open(file.into()).unwrap())
}

fn played(player: &mut Player, frames: usize) -> (Vec<i16>, bool) {
    let (mut samples, mut going) = (Vec::new(), true);
    for _ in 0..frames {
        let mut frame = vec![0; frame_samples(player.rate)];
        going = player.frame(&mut frame);
        samples.extend(frame);
    }
    (samples, going)
}

#[test]
fn a_list_is_played_once_then_it_is_over() {
    let mut player = Player::new(vec![ramp(8_000, 100), Item::Silence(40), ramp(8_000, 60)], Some(1), Position::default(), 8_000);
    let (samples, going) = played(&mut player, 10);
    let marks: Vec<i16> = samples.chunks(160).map(|frame| frame[0]).collect();
    assert_eq!((vec![0, 20, 40, 60, 80, 0, 0, 0, 20, 40], true), (marks, going));
    let (rest, going) = played(&mut player, 2);
    assert!(!going && rest.iter().all(|&s| s == 0));
}

#[test]
fn rounds_are_counted_and_a_list_without_end_has_none() {
    let mut player = Player::new(vec![ramp(8_000, 40)], Some(3), Position::default(), 8_000);
    assert!(played(&mut player, 6).1 && !played(&mut player, 1).1);
    let mut player = Player::new(vec![ramp(8_000, 50)], None, Position::default(), 8_000);
    assert!(played(&mut player, 1_000).1);
    // A round counts when the next begins.
    assert_eq!(399, player.position().round);
}

#[test]
fn another_player_goes_on_from_the_position() {
    let list = || vec![ramp(8_000, 100), tone_file(440.0, 2_000), Item::Tone(tones::named("busy").unwrap(), Some(400)), ramp(8_000, 300)];
    for frames in [0, 1, 3, 5, 50, 101, 110, 125, 130, 140] {
        let mut whole = Player::new(list(), Some(2), Position::default(), 8_000);
        played(&mut whole, frames);
        let json = serde_json::to_string(&whole.position()).unwrap();
        let mut heir = Player::new(list(), Some(2), serde_json::from_str(&json).unwrap(), 8_000);
        let ((expected, _), (heard, _)) = (played(&mut whole, 30), played(&mut heir, 30));
        let power = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() + 1.0;
        // Phases of tones and the edges of packets may differ, loudness does not.
        let ratio = power(&heard) / power(&expected);
        assert!((0.8..1.25).contains(&ratio), "{frames}: {ratio}");
        if frames < 5 {
            assert_eq!(expected[..160], heard[..160], "{frames}");
        }
    }
}

#[test]
fn files_of_any_rate_are_played_at_any_rate_in_time() {
    for from in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000] {
        for rate in [8_000, 16_000, 48_000] {
            let mut player = Player::new(vec![ramp(from, 1_000)], Some(1), Position::default(), rate);
            let (samples, _) = played(&mut player, 50);
            let late = 500 - i32::from(samples[rate as usize / 2]);
            assert!((0..8).contains(&late), "{from} {rate}: {late}");
            assert!(!played(&mut player, 2).1);
        }
    }
}

#[test]
fn opus_files_begin_where_they_are_asked_to() {
    let Item::File(sound) = tone_file(440.0, 3_000) else { unreachable!() };
    assert!((3_000..=3_020).contains(&sound.milliseconds()), "{}", sound.milliseconds());
    for milliseconds in [0, 50, 1_000, 2_500, 2_990] {
        let mut player = Player::new(vec![Item::File(sound.clone())], Some(1), Position { milliseconds, ..Position::default() }, 16_000);
        let mut frames = 0;
        while played(&mut player, 1).1 {
            frames += 1;
        }
        let left = (sound.milliseconds() - milliseconds).div_ceil(20);
        assert!((left..=left + 1).contains(&frames), "{milliseconds}: {frames}, {left}");
    }
    let mut past = Player::new(vec![Item::File(sound)], Some(1), Position { milliseconds: 60_000, ..Position::default() }, 16_000);
    assert!(!played(&mut past, 3).1);
}

#[test]
fn a_pause_is_silence_and_loses_nothing() {
    let mut player = Player::new(vec![ramp(8_000, 200)], Some(1), Position::default(), 8_000);
    played(&mut player, 2);
    player.pause(true);
    let (quiet, going) = played(&mut player, 50);
    assert!(going && quiet.iter().all(|&s| s == 0));
    player.pause(false);
    assert_eq!((40, 40), (player.position().milliseconds, played(&mut player, 1).0[0]));
}

#[test]
fn lists_of_nothing_end_or_are_silent_and_never_hang() {
    for times in [Some(1), None] {
        let mut empty = Player::new(vec![], times, Position::default(), 8_000);
        assert!(!played(&mut empty, 1).1);
        let mut nothing = Player::new(vec![Item::Silence(0), Item::Silence(0)], times, Position::default(), 8_000);
        assert!(played(&mut nothing, 3).0.iter().all(|&s| s == 0));
        let far = Position { item: 0, round: 0, milliseconds: u64::MAX };
        let mut lost = Player::new(vec![ramp(8_000, 100)], times, far, 8_000);
        played(&mut lost, 3);
        let far = Position { item: 99, ..Position::default() };
        played(&mut Player::new(vec![tone_file(440.0, 100)], times, far, 8_000), 3);
    }
    assert!(Sound::open(b"ID3\x04".as_slice().into()).is_err());
}
