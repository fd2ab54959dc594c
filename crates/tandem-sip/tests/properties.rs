//! Any bytes, and RFC 4475's messages with bytes changed: nothing panics, nothing is lost, and sipx-sip reads alike what both accept.

mod oracle;

use proptest::prelude::*;
use std::path::PathBuf;

fn corpus() -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        std::fs::read_dir(root.join("../../tests/golden/torture")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "dat"));
    files.push(root.join("benches/measure/invite.sip"));
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// One change of a message: where, and what.
#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>),
    Over(u8),
    Cut(usize),
    Again(usize),
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let tokens: Vec<&[u8]> = vec![
        b"\r\n",
        b"\r\n ",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b"\"",
        b"\\",
        b"%00",
        b"@",
        b"=",
        b"[::1]",
        b"/",
        b"?",
        b";tag=x",
        b";branch=z9hG4bKy",
        b";rport",
        b";received=::1",
        b"Via: SIP/2.0/UDP a\r\n",
        b"t: <sip:x>\r\n",
        b"l: 5\r\n",
        b"\xff\x00",
        b"sip:",
        b"INVITE ",
        b"SIP/2.0",
        b"\r\n\r\n",
        b"0",
        b"99999999999",
    ];
    let put = prop::sample::select(tokens).prop_map(|token| Change::Put(token.to_vec()));
    let what = prop_oneof![4 => put, 2 => any::<u8>().prop_map(Change::Over), 2 => (1usize..40).prop_map(Change::Cut), 1 => (1usize..200).prop_map(Change::Again)];
    (any::<prop::sample::Index>(), what)
}

fn changed() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(corpus()), prop::collection::vec(change(), 0..6)).prop_map(|(mut bytes, changes)| {
        for (at, change) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match change {
                Change::Put(token) => drop(bytes.splice(at..at, token)),
                Change::Over(byte) => bytes[at] = byte,
                Change::Cut(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
                Change::Again(count) => {
                    let part = bytes[at..(at + count).min(bytes.len())].to_vec();
                    drop(bytes.splice(at..at, part));
                }
            }
        }
        bytes
    })
}

#[test]
fn of_the_corpus_most_is_accepted_by_both_and_read_alike() {
    let both = corpus().iter().filter(|bytes| oracle::agree(bytes)).count();
    assert!(both >= 28, "{both}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_parsers_read_alike_what_both_accept(bytes in changed()) {
        oracle::agree(&bytes);
    }

    #[test]
    fn everything_readable_is_read_answered_and_lossless(bytes in changed()) {
        oracle::read_all(&bytes);
    }

    #[test]
    fn a_stream_of_anything_is_cut_alike(bytes in changed(), more in changed(), step in 1usize..200) {
        oracle::same_frames(&[bytes, more].concat(), step);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        oracle::read_all(&bytes);
        let _ = tandem_sip::uri::Uri::parse(&bytes).map(|uri| uri.aor());
        let _ = tandem_sip::via::Via::parse(&bytes).is_ok();
        let _ = tandem_sip::address::addresses(&bytes).count();
    }
}
