//! What we and sipx-sip both accept, both read alike.
#![no_main]

#[path = "../../tandem-sip/tests/oracle/mod.rs"]
#[allow(dead_code)]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    oracle::agree(bytes);
});
