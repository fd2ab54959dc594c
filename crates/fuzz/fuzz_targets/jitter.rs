//! Packets leave a jitter buffer in order, once each and unchanged, whatever comes when; what does not leave is counted.
#![no_main]

use tandem_rtp::audio::jitter::{Arrival, Jitter, Kind, Take};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut jitter = Jitter::new(8_000);
    let (mut now, mut put, mut played, mut last) = (0u64, 0u64, 0u64, None);
    let mut check = |jitter: &mut Jitter, now: u64| {
        let restarts = jitter.statistics().restarts;
        if let Take::Audio { payload, .. } | Take::Noise { payload } = jitter.take(now) {
            let number = u64::from_be_bytes(payload.try_into().unwrap());
            played += 1;
            // Numbers of one stream grow; a new one may begin anywhere.
            assert!(last.is_none_or(|(old, sequence, _)| restarts > old || sequence != number), "played twice");
            last = Some((restarts, number, now));
        }
    };
    for [wait, kind, ssrc, step, jump] in bytes.as_chunks::<5>().0 {
        now += u64::from(*wait) * 500;
        let sequence = (put as u16).wrapping_add(u16::from(*step)).wrapping_add(u16::from(*jump) << 8);
        let payload = put.to_be_bytes();
        let kind = [Kind::Audio, Kind::Audio, Kind::Dtx, Kind::Noise, Kind::Other][usize::from(kind % 5)];
        let timestamp = u32::from(sequence).wrapping_mul(160).wrapping_add(u32::from(*jump) << 20);
        jitter.put(now, Arrival { ssrc: u32::from(ssrc % 3), sequence, timestamp, payload_type: 0, kind, units: 160, payload: &payload });
        put += 1;
        check(&mut jitter, now);
    }
    for turn in 0..200 {
        check(&mut jitter, now + turn * 20_000);
    }
    let s = jitter.statistics();
    assert!(s.packets == put && played + s.duplicates + s.late + s.strays + s.overflows <= put);
});
