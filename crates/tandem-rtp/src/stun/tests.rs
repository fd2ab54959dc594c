//! The vectors of RFC 5769, and what is refused.

use proptest::prelude::*;

use super::*;

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: Transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

/// RFC 5769 2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008\
     932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 2.2.
const RESPONSE_V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
     000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 2.3.
const RESPONSE_V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179\
     bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter_map(|digit| (digit as char).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn the_request_of_rfc_5769_is_read_and_checked() {
    let bytes = bytes(REQUEST);
    let request = Message::read(&bytes).unwrap();
    assert_eq!((Class::Request, TRANSACTION), (request.class, request.transaction));
    assert_eq!(Some(&b"evtj:h6vY"[..]), request.username);
    assert_eq!(Some(0x6e00_01ff), request.priority);
    assert_eq!(Some(IceRole::Controlled(0x932f_f9b1_5126_3b36)), request.role);
    assert!(request.fingerprint && !request.use_candidate && request.unknown.kinds().is_empty());
    assert!(request.is_from(PASSWORD) && !request.is_from(b"VOkJxbRl1RmTxUk/WvJxBs") && !request.is_from(b""));
}

#[test]
fn the_responses_of_rfc_5769_are_read_and_checked() {
    for (hex, address) in [(RESPONSE_V4, "192.0.2.1:32853"), (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")] {
        let bytes = bytes(hex);
        let response = Message::read(&bytes).unwrap();
        assert_eq!((Class::Success, TRANSACTION), (response.class, response.transaction));
        assert_eq!(Some(address.parse().unwrap()), response.mapped);
        assert!(response.is_from(PASSWORD) && response.fingerprint);
    }
}

#[test]
fn what_is_written_is_what_rfc_5769_has_but_for_padding() {
    for (hex, address) in [(RESPONSE_V4, "192.0.2.1:32853"), (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")] {
        // SOFTWARE with its blanks as padding: 12 bytes long here, 11 in the vector.
        let (mut theirs, mut ours) = (bytes(hex), Vec::new());
        theirs[23] = 12;
        let writer = Writer::new(&mut ours, Class::Success, TRANSACTION);
        let writer = writer.attribute_for_test(0x8022, b"test vector ").mapped(address.parse().unwrap());
        writer.integrity(PASSWORD).fingerprint();
        let guarded = theirs.len() - 32;
        assert_eq!((theirs.len(), &theirs[..guarded]), (ours.len(), &ours[..guarded]));
        let read = Message::read(&ours).unwrap();
        assert!(read.is_from(PASSWORD) && read.fingerprint);
    }
}

#[test]
fn every_changed_byte_is_found_out() {
    let whole = bytes(REQUEST);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        // One change makes another attribute of FINGERPRINT: then it is missing.
        assert!(!Message::read(&changed).is_ok_and(|message| message.fingerprint), "byte {at}");
    }
    let unsealed = &whole[..whole.len() - 8]; // without FINGERPRINT the MAC finds it
    for at in HEAD_BYTES..unsealed.len() {
        let mut changed = unsealed.to_vec();
        changed[3] -= 8;
        changed[at] ^= 0x01;
        let Ok(message) = Message::read(&changed) else { continue };
        assert!(!message.is_from(PASSWORD), "byte {at}");
    }
}

#[test]
fn sha256_is_checked_whole_and_truncated_and_decides_where_both_stand() {
    let mut out = Vec::new();
    Writer::new(&mut out, Class::Request, TRANSACTION).username(b"a", b"b").integrity(b"other").integrity_sha256(b"secret").fingerprint();
    let message = Message::read(&out).unwrap();
    assert!(message.is_sha256() && message.is_from(b"secret") && !message.is_from(b"other"));

    let mut out = Vec::new();
    let writer = Writer::new(&mut out, Class::Request, TRANSACTION).priority(1);
    writer.attribute_for_test(attribute::MESSAGE_INTEGRITY_SHA256, &[0; 16]);
    let mac = checksum::sha256(&out, 28, 16, b"secret").map(|mac| hmac::Mac::finalize(mac).into_bytes()).unwrap();
    out[32..].copy_from_slice(&mac[..16]);
    assert!(Message::read(&out).unwrap().is_from(b"secret"));
    for short in [0, 4, 12, 15] {
        let mut out = Vec::new();
        Writer::new(&mut out, Class::Request, TRANSACTION).attribute_for_test(attribute::MESSAGE_INTEGRITY_SHA256, &mac[..short]);
        assert_eq!(Err(Malformed::Attribute(0x1c)), Message::read(&out).map(|_| ()), "{short} bytes prove nothing");
    }
}

#[test]
fn what_stands_after_the_mac_is_not_believed() {
    let mut out = Vec::new();
    Writer::new(&mut out, Class::Request, TRANSACTION).username(b"a", b"b").integrity(b"secret").use_candidate().priority(7).fingerprint();
    let message = Message::read(&out).unwrap();
    assert!(message.is_from(b"secret") && !message.use_candidate && message.priority.is_none());
}

#[test]
fn attributes_that_must_be_understood_are_named_once_and_not_without_limit() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Class::Request, TRANSACTION);
    for kind in [0x7000, 0xc057, 0x7001, 0x7000, 1, 2, 3, 4, 5, 7, 9, 11, 12] {
        writer = writer.attribute_for_test(kind, if kind == 9 { &[0, 0, 4, 1] } else { b"value" });
    }
    writer.fingerprint();
    let message = Message::read(&out).unwrap();
    assert_eq!([0x7000, 0x7001, 2, 3, 4, 5, 7, 11], message.unknown.kinds());
}

#[test]
fn what_is_not_whole_is_refused_with_a_reason() {
    let head = |kind: u16, length: u16| [&kind.to_be_bytes()[..], &length.to_be_bytes(), &COOKIE, &TRANSACTION].concat();
    let with = |attribute: &[u8]| [head(1, attribute.len() as u16), attribute.to_vec()].concat();
    for (bytes, why) in [
        (b"OPTIONS sip:a SIP/2.0\r\n".to_vec(), Malformed::NotStun),
        (head(1, 0)[..19].to_vec(), Malformed::NotStun),
        ([head(1, 1300), vec![0; 1300]].concat(), Malformed::TooLong),
        (head(1, 4), Malformed::Length),
        (with(&[0x80, 0x22]), Malformed::Length),
        (with(&[0, 0x24, 0, 3, 1, 2, 3, 0]), Malformed::Attribute(0x24)),
        (with(&[0, 6, 0, 9, 1, 2, 3, 4]), Malformed::Attribute(6)),
        (with(&[0, 6, 0, 3, 1, 2]), Malformed::Length),
        (with(&[0, 0x20, 0, 4, 0, 1, 0, 0]), Malformed::Attribute(0x20)),
        (with(&[0, 9, 0, 4, 0, 0, 2, 0]), Malformed::Attribute(9)),
        (with(&[0x80, 0x28, 0, 4, 0, 0, 0, 0]), Malformed::Fingerprint),
        (head(3, 0), Malformed::Method(3)),
        (head(0x0103, 0), Malformed::Method(3)),
    ] {
        assert_eq!(Err(why), Message::read(&bytes).map(|_| ()), "{bytes:x?}");
    }
    assert!(!is_stun(b"OPTIONS sip:a SIP/2.0\r\n") && !is_stun(&[0; 40]) && is_stun(&head(1, 0)));
}

#[test]
fn a_plain_request_is_answered_and_no_other() {
    let from = "[::ffff:192.0.2.1]:32853".parse().unwrap();
    let (mut plain, mut sealed, mut half, mut out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Writer::new(&mut plain, Class::Request, TRANSACTION).fingerprint();
    assert!(answer(&plain, from, &mut out));
    let read = Message::read(&out).unwrap();
    assert_eq!((Class::Success, TRANSACTION, true), (read.class, read.transaction, read.fingerprint));
    assert_eq!(Some("192.0.2.1:32853".parse().unwrap()), read.mapped);
    Writer::new(&mut sealed, Class::Request, TRANSACTION).username(b"a", b"b").integrity(b"c").fingerprint();
    Writer::new(&mut half, Class::Request, TRANSACTION).username(b"a", b"b").fingerprint();
    for request in [&sealed, &half, &out.clone()] {
        assert!(!answer(request, from, &mut out) && out.is_empty());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(tail in prop::collection::vec(any::<u8>(), 0..200), kind in any::<u16>()) {
        _ = Message::read(&tail);
        let head = [&kind.to_be_bytes()[..], &(tail.len() as u16).to_be_bytes(), &COOKIE, &TRANSACTION, &tail].concat();
        if let Ok(message) = Message::read(&head) {
            _ = message.is_from(b"password");
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        theirs in "[a-zA-Z0-9+/]{4,256}", ours in "[a-zA-Z0-9+/]{4,256}", priority in any::<u32>(), tie in any::<u64>(),
        nominate in any::<bool>(), transaction in any::<Transaction>(), address in any::<std::net::SocketAddr>(),
    ) {
        let mut out = Vec::new();
        let writer = Writer::new(&mut out, Class::Request, transaction).username(theirs.as_bytes(), ours.as_bytes())
            .priority(priority).role(IceRole::Controlling(tie)).mapped(address);
        let writer = if nominate { writer.use_candidate() } else { writer };
        writer.integrity(b"password").fingerprint();
        let read = Message::read(&out).unwrap();
        let username = format!("{theirs}:{ours}");
        prop_assert_eq!(Some(username.as_bytes()), read.username);
        prop_assert_eq!((Some(priority), Some(IceRole::Controlling(tie)), nominate), (read.priority, read.role, read.use_candidate));
        prop_assert_eq!(Some((address.ip().to_canonical(), address.port())), read.mapped.map(|mapped| (mapped.ip(), mapped.port())));
        prop_assert!(read.is_from(b"password") && read.fingerprint && read.transaction == transaction);
    }
}
