//! Whatever bytes a peer sends, gate, check and registrar neither panic nor answer a stranger with more than was asked.

use proptest::prelude::*;
use tandem_sip::auth::{check, Check};
use tandem_sip::challenge::Challenger;
use tandem_sip::digest::fuzz_credentials;
use tandem_sip::gate::{Gate, Source, Verdict};
use tandem_sip::ids::{Key, Keys};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::nonces::Nonces;
use tandem_sip::policy::Policy;
use tandem_sip::question::Question;
use tandem_sip::registrar::contact::fuzz_contacts;
use tandem_sip::registrar::{Config, Flow, Registrar};
use tandem_sip::users::Users;

const NOW: u64 = 1_795_000_000_000_000;
const GOOD: &str = "REGISTER sip:demo.example;tandem=a00b00000000000000 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK77;rport, SIP/2.0/TCP b\r\n\
    From: \"Al\\\"ice\" <sip:alice@demo.example>;tag=9f\r\nTo: <sip:alice@demo.example>\r\nCall-ID: 38@phone\r\nCSeq: 1 REGISTER\r\n\
    Contact: \"A, B\" <sip:%61lice@10.0.0.5:5060;transport=tcp?a=b>;q=0.5;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=1, sip:b@c\r\n\
    Path: <sip:p;lr;ob>\r\nSupported: path, outbound\r\nExpires: 600\r\n\
    Authorization: Digest username=\"al\\\\ice\",realm=\"demo.example\",nonce=\"a1k0hc0nyc00cnr71266sj59jdzxs3\",uri=\"sip:x\",algorithm=MD5,qop=auth,nc=00000001,cnonce=\"c\",response=\"00000000000000000000000000000000\"\r\n\
    Content-Length: 0\r\n\r\n";
const CREDENTIAL: &[u8] =
    b"Digest username=\"a\\\"b\", realm=r,nonce=\"n\",uri=\"u\",qop=auth,nc=1,cnonce=\"c\",response=\"00000000000000000000000000000000\"";

/// A good text with some bytes replaced, cut out or doubled.
fn mangled(good: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\"<>;,=@:[]*\\ \r\n%".to_vec())];
    prop::collection::vec((0..good.len(), byte, 0u8..4), 0..6).prop_map(move |edits| {
        let mut text = good.to_vec();
        for (at, byte, how) in edits {
            let at = at.min(text.len().saturating_sub(1));
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 => drop(text.drain(at..(at + 7).min(text.len()))),
                _ => text.truncate(at.max(60)),
            }
        }
        text
    })
}

fn hear(bytes: &[u8]) -> Result<(), TestCaseError> {
    let policy = Policy::from_json(br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}}"#).unwrap();
    let keys = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [2; 16] }] };
    let by = Challenger { keys: &keys, nonce_keys: &keys.signing, policy: &policy };
    let source = Source { address: "203.0.113.9:5060".parse().unwrap(), transport: 1, tls_names: &[] };
    let mut index = Index::default();
    let Ok(message) = Message::parse(bytes, &Limits::default(), &mut index) else { return Ok(()) };
    let question = Question::of(&message);
    let mut out = Vec::new();
    let verdict = Gate { by, draining: false }.decide(&question, &source, NOW, &mut out);
    prop_assert!(out.len() <= bytes.len());
    let answered = matches!(verdict, Verdict::Answer { .. });
    prop_assert_eq!(answered, !out.is_empty());
    if !out.is_empty() {
        let mut index = Index::default();
        let answer = Message::parse(&out, &Limits::default(), &mut index);
        prop_assert!(answer.is_ok_and(|answer| answer.call_id() == question.call_id), "{}", String::from_utf8_lossy(&out));
    }
    let said = check(&by, &Users::default(), &mut Nonces::default(), &question, &source, NOW, &mut out);
    let unproven = matches!(said, Check::Challenge { .. } | Check::Silence);
    prop_assert!(unproven && out.len() <= bytes.len());
    let flow = Flow { edge: 1, connection: 0, transport: 1, local: 0, remote: source.address };
    let mut registrar = Registrar::new(Config::default(), [1; 16]);
    let outcome = registrar.answer(&message, Some(b"alice@demo.example"), &policy, &flow, &keys, NOW, &mut out);
    prop_assert!(outcome.is_ok_and(|outcome| outcome.status == 200) || registrar.is_empty());
    if let Some(row) = registrar.row(b"alice@demo.example").map(<[u8]>::to_vec) {
        prop_assert!(Registrar::new(Config::default(), [2; 16]).load(b"alice@demo.example", &row));
    }
    Ok(())
}

#[test]
fn the_good_message_is_heard_so_that_its_mangled_ones_go_deep() {
    let mut index = Index::default();
    assert!(Message::parse(GOOD.as_bytes(), &Limits::default(), &mut index).is_ok());
    hear(GOOD.as_bytes()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mangled_messages_never_panic_and_never_get_more_than_they_brought(bytes in mangled(GOOD.as_bytes())) {
        hear(&bytes)?;
    }

    #[test]
    fn mangled_credentials_and_contacts_never_panic(
        credential in mangled(CREDENTIAL), contact in prop::collection::vec(prop::sample::select(b"<>\";,=*sip:a@b%41[]\\q.5 ".to_vec()), 0..60),
    ) {
        fuzz_credentials(&credential);
        fuzz_contacts(&contact);
    }

    #[test]
    fn strange_rows_are_never_loaded_and_never_panic(row in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut registrar = Registrar::new(Config::default(), [1; 16]);
        registrar.load(b"a@b", &row);
        prop_assert!(registrar.lookup(b"a@b", NOW).is_empty() || tandem_sip::registrar::row::is_whole(&row));
    }
}
