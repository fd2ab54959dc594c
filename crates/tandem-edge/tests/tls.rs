//! TLS through an edge: handshakes, new certificates without a restart, trunks known by their certificates, calls out.

mod common;

use common::authority::{chain, client, Authority, Client};
use common::{open_policy, request, write, Got, Owner, Place, Running, PATIENCE};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem_sip::frame::{Transport, Why};

fn presented(client: &Client) -> CertificateDer<'static> {
    client.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn text(client: &mut Client) -> String {
    let mut room = [0; 4096];
    let count = client.read(&mut room).unwrap();
    String::from_utf8_lossy(&room[..count]).into_owned()
}

#[test]
fn a_trunk_is_known_by_its_certificate_and_others_are_not() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let authority = Authority::new();
    let edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let mut carrier = client(&authority, Some(&authority.issue(&["carrier.example"])), edge.locals[0]);
    carrier.write_all(&request("INVITE", "TLS", "trunk")).unwrap();
    let peer = link.peer();
    let Got::Sip { flow, transport, remote, .. } = link.next() else { panic!("no message") };
    assert_eq!((Transport::Tls, (flow, vec!["carrier.example".to_string()])), (transport, peer));
    link.send(1, 0, flow, Transport::Tls, remote, b"SIP/2.0 100 Trying\r\n\r\n");
    assert_eq!("SIP/2.0 100 Trying\r\n\r\n", text(&mut carrier));
    let server_only = authority.issue_for(&["carrier.example"], vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let mut carrier = client(&authority, Some(&server_only), edge.locals[0]);
    carrier.write_all(&request("INVITE", "TLS", "public")).unwrap();
    assert!(matches!(link.next(), Got::Sip { .. }));
    for identity in [None, Some(authority.issue(&["other.example"]))] {
        let mut stranger = client(&authority, identity.as_ref(), edge.locals[0]);
        stranger.write_all(&request("INVITE", "TLS", "stranger")).unwrap();
        let answer = text(&mut stranger);
        assert!(answer.starts_with("SIP/2.0 407 "), "{answer}");
    }
    let foreign = Authority::new().issue(&["carrier.example"]);
    let mut forger = client(&authority, Some(&foreign), edge.locals[0]);
    let refused = forger.write_all(&request("INVITE", "TLS", "forger")).is_err() || forger.read(&mut [0; 9]).is_err();
    assert!(refused, "a certificate of a foreign authority was taken");
    link.counter("closed_tls", 1);
}

#[test]
fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_is_not() {
    let place = Place::new();
    let authority = Authority::new();
    let edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, ""));
    let seen = || {
        let mut client = client(&authority, None, edge.locals[0]);
        client.write_all(b"\r\n\r\n").unwrap();
        assert_eq!("\r\n", text(&mut client));
        presented(&client)
    };
    let first = seen();
    let mut kept = client(&authority, None, edge.locals[0]);
    kept.write_all(b"\r\n\r\n").unwrap();
    assert_eq!("\r\n", text(&mut kept));
    let (certificate, key) = authority.issue(&["edge.example"]);
    write(&place.path("key.pem"), &key);
    write(&place.path("certificate.pem"), &certificate);
    let until = Instant::now() + PATIENCE;
    while seen() == first {
        assert!(Instant::now() < until, "the new certificate never came");
        std::thread::sleep(Duration::from_millis(100));
    }
    let second = seen();
    write(&place.path("certificate.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(second, seen());
    kept.write_all(b"\r\n\r\n").unwrap();
    assert_eq!("\r\n", text(&mut kept), "a connection of before the change was cut");
}

fn carrier(authority: &Authority, names: &[&str]) -> (TcpListener, Arc<ServerConfig>) {
    let (certificates, key) = chain(&authority.issue(names));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(config))
}

#[test]
fn a_call_out_verifies_whom_it_reaches() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let authority = Authority::new();
    let _edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let (listener, config) = carrier(&authority, &["127.0.0.1"]);
    link.send(1, 1, 0, Transport::Tls, listener.local_addr().unwrap(), b"hello");
    let (stream, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut room = [0; 5];
    stream.read_exact(&mut room).unwrap();
    assert_eq!(b"hello", &room);
    for (listener, config) in [carrier(&authority, &["192.0.2.1"]), carrier(&Authority::new(), &["127.0.0.1"])] {
        link.send(1, 2, 0, Transport::Tls, listener.local_addr().unwrap(), b"hello");
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        assert!(stream.read_exact(&mut room).is_err());
        assert_eq!(Got::Failed(2, Why::Tls), link.next());
        assert!(matches!(link.next(), Got::Closed(_)));
    }
}

#[test]
fn a_call_to_a_trunk_verifies_the_trunks_name() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let authority = Authority::new();
    let policy = open_policy("").replace(r#""cidrs": []"#, r#""cidrs": ["127.0.0.1"]"#);
    let _edge = Running::start(&place, &policy, &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let (listener, config) = carrier(&authority, &["carrier.example"]);
    link.send(1, 1, 0, Transport::Tls, listener.local_addr().unwrap(), b"hello");
    let (stream, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut room = [0; 5];
    stream.read_exact(&mut room).unwrap();
    assert_eq!((&b"hello"[..], Some("carrier.example")), (&room[..], stream.conn.server_name()));
    let (listener, config) = carrier(&authority, &["127.0.0.1"]);
    link.send(1, 2, 0, Transport::Tls, listener.local_addr().unwrap(), b"hello");
    let (stream, _) = listener.accept().unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    assert!(stream.read_exact(&mut room).is_err());
    assert_eq!(Got::Failed(2, Why::Tls), link.next());
}

#[test]
fn a_call_out_that_nobody_answers_times_out() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let authority = Authority::new();
    let _edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let begin = Instant::now();
    link.send(1, 5, 0, Transport::Tls, mute.local_addr().unwrap(), b"hello");
    assert_eq!(Got::Failed(5, Why::Timeout), link.next());
    assert!((3..5).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
}

#[test]
fn a_new_owner_is_told_who_proved_what_before_what_they_said() {
    let place = Place::new();
    let mut owner = Owner::listen(&place);
    let authority = Authority::new();
    let edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    let mut carrier = client(&authority, Some(&authority.issue(&["carrier.example"])), edge.locals[0]);
    carrier.write_all(&request("INVITE", "TLS", "kept")).unwrap();
    let (flow, _) = link.peer();
    assert!(matches!(link.next(), Got::Sip { .. }));
    drop(link);
    owner.incarnation = 2;
    let mut heir = owner.accept(2);
    assert_eq!((flow, vec!["carrier.example".to_string()]), heir.peer());
    assert!(matches!(heir.next(), Got::Sip { .. }), "the kept message comes after it");
}

#[test]
fn a_proven_peer_is_called_on_the_connection_that_it_opened_and_a_stranger_is_not() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let authority = Authority::new();
    let edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let asks = |port: u16, method: &str| {
        let via = format!("127.0.0.1:{port};alias;");
        String::from_utf8(request(method, "TLS", "alias")).unwrap().replace("127.0.0.1:5999;", &via)
    };
    let mut carrier = client(&authority, Some(&authority.issue(&["carrier.example"])), edge.locals[0]);
    carrier.write_all(asks(5999, "INVITE").as_bytes()).unwrap();
    assert!(matches!(link.next(), Got::Sip { .. }));
    link.send(1, 0, 0, Transport::Tls, "127.0.0.1:5999".parse().unwrap(), b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!("OPTIONS sip:a SIP/2.0\r\n\r\n", text(&mut carrier));
    let mut stranger = client(&authority, None, edge.locals[0]);
    stranger.write_all(asks(6001, "INVITE").as_bytes()).unwrap();
    assert!(text(&mut stranger).starts_with("SIP/2.0 407 "));
    link.send(1, 9, 0, Transport::Tls, "127.0.0.1:6001".parse().unwrap(), b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(Got::Failed(9, Why::Refused), link.next());
    assert!(matches!(link.next(), Got::Closed(_)), "of the connection that was refused");
    carrier.conn.send_close_notify();
    carrier.flush().unwrap();
    carrier.sock.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(matches!(link.next(), Got::Closed(_)));
    link.send(1, 10, 0, Transport::Tls, "127.0.0.1:5999".parse().unwrap(), b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(Got::Failed(10, Why::Refused), link.next());
}
