//! A stream is cut alike wherever it is split; the first byte is the size of the pieces.
#![no_main]

#[path = "../../tandem-sip/tests/oracle/mod.rs"]
#[allow(dead_code)]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [step, stream @ ..] = bytes {
        oracle::same_frames(stream, *step as usize);
    }
});
