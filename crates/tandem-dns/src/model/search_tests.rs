//! RFC 3263 as a table: a zone, a wish, and the targets that come of it in their order.

use super::question::{Data, Kind, Question, Records, Srv};
use super::*;
use std::collections::HashMap;
use tandem_sip::frame::Transport;

/// Lines of a zone: `name kind data`; SRV as `priority weight port target`, NAPTR as `order preference flags service replacement`.
fn zone(lines: &str) -> HashMap<Question, Records> {
    let mut zone: HashMap<Question, Records> = HashMap::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let word: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| word[at].parse().unwrap();
        let named = |at: usize| -> Box<str> { word[at].trim_matches('.').into() };
        let (kind, data) = match word[1] {
            "A" => (Kind::A, Data::Address(word[2].parse().unwrap())),
            "AAAA" => (Kind::Aaaa, Data::Address(word[2].parse().unwrap())),
            "SRV" => (Kind::Srv, Data::Srv(Srv { priority: number(2), weight: number(3), port: number(4), target: named(5) })),
            _ => {
                let (flags, service, replacement) = (named(4), named(5), named(6));
                let naptr = Naptr { order: number(2), preference: number(3), flags, service, regexp: "".into(), replacement };
                (Kind::Naptr, Data::Naptr(naptr))
            }
        };
        let empty = || Records { data: vec![], ttl_seconds: 60, stale: false };
        zone.entry(Question::new(kind, word[0])).or_insert_with(empty).data.push(data);
    }
    zone
}

struct Played {
    asked: Vec<String>,
    outcome: Outcome,
    steps: Vec<String>,
}

fn play(zone: &HashMap<Question, Records>, wish: Wish, how: How) -> Played {
    let mut search = Search::new(wish, how, true);
    let mut asked = Vec::new();
    loop {
        let questions = search.questions();
        if questions.is_empty() {
            let outcome = search.outcome().expect("nothing to ask and nothing found").clone();
            return Played { asked, outcome, steps: search.steps() };
        }
        for question in questions {
            asked.push(question.to_string());
            let answer = match zone.get(&question) {
                Some(records) => Ok(records.clone()),
                None if question.name.starts_with("silent") => Err((Failure::TimedOut, 10)),
                None => Err((Failure::NoRecords, 30)),
            };
            search.answered(question, answer);
        }
    }
}

fn targets(zone_text: &str, uri: &str) -> Vec<String> {
    let played = play(&zone(zone_text), Wish::of_uri(uri.as_bytes()).unwrap(), How::default());
    match played.outcome {
        Ok(found) => {
            found.order(Seeded(1), &Ill::default(), 0).iter().map(|one| format!("{} {}", one.transport.via(), one.address)).collect()
        }
        Err(why) => vec![why.to_string()],
    }
}

const RFC: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com.
    example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com.
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com SRV 1 1 5060 server2.example.com.
    _sip._udp.example.com SRV 0 1 5060 server1.example.com.
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    server2.example.com AAAA 2001:db8::2
    example.com A 192.0.2.9";

#[test]
fn numeric_hosts_are_not_looked_up() {
    assert_eq!(vec!["UDP 192.0.2.5:5060"], targets("", "sip:192.0.2.5"));
    assert_eq!(vec!["TLS [2001:db8::5]:5061"], targets("", "sips:a@[2001:db8::5]"));
    assert_eq!(vec!["TCP 192.0.2.5:5070"], targets("", "sip:192.0.2.5:5070;transport=tcp"));
    assert_eq!(vec!["TLS 192.0.2.5:5061"], targets("", "sips:192.0.2.5;transport=tcp"));
}

#[test]
fn an_explicit_port_asks_for_addresses_only() {
    let played = play(&zone(RFC), Wish::of_uri(b"sip:example.com:5080").unwrap(), How::default());
    assert_eq!(vec!["AAAA example.com", "A example.com"], played.asked);
    assert_eq!(vec!["UDP 192.0.2.9:5080"], targets(RFC, "sip:example.com:5080"));
    assert_eq!(vec!["TLS 192.0.2.9:5080"], targets(RFC, "sips:example.com:5080"));
}

#[test]
fn the_lowest_order_of_naptr_decides_alone() {
    assert_eq!(vec!["TLS 192.0.2.1:5061"], targets(RFC, "sip:example.com"));
    let how = How { transports: vec![Transport::Udp, Transport::Tcp], ..How::default() };
    let found = play(&zone(RFC), Wish::of_uri(b"sip:example.com").unwrap(), how).outcome.unwrap();
    let order = found.order(Seeded(1), &Ill::default(), 0);
    let shown: Vec<_> = order.iter().map(|one| format!("{} {}", one.transport.via(), one.address)).collect();
    assert_eq!(vec!["TCP 192.0.2.1:5060", "TCP [2001:db8::2]:5060", "TCP 192.0.2.2:5060"], shown);
    assert_eq!("example.com", &*order[0].name, "a certificate names the domain, not the server (RFC 5922 4)");
}

#[test]
fn within_an_order_preferences_follow_each_other() {
    let zone = "
        x.example NAPTR 1 20 s SIP+D2U _sip._udp.x.example.
        x.example NAPTR 1 10 S sip+d2t _sip._tcp.x.example.
        x.example NAPTR 1 5 s SIP+D2S _sip._sctp.x.example.
        x.example NAPTR 1 6 u E2U+sip x.
        x.example NAPTR 0 1 s SIP+D2T .
        x.example NAPTR 1 30 a SIPS+D2T direct.example.
        _sip._tcp.x.example SRV 5 0 5060 one.example.
        _sip._udp.x.example SRV 0 0 5060 two.example.
        one.example A 192.0.2.1
        two.example A 192.0.2.2
        direct.example A 192.0.2.3";
    assert_eq!(vec!["TCP 192.0.2.1:5060", "UDP 192.0.2.2:5060", "TLS 192.0.2.3:5061"], targets(zone, "sip:x.example"));
    assert_eq!(vec!["TLS 192.0.2.3:5061"], targets(zone, "sips:x.example"));
}

#[test]
fn a_transport_in_the_uri_asks_for_its_srv_only() {
    let played = play(&zone(RFC), Wish::of_uri(b"sip:example.com;transport=tcp").unwrap(), How::default());
    assert_eq!("SRV _sip._tcp.example.com", played.asked[0]);
    assert_eq!(1, played.asked.iter().filter(|asked| asked.contains("SRV") || asked.contains("NAPTR")).count());
    assert_eq!(vec!["TLS 192.0.2.1:5061"], targets(RFC, "sip:example.com;transport=tls"));
    assert_eq!(vec!["no transport in common"], targets(RFC, "sip:example.com;transport=ws"));
}

#[test]
fn without_naptr_every_srv_that_we_speak_is_asked() {
    let zone = RFC.lines().filter(|line| !line.contains("NAPTR")).collect::<Vec<_>>().join("\n");
    let order = ["UDP 192.0.2.1:5060", "TCP 192.0.2.1:5060", "TCP [2001:db8::2]:5060", "TCP 192.0.2.2:5060", "TLS 192.0.2.1:5061"];
    assert_eq!(order.to_vec(), targets(&zone, "sip:example.com"));
    assert_eq!(vec!["TLS 192.0.2.1:5061"], targets(&zone, "sips:example.com"));
}

#[test]
fn without_srv_the_hosts_own_addresses_count() {
    assert_eq!(vec!["UDP 192.0.2.1:5060"], targets("plain.example A 192.0.2.1", "sip:Plain.Example."));
    assert_eq!(vec!["TLS 192.0.2.1:5061"], targets("plain.example A 192.0.2.1", "sips:plain.example"));
    assert_eq!(vec!["TCP 192.0.2.1:5060"], targets("plain.example A 192.0.2.1", "sip:plain.example;transport=tcp"));
    assert_eq!(vec!["no such record"], targets("", "sip:plain.example"));
}

#[test]
fn a_lone_dot_means_not_here_and_nothing_else_is_tried() {
    let zone = "_sip._udp.x.example SRV 0 0 0 .\n x.example A 192.0.2.1";
    assert_eq!(vec!["the service is not offered there"], targets(zone, "sip:x.example"));
    let both = format!("{zone}\n _sip._tcp.x.example SRV 0 0 5060 x.example.");
    assert_eq!(vec!["TCP 192.0.2.1:5060"], targets(&both, "sip:x.example"));
}

#[test]
fn silence_about_srv_is_not_taken_for_none() {
    let found = |zone: &str, host: &str| {
        let mut search = Search::new(Wish::new(host, 0, Some(Transport::Udp), false).unwrap(), How::default(), false);
        let question = search.questions().remove(0);
        search.answered(question, Err((Failure::TimedOut, 10)));
        (search.outcome().cloned(), zone.len())
    };
    assert_eq!(Some(Err(Failure::TimedOut)), found("", "x.example").0);
}

#[test]
fn one_host_without_address_takes_nothing_from_the_others() {
    let zone = "
        _sip._udp.x.example SRV 0 0 5060 silent.example.
        _sip._udp.x.example SRV 1 0 5060 there.example.
        there.example A 192.0.2.1";
    assert_eq!(vec!["UDP 192.0.2.1:5060"], targets(zone, "sip:x.example;transport=udp"));
    let alone = "_sip._udp.x.example SRV 0 0 5060 silent.example.";
    assert_eq!(vec!["no name server answered in time"], targets(alone, "sip:x.example;transport=udp"));
}

#[test]
fn the_preferred_family_comes_first_within_a_host() {
    let zone = "x.example A 192.0.2.1\n x.example AAAA 2001:db8::1";
    assert_eq!(vec!["UDP [2001:db8::1]:5060", "UDP 192.0.2.1:5060"], targets(zone, "sip:x.example"));
    let how = How { families: vec![Kind::A], ..How::default() };
    let found = play(&super::search_tests::zone(zone), Wish::of_uri(b"sip:x.example").unwrap(), how).outcome.unwrap();
    assert_eq!(1, found.addresses().count());
}

#[test]
fn a_response_goes_by_its_via() {
    let via = |text: &str| Wish::of_via(&tandem_sip::via::Via::parse(text.as_bytes()).unwrap()).unwrap();
    let play = |wish| play(&zone(RFC), wish, How::default()).asked;
    assert_eq!("SRV _sip._tcp.example.com", play(via("SIP/2.0/TCP example.com;branch=z9hG4bK1"))[0]);
    assert_eq!(vec!["AAAA example.com", "A example.com"], play(via("SIP/2.0/TLS example.com:5061;branch=z9hG4bK1")));
    assert_eq!(Vec::<String>::new(), play(via("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1")));
}

#[test]
fn maddr_is_where_it_goes() {
    let zone = "edge.example A 192.0.2.7";
    assert_eq!(vec!["UDP 192.0.2.7:5060"], targets(zone, "sip:alice@example.com;maddr=edge.example"));
    assert_eq!(vec!["UDP 192.0.2.8:5060"], targets(zone, "sip:alice@example.com;maddr=192.0.2.8"));
}

#[test]
fn what_cannot_be_looked_up_is_told() {
    for (bad, why) in [
        ("tel:+4930", BadWish::Uri),
        ("sip:", BadWish::Uri),
        ("sip:a@b;transport=sctp", BadWish::Transport),
        ("sips:a@b;transport=udp", BadWish::Transport),
    ] {
        assert_eq!(Err(why), Wish::of_uri(bad.as_bytes()), "{bad}");
    }
    assert_eq!(Err(BadWish::Host), Wish::new("b\u{fc}ro.example", 0, None, false));
    assert_eq!(Err(BadWish::Host), Wish::new(&"a.".repeat(200), 0, None, false));
}

#[test]
fn a_search_that_is_explained_names_records_ttls_and_reasons() {
    let played = play(&zone(RFC), Wish::of_uri(b"sip:example.com").unwrap(), How::default());
    let told = played.steps.join("\n");
    for part in [
        "NAPTR example.com: 50 50",
        "TTL 60 s",
        "passed over, a lower order has matched",
        "by NAPTR: TLS at _sips._tcp.example.com",
        "A server1.example.com: 192.0.2.1",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert_eq!(30, played.outcome.unwrap().ttl_seconds, "the missing AAAA counts thirty seconds");
}

#[test]
fn weights_are_shares_over_ten_thousand_draws() {
    let zone = "
        _sip._udp.x.example SRV 10 60 5060 a.example.
        _sip._udp.x.example SRV 10 30 5060 b.example.
        _sip._udp.x.example SRV 10 10 5060 c.example.
        _sip._udp.x.example SRV 10 0 5060 d.example.
        _sip._udp.x.example SRV 20 100 5060 later.example.
        a.example A 192.0.2.1\n b.example A 192.0.2.2\n c.example A 192.0.2.3\n d.example A 192.0.2.4\n later.example A 192.0.2.5";
    let found =
        play(&super::search_tests::zone(zone), Wish::of_uri(b"sip:x.example;transport=udp").unwrap(), How::default()).outcome.unwrap();
    let mut first: HashMap<String, u32> = HashMap::new();
    let mut second_after_a: HashMap<String, u32> = HashMap::new();
    for call in 0..10_000 {
        let order = found.order(Seeded(call), &Ill::default(), 0);
        assert_eq!(5, order.len());
        assert_eq!("later.example", &*order[4].host);
        *first.entry(order[0].host.to_string()).or_default() += 1;
        if &*order[0].host == "a.example" {
            *second_after_a.entry(order[1].host.to_string()).or_default() += 1;
        }
    }
    // four standard deviations of a binomial share
    for (host, share) in [("a.example", 0.6_f64), ("b.example", 0.3), ("c.example", 0.1)] {
        let counted = f64::from(first[host]);
        let spread = 4.0 * (10_000.0 * share * (1.0 - share)).sqrt() + 100.0;
        assert!((counted - 10_000.0 * share).abs() < spread, "{host}: {counted}");
    }
    assert!(first.get("d.example").copied().unwrap_or(0) < 250, "weight 0: a small chance (RFC 2782)");
    let (b, c) = (f64::from(second_after_a["b.example"]), f64::from(second_after_a["c.example"]));
    assert!((b / c - 3.0).abs() < 0.5, "what is left is drawn by weight too: {b} {c}");
}

#[test]
fn a_target_that_failed_comes_last_for_a_while() {
    let zone = "_sip._udp.x.example SRV 0 0 5060 a.example.\n _sip._udp.x.example SRV 1 0 5060 b.example.\n a.example A 192.0.2.1\n b.example A 192.0.2.2";
    let found =
        play(&super::search_tests::zone(zone), Wish::of_uri(b"sip:x.example;transport=udp").unwrap(), How::default()).outcome.unwrap();
    let mut ill = Ill::default();
    let first = |ill: &Ill, now| found.order(Seeded(7), ill, now)[0].address;
    let (a, b) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    assert_eq!(a, first(&ill, 0));
    ill.failed(Transport::Udp, a, 100, 0);
    assert_eq!((b, a), (first(&ill, 99), first(&ill, 100)));
    ill.failed(Transport::Udp, b, 200, 0);
    ill.failed(Transport::Udp, a, 200, 0);
    assert_eq!(a, first(&ill, 150), "all of them are tried when all have failed");
    ill.well(Transport::Udp, b);
    assert_eq!(b, first(&ill, 150));
}
