//! When members are asked whether they live.

use super::*;
use std::collections::BTreeMap;

#[test]
fn only_the_prober_has_members_due() {
    let mut farm = Farm::new(&plain(3, json!({})));
    assert!(farm.pools.probes(100 * SECOND).is_empty());
    assert_eq!(None, farm.pools.wake_at());
    farm.pools.set_prober(true, 0);
    assert!(farm.pools.wake_at().is_some());
    farm.pools.set_prober(false, 0);
    assert_eq!(None, farm.pools.wake_at());
}

#[test]
fn a_prober_soon_knows_everyone_then_asks_once_an_interval_spread_and_jittered() {
    let mut farm = Farm::new(&plain(20, json!({})));
    farm.pools.set_prober(true, 0);
    let mut asked: BTreeMap<MemberId, Vec<u64>> = BTreeMap::new();
    let mut most_at_once = 0;
    while farm.now < 60 * SECOND {
        farm.now = farm.pools.wake_at().unwrap();
        let due = farm.pools.probes(farm.now);
        assert!(!due.is_empty(), "it was woken for nothing");
        most_at_once = most_at_once.max(due.len());
        for id in due {
            asked.entry(id).or_default().push(farm.now);
            farm.pools.probed(id, Outcome::reply(200), farm.now + 1_000);
        }
    }
    assert_eq!((20, true), (asked.len(), most_at_once <= 3));
    for times in asked.values() {
        assert!(times[0] <= SPREAD_US);
        for two in times.windows(2) {
            assert!((9 * SECOND..=11 * SECOND).contains(&(two[1] - two[0])), "{times:?}");
        }
    }
    let gaps: std::collections::BTreeSet<u64> = asked.values().flat_map(|times| times.windows(2).map(|two| two[1] - two[0])).collect();
    assert!(gaps.len() > 50, "the jitter differs each time");
}

#[test]
fn a_doubt_is_settled_quickly() {
    let mut farm = Farm::new(&plain(2, json!({})));
    farm.pools.set_prober(true, 0);
    let a = farm.id("a");
    let mut verdict = None;
    let mut asked_first = None;
    while verdict.is_none() {
        farm.now = farm.pools.wake_at().unwrap();
        for id in farm.pools.probes(farm.now) {
            if id != a {
                continue;
            }
            asked_first.get_or_insert(farm.now);
            verdict = farm.pools.probed(a, Outcome::Transport, farm.now).into_iter().next().map(|change| (change.became, farm.now));
        }
    }
    let (became, at) = verdict.unwrap();
    assert_eq!(Became::Down, became);
    assert!(at - asked_first.unwrap() <= 2 * QUICK_PROBE_US, "three probes and two short waits");
}

#[test]
fn a_member_is_not_asked_again_before_it_could_have_answered() {
    let mut farm = Farm::new(&plain(1, json!({"health": {"interval_ms": 500, "timeout_ms": 2000}})));
    farm.pools.set_prober(true, 0);
    farm.now = farm.pools.wake_at().unwrap();
    assert_eq!(1, farm.pools.probes(farm.now).len());
    assert!(farm.pools.wake_at().unwrap() >= farm.now + 2 * SECOND);
}

#[test]
fn many_members_are_asked_in_portions() {
    let members: Vec<Value> = (0..500).map(|i| json!({"name": format!("m{i}"), "address": "192.0.2.1:5060"})).collect();
    let config = serde_json::from_value(json!({"pools": [{"name": "farm", "members": members}]})).unwrap();
    let mut farm = Farm::new(&config);
    farm.pools.set_prober(true, 0);
    farm.now = 5 * SECOND; // all are due
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let due = farm.pools.probes(farm.now);
        assert!(due.len() <= PROBES_AT_ONCE);
        seen.extend(due);
        farm.now += 60_000;
    }
    assert_eq!(500, seen.len());
}

#[test]
fn a_pool_without_probes_has_none_and_never_waits_for_them() {
    let mut farm = Farm::new(&plain(3, json!({"health": {"interval_ms": 0}})));
    farm.pools.set_prober(true, 0);
    assert_eq!(None, farm.pools.wake_at());
    assert!(farm.pools.probes(100 * SECOND).is_empty());
    assert_eq!(3, farm.tries("x@host").len());
}

#[test]
fn a_new_member_is_asked_at_once() {
    let mut farm = Farm::new(&plain(1, json!({})));
    farm.pools.set_prober(true, 0);
    farm.now = 5 * SECOND;
    farm.pools.probes(farm.now);
    farm.pools.apply(&plain(2, json!({})), farm.now).unwrap();
    let due: Vec<String> = farm.pools.probes(farm.now).into_iter().map(|id| farm.name(id)).collect();
    assert_eq!(vec!["b"], due);
}
