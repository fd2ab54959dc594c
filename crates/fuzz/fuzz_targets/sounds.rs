//! Any bytes are no sound or one that ends, from its begin and from its middle; and no tail of a file stops the heir of a recording.
#![no_main]

use tandem_rtp::audio::codec::opus::Options;
use tandem_rtp::audio::play::{Item, Player, Position, Sound};
use tandem_rtp::audio::record::{Kind, Recorder, State};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(sound) = Sound::open(bytes.into()) {
        let milliseconds = sound.milliseconds();
        let middle = Position { milliseconds: milliseconds / 2, ..Position::default() };
        for position in [Position::default(), middle] {
            let mut player = Player::new(vec![Item::File(sound.clone())], Some(1), position, 8_000);
            let mut frame = [0; 160];
            let most = milliseconds / 20 + 20;
            let turns = (0..=most.min(500)).take_while(|_| player.frame(&mut frame)).count() as u64;
            assert!(turns < most || most > 500, "{turns} turns of {milliseconds} ms");
        }
    }
    let state = State { at: 0, paused: false, samples: 48_000, bytes: 1_000, page: 3, serial: 1 };
    let heir = Recorder::heir(Kind::Opus(Options::default()), 16_000, &state, 1_000_000, bytes).unwrap();
    assert!(heir.milliseconds() >= 1_000);
});
