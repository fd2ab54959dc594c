//! A PROXY header names no more bytes than came, and what was taken whole is waited for when it comes in parts.
#![no_main]

use tandem_sip::proxy_protocol::{read, Preface, V2_BYTES};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| match read(bytes) {
    Preface::Proxied { used, .. } | Preface::Local { used } => {
        assert!(used <= bytes.len() && used <= V2_BYTES);
        for at in 0..used {
            assert_eq!(Preface::NeedMore, read(&bytes[..at]));
        }
    }
    Preface::NeedMore => assert!(bytes.len() <= V2_BYTES),
    Preface::Bad(_) => {}
});
