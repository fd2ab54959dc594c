//! The registrar's promises, each by name.

use super::*;

const NOW: u64 = 1_795_000_000_000_000;
const SECOND: u64 = 1_000_000;
const ALICE: &[u8] = b"alice@demo.example";

struct World {
    registrar: Registrar,
    now: u64,
    headers: String,
}

struct Register<'a> {
    call: &'a str,
    cseq: u32,
    contact: &'a str,
    expires: Option<u32>,
    path: &'a str,
    outbound: bool,
    gruu: bool,
    rport: bool,
    flow: Flow,
}

fn keys() -> Keys {
    Keys { hash: [3; 16], signing: vec![crate::ids::Key { id: b'a', secret: [4; 16] }] }
}

fn flow(transport: u8, connection: u64) -> Flow {
    Flow { edge: 1, connection, transport, local: 0, remote: "203.0.113.9:49152".parse().unwrap() }
}

fn says(contact: &str) -> Register<'_> {
    Register { call: "call@phone", cseq: 1, contact, expires: None, path: "", outbound: false, gruu: false, rport: false, flow: flow(1, 0) }
}

impl World {
    fn new() -> World {
        World { registrar: Registrar::new(Config::default(), [3; 16]), now: NOW, headers: String::new() }
    }

    fn alice(&mut self, register: Register<'_>) -> (u16, Dirty) {
        let values = Some(register.contact.as_bytes()).filter(|text| !text.is_empty());
        let wish = Wish {
            aor: ALICE,
            call_id: register.call.as_bytes(),
            cseq: register.cseq,
            expires: register.expires,
            contacts: Contacts::parse(values.into_iter()).unwrap(),
            path: register.path.as_bytes(),
            outbound: register.outbound,
            gruu: register.gruu,
            rport: register.rport,
        };
        let mut headers = Vec::new();
        let outcome = self.registrar.register(&wish, &register.flow, &keys(), self.now, &mut headers);
        self.headers = String::from_utf8(headers).unwrap();
        (outcome.status, outcome.dirty)
    }

    fn uris(&self) -> Vec<String> {
        self.registrar.lookup(ALICE, self.now).iter().map(|binding| String::from_utf8_lossy(binding.uri).into_owned()).collect()
    }

    fn drained(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut list = Vec::new();
        self.registrar.drain_dirty(|aor, row| list.push((aor.to_vec(), row.map(<[u8]>::to_vec))));
        list
    }
}

#[test]
fn a_new_binding_is_found_and_must_be_stored_before_the_answer() {
    let mut world = World::new();
    assert_eq!((200, Dirty::Now), world.alice(says("<sip:a@10.0.0.5>;expires=120;q=0.5")));
    assert!(world.headers.contains("Contact: <sip:a@10.0.0.5>;expires=120;q=0.500\r\n"), "{}", world.headers);
    assert!(world.headers.ends_with("Date: Wed, 18 Nov 2026 11:06:40 GMT\r\n"), "{}", world.headers);
    assert_eq!(vec!["sip:a@10.0.0.5"], world.uris());
    assert!(world.registrar.row(ALICE).is_some());
}

#[test]
fn a_binding_ends_at_its_second() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>;expires=60"));
    world.now += 60 * SECOND - 1;
    assert_eq!(1, world.uris().len());
    world.now += 1;
    assert!(world.uris().is_empty());
}

#[test]
fn a_refresh_that_moves_only_the_clock_is_stored_lazily() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>"));
    assert_eq!((200, Dirty::Lazy), world.alice(Register { cseq: 2, ..says("<sip:a@h>") }));
    assert_eq!((200, Dirty::Lazy), world.alice(Register { cseq: 3, ..says("<sip:a@h>") }));
    let row = world.registrar.row(ALICE).map(<[u8]>::to_vec);
    assert_eq!(vec![(ALICE.to_vec(), row)], world.drained());
    assert!(world.drained().is_empty());
}

#[test]
fn a_refresh_from_another_address_or_with_another_path_is_stored_at_once() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>"));
    let moved = Flow { remote: "203.0.113.9:50000".parse().unwrap(), ..flow(1, 0) };
    assert_eq!((200, Dirty::Now), world.alice(Register { cseq: 2, flow: moved, ..says("<sip:a@h>") }));
    assert_eq!((200, Dirty::Now), world.alice(Register { cseq: 3, flow: moved, path: "<sip:p;lr>", ..says("<sip:a@h>") }));
    let list = world.registrar.lookup(ALICE, NOW);
    assert_eq!((moved, &b"<sip:p;lr>"[..]), (list[0].flow, list[0].path));
}

#[test]
fn an_expires_header_counts_where_the_contact_has_none() {
    let mut world = World::new();
    world.alice(Register { expires: Some(90), ..says("<sip:a@h>, <sip:b@h>;expires=70") });
    assert!(world.headers.contains("<sip:a@h>;expires=90\r\n") && world.headers.contains("<sip:b@h>;expires=70\r\n"));
    let mut world = World::new();
    world.alice(says("<sip:a@h>"));
    assert!(world.headers.contains(";expires=3600\r\n"));
}

#[test]
fn a_longer_wish_than_the_most_is_cut() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>;expires=86400"));
    assert!(world.headers.contains("<sip:a@h>;expires=3600\r\n"));
}

#[test]
fn too_brief_an_interval_is_423_with_min_expires_and_changes_nothing() {
    let mut world = World::new();
    assert_eq!((423, Dirty::None), world.alice(says("<sip:a@h>;expires=600, <sip:b@h>;expires=59")));
    assert_eq!("Min-Expires: 60\r\n", world.headers);
    assert!(world.uris().is_empty());
}

#[test]
fn expires_0_removes_one_and_of_an_unknown_contact_nothing() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>, <sip:b@h>"));
    assert_eq!((200, Dirty::Now), world.alice(Register { cseq: 2, ..says("<sip:a@h>;expires=0") }));
    assert_eq!(vec!["sip:b@h"], world.uris());
    assert_eq!((200, Dirty::None), world.alice(Register { cseq: 3, ..says("<sip:z@h>;expires=0") }));
    assert_eq!((200, Dirty::Now), world.alice(Register { cseq: 4, ..says("<sip:b@h>;expires=0") }));
    assert_eq!(None, world.registrar.row(ALICE));
    assert_eq!(0, world.registrar.len());
}

#[test]
fn a_star_removes_all_with_expires_0_only() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>, <sip:b@h>"));
    assert_eq!((400, Dirty::None), world.alice(Register { cseq: 2, ..says("*") }));
    assert_eq!((400, Dirty::None), world.alice(Register { cseq: 2, expires: Some(60), ..says("*") }));
    assert_eq!(2, world.uris().len());
    assert_eq!((200, Dirty::Now), world.alice(Register { cseq: 2, expires: Some(0), ..says("*") }));
    assert!(world.uris().is_empty());
}

#[test]
fn a_register_without_contact_lists_them() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>, <sip:b@h>"));
    world.now += 10 * SECOND;
    assert_eq!((200, Dirty::None), world.alice(Register { cseq: 2, ..says("") }));
    assert!(world.headers.contains("<sip:a@h>;expires=3590\r\n") && world.headers.contains("<sip:b@h>;expires=3590\r\n"));
}

#[test]
fn an_overtaken_cseq_of_the_same_call_id_fails_and_another_call_id_wins() {
    let mut world = World::new();
    world.alice(Register { cseq: 5, ..says("<sip:a@h>") });
    assert_eq!((500, Dirty::None), world.alice(Register { cseq: 4, ..says("<sip:new@h>, <sip:a@h>;expires=0") }));
    assert_eq!(vec!["sip:a@h"], world.uris());
    assert_eq!((500, Dirty::None), world.alice(Register { cseq: 4, expires: Some(0), ..says("*") }));
    assert_eq!((200, Dirty::Now), world.alice(Register { cseq: 1, call: "rebooted@phone", ..says("<sip:a@h>;expires=0") }));
    assert!(world.uris().is_empty());
}

#[test]
fn a_register_that_comes_again_changes_nothing_and_is_answered_alike() {
    let mut world = World::new();
    world.alice(Register { cseq: 5, ..says("<sip:a@h>") });
    let first = world.headers.clone();
    assert_eq!((200, Dirty::None), world.alice(Register { cseq: 5, ..says("<sip:a@h>") }));
    assert_eq!(first, world.headers);
}

#[test]
fn contacts_that_compare_equal_are_one_binding() {
    let mut world = World::new();
    world.alice(says("<sip:%61lice@Host;transport=TCP>"));
    assert_eq!(Dirty::Now, world.alice(Register { cseq: 2, ..says("<sip:alice@host;Transport=tcp>") }).1);
    assert_eq!(vec!["sip:alice@host;Transport=tcp"], world.uris());
}

#[test]
fn a_contact_twice_in_one_register_counts_as_its_last() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>;expires=100, <sip:a@h>;expires=200"));
    assert!(world.headers.starts_with("Contact: <sip:a@h>;expires=200\r\nSupported"), "{}", world.headers);
    world.alice(Register { cseq: 2, ..says("<sip:a@h>, <sip:a@h>;expires=0") });
    assert!(world.uris().is_empty());
}

#[test]
fn the_same_instance_and_reg_id_replace_a_contact_of_another_address() {
    let phone = |uri: &str, id: u32| format!("<{uri}>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}");
    let phones = [phone("sip:x1@a.invalid", 1), phone("sip:x2@b.invalid", 2), phone("sip:x3@c.invalid", 1)];
    let mut world = World::new();
    let ws = |cseq, connection, contact| Register { cseq, outbound: true, flow: flow(5, connection), ..says(contact) };
    world.alice(ws(1, 70, &phones[0]));
    assert!(world.headers.contains("Require: outbound\r\n") && world.headers.contains(";+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n"));
    world.alice(ws(2, 71, &phones[1]));
    assert_eq!(2, world.uris().len());
    assert_eq!((200, Dirty::Now), world.alice(ws(3, 72, &phones[2])));
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(vec!["sip:x2@b.invalid", "sip:x3@c.invalid"], uris);
}

#[test]
fn reg_id_without_supported_outbound_does_not_count() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>;+sip.instance=\"<urn:uuid:1>\";reg-id=1"));
    world.alice(Register { cseq: 2, ..says("<sip:b@h>;+sip.instance=\"<urn:uuid:1>\";reg-id=1") });
    assert_eq!(2, world.uris().len());
    assert!(!world.headers.contains("Require"));
}

#[test]
fn path_is_kept_and_told_back() {
    let mut world = World::new();
    world.alice(Register { path: "<sip:p1;lr>, <sip:p2;lr>", ..says("<sip:a@h>") });
    assert!(world.headers.contains("Path: <sip:p1;lr>, <sip:p2;lr>\r\n"));
    assert_eq!(b"<sip:p1;lr>, <sip:p2;lr>", world.registrar.lookup(ALICE, NOW)[0].path);
}

#[test]
fn look_up_is_by_q_and_then_the_youngest() {
    let mut world = World::new();
    world.alice(says("<sip:low@h>;q=0.1, <sip:old@h>;expires=100, <sip:young@h>;expires=200"));
    assert_eq!(vec!["sip:young@h", "sip:old@h", "sip:low@h"], world.uris());
}

#[test]
fn over_the_limit_the_one_that_ends_first_makes_room() {
    let mut world = World::new();
    for i in 0..CONTACTS_PER_AOR as u32 {
        world.alice(Register { cseq: i + 1, ..says(&format!("<sip:p{i}@h>;expires={}", 1000 - i)) });
    }
    world.alice(Register { cseq: 99, ..says("<sip:new@h>;expires=60") });
    let uris = world.uris();
    assert_eq!(CONTACTS_PER_AOR, uris.len());
    assert!(uris.contains(&"sip:new@h".into()) && !uris.contains(&"sip:p9@h".into()));
    let many: Vec<String> = (0..=CONTACTS_PER_AOR).map(|i| format!("<sip:{i}@h>")).collect();
    assert_eq!((400, Dirty::None), world.alice(Register { cseq: 100, ..says(&many.join(",")) }));
}

#[test]
fn an_heir_grants_five_seconds_to_what_it_loaded() {
    let mut first = World::new();
    first.alice(says("<sip:a@h>;expires=60"));
    let row = first.registrar.row(ALICE).unwrap().to_vec();
    let mut heir = World::new();
    assert!(heir.registrar.load(ALICE, &row));
    heir.now += 65 * SECOND - 1;
    assert_eq!(1, heir.uris().len());
    assert_eq!(0, heir.registrar.expire(100, heir.now));
    heir.now += 1;
    assert!(heir.uris().is_empty());
    assert_eq!(1, heir.registrar.expire(100, heir.now));
    assert_eq!(vec![(ALICE.to_vec(), None)], heir.drained());
}

#[test]
fn a_row_that_is_torn_or_anothers_is_not_loaded() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>"));
    let row = world.registrar.row(ALICE).unwrap().to_vec();
    let mut heir = World::new();
    assert!(!heir.registrar.load(b"bob@demo.example", &row));
    assert!(!heir.registrar.load(ALICE, &row[..row.len() - 1]));
    assert!(!heir.registrar.load(ALICE, b""));
    assert!(heir.registrar.is_empty());
}

#[test]
fn expiry_frees_the_row_and_tells_the_store_unless_the_phone_is_back() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>;expires=60, <sip:b@h>;expires=120"));
    world.now += 60 * SECOND;
    assert_eq!(1, world.registrar.expire(100, world.now));
    assert_eq!(world.registrar.row(ALICE).map(<[u8]>::to_vec), world.drained()[0].1);
    world.now += 60 * SECOND;
    assert_eq!(1, world.registrar.expire(100, world.now));
    assert!(world.registrar.is_empty());
    world.alice(Register { cseq: 2, ..says("<sip:a@h>") });
    assert!(world.drained().is_empty(), "no delete after the new row");
}

#[test]
fn a_shard_that_moves_is_forgotten_without_a_delete() {
    let mut world = World::new();
    world.alice(says("<sip:a@h>"));
    world.alice(Register { cseq: 2, ..says("<sip:a@h>") });
    world.registrar.forget(|aor| aor != ALICE);
    assert!(world.uris().is_empty() && world.registrar.row(ALICE).is_none());
    assert!(world.drained().is_empty());
}

#[test]
fn one_registration_takes_less_than_600_bytes() {
    const PHONES: usize = 20_000; // a stand-in for 100,000: examples/registrar.rs measures that
    let mut registrar = Registrar::new(Config::default(), [3; 16]);
    let mut headers = Vec::new();
    for i in 0..PHONES {
        let aor = format!("user{i:06}@demo.example");
        let contact = format!("<sip:user{i:06}@192.168.100.200:50612;transport=tls;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0000000{i:05}>\";reg-id=1");
        let wish = Wish {
            aor: aor.as_bytes(),
            call_id: aor.as_bytes(),
            cseq: 1,
            expires: None,
            path: b"",
            outbound: true,
            gruu: false,
            rport: false,
            contacts: Contacts::parse(std::iter::once(contact.as_bytes())).unwrap(),
        };
        headers.clear();
        registrar.register(&wish, &flow(3, i as u64 + 1), &keys(), NOW, &mut headers);
    }
    assert_eq!(PHONES, registrar.len());
    assert!(registrar.memory() / PHONES < 600, "{}", registrar.memory() / PHONES);
}

#[path = "flow_tests.rs"]
mod flow_tests;
