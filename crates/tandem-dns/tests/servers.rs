//! Servers that are slow, silent, broken or gone, and answers that are too long, too old, or somewhere else.

mod common;

use common::{a, ask, resolver, settings, targets, wish, Say, Toy};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tandem_dns::model::Failure;
use tandem_dns::{Event, Resolver};

/// Addresses for a port that is given: one question of each family.
const ONE: &str = "sip:x.example:5060";

fn address(_: &str, kind: RecordType, _: bool) -> Say {
    Say::Records(if kind == RecordType::A { vec![(1, a("192.0.2.1"))] } else { vec![] })
}

#[test]
fn failures_are_told_apart() {
    let toy = Toy::start(|name, _, _| match name.split('.').next().unwrap() {
        "none" => Say::Code(ResponseCode::NXDomain),
        "refused" => Say::Code(ResponseCode::Refused),
        "broken" => Say::Code(ResponseCode::ServFail),
        "silent" => Say::Silence,
        _ => Say::Records(vec![]),
    });
    let resolver = resolver(&[toy.address]);
    for (host, why) in [
        ("none", Failure::NoName),
        ("refused", Failure::Refused),
        ("broken", Failure::ServerFailed),
        ("silent", Failure::TimedOut),
        ("empty", Failure::NoRecords),
    ] {
        assert_eq!(Err(why), ask(&resolver, &format!("sip:{host}.example:5060")), "{host}");
    }
    let nobody = common::resolver(&[]);
    assert_eq!(Err(Failure::NoServers), ask(&nobody, ONE));
}

#[test]
fn a_truncated_answer_is_asked_for_again_by_tcp() {
    let toy = Toy::start(|name, kind, tcp| if tcp { address(name, kind, tcp) } else { Say::Truncated });
    let resolver = resolver(&[toy.address]);
    assert_eq!(vec!["UDP 192.0.2.1:5060"], targets(&resolver, ONE));
    assert!(toy.asked_tcp.load(Ordering::SeqCst) >= 1);
}

#[test]
fn a_server_that_fails_refuses_or_is_silent_is_followed_by_the_next() {
    for broken in [ResponseCode::ServFail, ResponseCode::Refused] {
        let (first, second) = (Toy::start(move |_, _, _| Say::Code(broken)), Toy::start(address));
        assert_eq!(vec!["UDP 192.0.2.1:5060"], targets(&resolver(&[first.address, second.address]), ONE));
    }
    let (first, second) = (Toy::start(|_, _, _| Say::Silence), Toy::start(address));
    assert_eq!(vec!["UDP 192.0.2.1:5060"], targets(&resolver(&[first.address, second.address]), ONE));
    let dead = std::net::SocketAddr::from(([127, 0, 0, 1], common::free_port()));
    assert_eq!(vec!["UDP 192.0.2.1:5060"], targets(&resolver(&[dead, second.address]), ONE));
}

#[test]
fn a_question_has_one_time_limit_for_all_servers() {
    let (one, two) = (Toy::start(|_, _, _| Say::Silence), Toy::start(|_, _, _| Say::Silence));
    let mut set = settings(&[one.address, two.address]);
    (set.server_ms, set.question_ms, set.attempts) = (400, 600, 5);
    let started = Instant::now();
    assert_eq!(Err(Failure::TimedOut), ask(&Resolver::new(set).unwrap(), ONE));
    assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
}

#[test]
fn a_slow_server_is_waited_for() {
    let toy = Toy::start(|_, kind, _| match kind {
        RecordType::A => Say::Late(Duration::from_millis(150), vec![(1, a("192.0.2.1"))]),
        _ => Say::Records(vec![]),
    });
    assert_eq!(vec!["UDP 192.0.2.1:5060"], targets(&resolver(&[toy.address]), ONE));
}

#[test]
fn an_alias_leads_to_its_addresses_and_has_the_shorter_life() {
    let toy = Toy::start(|_, kind, _| match kind {
        RecordType::A => {
            let alias = RData::CNAME(CNAME(Name::from_ascii("y.example.").unwrap()));
            Say::Records(vec![(7, alias), (90, a("192.0.2.1"))])
        }
        _ => Say::Records(vec![]),
    });
    let mut set = settings(&[toy.address]);
    set.families = vec!["ipv4".into()];
    let found = ask(&Resolver::new(set).unwrap(), ONE).unwrap();
    assert_eq!((7, 1), (found.ttl_seconds, found.choices.len()));
}

#[test]
fn an_answer_is_asked_for_again_when_its_time_is_over_and_not_before() {
    let toy = Toy::start(address);
    let mut set = settings(&[toy.address]);
    set.families = vec!["ipv4".into()];
    let resolver = Resolver::new(set).unwrap();
    assert!(resolver.peek(&wish(ONE)).is_none());
    for _ in 0..5 {
        ask(&resolver, ONE).unwrap();
    }
    assert!(resolver.peek(&wish(ONE)).unwrap().is_ok());
    assert_eq!(1, toy.questions());
    std::thread::sleep(Duration::from_millis(1_050));
    assert!(resolver.peek(&wish(ONE)).is_none());
    ask(&resolver, ONE).unwrap();
    assert_eq!(2, toy.questions());
}

#[test]
fn while_all_servers_are_away_what_was_known_is_used_and_marked() {
    let toy = Toy::start(address);
    let mut set = settings(&[toy.address]);
    (set.stale_seconds, set.server_ms, set.question_ms) = (2, 100, 250);
    let resolver = Resolver::new(set).unwrap();
    assert!(!ask(&resolver, ONE).unwrap().stale);
    toy.away.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(1_050));
    let old = ask(&resolver, ONE).unwrap();
    assert_eq!((true, "192.0.2.1".to_owned()), (old.stale, resolver.order(&old, 1)[0].address.ip().to_string()));
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(Err(Failure::TimedOut), ask(&resolver, ONE), "and not for ever");
    toy.away.store(false, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(1_050));
    assert!(!ask(&resolver, ONE).unwrap().stale);
}

#[test]
fn a_watched_name_is_known_at_once_and_tells_of_its_change() {
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let there = moved.clone();
    let toy = Toy::start(move |_, kind, _| match kind {
        RecordType::A if there.load(Ordering::SeqCst) => Say::Records(vec![(1, a("192.0.2.2"))]),
        RecordType::A => Say::Records(vec![(1, a("192.0.2.1"))]),
        _ => Say::Records(vec![]),
    });
    let resolver = resolver(&[toy.address]);
    resolver.watch([wish(ONE)]);
    let changed = |resolver: &Resolver| {
        let started = Instant::now();
        while !resolver.drain().iter().any(|event| matches!(event, Event::Changed { .. })) {
            assert!(started.elapsed() < Duration::from_secs(5), "nothing changed");
            std::thread::sleep(Duration::from_millis(5));
        }
        let found = resolver.peek(&wish(ONE)).unwrap().unwrap();
        resolver.order(&found, 1)[0].address.ip().to_string()
    };
    assert_eq!("192.0.2.1", changed(&resolver));
    std::thread::sleep(Duration::from_millis(1_600));
    assert!(resolver.drain().is_empty(), "the same answer again is no change");
    moved.store(true, Ordering::SeqCst);
    assert_eq!("192.0.2.2", changed(&resolver));
}

#[test]
fn names_with_few_dots_get_the_suffixes_and_others_do_not() {
    let toy = Toy::start(|name, kind, tcp| match name {
        "pbx.b.example" => address(name, kind, tcp),
        _ => Say::Code(ResponseCode::NXDomain),
    });
    let mut set = settings(&[toy.address]);
    set.search = Some(vec!["a.example".into(), "b.example".into()]);
    let resolver = Resolver::new(set).unwrap();
    let found = ask(&resolver, "sip:pbx:5060").unwrap();
    assert_eq!(("pbx", "pbx.b.example"), (&*found.name, &*found.choices[0].host));
    assert!(resolver.peek(&wish("sip:pbx:5060")).is_some());
    let before = toy.questions();
    assert_eq!(Err(Failure::NoName), ask(&resolver, "sip:other.example:5060"));
    assert_eq!(before + 2, toy.questions(), "one question a family, without any suffix");
}

#[test]
fn the_hosts_file_comes_first_and_is_read_again() {
    let toy = Toy::start(|_, _, _| Say::Silence);
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, "192.0.2.7 fs1.example\n").unwrap();
    let mut set = settings(&[toy.address]);
    set.hosts = hosts.clone();
    let resolver = Resolver::new(set).unwrap();
    assert_eq!(vec!["UDP 192.0.2.7:5060"], targets(&resolver, "sip:fs1.example"));
    assert_eq!(0, toy.questions());
    std::fs::write(&hosts, "192.0.2.8 fs1.example\n").unwrap();
    let started = Instant::now();
    while targets(&resolver, "sip:fs1.example") != ["UDP 192.0.2.8:5060"] {
        assert!(started.elapsed() < Duration::from_secs(8), "the file is not read again");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn too_many_questions_are_refused_and_the_rest_answered() {
    let toy = Toy::start(|_, _, _| Say::Silence);
    let mut set = settings(&[toy.address]);
    (set.server_ms, set.question_ms, set.attempts) = (50, 50, 1);
    let resolver = Resolver::new(set).unwrap();
    let taken = (0..3_000).filter(|n| resolver.ask(wish(&format!("sip:h{n}.example:5060")), *n)).count();
    assert_eq!(1_024, taken);
    let (started, mut heard) = (Instant::now(), 0);
    while heard < taken {
        heard += resolver.drain().len();
        assert!(started.elapsed() < Duration::from_secs(10), "{heard} of {taken}");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(resolver.ask(wish("sip:192.0.2.1"), 1), "there is room again");
}
