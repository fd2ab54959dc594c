//! A STUN answer has 32 or 44 bytes and the request's cookie and number, whatever the request.
#![no_main]

use tandem_sip::stun::{answer, is_stun};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut out = Vec::new();
    for (source, length) in [("192.0.2.1:5060", 32), ("[2001:db8::1]:5060", 44)] {
        if answer(bytes, source.parse().unwrap(), &mut out) {
            assert!(is_stun(bytes) && is_stun(&out));
            assert_eq!((length, &bytes[4..20]), (out.len(), &out[4..20]));
        } else {
            assert!(out.is_empty());
        }
    }
});
