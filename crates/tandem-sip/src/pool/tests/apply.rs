//! A configuration that is changed while calls run.

use super::*;

#[test]
fn members_of_the_same_name_keep_number_calls_and_health() {
    let config = plain(3, json!({}));
    let mut farm = Farm::new(&config);
    let numbers: Vec<MemberId> = ["a", "b", "c"].map(|name| farm.id(name)).into();
    assert!(farm.begin("a", 1));
    farm.down("b");
    let mut more = config.clone();
    more.pools[0].members.insert(0, serde_json::from_value(json!({"name": "new", "address": "192.0.2.9:5060"})).unwrap());
    more.pools[0].members[1].weight = 7;
    let changes = farm.pools.apply(&more, 0).unwrap();
    assert_eq!(vec![("new", Became::Added)], changes.iter().map(|change| (&*change.member, change.became)).collect::<Vec<_>>());
    assert_eq!(numbers, ["a", "b", "c"].map(|name| farm.id(name)));
    assert_eq!((1, 7), (farm.view("a").calls, farm.view("a").weight));
    assert_eq!("down", farm.view("b").state);
}

#[test]
fn another_address_is_another_server() {
    let mut config = plain(3, json!({}));
    let mut farm = Farm::new(&config);
    farm.down("b");
    assert!(!farm.begin("b", 1) && farm.begin("a", 2));
    config.pools[0].members[1].address = "192.0.2.77:5060".parse().unwrap();
    farm.pools.apply(&config, 0).unwrap();
    assert_eq!("up", farm.view("b").state);
    assert_eq!(Some(farm.id("b")), farm.pools.member_at("192.0.2.77:5060".parse().unwrap(), Transport::Udp));
    assert_eq!(None, farm.pools.member_at("192.0.2.2:5060".parse().unwrap(), Transport::Udp));
}

#[test]
fn a_removed_member_keeps_its_number_until_its_last_call_ends() {
    let config = plain(3, json!({}));
    let mut farm = Farm::new(&config);
    let a = farm.id("a");
    assert!(farm.begin("a", 1) && farm.begin("a", 2));
    let mut less = config.clone();
    less.pools[0].members.remove(0);
    let changes = farm.pools.apply(&less, 0).unwrap();
    assert_eq!(Became::Removed, changes[0].became);
    assert_eq!("gone", farm.view("a").state);
    assert!(!farm.tries("x@host").contains(&"a".into()) && !farm.begin("a", 3));
    farm.pools.ended(1);
    assert!(farm.pools.member(a).is_some());
    farm.pools.ended(2);
    assert!(farm.pools.member(a).is_none());
}

#[test]
fn a_removed_member_is_let_go_when_its_last_lease_runs_out() {
    let config = plain(2, json!({"call_lease_seconds": 600}));
    let mut farm = Farm::new(&config);
    let a = farm.id("a");
    assert!(farm.begin("a", 1));
    farm.pools.answered(1, 0);
    let mut less = config.clone();
    less.pools[0].members.remove(0);
    farm.pools.apply(&less, 0).unwrap();
    farm.pools.advance(599 * SECOND);
    assert!(farm.pools.member(a).is_some());
    farm.pools.advance(601 * SECOND);
    assert!(farm.pools.member(a).is_none());
}

#[test]
fn a_member_that_comes_back_has_its_calls() {
    let config = plain(2, json!({}));
    let mut farm = Farm::new(&config);
    let a = farm.id("a");
    assert!(farm.begin("a", 1));
    farm.pools.apply(&PoolsConfig::default(), 0).unwrap();
    assert_eq!(None, farm.pools.pool("farm"));
    farm.pools.apply(&config, 0).unwrap();
    assert_eq!((a, 1), (farm.id("a"), farm.view("a").calls));
}

#[test]
fn a_restarted_edge_gives_the_same_numbers() {
    let before = Farm::new(&plain(20, json!({})));
    let mut grown = Farm::new(&plain(3, json!({})));
    grown.pools.apply(&plain(20, json!({})), 0).unwrap();
    let same = (0..20u8).filter(|i| {
        let name = char::from(b'a' + i).to_string();
        before.id(&name) == grown.id(&name)
    });
    assert_eq!(20, same.count());
}

#[test]
fn draining_takes_no_new_calls_and_is_probed_on_while_off_is_not() {
    let config = farm(&[json!({}), json!({"state": "draining"}), json!({"state": "off"})], json!({}));
    let mut farm = Farm::new(&config);
    farm.pools.set_prober(true, 0);
    assert_eq!(["a"], *farm.tries("x@host"));
    let due: Vec<String> = farm.pools.probes(10 * SECOND).into_iter().map(|id| farm.name(id)).collect();
    assert!(due.contains(&"b".into()) && !due.contains(&"c".into()));
    assert_eq!(("draining", "off"), (farm.view("b").state, farm.view("c").state));
}

#[test]
fn what_the_operator_changes_is_told() {
    let mut config = plain(2, json!({}));
    let mut farm = Farm::new(&config);
    for (state, became) in [(Wanted::Draining, Became::Draining), (Wanted::Off, Became::Off), (Wanted::On, Became::On)] {
        config.pools[0].members[0].state = state;
        assert_eq!(became, farm.pools.apply(&config, 5).unwrap()[0].became);
    }
    assert_eq!(("on", "configuration"), (farm.view("a").last_change, &*farm.view("a").why));
}

#[test]
fn a_pool_keeps_its_number_when_others_go() {
    let json = |names: &[&str]| -> PoolsConfig {
        let pools: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        serde_json::from_value(json!({"pools": pools})).unwrap()
    };
    let mut pools = Pools::new([1; 16]);
    pools.apply(&json(&["one", "two", "three"]), 0).unwrap();
    let two = pools.pool("two");
    pools.apply(&json(&["new", "two"]), 0).unwrap();
    assert_eq!(two, pools.pool("two"));
    assert_eq!("-", &*pools.settings(77).name, "a pool that never was has defaults");
    assert_eq!(Candidates::NoneUp, pools.candidates(77, &Ask { key: b"", need: Need::default() }, 0));
}

#[test]
fn a_server_in_two_pools_is_from_both() {
    let config: PoolsConfig = serde_json::from_value(json!({"pools": [
        {"name": "calls", "members": [{"name": "fs", "address": "192.0.2.1:5060"}]},
        {"name": "voicemail", "members": [{"name": "fs", "address": "192.0.2.1:5060"}]}]}))
    .unwrap();
    let farm = Farm::new(&config);
    let is_from = |pool: &str, source: &str, transport| {
        farm.pools.pools_of(source.parse().unwrap(), transport).contains(&farm.pools.pool(pool).unwrap())
    };
    assert!(is_from("calls", "192.0.2.1:5060", Transport::Udp) && is_from("voicemail", "[::ffff:192.0.2.1]:5060", Transport::Udp));
    assert!(!is_from("calls", "192.0.2.1:5061", Transport::Udp), "another process on that host");
    assert!(!is_from("calls", "192.0.2.1:40123", Transport::Tcp), "a phone behind the same address");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_lost() {
    let good = plain(2, json!({"costs": [{"methods": ["INVITE"], "take": {"call": 1}}]}));
    let mut farm = Farm::new(&good);
    assert!(farm.begin("a", 1));
    let pool = |more: Value| json!([merged(json!({"name": "farm", "members": [{"name": "a", "address": "192.0.2.1:5060"}]}), &more)]);
    let member = |more: Value| pool(json!({"members": [merged(json!({"name": "a", "address": "192.0.2.1:5060"}), &more)]}));
    for (pools, field) in [
        (pool(json!({"name": ""})), "pools[0].name"),
        (pool(json!({"name": "a b"})), "pools[0].name"),
        (json!([{"name": "x"}, {"name": "x"}]), "pools[1].name: \"x\" stands twice"),
        (pool(json!({"hash_on": "moon", "algorithm": "hash"})), "pools[0].hash_on"),
        (pool(json!({"hash_on": "from"})), "pools[0].hash_on: only the algorithm `hash`"),
        (pool(json!({"retry": [200]})), "pools[0].retry: 200 is not within 300..=699"),
        (pool(json!({"full_status": 200})), "pools[0].full_status"),
        (pool(json!({"answer_ms": 0})), "pools[0].answer_ms: 0 is not within 100..=60000"),
        (pool(json!({"call_lease_seconds": 1})), "pools[0].call_lease_seconds"),
        (pool(json!({"health": {"good": ["2xx"]}})), "pools[0].health.good[0]"),
        (pool(json!({"health": {"interval_ms": 5}})), "pools[0].health.interval_ms"),
        (pool(json!({"health": {"panic_percent": 101}})), "pools[0].health.panic_percent"),
        (pool(json!({"health": {"method": "OP TIONS"}})), "pools[0].health.method"),
        (pool(json!({"costs": [{"take": {}}]})), "pools[0].costs[0].take"),
        (pool(json!({"costs": [{"take": {"call": 0}}]})), "pools[0].costs[0].take.call"),
        (member(json!({"weight": 10_001})), "pools[0].members[0].weight: 10001 is not within 0..=10000"),
        (member(json!({"address": "0.0.0.0:5060"})), "pools[0].members[0].address"),
        (member(json!({"address": "192.0.2.1:0"})), "pools[0].members[0].address"),
        (member(json!({"name": "a\"b"})), "pools[0].members[0].name"),
        (member(json!({"capacity": {"two words": 1}})), "pools[0].members[0].capacity.two words"),
        (
            pool(json!({"members": [{"name": "a", "address": "192.0.2.1:5060"}, {"name": "a", "address": "192.0.2.2:5060"}]})),
            "members[1].name",
        ),
        (
            pool(json!({"costs": [{"take": {"pstn": 1}}],
                        "members": [{"name": "a", "address": "192.0.2.1:5060", "capacity": {"call": 5}}]})),
            "pools[0].costs[0].take.pstn: no member",
        ),
    ] {
        let config: PoolsConfig = serde_json::from_value(json!({"pools": pools})).unwrap();
        let error = farm.pools.apply(&config, 0).unwrap_err().to_string();
        assert!(error.starts_with(field.split(": ").next().unwrap_or(field)) || error.contains(field), "{field}: {error}");
        assert!(error.contains(field), "{field}: {error}");
        assert_eq!((1, 2), (farm.view("a").calls, farm.tries("x@host").len()));
    }
}

#[test]
fn json_that_has_no_such_shape_is_refused_by_its_field() {
    for (json, word) in [
        (r#"{"pools": [{"name": "x", "colour": 1}]}"#, "colour"),
        (r#"{"pools": [{"name": "x", "algorithm": "best"}]}"#, "best"),
        (r#"{"pools": [{"members": []}]}"#, "name"),
        (r#"{"pools": [{"name": "x", "members": [{"name": "a", "address": "fs1"}]}]}"#, "socket address"),
        (r#"{"pools": [{"name": "x", "members": [{"name": "a", "address": "1.2.3.4:5", "transport": "sctp"}]}]}"#, "sctp"),
    ] {
        let error = serde_json::from_str::<PoolsConfig>(json).unwrap_err().to_string();
        assert!(error.contains(word), "{json}: {error}");
    }
}

#[test]
fn more_members_than_numbers_are_refused() {
    let members: Vec<Value> = (0..MEMBERS + 1).map(|i| json!({"name": format!("m{i}"), "address": "192.0.2.1:5060"})).collect();
    let config: PoolsConfig = serde_json::from_value(json!({"pools": [{"name": "farm", "members": members}]})).unwrap();
    let mut pools = Pools::new([1; 16]);
    let error = pools.apply(&config, 0).unwrap_err().to_string();
    assert!(error.contains("1025 new members and 1024 numbers left"), "{error}");
    let mut config = config;
    config.pools[0].members.pop();
    pools.apply(&config, 0).unwrap();
    assert!((0..1024).all(|id| pools.member(id).is_some()));
}

#[test]
fn a_member_whose_name_leads_nowhere_is_down_and_nobody_tries_or_probes_it() {
    let mut config = plain(2, json!({}));
    config.pools[0].members[0].address = "0.0.0.0:0".parse().unwrap();
    config.pools[0].members[0].host = "fs1.example;transport=tcp".into();
    let mut farm = Farm::new(&config);
    assert_eq!(("down", "", "dns"), (farm.view("a").state, farm.view("a").address.as_str(), &*farm.view("a").why));
    assert_eq!(vec!["b".to_owned()], farm.tries("x@host"));
    farm.pools.set_prober(true, 0);
    assert_eq!(vec![farm.id("b")], farm.pools.probes(60 * SECOND));
    for (host, told) in [("a b", "pools[0].members[0].host"), ("x@y", "is not host"), ("h;transport=tcp", "")] {
        config.pools[0].members[0].host = host.into();
        let error = farm.pools.apply(&config, 0).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains(told) && error.is_empty() == told.is_empty(), "{error}");
    }
}
