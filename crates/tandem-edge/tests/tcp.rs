//! Streams through an edge: framing, keep-alives, limits, and connections that we open.

mod common;

use common::{open_policy, request, trunk_policy, Got, Owner, Place, Running, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tandem_sip::frame::{Transport, Why};

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream
}

/// What the stream gave until it ended.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut room = [0; 65_536];
    loop {
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return all,
            Ok(count) => all.extend_from_slice(&room[..count]),
        }
    }
}

#[test]
fn messages_are_found_however_the_stream_is_cut() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let mut alice = connect(edge.locals[0]);
    let mut bytes = Vec::new();
    for call in ["one", "two"] {
        let text = String::from_utf8(request("INVITE", "TCP", call)).unwrap();
        bytes.extend_from_slice(text.replace("Length: 0\r\n\r\n", "Length: 5\r\n\r\nv=0\r\n").as_bytes());
    }
    for byte in &bytes {
        alice.write_all(&[*byte]).unwrap();
    }
    alice.write_all(&bytes).unwrap();
    let mut flows = Vec::new();
    for call in ["one", "two", "one", "two"] {
        let Got::Sip { flow, transport, message, .. } = link.next() else { panic!("no message") };
        let text = String::from_utf8(message).unwrap();
        assert!(text.contains(&format!("Call-ID: {call}\r\n")) && text.ends_with("v=0\r\n"), "{text}");
        assert_eq!(Transport::Tcp, transport);
        flows.push(flow);
    }
    assert!(flows[0] > 0 && flows.iter().all(|flow| *flow == flows[0]));
    link.send(1, 0, flows[0], Transport::Tcp, alice.local_addr().unwrap(), b"answer");
    let mut room = [0; 6];
    alice.read_exact(&mut room).unwrap();
    assert_eq!(b"answer", &room);
    drop(alice);
    assert_eq!(Got::Closed(flows[0]), link.next());
}

#[test]
fn a_double_crlf_is_answered_by_one() {
    let place = Place::new();
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut alice = connect(edge.locals[0]);
    alice.write_all(b"\r\n\r\n").unwrap();
    let mut room = [0; 2];
    alice.read_exact(&mut room).unwrap();
    assert_eq!(b"\r\n", &room);
}

#[test]
fn a_stream_without_messages_is_closed() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    let mut alice = connect(edge.locals[0]);
    let mut long = b"INVITE sip:a@b SIP/2.0\r\nX: ".to_vec();
    long.resize(80_000, b'x');
    let _ = alice.write_all(&long);
    rest(&mut alice);
    link.counter("closed_framing", 1);
}

#[test]
fn what_came_before_bytes_that_are_no_sip_is_still_answered() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let mut alice = connect(edge.locals[0]);
    alice.write_all(&[&request("INVITE", "TCP", "first")[..], b"m =video 3227 RTP/AVP 31\r\n\r\n"].concat()).unwrap();
    let Got::Sip { flow, .. } = link.next() else { panic!("no message") };
    let begin = Instant::now();
    alice.write_all(&request("INVITE", "TCP", "unread")).unwrap();
    link.send(1, 0, flow, Transport::Tcp, alice.local_addr().unwrap(), b"answer");
    let mut room = [0; 6];
    alice.read_exact(&mut room).unwrap();
    assert_eq!(b"answer", &room);
    assert_eq!(Got::Closed(flow), link.next(), "nothing more is read, and it does not stay");
    assert!((1..5).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    link.counter("closed_framing", 1);
    let mut bob = connect(edge.locals[0]);
    bob.write_all(&[&request("INVITE", "TCP", "second")[..], b"m =video\r\n\r\n"].concat()).unwrap();
    let Got::Sip { flow, .. } = link.next() else { panic!("no message") };
    let begin = Instant::now();
    drop(bob);
    assert_eq!(Got::Closed(flow), link.next(), "who hangs up is not waited for");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_peer_that_dribbles_its_first_message_is_closed() {
    let place = Place::new();
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let begin = Instant::now();
    let (mut dribbling, mut silent) = (connect(edge.locals[0]), connect(edge.locals[0]));
    let text = request("INVITE", "TCP", "slow");
    let mut ended = false;
    for byte in &text {
        if dribbling.write_all(&[*byte]).is_err() {
            ended = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(ended, "the whole message was waited for");
    assert!(rest(&mut silent).is_empty());
    assert!((9..14).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
}

#[test]
fn one_source_has_so_many_connections() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &open_policy(r#""connections_per_source": 3"#), &["tcp"], "");
    let mut link = owner.accept(1);
    let mut all: Vec<TcpStream> = (0..4).map(|_| connect(edge.locals[0])).collect();
    assert!(rest(&mut all[3]).is_empty());
    let stats = link.counter("connections_refused", 1);
    assert_eq!((3, 3), (stats["connections"].as_u64().unwrap(), stats["accepted"].as_u64().unwrap()));
}

#[test]
fn the_owner_calls_out_and_the_connection_is_used_again() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let _edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let carrier = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = carrier.local_addr().unwrap();
    link.send(1, 1, 0, Transport::Tcp, remote, b"first");
    link.send(1, 2, 0, Transport::Tcp, remote, b"second");
    let (mut stream, _) = carrier.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut room = [0; 11];
    stream.read_exact(&mut room).unwrap();
    assert_eq!(b"firstsecond", &room);
    stream.write_all(&request("INVITE", "TCP", "back")).unwrap();
    let Got::Sip { flow, remote: from, .. } = link.next() else { panic!("no message") };
    assert_eq!(remote, from);
    drop(stream);
    assert_eq!(Got::Closed(flow), link.next());
    drop(carrier);
    link.send(1, 3, 0, Transport::Tcp, remote, b"third");
    assert_eq!(Got::Failed(3, Why::Refused), link.next());
}

#[test]
fn the_owner_can_close_a_connection() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let mut alice = connect(edge.locals[0]);
    alice.write_all(&request("INVITE", "TCP", "close")).unwrap();
    let Got::Sip { flow, .. } = link.next() else { panic!("no message") };
    let mut out = Vec::new();
    tandem_sip::frame::push_close(&mut out, flow);
    link.write(&out);
    assert_eq!(Got::Closed(flow), link.next());
    assert!(rest(&mut alice).is_empty());
}
