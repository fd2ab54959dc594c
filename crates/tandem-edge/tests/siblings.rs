//! Two edges of one host: what belongs to one comes to it through the other, and one of them probes.

mod common;

use common::{Place, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;
use tandem_edge::{Config, Edge};

struct Running {
    at: Vec<SocketAddr>,
    stopper: tandem_sys::signal::Stopper,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(place: &Place, edge: u16, member: SocketAddr, health: &str) -> Running {
        std::fs::write(place.path("policy.json"), "{}").unwrap();
        let at = |name: &str| place.path(name).display().to_string();
        let json = format!(
            r#"{{"edge": {edge}, "keys": "{}", "policy": "{}", "run": "{}", "listen": [{{"transport": "udp", "bound": "127.0.0.1:0"}}, {{"transport": "tcp", "bound": "127.0.0.1:0"}}],
               "front": {{"pools": [{{"name": "farm"{health}, "members": [{{"name": "one", "address": "{member}"}}]}}], "routes": [{{"pool": "farm"}}]}}}}"#,
            at("keys.json"),
            at("policy.json"),
            at("run"),
        );
        let edge = Edge::open(Config::read(json.as_bytes()).unwrap()).unwrap();
        let (at, stopper) = (edge.locals(), edge.stopper());
        let thread = std::thread::spawn(move || edge.run(None).unwrap());
        Running { at, stopper, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const QUIET: &str = r#", "health": {"interval_ms": 0}"#;

fn member() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[track_caller]
fn heard(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut room = [0; 4_096];
    let (count, from) = socket.recv_from(&mut room).expect("a datagram in time");
    (String::from_utf8(room[..count].to_vec()).unwrap(), from)
}

fn request(method: &str, me: SocketAddr, call: &str) -> String {
    format!(
        "{method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/TCP {me};branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=a\r\n\
         To: <sip:bob@example.org>\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{me};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
}

fn answer(request: &str, status: &str) -> String {
    let kept = ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"];
    let lines: String =
        request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))).map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 {status}\r\n{lines}To: <sip:bob@example.org>;tag=b\r\nContent-Length: 0\r\n\r\n")
}

fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        let mut room = [0; 4_096];
        let count = stream.read(&mut room).expect("bytes in time");
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&room[..count]).unwrap());
    }
    text
}

#[test]
fn an_answer_that_reaches_the_wrong_edge_comes_to_the_right_connection() {
    let (place, member) = (Place::new(), member());
    let first = Running::start(&place, 1, member.local_addr().unwrap(), QUIET);
    let second = Running::start(&place, 2, member.local_addr().unwrap(), QUIET);
    let mut alice = TcpStream::connect(first.at[1]).unwrap();
    alice.set_read_timeout(Some(PATIENCE)).unwrap();
    let me = alice.local_addr().unwrap();
    // No transaction, but a connection.
    alice.write_all(request("OPTIONS", me, "one").as_bytes()).unwrap();
    let (options, _) = heard(&member);
    member.send_to(answer(&options, "200 OK").as_bytes(), second.at[0]).unwrap();
    assert!(read(&mut alice).starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP"));
    // A transaction: the other edge hands the response over, and this one ends the call as its own.
    alice.write_all(request("INVITE", me, "two").as_bytes()).unwrap();
    let (invite, _) = heard(&member);
    member.send_to(answer(&invite, "486 Busy Here").as_bytes(), second.at[0]).unwrap();
    let busy = read(&mut alice);
    assert!(busy.starts_with("SIP/2.0 486 Busy Here\r\n"));
    assert!(heard(&member).0.starts_with("ACK "));
    // The right edge has gone: the wrong one does what it can, which is not to fail.
    alice.write_all(request("INVITE", me, "three").as_bytes()).unwrap();
    let (invite, _) = heard(&member);
    drop(first);
    member.send_to(answer(&invite, "200 OK").as_bytes(), second.at[0]).unwrap();
    let alive = member.local_addr().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(request("OPTIONS", udp.local_addr().unwrap(), "four").replace("/TCP", "/UDP").as_bytes(), second.at[0]).unwrap();
    assert!(heard(&member).0.starts_with("OPTIONS sip:bob@example.org"), "{alive}");
}

#[test]
fn one_of_two_edges_probes_and_its_heir_goes_on() {
    let (place, member) = (Place::new(), member());
    let health = r#", "health": {"interval_ms": 200, "timeout_ms": 150}"#;
    let first = Running::start(&place, 1, member.local_addr().unwrap(), health);
    let second = Running::start(&place, 2, member.local_addr().unwrap(), health);
    let mut from = Vec::new();
    for _ in 0..4 {
        let (probe, sender) = heard(&member);
        assert!(probe.starts_with("OPTIONS sip:"), "{probe}");
        // The kernel may give the answer to either of those that share the port.
        let to = if from.len() % 2 == 0 { sender } else { second.at[0] };
        member.send_to(answer(&probe, "200 OK").as_bytes(), to).unwrap();
        from.push(sender);
    }
    assert_eq!(vec![first.at[0]; 4], from);
    drop(first);
    member.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let mut room = [0; 4_096];
        match member.recv_from(&mut room) {
            Ok((_, sender)) if sender == second.at[0] => break,
            _ => assert!(std::time::Instant::now() < until, "nobody probes any more"),
        }
    }
}

#[test]
fn a_scanner_that_one_edge_bans_is_heard_by_none_of_its_host() {
    let (place, server) = (Place::new(), member());
    let one = Running::start(&place, 1, server.local_addr().unwrap(), QUIET);
    let two = Running::start(&place, 2, server.local_addr().unwrap(), QUIET);
    std::thread::sleep(Duration::from_millis(1_200)); // the first has looked around again
    let scanner = UdpSocket::bind("127.0.0.9:0").unwrap();
    let options = |call: &str| request("OPTIONS", scanner.local_addr().unwrap(), call).replace("SIP/2.0/TCP", "SIP/2.0/UDP");
    scanner.send_to(options("before").as_bytes(), two.at[0]).unwrap();
    assert!(heard(&server).0.contains("before"));
    let named = options("named").replace("Max-Forwards", "User-Agent: friendly-scanner\r\nMax-Forwards");
    scanner.send_to(named.as_bytes(), one.at[0]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    scanner.send_to(options("after").as_bytes(), two.at[0]).unwrap();
    server.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    assert!(server.recv(&mut [0; 4_096]).is_err(), "it is banned by both");
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let phone = UdpSocket::bind("127.0.0.10:0").unwrap();
    phone.send_to(options("phone").as_bytes(), two.at[0]).unwrap();
    assert!(heard(&server).0.contains("phone"), "others are heard");
}
