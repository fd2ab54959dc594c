//! The promises of an edge's keep-alives, each by name. Time is a number here.

use super::*;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

const WALL: u32 = 1_795_000_000;
const SECOND: u64 = 1_000_000;

fn remote(n: u32) -> Address {
    SocketAddr::new(Ipv4Addr::from(0x0a00_0000 + n / 40_000).into(), 1024 + (n % 40_000) as u16).into()
}

fn watch(n: u32, kind: Kind, seconds: u16) -> Watch {
    let flow = Watched { flow: 0, transport: Transport::Udp, local: 1, remote: remote(n), cookie: u64::from(n) };
    Watch { flow, kind, seconds, until: WALL + 3600 }
}

struct World {
    watches: Watches,
    now: u64,
    pings: HashMap<Address, Vec<u64>>,
    told: Vec<(u64, bool)>,
    most: usize,
}

impl World {
    fn new() -> World {
        World { watches: Watches::new([1; 16]), now: 0, pings: HashMap::new(), told: Vec::new(), most: 0 }
    }

    fn watch(&mut self, watch: Watch) {
        self.watches.watch(0, &watch, self.now, self.wall());
    }

    fn wall(&self) -> u32 {
        WALL + (self.now / SECOND) as u32
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + seconds * SECOND;
        while self.now < end {
            self.now += TURN_US;
            let (now, wall, mut count) = (self.now, self.wall(), 0);
            let (pings, told) = (&mut self.pings, &mut self.told);
            self.watches.advance(now, wall, 3, |due| match due {
                Due::Ping { remote, .. } | Due::Ask { remote, .. } => {
                    count += 1;
                    pings.entry(remote).or_default().push(now);
                }
                Due::Tell { flow, answers, .. } => told.push((flow.cookie, answers)),
            });
            self.most = self.most.max(count);
        }
    }

    fn count(&self, n: u32) -> usize {
        self.pings.get(&remote(n)).map_or(0, Vec::len)
    }
}

#[test]
fn each_flow_is_pinged_once_an_interval_and_the_pings_are_spread() {
    let mut world = World::new();
    (0..10_000).for_each(|n| world.watch(watch(n, Kind::Crlf, 25)));
    world.run(75);
    assert!((0..10_000).all(|n| world.count(n) == 3));
    let gaps = world.pings.values().flat_map(|at| at.windows(2).map(|pair| pair[1] - pair[0]));
    assert!(gaps.clone().all(|gap| gap <= 25 * SECOND + TURN_US), "{:?}", gaps.max());
    assert!(world.most <= 9, "10,000 in 25 s are 8 in 20 ms: {}", world.most);
}

#[test]
fn nobody_waits_longer_because_others_come_and_go() {
    let mut world = World::new();
    (0..1000).for_each(|n| world.watch(watch(n, Kind::Crlf, 25)));
    for round in 0..100u32 {
        world.run(1);
        for n in (0..1000).filter(|n| n % 7 == round % 7 && n % 2 == 1) {
            world.watches.forget(&watch(n, Kind::Crlf, 25).flow);
        }
        (0..20).for_each(|n| world.watch(watch(10_000 + round * 20 + n, Kind::Crlf, 25)));
    }
    for n in (0..1000).filter(|n| n % 2 == 0) {
        let at = &world.pings[&remote(n)];
        assert!(at[0] <= 25 * SECOND + TURN_US && at.windows(2).all(|pair| pair[1] - pair[0] <= 25 * SECOND + TURN_US), "{n}: {at:?}");
    }
}

#[test]
fn a_flow_ends_with_its_binding_or_when_it_is_forgotten() {
    let mut world = World::new();
    world.watch(Watch { until: WALL + 30, ..watch(1, Kind::Crlf, 10) });
    world.watch(watch(2, Kind::Crlf, 10));
    world.watch(watch(3, Kind::Crlf, 10));
    world.run(12);
    world.watches.forget(&watch(2, Kind::Crlf, 10).flow);
    world.run(100);
    assert_eq!((3, 1), (world.count(1), world.count(2)));
    assert!((11..=12).contains(&world.count(3)), "{}", world.count(3));
    assert_eq!(1, world.watches.len());
}

#[test]
fn a_flow_that_is_named_again_is_one_flow_and_a_new_interval_counts() {
    let mut world = World::new();
    (0..5).for_each(|_| world.watch(watch(1, Kind::Crlf, 10)));
    world.watch(watch(1, Kind::Options, 50));
    assert_eq!(1, world.watches.len());
    world.run(100);
    assert_eq!(2, world.count(1));
}

#[test]
fn lines_of_one_phone_share_its_pings_and_each_keeps_it_alive() {
    let mut world = World::new();
    let line = |cookie| {
        let one = watch(1, Kind::Crlf, 10);
        Watch { flow: Watched { cookie, ..one.flow }, ..one }
    };
    (0..8).for_each(|cookie| world.watch(line(cookie)));
    (100..200).for_each(|n| world.watch(watch(n, Kind::Crlf, 10)));
    world.run(100);
    assert!((10..=11).contains(&world.count(1)), "{}", world.count(1));
    (0..7).for_each(|cookie| world.watches.forget(&line(cookie).flow));
    world.run(100);
    assert!(world.count(1) >= 19, "{}", world.count(1));
}

#[test]
fn an_heir_names_its_flows_and_the_rest_is_forgotten() {
    let mut world = World::new();
    (0..3).for_each(|n| world.watch(watch(n, Kind::Crlf, 10)));
    world.watches.watch(1, &watch(9, Kind::Crlf, 10), 0, WALL);
    world.watches.began(0);
    world.watch(watch(1, Kind::Crlf, 10));
    assert_eq!(4, world.watches.len(), "nothing ends before all is told");
    world.watches.forget_rest(0);
    world.run(10);
    assert_eq!([0, 1, 0, 1], [0, 1, 2, 9].map(|n| world.count(n)), "another owner's stays");
}

#[test]
fn a_phone_that_leaves_three_options_unanswered_is_told_once_and_again_when_it_answers() {
    let mut world = World::new();
    world.watch(watch(1, Kind::Options, 10));
    world.run(30);
    assert_eq!((3, vec![]), (world.count(1), world.told.clone()));
    world.run(30);
    assert_eq!(vec![(1, false)], world.told);
    let mut told = Vec::new();
    world.watches.answered(1, &remote(1), |due| told.push(due));
    assert!(matches!(told[..], [Due::Tell { answers: true, owner: 0, .. }]), "{told:?}");
    world.watches.answered(1, &remote(1), |due| told.push(due));
    assert_eq!(1, told.len());
    world.run(30);
    assert_eq!(1, world.told.len(), "it counts from the answer");
}

#[test]
fn a_long_stop_is_followed_by_one_ping_each_and_not_all_at_once() {
    let mut world = World::new();
    (0..5000).for_each(|n| world.watch(watch(n, Kind::Crlf, 25)));
    world.now += 600 * SECOND;
    world.run(1);
    assert_eq!(PINGS_PER_TURN, world.most);
    assert!((0..5000).all(|n| world.count(n) == 1));
}

#[test]
fn a_hundred_thousand_flows_hold_64_bytes_each_at_most() {
    for count in [1_000, 60_000, 100_000, 140_000] {
        let mut world = World::new();
        (0..count).for_each(|n| world.watch(watch(n, Kind::Crlf, 25)));
        let each = world.watches.memory() / count as usize;
        assert!(each <= 64, "{count}: {each}");
    }
}

#[test]
fn too_many_intervals_share_the_nearest_shorter_one() {
    let mut world = World::new();
    (0..12).for_each(|n| world.watch(watch(n, Kind::Crlf, 10 + n as u16)));
    assert_eq!(12, world.watches.len());
    world.run(60);
    assert!((0..12).all(|n| world.count(n) >= 2));
}

#[test]
fn streams_and_other_kinds_are_none_of_its() {
    let mut world = World::new();
    let one = watch(1, Kind::Crlf, 10);
    world.watch(Watch { flow: Watched { transport: Transport::Tcp, flow: 7, ..one.flow }, ..one });
    world.watch(watch(1, Kind::Silence, 10));
    assert!(world.watches.is_empty() && world.watches.wake_at().is_none());
}
