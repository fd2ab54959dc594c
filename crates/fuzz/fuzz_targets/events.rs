//! Each key goes down and up in turn, and a receiver that an heir takes over tells no key twice, whatever telephone events come.
#![no_main]

use tandem_rtp::audio::dtmf::receive::Receiver;
use tandem_rtp::audio::dtmf::Press;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut receiver = Receiver::new(8_000);
    let (mut now, mut down) = (0u64, None);
    for [wait, ssrc, t0, t1, t2, marker, code, flags, d0, d1] in bytes.as_chunks::<10>().0 {
        now += u64::from(*wait) * 2_000;
        let timestamp = u32::from_be_bytes([*t0, *t1, *t2, 0]);
        receiver.heard(now, u32::from(ssrc % 2), timestamp, marker % 2 == 1, &[*code, *flags, *d0, *d1]);
        while let Some(press) = receiver.next(now) {
            match press {
                Press::Down(digit) => assert_eq!(None, down.replace(digit)),
                Press::Up { digit, .. } => assert_eq!(Some(digit), down.take()),
            }
        }
        assert_eq!(down, receiver.down());
        if *wait == 255 {
            receiver = Receiver::heir(8_000, receiver.last(), now);
        }
    }
});
