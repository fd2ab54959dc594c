//! What an owner promises when links break: said again, in order, once; or told that it was in vain.

use super::*;
use crate::frame::{
    next, push_failed, push_heard, push_sip_up, push_up_hello, read_down, Address, Down, Local, SipUp, Transport, Why as Reason,
};
use crate::txn::{Flow, Sink};

const CONFIG: &str = r#"{"node_id": 1, "incarnation": 1, "epoch": 3,
    "keys": {"hash": "00000000000000000000000000000001", "signing": [{"id": "a", "secret": "00000000000000000000000000000002"}]}}"#;
const SECOND: u64 = 1_000_000;
const SHARD: u16 = 5;

fn address(text: &str) -> Address {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

fn owner() -> Owner {
    let mut owner = Owner::new(Config::read(CONFIG.as_bytes()).unwrap()).unwrap();
    begin(&mut owner, 1, 9, SECOND);
    owner.output(1);
    owner.drain();
    owner
}

/// A link begins: what an edge sends first, but for HEARD.
fn begin(owner: &mut Owner, edge: u16, incarnation: u64, now: u64) {
    let mut hello = Vec::new();
    let local = |transport| Local { transport, bound: address("10.0.0.1:5060"), advertised: b"10.0.0.1:5060" };
    push_up_hello(&mut hello, edge, incarnation, &[local(Transport::Udp), local(Transport::Tls)], 0);
    owner.link_up(edge, now);
    owner.handle(edge, &hello[4..], now);
}

fn heard(owner: &mut Owner, incarnation: u64, count: u64) {
    let mut frame = Vec::new();
    push_heard(&mut frame, incarnation, count);
    owner.handle(1, &frame[4..], SECOND);
}

fn say(owner: &mut Owner, text: &str, transport: Transport) {
    let connection = u64::from(transport.is_reliable());
    let local = u8::from(transport.is_reliable());
    let flow = Flow { edge: 1, connection, transport, local, remote: address("192.0.2.1:5060") };
    owner.out.send(&flow, SHARD, 0, text.as_bytes());
}

fn said(owner: &mut Owner) -> Vec<String> {
    let bytes = owner.output(1);
    let (mut rest, mut texts) = (&bytes[..], Vec::new());
    while let Some((body, used)) = next(rest).unwrap() {
        if let Down::Sip(sip) = read_down(body).unwrap() {
            texts.push(String::from_utf8(sip.message.to_vec()).unwrap());
        }
        rest = &rest[used..];
    }
    texts
}

#[test]
fn what_a_broken_link_swallowed_is_said_again_in_order_before_anything_new() {
    let mut owner = owner();
    for text in ["a", "b"] {
        say(&mut owner, text, Transport::Tls);
    }
    assert_eq!(["a", "b"], said(&mut owner)[..]);
    say(&mut owner, "c", Transport::Tls); // never left
    owner.link_down(1, 2 * SECOND);
    say(&mut owner, "d", Transport::Tls); // while the edge is away
    begin(&mut owner, 1, 9, 3 * SECOND);
    say(&mut owner, "e", Transport::Tls);
    assert!(said(&mut owner).is_empty(), "it is not known yet what the edge has");
    heard(&mut owner, 1, 1);
    assert_eq!(["b", "c", "d", "e"], said(&mut owner)[..]);
    heard(&mut owner, 1, 5);
    assert_eq!(0, owner.bytes_unheard(|_| false));
}

#[test]
fn an_edge_that_heard_another_owner_hears_all_of_this_one() {
    let mut owner = owner();
    say(&mut owner, "a", Transport::Tls);
    said(&mut owner);
    owner.link_down(1, 2 * SECOND);
    begin(&mut owner, 1, 9, 2 * SECOND);
    heard(&mut owner, 77, 500);
    assert_eq!(["a"], said(&mut owner)[..]);
}

#[test]
fn an_edge_that_began_anew_hears_nothing_of_what_its_connections_were_for() {
    let mut owner = owner();
    say(&mut owner, "a", Transport::Tls);
    said(&mut owner);
    owner.link_down(1, 2 * SECOND);
    begin(&mut owner, 1, 10, 2 * SECOND);
    say(&mut owner, "b", Transport::Tls);
    assert_eq!(["b"], said(&mut owner)[..], "and nobody waits for HEARD");
}

#[test]
fn an_edge_that_does_not_come_back_is_given_up_after_its_grace() {
    let mut owner = owner();
    owner.link_down(1, 2 * SECOND);
    say(&mut owner, "a", Transport::Tls);
    assert_eq!(2 * SECOND + EDGE_GRACE, owner.wake_at());
    owner.advance(2 * SECOND + EDGE_GRACE);
    assert_eq!(0, owner.bytes_unheard(|_| false));
    say(&mut owner, "b", Transport::Tls);
    assert_eq!((1, 0), (owner.out.counters.messages_unsent, owner.bytes_unheard(|_| false)));
    begin(&mut owner, 1, 9, 9 * SECOND);
    say(&mut owner, "c", Transport::Tls);
    heard(&mut owner, 1, 0);
    assert_eq!(["c"], said(&mut owner)[..]);
}

#[test]
fn a_turn_is_heard_when_everything_of_it_is() {
    let mut owner = owner();
    let first = owner.turn();
    say(&mut owner, "a", Transport::Tls);
    said(&mut owner);
    let second = owner.turn();
    say(&mut owner, "b", Transport::Udp);
    said(&mut owner);
    assert_eq!(first - 1, owner.heard_turn(|_| false));
    assert_eq!(second, owner.heard_turn(|edge| edge == 1));
    heard(&mut owner, 1, 1);
    assert_eq!(first, owner.heard_turn(|_| false));
    heard(&mut owner, 1, 2);
    assert_eq!(second, owner.heard_turn(|_| false));
}

#[test]
fn a_frame_of_a_shard_that_is_not_ours_is_left_and_shards_given_up_are_told() {
    let mut owner = owner();
    owner.claim(0, SHARD, 1);
    let bytes = owner.output(1);
    let Down::Claim { epoch: 0, shards } = read_down(next(&bytes).unwrap().unwrap().0).unwrap() else { panic!("no CLAIM") };
    assert_eq!(vec![(SHARD, 1)], shards.iter().collect::<Vec<_>>());
    let mut frame = Vec::new();
    let message = b"INVITE sip:b@d SIP/2.0\r\n\r\n";
    let remote = address("192.0.2.1:5060");
    push_sip_up(
        &mut frame,
        &SipUp { seq: 4, shard: SHARD, epoch: 3, flow: 0, transport: Transport::Udp, local: 0, remote, received_at: 1, message },
    );
    owner.handle(1, &frame[4..], SECOND);
    assert_eq!((1, 0, true), (owner.out.counters.foreign_shards, owner.waiting(), owner.output(1).is_empty()));
}

#[test]
fn a_failure_that_another_owner_caused_changes_nothing_here() {
    let mut owner = owner();
    let mut frame = Vec::new();
    push_failed(&mut frame, 4711, Reason::Flow);
    owner.handle(1, &frame[4..], SECOND);
    assert_eq!(0, owner.waiting());
}

fn keys(signing: &[(char, u64)]) -> String {
    let secret = |id: char| format!("{:032x}", u32::from(id));
    let key = |(id, from): &(char, u64)| format!(r#"{{"id": "{id}", "secret": "{}", "from": {from}}}"#, secret(*id));
    let list = signing.iter().map(key).collect::<Vec<_>>().join(",");
    format!(r#"{{"hash": "00000000000000000000000000000001", "signing": [{list}], "nonce": [{{"id": "a", "secret": "{}"}}]}}"#, secret('a'))
}

#[test]
fn a_new_key_signs_from_its_time_on_and_old_ones_verify() {
    let mut owner = owner();
    owner.set_keys(keys(&[('a', 0)]).as_bytes()).unwrap();
    let mut old = Vec::new();
    owner.keys().push_token(&mut old, SHARD, *b"a0", b"call");
    owner.set_keys(keys(&[('b', 5 * SECOND), ('a', 0)]).as_bytes()).unwrap();
    assert!(owner.output(1).windows(4).any(|part| part == b"from"), "the edges are told at once");
    let signs = |owner: &mut Owner, now| {
        owner.advance(now);
        owner.keys().signing[0].id
    };
    assert_eq!((b'a', b'b'), (signs(&mut owner, 4 * SECOND), signs(&mut owner, 5 * SECOND)));
    owner.set_keys(keys(&[('c', 6 * SECOND), ('b', 5 * SECOND), ('a', 0)]).as_bytes()).unwrap();
    assert_eq!(b'c', signs(&mut owner, 7 * SECOND));
    assert_eq!(Ok((SHARD, *b"a0")), owner.keys().read_token(&old, b"call"), "after two rotations");
    assert!(owner.set_keys(b"{}").unwrap_err().contains("hash"));
    assert_eq!(b'c', owner.keys().signing[0].id);
}

#[test]
fn what_is_said_again_after_a_rotation_has_the_branch_of_the_first_time() {
    let mut owner = owner();
    owner.set_keys(keys(&[('b', 5 * SECOND), ('a', 0)]).as_bytes()).unwrap();
    owner.advance(9 * SECOND);
    let id = |owner: &Owner, age| owner.keys_of(7, age).signing[0].id;
    assert_eq!((b'b', b'b', b'a'), (id(&owner, 0), id(&owner, 4 * SECOND), id(&owner, 5 * SECOND)));
    // One in hand has its key in its bytes: a CANCEL, or the same on another connection, takes it from there.
    let flow = Flow { edge: 1, connection: 0, transport: Transport::Udp, local: 0, remote: address("192.0.2.1:5060") };
    let message = b"INVITE sip:b@d SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK05000000000001-a0000000000000;rport\r\n\r\n";
    let asked = crate::txn::Asked {
        call: crate::txn::NO_CALL,
        n: 1,
        invite: true,
        cancel: 0,
        cancel_of: 0,
        flow,
        shard: SHARD,
        message,
        quiet: false,
        age: 0,
        proceeding: false,
        fallback: None,
    };
    owner.clients.ask(7, &asked, 9 * SECOND, &mut owner.out);
    assert_eq!(b'a', id(&owner, 0));
}
