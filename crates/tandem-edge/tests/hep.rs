//! Copies for a Homer: decoded here by the format's own words, and by sngrep.

mod common;

use common::{open_policy, phone, request, Place, Running, PATIENCE};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Chunks by number, and nothing else in the packet.
fn decoded(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    assert_eq!(b"HEP3", &packet[..4]);
    assert_eq!(packet.len(), usize::from(u16::from_be_bytes([packet[4], packet[5]])));
    let (mut chunks, mut rest) = (BTreeMap::new(), &packet[6..]);
    while !rest.is_empty() {
        let word = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        let (vendor, kind, length) = (word(0), word(2), usize::from(word(4)));
        assert_eq!(0, vendor);
        assert!(chunks.insert(kind, rest[6..length].to_vec()).is_none());
        rest = &rest[length..];
    }
    chunks
}

fn long(method: &str, call: &str) -> Vec<u8> {
    let text = String::from_utf8(request(method, "UDP", call)).unwrap();
    text.replace("Max-Forwards", &format!("Allow: {}\r\nMax-Forwards", "INVITE, ".repeat(60))).into_bytes()
}

fn asks(edge: &Running, message: &[u8]) -> UdpSocket {
    let alice = phone();
    alice.send_to(message, edge.locals[0]).unwrap();
    alice.recv(&mut [0; 4_000]).expect("an answer");
    alice
}

#[test]
fn what_came_and_what_went_is_copied_with_where_and_when() {
    let (place, homer) = (Place::new(), phone());
    let hep = format!(r#", "hep": {{"to": "udp:{}", "id": 77, "password": "pw"}}"#, homer.local_addr().unwrap());
    let edge = Running::start(&place, &open_policy(""), &["udp", "tcp"], &hep);
    let alice = asks(&edge, &long("INVITE", "one"));
    let mut room = [0; 65_535];
    let mut packets = Vec::new();
    for _ in 0..2 {
        let count = homer.recv(&mut room).unwrap();
        packets.push(decoded(&room[..count]));
    }
    let [phone, ours] = [alice.local_addr().unwrap(), edge.locals[0]];
    for (packet, [from, to], first) in [(&packets[0], [phone, ours], "INVITE sip:bob"), (&packets[1], [ours, phone], "SIP/2.0 407 ")] {
        assert_eq!((&[2u8][..], &[17u8][..], &[1u8][..]), (&packet[&1][..], &packet[&2][..], &packet[&11][..]));
        assert_eq!(([127, 0, 0, 1].to_vec(), [127, 0, 0, 1].to_vec()), (packet[&3].clone(), packet[&4].clone()));
        assert_eq!((from.port().to_be_bytes().to_vec(), to.port().to_be_bytes().to_vec()), (packet[&7].clone(), packet[&8].clone()));
        let seconds = u64::from(u32::from_be_bytes(packet[&9][..].try_into().unwrap()));
        assert!(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() - seconds < 10);
        assert_eq!((77u32.to_be_bytes().to_vec(), b"pw".to_vec()), (packet[&12].clone(), packet[&14].clone()));
        assert_eq!(b"one".to_vec(), packet[&17]);
        assert!(String::from_utf8_lossy(&packet[&15]).starts_with(first));
    }
    assert_eq!(long("INVITE", "one"), packets[0][&15]);
    // Over TCP too, both ways.
    let mut stream = std::net::TcpStream::connect(edge.locals[1]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut stream, &long("OPTIONS", "two")).unwrap();
    for first in ["OPTIONS ", "SIP/2.0 "] {
        let count = homer.recv(&mut room).unwrap();
        let packet = decoded(&room[..count]);
        assert_eq!(vec![6], packet[&2]);
        assert!(String::from_utf8_lossy(&packet[&15]).starts_with(first));
    }
}

#[test]
fn of_calls_that_are_not_sampled_those_that_fail_are_copied_whole() {
    let (place, homer) = (Place::new(), phone());
    let hep = format!(r#", "hep": {{"to": "udp:{}", "sample_percent": 0}}"#, homer.local_addr().unwrap());
    let edge = Running::start(&place, &open_policy(""), &["udp"], &hep);
    asks(&edge, &long("INVITE", "fine"));
    let wrong = String::from_utf8(long("INVITE", "wrong")).unwrap().replace("sip:bob@demo.example SIP", "nobody:knows SIP");
    asks(&edge, wrong.as_bytes());
    let mut room = [0; 65_535];
    for first in ["INVITE nobody:knows", "SIP/2.0 416 "] {
        let count = homer.recv(&mut room).unwrap();
        let packet = decoded(&room[..count]);
        assert_eq!(b"wrong".to_vec(), packet[&17]);
        assert!(String::from_utf8_lossy(&packet[&15]).starts_with(first));
    }
    homer.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(homer.recv(&mut room).is_err());
}

#[test]
fn a_homer_that_is_not_there_costs_nobody_an_answer() {
    let place = Place::new();
    let edge = Running::start(&place, &open_policy(""), &["udp"], r#", "hep": {"to": "tcp:127.0.0.1:1"}"#);
    for call in 0..50 {
        asks(&edge, &long("INVITE", &call.to_string()));
    }
}

#[test]
fn a_homer_over_tcp_gets_packets_one_after_the_other() {
    let (place, homer) = (Place::new(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let hep = format!(r#", "hep": {{"to": "tcp:{}"}}"#, homer.local_addr().unwrap());
    let edge = Running::start(&place, &open_policy(""), &["udp"], &hep);
    asks(&edge, &long("INVITE", "one"));
    let (mut stream, _) = homer.accept().unwrap();
    for first in ["INVITE ", "SIP/2.0 407 "] {
        let mut packet = vec![0; 6];
        std::io::Read::read_exact(&mut stream, &mut packet).unwrap();
        packet.resize(usize::from(u16::from_be_bytes([packet[4], packet[5]])), 0);
        std::io::Read::read_exact(&mut stream, &mut packet[6..]).unwrap();
        assert!(String::from_utf8_lossy(&decoded(&packet)[&15]).starts_with(first));
    }
}

#[test]
fn sngrep_sees_the_call() {
    if Command::new("sngrep").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: sngrep is not installed");
        return;
    }
    let place = Place::new();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let capture = place.path("capture.pcap");
    let mut sngrep = Command::new("sngrep")
        .args(["-F", "-N", "-q", "-L", &format!("udp:127.0.0.1:{port}"), "-O"])
        .arg(&capture)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let edge = Running::start(&place, &open_policy(""), &["udp"], &format!(r#", "hep": {{"to": "udp:127.0.0.1:{port}"}}"#));
    let begun = Instant::now();
    let seen = loop {
        asks(&edge, &long("INVITE", "seen-by-sngrep"));
        std::thread::sleep(Duration::from_millis(100));
        let bytes = std::fs::read(&capture).unwrap_or_default();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        if holds(b"INVITE sip:bob@demo.example") && holds(b"SIP/2.0 407 ") && holds(b"Call-ID: seen-by-sngrep") {
            break true;
        }
        if begun.elapsed() > PATIENCE {
            break false;
        }
    };
    let _ = sngrep.kill();
    let _ = sngrep.wait();
    assert!(seen, "the capture never held the call");
}
