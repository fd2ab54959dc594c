//! What holds for a recording.

use super::super::file::{opus, wav};
use super::super::play::Sound;
use super::super::{frame_samples, FRAME_US};
use super::*;

fn tone(rate: u32, hertz: f64, turn: u64) -> Vec<i16> {
    let first = turn as usize * frame_samples(rate);
    (first..first + frame_samples(rate))
        .map(|n| (8_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(rate)).sin()) as i16)
        .collect()
}

fn write(file: &mut Vec<u8>, writes: Vec<Write>) {
    for write in writes {
        let (start, end) = (write.offset as usize, write.offset as usize + write.bytes.len());
        if file.len() < end {
            file.resize(end, 0);
        }
        file[start..end].copy_from_slice(&write.bytes);
    }
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

fn heard(file: &[u8]) -> (u32, Vec<i16>) {
    let mut samples = Vec::new();
    match Sound::open(file.into()).unwrap() {
        Sound::Wav(wav) => {
            wav.read(0, usize::MAX, &mut samples);
            (wav.rate(), samples)
        }
        Sound::Opus(file) => {
            let mut playing = file.play(0, 16_000).unwrap();
            while playing.next(&mut samples) {}
            (16_000, samples)
        }
    }
}

fn kinds() -> [Kind; 3] {
    [Kind::Wav, Kind::WavStereo, Kind::Opus(Options::default())]
}

#[test]
fn what_is_recorded_is_heard_and_the_file_is_whole_each_second() {
    for kind in kinds() {
        for rate in [8_000, 16_000, 32_000] {
            let (mut recorder, mut file) = (Recorder::new(kind, rate, 7).unwrap(), Vec::new());
            for turn in 0..150 {
                recorder.frame(&[&tone(rate, 440.0, turn), &vec![0; frame_samples(rate)]]);
                write(&mut file, recorder.writes());
                if turn == 120 {
                    let (rate, samples) = heard(&file);
                    assert!(samples.len() as u32 >= 19 * rate / 10, "{kind:?}: {}", samples.len());
                }
            }
            assert_eq!(3_000, recorder.milliseconds());
            write(&mut file, recorder.finish());
            let (at, samples) = heard(&file);
            let ms = samples.len() as u64 * 1_000 / u64::from(at);
            assert!((3_000..=3_020).contains(&ms), "{kind:?} {rate}: {ms}");
            let decibel = 10.0 * (power(&samples[samples.len() / 4..]) / 3.2e7).log10();
            let expected = if kind == Kind::WavStereo { -6.0 } else { 0.0 };
            assert!((decibel - expected).abs() < 1.5, "{kind:?} {rate}: {decibel}");
        }
    }
}

#[test]
fn stereo_keeps_the_first_leg_left_and_the_others_right() {
    let mut recorder = Recorder::new(Kind::WavStereo, 8_000, 0).unwrap();
    recorder.frame(&[&[1; 160], &[20; 160], &[300; 160]]);
    let writes = recorder.finish();
    assert_eq!(wav::header(8_000, 2, 640).to_vec(), writes[0].bytes);
    assert_eq!([1, 0, 0x40, 1], writes[1].bytes[..4]);
}

#[test]
fn a_pause_takes_no_time_in_the_file() {
    for kind in kinds() {
        let (mut recorder, mut file) = (Recorder::new(kind, 8_000, 7).unwrap(), Vec::new());
        for turn in 0..100 {
            recorder.pause((30..60).contains(&turn));
            recorder.frame(&[&tone(8_000, 440.0, turn)]);
            write(&mut file, recorder.writes());
        }
        assert_eq!((1_400, false), (recorder.milliseconds(), recorder.paused()));
    }
}

#[test]
fn after_a_takeover_it_is_one_file_with_the_gap_as_silence() {
    for kind in kinds() {
        let (mut recorder, mut file, mut state) = (Recorder::new(kind, 8_000, 7).unwrap(), Vec::new(), None);
        for turn in 0..250u64 {
            let now = 1_000_000 + turn * FRAME_US;
            if turn == 180 {
                // Saved at 2 s, dead at 3 s, heir at 3.6 s.
                let json = serde_json::to_string(&state).unwrap();
                let state: Option<State> = serde_json::from_str(&json).unwrap();
                let state = state.unwrap();
                let tail = file.get(state.bytes as usize..).unwrap_or_default().to_vec();
                recorder = Recorder::heir(kind, 8_000, &state, now, &tail).unwrap();
            }
            if !(155..180).contains(&turn) {
                recorder.frame(&[&tone(8_000, 440.0, turn)]);
                write(&mut file, recorder.writes());
            }
            if turn == 100 {
                state = Some(recorder.state(now + FRAME_US));
            }
        }
        write(&mut file, recorder.finish());
        let (rate, samples) = heard(&file);
        let second = |at: f64| &samples[(at * f64::from(rate)) as usize..((at + 0.3) * f64::from(rate)) as usize];
        assert!((samples.len() as f64 / f64::from(rate) - 5.0).abs() < 0.1, "{kind:?}: {}", samples.len());
        for at in [0.5, 1.5, 2.5, 3.8, 4.5] {
            assert!(power(second(at)) > 1e6, "{kind:?} at {at}: {}", power(second(at)));
        }
        assert!(power(second(3.2)) < 1e5, "{kind:?}: {}", power(second(3.2)));
        // No page is missing and none is there twice.
        if let Kind::Opus(_) = kind {
            let (mut at, mut page) = (0, 0);
            while let Some((place, found)) = super::super::file::ogg::find(&file, at) {
                assert_eq!((at, page), (place, found.sequence));
                (at, page) = (place + found.bytes, page + 1);
            }
            assert_eq!(file.len(), at);
        }
    }
}

#[test]
fn an_heir_of_an_owner_that_wrote_nothing_writes_all() {
    for kind in kinds() {
        let mut recorder = Recorder::new(kind, 8_000, 7).unwrap();
        recorder.frame(&[&[5; 160]]);
        let state = recorder.state(5_000_000);
        let mut heir = Recorder::heir(kind, 8_000, &state, 7_000_000, &[]).unwrap();
        heir.frame(&[&[5; 160]]);
        let mut file = Vec::new();
        write(&mut file, heir.finish());
        let (rate, samples) = heard(&file);
        let ms = samples.len() as u64 * 1_000 / u64::from(rate);
        assert!((2_000..=2_080).contains(&ms), "{kind:?}: {ms}");
    }
}

#[test]
fn a_tail_of_somebody_else_is_no_part_of_the_file() {
    let mut recorder = Recorder::new(Kind::Opus(Options::default()), 8_000, 7).unwrap();
    let mut file = Vec::new();
    for turn in 0..60 {
        recorder.frame(&[&tone(8_000, 440.0, turn)]);
        write(&mut file, recorder.writes());
    }
    let state = recorder.state(0);
    for tail in [&b"OggS"[..], &file, &[0; 100]] {
        let heir = Recorder::heir(Kind::Opus(Options::default()), 8_000, &state, 0, tail).unwrap();
        assert_eq!(State { at: 0, ..state }, heir.state(0));
    }
    assert!(opus::Opus::open(file.into()).is_ok());
}
