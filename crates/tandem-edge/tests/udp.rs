//! Datagrams through an edge: up, down, kept, fenced.

mod common;

use common::{phone, request, trunk_policy, Got, Owner, Place, Running};
use std::time::Duration;
use tandem_sip::frame::{Transport, Why};

#[test]
fn a_datagram_goes_up_and_the_owners_answer_comes_down() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let mut edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    let at = edge.locals[0];
    assert_eq!(Got::Hello { edge: 3, epoch: 0, locals: vec![at.to_string()] }, link.next());
    let alice = phone();
    alice.send_to(&request("INVITE", "UDP", "one"), at).unwrap();
    let Got::Sip { seq, flow, transport, local, remote, message, .. } = link.next() else { panic!("no message") };
    assert_eq!((0, Transport::Udp, 0, alice.local_addr().unwrap()), (flow, transport, local, remote));
    assert_eq!(request("INVITE", "UDP", "one"), message);
    link.take(&[seq]);
    link.send(1, 9, 0, Transport::Udp, remote, b"SIP/2.0 100 Trying\r\n\r\n");
    let mut room = [0; 2000];
    let (count, from) = alice.recv_from(&mut room).unwrap();
    assert_eq!((&b"SIP/2.0 100 Trying\r\n\r\n"[..], at), (&room[..count], from));
    let stats = link.counter("taken", 1);
    assert_eq!(
        (1, 1, 0),
        (stats["received_udp"].as_u64().unwrap(), stats["sent_udp"].as_u64().unwrap(), stats["kept_frames"].as_u64().unwrap())
    );
    assert!(edge.stop() < Duration::from_secs(1));
}

#[test]
fn what_a_killed_owner_had_read_goes_to_its_heir_in_order() {
    let place = Place::new();
    let mut owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let mut link = owner.accept(4);
    link.next();
    let alice = phone();
    let call_ids = ["one", "two", "three"];
    let seqs: Vec<u64> = call_ids
        .iter()
        .map(|call| {
            alice.send_to(&request("INVITE", "UDP", call), edge.locals[0]).unwrap();
            let Got::Sip { seq, .. } = link.next() else { panic!("no message") };
            seq
        })
        .collect();
    link.take(&seqs[1..2]);
    link.counter("taken", 1);
    drop(link);
    owner.incarnation = 2;
    alice.send_to(&request("INVITE", "UDP", "four"), edge.locals[0]).unwrap();
    let mut heir = owner.accept(5);
    assert!(matches!(heir.next(), Got::Hello { epoch: 4, .. }));
    for call in ["one", "three", "four"] {
        let Got::Sip { message, .. } = heir.next() else { panic!("no message") };
        assert_eq!(request("INVITE", "UDP", call), message);
    }
}

#[test]
fn an_owner_that_was_replaced_is_mute() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let mut link = owner.accept(4);
    let alice = phone();
    let remote = alice.local_addr().unwrap();
    link.send(3, 0, 0, Transport::Udp, remote, b"old");
    link.send(4, 0, 0, Transport::Udp, remote, b"new");
    let mut room = [0; 2000];
    let (count, _) = alice.recv_from(&mut room).unwrap();
    assert_eq!(b"new", &room[..count]);
    assert_eq!(1, link.counter("down", 1)["down_stale"].as_u64().unwrap());
    drop(edge);
}

#[test]
fn what_cannot_be_sent_comes_back_with_its_cookie() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let _edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let mut link = owner.accept(1);
    link.next();
    let remote = phone().local_addr().unwrap();
    link.send(1, 70, 0, Transport::Udp, remote, &vec![b'x'; 66_000]);
    assert_eq!(Got::Failed(70, Why::Size), link.next());
    link.send(1, 71, 0, Transport::Udp, "[::1]:9".parse().unwrap(), b"x");
    assert_eq!(Got::Failed(71, Why::Route), link.next());
    link.send(1, 72, 12345, Transport::Tcp, remote, b"x");
    assert_eq!(Got::Failed(72, Why::Flow), link.next());
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let listen = r#"{"transport": "udp", "bound": "0.0.0.0:0"}, {"transport": "udp", "bound": "[::]:0"}"#;
    let edge = Running::start_at(&place, &trunk_policy(""), listen, "");
    let mut link = owner.accept(1);
    link.next();
    let mut room = [0; 2000];
    for (asked, bind) in [("127.0.0.1", "127.0.0.1:0"), ("::1", "[::1]:0")] {
        let ip: std::net::IpAddr = asked.parse().unwrap();
        let at = *edge.locals.iter().find(|local| local.ip() == ip).unwrap();
        let alice = std::net::UdpSocket::bind(bind).unwrap();
        alice.set_read_timeout(Some(common::PATIENCE)).unwrap();
        alice.send_to(&request("INVITE", "UDP", "wild"), at).unwrap();
        let Got::Sip { local, remote, .. } = link.next() else { panic!("no message") };
        assert_eq!(at, edge.locals[usize::from(local)]);
        link.send(1, 0, 0, Transport::Udp, remote, b"answer");
        assert_eq!(at, alice.recv_from(&mut room).unwrap().1);
    }
}

#[test]
fn an_address_that_nobody_knew_is_learned_and_answers_leave_from_it() {
    let place = Place::new();
    let owner = Owner::listen(&place);
    let edge = Running::start_at(&place, &trunk_policy(""), r#"{"transport": "udp", "bound": "0.0.0.0:0"}"#, "");
    let mut link = owner.accept(1);
    link.next();
    let alice = phone();
    // The system takes all of 127.0.0.0/8 as its own, and lists 127.0.0.1 only.
    let at = std::net::SocketAddr::new("127.0.0.99".parse().unwrap(), edge.locals[0].port());
    alice.send_to(&request("INVITE", "UDP", "floats"), at).unwrap();
    let mut link = owner.accept(1);
    let Got::Hello { locals, .. } = link.next() else { panic!("no hello") };
    let Got::Sip { local, remote, .. } = link.next() else { panic!("no message") };
    assert_eq!(at.to_string(), locals[usize::from(local)]);
    let mut out = Vec::new();
    let sip = tandem_sip::frame::SipDown {
        shard: 5,
        epoch: 1,
        cookie: 0,
        flow: 0,
        transport: Transport::Udp,
        local,
        remote: remote.into(),
        message: b"answer",
    };
    tandem_sip::frame::push_sip_down(&mut out, &sip);
    link.write(&out);
    assert_eq!(at, alice.recv_from(&mut [0; 100]).unwrap().1);
}

/// RFC 3261 18.2.2: without `rport` the answer goes to the port that sent-by names, whatever port the request left from.
#[test]
fn the_edges_own_answer_goes_to_sent_by_unless_rport_was_asked() {
    let place = Place::new();
    let edge = Running::start(&place, &trunk_policy(""), &["udp"], "");
    let (sender, named) = (phone(), phone());
    let port = named.local_addr().unwrap().port();
    let mut room = [0; 2000];
    for (rport, hears) in [("", &named), (";rport", &sender)] {
        let text = String::from_utf8(request("OPTIONS", "UDP", "back")).unwrap();
        let text = text.replace("127.0.0.1:5999", &format!("127.0.0.1:{port}")).replace(";rport", rport);
        let text = text
            .replace("sip:bob@demo.example SIP", "sip:demo.example SIP")
            .replace("Content-Length", &format!("X: {}\r\nContent-Length", "x".repeat(500)));
        sender.send_to(text.as_bytes(), edge.locals[0]).unwrap();
        let (count, _) = hears.recv_from(&mut room).unwrap();
        assert!(room[..count].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&room[..count]));
    }
}
