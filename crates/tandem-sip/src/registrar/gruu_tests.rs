//! GRUUs as RFC 5627 wants them, each promise by its name.

use super::*;
use crate::registrar::row::Flow;

fn keys() -> Keys {
    Keys { hash: [1; 16], signing: vec![Key { id: b'b', secret: [2; 16] }, Key { id: b'a', secret: [3; 16] }] }
}

fn binding(instance: &'static [u8]) -> Binding<'static> {
    let flow = Flow { edge: 1, connection: 0, transport: 1, local: 0, remote: "192.0.2.1:5060".parse().unwrap() };
    Binding {
        uri: b"sip:a@192.0.2.1",
        q: None,
        expires_at: 9,
        call: 77,
        cseq: 5,
        first_cseq: 3,
        unreachable: false,
        flow,
        reg_id: 0,
        instance,
        path: b"",
    }
}

fn user(named: Named, keys: &Keys) -> Vec<u8> {
    let mut out = Vec::new();
    named.push(&mut out, keys);
    out
}

#[test]
fn a_temporary_gruu_reads_back_and_a_changed_one_does_not() {
    let named = Named::of(0xdead_beef_0123_4567, &binding(b"<urn:uuid:1>"));
    let text = user(named, &keys());
    assert_eq!(Some(named), Named::read(&text, &keys()));
    for at in TEMPORARY.len()..text.len() {
        let mut forged = text.clone();
        forged[at] = if forged[at] == b'7' { b'8' } else { b'7' };
        assert_eq!(None, Named::read(&forged, &keys()), "character {at}");
    }
    assert_eq!(None, Named::read(&text[..text.len() - 1], &keys()));
    assert_eq!(None, Named::read(b"alice", &keys()));
}

#[test]
fn a_rotated_key_still_reads_it() {
    let old = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [3; 16] }] };
    let named = Named::of(7, &binding(b"<urn:uuid:1>"));
    assert_eq!(Some(named), Named::read(&user(named, &old), &keys()));
}

#[test]
fn two_of_one_phone_have_no_more_in_common_than_those_of_two_phones() {
    let first = Named::of(7, &binding(b"<urn:uuid:1>"));
    let same = |a: &[u8], b: &[u8]| a.iter().zip(b).skip(TEMPORARY.len() + 1).filter(|(a, b)| a == b).count();
    let texts: Vec<_> = (0..500).map(|cseq| user(Named { cseq, ..first }, &keys())).collect();
    let alike: usize = texts.windows(2).map(|pair| same(&pair[0], &pair[1])).sum();
    // 46 characters of 32 each: 1.4 by chance; the first ones of a number have fewer bits
    assert!(alike < 499 * 3, "{alike}");
    let all: std::collections::HashSet<_> = texts.iter().collect();
    assert_eq!(500, all.len());
}

#[test]
fn it_fits_the_same_call_id_since_the_bindings_begin() {
    let phone = binding(b"<urn:uuid:1>");
    let named = |cseq| Named { cseq, ..Named::of(7, &phone) };
    assert!(named(3).fits(&phone) && named(5).fits(&phone));
    assert!(!named(2).fits(&phone), "from before it registered again");
    assert!(!named(6).fits(&phone), "never given");
    assert!(!named(5).fits(&Binding { call: 78, ..phone }), "RFC 5627 5.1: another Call-ID");
    assert!(!named(5).fits(&binding(b"<urn:uuid:2>")));
}

#[test]
fn the_header_parameters_are_uris_in_quotes_with_escapes() {
    let mut out = Vec::new();
    push(&mut out, b"al ice@demo.example", 7, &binding(b"<urn:uuid:f81d4fae-7dec;x>"), &keys());
    let text = String::from_utf8(out).unwrap();
    let (public, temporary) = text.split_once("\";temp-gruu=\"").unwrap();
    assert_eq!(";pub-gruu=\"sip:al%20ice@demo.example;gr=urn:uuid:f81d4fae-7dec%3Bx", public);
    assert!(temporary.starts_with("sip:tgruu-b") && temporary.ends_with("@demo.example;gr\""), "{temporary}");
}

#[test]
fn forms_are_told_apart() {
    assert_eq!(Gr::No, form(b"sip:alice@demo.example"));
    assert_eq!(Gr::Public(b"urn:uuid:1"), form(b"sip:alice@demo.example;gr=urn:uuid:1"));
    assert_eq!(Gr::Temporary(b"tgruu-x"), form(b"sip:tgruu-x@demo.example;gr"));
    assert!(is_instance(b"<urn:uuid:1>", b"urn%3auuid:1") && is_instance(b"urn:uuid:1", b"urn:uuid:1"));
    assert!(!is_instance(b"<urn:uuid:1>", b"urn:uuid:2"));
}
