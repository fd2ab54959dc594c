//! Flows that an owner wants kept: pinged by the edge that holds them, and told lost when their phone no longer answers.

mod common;

use common::{open_policy, phone, trunk_policy, Got, Owner, Place, Running, Session, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;
use tandem_sip::frame::{self, Transport};
use tandem_sip::keepalive::{Kind, Watch, Watched};

const FOR_EVER: u32 = u32::MAX;

fn flow(transport: Transport, flow: u64, remote: SocketAddr) -> Watched {
    Watched { flow, transport, local: 0, remote: remote.into(), cookie: 9 }
}

fn watch(link: &mut Session, flow: Watched, kind: Kind) {
    let mut out = Vec::new();
    frame::push_watch(&mut out, &[Watch { flow, kind, seconds: 1, until: FOR_EVER }]);
    link.write(&out);
}

fn heard(phone: &UdpSocket, seconds: u64) -> usize {
    let mut room = [0; 1500];
    phone.set_read_timeout(Some(Duration::from_millis(seconds * 1000 + 300))).unwrap();
    let until = std::time::Instant::now() + Duration::from_millis(seconds * 1000 + 300);
    let mut count = 0;
    while std::time::Instant::now() < until {
        match phone.recv(&mut room) {
            Ok(4) if &room[..4] == b"\r\n\r\n" => count += 1,
            _ => {}
        }
    }
    count
}

#[test]
fn a_phone_over_udp_is_pinged_from_the_address_it_knows_until_it_is_forgotten() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    link.next();
    let alice = phone();
    watch(&mut link, flow(Transport::Udp, 0, alice.local_addr().unwrap()), Kind::Crlf);
    let mut room = [0; 16];
    let (count, from) = alice.recv_from(&mut room).unwrap();
    assert_eq!((&b"\r\n\r\n"[..], edge.locals[0]), (&room[..count], from));
    assert!((1..=3).contains(&heard(&alice, 2)));
    let mut out = Vec::new();
    frame::push_forget(&mut out, &[flow(Transport::Udp, 0, alice.local_addr().unwrap())]);
    link.write(&out);
    heard(&alice, 0);
    assert_eq!(0, heard(&alice, 2));
}

#[test]
fn an_edge_pings_on_while_its_owner_is_dead_and_forgets_what_the_heir_does_not_name() {
    let place = Place::new();
    let mut owner = Owner::listen(&place);
    let _edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let (alice, bob) = (phone(), phone());
    let mut link = owner.accept(1);
    link.next();
    for phone in [&alice, &bob] {
        watch(&mut link, flow(Transport::Udp, 0, phone.local_addr().unwrap()), Kind::Crlf);
    }
    assert!(heard(&alice, 1) > 0);
    drop(link);
    assert!(heard(&bob, 2) > 0);
    owner.incarnation = 2;
    let mut heir = owner.accept(2);
    heir.next();
    watch(&mut heir, flow(Transport::Udp, 0, alice.local_addr().unwrap()), Kind::Crlf);
    let mut out = Vec::new();
    frame::push_forget_rest(&mut out);
    heir.write(&out);
    heir.counter("flows_watched", 1);
    heard(&bob, 0);
    assert!(heard(&alice, 2) > 0);
    assert_eq!(0, heard(&bob, 0));
}

#[test]
fn a_phone_that_answers_no_options_is_told_lost_and_found_again() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let policy = open_policy("").replacen('{', r#"{"keepalive": {"options": "all", "options_misses": 1},"#, 1);
    let _edge = Running::start(&place, &policy, &["udp"], "");
    let mut link = owner.accept(1);
    link.next();
    let alice = phone();
    watch(&mut link, flow(Transport::Udp, 0, alice.local_addr().unwrap()), Kind::Options);
    assert_eq!(Got::Answers(9, false), link.next());
    let mut room = [0; 1500];
    let (count, from) = alice.recv_from(&mut room).unwrap();
    let asked = String::from_utf8_lossy(&room[..count]).into_owned();
    assert!(asked.starts_with(&format!("OPTIONS sip:{} SIP/2.0\r\n", alice.local_addr().unwrap())), "{asked}");
    let forged = asked.replacen("z9hG4bKka", "z9hG4bKkaz", 1);
    for text in [forged, asked] {
        let (_, head) = text.split_once("\r\n").unwrap();
        alice.send_to(format!("SIP/2.0 404 Not Found\r\n{head}").as_bytes(), from).unwrap();
    }
    assert_eq!(Got::Answers(9, true), link.next());
    assert_eq!(1, link.counter("ask_answered", 1)["ask_answered"]);
}

/// A connection that has shown its flow by a REGISTER-like request.
fn connected(edge: &Running, link: &mut Session) -> (TcpStream, u64) {
    let mut alice = TcpStream::connect(edge.locals[0]).unwrap();
    alice.set_read_timeout(Some(PATIENCE)).unwrap();
    alice.write_all(&common::request("INVITE", "TCP", "one")).unwrap();
    let Got::Sip { flow, .. } = link.next() else { panic!("no message") };
    (alice, flow)
}

#[test]
fn a_phone_that_pinged_and_is_silent_has_failed_and_one_that_never_did_is_pinged() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let (mut alice, flow_of_alice) = connected(&edge, &mut link);
    let at = alice.local_addr().unwrap();
    watch(&mut link, flow(Transport::Tcp, flow_of_alice, at), Kind::Silence);
    let mut room = [0; 4];
    alice.read_exact(&mut room).unwrap();
    assert_eq!(b"\r\n\r\n", &room, "it is asked");
    alice.write_all(b"\r\n\r\n").unwrap();
    alice.read_exact(&mut room[..2]).unwrap();
    assert_eq!(b"\r\n", &room[..2], "RFC 5626 4.4.1");
    assert_eq!(Got::Closed(flow_of_alice), link.next());
}

#[test]
fn an_edge_says_of_a_connection_that_it_has_not_that_it_is_closed() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(r#""idle_seconds": 1"#), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let (alice, flow_of_alice) = connected(&edge, &mut link);
    let at = alice.local_addr().unwrap();
    watch(&mut link, flow(Transport::Tcp, flow_of_alice, at), Kind::Keep);
    std::thread::sleep(Duration::from_millis(2500));
    watch(&mut link, flow(Transport::Tcp, 77, at), Kind::Keep);
    assert_eq!(Got::Closed(77), link.next(), "and a registered phone's is not closed for being silent");
}
