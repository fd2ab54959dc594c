//! What one refresh of a registration costs the owner, without Python: `cargo run --release -p tandem-sip --example owner_register`.

use std::time::Instant;
use tandem_sip::digest::Ha1;
use tandem_sip::frame::{push_sip_up, push_up_hello, Address, Local, SipUp, Transport};
use tandem_sip::ids::Key;
use tandem_sip::nonce;
use tandem_sip::owner::{Config, Owner};

const USERS: u32 = 20_000;
const ROUNDS: u32 = 2;
const CONFIG: &str = r#"{"node_id": 1, "incarnation": 1, "epoch": 1,
    "keys": {"hash": "00000000000000000000000000000001", "signing": [{"id": "a", "secret": "00000000000000000000000000000002"}],
             "nonce": [{"id": "a", "secret": "00000000000000000000000000000003"}]},
    "policy": {"default_domain": "bench.local", "domains": {"bench.local": "t"}}}"#;

fn peer() -> Address {
    std::net::SocketAddr::from(([127, 0, 0, 1], 6000)).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let mut owner = Owner::new(Config::read(CONFIG.as_bytes()).expect("config")).expect("policy");
    owner.set_clock(1_795_000_000_000_000);
    owner.link_up(1, 1);
    let mut hello = Vec::new();
    push_up_hello(&mut hello, 1, 9, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"10.0.0.1:5060" }], 0);
    owner.handle(1, &hello[4..], 1);
    for n in 0..USERS {
        let user = format!("user{n}");
        owner.set_user(format!("{user}@bench.local").as_bytes(), Ha1::of(user.as_bytes(), b"bench.local", b"Secret12345x"));
    }
    let key = Key {
        id: b'a',
        secret: {
            let mut s = [0; 16];
            s[15] = 3;
            s
        },
    };
    let at = 1_795_000_000_000_000u64;
    let (mut seq, mut now) = (0, 1_000_000);
    for round in 0..ROUNDS {
        let texts: Vec<Vec<u8>> = (0..USERS)
            .map(|n| {
                let user = format!("user{n}");
                let mut nonce = Vec::new();
                nonce::push(&mut nonce, &[key], b"bench.local", u64::from(round * USERS + n) * 77_777_777, at + u64::from(n));
                let nonce = String::from_utf8(nonce).expect("text");
                let sum = |parts: String| hex(&md5(parts.as_bytes()));
                let (ha1, ha2) = (sum(format!("{user}:bench.local:Secret12345x")), sum("REGISTER:sip:bench.local".into()));
                let response = sum(format!("{ha1}:{nonce}:00000001:{n:08x}:auth:{ha2}"));
                format!(
                    "REGISTER sip:bench.local SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;rport;branch=z9hG4bK{round:x}.{n}.2\r\nMax-Forwards: 70\r\nFrom: <sip:{user}@bench.local>;tag=f{round}{n}\r\nTo: <sip:{user}@bench.local>\r\nCall-ID: {n}.reg@gen\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@127.0.0.1:6000>\r\nExpires: 3600\r\nUser-Agent: sipgen\r\nSupported: path, outbound, replaces\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\nAuthorization: Digest username=\"{user}\", realm=\"bench.local\", nonce=\"{nonce}\", uri=\"sip:bench.local\", response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"{n:08x}\"\r\nContent-Length: 0\r\n\r\n",
                    cseq = round * 2 + 2
                ).into_bytes()
            })
            .collect();
        let mut frames = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            seq += 1;
            let mut frame = Vec::new();
            let shard = (n % 1024) as u16;
            push_sip_up(
                &mut frame,
                &SipUp {
                    seq,
                    shard,
                    epoch: 1,
                    flow: 0,
                    transport: Transport::Udp,
                    local: 0,
                    remote: peer(),
                    received_at: at + 2_000_000,
                    message: text,
                },
            );
            frames.push(frame);
        }
        let begin = Instant::now();
        let mut bytes = 0;
        for (n, frame) in frames.iter().enumerate() {
            owner.handle(1, &frame[4..], now);
            if n % 36 == 35 {
                now += 800;
                owner.advance(now);
                drop(owner.saves());
                bytes += owner.output(1).len();
            }
        }
        let us = begin.elapsed().as_secs_f64() * 1e6 / f64::from(USERS);
        println!("round {round}: {us:.2} us a REGISTER, {bytes} bytes out, {} registered", owner.registered());
    }
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::{Digest, Md5};
    Md5::digest(bytes).into()
}
