//! A description keeps every line, whatever it holds, and what is read of its lines can be written and read again.
#![no_main]

use tandem_rtp::sdp::{payloads, Candidate, Crypto, Description, Fingerprint};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(description) = Description::read(bytes) else { return };
    let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let again = description.write();
    assert_eq!(lines(bytes), lines(&again));
    let _ = (description.origin(), description.bundles());
    for section in &description.sections {
        let _ = (description.connection(section), description.direction(section), payloads(section), section.mid());
        for candidate in section.attributes("candidate").filter_map(Candidate::parse) {
            assert_eq!(Some(&candidate), Candidate::parse(candidate.value().as_bytes()).as_ref());
        }
        for crypto in section.attributes("crypto").filter_map(Crypto::parse) {
            assert_eq!(Some(&crypto), Crypto::parse(crypto.value(true, true).as_bytes()).as_ref());
        }
        for fingerprint in section.attributes("fingerprint").filter_map(Fingerprint::parse) {
            assert_eq!(Some(&fingerprint), Fingerprint::parse(fingerprint.value().as_bytes()).as_ref());
        }
    }
});
