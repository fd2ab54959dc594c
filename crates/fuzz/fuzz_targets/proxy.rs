//! Datagrams of strangers and members through two edges with one pool; the script's form stands in the oracle.
#![no_main]

#[path = "../../tandem-sip/tests/oracle/front.rs"]
#[allow(dead_code)]
mod front;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let more = match bytes.first() {
        Some(b'm') => r#", "uri": "member", "path": true"#,
        Some(b'p') => r#", "record_route": false"#,
        _ => "",
    };
    front::Front::new(more).run(bytes);
});
