//! STUN on the SIP port: registered phones are answered, strangers only with no more bytes than they sent.

mod common;

use common::{open_policy, phone, Owner, Place, Running};
use std::net::UdpSocket;
use std::time::Duration;
use tandem_sip::frame::Transport;

const REQUEST: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
const PADDED: &[u8] = b"\x00\x01\x00\x10\x21\x12\xa4\x42abcdefghijkl\x80\x22\x00\x0cTandem tests";

fn asked(phone: &UdpSocket, edge: &Running, request: &[u8]) -> Vec<u8> {
    phone.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    phone.send_to(request, edge.locals[0]).unwrap();
    let mut room = [0; 200];
    let count = phone.recv(&mut room).unwrap_or(0);
    room[..count].to_vec()
}

#[test]
fn a_registered_phone_is_told_its_address_and_a_stranger_gets_no_longer_answer_than_its_question() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    link.next();
    let (known, stranger) = (phone(), phone());
    assert!(asked(&known, &edge, REQUEST).is_empty());
    let answer = asked(&stranger, &edge, PADDED);
    assert_eq!((32, &b"\x01\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x20\x00\x08\x00\x01"[..]), (answer.len(), &answer[..26]));
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!(stranger.local_addr().unwrap().port(), port);
    let welcome = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;rport\r\nCSeq: 2 REGISTER\r\n\r\n";
    link.send(1, 0, 0, Transport::Udp, known.local_addr().unwrap(), welcome);
    let mut room = [0; 200];
    known.set_read_timeout(Some(common::PATIENCE)).unwrap();
    assert_eq!(welcome.len(), known.recv(&mut room).unwrap());
    assert_eq!(32, asked(&known, &edge, REQUEST).len());
    assert!(asked(&stranger, &edge, REQUEST).is_empty());
    link.counter("bindings", 2);
}

#[test]
fn a_flood_of_binding_requests_meets_the_limits_of_any_message() {
    let place = Place::new();
    let edge = Running::start(&place, &open_policy(r#""source_rate": 1, "source_burst": 5"#), &["udp"], "");
    let stranger = phone();
    let answered = (0..40).filter(|_| {
        stranger.send_to(PADDED, edge.locals[0]).unwrap();
        stranger.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        stranger.recv(&mut [0; 200]).is_ok()
    });
    let answered = answered.count();
    assert!((1..=7).contains(&answered), "{answered}");
}
