//! Any datagram is read in full, answered, and lost in no byte.
#![no_main]

#[path = "../../tandem-sip/tests/oracle/mod.rs"]
#[allow(dead_code)]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::read_all(bytes));
