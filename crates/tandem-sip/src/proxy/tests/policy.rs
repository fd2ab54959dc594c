//! Verdicts of an operator's functions: asked once, kept by what they depend on, never waited for longer than allowed.

use super::super::{Given, Question, Rule};
use super::*;
use std::collections::BTreeMap;

const FRONT: &str = r#"{"pools": [{"name": "farm", "members": [{"name": "m0", "address": "10.0.0.10:5060"}]},
    {"name": "other", "members": [{"name": "o0", "address": "10.0.0.20:5060"}]}],
    "routes": [{"pool": "farm"}], "policy": {"milliseconds": 100, "waiting": 3, "verdicts": 100}}"#;
const FARM: &str = "10.0.0.10:5060";
const OTHER: &str = "10.0.0.20:5060";

fn world(front: &str, rules: &str) -> World1 {
    let mut world = World1::with(front);
    if !rules.is_empty() {
        world.proxy.set_rules(Rule::read_all(rules.as_bytes()).unwrap());
    }
    world
}

fn by_user() -> World1 {
    world(FRONT, r#"[{"method": "INVITE", "by": ["source", "uri_user"], "seconds": 60}]"#)
}

/// What left, and what is to be asked.
fn says(world: &mut World1, text: &str) -> (Vec<Left>, Vec<Question>) {
    let mut index = Index::default();
    let message = Message::parse(text.as_bytes(), &Limits::default(), &mut index).unwrap();
    let remote: SocketAddr = ALICE.parse().unwrap();
    let source = Source { transport: Transport::Udp, local: 0, remote, flow: 0, edge: 0 };
    let mut out = Output::default();
    let near = World { now: world.now, alive: &|_| true, alone: true };
    world.proxy.handle(&message, &source, None, &near, &mut out);
    (left(&out), out.questions.clone())
}

fn verdict(world: &mut World1, id: u64, given: Result<Option<Given>, ()>) -> Vec<Left> {
    let mut out = Output::default();
    world.proxy.verdict(id, given, world.now, &mut out);
    left(&out)
}

fn to(pool: &str) -> Given {
    Given::To { pool: pool.into(), add: BTreeMap::new(), remove: Vec::new(), cost: String::new(), uri: String::new() }
}

fn call(n: u32) -> String {
    request("INVITE", &format!("b{n}"), "").replace("one@alice", &format!("{n}@alice"))
}

#[test]
fn a_verdict_is_asked_once_and_kept_by_its_fields() {
    let mut world = by_user();
    let (gone, asked) = says(&mut world, &call(1));
    assert!(gone.is_empty());
    assert_eq!(vec!["192.0.2.1".to_string(), "bob".into()], asked[0].values);
    assert_eq!(OTHER, verdict(&mut world, asked[0].id, Ok(Some(to("other"))))[0].to);
    let (gone, asked) = says(&mut world, &call(2));
    assert_eq!((OTHER, true), (&*gone[0].to, asked.is_empty()));
    let (gone, asked) = says(&mut world, &call(3).replace("INVITE sip:bob@", "INVITE sip:carol@"));
    assert_eq!((0, "carol"), (gone.len(), &*asked[0].values[1]));
    world.now += 61_000_000;
    assert_eq!(1, says(&mut world, &call(4)).1.len());
}

#[test]
fn those_who_would_ask_the_same_wait_for_one_answer() {
    let mut world = by_user();
    let id = says(&mut world, &call(1)).1[0].id;
    assert_eq!((0, 0), (says(&mut world, &call(2)).0.len(), says(&mut world, &call(2)).1.len()));
    // both were parked, and the INVITE that came twice goes once
    let went = verdict(&mut world, id, Ok(None));
    assert_eq!(vec![FARM, FARM], went.iter().map(|left| &*left.to).collect::<Vec<_>>());
    assert_eq!((0, 1), world.proxy.policy_sizes());
}

#[test]
fn a_refusal_has_its_reason_and_retry_after() {
    let mut world = by_user();
    let id = says(&mut world, &call(1)).1[0].id;
    let refusal = Given::Refuse { status: 480, reason: "Gone Fishing".into(), retry_after: 60 };
    let answer = verdict(&mut world, id, Ok(Some(refusal))).remove(0);
    assert!(answer.text.starts_with("SIP/2.0 480 Gone Fishing\r\n"), "{}", answer.text);
    assert!(answer.text.contains("Retry-After: 60\r\n"));
}

#[test]
fn who_waited_long_enough_goes_by_the_default_and_a_late_verdict_is_of_use() {
    let mut world = by_user();
    let id = says(&mut world, &call(1)).1[0].id;
    let went = world.waits(110);
    assert_eq!((100, FARM), (went[0].0, &*went[0].1.to));
    assert!(verdict(&mut world, id, Ok(Some(to("other")))).is_empty());
    assert_eq!(OTHER, says(&mut world, &call(2)).0[0].to);
    assert_eq!(1, world.proxy.counters.policy_late);
}

#[test]
fn the_default_may_be_a_pool_or_a_refusal() {
    for (otherwise, expected) in [("other", OTHER), ("503", ALICE)] {
        let front = FRONT.replace(r#""verdicts": 100"#, &format!(r#""verdicts": 100, "otherwise": "{otherwise}""#));
        // nobody has come to give verdicts yet
        let mut new = world(&front, "");
        assert_eq!(expected, says(&mut new, &call(1)).0[0].to, "{otherwise}");
        // it is gone
        let mut world = world(&front, r#"[{"method": "INVITE", "by": [], "seconds": 60}]"#);
        says(&mut world, &call(1));
        let mut out = Output::default();
        world.proxy.policy_away(world.now, &mut out);
        assert_eq!(expected, left(&out)[0].to);
        assert_eq!(expected, says(&mut world, &call(2)).0[0].to);
        // its function fails
        world.proxy.set_rules(Rule::read_all(br#"[{"method": "INVITE", "by": [], "seconds": 60}]"#).unwrap());
        let id = says(&mut world, &call(3)).1[0].id;
        assert_eq!(expected, verdict(&mut world, id, Err(()))[0].to);
    }
}

#[test]
fn no_more_wait_than_may_and_fields_have_a_length() {
    let mut world = world(FRONT, r#"[{"method": "INVITE", "by": ["call_id", "header:Subject"], "seconds": 0}]"#);
    for n in 0..3 {
        assert_eq!(1, says(&mut world, &call(n)).1.len());
    }
    assert_eq!(FARM, says(&mut world, &call(3)).0[0].to);
    assert_eq!((3, 0), world.proxy.policy_sizes());
    let long = call(4).replace("Content-Length", &format!("s: {}\r\nContent-Length", "x".repeat(2_100)));
    assert_eq!(FARM, says(&mut world, &long).0[0].to);
    assert_eq!((1, 1), (world.proxy.counters.policy_unasked, world.proxy.counters.policy_too_long));
    world.waits(200);
    assert_eq!((0, 0), world.proxy.policy_sizes());
}

#[test]
fn a_verdict_of_zero_seconds_is_asked_for_each_time() {
    let mut world = world(FRONT, r#"[{"method": "INVITE", "by": ["source"], "seconds": 0}]"#);
    for n in 0..3 {
        let id = says(&mut world, &call(n)).1[0].id;
        assert_eq!(OTHER, verdict(&mut world, id, Ok(Some(to("other"))))[0].to);
    }
}

#[test]
fn a_cancel_waits_behind_its_invite() {
    let mut world = by_user();
    let id = says(&mut world, &call(1)).1[0].id;
    let cancel = call(1).replace("INVITE", "CANCEL");
    assert_eq!((0, 0), (says(&mut world, &cancel).0.len(), says(&mut world, &cancel).1.len()));
    let went = verdict(&mut world, id, Ok(Some(to("other"))));
    assert_eq!((OTHER, true), (&*went[0].to, went[0].text.starts_with("INVITE ")));
    assert!(went.iter().any(|left| left.to == ALICE && left.text.starts_with("SIP/2.0 200 ") && left.text.contains("CSeq: 1 CANCEL")));
}

#[test]
fn headers_are_added_and_taken_away() {
    let mut world = by_user();
    let invite = call(1).replace("Contact:", "s: secret\r\nX-Own: 1\r\nContact:");
    let id = says(&mut world, &invite).1[0].id;
    let given = Given::To {
        pool: "other".into(),
        add: BTreeMap::from([("X-Tenant".into(), "acme\r\nEvil: yes".into())]),
        remove: vec!["subject".into(), "x-own".into()],
        cost: String::new(),
        uri: String::new(),
    };
    let sent = verdict(&mut world, id, Ok(Some(given))).remove(0).text;
    assert!(sent.contains("\r\nX-Tenant: acmeEvil: yes\r\n"), "{sent}");
    assert!(!sent.contains("secret") && !sent.contains("X-Own"));
    assert!(sent.contains("Contact: <sip:alice@") && sent.contains("Record-Route: <sip:") && sent.ends_with("\r\n\r\n"));
}

#[test]
fn a_verdict_may_give_another_request_uri_but_no_second_line() {
    let mut world = by_user();
    let with = |uri: &str| match to("other") {
        Given::To { pool, add, remove, cost, .. } => Given::To { pool, add, remove, cost, uri: uri.into() },
        refuse => refuse,
    };
    let id = says(&mut world, &call(1)).1[0].id;
    let sent = verdict(&mut world, id, Ok(Some(with("sip:+4930123@carrier.example;user=phone")))).remove(0);
    assert!(sent.text.starts_with("INVITE sip:+4930123@carrier.example;user=phone SIP/2.0\r\n"), "{}", sent.text);
    assert_eq!(OTHER, &*sent.to);
    for bad in ["sip:a@b SIP/2.0\r\nX: y", "sip:a b@c", "nothing"] {
        world.proxy.set_rules(Rule::read_all(br#"[{"method": "INVITE", "by": ["call_id"], "seconds": 0}]"#).unwrap());
        let id = says(&mut world, &call(2)).1[0].id;
        assert!(verdict(&mut world, id, Ok(Some(with(bad))))[0].text.starts_with("SIP/2.0 500 Bad Request-URI"), "{bad}");
    }
}

#[test]
fn a_pool_that_is_not_there_is_an_error_of_the_functions() {
    let mut world = by_user();
    let id = says(&mut world, &call(1)).1[0].id;
    assert!(verdict(&mut world, id, Ok(Some(to("nowhere"))))[0].text.starts_with("SIP/2.0 500 "));
    assert_eq!(1, world.proxy.counters.policy_failed);
}

#[test]
fn other_methods_and_dialogs_are_not_asked_about() {
    let mut world = by_user();
    assert_eq!(0, says(&mut world, &request("MESSAGE", "m", "")).1.len());
    let within = request("INVITE", "d", "").replace("To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b");
    assert_eq!(0, says(&mut world, &within).1.len());
}

#[test]
fn new_rules_void_what_was_kept_and_bad_ones_are_named() {
    let mut world = by_user();
    let id = says(&mut world, &call(1)).1[0].id;
    verdict(&mut world, id, Ok(None));
    assert_eq!((0, 1), world.proxy.policy_sizes());
    world.proxy.set_rules(Rule::read_all(br#"[{"method": "INVITE", "by": ["to_host"], "seconds": 5}]"#).unwrap());
    assert_eq!((0, 0), world.proxy.policy_sizes());
    assert_eq!("example.org", says(&mut world, &call(2)).1[0].values[0]);
    for (json, text) in [
        (r#"[{"method": "INVITE", "by": ["colour"], "seconds": 5}]"#, "colour"),
        (
            r#"[{"method": "INVITE", "by": ["source","source","source","source","source","source","source","source","source"], "seconds": 5}]"#,
            "at most 8",
        ),
        ("[", "EOF"),
    ] {
        assert!(Rule::read_all(json.as_bytes()).unwrap_err().contains(text));
    }
}
