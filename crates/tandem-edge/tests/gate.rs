//! What an edge does alone: challenges, refusals, bans, and the policy that it keeps.

mod common;

use common::{open_policy, phone, request, trunk_policy, Got, Owner, Place, Running, PATIENCE};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tandem_sip::frame::{self, Transport};

fn ask(phone: &UdpSocket, at: SocketAddr, message: &[u8]) -> String {
    phone.send_to(message, at).unwrap();
    let mut room = [0; 65_535];
    let count = phone.recv(&mut room).expect("an answer");
    String::from_utf8_lossy(&room[..count]).into_owned()
}

fn silent(phone: &UdpSocket) -> bool {
    phone.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let quiet = phone.recv(&mut [0; 2000]).is_err();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    quiet
}

/// A request of a size that phones have: an answer to a stranger may not be longer.
fn long(method: &str, call: &str) -> Vec<u8> {
    let text = String::from_utf8(request(method, "UDP", call)).unwrap();
    text.replace("Max-Forwards", &format!("Allow: {}\r\nMax-Forwards", "INVITE, ".repeat(60))).into_bytes()
}

#[test]
fn strangers_are_challenged_without_an_owner_and_their_acks_vanish() {
    let place = Place::new();
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let alice = phone();
    let register = ask(&alice, edge.locals[0], &long("REGISTER", "reg"));
    assert!(register.starts_with("SIP/2.0 401 ") && register.contains("\r\nWWW-Authenticate: Digest "), "{register}");
    let invite = ask(&alice, edge.locals[0], &long("INVITE", "inv"));
    assert!(invite.starts_with("SIP/2.0 407 "), "{invite}");
    let to = invite.lines().find(|line| line.starts_with("To:")).unwrap();
    let ack = String::from_utf8(long("ACK", "inv")).unwrap().replace("To: <sip:bob@demo.example>", to);
    alice.send_to(ack.as_bytes(), edge.locals[0]).unwrap();
    assert!(silent(&alice));
    let options = ask(&alice, edge.locals[0], &long("OPTIONS", "opt").replace_uri("sip:demo.example"));
    assert!(options.starts_with("SIP/2.0 200 "), "{options}");
}

#[test]
fn a_credential_with_our_nonce_goes_up() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    link.next();
    let alice = phone();
    let challenge = ask(&alice, edge.locals[0], &long("REGISTER", "reg"));
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let authorization = format!(
        "Authorization: Digest username=\"alice\", realm=\"demo.example\", nonce=\"{nonce}\", uri=\"sip:demo.example\", \
         response=\"{}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\nMax-Forwards",
        "0".repeat(32)
    );
    let text = String::from_utf8(long("REGISTER", "reg2")).unwrap().replace("Max-Forwards", &authorization);
    alice.send_to(text.as_bytes(), edge.locals[0]).unwrap();
    let Got::Sip { message, .. } = link.next() else { panic!("no message") };
    assert_eq!(text.as_bytes(), message);
}

#[test]
fn garbage_is_refused_then_banned_and_fail2ban_told() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &open_policy(r#""malformed_per_minute": 3, "ban_seconds": 77"#), &["udp", "tcp"], "");
    let mut link = owner.accept(1);
    let mallory = phone();
    let bad = String::from_utf8(long("INVITE", "bad")).unwrap().replace("CSeq: 1 INVITE", "CSeq: one INVITE");
    for _ in 0..3 {
        let answer = ask(&mallory, edge.locals[0], bad.as_bytes());
        assert!(answer.starts_with("SIP/2.0 400 Bad CSeq"), "{answer}");
    }
    mallory.send_to(bad.as_bytes(), edge.locals[0]).unwrap();
    mallory.send_to(&long("OPTIONS", "opt"), edge.locals[0]).unwrap();
    assert!(silent(&mallory));
    let stats = link.counter("banned", 1);
    assert_eq!((4, 1), (stats["malformed"].as_u64().unwrap(), stats["bans"].as_u64().unwrap()));
    let log = std::fs::read_to_string(place.path("bans.log")).unwrap();
    assert!(log.ends_with("Z tandem-edge ban source=127.0.0.1 reason=malformed seconds=77\n"), "{log}");
    assert_eq!(1, log.lines().count());
    // The same source gets no connection either.
    let mut stream = std::net::TcpStream::connect(edge.locals[1]).unwrap();
    assert_eq!(0, std::io::Read::read(&mut stream, &mut [0; 9]).unwrap_or(0));
    link.counter("connections_refused", 1);
}

#[test]
fn a_request_that_begins_something_is_checked_before_the_gate() {
    let place = Place::new();
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let alice = phone();
    let register = String::from_utf8(long("REGISTER", "bad")).unwrap();
    let bad = register.replace("Contact: <sip:alice@127.0.0.1:5999>", "Contact: sip:alice@127.0.0.1:5999?Route=%3Csip:x%3E");
    let answer = ask(&alice, edge.locals[0], bad.as_bytes());
    assert!(answer.starts_with("SIP/2.0 400 Bad Contact\r\n"), "{answer}");
    let answer = ask(&alice, edge.locals[0], &long("INVITE", "uri").replace_uri("sip:bob@demo.example?Route=x"));
    assert!(answer.starts_with("SIP/2.0 400 Bad Request-URI\r\n"), "{answer}");
    alice.send_to(&long("ACK", "uri").replace_uri("sip:bob@demo.example?Route=x"), edge.locals[0]).unwrap();
    assert!(silent(&alice), "an ACK is never answered");
}

#[test]
fn garbage_that_nobody_may_be_answered_for_is_met_with_silence() {
    let place = Place::new();
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let mallory = phone();
    let ack = String::from_utf8(long("ACK", "bad")).unwrap().replace("CSeq: 1 ACK", "CSeq: x");
    for bytes in [ack.as_bytes(), b"SIP/2.0 200 OK\r\nCSeq: x\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", &[0xff; 900], b"\r\n\r\n", b""] {
        mallory.send_to(bytes, edge.locals[0]).unwrap();
    }
    assert!(silent(&mallory));
    assert!(ask(&mallory, edge.locals[0], &long("INVITE", "alive")).starts_with("SIP/2.0 407 "));
}

#[test]
fn a_refusal_for_overload_is_the_same_when_the_request_is_repeated() {
    let place = Place::new();
    let edge = Running::start(&place, &open_policy(r#""source_rate": 1, "source_burst": 2"#), &["udp"], "");
    let alice = phone();
    let answers: Vec<String> = ["one", "two", "three"].iter().map(|call| ask(&alice, edge.locals[0], &long("INVITE", call))).collect();
    assert!(answers[1].starts_with("SIP/2.0 407 ") && answers[2].starts_with("SIP/2.0 503 "), "{answers:?}");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(ask(&alice, edge.locals[0], &long("INVITE", "three")).starts_with("SIP/2.0 503 "));
    assert!(ask(&alice, edge.locals[0], &long("INVITE", "four")).starts_with("SIP/2.0 407 "));
}

#[test]
fn who_tries_many_names_with_wrong_passwords_is_banned() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    let mallory = phone();
    for name in 0..64 {
        let refusal = format!(
            "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bK{name}\r\nFrom: <sip:u{name}@demo.example>;tag=f\r\n\
             To: <sip:u{name}@demo.example>;tag=t\r\nCall-ID: {name}\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
        );
        link.send(1, 0, 0, Transport::Udp, mallory.local_addr().unwrap(), refusal.as_bytes());
    }
    link.counter("bans", 1);
    let log = std::fs::read_to_string(place.path("bans.log")).unwrap();
    assert!(log.contains("reason=guessing"));
    let failed = log.lines().filter(|line| line.ends_with(" tandem-edge failed source=127.0.0.1 reason=credentials")).count();
    assert!((1..=10).contains(&failed), "so many a second: {log}");
    drop(edge);
}

#[test]
fn a_policy_holds_at_once_and_after_a_restart_without_an_owner() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let mut edge = Running::start(&place, &open_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    let alice = phone();
    assert!(ask(&alice, edge.locals[0], &long("INVITE", "one")).starts_with("SIP/2.0 407 "));
    let mut out = Vec::new();
    frame::push_policy(&mut out, b"{\"domains\": 7}");
    let newer = trunk_policy("").replace("\"version\": 7", "\"version\": 9");
    frame::push_policy(&mut out, newer.as_bytes());
    link.write(&out);
    link.counter("policy_version", 9);
    alice.send_to(&long("INVITE", "two"), edge.locals[0]).unwrap();
    while !matches!(link.next(), Got::Sip { .. }) {}
    edge.stop();
    assert_eq!(newer, std::fs::read_to_string(place.path("policy.json")).unwrap());
    drop(link);
    let edge = Running::start(&place, &newer, &["udp"], "");
    alice.send_to(&long("INVITE", "three"), edge.locals[0]).unwrap();
    let mut link = owner.accept(2);
    while !matches!(link.next(), Got::Sip { .. }) {}
}

#[test]
fn new_keys_hold_at_once_and_bad_ones_do_not() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    link.next();
    let alice = phone();
    let mut shard = || {
        alice.send_to(&long("INVITE", "one"), edge.locals[0]).unwrap();
        let Got::Sip { shard, .. } = link.next() else { panic!("no message") };
        shard
    };
    let first = shard();
    let other = std::fs::read_to_string(place.path("keys.json")).unwrap().replacen(common::HEX, &"5".repeat(32), 1);
    for (keys, changes) in [("{}", false), (other.as_str(), true)] {
        let mut out = Vec::new();
        frame::push_keys(&mut out, keys.as_bytes());
        link.write(&out);
        let until = Instant::now() + Duration::from_millis(400);
        let mut seen = first;
        while Instant::now() < until && seen == first {
            alice.send_to(&long("INVITE", "one"), edge.locals[0]).unwrap();
            let Got::Sip { shard, .. } = link.next() else { panic!("no message") };
            seen = shard;
        }
        assert_eq!(changes, seen != first, "{keys}");
    }
}

trait ReplaceUri {
    fn replace_uri(self, uri: &str) -> Vec<u8>;
}

impl ReplaceUri for Vec<u8> {
    fn replace_uri(self, uri: &str) -> Vec<u8> {
        String::from_utf8(self).unwrap().replacen("sip:bob@demo.example", uri, 1).into_bytes()
    }
}
