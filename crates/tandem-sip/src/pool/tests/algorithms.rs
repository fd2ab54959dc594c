//! Who is tried first.

use super::*;
use std::collections::HashMap;

#[test]
fn weights_are_shares_of_the_calls() {
    let mut farm = Farm::new(&farm(&[json!({"weight": 50}), json!({"weight": 30}), json!({"weight": 20})], json!({})));
    let shares = farm.shares(20_000);
    for (name, wanted) in [("a", 10_000), ("b", 6_000), ("c", 4_000)] {
        assert!(shares[name].abs_diff(wanted) < 300, "{name}: {} of 20,000, not {wanted}", shares[name]);
    }
}

#[test]
fn edges_agree_about_a_call_whatever_the_order_of_members() {
    let mut config = plain(5, json!({}));
    let mut one = Farm::new(&config);
    config.pools[0].members.reverse();
    let mut two = Farm::new(&config);
    for key in ["x@host", "y@host", "z@host"] {
        assert_eq!(one.tries(key), two.tries(key));
    }
    assert_eq!(one.id("c"), two.id("c"));
}

#[test]
fn a_request_is_offered_a_bounded_number_of_members() {
    let config: PoolsConfig = serde_json::from_value(json!({"pools": [{"name": "farm", "members": (1..=20).map(|i|
        json!({"name": format!("m{i}"), "address": format!("192.0.2.{i}:5060")})).collect::<Vec<_>>()}]}))
    .unwrap();
    let mut farm = Farm::new(&config);
    let Candidates::Try(list) = farm.ask("x@host") else { panic!("all are up") };
    assert!(!list.spilled(), "it lives on the stack");
    let tries = farm.tries("x@host");
    assert_eq!(CANDIDATES, tries.len());
    let different: std::collections::BTreeSet<_> = tries.iter().collect();
    assert_eq!(CANDIDATES, different.len());
}

/// Who is first for each of 100,000 keys.
fn places(farm: &mut Farm) -> Vec<MemberId> {
    let key = |key: usize| match farm.ask(&format!("call-{key}@192.0.2.200")) {
        Candidates::Try(list) => list[0],
        _ => panic!("somebody is up"),
    };
    (0..100_000).map(key).collect()
}

fn moved(a: &[MemberId], b: &[MemberId]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as f64 / a.len() as f64
}

#[test]
fn taking_one_of_n_away_moves_its_share_of_keys_and_adding_it_restores_them() {
    for (n, taken) in [(2, 0), (3, 2), (5, 1), (8, 7), (16, 8)] {
        let whole = plain(n, json!({"algorithm": "hash", "hash_on": "call_id"}));
        let mut farm = Farm::new(&whole);
        let before = places(&mut farm);
        let mut less = whole.clone();
        less.pools[0].members.remove(taken);
        farm.pools.apply(&less, 0).unwrap();
        let share = moved(&before, &places(&mut farm));
        let most = 1.05 / n as f64;
        assert!(share <= most, "{share} of the keys moved when 1 of {n} was taken away, more than {most}");
        farm.pools.apply(&whole, 0).unwrap();
        assert_eq!(0.0, moved(&before, &places(&mut farm)));
    }
}

#[test]
fn with_weights_only_the_keys_of_the_member_taken_away_move() {
    let weights = [20, 80, 100];
    let whole = farm(&weights.map(|weight| json!({"weight": weight})), json!({"algorithm": "hash", "hash_on": "from"}));
    let mut farm = Farm::new(&whole);
    let before = places(&mut farm);
    for (taken, weight) in weights.iter().enumerate() {
        let mut less = whole.clone();
        less.pools[0].members.remove(taken);
        farm.pools.apply(&less, 0).unwrap();
        let share = moved(&before, &places(&mut farm));
        assert!((share - f64::from(*weight) / 200.0).abs() < 0.01, "{share} of the keys moved with weight {weight} of 200");
        farm.pools.apply(&whole, 0).unwrap();
        assert_eq!(0.0, moved(&before, &places(&mut farm)));
    }
}

#[test]
fn who_is_down_moves_only_its_own_keys() {
    let mut farm = Farm::new(&plain(5, json!({"algorithm": "hash"})));
    let before = places(&mut farm);
    farm.down("b");
    let down = farm.id("b");
    let after = places(&mut farm);
    assert!(before.iter().zip(&after).all(|(&before, after)| before == down || before == *after));
    assert!(!after.contains(&down));
}

#[test]
fn round_robin_is_smooth_and_in_proportion() {
    let mut farm =
        Farm::new(&farm(&[json!({"weight": 5}), json!({"weight": 1}), json!({"weight": 1})], json!({"algorithm": "round_robin"})));
    let turns: String = (0..14).map(|call| farm.first(&format!("{call}@host"))).collect();
    assert_eq!("aabacaaaabacaa", turns);
}

#[test]
fn round_robin_goes_on_among_those_that_are_left() {
    let mut farm = Farm::new(&plain(3, json!({"algorithm": "round_robin"})));
    farm.down("b");
    let turns: String = (0..6).map(|call| farm.first(&format!("{call}@host"))).collect();
    assert_eq!((3, 3), (turns.matches('a').count(), turns.matches('c').count()), "{turns}");
}

#[test]
fn a_request_that_begins_no_call_takes_no_turn() {
    let mut farm = Farm::new(&plain(3, json!({"algorithm": "round_robin"})));
    let need = farm.pools.need(0, b"OPTIONS", None);
    let mut seen = HashMap::new();
    for _ in 0..9 {
        let Candidates::Try(list) = farm.pools.candidates(0, &Ask { key: b"same@host", need }, 0) else { panic!("all are up") };
        *seen.entry(list[0]).or_insert(0) += 1;
    }
    assert_eq!(1, seen.len());
}

#[test]
fn the_fewest_calls_for_its_weight_come_first() {
    let mut farm = Farm::new(&farm(&[json!({"weight": 3}), json!({"weight": 1})], json!({"algorithm": "least_calls"})));
    for call in 0..40 {
        let first = farm.first(&format!("{call}@host"));
        assert!(farm.begin(&first, call));
    }
    assert_eq!((30, 10), (farm.view("a").calls, farm.view("b").calls));
    for call in 0..40 {
        if farm.pools.holder(call) == Some(farm.id("b")) {
            farm.pools.ended(call);
        }
    }
    assert_eq!("b", farm.first("next@host"));
}

#[test]
fn equal_loads_are_told_apart_by_the_call_id() {
    let mut farm = Farm::new(&plain(4, json!({"algorithm": "least_calls"})));
    assert!(farm.shares(1_000).values().all(|&share| share > 180));
}

fn answered_in(us: u64) -> Outcome {
    Outcome::Reply { status: 180, after_us: Some(us), retry_after_seconds: None }
}

#[test]
fn the_quicker_of_two_comes_first_and_the_slow_one_still_gets_calls_later() {
    let mut farm = Farm::new(&plain(2, json!({"algorithm": "least_response_time"})));
    for _ in 0..20 {
        farm.heard("a", answered_in(80_000));
        farm.heard("b", answered_in(5_000));
    }
    assert_eq!(100, farm.shares(100)["b"]);
    // The quick one keeps answering in its time; what is known of the other grows old.
    farm.now = 60 * SECOND;
    farm.heard("b", answered_in(5_000));
    assert_eq!("a", farm.first("x@host"));
}

#[test]
fn who_was_never_heard_is_tried_and_the_slowest_of_many_gets_nothing() {
    let mut farm = Farm::new(&plain(3, json!({"algorithm": "least_response_time"})));
    farm.heard("a", answered_in(1_000));
    farm.heard("b", answered_in(1_000));
    let new = farm.shares(3_000)["c"];
    assert!(new > 1_800, "two thirds of the pairs have it: {new}");
    farm.heard("c", answered_in(90_000));
    assert_eq!(None, farm.shares(3_000).get("c"));
}

#[test]
fn no_answer_counts_as_slow() {
    let mut farm = Farm::new(&plain(2, json!({"algorithm": "least_response_time"})));
    farm.heard("a", Outcome::NoAnswer);
    farm.heard("b", answered_in(300_000));
    assert_eq!("b", farm.first("x@host"));
}

#[test]
fn the_next_priority_is_used_when_none_of_the_first_can_be_tried() {
    let members = [json!({}), json!({}), json!({"priority": 10}), json!({"priority": 20})];
    let mut farm = Farm::new(&farm(&members, json!({"health": {"panic_percent": 100}})));
    assert_eq!(["c", "d"], farm.tries("x@host")[2..]);
    farm.down("a");
    assert_eq!(["b", "c", "d"], *farm.tries("x@host"));
    farm.down("b");
    assert_eq!(["c", "d"], *farm.tries("x@host"));
    farm.down("c");
    assert_eq!(["d"], *farm.tries("x@host"));
}

#[test]
fn who_has_no_weight_comes_after_the_others_of_its_priority() {
    for algorithm in ["weighted", "round_robin", "least_calls", "least_response_time"] {
        let members = [json!({"weight": 0}), json!({"weight": 5}), json!({"weight": 0, "priority": 1})];
        let mut farm = Farm::new(&farm(&members, json!({"algorithm": algorithm, "health": {"panic_percent": 100}})));
        assert_eq!(["b", "a", "c"], *farm.tries("x@host"));
        farm.down("b");
        assert_eq!(["a", "c"], *farm.tries("x@host"));
    }
}

#[test]
fn what_is_hashed_on_is_said_to_the_caller() {
    for (text, key) in [("call_id", HashOn::CallId), ("source", HashOn::Source), ("header:X-Account", HashOn::Header("X-Account".into()))] {
        let farm = Farm::new(&plain(2, json!({"algorithm": "hash", "hash_on": text})));
        assert_eq!(key, farm.pools.settings(0).hash_on);
    }
}
