//! A Via that is read and written again is the same Via.
#![no_main]

use tandem_sip::via::Via;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(via) = Via::parse(bytes) else { return };
    let mut again = [b"SIP/2.0/", via.transport, b" ", via.host].concat();
    if let Some(port) = via.port {
        again.extend_from_slice(format!(":{port}").as_bytes());
    }
    for (name, value) in via.params {
        again.extend_from_slice(b";");
        again.extend_from_slice(name);
        if let Some(value) = value {
            again.extend_from_slice(b"=");
            again.extend_from_slice(value);
        }
    }
    let other = Via::parse(&again).expect("what was read can be written");
    assert_eq!((via.transport, via.host, via.port, via.branch), (other.transport, other.host, other.port, other.branch));
    assert!(via.params.eq(other.params));
});
