//! The relay with a wire of memory: who gets what, from which port, and what is dropped.

use std::net::SocketAddr;

use super::{Component, Out, Packet, Relay, Share};
use crate::dtls::{Certificate, Identity};
use crate::plan::{Endpoint, EndpointId, Guard, Local, Remote, Streams};

#[derive(Default)]
struct Wire(Vec<(u64, Component, SocketAddr, Vec<u8>)>);

impl Out for Wire {
    fn send(&mut self, token: u64, component: Component, to: SocketAddr, bytes: &[u8]) {
        self.0.push((token, component, to, bytes.to_vec()));
    }
}

fn relay() -> Relay {
    let identity = Identity::new(Certificate::fresh([7; 48], 1_700_000_000).unwrap(), std::time::Instant::now());
    Relay::new(identity, 0, |bytes| bytes.fill(9))
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn endpoint(id: u64, remote: &str, sink: u64) -> Endpoint {
    let (address, rtp) = ("127.0.0.1".parse().unwrap(), 20_000 + 2 * id as u16);
    let to = at(remote);
    Endpoint {
        remote: Some(Remote { rtp: to, rtcp: SocketAddr::new(to.ip(), to.port() + 1) }),
        sinks: vec![EndpointId(sink)],
        ..Endpoint::new(EndpointId(id), Local { address, advertised: address, rtp, rtcp: rtp + 1 })
    }
}

fn two() -> (Relay, u32, u32) {
    let mut relay = relay();
    let a = relay.put(0, endpoint(1, "10.0.0.1:4000", 2), 11);
    let b = relay.put(0, endpoint(2, "10.0.0.2:5000", 1), 12);
    (relay, a, b)
}

fn rtp(seq: u16) -> Packet {
    let mut packet = Packet::new();
    let mut bytes = [0u8; 172];
    bytes[0] = 0x80;
    bytes[2..4].copy_from_slice(&seq.to_be_bytes());
    packet.copy(&bytes);
    packet
}

fn rtcp() -> Packet {
    let mut packet = Packet::new();
    packet.copy(&[0x80, 201, 0, 1, 0, 0, 0, 1]);
    packet
}

#[test]
fn what_one_side_sends_the_other_gets() {
    let (mut relay, a, b) = two();
    let mut wire = Wire::default();
    relay.receive(1, a, Component::Rtp, at("10.0.0.1:4000"), &mut rtp(1), &mut wire);
    relay.receive(1, b, Component::Rtcp, at("10.0.0.2:5001"), &mut rtcp(), &mut wire);
    assert_eq!((12, Component::Rtp, at("10.0.0.2:5000")), (wire.0[0].0, wire.0[0].1, wire.0[0].2));
    assert_eq!((11, Component::Rtcp, at("10.0.0.1:4001")), (wire.0[1].0, wire.0[1].1, wire.0[1].2));
    assert_eq!(172, wire.0[0].3.len());
}

#[test]
fn rtcp_goes_where_each_side_wants_it() {
    let mut relay = relay();
    let mut muxed = endpoint(1, "10.0.0.1:4000", 2);
    muxed.mux = true;
    let a = relay.put(0, muxed, 11);
    let b = relay.put(0, endpoint(2, "10.0.0.2:5000", 1), 12);
    let mut wire = Wire::default();
    relay.receive(1, a, Component::Rtp, at("10.0.0.1:4000"), &mut rtcp(), &mut wire);
    relay.receive(1, b, Component::Rtcp, at("10.0.0.2:5001"), &mut rtcp(), &mut wire);
    assert_eq!((12, Component::Rtcp, at("10.0.0.2:5001")), (wire.0[0].0, wire.0[0].1, wire.0[0].2));
    assert_eq!((11, Component::Rtp, at("10.0.0.1:4000")), (wire.0[1].0, wire.0[1].1, wire.0[1].2));
}

#[test]
fn a_phone_behind_nat_is_answered_where_it_sends_from() {
    let (mut relay, a, b) = two();
    let mut wire = Wire::default();
    relay.receive(1, a, Component::Rtp, at("192.0.2.9:61000"), &mut rtp(1), &mut wire);
    relay.receive(2, b, Component::Rtp, at("10.0.0.2:5000"), &mut rtp(1), &mut wire);
    assert_eq!(at("192.0.2.9:61000"), wire.0[1].2);
}

#[test]
fn an_established_stream_is_not_stolen() {
    let (mut relay, a, b) = two();
    let mut wire = Wire::default();
    for second in 0..5 {
        relay.receive(second * 1_000_000 + 1, a, Component::Rtp, at("192.0.2.9:61000"), &mut rtp(second as u16), &mut wire);
    }
    relay.receive(4_100_000, a, Component::Rtp, at("198.51.100.1:7"), &mut rtp(9), &mut wire);
    wire.0.clear();
    relay.receive(4_200_000, b, Component::Rtp, at("10.0.0.2:5000"), &mut rtp(1), &mut wire);
    assert_eq!(at("192.0.2.9:61000"), wire.0[0].2);
}

#[test]
fn a_peer_that_moved_is_followed_by_its_new_description() {
    let (mut relay, a, b) = two();
    let mut wire = Wire::default();
    relay.receive(1, a, Component::Rtp, at("192.0.2.9:61000"), &mut rtp(1), &mut wire);
    relay.put(0, endpoint(1, "10.0.0.7:4444", 2), 11);
    wire.0.clear();
    relay.receive(2, b, Component::Rtp, at("10.0.0.2:5000"), &mut rtp(1), &mut wire);
    assert_eq!(at("10.0.0.7:4444"), wire.0[0].2);
}

#[test]
fn a_place_that_another_endpoint_has_now_is_not_fed() {
    let (mut relay, a, _) = two();
    let mut wire = Wire::default();
    relay.receive(1, a, Component::Rtp, at("10.0.0.1:4000"), &mut rtp(1), &mut wire);
    relay.drop(0, EndpointId(2));
    relay.put(0, endpoint(3, "10.0.0.3:6000", 4), 13);
    wire.0.clear();
    relay.receive(2, a, Component::Rtp, at("10.0.0.1:4000"), &mut rtp(2), &mut wire);
    assert!(wire.0.is_empty());
}

#[test]
fn what_is_no_media_is_dropped_and_counted() {
    let (mut relay, a, _) = two();
    let mut wire = Wire::default();
    for bytes in [&b""[..], b"x", &[0x80], &[0x80; 11], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut packet = Packet::new();
        packet.copy(bytes);
        relay.receive(1, a, Component::Rtp, at("10.0.0.1:4000"), &mut packet, &mut wire);
    }
    assert!(wire.0.is_empty());
    assert_eq!(5, relay.slot(a).unwrap().drops.alien);
}

#[test]
fn a_side_that_the_answer_makes_active_says_hello() {
    let mut relay = relay();
    let waiting = Endpoint { guard: Guard::Dtls { active: false, fingerprint: None }, ..endpoint(1, "10.0.0.1:4000", 2) };
    relay.put(0, waiting.clone(), 11);
    let mut wire = Wire::default();
    relay.poll(1, &mut wire);
    assert!(wire.0.is_empty(), "whoever was only offered waits");
    let fingerprint = Some(("sha-256".into(), vec![1; 32]));
    relay.put(2, Endpoint { guard: Guard::Dtls { active: true, fingerprint }, ..waiting }, 11);
    relay.poll(3, &mut wire);
    let (_, _, to, hello) = &wire.0[0];
    assert_eq!((at("10.0.0.1:4000"), Some(&22), Some(&1)), (*to, hello.first(), hello.get(13)), "a handshake record, ClientHello");
}

fn ids(told: Vec<super::Live>) -> Vec<u64> {
    told.iter().map(|live| live.id.0).collect()
}

#[test]
fn shares_have_every_endpoint_once_though_the_table_grows_between_them() {
    let mut relay = relay();
    let put = |relay: &mut Relay, id: u64| {
        relay.put(0, endpoint(id, "10.0.0.1:4000", 0), id);
    };
    (1..=10).for_each(|id| put(&mut relay, id));
    let first = Share { first: 0, of: 3 };
    assert_eq!((1..=10).collect::<Vec<_>>(), ids(relay.changed(1, first)), "whatever is new is told at once");
    let mut wire = Wire::default();
    (0..10).for_each(|key| relay.receive(2, key, Component::Rtp, at("10.0.0.1:4000"), &mut rtp(1), &mut wire));
    assert!(relay.changed(3, first).is_empty());
    let now = super::live::KEEP_US + 3;
    let mut told = Vec::new();
    for first in 0..3 {
        told.extend(ids(relay.changed(now, Share { first, of: 3 })).into_iter().filter(|id| *id <= 10));
        (0..5).for_each(|more| put(&mut relay, 11 + 5 * first as u64 + more));
    }
    assert_eq!(vec![1, 4, 7, 10, 2, 5, 8, 3, 6, 9], told, "what runs is told when its share comes");
    assert!(relay.keys(Share { first: 2, of: 3 }).eq([2, 5, 8, 11, 14, 17, 20, 23]));
}

#[test]
fn a_tapped_stream_passes_nowhere_else_and_those_that_run_are_counted_by_their_way() {
    let (mut relay, a, b) = two();
    let mut wire = Wire::default();
    let second = 1_000_000;
    for (key, from) in [(a, "10.0.0.1:4000"), (b, "10.0.0.2:5000")] {
        for turn in 0..40u16 {
            relay.receive(u64::from(turn) * second, key, Component::Rtp, at(from), &mut rtp(turn), &mut wire);
        }
    }
    let now = 40 * second;
    assert!(relay.plain(now, a).is_some() && relay.plain(now, b).is_some());
    relay.set_passes(a, true);
    assert_eq!(Streams { kernel: 1, userspace: 1, packets: 80, lost: 0 }, relay.streams(now, Share::ALL));
    assert_eq!(Streams::default(), relay.streams(now + super::plain::RUNS_US, Share::ALL));
    relay.set_tapped(a, true);
    assert!(relay.plain(now, a).is_none() && relay.plain(now, b).is_none());
    relay.set_tapped(a, false);
    assert!(relay.plain(now, a).is_some());
}
