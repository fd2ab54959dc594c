//! The registrar against a naive model of RFC 3261 10.3: the same REGISTERs must leave the same sets of bindings.

use super::*;
use proptest::prelude::*;

const NOW_S: u64 = 1_795_000_000;

#[derive(Clone, Debug)]
enum Step {
    Register { user: u8, call: u8, cseq: u32, contacts: Vec<(u8, u32)> },
    Star { user: u8, call: u8, cseq: u32 },
    Pass { seconds: u64 },
    Sweep,
    Move { user: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = prop::sample::select(vec![0u32, 30, 60, 200, 9000]);
    let step = prop_oneof![
        6 => (0u8..2, 0u8..2, 1u32..12, prop::collection::btree_map(0u8..4, seconds, 0..3))
            .prop_map(|(user, call, cseq, contacts)| Step::Register { user, call, cseq, contacts: contacts.into_iter().collect() }),
        1 => (0u8..2, 0u8..2, 1u32..12).prop_map(|(user, call, cseq)| Step::Star { user, call, cseq }),
        2 => (1u64..150).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Sweep),
        1 => (0u8..2).prop_map(|user| Step::Move { user }),
    ];
    prop::collection::vec(step, 1..60)
}

/// contact -> (call, cseq, end); nothing about rows, slots or laziness.
#[derive(Default)]
struct Model {
    users: [std::collections::BTreeMap<u8, (u8, u32, u64)>; 2],
    loaded: [bool; 2],
    now: u64,
}

impl Model {
    fn prune(&mut self) {
        for (map, loaded) in self.users.iter_mut().zip(self.loaded) {
            let now = self.now - if loaded { u64::from(GRACE_SECONDS) } else { 0 };
            map.retain(|_, (_, _, end)| *end > now);
        }
    }

    fn register(&mut self, user: u8, call: u8, cseq: u32, contacts: &[(u8, u32)]) -> u16 {
        self.prune();
        let now = self.now;
        let map = &mut self.users[usize::from(user)];
        for (contact, expires) in contacts {
            if (1..60).contains(expires) {
                return 423;
            }
            match map.get(contact) {
                Some(old) if old.0 == call && cseq < old.1 => return 500,
                Some(old) if old.0 == call && cseq == old.1 => return 200,
                _ => {}
            }
        }
        let before = map.clone();
        for (contact, expires) in contacts {
            map.remove(contact);
            if *expires > 0 {
                map.insert(*contact, (call, cseq, now + u64::from(*expires).min(3600)));
            }
        }
        // The grace ends with the first write of an address, unless only clocks moved.
        let shape = |map: &std::collections::BTreeMap<u8, (u8, u32, u64)>| map.iter().map(|(k, v)| (*k, v.0)).collect::<Vec<_>>();
        if shape(&before) != shape(map) {
            self.loaded[usize::from(user)] = false;
        }
        200
    }

    fn star(&mut self, user: u8, call: u8, cseq: u32) -> u16 {
        self.prune();
        let map = &mut self.users[usize::from(user)];
        if map.values().any(|old| old.0 == call && cseq < old.1) {
            return 500;
        }
        let before = map.len();
        map.retain(|_, old| (old.0, old.1) == (call, cseq));
        if map.len() != before {
            self.loaded[usize::from(user)] = false;
        }
        200
    }
}

fn aor(user: u8) -> Vec<u8> {
    format!("user{user}@demo.example").into_bytes()
}

fn uri(contact: u8) -> String {
    format!("sip:c{contact}@10.0.0.1")
}

fn send(registrar: &mut Registrar, user: u8, call: u8, cseq: u32, contact: &str, expires: Option<u32>, now: u64) -> u16 {
    let flow = Flow { edge: 1, connection: 5, transport: 2, local: 0, remote: "10.0.0.1:5060".parse().unwrap() };
    let (aor, call) = (aor(user), [call]);
    let contacts = Contacts::parse(std::iter::once(contact.as_bytes())).unwrap();
    let wish = Wish { aor: &aor, call_id: &call, cseq, expires, contacts, path: b"", outbound: false, gruu: false, rport: true };
    let keys = Keys { hash: [9; 16], signing: Vec::new() };
    registrar.register(&wish, &flow, &keys, now * 1_000_000, &mut Vec::new()).status
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_sequence_of_registers_leaves_the_models_bindings(steps in steps()) {
        let mut registrar = Registrar::new(Config::default(), [9; 16]);
        let mut model = Model { now: NOW_S, ..Model::default() };
        for step in steps {
            match step {
                Step::Register { user, call, cseq, contacts } => {
                    let text: Vec<String> = contacts.iter().map(|(c, expires)| format!("<{}>;expires={expires}", uri(*c))).collect();
                    let expected = model.register(user, call, cseq, &contacts);
                    prop_assert_eq!(expected, send(&mut registrar, user, call, cseq, &text.join(", "), None, model.now));
                }
                Step::Star { user, call, cseq } => {
                    let expected = model.star(user, call, cseq);
                    prop_assert_eq!(expected, send(&mut registrar, user, call, cseq, "*", Some(0), model.now));
                }
                Step::Pass { seconds } => model.now += seconds,
                Step::Sweep => {
                    registrar.expire(10, model.now * 1_000_000);
                    registrar.drain_dirty(|_, _| {});
                }
                Step::Move { user } => {
                    // its row goes through the store to an heir; swept before, since grace revives what has just ended
                    registrar.expire(10, model.now * 1_000_000);
                    let row = registrar.row(&aor(user)).map(<[u8]>::to_vec);
                    registrar.forget(|name| name != aor(user));
                    if let Some(row) = row {
                        prop_assert!(registrar.load(&aor(user), &row));
                        model.prune();
                        model.loaded[usize::from(user)] = true;
                    }
                }
            }
            model.prune();
            for user in 0..2u8 {
                let mut expected: Vec<(String, u64)> =
                    model.users[usize::from(user)].iter().map(|(contact, (_, _, end))| (uri(*contact), *end)).collect();
                expected.sort();
                let mut actual: Vec<(String, u64)> = registrar
                    .lookup(&aor(user), model.now * 1_000_000)
                    .iter()
                    .map(|b| (String::from_utf8_lossy(b.uri).into_owned(), u64::from(b.expires_at)))
                    .collect();
                actual.sort();
                prop_assert_eq!(expected, actual);
            }
        }
    }
}
