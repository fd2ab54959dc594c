//! Flows that end, phones with several, and their GRUUs: RFC 5626 and 5627 clause by clause.

use super::*;

fn out(uri: &str, id: u32) -> String {
    format!("<{uri}>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}")
}

fn outbound(cseq: u32, connection: u64, contact: &str) -> Register<'_> {
    Register { cseq, outbound: true, flow: flow(3, connection), ..says(contact) }
}

/// The value of a Contact parameter in the last 200.
fn told(world: &World, name: &str) -> Option<String> {
    let (_, rest) = world.headers.split_once(&format!(";{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

fn phone_of(world: &World, gruu: &str) -> Option<String> {
    let user = gruu.strip_prefix("sip:").unwrap().split('@').next().unwrap();
    let phone = world.registrar.temporary(user.as_bytes(), &keys(), world.now)?;
    assert_eq!(ALICE, &phone.aor[..]);
    Some(String::from_utf8(phone.instance.to_vec()).unwrap())
}

#[test]
fn a_closed_connection_leaves_outbound_and_websocket_phones_their_grace() {
    let mut world = World::new();
    world.alice(Register { flow: flow(5, 70), ..says("<sip:ws@x.invalid>") });
    world.alice(Register { flow: flow(3, 72), ..outbound(2, 72, &out("sip:out@203.0.113.9", 1)) });
    assert_eq!(0, world.registrar.flow_closed(2, 70, world.now), "another edge's");
    assert_eq!(1, world.registrar.flow_closed(1, 70, world.now));
    assert_eq!(1, world.registrar.flow_closed(1, 72, world.now));
    assert_eq!(0, world.registrar.flow_closed(1, 72, world.now), "told once");
    assert!(world.registrar.lookup(ALICE, world.now).iter().all(|binding| binding.is_cut()));
    assert_eq!(1, world.drained().len());
    world.now += u64::from(FLOW_GRACE_SECONDS) * SECOND - 1;
    assert_eq!(2, world.uris().len());
    world.now += 1;
    assert!(world.uris().is_empty());
}

#[test]
fn a_phone_that_can_be_dialled_stays_when_its_connection_ends() {
    let mut world = World::new();
    world.alice(Register { flow: flow(2, 71), ..says("<sip:tcp@203.0.113.9:5070;transport=tcp>") });
    world.registrar.flow_closed(1, 71, world.now);
    world.now += 600 * SECOND;
    let list = world.registrar.lookup(ALICE, world.now);
    assert!(list[0].is_cut());
    assert_eq!("203.0.113.9:5070", reach::dial(&list[0]).unwrap().remote.to_string());
}

#[test]
fn a_phone_that_is_back_within_the_grace_has_its_whole_time_again() {
    let mut world = World::new();
    let contact = out("sip:out@10.0.0.5", 1);
    world.alice(outbound(1, 70, &contact));
    world.registrar.flow_closed(1, 70, world.now);
    world.now += 10 * SECOND;
    assert_eq!((200, Dirty::Now), world.alice(outbound(2, 71, &contact)));
    world.now += u64::from(FLOW_GRACE_SECONDS) * SECOND;
    assert_eq!(flow(3, 71), world.registrar.lookup(ALICE, world.now)[0].flow);
}

#[test]
fn a_closed_flow_is_that_of_one_reg_id_and_the_other_stays() {
    let mut world = World::new();
    world.alice(outbound(1, 70, &out("sip:x1@10.0.0.5", 1)));
    world.alice(outbound(2, 71, &out("sip:x2@10.0.0.5", 2)));
    world.registrar.flow_closed(1, 70, world.now);
    let list = world.registrar.lookup(ALICE, world.now);
    let cut: Vec<_> = list.iter().map(|binding| (binding.reg_id, binding.is_cut())).collect();
    assert_eq!(2, cut.len());
    assert!(cut.contains(&(1, true)) && cut.contains(&(2, false)));
}

#[test]
fn a_phone_behind_a_proxy_outlives_the_proxys_connection() {
    let mut world = World::new();
    let path = "<sip:token@203.0.113.9:5060;transport=tcp;lr;ob>";
    world.alice(Register { path, flow: flow(2, 70), ..outbound(1, 70, &out("sip:x@10.0.0.5", 1)) });
    world.registrar.flow_closed(1, 70, world.now);
    world.now += 600 * SECOND;
    assert_eq!(1, world.uris().len());
}

#[test]
fn an_edges_death_cuts_all_its_connections_and_no_others() {
    let mut world = World::new();
    world.alice(Register { flow: flow(5, 70), ..says("<sip:one@x.invalid>") });
    let other = Flow { edge: 2, ..flow(5, 70) };
    world.alice(Register { cseq: 2, flow: other, ..says("<sip:two@x.invalid>") });
    assert_eq!(1, world.registrar.edge_lost(1, world.now));
    world.now += u64::from(FLOW_GRACE_SECONDS) * SECOND;
    assert_eq!(vec!["sip:two@x.invalid"], world.uris());
}

#[test]
fn rfc_5626_6_the_200_requires_outbound_and_tells_the_flow_timer_where_we_are_the_first_hop() {
    let mut world = World::new();
    world.registrar.set_flow_timer(120);
    let contact = out("sip:x@10.0.0.5", 1);
    world.alice(outbound(1, 70, &contact));
    assert!(world.headers.contains("Require: outbound\r\nFlow-Timer: 120\r\n"), "{}", world.headers);
    world.alice(Register { path: "<sip:p;lr;ob>", ..outbound(2, 70, &contact) });
    assert!(world.headers.contains("Require: outbound\r\n") && !world.headers.contains("Flow-Timer"), "{}", world.headers);
    world.alice(Register { call: "other@phone", ..says("<sip:y@10.0.0.6>") });
    assert!(!world.headers.contains("Require"), "another phone's REGISTER with the same CSeq: {}", world.headers);
}

#[test]
fn rfc_5626_6_a_reg_id_without_instance_does_not_count() {
    let mut world = World::new();
    world.alice(outbound(1, 70, "<sip:x@10.0.0.5>;reg-id=1"));
    assert!(!world.headers.contains("Require"), "{}", world.headers);
}

#[test]
fn rfc_5627_5_2_a_gruu_is_told_to_whoever_supports_it_and_has_an_instance() {
    let mut world = World::new();
    let contact = "<sip:a@10.0.0.5>;+sip.instance=\"<urn:uuid:1>\"";
    world.alice(says(contact));
    assert_eq!(None, told(&world, "pub-gruu"));
    world.alice(Register { gruu: true, cseq: 2, ..says(contact) });
    assert_eq!(Some("sip:alice@demo.example;gr=urn:uuid:1".into()), told(&world, "pub-gruu"));
    assert!(told(&world, "temp-gruu").unwrap().ends_with("@demo.example;gr"));
    world.alice(Register { gruu: true, cseq: 3, ..says("<sip:a@10.0.0.5>") });
    assert_eq!(None, told(&world, "pub-gruu"), "no instance any more");
}

#[test]
fn rfc_5627_5_1_each_refresh_makes_another_and_the_older_ones_stay() {
    let mut world = World::new();
    let contact = "<sip:a@10.0.0.5>;+sip.instance=\"<urn:uuid:1>\"";
    let mut given = Vec::new();
    for cseq in 1..5 {
        world.alice(Register { gruu: true, cseq, ..says(contact) });
        given.push(told(&world, "temp-gruu").unwrap());
        world.alice(Register { gruu: true, cseq, ..says(contact) });
        assert_eq!(given.last(), told(&world, "temp-gruu").as_ref(), "the same REGISTER again");
    }
    assert!((1..4).all(|at| given[at] != given[at - 1]));
    assert!(given.iter().all(|gruu| phone_of(&world, gruu).as_deref() == Some("<urn:uuid:1>")));
}

#[test]
fn rfc_5627_5_1_another_call_id_makes_the_temporary_ones_void() {
    let mut world = World::new();
    let contact = "<sip:a@10.0.0.5>;+sip.instance=\"<urn:uuid:1>\"";
    world.alice(Register { gruu: true, ..says(contact) });
    let gruu = told(&world, "temp-gruu").unwrap();
    world.alice(Register { gruu: true, call: "rebooted@phone", ..says(contact) });
    assert_eq!(None, phone_of(&world, &gruu));
}

#[test]
fn rfc_5627_5_3_the_end_of_a_registration_makes_them_void_also_when_it_begins_anew() {
    let mut world = World::new();
    let contact = "<sip:a@10.0.0.5>;+sip.instance=\"<urn:uuid:1>\"";
    world.alice(Register { gruu: true, ..says(contact) });
    let gruu = told(&world, "temp-gruu").unwrap();
    world.alice(Register { cseq: 2, expires: Some(0), ..says(contact) });
    assert_eq!(None, phone_of(&world, &gruu));
    world.alice(Register { gruu: true, cseq: 3, ..says(contact) });
    assert_eq!(None, phone_of(&world, &gruu), "the same Call-ID, but another registration");
    let gruu = told(&world, "temp-gruu").unwrap();
    world.now += 3600 * SECOND;
    assert_eq!(None, phone_of(&world, &gruu), "it ran out");
}

#[test]
fn a_temporary_gruu_outlives_its_owner() {
    let mut first = World::new();
    first.alice(Register { gruu: true, ..says("<sip:a@10.0.0.5>;+sip.instance=\"<urn:uuid:1>\"") });
    let gruu = told(&first, "temp-gruu").unwrap();
    let mut heir = World::new();
    assert!(heir.registrar.load(ALICE, first.registrar.row(ALICE).unwrap()));
    assert_eq!(Some("<urn:uuid:1>".into()), phone_of(&heir, &gruu));
}

#[test]
fn a_contact_that_is_a_gruu_of_ours_stands_for_where_its_phone_is() {
    let policy = crate::policy::Policy::from_json(br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}}"#).unwrap();
    let mut world = World::new();
    world.alice(Register { gruu: true, ..says("<sip:a@10.0.0.5:5070>;+sip.instance=\"<urn:uuid:1>\"") });
    let temporary = told(&world, "temp-gruu").unwrap();
    world.alice(Register { cseq: 2, ..says("<sip:b@10.0.0.6>;+sip.instance=\"<urn:uuid:2>\"") });
    let behind = |uri: &str| {
        let found = world.registrar.behind(uri.as_bytes(), &keys(), &policy, &flow(1, 0), world.now);
        found.map(|uri| String::from_utf8(uri).unwrap())
    };
    assert_eq!(Some("sip:a@10.0.0.5:5070".into()), behind(&temporary));
    assert_eq!(Some("sip:b@10.0.0.6".into()), behind("sip:alice@demo.example;gr=urn:uuid:2"));
    assert_eq!(None, behind("sip:alice@demo.example;gr=urn:uuid:3"));
    assert_eq!(None, behind("sip:alice@demo.example"));
    assert_eq!(None, behind("sip:alice@other.example;gr=urn:uuid:2"));
}

#[test]
fn a_phone_that_answers_no_options_is_marked_until_it_registers_or_answers() {
    let mut world = World::new();
    world.alice(Register { rport: true, ..says("<sip:a@10.0.0.5>") });
    let hash = world.registrar.hash(ALICE);
    let marked = |world: &World| world.registrar.lookup(ALICE, world.now)[0].unreachable;
    assert!(!world.registrar.answers(hash, &flow(1, 0), true), "no news");
    assert!(world.registrar.answers(hash, &flow(1, 0), false) && marked(&world));
    assert!(!world.registrar.answers(hash, &flow(1, 0), false), "no news");
    assert!(world.registrar.answers(hash, &flow(1, 0), true) && !marked(&world));
    world.registrar.answers(hash, &flow(1, 0), false);
    world.alice(Register { cseq: 2, rport: true, ..says("<sip:a@10.0.0.5>") });
    assert!(!marked(&world));
    let other = Flow { remote: "203.0.113.9:1".parse().unwrap(), ..flow(1, 0) };
    assert!(!world.registrar.answers(hash, &other, false), "another flow");
    assert!(!world.registrar.answers(1, &flow(1, 0), false), "nobody");
}
