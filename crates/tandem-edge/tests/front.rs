//! An edge as a proxy before foreign servers, over real sockets.

mod common;

use common::{Place, PATIENCE};
use std::net::{SocketAddr, UdpSocket};
use tandem_edge::{Config, Edge};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::name::Name;

struct Running {
    at: SocketAddr,
    stopper: tandem_sys::signal::Stopper,
}

impl Running {
    fn start(place: &Place, front: &str) -> Running {
        std::fs::write(place.path("policy.json"), "{}").unwrap();
        let at = |name: &str| place.path(name).display().to_string();
        let json = format!(
            r#"{{"edge": 3, "keys": "{}", "policy": "{}", "ban_log": "{}", "listen": [{{"transport": "udp", "bound": "127.0.0.1:0"}}], "front": {front}}}"#,
            at("keys.json"),
            at("policy.json"),
            at("bans.log"),
        );
        let edge = Edge::open(Config::read(json.as_bytes()).unwrap()).unwrap();
        let (at, stopper) = (edge.locals()[0], edge.stopper());
        std::thread::spawn(move || edge.run(None).unwrap());
        Running { at, stopper }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn heard(socket: &UdpSocket) -> String {
    let mut room = [0; 4_096];
    let (count, _) = socket.recv_from(&mut room).expect("a datagram in time");
    String::from_utf8(room[..count].to_vec()).unwrap()
}

fn request(method: &str, uri: &str, from: SocketAddr, branch: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\nFrom: <sip:alice@{from}>;tag=a\r\n\
         To: <sip:bob@example.org>{more}\r\nCall-ID: one\r\nCSeq: 1 {method}\r\nContact: <sip:alice@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The answer of a server: its request's Vias, Record-Routes and the like, with its own tag and Contact.
fn answer(request: &str, status: &str, contact: SocketAddr) -> String {
    let mut index = Index::default();
    let message = Message::parse(request.as_bytes(), &Limits::default(), &mut index).unwrap();
    let mut out = format!("SIP/2.0 {status}\r\n");
    for header in message.headers() {
        if matches!(header.name, Name::Via | Name::From | Name::CallId | Name::CSeq | Name::RecordRoute) {
            out.push_str(std::str::from_utf8(header.line).unwrap());
        }
    }
    let to = std::str::from_utf8(message.first(Name::To).unwrap()).unwrap();
    let tag = if message.to_tag().is_some() { "" } else { ";tag=b" };
    format!("{out}To: {to}{tag}\r\nContact: <sip:bob@{contact}>\r\nContent-Length: 0\r\n\r\n")
}

fn header(message: &str, name: &str) -> String {
    let line = message.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_else(|| panic!("no {name} in {message}"));
    line[name.len() + 2..].to_owned()
}

fn farm(member: &UdpSocket) -> String {
    let address = member.local_addr().unwrap();
    format!(
        r#"{{"pools": [{{"name": "farm", "members": [{{"name": "one", "address": "{address}"}}]}}], "routes": [{{"methods": ["OPTIONS", "INVITE", "MESSAGE"], "pool": "farm"}}]}}"#
    )
}

#[test]
fn a_request_goes_to_the_member_and_its_answer_comes_back() {
    let (place, member, alice) = (Place::new(), socket(), socket());
    let edge = Running::start(&place, &farm(&member));
    let me = alice.local_addr().unwrap();
    alice.send_to(request("OPTIONS", "sip:service@example.org", me, "1", "").as_bytes(), edge.at).unwrap();
    let asked = heard(&member);
    assert!(
        asked.starts_with(&format!("OPTIONS sip:service@example.org SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKu", edge.at)),
        "{asked}"
    );
    assert!(asked
        .contains(&format!("\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK1;rport={};received=127.0.0.1\r\nMax-Forwards: 69\r\n", me.port())));
    member.send_to(answer(&asked, "200 OK", member.local_addr().unwrap()).as_bytes(), edge.at).unwrap();
    let answered = heard(&alice);
    assert!(answered
        .starts_with(&format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK1;rport={};received=127.0.0.1\r\nFrom", me.port())));
    alice.send_to(request("SUBSCRIBE", "sip:service@example.org", me, "2", "").as_bytes(), edge.at).unwrap();
    assert!(heard(&alice).starts_with("SIP/2.0 404 "));
    alice.send_to(request("OPTIONS", &format!("sip:{}", edge.at), me, "3", "").as_bytes(), edge.at).unwrap();
    assert!(heard(&alice).starts_with("SIP/2.0 200 "));
}

#[test]
fn a_call_is_routed_by_its_tokens_in_both_directions_after_a_restart() {
    let (place, member, alice) = (Place::new(), socket(), socket());
    let edge = Running::start(&place, &farm(&member));
    let (me, server) = (alice.local_addr().unwrap(), member.local_addr().unwrap());
    alice.send_to(request("INVITE", "sip:service@example.org", me, "1", "").as_bytes(), edge.at).unwrap();
    let invite = heard(&member);
    member.send_to(answer(&invite, "200 OK", server).as_bytes(), edge.at).unwrap();
    let mut ok = heard(&alice);
    if ok.starts_with("SIP/2.0 100 ") {
        ok = heard(&alice);
    }
    let route = header(&ok, "Record-Route");
    let old = edge.at.to_string();
    drop(edge);
    // Another edge with the same keys knows nothing of the call.
    let edge = Running::start(&place, &farm(&member));
    let with_route = |text: String| text.replace("Max-Forwards", &format!("Route: {route}\r\nMax-Forwards"));
    alice.send_to(with_route(request("BYE", &format!("sip:bob@{server}"), me, "2", ";tag=b")).as_bytes(), edge.at).unwrap();
    let bye = heard(&member);
    assert!(bye.starts_with(&format!("BYE sip:bob@{server} SIP/2.0\r\n")) && !bye.contains("Route: "), "{bye}");
    member.send_to(answer(&bye, "200 OK", server).as_bytes(), edge.at).unwrap();
    assert!(heard(&alice).starts_with("SIP/2.0 200 OK\r\n"));
    let from_bob = with_route(request("INFO", &format!("sip:alice@{me}"), server, "3", ";tag=a")).replace("tag=a\r\nTo", "tag=b\r\nTo");
    member.send_to(from_bob.as_bytes(), edge.at).unwrap();
    assert!(heard(&alice).starts_with(&format!("INFO sip:alice@{me} SIP/2.0\r\n")));
    let forged = with_route(request("BYE", &format!("sip:bob@{server}"), me, "4", ";tag=b"))
        .replace("Call-ID: one", "Call-ID: two")
        .replace(&old, &edge.at.to_string());
    alice.send_to(forged.as_bytes(), edge.at).unwrap();
    let refused = heard(&alice);
    assert!(refused.starts_with("SIP/2.0 403 "), "{refused}");
}
