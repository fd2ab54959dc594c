//! The gate answers a stranger over UDP with no more than was asked and never an ACK or a response; and nobody hears from an owner whether a user exists.
#![no_main]

use std::sync::LazyLock;
use tandem_sip::abuse::Lane;
use tandem_sip::auth::check;
use tandem_sip::challenge::Challenger;
use tandem_sip::digest::Ha1;
use tandem_sip::gate::{Gate, Source, Verdict};
use tandem_sip::ids::{Key, Keys};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::nonces::Nonces;
use tandem_sip::policy::Policy;
use tandem_sip::question::Question;
use tandem_sip::users::Users;

const NOW: u64 = 1_795_000_000_000_000;
const POLICIES: [&[u8]; 3] = [
    br#"{"default_domain": "example.com", "domains": {"example.com": "demo"}}"#,
    br#"{"default_domain": "example.com", "domains": {"example.com": "demo"}, "draining": true, "userhash": true}"#,
    br#"{"default_domain": "example.com", "domains": {"example.com": "demo"}, "algorithms": ["SHA-512-256", "MD5", "SHA-256-sess"],
         "emergency": {"demo": {"numbers": ["112"], "unproven": "anybody"}}, "deny": ["192.0.2.0/24"]}"#,
];

struct World {
    policies: Vec<Policy>,
    users: [Users; 2],
}

/// Made once: an input costs what it costs itself.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut known = Users::default();
    known.set_user(b"user@example.com", Ha1::of(b"user", b"example.com", b"secret"));
    World { policies: POLICIES.iter().map(|json| Policy::from_json(json).unwrap()).collect(), users: [Users::default(), known] }
});

fn hear(policy: &Policy, transport: u8, bytes: &[u8]) {
    let (mut index, mut salvaged, limits) = (Index::default(), Index::default(), Limits::default());
    let message = Message::parse(bytes, &limits, &mut index).ok();
    let Some(message) = message.or_else(|| Message::salvage(bytes, &limits, &mut salvaged)) else { return };
    let question = Question { length: bytes.len(), ..Question::of(&message) };
    let keys = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [2; 16] }] };
    let by = Challenger { keys: &keys, nonce_keys: &keys.signing, policy };
    let source = Source { address: "203.0.113.9:5060".parse().unwrap(), transport, tls_names: &[] };
    let gate = Gate { by, draining: policy.draining };
    let mut out = Vec::new();
    match gate.decide(&question, &source, NOW, &mut out) {
        Verdict::Up { shard } => assert!(shard < 1024),
        Verdict::Answer { status } => {
            assert!(!question.method.is_empty() && question.method != b"ACK");
            assert!(transport != 1 || out.len() <= bytes.len());
            assert!(out.starts_with(format!("SIP/2.0 {status} ").as_bytes()));
        }
        Verdict::Silence(_) => {}
    }
    let begins = question.to_tag.is_empty() && !matches!(question.method, b"" | b"ACK" | b"CANCEL" | b"INVITE");
    assert!(!begins || gate.lane(&question) == Lane::Fresh);
    let [nobody, known] = [0, 1].map(|which| {
        let users = &WORLD.users[which];
        let mut out = Vec::new();
        let check = check(&by, users, &mut Nonces::default(), &question, &source, NOW, &mut out);
        (check, out)
    });
    assert_eq!(nobody, known);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [how, bytes @ ..] = bytes {
        hear(&WORLD.policies[usize::from(how / 2) % POLICIES.len()], 1 + how % 2, bytes);
    }
});
