//! Whatever RTP comes to a leg of any codec, it hears frames of the right length, and no payload stops it.
#![no_main]

use tandem_rtp::audio::codec::{l16, opus, Codec};
use tandem_rtp::audio::leg::{Form, Leg, Numbers};
use tandem_rtp::audio::{frame_samples, FRAME_US};
use tandem_rtp::rtp::Packet;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [first, rest @ ..] = bytes else { return };
    let rate = [8_000, 16_000, 48_000][usize::from(first % 3)];
    let wide = l16::Form::new(16_000, 2).unwrap();
    let receive = vec![(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722), (10, Codec::L16(wide)), (96, Codec::Opus(opus::Options::default()))];
    let send = receive[usize::from(first % 5)];
    let form = Form { receive, send, events: Some((101, 8_000)), noise: Some(13), ptime_ms: 20, suppress: true };
    let mut leg = Leg::new(form, rate, Numbers::default()).unwrap();
    let (mut now, mut frame, mut rest) = (0, vec![0; frame_samples(rate)], rest);
    let mut packet = Vec::new();
    while let [length, wait, after @ ..] = rest {
        let (bytes, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        now += u64::from(*wait) * 300;
        if let Ok(packet) = Packet::read(bytes) {
            leg.receiver.packet(now, &packet);
        }
        leg.receiver.frame(now, &mut frame);
        while leg.receiver.key(now).is_some() {}
        leg.sender.frame(&frame);
        while leg.sender.next(&mut packet) {
            assert!(Packet::read(&packet).is_ok());
        }
    }
    for _ in 0..10 {
        now += FRAME_US;
        leg.receiver.frame(now, &mut frame);
    }
});
