//! Measures what one message costs at the gate: the ban look-up, the limits, the decision, the owner's check.

use std::hint::black_box;
use std::time::Instant;
use tandem_sip::abuse::{Abuse, Lane};
use tandem_sip::auth::check;
use tandem_sip::challenge::Challenger;
use tandem_sip::digest::{Algorithm, Credentials, Ha1};
use tandem_sip::gate::{Gate, Source};
use tandem_sip::ids::{Key, Keys};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::Message;
use tandem_sip::nonces::Nonces;
use tandem_sip::policy::Policy;
use tandem_sip::question::Question;
use tandem_sip::registrar::{Config, Flow, Registrar};
use tandem_sip::users::Users;

const NOW: u64 = 1_795_000_000_000_000;
const ROUNDS: u32 = 200_000;

fn time(name: &str, mut work: impl FnMut(u32)) {
    let start = Instant::now();
    (0..ROUNDS).for_each(&mut work);
    println!("{name}: {} ns", start.elapsed().as_nanos() / u128::from(ROUNDS));
}

fn text(credential: &str) -> String {
    format!(
        "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bK77asdf;rport\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@demo.example>;tag=9fxced76sl\r\nTo: <sip:alice@demo.example>\r\nCall-ID: 3848276298220188511@phone\r\n\
         CSeq: 1 REGISTER\r\nContact: <sip:alice@10.0.0.5:5060;transport=tcp>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"\r\n\
         User-Agent: Phone 1.2.3.4\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\nExpires: 3600\r\n{credential}Content-Length: 0\r\n\r\n"
    )
}

fn main() {
    let policy = Policy::from_json(
        br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}, "algorithms": ["SHA-256", "MD5"],
        "trunks": [{"id": "c", "cidrs": ["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/32"]}], "deny": ["203.0.113.128/25"]}"#,
    )
    .expect("a good policy");
    let keys = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [2; 16] }] };
    let by = Challenger { keys: &keys, nonce_keys: &keys.signing, policy: &policy };
    let gate = Gate { by, draining: false };
    let source = Source { address: ([203, 0, 113, 9], 5060).into(), transport: 2, tls_names: &[] };
    let ip = |i: u32| std::net::IpAddr::from((0x0b00_0000 + (i % 50_000)).to_be_bytes());

    let mut abuse = Abuse::new([3; 16]);
    time("admit, of 50,000 sources", |i| {
        black_box(abuse.admit(&policy, ip(i), Lane::Fresh, NOW + u64::from(i)));
    });
    time("banned, of 50,000 sources", |i| {
        black_box(abuse.banned(ip(i), NOW + u64::from(i)));
    });
    let one = source.address.ip();
    time("banned, one source's flood", |i| {
        black_box(abuse.banned(one, NOW + u64::from(i)));
    });

    let mut index = Index::default();
    let bare = text("");
    let mut out = Vec::with_capacity(2048);
    time("parse and challenge", |i| {
        let message = Message::parse(bare.as_bytes(), &Limits::default(), &mut index).expect("a good message");
        black_box(gate.decide(&Question::of(&message), &source, NOW + u64::from(i), &mut out));
    });
    let nonce = String::from_utf8_lossy(&out).split("nonce=\"").nth(1).map(|rest| rest[..30].to_owned()).expect("a nonce");

    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let ha1 = Ha1::of(b"alice", b"demo.example", b"secret");
        let mut users = Users::default();
        users.set_user(b"alice@demo.example", ha1);
        let credential = |nc: u32| {
            let key = ha1.get(algorithm).expect("all are known");
            let sum = Credentials::respond(algorithm, key, nonce.as_bytes(), Some((nc, b"0a4f113b")), b"REGISTER", b"sip:demo.example");
            text(&format!(
                "Authorization: Digest username=\"alice\",realm=\"demo.example\",nonce=\"{nonce}\",uri=\"sip:demo.example\",algorithm={},qop=auth,nc={nc:08x},cnonce=\"0a4f113b\",response=\"{}\"\r\n",
                algorithm.name(), String::from_utf8_lossy(&sum)
            ))
        };
        let whole = credential(1);
        let message = Message::parse(whole.as_bytes(), &Limits::default(), &mut index).expect("a good message");
        time(&format!("{}: gate lets it up", algorithm.name()), |_| {
            black_box(gate.decide(&Question::of(&message), &source, NOW + 1_000_000, &mut out));
        });
        time(&format!("{}: owner's check", algorithm.name()), |_| {
            let mut nonces = Nonces::default();
            black_box(check(&by, &users, &mut nonces, &Question::of(&message), &source, NOW + 1_000_000, &mut out));
        });
        let mut registrar = Registrar::new(Config::default(), [4; 16]);
        let flow = Flow { edge: 1, connection: 9, transport: 2, local: 0, remote: source.address };
        time("registrar's answer to a repeated REGISTER", |i| {
            out.clear();
            let _ = black_box(registrar.answer(&message, Some(b"alice@demo.example"), &policy, &flow, &keys, NOW + u64::from(i), &mut out));
        });
    }
}
