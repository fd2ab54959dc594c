//! Pools against a naive model: lists that are searched, histories that are read from their beginning, nothing kept twice.

use super::super::candidates::mix;
use super::*;
use crate::ids::mac;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const SETUP: u64 = 60 + SETUP_SPARE_US / SECOND;
const LEASE: u64 = 600;

#[derive(Clone, Debug)]
enum Step {
    Begin { call: u64, member: usize },
    Answered { call: u64 },
    Ended { call: u64 },
    Pass { seconds: u64 },
    NoAnswer { member: usize },
    Reply { member: usize, status: u16 },
    Probe { member: usize, good: bool },
    Set { member: usize, wanted: Wanted },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (call, member) = (0u64..12, 0usize..4);
    let step = prop_oneof![
        8 => (call.clone(), member.clone()).prop_map(|(call, member)| Step::Begin { call, member }),
        4 => call.clone().prop_map(|call| Step::Answered { call }),
        4 => call.prop_map(|call| Step::Ended { call }),
        3 => prop::sample::select(vec![1u64, 5, 11, 50, 700]).prop_map(|seconds| Step::Pass { seconds }),
        6 => member.clone().prop_map(|member| Step::NoAnswer { member }),
        3 => (member.clone(), prop::sample::select(vec![100u16, 200, 486, 503])).prop_map(|(member, status)| Step::Reply { member, status }),
        6 => (member.clone(), any::<bool>()).prop_map(|(member, good)| Step::Probe { member, good }),
        1 => (member, prop::sample::select(vec![Wanted::On, Wanted::Draining, Wanted::Off])).prop_map(|(member, wanted)| Step::Set { member, wanted }),
    ];
    prop::collection::vec(step, 1..120)
}

/// The configuration: weights 1 to 4, `d` a priority below, capacity for three calls each.
fn config(wanted: &[Wanted; 4]) -> PoolsConfig {
    let members: Vec<Value> =
        (0..4).map(|i| json!({"weight": i + 1, "priority": i / 3, "capacity": {"call": 3}, "state": wanted[i]})).collect();
    let health = json!({"down_after": 2, "up_after": 2, "passive_down_after": 2, "grey_ms": 10_000});
    farm(
        &members,
        json!({"health": health, "ring_seconds": 60, "call_lease_seconds": LEASE, "costs": [{"methods": ["INVITE"], "take": {"call": 1}}]}),
    )
}

#[derive(Clone, Copy, PartialEq)]
enum Grey {
    No,
    Until { second: u64, busy: bool, trial: Option<u64> },
}

struct Naive {
    wanted: [Wanted; 4],
    calls: Vec<(u64, usize, u64, bool)>, // call, member, end of lease, answered
    probes: [Vec<bool>; 4],
    fails: [u8; 4],
    grey: [Grey; 4],
    greys: [u32; 4],
    span: [u64; 4],
    well_at: [u64; 4],
    now: u64,
}

impl Naive {
    fn used(&self, member: usize) -> usize {
        self.calls.iter().filter(|call| call.1 == member).count()
    }

    /// The verdict of a history: it turns after two in a row against it.
    fn down(&self, member: usize) -> bool {
        let (mut down, mut against) = (false, 0);
        for &good in &self.probes[member] {
            against = if good == down { against + 1 } else { 0 };
            if against == 2 {
                (down, against) = (!down, 0);
            }
        }
        down
    }

    fn panic(&self) -> bool {
        let weight = |by: &dyn Fn(usize) -> bool| (0..4).filter(|&m| self.wanted[m] == Wanted::On && by(m)).map(|m| m + 1).sum::<usize>();
        let failed = |m: usize| self.down(m) || matches!(self.grey[m], Grey::Until { busy: false, .. });
        weight(&failed) * 100 > weight(&|_| true) * 50
    }

    fn fault(&self) -> bool {
        let probed: Vec<usize> = (0..4).filter(|&m| self.wanted[m] != Wanted::Off).collect();
        probed.len() > 1 && probed.iter().all(|&m| self.down(m))
    }

    /// Whether a call may try it, and whether only as a last resort.
    fn open(&self, m: usize) -> Option<bool> {
        if self.wanted[m] != Wanted::On || self.used(m) >= 3 {
            return None;
        }
        if let Grey::Until { second, busy, trial } = self.grey[m] {
            if self.now < second || trial.is_some_and(|until| self.now < until) {
                return (self.panic() && !busy).then_some(true);
            }
            if !self.down(m) {
                return Some(false);
            }
        }
        if !self.down(m) {
            return Some(false);
        }
        match (self.panic() || self.fault(), self.fails[m] > 0) {
            (false, _) => None,
            (true, true) => self.panic().then_some(true),
            (true, false) => Some(false),
        }
    }

    fn candidates(&self, key: &str) -> Vec<String> {
        let mut open: Vec<(bool, usize, f64, usize)> = Vec::new();
        for (m, name) in NAMES.iter().enumerate() {
            let hash = mix(mac(&[7; 16], &[key.as_bytes()]) ^ mac(&[7; 16], &[b"member", b"farm", name.as_bytes()]));
            let unit = ((hash >> 11) as f64 + 0.5) / 2f64.powi(53);
            if let Some(last) = self.open(m) {
                open.push((last, m / 3, -unit.ln() / (m + 1) as f64, m));
            }
        }
        open.sort_by(|a, b| a.partial_cmp(b).unwrap());
        open.into_iter().map(|(.., m)| NAMES[m].to_string()).collect()
    }

    fn begin(&mut self, call: u64, m: usize) -> bool {
        if self.calls.iter().any(|held| (held.0, held.1) == (call, m)) {
            return true;
        }
        self.calls.retain(|held| held.0 != call);
        if self.open(m).is_none() {
            return false;
        }
        self.calls.push((call, m, self.now + SETUP, false));
        if let Grey::Until { second, trial, .. } = &mut self.grey[m] {
            if *second <= self.now {
                *trial = Some(self.now + TRIAL_US / SECOND);
            }
        }
        true
    }

    fn grow(&mut self, m: usize, busy: bool) {
        if self.grey[m] == Grey::No && self.now - self.well_at[m] >= self.span[m] * GREY_MEMORY {
            self.greys[m] = 0;
        }
        self.span[m] = (10 << self.greys[m].min(12)).min(GREY_MOST_US / SECOND);
        self.greys[m] += 1;
        self.grey[m] = Grey::Until { second: self.now + self.span[m], busy, trial: None };
    }

    fn no_answer(&mut self, m: usize) {
        self.fails[m] = self.fails[m].saturating_add(1);
        match self.grey[m] {
            Grey::Until { trial: Some(_), .. } => self.grow(m, false),
            Grey::No if self.fails[m] >= 2 => self.grow(m, false),
            _ => {}
        }
    }

    fn reply(&mut self, m: usize, status: u16) {
        self.fails[m] = 0;
        match (status, self.grey[m]) {
            (503, Grey::Until { second, .. }) if self.now < second => {}
            (503, _) => self.grow(m, true),
            (101.., Grey::Until { second, busy, .. }) if !busy || second <= self.now => self.well(m),
            _ => {}
        }
    }

    fn well(&mut self, m: usize) {
        if self.grey[m] != Grey::No {
            (self.grey[m], self.well_at[m]) = (Grey::No, self.now);
        }
    }

    fn probe(&mut self, m: usize, good: bool) {
        let before = self.down(m);
        self.probes[m].push(good);
        if before && !self.down(m) {
            self.fails[m] = 0;
            self.well(m);
        }
    }

    fn step(&mut self, step: &Step) -> bool {
        match *step {
            Step::Begin { call, member } => return self.begin(call, member),
            Step::Answered { call } => {
                let until = self.now + LEASE;
                self.calls.iter_mut().filter(|held| held.0 == call).for_each(|held| (held.2, held.3) = (until, true));
            }
            Step::Ended { call } => self.calls.retain(|held| held.0 != call),
            Step::Pass { seconds } => {
                self.now += seconds;
                self.calls.retain(|held| held.2 > self.now);
            }
            Step::NoAnswer { member } => self.no_answer(member),
            Step::Reply { member, status } => self.reply(member, status),
            Step::Probe { member, good } => self.probe(member, good),
            Step::Set { member, wanted } => self.wanted[member] = wanted,
        }
        true
    }
}

fn play(farm: &mut Farm, wanted: &mut [Wanted; 4], step: &Step) -> bool {
    match *step {
        Step::Begin { call, member } => return farm.begin(NAMES[member], call),
        Step::Answered { call } => farm.pools.answered(call, farm.now),
        Step::Ended { call } => farm.pools.ended(call),
        Step::Pass { seconds } => {
            farm.now += seconds * SECOND;
            farm.pools.advance(farm.now);
        }
        Step::NoAnswer { member } => drop(farm.heard(NAMES[member], Outcome::NoAnswer)),
        Step::Reply { member, status } => drop(farm.heard(NAMES[member], Outcome::reply(status))),
        Step::Probe { member, good } => {
            if wanted[member] != Wanted::Off {
                farm.probed(NAMES[member], Outcome::reply(if good { 200 } else { 500 }));
            }
        }
        Step::Set { member, wanted: new } => {
            wanted[member] = new;
            farm.pools.apply(&config(wanted), farm.now).unwrap();
        }
    }
    true
}

/// The sums that are kept are those of the set.
fn recount(farm: &Farm) {
    let mut calls: BTreeMap<u16, u32> = BTreeMap::new();
    farm.pools.calls.all().for_each(|held| *calls.entry(held.member).or_default() += 1);
    for id in 0..MEMBERS as MemberId {
        let Some(member) = farm.pools.member(id) else { continue };
        let held = calls.get(&id).copied().unwrap_or(0);
        assert_eq!((held, held), (member.calls, member.used[0]), "{}", member.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pools_do_as_the_naive_model_does(steps in steps()) {
        let mut wanted = [Wanted::On; 4];
        let mut farm = Farm::new(&config(&wanted));
        let mut naive = Naive {
            wanted, calls: Vec::new(), probes: Default::default(), fails: [0; 4], grey: [Grey::No; 4], greys: [0; 4], span: [0; 4], well_at: [0; 4], now: 0,
        };
        for (n, step) in steps.iter().enumerate() {
            // Members that are off are not probed.
            if matches!(*step, Step::Probe { member, .. } if wanted[member] == Wanted::Off) {
                continue;
            }
            prop_assert_eq!(naive.step(step), play(&mut farm, &mut wanted, step), "step {}: {:?}", n, step);
            let key = format!("{n}@host");
            prop_assert_eq!(naive.candidates(&key), farm.tries(&key), "after step {}: {:?}", n, step);
            recount(&farm);
        }
        naive.calls.iter().for_each(|call| farm.pools.ended(call.0));
        prop_assert_eq!(0, farm.pools.view(0).calls);
    }
}
