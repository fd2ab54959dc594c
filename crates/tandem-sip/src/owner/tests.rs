//! The promises of the owner that frames alone can show. tests/test_core.py has those that Python sees.

use super::trust::UNSWEPT_MOST;
use super::*;
use crate::frame::{push_sip_up, push_up_hello, Address, Local, SipUp, Transport};

const CONFIG: &str = r#"{"node_id": 1, "incarnation": 1, "epoch": 3, "inbox_events": 2,
    "keys": {"hash": "00000000000000000000000000000001", "signing": [{"id": "a", "secret": "00000000000000000000000000000002"}],
             "nonce": [{"id": "a", "secret": "00000000000000000000000000000003"}]},
    "policy": {"default_domain": "d", "domains": {"d": "t"}, "trunks": [{"id": "x", "tenant": "t", "cidrs": ["::ffff:0:0/96", "0.0.0.0/0"]}]}}"#;

struct World {
    owner: Owner,
    seq: u64,
}

impl World {
    fn new() -> World {
        let mut owner = Owner::new(Config::read(CONFIG.as_bytes()).unwrap()).unwrap();
        owner.link_up(1, 1);
        let mut hello = Vec::new();
        push_up_hello(&mut hello, 1, 9, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"10.0.0.1:5060" }], 0);
        owner.handle(1, &hello[4..], 1);
        owner.drain();
        owner.output(1);
        World { owner, seq: 0 }
    }

    fn say(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        self.hear(message, Transport::Udp, peer(), 1);
        self.sent()
    }

    fn hear(&mut self, message: &[u8], transport: Transport, remote: Address, now: u64) {
        self.seq += 1;
        let mut frame = Vec::new();
        let flow = u64::from(transport.is_reliable());
        push_sip_up(&mut frame, &SipUp { seq: self.seq, shard: 5, epoch: 3, flow, transport, local: 0, remote, received_at: 1, message });
        self.owner.handle(1, &frame[4..], now);
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        self.sent_to().into_iter().map(|(_, message)| message).collect()
    }

    fn sent_to(&mut self) -> Vec<(String, Vec<u8>)> {
        let bytes = self.owner.output(1);
        let (mut rest, mut sent) = (&bytes[..], Vec::new());
        while let Some((frame, used)) = crate::frame::next(rest).unwrap() {
            if let crate::frame::Down::Sip(sip) = crate::frame::read_down(frame).unwrap() {
                sent.push((std::net::SocketAddr::from(sip.remote).to_string(), sip.message.to_vec()));
            }
            rest = &rest[used..];
        }
        sent
    }
}

fn peer() -> Address {
    "192.0.2.1:5060".parse::<std::net::SocketAddr>().unwrap().into()
}

fn request(method: &str, branch: &str, to: &str) -> Vec<u8> {
    format!(
        "{method} sip:b@d SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\nFrom: <sip:a@d>;tag=1\r\nTo: <sip:b@d>{to}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
    )
    .into_bytes()
}

fn status(message: &[u8]) -> &[u8] {
    message.get(8..11).unwrap_or_default()
}

#[test]
fn a_full_inbox_refuses_new_work_and_remembers_that_it_did() {
    let mut world = World::new();
    for branch in ["z9hG4bK1", "z9hG4bK2"] {
        assert!(world.say(&request("INVITE", branch, "")).is_empty());
    }
    let refused = world.say(&request("INVITE", "z9hG4bK3", ""));
    assert_eq!(b"503", status(&refused[0]));
    assert!(memchr::memmem::find(&refused[0], b"\r\nRetry-After: ").is_some());
    world.owner.drain();
    assert_eq!(refused, world.say(&request("INVITE", "z9hG4bK3", "")), "its repeat is refused too, though there is room now");
    assert!(world.say(&request("ACK", "z9hG4bK3", ";tag=x")).is_empty());
    assert_eq!(0, world.owner.waiting());
}

#[test]
fn a_full_inbox_still_takes_what_ends_calls() {
    let mut world = World::new();
    world.say(&request("INVITE", "z9hG4bK1", ""));
    world.say(&request("INVITE", "z9hG4bK2", ""));
    world.say(&request("CANCEL", "z9hG4bK1", ""));
    world.say(&request("BYE", "z9hG4bK4", ";tag=050000000000000a0"));
    assert_eq!(4, world.owner.waiting());
}

#[test]
fn an_rfc_2543_request_and_its_repeat_are_one_transaction() {
    let mut world = World::new();
    world.say(&request("INVITE", "1", ""));
    world.say(&request("INVITE", "1", ""));
    assert_eq!(1, world.owner.waiting());
}

#[test]
fn a_malformed_request_is_refused_by_name_and_a_malformed_response_in_silence() {
    let mut world = World::new();
    let text = String::from_utf8(request("INVITE", "z9hG4bK1", "")).unwrap().replace("CSeq: 1 INVITE", "CSeq: one INVITE");
    let sent = world.say(text.as_bytes());
    assert!(sent[0].starts_with(b"SIP/2.0 400 Bad CSeq\r\n"));
    assert!(world.say(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n").is_empty());
    assert_eq!((0, 2), (world.owner.waiting(), world.owner.out.counters.malformed));
}

#[test]
fn a_request_that_begins_something_with_a_bad_contact_uri_or_hops_is_refused_and_forgotten() {
    let good = String::from_utf8(request("INVITE", "z9hG4bK1", "")).unwrap();
    for (from, to, reason) in [
        ("CSeq: 1 INVITE\r\n", "CSeq: 1 INVITE\r\nContact: sip:a@d?Route=%3Csip:x%3E\r\n", "400 Bad Contact"),
        ("INVITE sip:b@d ", "INVITE sip:b@d?Route=x ", "400 Bad Request-URI"),
        ("CSeq: 1 INVITE\r\n", "CSeq: 1 INVITE\r\nMax-Forwards: 300\r\n", "400 Bad Max-Forwards"),
        ("CSeq: 1 INVITE\r\n", "CSeq: 1 INVITE\r\nVia: nonsense\r\n", "400 Bad Via"),
    ] {
        let mut world = World::new();
        let bad = good.replace(from, to);
        let sent = world.say(bad.as_bytes());
        assert!(sent[0].starts_with(format!("SIP/2.0 {reason}\r\n").as_bytes()), "{}", String::from_utf8_lossy(&sent[0]));
        assert_eq!((0, 1), (world.owner.waiting(), world.owner.out.counters.malformed), "{bad}");
        assert!(world.say(bad.replace("INVITE", "ACK").as_bytes()).is_empty(), "an ACK gets no answer");
        world.say(good.as_bytes());
        assert_eq!(1, world.owner.waiting(), "the same transaction, well formed");
    }
}

/// RFC 3261 18.2.2, RFC 3581 4.
#[test]
fn answers_go_to_the_source_if_rport_was_asked_and_to_sent_by_if_not() {
    let from = "192.0.2.7:40000".parse::<std::net::SocketAddr>().unwrap().into();
    for (via, transport, to) in [
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport", Transport::Udp, "192.0.2.7:40000"),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1", Transport::Udp, "192.0.2.7:5070"),
        ("SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1", Transport::Udp, "192.0.2.7:5060"),
        ("SIP/2.0/TCP 192.0.2.7:5070;branch=z9hG4bK1", Transport::Tcp, "192.0.2.7:40000"),
    ] {
        let text = String::from_utf8(request("CANCEL", "z9hG4bK1", "")).unwrap().replace("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", via);
        for message in [text.replace("CSeq: 1", "CSeq: x"), text.clone(), text] {
            let mut world = World::new();
            world.hear(message.as_bytes(), transport, from, 1);
            let sent = world.sent_to();
            assert_eq!((1, to), (sent.len(), &*sent[0].0), "{message}");
        }
    }
}

#[test]
fn a_frame_that_comes_twice_over_the_link_is_not_taken_before_python_says_so() {
    let mut world = World::new();
    world.say(&request("INVITE", "z9hG4bK1", ""));
    world.seq -= 1;
    assert!(world.say(&request("INVITE", "z9hG4bK1", "")).is_empty());
    assert!(world.owner.out.edges[&1].taken.is_empty());
    assert_eq!(1, world.owner.waiting());
}

#[test]
fn an_edge_that_began_anew_takes_its_connections_with_it_and_the_node_that_did_does_not() {
    let mut world = World::new();
    let saved = world.owner.saves();
    assert_eq!(b"edge/1", &saved[0].0[..]);
    let mut heir = Owner::new(Config::read(CONFIG.as_bytes()).unwrap()).unwrap();
    assert!(heir.load(&saved[0].0, saved[0].1.as_deref().unwrap()));
    heir.link_up(1, 1);
    let mut hello = Vec::new();
    push_up_hello(&mut hello, 1, 9, &[], 0);
    heir.handle(1, &hello[4..], 1);
    assert!(heir.saves().is_empty());
    hello.clear();
    push_up_hello(&mut hello, 1, 10, &[], 0);
    heir.handle(1, &hello[4..], 1);
    assert_eq!(1, heir.saves().len());
}

#[test]
fn refreshes_wait_to_be_stored_together_but_no_more_than_edges_should_keep() {
    let mut world = World::new();
    world.owner.advance(1); // a sweep: the next one is a second away
    world.owner.unswept.extend((1..UNSWEPT_MOST as u64).map(|seq| (1, seq)));
    world.owner.advance(2);
    assert_eq!(UNSWEPT_MOST - 1, world.owner.unswept.len());
    world.owner.unswept.push((1, UNSWEPT_MOST as u64));
    assert_eq!(1, world.owner.wake_at());
    world.owner.advance(3);
    assert!(world.owner.unswept.is_empty());
    assert_eq!(UNSWEPT_MOST, world.owner.out.edges[&1].taken.len());
}

#[test]
fn no_bytes_panic_the_owner() {
    let mut world = World::new();
    let whole = request("INVITE", "z9hG4bK1", ";tag=050000000000000a0");
    let mut random = 1u64;
    for round in 0..20_000usize {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] = (random >> 16) as u8;
        }
        bytes.truncate(bytes.len() - round % 7);
        world.say(&bytes);
        world.owner.run(&bytes, 1).err();
        world.owner.handle(1, &bytes, 1);
        world.owner.drain();
    }
}

/// An Ask of BYE on connection 77 of an edge.
fn bye(edge: u16) -> Vec<u8> {
    let mut out = Vec::new();
    mp::array(&mut out, 1);
    mp::array(&mut out, 13);
    [2, 5].iter().for_each(|n| mp::int(&mut out, *n));
    mp::text(&mut out, b"0500000000000");
    mp::int(&mut out, 1);
    mp::text(&mut out, b"BYE");
    mp::array(&mut out, 6);
    [u64::from(edge), 77, Transport::Tcp as u64, 0].iter().for_each(|n| mp::int(&mut out, *n));
    mp::text(&mut out, b"192.0.2.1");
    mp::int(&mut out, 5060);
    [b"", b""].iter().for_each(|text| mp::text(&mut out, *text));
    mp::bytes(&mut out, b"BYE sip:b@d SIP/2.0\r\nCSeq: 1 BYE\r\n\r\n");
    mp::boolean(&mut out, false);
    mp::int(&mut out, 0);
    mp::boolean(&mut out, false);
    mp::int(&mut out, 0);
    out
}

/// An heir that knows edges 1 and 2 from the store; edge 1 has said HELLO after the heir had spoken to edge 2.
fn heir() -> Owner {
    let mut owner = Owner::new(Config::read(CONFIG.as_bytes()).unwrap()).unwrap();
    for edge in [b"edge/1", b"edge/2"] {
        assert!(owner.load(edge, &9u64.to_le_bytes()));
    }
    owner.run(&bye(2), 1).unwrap();
    greet(&mut owner, 1);
    owner
}

fn greet(owner: &mut Owner, edge: u16) {
    owner.link_up(edge, 1);
    let mut hello = Vec::new();
    push_up_hello(&mut hello, edge, 9, &[Local { transport: Transport::Tcp, bound: peer(), advertised: b"10.0.0.1:5060" }], 0);
    owner.handle(edge, &hello[4..], 1);
    owner.drain();
}

fn says_bye(owner: &mut Owner, edge: u16) -> bool {
    memchr::memmem::find(&owner.output(edge), b"BYE sip:b@d").is_some()
}

#[test]
fn what_an_heir_says_to_an_edge_waits_for_that_edge() {
    let mut owner = heir();
    assert!(owner.waiting() == 0 && !says_bye(&mut owner, 1) && !says_bye(&mut owner, 2));
    owner.run(&bye(2), 1).unwrap();
    greet(&mut owner, 2);
    assert!(says_bye(&mut owner, 2));
    owner.run(&bye(1), 1).unwrap();
    assert!(says_bye(&mut owner, 1), "all edges are there: nothing waits any more");
}

#[test]
fn an_edge_that_never_comes_is_not_waited_for() {
    let mut owner = heir();
    assert_eq!(1 + early::EDGE_WAIT, owner.wake_at());
    owner.advance(early::EDGE_WAIT);
    assert_eq!(0, owner.waiting());
    owner.advance(1 + early::EDGE_WAIT);
    assert_eq!(1, owner.waiting(), "it is told that this connection is no more");
    owner.run(&bye(1), 1).unwrap();
    assert!(says_bye(&mut owner, 1));
}

#[test]
fn over_udp_another_edge_that_holds_the_address_speaks_for_a_dead_one() {
    use super::outbox::Outbox;
    use crate::txn::{Flow, Sink};
    let other: Address = "192.0.2.2:5060".parse::<std::net::SocketAddr>().unwrap().into();
    let local = |transport, bound| Local { transport, bound, advertised: b"10.0.0.1:5060" };
    let mut out = Outbox::default();
    out.epochs[5] = 3;
    for (number, locals) in [
        (1, vec![local(Transport::Udp, peer()), local(Transport::Tcp, peer())]),
        (2, vec![local(Transport::Udp, other)]),
        (3, vec![local(Transport::Tcp, peer()), local(Transport::Udp, peer())]),
    ] {
        let mut hello = Vec::new();
        push_up_hello(&mut hello, number, 9, &locals, 0);
        let Ok(crate::frame::Up::Hello(hello)) = crate::frame::read_up(&hello[4..]) else { panic!("no HELLO") };
        out.hello(number, &hello);
        out.edges.get_mut(&number).unwrap().up = number != 1;
    }
    let flow = Flow { edge: 1, connection: 0, transport: Transport::Udp, local: 0, remote: peer() };
    out.send(&flow, 5, 0, b"SIP/2.0 200 OK\r\n\r\n");
    assert!(out.output(1).is_empty() && out.output(2).is_empty());
    let bytes = out.output(3);
    let Ok(crate::frame::Down::Sip(sip)) = crate::frame::read_down(&bytes[4..]) else { panic!("nothing sent") };
    assert_eq!((Transport::Udp, 1), (sip.transport, sip.local));
    out.send(&Flow { transport: Transport::Tcp, connection: 7, ..flow }, 5, 0, b"SIP/2.0 200 OK\r\n\r\n");
    assert!(out.output(3).is_empty(), "a connection is the dead edge's alone");
}
