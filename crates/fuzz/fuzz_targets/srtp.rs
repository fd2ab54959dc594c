//! Foreign bytes change no receiver and no packet; what a sender accepts is opened once, and never under an index that was used.
//! The first byte chooses the suite; the rest is a packet, and a list of steps.
#![no_main]

use std::collections::HashSet;

use tandem_rtp::srtp::{Master, Receiver, Sender, SrtpError, Suite};

const ROOM: usize = 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [choice, bytes @ ..] = bytes else { return };
    let suite = Suite::ALL[usize::from(*choice) % Suite::ALL.len()];
    let master = Master::new(suite, vec![*choice; suite.key_bytes() + suite.salt_bytes()]).unwrap();
    foreign(&master, bytes);
    steps(&master, bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(read) = Master::from_inline(suite, text) {
            assert_eq!(Ok(read.clone()), Master::from_inline(suite, &read.to_inline()));
        }
    }
});

fn foreign(master: &Master, bytes: &[u8]) {
    let (mut sender, mut receiver) = (Sender::new(master).unwrap(), Receiver::new(master).unwrap());
    let mut buffer = [bytes, &[0; ROOM]].concat();
    assert!(receiver.rtp(&mut buffer, bytes.len()).is_err());
    assert!(receiver.rtcp(&mut buffer, bytes.len()).is_err());
    assert!(receiver.state().streams.is_empty());
    assert_eq!(bytes, &buffer[..bytes.len()]);
    if let Ok(len) = sender.rtp(&mut buffer, bytes.len()) {
        assert_eq!(Ok(bytes.len()), receiver.rtp(&mut buffer, len));
        assert_eq!(bytes, &buffer[..bytes.len()]);
    }
    if let Ok(len) = sender.rtcp(&mut buffer, bytes.len()) {
        assert_eq!(Ok(bytes.len()), receiver.rtcp(&mut buffer, len));
        assert_eq!(bytes, &buffer[..bytes.len()]);
    }
}

/// Two bytes a step: a sequence number near the last one, or an heir.
fn steps(master: &Master, bytes: &[u8]) {
    let (mut sender, mut receiver) = (Sender::new(master).unwrap(), Receiver::new(master).unwrap());
    let (mut sequence, mut used) = (65_000u16, HashSet::new());
    for [kind, by] in bytes.as_chunks::<2>().0 {
        sequence = match kind % 8 {
            0 => sequence.wrapping_sub(u16::from(*by)),
            1 => sequence.wrapping_add(u16::from(*by) * 120),
            _ => sequence.wrapping_add(u16::from(*by) % 4),
        };
        if *kind == 255 {
            sender = Sender::heir(&sender.state()).unwrap();
            receiver = Receiver::heir(&receiver.state()).unwrap();
        }
        let [high, low] = sequence.to_be_bytes();
        let mut buffer = [0; 16 + ROOM];
        buffer[..12].copy_from_slice(&[0x80, 0, high, low, 0, 0, high, low, 0, 0, 0, 1]);
        match sender.rtp(&mut buffer, 16) {
            Ok(len) => {
                // The tag covers the index: one that repeats is an index that repeats.
                assert!(used.insert(buffer), "an index used twice");
                let wire = buffer;
                assert_eq!(Ok(16), receiver.rtp(&mut buffer, len));
                assert!(receiver.rtp(&mut wire.clone(), len).is_err(), "opened twice");
            }
            Err(error) => assert!(matches!(error, SrtpError::Repeated | SrtpError::Old), "{error:?}"),
        }
    }
}
