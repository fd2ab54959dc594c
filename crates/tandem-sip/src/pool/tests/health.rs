//! Who is down, grey or on trial, and when nobody is.

use super::*;

const NO: Outcome = Outcome::NoAnswer;

fn ok() -> Outcome {
    Outcome::reply(200)
}

fn busy(retry_after_seconds: Option<u32>) -> Outcome {
    Outcome::Reply { status: 503, after_us: Some(1_000), retry_after_seconds }
}

fn two() -> Farm {
    Farm::new(&plain(2, json!({})))
}

#[test]
fn probes_take_a_member_down_and_up_by_thresholds() {
    let mut farm = Farm::new(&plain(3, json!({"health": {"up_after": 2, "down_after": 3}})));
    assert!(farm.probed("a", NO).is_empty() && farm.probed("a", NO).is_empty() && farm.probed("a", ok()).is_empty());
    assert!(farm.probed("a", NO).is_empty() && farm.probed("a", NO).is_empty(), "a good one in between begins anew");
    assert_eq!(vec![Became::Down], farm.probed("a", Outcome::reply(500)));
    assert!(!farm.tries("x@host").contains(&"a".into()));
    assert!(farm.probed("a", ok()).is_empty() && farm.probed("a", NO).is_empty() && farm.probed("a", ok()).is_empty());
    assert_eq!(vec![Became::Up], farm.probed("a", Outcome::reply(404)), "404 is good unless configured otherwise");
    assert!(farm.tries("x@host").contains(&"a".into()));
    assert_eq!(("up", "probe: answered 404"), (farm.view("a").last_change, &*farm.view("a").why));
}

#[test]
fn calls_without_answer_put_a_member_on_the_grey_list() {
    let mut farm = two();
    assert!(farm.heard("a", NO).is_empty() && farm.heard("a", Outcome::Transport).is_empty());
    farm.heard("a", ok());
    assert!(farm.heard("a", NO).is_empty() && farm.heard("a", NO).is_empty(), "an answer in between begins anew");
    assert_eq!(vec![Became::Grey { for_us: 10 * SECOND }], farm.heard("a", NO));
    assert_eq!(["b"], *farm.tries("x@host"));
    assert!(farm.heard("a", NO).is_empty(), "those under way say nothing new");
    assert_eq!(("grey", 10_000), (farm.view("a").state, farm.view("a").grey_ms));
}

#[test]
fn one_call_at_a_time_tries_a_grey_member_when_its_time_is_over() {
    let mut farm = two();
    (0..3).for_each(|_| drop(farm.heard("a", NO)));
    farm.now = 10 * SECOND;
    assert_eq!("trial", farm.view("a").state);
    assert!(farm.tries("x@host").contains(&"a".into()));
    assert!(farm.begin("a", 1));
    assert!(!farm.begin("a", 2), "the trial is taken");
    assert_eq!(["b"], *farm.tries("y@host"));
    assert_eq!(vec![Became::Well], farm.heard("a", Outcome::reply(183)));
    assert!(farm.begin("a", 2) && farm.begin("a", 3));
}

#[test]
fn a_failed_trial_doubles_the_time_up_to_a_limit() {
    let mut farm = two();
    (0..3).for_each(|_| drop(farm.heard("a", NO)));
    for span in [20, 40, 80, 160, 300, 300] {
        farm.now += 400 * SECOND;
        assert!(farm.begin("a", 1));
        farm.pools.ended(1);
        assert_eq!(vec![Became::Grey { for_us: span * SECOND }], farm.heard("a", NO));
    }
}

#[test]
fn a_trial_that_nobody_tells_of_is_over_some_time() {
    let mut farm = two();
    (0..3).for_each(|_| drop(farm.heard("a", NO)));
    farm.now = 10 * SECOND;
    assert!(farm.begin("a", 1));
    farm.now += TRIAL_US;
    assert!(farm.begin("a", 2));
}

#[test]
fn a_request_that_is_no_call_may_be_the_trial_too() {
    let mut farm = Farm::new(&plain(1, json!({"health": {"panic_percent": 100}})));
    (0..3).for_each(|_| drop(farm.heard("a", Outcome::Transport)));
    farm.now = 10 * SECOND;
    let ask = Ask { key: b"x", need: farm.pools.need(0, b"REGISTER", None) };
    assert!(matches!(farm.pools.candidates(0, &ask, farm.now), Candidates::Try(_)));
    assert_eq!(Candidates::NoneUp, farm.pools.candidates(0, &ask, farm.now));
    farm.heard("a", ok());
    assert!(matches!(farm.pools.candidates(0, &ask, farm.now), Candidates::Try(_)));
}

#[test]
fn a_flapping_member_stays_away_longer_each_time_and_a_steady_one_is_forgiven() {
    let mut farm = two();
    let mut flap = |wait: u64| {
        farm.now += wait * SECOND;
        let mut became = Vec::new();
        (0..3).for_each(|_| became.extend(farm.heard("a", NO)));
        farm.now += 300 * SECOND;
        farm.begin("a", 1);
        farm.pools.ended(1);
        farm.heard("a", ok());
        became[0]
    };
    let grey = |seconds: u64| Became::Grey { for_us: seconds * SECOND };
    assert_eq!([grey(10), grey(20), grey(40)], [flap(1), flap(1), flap(1)]);
    assert_eq!(grey(10), flap(161));
}

#[test]
fn a_503_marks_at_once_for_its_retry_after() {
    let mut farm = two();
    assert_eq!(vec![Became::Busy { for_us: 7 * SECOND }], farm.heard("a", busy(Some(7))));
    assert_eq!(["b"], *farm.tries("x@host"));
    assert_eq!("busy", farm.view("a").state);
    assert!(farm.heard("a", ok()).is_empty(), "a call from before says nothing about its load");
    assert_eq!(["b"], *farm.tries("x@host"));
    farm.now = 7 * SECOND;
    assert!(farm.tries("x@host").contains(&"a".into()));
    assert_eq!(vec![Became::Busy { for_us: 10 * SECOND }], farm.heard("a", busy(None)), "without Retry-After: grey_ms");
    farm.heard("b", busy(Some(u32::MAX)));
    assert_eq!(RETRY_AFTER_MOST_US / 1_000, farm.view("b").grey_ms);
}

#[test]
fn all_busy_is_none_up_for_that_is_their_own_word() {
    let mut farm = two();
    farm.heard("a", busy(None));
    farm.heard("b", busy(None));
    assert_eq!(Candidates::NoneUp, farm.ask("x@host"));
}

#[test]
fn late_answers_in_a_row_are_as_bad_as_none() {
    let mut farm = two();
    let late = |farm: &mut Farm, n| (0..n).flat_map(|_| farm.heard("a", Outcome::Late)).collect::<Vec<_>>();
    assert!(late(&mut farm, 8).is_empty());
    farm.heard("a", Outcome::reply(100));
    assert!(late(&mut farm, 8).is_empty());
    assert_eq!(vec![Became::Grey { for_us: 10 * SECOND }], late(&mut farm, 1));
    assert_eq!(vec![Became::Well], farm.heard("a", Outcome::reply(180)), "it was only slow");
}

#[test]
fn what_is_answered_counts_for_the_member_whatever_it_says() {
    let mut farm = two();
    for status in [100, 180, 200, 302, 404, 408, 480, 486, 500, 504, 603] {
        farm.heard("a", NO);
        farm.heard("a", NO);
        assert!(farm.heard("a", Outcome::reply(status)).is_empty());
    }
    assert_eq!(("up", [1, 1, 4, 2, 1], 22), (farm.view("a").state, farm.view("a").replies, farm.view("a").no_answer));
}

#[test]
fn passive_health_can_be_turned_off() {
    let mut farm = Farm::new(&plain(2, json!({"health": {"passive_down_after": 0}})));
    (0..50).for_each(|_| assert!(farm.heard("a", NO).is_empty() && farm.heard("a", Outcome::Late).is_empty()));
}

#[test]
fn above_the_panic_threshold_nobody_is_treated_as_down() {
    let mut farm = Farm::new(&plain(4, json!({})));
    farm.down("a");
    farm.down("b");
    assert_eq!(2, farm.tries("x@host").len(), "half may be down");
    farm.probed("c", NO);
    farm.probed("c", NO);
    assert_eq!(vec![Became::Down, Became::Panic], farm.probed("c", NO));
    assert_eq!(4, farm.tries("x@host").len());
    assert!(farm.pools.view(0).pools[0].panic);
    assert!(farm.shares(400).values().all(|&share| share > 60), "by probes alone, all get calls");
    assert_eq!(vec![Became::Up, Became::Calm], farm.probed("a", ok()));
    assert_eq!(2, farm.tries("x@host").len());
}

#[test]
fn in_a_panic_those_whose_own_calls_failed_come_last() {
    let mut farm = Farm::new(&plain(4, json!({})));
    for name in ["a", "b", "c"] {
        farm.down(name);
        farm.heard(name, NO);
    }
    assert_eq!(400, farm.shares(400)["d"]);
    assert_eq!(4, farm.tries("x@host").len());
    farm.heard("b", ok());
    let shares = farm.shares(400);
    assert!(shares["b"] > 100 && shares["d"] > 100 && shares.len() == 2, "{shares:?}");
}

#[test]
fn a_panic_weighs_members() {
    let mut farm = Farm::new(&farm(&[json!({"weight": 80}), json!({"weight": 10}), json!({"weight": 10})], json!({})));
    farm.down("b");
    farm.down("c");
    assert_eq!(["a"], *farm.tries("x@host"));
    let mut farm = Farm::new(&super::farm(&[json!({"weight": 80}), json!({"weight": 10}), json!({"weight": 10})], json!({})));
    farm.down("a");
    assert_eq!(3, farm.tries("x@host").len());
}

#[test]
fn when_no_probe_of_any_pool_is_answered_probes_count_for_nothing() {
    let pool = |name: &str| {
        json!({"name": name, "health": {"panic_percent": 100}, "members": [
        {"name": format!("{name}1"), "address": "192.0.2.1:5060"}, {"name": format!("{name}2"), "address": "192.0.2.2:5060"}]})
    };
    let config: PoolsConfig = serde_json::from_value(json!({"pools": [pool("x"), pool("y")]})).unwrap();
    let mut farm = Farm::new(&config);
    ["x1", "x2", "y1"].iter().for_each(|name| farm.down(name));
    assert_eq!(Candidates::NoneUp, farm.ask("k@host"), "y2 still answers: x is down indeed");
    farm.down("y2");
    assert!(farm.pools.view(0).probe_fault);
    assert_eq!(2, farm.tries("k@host").len());
    farm.probed("y2", ok());
    assert_eq!(Candidates::NoneUp, farm.ask("k@host"));
}

#[test]
fn a_pool_of_one_is_always_tried_unless_it_says_no_itself() {
    let mut farm = Farm::new(&plain(1, json!({})));
    farm.down("a");
    (0..3).for_each(|_| drop(farm.heard("a", NO)));
    assert_eq!(["a"], *farm.tries("x@host"));
    assert!(farm.begin("a", 1));
}

#[test]
fn a_member_that_was_started_anew_is_believed() {
    let mut farm = two();
    (0..3).for_each(|_| drop(farm.heard("a", Outcome::Transport)));
    farm.down("a");
    farm.now = SECOND;
    farm.probed("a", ok());
    assert_eq!("up", farm.view("a").state);
    (0..3).for_each(|_| drop(farm.heard("a", NO)));
    farm.probed("a", ok());
    assert_eq!("grey", farm.view("a").state, "probes that were good all the time say nothing about its calls");
}

#[test]
fn a_siblings_verdict_counts_here() {
    let (mut one, mut two) = (two(), two());
    let mut tell = |one: &mut Farm, changes: Vec<Change>| {
        assert!(changes.iter().all(Change::is_verdict));
        for change in changes {
            let json = serde_json::to_string(&change).unwrap();
            two.pools.told(&serde_json::from_str(&json).unwrap(), one.now);
        }
        two.now = one.now;
        (two.view("a").state, two.tries("x@host").len())
    };
    let a = one.id("a");
    let probes: Vec<Change> = (0..3).flat_map(|_| one.pools.probed(a, NO, 0)).collect();
    assert_eq!(("down", 1), tell(&mut one, probes));
    let probes = one.pools.probed(a, ok(), 0);
    assert_eq!(("up", 2), tell(&mut one, probes));
    let calls: Vec<Change> = (0..3).flat_map(|_| one.pools.heard(a, NO, 0)).collect();
    assert_eq!(("grey", 1), tell(&mut one, calls));
    one.now = 11 * SECOND;
    assert!(one.begin("a", 1));
    let calls = one.pools.heard(a, ok(), one.now);
    assert_eq!(("up", 2), tell(&mut one, calls));
    let calls = one.pools.heard(a, busy(Some(30)), one.now);
    assert_eq!(("busy", 1), tell(&mut one, calls));
}

#[test]
fn a_word_about_someone_unknown_changes_nothing() {
    let mut farm = two();
    let change = Change { pool: "farm".into(), member: "zz".into(), became: Became::Down, why: "".into() };
    assert!(farm.pools.told(&change, 0).is_empty());
    assert!(
        farm.pools.heard(1023, NO, 0).is_empty() && farm.pools.heard(9999, NO, 0).is_empty() && farm.pools.probed(9999, NO, 0).is_empty()
    );
    assert!(!farm.pools.begin(9999, 1, Need::default(), 0));
}
