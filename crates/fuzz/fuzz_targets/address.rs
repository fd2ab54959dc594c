//! An address that is read and written again is the same address.
#![no_main]

use tandem_sip::address::{addresses, Address};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for address in addresses(bytes).flatten() {
        let mut again = [address.display, b" <", address.uri, b">"].concat();
        for (name, value) in address.params {
            again.extend_from_slice(b";");
            again.extend_from_slice(name);
            if let Some(value) = value {
                again.extend_from_slice(b"=");
                again.extend_from_slice(value);
            }
        }
        let other = Address::parse(&again).expect("what was read can be written");
        assert_eq!((address.display, address.uri, address.tag()), (other.display, other.uri, other.tag()));
        assert!(address.params.eq(other.params));
    }
});
