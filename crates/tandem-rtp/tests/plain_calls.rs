//! Plain calls through the table: offer, answer, hold, re-offers, forks, deletes. The steps read like a trace.

mod world;

use tandem_rtp::ng::Value;
use tandem_rtp::plan::{Guard, Remote};
use tandem_rtp::session::{BadRow, Order, Settings};
use world::{attributes, lines, media, plain, World};

fn at(text: &str) -> std::net::SocketAddr {
    text.parse().unwrap()
}

fn remote(rtp: &str, rtcp: &str) -> Option<Remote> {
    Some(Remote { rtp: at(rtp), rtcp: at(rtcp) })
}

fn called(world: &mut World) {
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), "");
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
}

#[test]
fn an_offer_shows_our_address_and_an_answer_joins_both_sides() {
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), "");
    assert!(!offered.replace("o=- 1 1 IN IP4 192.0.2.1", "").contains("192.0.2.1"), "{offered}");
    assert!(offered.contains("c=IN IP4 203.0.113.1"));
    let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), r#""replace": ["origin"]"#);
    assert!(!answered.contains("198.51.100.2"), "{answered}");
    let (a, b) = (world.plan("a", 0), world.plan("b", 0));
    assert_eq!(format!("{} RTP/AVP 0 101", b.local.rtp), media(&offered, 0));
    assert_eq!(format!("{} RTP/AVP 0 101", a.local.rtp), media(&answered, 0));
    assert_eq!((remote("192.0.2.1:4000", "192.0.2.1:4001"), remote("198.51.100.2:5000", "198.51.100.2:5001")), (a.remote, b.remote));
    assert_eq!((vec![b.id], vec![a.id]), (a.sinks.clone(), b.sinks.clone()));
    assert!(a.sends && a.hears && b.sends && b.hears && a.guard == Guard::Plain);
    assert_eq!(vec![a.local.rtcp.to_string()], attributes(&answered, 0, "rtcp"));
}

#[test]
fn early_media_flows_before_the_answer_and_nothing_is_expected_yet() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), "");
    let (a, b) = (world.plan("a", 0), world.plan("", 0));
    assert_eq!(vec![a.id], b.sinks);
    assert_eq!((None, false, false), (b.remote, a.sends, b.sends));
}

#[test]
fn a_repeated_offer_or_answer_finds_the_same_ports() {
    let mut world = World::new();
    let first = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), "");
    assert_eq!(first, world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), ""));
    let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    world.shell.orders.clear();
    assert_eq!(answered, world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), ""));
    assert!(world.shell.orders.is_empty(), "nothing changes: {:?}", world.shell.orders);
}

#[test]
fn either_side_re_offers_and_ports_stay() {
    let mut world = World::new();
    called(&mut world);
    let ports = [world.plan("a", 0).local, world.plan("b", 0).local];
    let offered = world.sdp("offer", ["b", "a"], &plain("198.51.100.2", 5010), "");
    assert!(media(&offered, 0).starts_with(&ports[0].rtp.to_string()));
    let answered = world.sdp("answer", ["b", "a"], &plain("192.0.2.1", 4000), "");
    assert!(media(&answered, 0).starts_with(&ports[1].rtp.to_string()));
    assert_eq!(ports, [world.plan("a", 0).local, world.plan("b", 0).local]);
    assert_eq!(remote("198.51.100.2:5010", "198.51.100.2:5011"), world.plan("b", 0).remote);
}

#[test]
fn a_held_party_does_not_hear_and_nothing_is_expected_of_it() {
    for (hold, resumed) in [("a=sendonly", "a=sendrecv"), ("a=inactive", "")] {
        let mut world = World::new();
        called(&mut world);
        let offered = world.sdp("offer", ["a", "b"], &format!("{}{hold}", plain("192.0.2.1", 4000)), "");
        assert!(offered.contains(hold), "{offered}");
        let answer = if hold == "a=sendonly" { "a=recvonly" } else { "a=inactive" };
        let answered = world.sdp("answer", ["a", "b"], &format!("{}{answer}", plain("198.51.100.2", 5000)), "");
        assert!(answered.contains(answer), "{answered}");
        assert!(!world.plan("a", 0).hears && !world.plan("b", 0).sends);
        assert_eq!(hold == "a=sendonly", world.plan("a", 0).sends);
        world.sdp("offer", ["a", "b"], &format!("{}{resumed}", plain("192.0.2.1", 4000)), "");
        world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
        assert!(world.plan("a", 0).hears && world.plan("b", 0).sends && world.plan("a", 0).sends);
    }
}

#[test]
fn the_old_hold_by_a_zero_address_is_passed_on_or_replaced() {
    let mut world = World::new();
    called(&mut world);
    let offered = world.sdp("offer", ["a", "b"], &plain("0.0.0.0", 4000), "");
    assert!(offered.contains("c=IN IP4 0.0.0.0") && offered.contains("a=sendonly"), "{offered}");
    assert_eq!((None, false), (world.plan("a", 0).remote, world.plan("a", 0).hears));
    let offered = world.sdp("offer", ["a", "b"], &plain("0.0.0.0", 4000), r#""replace": ["zero-address"]"#);
    assert!(!offered.contains("c=IN IP4 0.0.0.0") && offered.contains("a=sendonly"), "{offered}");
}

#[test]
fn a_section_that_comes_is_served_and_one_that_goes_gives_its_ports_back() {
    let video = |port: u16| lines(&format!("m=video {port} RTP/AVP 96\na=rtpmap:96 VP8/90000"));
    let mut world = World::new();
    called(&mut world);
    let offered = world.sdp("offer", ["a", "b"], &(plain("192.0.2.1", 4000) + &video(4002)), "");
    assert!(media(&offered, 1).ends_with("RTP/AVP 96"));
    world.sdp("answer", ["a", "b"], &(plain("198.51.100.2", 5000) + &video(5002)), "");
    assert_eq!(4, world.shell.taken.len());
    assert_eq!(vec![world.plan("b", 1).id], world.plan("a", 1).sinks);
    let offered = world.sdp("offer", ["b", "a"], &(plain("198.51.100.2", 5000) + &video(0)), "");
    assert_eq!("0 RTP/AVP 96", media(&offered, 1));
    assert_eq!(2, world.shell.taken.len());
    let answered = world.sdp("answer", ["b", "a"], &(plain("192.0.2.1", 4000) + &video(0)), "");
    assert_eq!("0 RTP/AVP 96", media(&answered, 1));
    world.sdp("offer", ["a", "b"], &(plain("192.0.2.1", 4000) + &video(4002)), "");
    world.sdp("answer", ["a", "b"], &(plain("198.51.100.2", 5000) + &video(5002)), "");
    assert_eq!(4, world.shell.taken.len());
}

#[test]
fn a_refused_or_forgotten_section_is_refused_to_the_offerer() {
    let offer = plain("192.0.2.1", 4000) + "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    for rest in ["m=video 0 RTP/AVP 96\r\n", ""] {
        let mut world = World::new();
        world.sdp("offer", ["a", ""], &offer, "");
        let answered = world.sdp("answer", ["a", "b"], &(plain("198.51.100.2", 5000) + rest), "");
        assert_eq!("0 RTP/AVP 96", media(&answered, 1));
        assert_eq!(2, world.shell.taken.len());
    }
}

#[test]
fn a_late_offer_comes_from_the_callee() {
    let mut world = World::new();
    let offered = world.sdp("offer", ["b", "a"], &plain("198.51.100.2", 5000), "");
    let answered = world.sdp("answer", ["b", "a"], &plain("192.0.2.1", 4000), "");
    assert!(media(&offered, 0).starts_with(&world.plan("a", 0).local.rtp.to_string()));
    assert!(media(&answered, 0).starts_with(&world.plan("b", 0).local.rtp.to_string()));
}

#[test]
fn the_last_answer_of_a_fork_is_heard() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), "");
    let early = world.sdp("answer", ["a", "b1"], &plain("198.51.100.2", 5000), "");
    assert_eq!(remote("198.51.100.2:5000", "198.51.100.2:5001"), world.plan("b1", 0).remote);
    let other = world.sdp("answer", ["a", "b2"], &plain("198.51.100.3", 6000), "");
    assert_eq!(media(&early, 0), media(&other, 0), "one port of the caller");
    assert_eq!(remote("198.51.100.3:6000", "198.51.100.3:6001"), world.plan("b2", 0).remote);
    world.sdp("answer", ["a", "b1"], &plain("198.51.100.2", 5000), "");
    assert_eq!(remote("198.51.100.2:5000", "198.51.100.2:5001"), world.plan("b1", 0).remote);
    assert_eq!(2, world.shell.taken.len());
}

#[test]
fn branches_have_ports_of_their_own_and_the_caller_hears_the_one_that_answers() {
    let mut world = World::new();
    let first = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""via-branch": "z1""#);
    let second = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""via-branch": "z2""#);
    assert_ne!(media(&first, 0), media(&second, 0));
    assert_eq!(first, world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""via-branch": "z1""#));
    world.sdp("answer", ["a", "b1"], &plain("198.51.100.2", 5000), r#""via-branch": "z1""#);
    let (a, b1) = (world.plan("a", 0), world.plan("b1", 0));
    assert_eq!((vec![b1.id], vec![a.id]), (a.sinks.clone(), b1.sinks.clone()));
    assert!(world.plan("", 0).sinks.is_empty());
    let gone = world.ask(r#"{"command": "delete", "call-id": "c", "from-tag": "a", "via-branch": "z2"}"#);
    assert_eq!(Some("ok"), gone.get("result").and_then(Value::as_str));
    assert_eq!(2, world.shell.plans.len());
    assert_eq!(vec![world.plan("b1", 0).id], world.plan("a", 0).sinks);
}

#[test]
fn a_deleted_call_ends_after_its_delay_or_at_once() {
    for (delay, seconds) in [("", 30), (r#", "delete-delay": 5"#, 5)] {
        let mut world = World::new();
        called(&mut world);
        let answer = world.ask(&format!(r#"{{"command": "delete", "call-id": "c", "from-tag": "a", "to-tag": "b"{delay}}}"#));
        assert!(answer.get("tags").is_some());
        assert_eq!(Some(world.now + seconds * 1_000_000), world.calls.wants());
        assert!(world.calls.expire(world.now + seconds * 1_000_000 - 1, &mut world.shell).is_empty());
        assert_eq!(vec!["c".to_owned()], world.calls.expire(world.now + seconds * 1_000_000, &mut world.shell));
        assert!(world.shell.taken.is_empty() && world.shell.plans.is_empty() && world.calls.is_empty() && world.calls.wants().is_none());
    }
    let mut world = World::new();
    called(&mut world);
    world.ask(r#"{"command": "delete", "call-id": "c", "from-tag": "a", "delete-delay": 0}"#);
    assert!(world.shell.taken.is_empty() && world.calls.is_empty());
}

#[test]
fn a_call_that_is_signalled_again_does_not_end() {
    let mut world = World::new();
    called(&mut world);
    world.ask(r#"{"command": "delete", "call-id": "c", "from-tag": "a"}"#);
    world.sdp("offer", ["a", "b"], &plain("192.0.2.1", 4000), "");
    assert_eq!(None, world.calls.wants());
}

#[test]
fn what_is_not_known_is_told_with_its_name() {
    let mut world = World::new();
    let reason = |answer: Value| answer.get("error-reason").and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!("call-id: 'c' is not a known call", reason(world.try_sdp("answer", ["a", "b"], &plain("192.0.2.1", 1), "")));
    assert_eq!("command: 'dance' is unknown", reason(world.ask(r#"{"command": "dance", "call-id": "c"}"#)));
    assert_eq!("call-id is missing", reason(world.ask(r#"{"command": "query"}"#)));
    assert_eq!("sdp: line 2 has no type", reason(world.try_sdp("offer", ["a", ""], "v=0\nhello", "")));
    assert_eq!(
        "direction: 'moon' is no interface",
        reason(world.try_sdp("offer", ["a", ""], &plain("192.0.2.1", 1), r#""direction": ["pub", "moon"]"#))
    );
    assert!(world.shell.taken.is_empty() && world.calls.is_empty(), "a failed offer leaves nothing");
    called(&mut world);
    assert_eq!("from-tag: 'x' is no party of the call", reason(world.try_sdp("answer", ["x", "b"], &plain("192.0.2.1", 1), "")));
    let warned = world.ask(r#"{"command": "delete", "call-id": "other"}"#);
    assert_eq!(Some("call-id: 'other' is not a known call"), warned.get("warning").and_then(Value::as_str));
    assert_eq!(
        "call-id: 'other' is not a known call",
        reason(world.ask(r#"{"command": "delete", "call-id": "other", "flags": ["fatal"]}"#))
    );
}

#[test]
fn no_free_port_fails_the_offer_and_leaves_the_call_as_it_was() {
    let mut world = World::new();
    called(&mut world);
    world.shell.ports_left = 3;
    let offer = plain("192.0.2.1", 4000) + "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    let answer = world.try_sdp("offer", ["a", "b"], &offer, "");
    assert_eq!(Some("no port is free on interface 'default' for IP4"), answer.get("error-reason").and_then(Value::as_str));
    assert_eq!((2, 2), (world.shell.taken.len(), world.shell.plans.len()));
}

#[test]
fn interfaces_and_families_are_chosen_for_each_side() {
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""direction": ["priv", "pub"], "address family": "IP6""#);
    assert!(offered.contains("c=IN IP6 2001:db8::2"), "{offered}");
    let answered = world.sdp("answer", ["a", "b"], &plain("2001:db8::99", 5000).replace("IP4", "IP6"), "");
    assert!(answered.contains("c=IN IP4 203.0.113.3"), "{answered}");
    assert_eq!(remote("[2001:db8::99]:5000", "[2001:db8::99]:5001"), world.plan("b", 0).remote);
    let offered = world.sdp("offer", ["b", "a"], &plain("2001:db8::99", 5000).replace("IP4", "IP6"), "");
    assert!(offered.contains("c=IN IP4 203.0.113.3"), "the family of a party is remembered: {offered}");
}

#[test]
fn the_address_of_a_party_may_be_known_better_than_its_description() {
    for (more, expected) in [
        (r#""flags": ["SIP-source-address"], "received from": ["IP4", "10.8.8.8"]"#, "10.8.8.8:4000"),
        (r#""received from": ["IP4", "10.8.8.8"], "flags": ["trust address"]"#, "192.0.2.1:4000"),
    ] {
        let mut world = World::new();
        world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), more);
        assert_eq!(at(expected), world.plan("a", 0).remote.unwrap().rtp);
    }
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""media-address": "10.9.9.9", "ICE": "force""#);
    assert!(offered.contains("c=IN IP4 10.9.9.9") && !offered.contains("203.0.113"), "what is told of us may be another one: {offered}");
}

#[test]
fn a_fax_passes_as_bytes() {
    let t38 = |address: &str, port: u16| {
        lines(&format!("v=0\no=- 1 2 IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\nm=image {port} udptl t38\na=T38FaxVersion:0\na=T38MaxBitRate:14400\na=T38FaxUdpEC:t38UDPRedundancy"))
    };
    let mut world = World::new();
    called(&mut world);
    let offered = world.sdp("offer", ["b", "a"], &t38("198.51.100.2", 5004), r#""transport-protocol": "RTP/SAVP", "ICE": "force""#);
    assert!(
        media(&offered, 0).ends_with(" udptl t38")
            && offered.contains("a=T38FaxVersion:0")
            && !offered.contains("a=ice")
            && !offered.contains("a=rtcp"),
        "{offered}"
    );
    world.sdp("answer", ["b", "a"], &t38("192.0.2.1", 4004), "");
    assert!(world.plan("a", 0).raw && world.plan("b", 0).raw);
    assert_eq!(at("192.0.2.1:4004"), world.plan("a", 0).remote.unwrap().rtp);
}

#[test]
fn a_row_restores_the_call_with_its_ports_and_keys() {
    let mut world = World::new();
    called(&mut world);
    let row = world.calls.row("c").unwrap();
    let mut heir = World::with(Settings { endpoints_from: 1, ..Settings::default() });
    heir.shell.taken = world.shell.taken.clone();
    heir.calls.restore(&row, &mut heir.shell).unwrap();
    assert_eq!(world.shell.plans, heir.shell.plans);
    let offer = plain("198.51.100.2", 5000);
    assert_eq!(world.sdp("offer", ["b", "a"], &offer, ""), heir.sdp("offer", ["b", "a"], &offer, ""));
    let newer = [&[0, 99], &row[2..]].concat();
    assert_eq!(Err(BadRow::Newer(99)), heir.calls.restore(&newer, &mut heir.shell));
    assert!(heir.calls.restore(&row[..row.len() - 1], &mut heir.shell).is_err());
    assert!(heir.calls.restore(b"{}", &mut heir.shell).is_err());
}

#[test]
fn a_query_has_the_known_shape_and_the_counters() {
    let mut world = World::new();
    called(&mut world);
    let id = world.plan("a", 0).id;
    let traffic = tandem_rtp::session::Traffic {
        packets: 343,
        bytes: 56_950,
        last_at: 1_800_000_001_000_000,
        peer: Some(at("192.0.2.1:4444")),
        ..Default::default()
    };
    world.shell.counters.insert(id, tandem_rtp::session::Counters { rtp: traffic, mos_hundredths: 441, ..Default::default() });
    let answer = world.ask(r#"{"command": "query", "call-id": "c"}"#);
    let leg = answer.get("tags").and_then(|tags| tags.get("a")).unwrap();
    assert_eq!(Some("b"), leg.get("in dialogue with").and_then(Value::as_str));
    let stream = &leg.get("medias").unwrap().items()[0].get("streams").unwrap().items()[0];
    assert_eq!(Some(343), stream.get("stats").and_then(|stats| stats.get("packets")).and_then(Value::as_integer));
    assert_eq!(Some(4444), stream.get("endpoint").and_then(|endpoint| endpoint.get("port")).and_then(Value::as_integer));
    assert_eq!(Some(4000), stream.get("advertised endpoint").and_then(|endpoint| endpoint.get("port")).and_then(Value::as_integer));
    assert_eq!(Some(343), answer.get("totals").and_then(|totals| totals.get("RTP")?.get("packets")).and_then(Value::as_integer));
    assert_eq!(Some(&Value::Hundredths(441)), answer.get("quality").unwrap().items()[0].get("mos"));
    let list = world.ask(r#"{"command": "list"}"#);
    assert_eq!(1, list.get("calls").unwrap().items().len());
    let statistics = world.ask(r#"{"command": "statistics"}"#);
    assert_eq!(
        Some(1),
        statistics.get("statistics").and_then(|all| all.get("currentstatistics")?.get("sessionstotal")).and_then(Value::as_integer)
    );
    assert_eq!(Some("pong"), world.ask(r#"{"command": "ping"}"#).get("result").and_then(Value::as_str));
}

#[test]
fn a_call_that_is_there_is_tapped_and_an_ended_one_may_be_asked_for_its_file() {
    let mut world = World::new();
    called(&mut world);
    world.ask(r#"{"command": "start tap", "call-id": "c", "tap-seconds": 7}"#);
    let orders = |world: &mut World| std::mem::take(&mut world.shell.orders);
    assert!(orders(&mut world).contains(&Order::Tap { call: "c".into(), seconds: Some(7) }));
    world.ask(r#"{"command": "stop tap", "call-id": "gone"}"#);
    assert!(orders(&mut world).contains(&Order::Tap { call: "gone".into(), seconds: None }));
    for (asked, field) in [
        (r#"{"command": "start tap", "call-id": "gone"}"#, "call-id: 'gone'"),
        (r#"{"command": "start tap", "call-id": "c", "tap-seconds": 601}"#, "tap-seconds: '601'"),
        (r#"{"command": "start tap", "call-id": "c", "tap-seconds": 0}"#, "tap-seconds: '0'"),
    ] {
        let why = world.ask(asked);
        assert!(why.get("error-reason").and_then(Value::as_str).is_some_and(|why| why.starts_with(field)), "{asked}");
    }
    let streams = world.ask(r#"{"command": "statistics"}"#);
    let streams = streams.get("statistics").and_then(|all| all.get("streams")).unwrap();
    assert_eq!(Some(0), streams.get("kernel").and_then(Value::as_integer));
}

#[test]
fn noise_and_echo_are_taken_out_of_the_party_that_asks_until_it_asks_no_more() {
    let mut world = World::new();
    let clean = |world: &World, tag| (world.plan(tag, 0).clean.noise, world.plan(tag, 0).clean.echo);
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""flags": ["denoise", "cancel-echo"]"#);
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert_eq!(((true, true), (false, false)), (clean(&world, "a"), clean(&world, "b")));
    world.sdp("offer", ["a", "b"], &plain("192.0.2.1", 4000), "");
    assert_eq!((true, true), clean(&world, "a"));
    world.sdp("offer", ["a", "b"], &plain("192.0.2.1", 4000), r#""flags": ["no-denoise"]"#);
    assert_eq!((false, true), clean(&world, "a"));
    world.sdp("offer", ["a", "b"], &plain("192.0.2.1", 4000), r#""flags": ["no-cancel-echo"]"#);
    assert_eq!((false, false), clean(&world, "a"));
}

#[test]
fn media_is_held_back_for_all_or_for_one() {
    let mut world = World::new();
    called(&mut world);
    world.ask(r#"{"command": "block media", "call-id": "c", "from-tag": "a"}"#);
    assert!(world.plan("a", 0).blocked && world.plan("b", 0).blocked, "a tag without the flag does not count");
    world.ask(r#"{"command": "unblock media", "call-id": "c"}"#);
    world.ask(r#"{"command": "block DTMF", "call-id": "c", "from-tag": "b", "flags": ["directional"]}"#);
    assert!(!world.plan("a", 0).dtmf_blocked && world.plan("b", 0).dtmf_blocked && !world.plan("b", 0).blocked);
    world.ask(r#"{"command": "unblock DTMF", "call-id": "c"}"#);
    assert!(world.plan("b", 0).dtmf_blocked, "one that was held back by itself stays so");
    world.ask(r#"{"command": "unblock DTMF", "call-id": "c", "flags": ["all"]}"#);
    assert!(!world.plan("b", 0).dtmf_blocked);
    world.ask(r#"{"command": "silence media", "call-id": "c", "address": "198.51.100.2"}"#);
    assert!(!world.plan("a", 0).silenced && world.plan("b", 0).silenced);
}

#[test]
fn recording_playing_and_digits_are_ordered_once() {
    let mut world = World::new();
    called(&mut world);
    world.shell.orders.clear();
    for command in [
        r#"{"command": "start recording", "call-id": "c", "metadata": "k:v"}"#,
        r#"{"command": "start recording", "call-id": "c"}"#,
        r#"{"command": "pause recording", "call-id": "c"}"#,
        r#"{"command": "play media", "call-id": "c", "from-tag": "a", "file": "x.wav", "id": "e1"}"#,
        r#"{"command": "play media", "call-id": "c", "from-tag": "a", "file": "x.wav", "id": "e1"}"#,
        r#"{"command": "play DTMF", "call-id": "c", "from-tag": "b", "code": "5", "volume": 10}"#,
        r#"{"command": "stop media", "call-id": "c", "from-tag": "a"}"#,
    ] {
        assert_eq!(Some("ok"), world.ask(command).get("result").and_then(Value::as_str), "{command}");
    }
    let orders: Vec<_> = world
        .shell
        .orders
        .iter()
        .map(|order| match order {
            Order::Record { recording, metadata, .. } => format!("{recording:?} {}", metadata.as_deref().unwrap_or("-")),
            Order::Play { to, .. } => format!("play {}", to.len()),
            Order::Dtmf { digit, volume, .. } => format!("dtmf {} {volume}", digit.key()),
            Order::StopPlay { to, .. } => format!("stop {}", to.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(["On k:v", "Paused k:v", "play 1", "dtmf 5 10", "stop 1"], orders[..]);
}
