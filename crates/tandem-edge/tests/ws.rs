//! WebSockets through an edge (RFC 6455, RFC 7118): the upgrade and its limits, messages both ways, control frames, goodbyes.

mod common;

use common::authority::{client, Authority};
use common::{open_policy, request, trunk_policy, Got, Owner, Place, Running, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tandem_sip::frame::{Transport, Why};
use tandem_sip::ws::{push_frame, Opcode};

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

/// A client's end, over TCP or TLS.
struct Client<S> {
    stream: S,
    bytes: Vec<u8>,
}

fn upgrade(origin: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: edge.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: {origin}\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    )
}

fn tcp(at: SocketAddr) -> Client<TcpStream> {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client { stream, bytes: Vec::new() }
}

impl<S: Read + Write> Client<S> {
    fn open(mut self) -> Self {
        self.stream.write_all(upgrade("https://phone.example").as_bytes()).unwrap();
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Sec-WebSocket-Protocol: sip"), "{head}");
        self
    }

    fn more(&mut self) -> usize {
        let mut room = [0; 65_536];
        let count = self.stream.read(&mut room).unwrap_or(0);
        self.bytes.extend_from_slice(&room[..count]);
        count
    }

    /// An HTTP answer.
    fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                return String::from_utf8(self.bytes.drain(..at + 4).collect()).unwrap();
            }
            assert!(self.more() > 0, "closed without an answer");
        }
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut out = Vec::new();
        push_frame(&mut out, true, opcode, payload, MASK);
        self.stream.write_all(&out).unwrap();
    }

    /// The next frame of the edge: its first byte and payload.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let [first, short, rest @ ..] = &self.bytes[..] {
                let (length, head) = match short {
                    126 if rest.len() > 1 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), 4),
                    126 => (usize::MAX, 0),
                    short => (usize::from(*short), 2),
                };
                if length < usize::MAX && self.bytes.len() >= head + length {
                    let frame = (*first, self.bytes[head..head + length].to_vec());
                    self.bytes.drain(..head + length);
                    return frame;
                }
            }
            assert!(self.more() > 0, "closed without a frame");
        }
    }
}

#[test]
fn a_phone_speaks_over_a_web_socket_and_is_answered_in_it() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["ws"], "");
    let mut link = owner.accept(1);
    link.next();
    let mut phone = tcp(edge.locals[0]).open();
    let invite = request("INVITE", "WS", "web");
    let (start, rest) = invite.split_at(100);
    let mut out = Vec::new();
    push_frame(&mut out, false, Opcode::Text, start, MASK);
    push_frame(&mut out, true, Opcode::Ping, b"alive?", MASK);
    push_frame(&mut out, true, Opcode::Continuation, rest, MASK);
    out.iter().for_each(|byte| phone.stream.write_all(&[*byte]).unwrap());
    assert_eq!((0x8a, b"alive?".to_vec()), phone.frame());
    let Got::Sip { flow, transport, remote, message, .. } = link.next() else { panic!("no message") };
    assert_eq!((Transport::Ws, invite), (transport, message));
    link.send(1, 0, flow, Transport::Ws, remote, b"SIP/2.0 100 Trying\r\n\r\n");
    assert_eq!((0x81, b"SIP/2.0 100 Trying\r\n\r\n".to_vec()), phone.frame());
    link.send(1, 0, flow, Transport::Ws, remote, b"SIP/2.0 180 \xff\r\n\r\n");
    assert_eq!((0x82, b"SIP/2.0 180 \xff\r\n\r\n".to_vec()), phone.frame());
    let long = [&b"SIP/2.0 200 OK\r\nX: "[..], &[b'x'; 400], b"\r\n\r\n"].concat();
    link.send(1, 0, flow, Transport::Ws, remote, &long);
    assert_eq!((0x81, long), phone.frame());
    phone.send(Opcode::Binary, b"\r\n\r\n");
    assert_eq!((0x81, b"\r\n".to_vec()), phone.frame());
    phone.send(Opcode::Close, b"\x03\xe8");
    assert_eq!((0x88, b"\x03\xe8".to_vec()), phone.frame());
    assert_eq!(Got::Closed(flow), link.next());
    link.send(1, 77, flow, Transport::Ws, remote, b"SIP/2.0 200 OK\r\n\r\n");
    assert_eq!(Got::Failed(77, Why::Flow), link.next());
}

#[test]
fn a_stranger_over_tls_is_challenged_in_the_web_socket() {
    let place = Place::new();
    let authority = Authority::new();
    let edge = Running::start(&place, &open_policy(""), &["wss"], &authority.config(&place, ""));
    let mut phone = Client { stream: client(&authority, None, edge.locals[0]), bytes: Vec::new() }.open();
    phone.send(Opcode::Text, &request("REGISTER", "WSS", "web"));
    let (first, answer) = phone.frame();
    assert_eq!(0x81, first);
    assert!(answer.starts_with(b"SIP/2.0 401 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn what_is_no_upgrade_gets_an_http_answer_and_the_end() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["ws"], r#", "ws_origins": ["https://phone.example"]"#);
    let mut link = owner.accept(1);
    link.next();
    let allowed = tcp(edge.locals[0]).open();
    for (bytes, status) in [
        (upgrade("https://evil.example"), "403"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(), "426"),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)), "431"),
        (String::from_utf8(request("OPTIONS", "WS", "plain")).unwrap(), "400"),
    ] {
        let mut phone = tcp(edge.locals[0]);
        phone.stream.write_all(bytes.as_bytes()).unwrap();
        let head = phone.head();
        assert_eq!(status, &head[9..12], "{head}");
        assert_eq!(0, phone.more());
    }
    link.counter("closed_upgrade", 4);
    drop(allowed);
}

#[test]
fn a_broken_frame_is_told_by_its_code_and_ends_the_connection() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(r#""message_bytes": 2000"#), &["ws"], "");
    let mut link = owner.accept(1);
    link.next();
    for (bytes, code) in [(&b"\x81\x01x"[..], 1002u16), (b"\x82\xff\0\0\0\0\0\x01\0\0", 1009), (b"\x81\x81\0\0\0\0\xff", 1007)] {
        let mut phone = tcp(edge.locals[0]).open();
        phone.stream.write_all(bytes).unwrap();
        assert_eq!((0x88, code.to_be_bytes().to_vec()), phone.frame());
        assert_eq!(0, phone.more());
    }
    link.counter("closed_websocket", 3);
}
