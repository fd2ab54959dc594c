//! Requests without state: dialogs by their tokens, routes loose and strict, what is refused.

use super::*;

fn call(world: &mut World1, invite: &str) -> (Left, Left) {
    let invite = world.says(ALICE, invite).remove(0);
    let ok = world.says(&invite.to, &answer(&invite.text, "200 OK")).remove(0);
    (invite, ok)
}

fn in_dialog(method: &str, uri: &str, routes: &str, from_bob: bool) -> String {
    let (from, to) = if from_bob { ("bob", "alice") } else { ("alice", "bob") };
    let tag = |name: &str| if name == "alice" { "a" } else { "b" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP host.example;branch=z9hG4bKx{method}{from};rport\r\nMax-Forwards: 70\r\n{routes}\
         From: <sip:{from}@example.org>;tag={}\r\nTo: <sip:{to}@example.org>;tag={}\r\nCall-ID: one@alice\r\nCSeq: 2 {method}\r\nContent-Length: 0\r\n\r\n",
        tag(from),
        tag(to)
    )
}

#[test]
fn a_dialog_finds_its_way_on_an_edge_that_knows_nothing() {
    let mut first = World1::new(2, "");
    let (invite, ok) = call(&mut first, &request("INVITE", "1", ""));
    let route = format!("Route: {}\r\n", header(&ok.text, "Record-Route"));
    let mut world = World1::new(2, "");
    let bye = world.says(ALICE, &in_dialog("BYE", &format!("sip:bob@{}", invite.to), &route, false)).remove(0);
    assert_eq!((&invite.to, false), (&bye.to, bye.text.contains("Route")));
    let done = world.says(&bye.to, &answer(&bye.text, "200 OK")).remove(0);
    assert_eq!(ALICE, done.to);
    let back = world.says(&invite.to, &in_dialog("BYE", &format!("sip:alice@{ALICE}"), &route, true)).remove(0);
    assert_eq!(ALICE, back.to);
    // Whoever moves a token to another call is refused, and his ACK is not heard.
    let forged = in_dialog("BYE", &format!("sip:bob@{}", invite.to), &route, false).replace("one@alice", "two@alice");
    assert!(world.says(ALICE, &forged).remove(0).text.starts_with("SIP/2.0 403 "));
    assert!(world.says(ALICE, &forged.replace("BYE", "ACK")).is_empty());
}

#[test]
fn only_what_an_edge_wrote_shows_that_a_message_belongs_to_a_dialog() {
    let belongs = |text: &str| {
        let mut index = Index::default();
        crate::proxy::belongs(&keys(), &Message::parse(text.as_bytes(), &Limits::default(), &mut index).unwrap())
    };
    let mut world = World1::new(1, "");
    let (invite, ok) = call(&mut world, &request("INVITE", "1", ""));
    let route = format!("Route: {}\r\n", header(&ok.text, "Record-Route"));
    let bye = in_dialog("BYE", "sip:bob@example.org", &route, false);
    assert!(belongs(&bye));
    assert!(belongs(&answer(&invite.text, "200 OK")), "a response to what was forwarded");
    for forged in [
        in_dialog("BYE", "sip:bob@example.org", "", false),
        in_dialog("BYE", "sip:bob@example.org", "Route: <sip:10.0.0.1;lr>\r\n", false),
        bye.replace("one@alice", "two@alice"),
        request("INVITE", "1", &route),
        answer(&invite.text, "200 OK").replace("one@alice", "two@alice"),
        answer(&request("INVITE", "1", ""), "200 OK"),
    ] {
        assert!(!belongs(&forged), "{forged}");
    }
}

#[test]
fn a_phone_behind_a_nat_is_reached_where_its_invite_came_from() {
    let mut world = World1::new(1, "");
    let hidden = request("INVITE", "1", "")
        .replace(&format!("UDP {ALICE}"), "UDP 192.168.1.2:5060")
        .replace(&format!("alice@{ALICE}"), "alice@192.168.1.2");
    let (_, ok) = call(&mut world, &hidden);
    assert_eq!(ALICE, ok.to);
    let route = format!("Route: {}\r\n", header(&ok.text, "Record-Route"));
    let back = world.says(&member(0), &in_dialog("INFO", "sip:alice@192.168.1.2", &route, true)).remove(0);
    assert_eq!(ALICE, back.to);
    // A carrier that is not behind one is reached where its Contact says.
    let mut world = World1::new(1, "");
    let (_, ok) = call(&mut world, &request("INVITE", "1", "").replace(&format!("alice@{ALICE}"), "alice@203.0.113.7:5070"));
    let route = format!("Route: {}\r\n", header(&ok.text, "Record-Route"));
    let back = world.says(&member(0), &in_dialog("INFO", "sip:alice@203.0.113.7:5070", &route, true)).remove(0);
    assert_eq!("203.0.113.7:5070", back.to);
}

#[test]
fn a_contact_that_is_a_name_leads_to_the_calls_member() {
    let mut world = World1::new(3, "");
    let (invite, ok) = call(&mut world, &request("INVITE", "1", ""));
    let route = format!("Route: {}\r\n", header(&ok.text, "Record-Route"));
    let bye = world.says(ALICE, &in_dialog("BYE", "sip:bob@fs1.internal", &route, false)).remove(0);
    assert_eq!(invite.to, bye.to);
}

#[test]
fn routes_of_others_are_followed_loose_and_strict() {
    let mut world = World1::new(1, "");
    let (_, ok) = call(&mut world, &request("INVITE", "1", ""));
    let ours = header(&ok.text, "Record-Route");
    let next = |world: &mut World1, uri: &str, routes: &str| world.says(ALICE, &in_dialog("BYE", uri, routes, false)).remove(0);
    let loose = next(&mut world, "sip:bob@10.9.9.9", &format!("Route: {ours}, <sip:10.0.0.77;lr>\r\nRoute: <sip:10.0.0.78;lr>\r\n"));
    assert_eq!("10.0.0.77:5060", loose.to);
    assert!(loose.text.contains("\r\nRoute: <sip:10.0.0.77;lr>\r\nRoute: <sip:10.0.0.78;lr>\r\nVia: "), "{}", loose.text);
    let strict = next(&mut world, "sip:bob@10.9.9.9", &format!("Route: {ours}, <sip:10.0.0.77>\r\n"));
    assert_eq!("10.0.0.77:5060", strict.to);
    assert!(
        strict.text.starts_with("BYE sip:10.0.0.77 SIP/2.0\r\n") && strict.text.contains("\r\nRoute: <sip:bob@10.9.9.9>\r\n"),
        "{}",
        strict.text
    );
    // The last hop was strict: we are the Request-URI, and what was it stands last in Route.
    let uri = ours.trim_start_matches('<').trim_end_matches('>');
    let before = next(&mut world, uri, "Route: <sip:10.0.0.77;lr>, <sip:bob@10.9.9.9>\r\n");
    assert!(
        before.text.starts_with("BYE sip:bob@10.9.9.9 SIP/2.0\r\n") && before.text.contains("\r\nRoute: <sip:10.0.0.77;lr>\r\n"),
        "{}",
        before.text
    );
}

#[test]
fn a_route_that_means_us_is_taken_off_a_first_request() {
    let mut world = World1::new(1, "");
    let left = world.says(ALICE, &request("OPTIONS", "1", &format!("Route: <sip:{EDGE};lr>\r\n"))).remove(0);
    assert!(left.to == member(0) && !left.text.contains("Route:"), "{}", left.text);
}

#[test]
fn what_must_not_pass_is_answered_here() {
    let mut world = World1::new(1, "");
    let mut status = |text: &str| {
        let (_, left) = world.verdict(ALICE, text);
        left.first().map(|left| left.text[8..11].to_owned()).unwrap_or_default()
    };
    assert_eq!("483", status(&request("MESSAGE", "1", "").replace("Forwards: 70", "Forwards: 0")));
    assert_eq!("200", status(&request("OPTIONS", "2", "").replace("Forwards: 70", "Forwards: 0")));
    assert_eq!("400", status(&request("OPTIONS", "3", "").replace("Forwards: 70", "Forwards: 300")));
    assert_eq!("420", status(&request("OPTIONS", "4", "Proxy-Require: sec-agree\r\nX-Long: so that the answer is shorter than it\r\n")));
    assert_eq!("416", status(&request("OPTIONS", "5", "").replace("OPTIONS sip:bob@example.org", "OPTIONS nobodyknows:bob")));
    assert_eq!("tel", status(&request("OPTIONS", "6", "").replace("OPTIONS sip:bob@example.org", "OPTIONS tel:+4930;phone-context=x")));
    assert_eq!("481", status(&in_dialog("BYE", "sip:bob@example.org", "", false)));
    assert_eq!("", status(&in_dialog("ACK", "nobodyknows:bob", "", false)));
    assert_eq!("200", status(&request("OPTIONS", "7", "").replace("sip:bob@example.org SIP", &format!("sip:{EDGE} SIP"))));
}

#[test]
fn the_ack_to_our_own_refusal_goes_nowhere() {
    let mut world = World1::with(&format!(r#"{{"pools": [{}], "routes": [{{"refuse": 403}}]}}"#, farm(1, "")));
    let refused = world.says(ALICE, &request("INVITE", "1", "")).remove(0);
    assert!(refused.text.starts_with("SIP/2.0 403 Forbidden\r\n"));
    let ack = request("ACK", "1", "").replace("To: <sip:bob@example.org>", &format!("To: {}", header(&refused.text, "To")));
    assert!(world.says(ALICE, &ack).is_empty());
}

#[test]
fn a_response_to_nothing_of_ours_is_silence() {
    let mut world = World1::new(1, "");
    let options = world.says(ALICE, &request("OPTIONS", "1", "")).remove(0);
    let good = answer(&options.text, "200 OK");
    for bad in [
        good.replace("one@alice", "two@alice"),
        good.replace("rport=40000", "rport=40001"),
        good.replace("received=192.0.2.1", "received=192.0.2.2"),
        good.replace("CSeq: 1 ", "CSeq: 2 "),
        good.replace("z9hG4bKub0", "z9hG4bKub1"),
    ] {
        assert_ne!(good, bad);
        let (verdict, left) = world.verdict(&member(0), &bad);
        assert_eq!((Verdict::Silence("foreign_branch"), 0), (verdict, left.len()), "{bad}");
    }
    // It need not come from the address that was asked.
    assert_eq!(ALICE, world.says("10.0.0.99:9999", &good).remove(0).to);
    assert_eq!(5, world.proxy.counters.foreign_responses);
}

#[test]
fn the_member_stands_in_the_request_uri_where_it_is_wanted() {
    let mut world = World1::new(1, r#", "uri": "member""#);
    let left = world
        .says(ALICE, &request("OPTIONS", "1", "").replace("sip:bob@example.org SIP", "sip:bob@example.org;transport=tcp;user=phone SIP"))
        .remove(0);
    assert!(left.text.starts_with(&format!("OPTIONS sip:bob@{};user=phone SIP/2.0\r\n", member(0))), "{}", left.text);
    let left = world.says(ALICE, &request("INVITE", "2", "")).remove(0);
    assert!(left.text.starts_with(&format!("INVITE sip:bob@{} SIP/2.0\r\n", member(0))), "{}", left.text);
}

#[test]
fn a_member_calls_whom_it_wants() {
    let mut world = World1::new(1, "");
    let from_member = request("INVITE", "1", "").replace("bob@example.org SIP", "bob@203.0.113.9 SIP").replace(ALICE, &member(0));
    let invite = world.says(&member(0), &from_member).remove(0);
    assert_eq!("203.0.113.9:5060", invite.to);
    let ok = world.says("203.0.113.9:5060", &answer(&invite.text, "200 OK")).remove(0);
    assert_eq!(member(0), ok.to);
    let route = format!("Route: {}\r\n", header(&ok.text, "Record-Route"));
    let back = world.says("203.0.113.9:5060", &in_dialog("BYE", &format!("sip:alice@{}", member(0)), &route, true)).remove(0);
    assert_eq!(member(0), back.to);
    // A stranger may not.
    let (verdict, _) = World1::with(r#"{"pools": [], "routes": []}"#)
        .verdict(ALICE, &request("INVITE", "1", "").replace("bob@example.org SIP", "bob@203.0.113.9 SIP"));
    assert_eq!(Verdict::Answered("no_route"), verdict);
}

#[test]
fn after_a_restart_a_ringing_call_is_answered_cancelled_and_refused_all_the_same() {
    let mut first = World1::new(3, "");
    let invite = first.says(ALICE, &request("INVITE", "1", "")).remove(0);
    let mut world = World1::new(3, "");
    let ringing = world.says(&invite.to, &answer(&invite.text, "180 Ringing")).remove(0);
    assert_eq!(ALICE, ringing.to);
    let cancel = world.says(ALICE, &request("CANCEL", "1", "")).remove(0);
    assert_eq!((&invite.to, header(&invite.text, "Via")), (&cancel.to, header(&cancel.text, "Via")));
    let refused = world.says(&invite.to, &answer(&invite.text, "487 Request Terminated")).remove(0);
    assert_eq!(ALICE, refused.to);
    let ack = world.says(ALICE, &request("ACK", "1", "").replace("To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b")).remove(0);
    assert_eq!((&invite.to, header(&invite.text, "Via")), (&ack.to, header(&ack.text, "Via")));
    // The same INVITE again makes the same request: its server sees a repetition.
    assert_eq!(invite.text, World1::new(3, "").says(ALICE, &request("INVITE", "1", "")).remove(0).text);
}
