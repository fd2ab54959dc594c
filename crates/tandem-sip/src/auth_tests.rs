//! The owner's check, each promise by name.

use super::*;
use crate::digest::{Algorithm, Credentials, Ha1};
use crate::gate::{Gate, Verdict};
use crate::ids::{Key, Keys};
use crate::policy::Policy;

const NOW: u64 = 1_795_000_000_000_000;

struct World {
    keys: Keys,
    policy: Policy,
    users: Users,
    nonces: Nonces,
    now: u64,
}

fn world() -> World {
    let policy = br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}, "trunks": [{"id": "carrier", "cidrs": ["192.0.2.0/24"]}]}"#;
    let mut users = Users::default();
    users.set_user(b"alice@demo.example", Ha1::of(b"alice", b"demo.example", b"secret"));
    let keys = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [2; 16] }] };
    World { keys, policy: Policy::from_json(policy).unwrap(), users, nonces: Nonces::default(), now: NOW }
}

fn source(address: &str) -> Source<'static> {
    Source { address: address.parse().unwrap(), transport: 2, tls_names: &[] }
}

fn text(user: &str, more: &str) -> String {
    format!(
        "INVITE sip:bob@demo.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:{user}@demo.example>;tag=1\r\n\
         To: <sip:bob@demo.example>\r\nCall-ID: c@h\r\nCSeq: 1 INVITE\r\n{more}\r\n"
    )
}

impl World {
    fn by(&self) -> Challenger<'_> {
        Challenger { keys: &self.keys, nonce_keys: &self.keys.signing, policy: &self.policy }
    }

    /// The edge's challenge to `user`, and the nonce in it.
    fn challenge(&self, user: &str) -> (String, String) {
        let (message, mut out) = (text(user, ""), Vec::new());
        let gate = Gate { by: self.by(), draining: false };
        assert_eq!(
            Verdict::Answer { status: 407 },
            gate.decide(&Question::of_text(&message), &source("203.0.113.1:5060"), self.now, &mut out)
        );
        let answer = String::from_utf8(out).unwrap();
        let nonce = answer.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        (answer, nonce)
    }

    fn check(&mut self, message: &str, address: &str) -> (Check, String) {
        let mut out = Vec::new();
        let by = Challenger { keys: &self.keys, nonce_keys: &self.keys.signing, policy: &self.policy };
        let check = check(&by, &self.users, &mut self.nonces, &Question::of_text(message), &source(address), self.now, &mut out);
        (check, String::from_utf8(out).unwrap())
    }

    fn proves(&mut self, user: &str, password: &str, nonce: &str, nc: u32, algorithm: Algorithm) -> (Check, String) {
        let ha1 = Ha1::of(user.as_bytes(), b"demo.example", password.as_bytes());
        let uri = "sip:bob@demo.example";
        let sum =
            Credentials::respond(algorithm, ha1.get(algorithm).unwrap(), nonce.as_bytes(), Some((nc, b"cc")), b"INVITE", uri.as_bytes());
        let header = format!(
            "Proxy-Authorization: Digest username=\"{user}\",realm=\"demo.example\",nonce=\"{nonce}\",uri=\"{uri}\",algorithm={},qop=auth,nc={nc:08x},cnonce=\"cc\",response=\"{}\"\r\n",
            algorithm.name(), String::from_utf8(sum).unwrap()
        );
        self.check(&text(user, &header), "203.0.113.1:5060")
    }

    fn hides(&mut self, user: &str, password: &str, nonce: &str, nc: u32) -> Check {
        let ha1 = Ha1::of(user.as_bytes(), b"demo.example", password.as_bytes());
        let hash: String = Algorithm::Sha256.userhash(user.as_bytes(), b"demo.example").iter().map(|c| format!("{c:02x}")).collect();
        let uri = "sip:bob@demo.example";
        let ha1 = ha1.get(Algorithm::Sha256).unwrap();
        let sum = Credentials::respond(Algorithm::Sha256, ha1, nonce.as_bytes(), Some((nc, b"cc")), b"INVITE", uri.as_bytes());
        let header = format!(
            "Proxy-Authorization: Digest username=\"{hash}\",userhash=true,realm=\"demo.example\",nonce=\"{nonce}\",uri=\"{uri}\",algorithm=SHA-256,qop=auth,nc={nc:08x},cnonce=\"cc\",response=\"{}\"\r\n",
            String::from_utf8(sum).unwrap()
        );
        self.check(&text(user, &header), "203.0.113.1:5060").0
    }
}

#[test]
fn a_user_is_proven_by_each_algorithm_that_is_offered_and_by_no_other() {
    let mut world = world();
    let (_, nonce) = world.challenge("alice");
    let alice = Check::User(Aor::from_slice(b"alice@demo.example"));
    assert_eq!(alice, world.proves("alice", "secret", &nonce, 1, Algorithm::Sha256).0);
    assert_eq!(alice, world.proves("alice", "secret", &nonce, 2, Algorithm::Md5).0);
    assert_eq!(Check::Challenge { guessed: true }, world.proves("alice", "secret", &nonce, 3, Algorithm::Sha512_256).0);
}

#[test]
fn an_unknown_user_gets_the_very_answer_of_a_wrong_password_and_of_the_edge() {
    let mut world = world();
    let (edges, nonce) = world.challenge("alice");
    let (wrong, known) = world.proves("alice", "guess", &nonce, 1, Algorithm::Md5);
    let (unknown, other) = world.proves("carol", "guess", &nonce, 1, Algorithm::Md5);
    assert_eq!((Check::Challenge { guessed: true }, Check::Challenge { guessed: true }), (wrong, unknown));
    assert_eq!(edges, known);
    assert_eq!(known, other.replace("carol", "alice"));
}

#[test]
fn the_same_bytes_are_hashed_for_a_known_and_an_unknown_user() {
    let mut world = world();
    world.users.set_user(b"md5ha@demo.example", Ha1 { md5: Some([7; 16]), ..Ha1::default() });
    let (_, nonce) = world.challenge("alice");
    let mut work = |user: &str, algorithm| {
        crate::digest::HASHED.take();
        let check = world.proves(user, "guess", &nonce, 1, algorithm).0;
        (check, crate::digest::HASHED.take())
    };
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        let unknown = work("nobod", algorithm);
        assert!(!unknown.1.is_empty());
        for known in ["alice", "md5ha"] {
            assert_eq!(unknown, work(known, algorithm), "{known} {algorithm:?}");
        }
    }
}

#[test]
fn a_replayed_nonce_count_is_stale_and_a_higher_one_is_good() {
    let mut world = world();
    let (_, nonce) = world.challenge("alice");
    assert!(matches!(world.proves("alice", "secret", &nonce, 1, Algorithm::Md5).0, Check::User(_)));
    let (check, answer) = world.proves("alice", "secret", &nonce, 1, Algorithm::Md5);
    assert_eq!(Check::Challenge { guessed: false }, check);
    assert!(answer.contains("stale=true"));
    assert!(matches!(world.proves("alice", "secret", &nonce, 2, Algorithm::Md5).0, Check::User(_)));
}

#[test]
fn a_wrong_password_does_not_use_up_the_nonce_count() {
    let mut world = world();
    let (_, nonce) = world.challenge("alice");
    world.proves("alice", "guess", &nonce, 1, Algorithm::Md5);
    assert!(matches!(world.proves("alice", "secret", &nonce, 1, Algorithm::Md5).0, Check::User(_)));
}

#[test]
fn a_nonce_that_grew_old_on_the_way_is_stale() {
    let mut world = world();
    let (_, nonce) = world.challenge("alice");
    world.now += 301_000_000;
    let (check, answer) = world.proves("alice", "secret", &nonce, 1, Algorithm::Md5);
    assert_eq!(Check::Challenge { guessed: false }, check);
    assert!(answer.contains("stale=true"));
}

#[test]
fn a_trunk_needs_no_password() {
    assert_eq!(Check::Trunk("carrier".into()), world().check(&text("anyone", ""), "192.0.2.5:5060").0);
}

#[test]
fn a_user_is_proven_by_a_session_key_and_by_a_hidden_name_where_those_are_offered() {
    let mut world = world();
    let (_, nonce) = world.challenge("alice");
    assert_eq!(Check::Challenge { guessed: true }, world.proves("alice", "secret", &nonce, 1, Algorithm::Sha256Sess).0);
    let policy = br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}, "userhash": true,
        "algorithms": ["SHA-256-sess", "SHA-256"]}"#;
    world.policy = Policy::from_json(policy).unwrap();
    world.users.hide_names(true);
    let alice = Check::User(Aor::from_slice(b"alice@demo.example"));
    assert_eq!(alice, world.proves("alice", "secret", &nonce, 2, Algorithm::Sha256Sess).0);
    assert_eq!(alice, world.hides("alice", "secret", &nonce, 3));
    assert_eq!(Check::Challenge { guessed: true }, world.hides("alice", "guess", &nonce, 4));
    assert_eq!(Check::Challenge { guessed: true }, world.hides("carol", "secret", &nonce, 5));
    world.policy.userhash = false;
    assert_eq!(Check::Challenge { guessed: false }, world.hides("alice", "secret", &nonce, 6), "it was not offered");
}
