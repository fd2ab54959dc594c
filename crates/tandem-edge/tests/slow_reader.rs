//! Peers that take nothing of what they are sent, over TCP, TLS and WebSocket: closed when so much waits, and the owner is told.

mod common;

use common::authority::{client, Authority};
use common::{request, trunk_policy, Got, Owner, Place, Running, Session, PATIENCE};
use std::io::{Read, Write};
use std::net::TcpStream;
use tandem_sip::frame::{Transport, Why};
use tandem_sip::ws::{push_frame, Opcode};

const LARGE: usize = 60_000;
/// More than the kernel's buffers of both ends take.
const MESSAGES: u64 = 400;

fn floods(link: &mut Session, transport: Transport) {
    let Got::Sip { flow, remote, .. } = link.next() else { panic!("no message") };
    (1..=MESSAGES).for_each(|cookie| link.send(1, cookie, flow, transport, remote, &[b'x'; LARGE]));
    let (mut closed, mut failed) = (false, 0);
    while !closed || failed < 100 {
        match link.next() {
            Got::Failed(_, why) => {
                assert_eq!(Why::Flow, why);
                failed += 1;
            }
            got => closed |= got == Got::Closed(flow),
        }
    }
    assert!(link.counter("closed_write_queue", 1)["connections"].as_u64() == Some(0));
}

fn upgraded(edge: &Running) -> TcpStream {
    let mut stream = tcp(edge);
    let upgrade = "GET / HTTP/1.1\r\nHost: edge.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).unwrap();
    assert!(stream.read(&mut [0; 1_000]).unwrap() > 0);
    stream
}

fn tcp(edge: &Running) -> TcpStream {
    let stream = TcpStream::connect(edge.locals[0]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn over_tcp_a_peer_that_does_not_read_is_closed_and_the_owner_told() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tcp"], "");
    let mut link = owner.accept(1);
    link.next();
    let mut alice = tcp(&edge);
    alice.write_all(&request("INVITE", "TCP", "lazy")).unwrap();
    floods(&mut link, Transport::Tcp);
}

#[test]
fn over_tls_a_peer_that_does_not_read_is_closed_and_the_owner_told() {
    let (place, authority) = (Place::new(), Authority::new());
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["tls"], &authority.config(&place, ""));
    let mut link = owner.accept(1);
    link.next();
    let mut alice = client(&authority, None, edge.locals[0]);
    alice.write_all(&request("INVITE", "TLS", "lazy")).unwrap();
    floods(&mut link, Transport::Tls);
}

#[test]
fn over_a_web_socket_a_peer_that_does_not_read_is_closed_and_the_owner_told() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["ws"], "");
    let mut link = owner.accept(1);
    link.next();
    let mut alice = upgraded(&edge);
    let mut frame = Vec::new();
    push_frame(&mut frame, true, Opcode::Binary, &request("INVITE", "WS", "lazy"), Some([1, 2, 3, 4]));
    alice.write_all(&frame).unwrap();
    floods(&mut link, Transport::Ws);
}

#[test]
fn a_web_socket_frame_that_never_ends_is_waited_for_no_longer_than_a_message() {
    let place = Place::new();
    let edge = Running::start(&place, &trunk_policy(""), &["ws"], "");
    let mut alice = upgraded(&edge);
    let begin = std::time::Instant::now();
    alice.write_all(&[0x82, 0xfe, 0x40, 0, 1, 2, 3, 4]).unwrap();
    while alice.write_all(&[0]).is_ok() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(16), "it is waited for");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
