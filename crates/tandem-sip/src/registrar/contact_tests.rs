//! Contact values as phones write them, and as attackers do.

use super::*;

fn parse(text: &str) -> Result<Vec<Contact<'_>>, BadContact> {
    match Contacts::parse(std::iter::once(text.as_bytes()))? {
        Contacts::Some(list) => Ok(list.into_vec()),
        Contacts::All => panic!("star"),
    }
}

#[test]
fn brackets_display_names_and_bare_uris_are_read() {
    for (text, uri) in [
        ("<sip:a@b>", "sip:a@b"),
        ("\"A, \\\"B\\\" <x>\" <sip:a@b;transport=tcp>;q=0.5", "sip:a@b;transport=tcp"),
        ("Alice Smith <sip:a@b>", "sip:a@b"),
        ("sip:a@b;expires=60", "sip:a@b"),
        ("  <sip:a,b@[2001:db8::1]:5060> ", "sip:a,b@[2001:db8::1]:5060"),
        ("<mailto:a@b>", "mailto:a@b"),
    ] {
        assert_eq!(uri.as_bytes(), parse(text).unwrap()[0].uri, "{text}");
    }
}

#[test]
fn parameters_are_read_and_a_comma_begins_the_next() {
    let text = r#"<sip:a@b>;expires=60 ; q=0.7;+sip.instance="<urn:uuid:1>";reg-id=2;other="x,y", <sip:c@d> ; Expires = 0"#;
    let list = parse(text).unwrap();
    assert_eq!(Contact { uri: b"sip:a@b", q: Some(700), expires: Some(60), instance: b"<urn:uuid:1>", reg_id: Some(2) }, list[0]);
    assert_eq!(Contact { uri: b"sip:c@d", q: None, expires: Some(0), instance: b"", reg_id: None }, list[1]);
}

#[test]
fn a_malformed_expires_is_an_hour_and_a_huge_one_is_capped() {
    assert_eq!(3600, read_expires(b"soon"));
    assert_eq!(3600, read_expires(b""));
    assert_eq!(u32::MAX, read_expires(b"99999999999999"));
    assert_eq!(0, read_expires(b"0"));
}

#[test]
fn a_star_stands_alone() {
    let star = |text: &str| Contacts::parse(text.as_bytes().split(|&c| c == b'|')).map(|contacts| contacts == Contacts::All);
    assert_eq!(Ok(true), star("*"));
    assert_eq!(Ok(true), star(" * "));
    assert_eq!(Err(BadContact::Star), star("*, <sip:a@b>"));
    assert_eq!(Err(BadContact::Star), star("<sip:a@b>|*"));
    assert_eq!(Err(BadContact::Syntax), star("*;expires=0"));
}

#[test]
fn bad_contacts_are_refused() {
    for (text, error) in [
        ("<sip:a@b", BadContact::Syntax),
        ("\"A <sip:a@b>", BadContact::Syntax),
        ("<>", BadContact::Uri),
        ("<sip:>", BadContact::Uri),
        ("nonsense", BadContact::Uri),
        ("<sip:a\r\nb@c>", BadContact::Uri),
        ("<sip:a@b> x", BadContact::Syntax),
        ("<sip:a@b>;q=2", BadContact::Q),
        ("<sip:a@b>;q=0.1234", BadContact::Q),
        ("<sip:a@b>;+sip.instance=\"\u{1}\"", BadContact::Instance),
    ] {
        assert_eq!(Err(error), parse(text), "{text}");
    }
    assert_eq!(Err(BadContact::Uri), parse(&format!("<sip:{}@b>", "a".repeat(URI_BYTES))));
    assert_eq!(Err(BadContact::Many), parse(&"<sip:a@b>,".repeat(CONTACTS_PER_REQUEST + 1)));
}

#[test]
fn rfc_3261_19_1_4_examples_compare_as_written_there() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        ("SIP:a@b", "sip:a@b"),
    ] {
        assert!(same_uri(a.as_bytes(), b.as_bytes()), "{a} {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@b", "sips:a@b"),
        ("sip:b", "sip:a@b"),
    ] {
        assert!(!same_uri(a.as_bytes(), b.as_bytes()), "{a} {b}");
    }
}
