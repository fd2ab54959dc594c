//! Calls in hand: capacity, leases, and the set that they are.

use super::*;

fn limited(capacity: &[Value], costs: Value) -> PoolsConfig {
    let members: Vec<Value> = capacity.iter().map(|capacity| json!({"capacity": capacity})).collect();
    farm(&members, json!({"costs": costs, "health": {"panic_percent": 100}}))
}

fn calls() -> Value {
    json!([{"methods": ["INVITE"], "take": {"call": 1}}])
}

#[test]
fn a_full_member_is_passed_over_and_all_full_is_not_none_up() {
    let mut farm = Farm::new(&limited(&[json!({"call": 2}), json!({"call": 1})], calls()));
    assert!(farm.begin("a", 1) && farm.begin("a", 2));
    assert_eq!(["b"], *farm.tries("x@host"));
    assert!(farm.begin("b", 3));
    assert_eq!(Candidates::Full, farm.ask("x@host"));
    farm.pools.ended(2);
    assert_eq!(["a"], *farm.tries("x@host"));
    farm.down("a");
    farm.down("b");
    farm.pools.told_usage(9, Usage::default());
    farm.pools.probed(farm.id("b"), Outcome::reply(200), 0);
    assert_eq!(Candidates::Full, farm.ask("x@host"), "b is up and full");
    assert_eq!((2, Some(2)), {
        farm.pools.probed(farm.id("a"), Outcome::reply(200), 0);
        farm.begin("a", 4);
        let view = farm.view("a").resources["call"];
        (view.used, view.capacity)
    });
}

#[test]
fn none_up_is_said_when_all_are_off() {
    let mut farm = Farm::new(&farm(&[json!({"state": "off"}), json!({"state": "draining"})], json!({})));
    assert_eq!(Candidates::NoneUp, farm.ask("x@host"));
}

#[test]
fn saying_it_twice_takes_once() {
    let mut farm = Farm::new(&limited(&[json!({"call": 5})], calls()));
    for _ in 0..3 {
        assert!(farm.begin("a", 1));
    }
    assert_eq!(1, farm.view("a").resources["call"].used);
    for _ in 0..3 {
        farm.pools.ended(1);
    }
    assert_eq!(0, farm.view("a").calls);
}

#[test]
fn the_next_try_leaves_the_member_before() {
    let mut farm = Farm::new(&limited(&[json!({"call": 1}), json!({"call": 1})], calls()));
    assert!(farm.begin("a", 1) && farm.begin("b", 1));
    assert_eq!((0, 1), (farm.view("a").calls, farm.view("b").calls));
}

#[test]
fn a_member_that_fills_up_between_the_choice_and_the_try_says_no() {
    let mut farm = Farm::new(&limited(&[json!({"call": 1}), json!({"call": 1})], calls()));
    let first = farm.first("x@host");
    assert!(farm.begin(&first, 1));
    assert!(!farm.begin(&first, 2));
}

#[test]
fn several_resources_must_all_have_room_and_who_lacks_one_has_none() {
    let costs = json!([{"name": "transcoded", "take": {"call": 1, "transcode": 2}}, {"methods": ["INVITE"], "take": {"call": 1}},
                       {"methods": ["REGISTER"], "take": {"registration": 1}}]);
    let capacity = [json!({"call": 10, "transcode": 3}), json!({"call": 10, "registration": 1})];
    let mut farm = Farm::new(&limited(&capacity, costs));
    let transcoded = farm.pools.need(0, b"INVITE", Some("transcoded"));
    let ask = |farm: &mut Farm, need| match farm.pools.candidates(0, &Ask { key: b"x", need }, 0) {
        Candidates::Try(list) => list.iter().map(|&id| farm.name(id)).collect(),
        _ => Vec::new(),
    };
    assert_eq!(["a"], *ask(&mut farm, transcoded));
    assert!(farm.pools.begin(farm.id("a"), 1, transcoded, 0));
    assert_eq!(Candidates::Full, farm.pools.candidates(0, &Ask { key: b"x", need: transcoded }, 0));
    assert_eq!(2, farm.tries("x@host").len(), "a call without transcoding has room on both");
    let register = farm.pools.need(0, b"REGISTER", None);
    assert_eq!(["b"], *ask(&mut farm, register));
    let options = farm.pools.need(0, b"OPTIONS", None);
    assert_eq!(2, ask(&mut farm, options).len(), "what has no rule takes nothing");
    let used: Vec<_> = farm.view("a").resources.iter().map(|(name, view)| (name.to_string(), view.used)).collect();
    assert_eq!(vec![("call".into(), 1), ("transcode".into(), 2)], used);
}

#[test]
fn a_call_that_nobody_ends_runs_out() {
    let mut farm = Farm::new(&plain(1, json!({"ring_seconds": 60, "call_lease_seconds": 600})));
    assert!(farm.begin("a", 1) && farm.begin("a", 2) && farm.begin("a", 3));
    farm.pools.answered(2, 10 * SECOND);
    farm.pools.answered(3, 10 * SECOND);
    assert_eq!(Some(124 * SECOND), farm.pools.wake_at());
    farm.pools.advance(123 * SECOND);
    assert_eq!(3, farm.view("a").calls);
    farm.pools.advance(125 * SECOND);
    assert_eq!(2, farm.view("a").calls);
    farm.pools.answered(3, 300 * SECOND); // it lives still
    farm.pools.advance(611 * SECOND);
    assert_eq!((None, Some(farm.id("a"))), (farm.pools.holder(2), farm.pools.holder(3)));
    farm.pools.advance(901 * SECOND);
    assert_eq!((0, None), (farm.view("a").calls, farm.pools.wake_at()));
}

#[test]
fn beyond_the_limit_capacity_is_kept_and_others_are_not_counted() {
    let config = farm(&[json!({"capacity": {"call": 100}}), json!({})], json!({"costs": calls()}));
    let mut farm = Farm { pools: Pools::holding([7; 16], 3), now: 0 };
    farm.pools.apply(&config, 0).unwrap();
    assert!(farm.begin("a", 1) && farm.begin("b", 2) && farm.begin("a", 3));
    assert!(!farm.begin("a", 4));
    assert_eq!(3, farm.pools.view(0).calls);
    let mut free = Farm { pools: Pools::holding([7; 16], 3), now: 0 };
    free.pools.apply(&plain(1, json!({})), 0).unwrap();
    assert!((0..5).all(|call| free.begin("a", call)));
    assert_eq!((3, 2), (free.pools.view(0).calls, free.pools.view(0).uncounted));
}

#[test]
fn an_entry_weighs_at_most_48_bytes() {
    let mut farm = Farm::new(&plain(3, json!({})));
    let mut worst: f64 = 0.0;
    for call in 0..200_000u64 {
        let member = ["a", "b", "c"][call as usize % 3];
        let key = farm.pools.call_key(0, &call.to_le_bytes());
        assert!(farm.begin(member, key));
        if call % 1_000 == 999 && call > 20_000 {
            worst = worst.max(farm.pools.calls.bytes() as f64 / farm.pools.calls.len() as f64);
        }
    }
    assert!(worst <= 48.0, "{worst} bytes");
}

#[test]
fn what_siblings_have_in_hand_counts() {
    let config = limited(&[json!({"call": 3})], calls());
    let (mut one, mut two) = (Farm::new(&config), Farm::new(&config));
    assert!(one.begin("a", 1) && one.begin("a", 2));
    two.pools.told_usage(1, one.pools.usage());
    assert!(two.begin("a", 3) && !two.begin("a", 4));
    assert_eq!((2, 3), (two.view("a").calls_elsewhere, two.view("a").resources["call"].used));
    one.pools.ended(1);
    two.pools.told_usage(1, one.pools.usage());
    assert!(two.begin("a", 4));
    let json = serde_json::to_string(&one.pools.usage()).unwrap();
    assert_eq!(one.pools.usage(), serde_json::from_str(&json).unwrap());
}

#[test]
fn a_smaller_capacity_keeps_the_calls_that_there_are() {
    let mut farm = Farm::new(&limited(&[json!({"call": 5})], calls()));
    assert!((0..5).all(|call| farm.begin("a", call)));
    farm.pools.apply(&limited(&[json!({"call": 2})], calls()), 0).unwrap();
    assert_eq!((5, Candidates::Full), (farm.view("a").calls, farm.ask("x@host")));
    (0..4).for_each(|call| farm.pools.ended(call));
    assert!(farm.begin("a", 9));
}

#[test]
fn a_call_taken_by_an_old_rule_gives_back_what_it_took() {
    let costs = |amount: u32| json!([{"methods": ["INVITE"], "take": {"call": amount}}]);
    let mut farm = Farm::new(&limited(&[json!({"call": 9})], costs(4)));
    assert!(farm.begin("a", 1));
    farm.pools.apply(&limited(&[json!({"call": 9})], costs(1)), 0).unwrap();
    assert!(farm.begin("a", 2));
    assert_eq!(5, farm.view("a").resources["call"].used);
    farm.pools.ended(1);
    assert_eq!(1, farm.view("a").resources["call"].used);
}
