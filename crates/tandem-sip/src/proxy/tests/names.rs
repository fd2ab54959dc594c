//! Next hops by name: asked for once, waited for, followed; and nobody else's way meanwhile.

use super::super::{Named, Names};
use super::*;
use std::sync::{Arc, Mutex};

#[derive(Clone)]
struct Told(Arc<Mutex<Named>>);

impl Names for Told {
    fn find(&self, uri: &[u8], _: u64) -> Named {
        assert!(uri.ends_with(b"carrier.example"), "{}", String::from_utf8_lossy(uri));
        *self.0.lock().unwrap()
    }
}

fn world() -> (World1, Told) {
    let mut world = World1::new(1, "");
    let told = Told(Arc::new(Mutex::new(Named::Unknown)));
    world.proxy.set_names(Box::new(told.clone()));
    (world, told)
}

fn outward(method: &str) -> String {
    request(method, "1", "").replace("sip:bob@example.org SIP", "sip:bob@carrier.example SIP").replace(ALICE, &member(0))
}

fn at(address: &str) -> Named {
    Named::At(Transport::Udp, address.parse().unwrap())
}

const NO_ROUTE: &str = r#"{"pools": [{"name": "farm", "members": [{"name": "m0", "address": "10.0.0.10:5060"}]}], "routes": []}"#;

#[test]
fn a_members_request_waits_for_the_name_and_goes_where_it_leads() {
    let (mut world, told) = world();
    world.proxy.apply(&serde_json::from_str(NO_ROUTE).unwrap(), 0).unwrap();
    for method in ["INVITE", "MESSAGE"] {
        *told.0.lock().unwrap() = Named::Unknown;
        let (verdict, left) = world.verdict(&member(0), &outward(method));
        assert_eq!((Verdict::Look, 0), (verdict, left.len()));
        assert_eq!(b"sip:bob@carrier.example".to_vec(), world.proxy.missing());
        *told.0.lock().unwrap() = at("192.0.2.77:5080");
        let left = world.says(&member(0), &outward(method));
        assert!(left.iter().any(|left| left.to == "192.0.2.77:5080" && left.text.starts_with(method)), "{:?}", lines(&left));
    }
}

#[test]
fn a_name_that_leads_nowhere_is_404_and_one_that_nobody_can_say_503() {
    let (mut world, told) = world();
    world.proxy.apply(&serde_json::from_str(NO_ROUTE).unwrap(), 0).unwrap();
    *told.0.lock().unwrap() = Named::Nowhere;
    assert!(world.says(&member(0), &outward("INVITE")).remove(0).text.starts_with("SIP/2.0 404 "));
    *told.0.lock().unwrap() = Named::NotNow;
    let refused = world.says(&member(0), &outward("OPTIONS")).remove(0).text;
    assert!(refused.starts_with("SIP/2.0 503 ") && refused.contains("Retry-After: 10\r\n"));
    assert_eq!(1, world.proxy.counters.no_name);
}

#[test]
fn a_stranger_asks_for_no_name() {
    let (mut world, _) = world();
    world.proxy.apply(&serde_json::from_str(NO_ROUTE).unwrap(), 0).unwrap();
    let (verdict, _) = world.verdict(ALICE, &outward("INVITE").replace(&member(0), ALICE));
    assert_ne!(Verdict::Look, verdict);
}

#[test]
fn a_dialog_waits_for_the_name_in_its_contact_and_its_server_is_there_when_it_has_none() {
    let (mut world, told) = world();
    let invite = world.says(ALICE, &request("INVITE", "1", "")).into_iter().find(|left| left.to == member(0)).unwrap();
    let ok = world.says(&member(0), &answer(&invite.text, "200 OK")).remove(0);
    let route = format!("Route: {}\r\nMax-Forwards", header(&ok.text, "Record-Route"));
    let bye = request("BYE", "2", "")
        .replace("sip:bob@example.org SIP", "sip:bob@carrier.example SIP")
        .replace("To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b")
        .replace("Max-Forwards", &route);
    assert_eq!(Verdict::Look, world.verdict(ALICE, &bye).0);
    *told.0.lock().unwrap() = at("192.0.2.78:5060");
    assert_eq!("192.0.2.78:5060", world.says(ALICE, &bye).remove(0).to);
    *told.0.lock().unwrap() = Named::Nowhere;
    assert_eq!(member(0), world.says(ALICE, &bye).remove(0).to);
}
