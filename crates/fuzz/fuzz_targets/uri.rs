//! A URI that is read has parts that stand in it, and an address of record that is its own.
#![no_main]

use tandem_sip::uri::{plain, unescape, Uri};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert_eq!(plain(&plain(bytes)), plain(bytes));
    assert!(unescape(bytes).len() <= bytes.len());
    let Ok(uri) = Uri::parse(bytes) else { return };
    for part in [uri.scheme, uri.user.unwrap_or_default(), uri.password.unwrap_or_default(), uri.host, uri.params, uri.headers, uri.opaque] {
        assert!(bytes.windows(part.len().max(1)).any(|window| part.is_empty() || window == part));
    }
    if let Some(aor) = uri.aor() {
        let again = [b"sip:", &aor[..]].concat();
        assert_eq!(Some(aor), Uri::parse(&again).expect("an address of record is a URI").aor());
    }
    let _ = uri.param(b"transport");
});
