//! INVITE transactions: the way of one call, failover, refusals, time-outs.

use super::*;

fn one(mut left: Vec<Left>) -> Left {
    assert_eq!(1, left.len(), "{:?}", lines(&left));
    left.remove(0)
}

#[test]
fn a_call_costs_no_message_of_our_own_when_its_member_is_quick() {
    let mut world = World1::new(1, "");
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    assert_eq!(member(0), invite.to);
    assert!(world.says(&member(0), &answer(&invite.text, "100 Trying")).is_empty());
    assert_eq!(vec![format!("SIP/2.0 180 Ringing -> {ALICE}")], lines(&world.says(&member(0), &answer(&invite.text, "180 Ringing"))));
    assert_eq!(vec![format!("SIP/2.0 200 OK -> {ALICE}")], lines(&world.says(&member(0), &answer(&invite.text, "200 OK"))));
    assert_eq!((0, 0), world.proxy.transactions());
    let times = |world: &World1| world.proxy.times.values().map(|times| (times.answer.count(), times.last.count())).collect::<Vec<_>>();
    assert_eq!(vec![(1, 1)], times(&world));
    // Its repetitions pass without state, and a late INVITE begins no other call.
    assert_eq!(vec![format!("SIP/2.0 200 OK -> {ALICE}")], lines(&world.says(&member(0), &answer(&invite.text, "200 OK"))));
    assert!(world.says(ALICE, &request("INVITE", "1", "")).is_empty());
    assert!(world.waits(40_000).is_empty());
}

#[test]
fn a_silent_member_is_asked_again_then_another_one() {
    let mut world = World1::new(2, "");
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    let waited = world.waits(4_100);
    let expected = vec![
        format!("125 SIP/2.0 100 Trying -> {ALICE}"),
        format!("500 INVITE sip:bob@example.org SIP/2.0 -> {}", first.to),
        format!("1500 INVITE sip:bob@example.org SIP/2.0 -> {}", first.to),
        format!("3500 INVITE sip:bob@example.org SIP/2.0 -> {}", first.to),
    ];
    assert_eq!(expected, timed(&waited)[..4]);
    assert!(waited[1..4].iter().all(|(_, left)| left.text == first.text), "a repetition has the same bytes");
    let (ms, second) = &waited[4];
    assert!((4_000..4_040).contains(ms) && second.to != first.to, "{ms} {}", second.to);
    // What the first one says now comes too late: it is told to stop.
    let late = world.says(&first.to, &answer(&first.text, "180 Ringing"));
    assert_eq!(vec![format!("CANCEL sip:bob@example.org SIP/2.0 -> {}", first.to)], lines(&late));
    assert_eq!(header(&first.text, "Via"), header(&late[0].text, "Via"));
    assert_eq!(vec![format!("SIP/2.0 200 OK -> {ALICE}")], lines(&world.says(&second.to, &answer(&second.text, "200 OK"))));
    assert!(world.says(&first.to, &answer(&late[0].text, "200 OK")).is_empty());
    let end = world.says(&first.to, &answer(&first.text, "487 Request Terminated"));
    assert_eq!(vec![format!("ACK sip:bob@example.org SIP/2.0 -> {}", first.to)], lines(&end));
    assert!(world.waits(70_000).is_empty());
    assert_eq!(0, world.proxy.transactions().0);
}

#[test]
fn a_refusal_that_may_be_tried_elsewhere_is() {
    for status in ["408 Request Timeout", "480 Temporarily Unavailable", "503 Service Unavailable", "504 Server Time-out"] {
        let mut world = World1::new(2, "");
        let first = one(world.says(ALICE, &request("INVITE", "1", "")));
        let next = world.says(&first.to, &answer(&first.text, status));
        assert_eq!(format!("ACK sip:bob@example.org SIP/2.0 -> {}", first.to), lines(&next)[0]);
        assert!(lines(&next)[1].starts_with("INVITE ") && next[1].to != first.to, "{status}: {:?}", lines(&next));
    }
    for status in ["404 Not Found", "486 Busy Here", "603 Decline"] {
        let mut world = World1::new(2, "");
        let first = one(world.says(ALICE, &request("INVITE", "1", "")));
        let end = world.says(&first.to, &answer(&first.text, status));
        assert_eq!(format!("SIP/2.0 {status} -> {ALICE}"), lines(&end)[1]);
    }
}

#[test]
fn nobody_is_tried_after_it_rang() {
    let mut world = World1::new(2, "");
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    world.says(&first.to, &answer(&first.text, "183 Session Progress"));
    let end = world.says(&first.to, &answer(&first.text, "480 Temporarily Unavailable"));
    assert_eq!(format!("SIP/2.0 480 Temporarily Unavailable -> {ALICE}"), lines(&end)[1]);
    // RFC 3261 16.7, 6: one member's 503 does not say that we cannot serve.
    let mut world = World1::new(2, "");
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    world.says(&first.to, &answer(&first.text, "180 Ringing"));
    let end = world.says(&first.to, &answer(&first.text, "503 Service Unavailable"));
    assert_eq!(format!("SIP/2.0 500 Server Internal Error -> {ALICE}"), lines(&end)[1]);
}

#[test]
fn when_all_say_503_the_client_is_told_so_with_retry_after() {
    let mut world = World1::new(2, r#", "retry_after_seconds": 7"#);
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    let next = world.says(&first.to, &answer(&first.text, "503 Service Unavailable"));
    let end = world.says(&next[1].to, &answer(&next[1].text, "503 Service Unavailable"));
    assert_eq!(format!("SIP/2.0 503 Service Unavailable -> {ALICE}"), lines(&end)[1]);
    assert_eq!("7", header(&end[1].text, "Retry-After"));
    let mut world = World1::new(1, r#", "full_status": 500"#);
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    let end = world.says(&first.to, &answer(&first.text, "503 Service Unavailable"));
    assert_eq!(format!("SIP/2.0 500 Server Internal Error -> {ALICE}"), lines(&end)[1]);
}

#[test]
fn the_best_refusal_is_passed_on() {
    let mut world = World1::new(2, "");
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    let next = world.says(&first.to, &answer(&first.text, "480 Temporarily Unavailable"));
    let end = world.says(&next[1].to, &answer(&next[1].text, "504 Server Time-out"));
    assert_eq!(format!("SIP/2.0 480 Temporarily Unavailable -> {ALICE}"), lines(&end)[1]);
    assert!(end[1].text.contains(&format!("Via: SIP/2.0/UDP {ALICE};branch=z9hG4bK1;rport=40000;received=192.0.2.1\r\n")));
}

#[test]
fn a_refusal_is_repeated_until_its_ack_and_then_absorbed() {
    let mut world = World1::new(1, "");
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    let end = world.says(&member(0), &answer(&invite.text, "486 Busy Here"));
    assert_eq!(2, end.len());
    assert_eq!(lines(&end[..1]), lines(&world.says(&member(0), &answer(&invite.text, "486 Busy Here"))));
    let again: Vec<u64> = world.waits(8_000).iter().map(|(ms, _)| *ms).collect();
    assert_eq!(vec![500, 1_500, 3_500, 7_500], again);
    assert_eq!(lines(&end[1..]), lines(&world.says(ALICE, &request("INVITE", "1", ""))));
    let ack = request("ACK", "1", "").replace("To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b");
    assert!(world.says(ALICE, &ack).is_empty());
    assert!(world.says(ALICE, &ack).is_empty());
    assert!(world.says(ALICE, &request("INVITE", "1", "")).is_empty());
    assert!(world.waits(40_000).is_empty());
    assert_eq!((0, 0), world.proxy.transactions());
}

#[test]
fn a_cancel_is_answered_and_reaches_who_rings() {
    let mut world = World1::new(1, "");
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    // RFC 3261 9.1: not before it has said anything.
    assert_eq!(vec![format!("SIP/2.0 200 OK -> {ALICE}")], lines(&world.says(ALICE, &request("CANCEL", "1", ""))));
    let left = world.says(&member(0), &answer(&invite.text, "180 Ringing"));
    assert_eq!(
        vec![format!("CANCEL sip:bob@example.org SIP/2.0 -> {}", member(0)), format!("SIP/2.0 180 Ringing -> {ALICE}")],
        lines(&left)
    );
    assert_eq!(vec![500, 1_500], world.waits(2_000).iter().map(|(ms, _)| *ms).collect::<Vec<_>>());
    assert!(world.says(&member(0), &answer(&left[0].text, "200 OK")).is_empty());
    let end = world.says(&member(0), &answer(&invite.text, "487 Request Terminated"));
    assert_eq!(format!("SIP/2.0 487 Request Terminated -> {ALICE}"), lines(&end)[1]);
}

#[test]
fn a_cancelled_call_that_nobody_ends_is_ended_by_us() {
    let mut world = World1::new(1, "");
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    world.says(&member(0), &answer(&invite.text, "180 Ringing"));
    let left = world.says(ALICE, &request("CANCEL", "1", ""));
    assert_eq!(2, left.len());
    world.says(&member(0), &answer(&left[1].text, "481 Call/Transaction Does Not Exist"));
    let ends = timed(&world.waits(33_000));
    assert_eq!(format!("SIP/2.0 487 Request Terminated -> {ALICE}"), ends[0].split_once(' ').unwrap().1);
    assert!((31_900..32_100).contains(&ends[0].split_once(' ').unwrap().0.parse::<u64>().unwrap()), "{ends:?}");
}

#[test]
fn a_call_that_rings_too_long_is_cancelled_and_refused() {
    let mut world = World1::new(1, r#", "ring_seconds": 20"#);
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    world.says(&member(0), &answer(&invite.text, "180 Ringing"));
    assert!(world.waits(15_000).is_empty());
    // RFC 3261 16.7, 2: ringing once more counts from there.
    world.says(&member(0), &answer(&invite.text, "180 Ringing"));
    assert!(world.waits(19_900).is_empty());
    let end = world.waits(200);
    let expected = vec![format!("CANCEL sip:bob@example.org SIP/2.0 -> {}", member(0)), format!("SIP/2.0 408 Request Timeout -> {ALICE}")];
    assert_eq!(expected, end.iter().map(|(_, left)| lines(std::slice::from_ref(left)).remove(0)).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_sent_goes_to_another_member_at_once() {
    let mut world = World1::new(2, "");
    let first = one(world.says(ALICE, &request("INVITE", "1", "")));
    let second = one(world.fails(first.cookie));
    assert_ne!(first.to, second.to);
    let end = world.fails(second.cookie);
    assert_eq!(vec![format!("SIP/2.0 503 Service Unavailable -> {ALICE}")], lines(&end));
    assert!(world.fails(second.cookie).is_empty());
}

#[test]
fn a_call_outlives_a_rotation_of_keys() {
    let mut world = World1::new(1, "");
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    let mut keys = keys();
    keys.signing.insert(0, Key { id: b'c', secret: [9; 16] });
    world.proxy.set_keys(keys);
    let again = world.waits(600);
    assert_eq!(header(&invite.text, "Via"), header(&again[1].1.text, "Via"));
    assert_eq!(1, world.says(&member(0), &answer(&invite.text, "180 Ringing")).len());
    let cancel = world.says(ALICE, &request("CANCEL", "1", ""));
    assert_eq!(header(&invite.text, "Via"), header(&cancel[1].text, "Via"));
}

#[test]
fn a_full_or_absent_pool_is_said() {
    let mut world = World1::with(&format!(
        r#"{{"pools": [{{"name": "farm", "costs": [{{"take": {{"call": 1}}}}],
            "members": [{{"name": "m0", "address": "{}", "capacity": {{"call": 1}}}}]}}], "routes": [{{"methods": ["INVITE"], "pool": "farm"}}]}}"#,
        member(0)
    ));
    let invite = one(world.says(ALICE, &request("INVITE", "1", "")));
    world.says(&member(0), &answer(&invite.text, "200 OK"));
    let second = request("INVITE", "2", "").replace("one@alice", "two@alice");
    let full = one(world.says(ALICE, &second));
    assert!(full.text.starts_with("SIP/2.0 503 ") && full.text.contains("\r\nRetry-After: 5\r\n"), "{}", full.text);
    // Its BYE makes room.
    let route = header(&world.says(&member(0), &answer(&invite.text, "200 OK"))[0].text, "Record-Route");
    let bye = request("BYE", "3", &format!("Route: {route}\r\n")).replace("To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b");
    assert_eq!(1, world.says(ALICE, &bye.replace("sip:bob@example.org SIP", &format!("sip:bob@{} SIP", member(0)))).len());
    assert!(one(world.says(ALICE, &request("INVITE", "4", "").replace("one@alice", "two@alice"))).text.starts_with("INVITE "));
    assert!(one(world.says(ALICE, &request("MESSAGE", "5", ""))).text.starts_with("SIP/2.0 404 "));
}
