//! PROXY headers on stream addresses: who the peer is, TLS behind them, and what becomes of those that are missing or wrong.

mod common;

use common::authority::{client_on, Authority};
use common::{open_policy, request, trunk_policy, Got, Owner, Place, Running, PATIENCE};
use std::io::{Read, Write};
use std::net::TcpStream;

const BEHIND: &str = r#", "proxy_protocol": ["127.0.0.0/8"]"#;

fn listen(transport: &str, more: &str) -> String {
    format!(r#"{{"transport": "{transport}", "bound": "127.0.0.1:0"{more}}}"#)
}

fn connect(edge: &Running) -> TcpStream {
    let stream = TcpStream::connect(edge.locals[0]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn the_peer_is_the_one_that_the_header_names() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let policy = trunk_policy("").replace("127.0.0.0/8", "192.0.2.0/24");
    let edge = Running::start_at(&place, &policy, &listen("tcp", BEHIND), "");
    let mut link = owner.accept(1);
    link.next();
    let mut phones = Vec::new();
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x0a\xc6\x33\x64\x01\x9c\x40\x13\xc5";
    for (header, peer) in [(&b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 5060\r\n"[..], "192.0.2.9:40000"), (v2, "192.0.2.10:40000")] {
        let mut phone = connect(&edge);
        let bytes = [header, &request("INVITE", "TCP", &peer.replace(':', "-"))].concat();
        let (first, rest) = bytes.split_at(10);
        phone.write_all(first).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        phone.write_all(rest).unwrap();
        let Got::Sip { remote, .. } = link.next() else { panic!("no message") };
        assert_eq!(peer, remote.to_string());
        phones.push(phone);
    }
    let mut local = connect(&edge);
    local.write_all(&[b"PROXY UNKNOWN\r\n", &request("INVITE", "TCP", "local")[..]].concat()).unwrap();
    let mut room = [0; 4096];
    let count = local.read(&mut room).unwrap();
    assert!(room.starts_with(b"SIP/2.0 407 "), "{}", String::from_utf8_lossy(&room[..count]));
}

#[test]
fn a_missing_or_wrong_header_ends_the_connection_and_is_counted() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start_at(&place, &trunk_policy(r#""connections_per_source": 1"#), &listen("tcp", BEHIND), "");
    let mut link = owner.accept(1);
    link.next();
    for bytes in [&request("INVITE", "TCP", "none")[..], b"PROXY TCP4 here there 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x41\x11\x00\x0c"] {
        let mut phone = connect(&edge);
        phone.write_all(bytes).unwrap();
        assert_eq!(0, phone.read(&mut [0; 9]).unwrap_or(0));
    }
    let mut silent = connect(&edge);
    assert_eq!(0, silent.read(&mut [0; 9]).unwrap());
    link.counter("closed_proxy_header", 4);
    // The limit counts the peer, not the balancer.
    let header = b"PROXY TCP4 198.51.100.9 198.51.100.1 40000 5060\r\n\r\n\r\n";
    let mut first = connect(&edge);
    first.write_all(header).unwrap();
    assert_eq!(2, first.read(&mut [0; 9]).unwrap());
    let mut second = connect(&edge);
    second.write_all(header).unwrap();
    assert_eq!(0, second.read(&mut [0; 9]).unwrap_or(0));
}

#[test]
fn only_balancers_may_connect_where_headers_are_asked_for() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start_at(&place, &trunk_policy(""), &listen("tcp", r#", "proxy_protocol": ["192.0.2.1"]"#), "");
    let mut link = owner.accept(1);
    link.next();
    let mut stranger = connect(&edge);
    let _ = stranger.write_all(b"PROXY UNKNOWN\r\n\r\n\r\n");
    assert_eq!(0, stranger.read(&mut [0; 9]).unwrap_or(0));
    link.counter("connections_refused", 1);
}

#[test]
fn tls_begins_behind_the_header() {
    let place = Place::new();
    let authority = Authority::new();
    let edge = Running::start_at(&place, &open_policy(""), &listen("tls", BEHIND), &authority.config(&place, ""));
    let mut stream = connect(&edge);
    stream.write_all(b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 5061\r\n").unwrap();
    let mut phone = client_on(&authority, None, stream);
    phone.write_all(&request("REGISTER", "TLS", "behind")).unwrap();
    let mut room = [0; 4096];
    let count = phone.read(&mut room).unwrap();
    let text = String::from_utf8_lossy(&room[..count]);
    assert!(text.starts_with("SIP/2.0 401 ") && text.contains("received=192.0.2.9;rport=40000"), "{text}");
}
