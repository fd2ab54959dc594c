//! One edge and several owners: who gets what, who is heard, and what becomes of a link that is cut or falls silent.

mod common;

use common::{phone, request, trunk_policy, Got, Place, Running, Session, HEX, PATIENCE};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};
use tandem_sip::frame::Transport;
use tandem_sip::ids::{Key, Keys, SHARDS};

const LOW: [(u16, u16); 1] = [(0, SHARDS / 2)];
const HIGH: [(u16, u16); 1] = [(SHARDS / 2, SHARDS / 2)];

/// An edge with two owners by TCP on loopback.
struct World {
    owners: [TcpListener; 2],
    edge: Running,
    alice: UdpSocket,
    _place: Place,
}

impl World {
    fn new() -> World {
        let place = Place::new();
        let owners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let at = owners.each_ref().map(|owner| owner.local_addr().unwrap());
        let (listen, more) =
            (r#"{"transport": "udp", "bound": "127.0.0.1:0"}"#, format!(r#","owners": ["tcp:{}", "tcp:{}"]"#, at[0], at[1]));
        let edge = Running::start_with(&place, &trunk_policy(""), listen, &more);
        World { owners, edge, alice: phone(), _place: place }
    }

    fn accept(&self, owner: usize) -> Session {
        let (stream, _) = self.owners[owner].accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut session = Session::over(stream);
        assert!(matches!(session.next(), Got::Hello { .. }));
        session
    }

    /// A call whose shard is in the lower half, or in the upper one.
    fn call(&self, name: &str, high: bool) -> String {
        let keys = Keys { hash: u128::from_str_radix(HEX, 16).unwrap().to_be_bytes(), signing: vec![Key { id: b'a', secret: [0; 16] }] };
        let found = (0..).map(|n| format!("{name}-{n}")).find(|call| (keys.shard(call.as_bytes()) >= SHARDS / 2) == high).unwrap();
        self.alice.send_to(&request("INVITE", "UDP", &found), self.edge.locals[0]).unwrap();
        found
    }
}

fn invited(session: &mut Session) -> (u64, u16, String) {
    let Got::Sip { seq, shard, message, .. } = session.next() else { panic!("no message") };
    let text = String::from_utf8(message).unwrap();
    (seq, shard, text.split("Call-ID: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned())
}

fn answer(session: &mut Session, shard: u16, epoch: u32, to: SocketAddr, text: &str) {
    session.send_of(shard, epoch, 0, 0, Transport::Udp, to, text.as_bytes());
}

#[test]
fn a_message_goes_to_whoever_claimed_its_shard_and_waits_while_nobody_has() {
    let world = World::new();
    let (mut low, mut high) = (world.accept(0), world.accept(1));
    let early = [world.call("early", false), world.call("early", true)];
    low.claim(1, 1, 7, &LOW);
    assert_eq!(early[0], invited(&mut low).2);
    high.claim(2, 1, 3, &HIGH);
    assert_eq!(early[1], invited(&mut high).2);
    let (third, fourth) = (world.call("later", true), world.call("later", false));
    assert_eq!((fourth, third), (invited(&mut low).2, invited(&mut high).2));
}

#[test]
fn when_a_shard_moves_its_heir_gets_what_was_not_taken_in_order_and_the_old_owner_is_mute() {
    let world = World::new();
    let (mut old, mut heir) = (world.accept(0), world.accept(1));
    old.claim(1, 1, 7, &[(0, SHARDS)]);
    let calls: Vec<String> = (0..4).map(|n| world.call(&format!("call{n}"), n % 2 == 1)).collect();
    let mut given = BTreeMap::new();
    for _ in &calls {
        let (seq, shard, call) = invited(&mut old);
        given.insert(call, (seq, shard));
    }
    old.take(&[given[&calls[0]].0]);
    old.counter("taken", 1);
    heir.claim(2, 1, 8, &[(0, SHARDS)]);
    for call in &calls[1..] {
        let (seq, _, redelivered) = invited(&mut heir);
        assert_eq!((call, given[call].0), (&redelivered, seq));
    }
    let (to, shard) = (world.alice.local_addr().unwrap(), given[&calls[1]].1);
    answer(&mut old, shard, 7, to, "SIP/2.0 500 From the past\r\n\r\n");
    old.take(&[given[&calls[1]].0]); // too late: it is the heir's
    old.counter("down_stale", 1);
    answer(&mut heir, shard, 8, to, "SIP/2.0 200 From the heir\r\n\r\n");
    let mut room = [0; 2048];
    let count = world.alice.recv(&mut room).unwrap();
    assert_eq!("SIP/2.0 200 From the heir\r\n\r\n", std::str::from_utf8(&room[..count]).unwrap());
    assert_eq!(3, heir.counter("kept_frames", 1)["kept_frames"].as_u64().unwrap());
}

#[test]
fn a_second_owner_in_the_same_epoch_is_refused_and_told_of_nothing() {
    let world = World::new();
    let (mut first, mut second) = (world.accept(0), world.accept(1));
    first.claim(1, 1, 7, &[(0, SHARDS)]);
    second.claim(2, 1, 7, &[(0, SHARDS)]);
    second.counter("claims_refused", u64::from(SHARDS));
    let call = world.call("one", true);
    let (_, shard, got) = invited(&mut first);
    assert_eq!(call, got);
    answer(&mut second, shard, 7, world.alice.local_addr().unwrap(), "SIP/2.0 500 No\r\n\r\n");
    second.counter("down_unclaimed", 1);
}

#[test]
fn what_an_edge_has_heard_is_counted_over_a_cut_link() {
    let world = World::new();
    let (mut owner, to) = (world.accept(0), world.alice.local_addr().unwrap());
    owner.claim(1, 77, 7, &[(0, SHARDS)]);
    for text in ["SIP/2.0 180 A\r\n\r\n", "SIP/2.0 180 B\r\n\r\n"] {
        answer(&mut owner, 5, 7, to, text);
    }
    while owner.frame() != Got::Heard(77, 2) {}
    drop(owner);
    let (stream, _) = world.owners[0].accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut owner = Session::over(stream);
    assert!(matches!(owner.frame(), Got::Hello { .. }));
    assert_eq!(Got::Heard(77, 2), owner.frame());
}

#[test]
fn a_silent_owner_on_another_machine_is_left_and_tried_again() {
    let world = World::new();
    let mut owner = world.accept(0);
    owner.claim(1, 1, 7, &[(0, SHARDS)]);
    let (call, begin) = (world.call("one", true), Instant::now());
    assert_eq!(call, invited(&mut owner).2);
    let mut again = world.accept(0); // returns when the edge has given the first one up
    assert!((3..7).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    again.claim(1, 1, 7, &[(0, SHARDS)]);
    assert_eq!(call, invited(&mut again).2);
}

#[test]
fn one_owner_by_two_ways_is_linked_once_and_the_other_way_is_in_reserve() {
    let world = World::new();
    let mut first = world.accept(0);
    first.claim(1, 1, 7, &[(0, SHARDS)]);
    let call = world.call("one", true);
    assert_eq!(call, invited(&mut first).2);
    let mut second = world.accept(1);
    second.claim(1, 1, 7, &[(0, SHARDS)]);
    assert_eq!(call, invited(&mut second).2);
    world.owners[0].set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(world.owners[0].accept().is_err(), "the first way rests");
    let later = world.call("two", false);
    assert_eq!(later, invited(&mut second).2);
}
