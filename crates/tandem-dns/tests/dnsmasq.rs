//! RFC 3263 against a real name server (dnsmasq).

mod common;

use common::{ask, resolver, targets, wish, Dnsmasq};
use std::collections::HashMap;
use std::time::Duration;
use tandem_dns::model::Enum;
use tandem_dns::Event;

const ZONE: &[&str] = &[
    "naptr-record=carrier.example,10,10,S,SIPS+D2T,,_sips._tcp.carrier.example",
    "naptr-record=carrier.example,20,10,S,SIP+D2T,,_sip._tcp.carrier.example",
    "srv-host=_sips._tcp.carrier.example,one.carrier.example,5061,10,70",
    "srv-host=_sips._tcp.carrier.example,two.carrier.example,5062,10,30",
    "srv-host=_sips._tcp.carrier.example,alias.carrier.example,5063,20,0",
    "srv-host=_sip._tcp.carrier.example,one.carrier.example,5060,0,0",
    "host-record=one.carrier.example,192.0.2.1,2001:db8::1",
    "host-record=two.carrier.example,192.0.2.2",
    "host-record=three.carrier.example,192.0.2.3",
    "cname=alias.carrier.example,three.carrier.example",
    "host-record=plain.example,192.0.2.9",
    "cname=also.example,plain.example",
    "host-record=six.example,2001:db8::6",
    "srv-host=_sip._udp.gone.example",
    "naptr-record=3.2.1.0.3.9.4.e164.arpa,10,10,u,E2U+sip,!^\\+49(.*)$!sip:0\\1@berlin.example!",
];

#[test]
fn naptr_leads_to_srv_and_srv_to_addresses() {
    let Some(dnsmasq) = Dnsmasq::start(ZONE) else { return };
    let resolver = resolver(&[dnsmasq.address]);
    let order = targets(&resolver, "sip:carrier.example");
    assert_eq!(4, order.len(), "{order:?}");
    assert!(order.contains(&"TLS [2001:db8::1]:5061".into()) && order.contains(&"TLS 192.0.2.2:5062".into()), "{order:?}");
    assert_eq!("TLS 192.0.2.3:5063", order[3], "the alias is followed, and its priority comes last");
    assert_eq!(vec!["TCP [2001:db8::1]:5060", "TCP 192.0.2.1:5060"], targets(&resolver, "sip:carrier.example;transport=tcp"));
}

#[test]
fn weights_are_shares_over_ten_thousand_calls() {
    let Some(dnsmasq) = Dnsmasq::start(ZONE) else { return };
    let resolver = resolver(&[dnsmasq.address]);
    let found = ask(&resolver, "sips:carrier.example").unwrap();
    let mut first: HashMap<String, u32> = HashMap::new();
    for call in 0..10_000 {
        *first.entry(resolver.order(&found, call)[0].host.to_string()).or_default() += 1;
    }
    assert!((6_800..7_200).contains(&first["one.carrier.example"]), "{first:?}");
    assert!((2_800..3_200).contains(&first["two.carrier.example"]), "{first:?}");
}

#[test]
fn aliases_and_both_families_are_followed() {
    let Some(dnsmasq) = Dnsmasq::start(ZONE) else { return };
    let resolver = resolver(&[dnsmasq.address]);
    assert_eq!(vec!["UDP 192.0.2.9:5060"], targets(&resolver, "sip:also.example"));
    assert_eq!(vec!["UDP [2001:db8::6]:5060"], targets(&resolver, "sip:six.example"));
    assert_eq!(vec!["no-name"], targets(&resolver, "sip:nobody.example"));
    assert_eq!(vec!["not-offered"], targets(&resolver, "sip:gone.example"));
    assert_eq!(vec!["no-records"], targets(&resolver, "sip:_sip._tcp.carrier.example:5060"), "the name is there, its addresses are not");
}

#[test]
fn the_first_target_that_failed_is_tried_last() {
    let Some(dnsmasq) = Dnsmasq::start(ZONE) else { return };
    let resolver = resolver(&[dnsmasq.address]);
    let found = ask(&resolver, "sips:carrier.example").unwrap();
    let first = resolver.order(&found, 3).remove(0);
    resolver.failed(first.transport, first.address);
    let order = resolver.order(&found, 3);
    assert_ne!(first.address, order[0].address);
    assert_eq!(first.address, order.last().unwrap().address);
}

#[test]
fn a_number_becomes_a_uri() {
    let Some(dnsmasq) = Dnsmasq::start(ZONE) else { return };
    let resolver = resolver(&[dnsmasq.address]);
    assert!(resolver.ask_enum(Enum::new("+4930123", "e164.arpa").unwrap(), 9));
    let outcome = loop {
        if let Some(Event::Enum { token: 9, outcome }) = resolver.drain().pop() {
            break outcome;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert_eq!(vec!["sip:030123@berlin.example"], outcome.unwrap().uris);
    let (steps, none) = resolver.explain_enum(Enum::new("+4940123", "e164.arpa").unwrap());
    assert!(none.is_err() && steps[0].contains("the name does not exist"), "{steps:?}");
}

#[test]
fn an_explanation_shows_each_question_with_its_ttl() {
    let Some(dnsmasq) = Dnsmasq::start(ZONE) else { return };
    let resolver = resolver(&[dnsmasq.address]);
    let (steps, outcome) = resolver.explain(wish("sip:carrier.example"));
    let told = steps.join("\n");
    assert!(outcome.is_ok());
    for part in [
        "NAPTR carrier.example: ",
        "10 10 \"S\" \"SIPS+D2T\" _sips._tcp.carrier.example",
        "TTL 30 s",
        "a lower order has matched",
        "SRV _sips._tcp.carrier.example: ",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
