//! Two handshakes against each other, over a bad network and among strangers.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::srtp::Suite;

const SECOND: u64 = 1_000_000;
const LEFT: usize = 0;
const RIGHT: usize = 1;
const STRANGER: u16 = 666;

/// Identities made once: a key costs much time in a build for tests.
fn identity(which: usize) -> &'static Identity {
    static MADE: OnceLock<[Identity; 3]> = OnceLock::new();
    let make = |seed: u8| {
        let random = std::array::from_fn(|at| seed.wrapping_add(at as u8));
        Identity::new(Certificate::fresh(random, 1_780_000_000).unwrap(), Instant::now())
    };
    &MADE.get_or_init(|| [make(1), make(2), make(3)])[which]
}

fn fingerprint(which: usize) -> Option<Fingerprint> {
    Some(Fingerprint::new("sha-256", &identity(which).certificate().fingerprint()).unwrap())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

const ICE: Setup = Setup { active: false, ice: true };

/// The left one is active.
struct Wire {
    ends: [Handshake; 2],
    /// When, to whom, from which port, bytes.
    flying: Vec<(u64, usize, u16, Vec<u8>)>,
    events: [Vec<Event>; 2],
    random: u64,
    loss_percent: u64,
    now: u64,
}

impl Wire {
    fn new(ice: bool) -> Wire {
        let mut wire = Wire::of(
            Handshake::new(0, identity(LEFT), Setup { active: true, ice }, fingerprint(RIGHT)),
            Handshake::new(0, identity(RIGHT), Setup { active: false, ice }, fingerprint(LEFT)),
        );
        if ice {
            wire.ends[RIGHT].aim(address(LEFT as u16));
        }
        wire
    }

    fn of(left: Handshake, right: Handshake) -> Wire {
        let mut ends = [left, right];
        ends[LEFT].aim(address(1));
        Wire { ends, flying: Vec::new(), events: [Vec::new(), Vec::new()], random: 1, loss_percent: 0, now: 0 }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// Empties what an end has to say.
    fn poll(&mut self, end: usize) {
        let mut out = Vec::new();
        while let Some(output) = self.ends[end].poll(self.now, &mut out) {
            match output {
                Output::Event(event) => self.events[end].push(event),
                Output::Send(to) => {
                    assert!(to.is_some_and(|to| to.port() != STRANGER), "nothing goes to strangers");
                    for _ in 0..1 + u64::from(self.loss_percent > 0 && self.draw(10) == 0) {
                        if self.draw(100) >= self.loss_percent {
                            let delay = if self.loss_percent > 0 { 1_000 + self.draw(60_000) } else { 1_000 };
                            self.flying.push((self.now + delay, 1 - end, end as u16, out.clone()));
                        }
                    }
                }
            }
        }
    }

    fn run(&mut self, until: u64) -> &mut Wire {
        while self.now < until {
            [LEFT, RIGHT].into_iter().for_each(|end| self.poll(end));
            self.flying.sort_by_key(|flight| flight.0);
            let arrived: Vec<_> = self.flying.extract_if(.., |flight| flight.0 <= self.now).collect();
            for (_, to, from, bytes) in arrived {
                self.ends[to].handle(self.now, address(from), &bytes);
                self.poll(to);
            }
            let wants = self.ends.iter().filter_map(Handshake::wants);
            let next = wants.chain(self.flying.iter().map(|flight| flight.0)).min().unwrap_or(until);
            self.now = next.clamp(self.now + 1, until.max(self.now + 1));
        }
        self
    }

    /// The left end begins anew, as `which`.
    fn begin(&mut self, which: usize) {
        self.ends[LEFT] = Handshake::new(self.now, identity(which), Setup { active: true, ice: true }, fingerprint(RIGHT));
        self.ends[LEFT].aim(address(1));
        self.events = [Vec::new(), Vec::new()];
    }

    /// Both ends have the same keys, told once.
    fn assert_keys(&self) -> Suite {
        let (left, right) = match (&self.events[LEFT][..], &self.events[RIGHT][..]) {
            ([Event::Established(left)], [Event::Established(right)]) => (left, right),
            other => panic!("{other:?}"),
        };
        assert_eq!((&left.send, &left.receive), (&right.receive, &right.send));
        assert_ne!(left.send.key_salt, left.receive.key_salt);
        left.send.suite
    }

    /// The first datagram of an active end.
    fn hello(which: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut active = Handshake::new(0, identity(which), Setup { active: true, ice: true }, None);
        assert_eq!(Some(Output::Send(None)), active.poll(0, &mut out));
        out
    }
}

#[test]
fn both_ends_get_the_same_keys_with_a_cookie_and_without() {
    for ice in [true, false] {
        let mut wire = Wire::new(ice);
        assert_eq!([State::Running, State::Waiting], [LEFT, RIGHT].map(|end| wire.ends[end].state()));
        wire.run(SECOND);
        assert_eq!(Suite::AeadAes256Gcm, wire.assert_keys());
        assert!([LEFT, RIGHT].into_iter().all(|end| wire.ends[end].is_dtls13() && wire.ends[end].state() == State::Established));
    }
}

#[test]
fn keys_are_not_told_before_the_description_has_come() {
    let mut wire = Wire::new(true);
    wire.ends[RIGHT] = Handshake::new(0, identity(RIGHT), ICE, None);
    wire.ends[RIGHT].aim(address(LEFT as u16));
    wire.run(30 * SECOND);
    assert_eq!((1, 0), (wire.events[LEFT].len(), wire.events[RIGHT].len()));
    assert_eq!(None, wire.ends[RIGHT].wants(), "people may take their time");
    wire.ends[RIGHT].expect(fingerprint(LEFT).unwrap());
    wire.poll(RIGHT);
    wire.assert_keys();
}

#[test]
fn another_certificate_gets_no_keys() {
    let mut wire = Wire::new(true);
    wire.ends[RIGHT].expect(fingerprint(2).unwrap());
    wire.run(20 * SECOND);
    assert_eq!(vec![Event::Failed(Failure::Fingerprint)], wire.events[RIGHT]);
    assert_eq!(Some(&Event::Closed), wire.events[LEFT].last(), "it is told that it is over");

    let mut wire = Wire::new(true);
    wire.ends[LEFT].expect(fingerprint(2).unwrap());
    wire.run(20 * SECOND);
    assert_eq!(vec![Event::Failed(Failure::Fingerprint)], wire.events[LEFT]);
    assert_eq!(State::Failed, wire.ends[LEFT].state());
}

#[test]
fn nobody_there_is_told_after_ten_seconds() {
    let mut alone = Handshake::new(0, identity(LEFT), Setup { active: true, ice: true }, fingerprint(RIGHT));
    let (mut now, mut sent, mut out) = (0, 0, Vec::new());
    let event = loop {
        match alone.poll(now, &mut out) {
            Some(Output::Send(_)) => sent += 1,
            Some(Output::Event(event)) => break event,
            None => now = alone.wants().unwrap(),
        }
    };
    assert_eq!((Event::Failed(Failure::TimedOut), FINISH_US), (event, now));
    assert_eq!(6, sent);
    assert_eq!((None, None), (alone.poll(now, &mut out), alone.wants()));
}

#[test]
fn the_peers_close_is_told_and_ours_is_heard() {
    for end in [LEFT, RIGHT] {
        let mut wire = Wire::new(true);
        wire.run(SECOND);
        wire.ends[end].close(SECOND);
        wire.run(2 * SECOND);
        assert_eq!(Some(&Event::Closed), wire.events[1 - end].last());
        assert_eq!(1, wire.events[end].len());
    }
}

#[test]
fn a_strangers_hello_and_noise_do_not_keep_the_peer_out() {
    let mut wire = Wire::new(true);
    wire.poll(LEFT);
    wire.run(1_500); // the peer's hello has come
    let hello = Wire::hello(2);
    assert!(!wire.ends[RIGHT].handle(1_500, address(STRANGER), &hello));
    for kind in 20..=63 {
        let mut noise = hello.clone();
        noise[0] = kind;
        if kind != 22 {
            wire.ends[RIGHT].handle(1_500, address(STRANGER), &noise);
        }
        wire.ends[LEFT].handle(1_500, address(STRANGER), &noise);
    }
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    [LEFT, RIGHT].into_iter().for_each(|end| assert!(!wire.ends[end].handle(1_500, address(STRANGER), &alert)));
    wire.run(5 * SECOND);
    wire.assert_keys();
}

#[test]
fn a_stranger_who_begins_and_stops_gives_way() {
    for ice in [true, false] {
        let mut wire = Wire::new(ice);
        wire.ends[RIGHT] = Handshake::new(0, identity(RIGHT), Setup { active: false, ice }, fingerprint(LEFT));
        let (hello, mut out) = (Wire::hello(2), Vec::new());
        assert!(wire.ends[RIGHT].handle(0, address(STRANGER), &hello));
        while wire.ends[RIGHT].poll(0, &mut out).is_some() {}
        if ice {
            wire.ends[RIGHT].aim(address(LEFT as u16)); // whom ICE has proved is not kept waiting
        }
        wire.run(if ice { SECOND / 10 } else { 3 * SECOND });
        wire.assert_keys();
    }
}

#[test]
fn who_only_says_hello_gets_one_answer_and_no_larger_one() {
    let mut end = Handshake::new(0, identity(RIGHT), Setup { active: false, ice: false }, None);
    let (hello, mut out, mut now, mut sent) = (Wire::hello(2), Vec::new(), 0, 0);
    assert!(end.handle(0, address(STRANGER), &hello));
    for _ in 0..50 {
        match end.poll(now, &mut out) {
            Some(Output::Send(_)) => sent += out.len(),
            Some(Output::Event(event)) => panic!("{event:?} of a stranger"),
            None => now = end.wants().unwrap_or(60 * SECOND),
        }
    }
    assert!(now == 60 * SECOND && (1..=hello.len()).contains(&sent), "{sent} bytes until {now}");
    assert_eq!(State::Waiting, end.state());
}

#[test]
fn an_alert_of_the_peer_ends_it() {
    let mut wire = Wire::new(true);
    wire.poll(LEFT);
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    wire.ends[LEFT].handle(10, address(RIGHT as u16), &alert);
    wire.poll(LEFT);
    assert_eq!(vec![Event::Failed(Failure::Alert(40))], wire.events[LEFT]);
}

#[test]
fn a_handshake_under_way_is_lost_with_its_process_and_the_peer_may_begin_again() {
    let mut wire = Wire::new(true);
    wire.run(2_500);
    let state = wire.ends[RIGHT].state();
    assert_eq!(State::Running, state);
    let heir = Handshake::heir(2_500, identity(RIGHT), ICE, fingerprint(LEFT), state);
    assert_eq!(Some(0), heir.wants());
    let fresh = Handshake::new(2_500, identity(LEFT), Setup { active: true, ice: true }, fingerprint(RIGHT));
    let mut again = Wire::of(fresh, heir);
    again.now = 2_500;
    again.run(SECOND);
    assert_eq!(Event::Lost, again.events[RIGHT].remove(0));
    again.assert_keys();
}

#[test]
fn an_heir_of_a_finished_one_ignores_records_and_answers_a_new_hello_with_the_same_certificate() {
    let mut wire = Wire::new(true);
    wire.run(SECOND);
    wire.ends[RIGHT] = Handshake::heir(SECOND, identity(RIGHT), ICE, fingerprint(LEFT), wire.ends[RIGHT].state());
    wire.ends[LEFT].close(SECOND); // a record of the old association
    wire.run(2 * SECOND);
    assert_eq!(1, wire.events[RIGHT].len());

    wire.begin(LEFT);
    wire.run(3 * SECOND);
    wire.assert_keys();
}

#[test]
fn the_peer_begins_anew_and_a_stranger_who_does_changes_nothing() {
    let mut wire = Wire::new(true);
    wire.run(SECOND);
    wire.begin(2);
    wire.run(30 * SECOND);
    assert_eq!((0, State::Established), (wire.events[RIGHT].len(), wire.ends[RIGHT].state()));
    wire.begin(LEFT);
    wire.run(60 * SECOND);
    wire.assert_keys();
}

#[test]
fn hellos_cost_no_more_than_their_share() {
    let mut end = Handshake::new(0, identity(RIGHT), ICE, fingerprint(LEFT));
    let mut begun = 0;
    for at in 0..50_u64 {
        let mut hello = Wire::hello(LEFT);
        hello[30] = at as u8; // another random
        begun += usize::from(end.handle(at * STUCK_US / 10, address(at as u16), &hello));
    }
    assert!(begun <= 5 + STARTS as usize, "{begun}");
    assert!(!end.handle(0, address(1), &vec![22; DATAGRAM_BYTES + 1]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn losses_and_disorder_only_cost_time(seed in any::<u64>(), loss in 0_u64..15, ice in any::<bool>()) {
        let mut wire = Wire::new(ice);
        (wire.random, wire.loss_percent) = (seed | 1, loss);
        wire.run(12 * SECOND);
        wire.assert_keys();
    }

    #[test]
    fn any_records_are_taken_without_a_panic(
        records in prop::collection::vec((20_u8..64, prop::collection::vec(any::<u8>(), 0..100)), 1..20),
        flips in prop::collection::vec((0_usize..2_000, any::<u8>()), 0..4), active in any::<bool>(),
    ) {
        let mut end = Handshake::new(0, identity(LEFT), Setup { active, ice: true }, fingerprint(RIGHT));
        let mut hello = Wire::hello(RIGHT);
        for (at, byte) in flips {
            let at = at % hello.len();
            hello[at] = byte;
        }
        let (mut out, mut now) = (Vec::new(), 0);
        let noise = records.into_iter().map(|(kind, bytes)| [&[kind, 254, 253, 0, 0], &bytes[..]].concat());
        for bytes in std::iter::once(hello).chain(noise) {
            end.handle(now, address(1), &bytes);
            while end.poll(now, &mut out).is_some() {}
            now += 50_000;
        }
    }
}
