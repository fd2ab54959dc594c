//! Nobody gains by sending in another's name: over UDP a stranger's datagram has one answer at most, and never a longer one.

mod common;
mod oracle;

use oracle::Oracle;
use std::net::SocketAddr;

const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "OPTIONS",
    "REGISTER",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "MESSAGE",
    "INFO",
    "UPDATE",
    "PRACK",
    "REFER",
    "FOO",
];

fn stranger() -> SocketAddr {
    "203.0.113.7:40000".parse().unwrap()
}

fn golden() -> Vec<Vec<u8>> {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/torture");
    let files = std::fs::read_dir(place).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<_> = files.filter(|path| path.extension().is_some_and(|ext| ext == "dat")).collect();
    paths.sort();
    assert!(paths.len() > 40);
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Every method to every kind of target, from the shortest request that parses to one of a phone's size.
fn made() -> Vec<Vec<u8>> {
    let uris = [
        "sip:demo.example",
        "sip:bob@demo.example",
        "sip:+4930@demo.example",
        "sip:192.0.2.100",
        "sip:b@evil.example",
        "tel:+49",
        "urn:service:sos",
        "x:y",
    ];
    let (mut all, tags) = (Vec::new(), ["", ";tag=x", ";tag=x0123456789abc", ";tag=0500000000000a0"]);
    for method in METHODS {
        for uri in uris {
            for tag in tags {
                for (via, more) in [
                    ("SIP/2.0/UDP h", ""),
                    ("SIP/2.0/UDP h;branch=z9hG4bK1;rport", "Max-Forwards: 0\r\n"),
                    ("SIP/2.0/UDP [2001:db8::1]:5;branch=z9hG4bK1;rport, SIP/2.0/UDP a", "Max-Forwards: 70\r\nContact: <sip:a@b>\r\n"),
                    (
                        "SIP/2.0/UDP h;branch=z9hG4bK1",
                        "Require: foo\r\nProxy-Require: bar\r\nRoute: <sip:192.0.2.100;lr>\r\nMax-Forwards: 70\r\n",
                    ),
                    ("SIP/2.0/TCP 203.0.113.7:40000;branch=z9hG4bK1", "Max-Forwards: 70\r\nUser-Agent: friendly-scanner\r\n"),
                ] {
                    for pad in [0, 30, 100, 200, 400, 800] {
                        let pad = if pad == 0 { String::new() } else { format!("X: {}\r\n", "y".repeat(pad)) };
                        let text = format!(
                            "{method} {uri} SIP/2.0\r\nv: {via}\r\nf: <sip:a@demo.example>;tag=1\r\nt: <{uri}>{tag}\r\ni: c\r\nCSeq: 1 {method}\r\n{more}{pad}\r\n"
                        );
                        all.push(text.into_bytes());
                    }
                }
            }
        }
    }
    all
}

/// A fixed sequence: a failure can be seen again (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len().max(1));
            match self.roll(4) {
                0 if !bytes.is_empty() => bytes[at] = self.roll(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => drop(bytes.drain(at.min(bytes.len())..(at + self.roll(30)).min(bytes.len()))),
                _ => bytes.insert(at.min(bytes.len()), b" \r\n,;=<>\"@:%\0"[self.roll(13)]),
            }
        }
    }
}

#[test]
fn no_datagram_of_a_stranger_has_a_longer_answer_or_a_second_one() {
    let busy = r#", "draining": true"#;
    let wide = r#", "userhash": true, "algorithms": ["SHA-512-256", "SHA-256", "MD5", "SHA-256-sess"]"#;
    for (front, policy) in [(false, ""), (false, busy), (false, wide), (true, "")] {
        let mut oracle = Oracle::new(front, policy);
        let mut answered = 0;
        for (n, bytes) in (0u32..).zip(golden().into_iter().chain(made())) {
            // Each from an address of its own: bans would hide answers.
            let source = SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + n), 5060));
            answered += oracle.hears(source, &bytes).0;
            oracle.check(source, &bytes);
        }
        assert!(answered > 1_000, "the question is real: {answered}");
    }
}

#[test]
fn nor_has_a_damaged_one() {
    for front in [false, true] {
        let (mut oracle, mut dice, corpus) = (Oracle::new(front, ""), Dice(4), [golden(), made()].concat());
        for round in 0..20_000u32 {
            let mut bytes = corpus[dice.roll(corpus.len())].clone();
            dice.damage(&mut bytes);
            // Each from an address of its own: bans would hide answers.
            oracle.check(SocketAddr::from((std::net::Ipv4Addr::from(0x0b00_0000 + round), 5060)), &bytes);
        }
    }
}

#[test]
fn a_source_above_its_rate_gets_no_more_than_it_sends() {
    let mut oracle = Oracle::new(false, r#", "limits": {"source_rate": 1, "source_burst": 1}"#);
    for bytes in made() {
        for _ in 0..3 {
            oracle.check(stranger(), &bytes);
        }
    }
}

#[test]
fn no_binding_request_of_a_stranger_has_a_longer_answer_or_a_second_one() {
    let place = common::Place::new();
    let edge = common::Running::start(&place, &common::open_policy(""), &["udp"], "");
    let mut answered = 0;
    for pad in (0u16..=48).step_by(4) {
        let stranger = common::phone();
        stranger.set_read_timeout(Some(std::time::Duration::from_millis(60))).unwrap();
        let attribute =
            if pad < 4 { Vec::new() } else { [&[0x80, 0x22][..], &(pad - 4).to_be_bytes(), &vec![b'x'; usize::from(pad) - 4]].concat() };
        let request = [&[0, 1][..], &pad.to_be_bytes(), b"\x21\x12\xa4\x42abcdefghijkl", &attribute].concat();
        let request = if pad == 0 { request[..20].to_vec() } else { request };
        stranger.send_to(&request, edge.locals[0]).unwrap();
        if let Ok(count) = stranger.recv(&mut [0; 500]) {
            answered += 1;
            assert!(count <= request.len(), "{count} bytes for {}", request.len());
            assert!(stranger.recv(&mut [0; 500]).is_err(), "a second answer");
        }
    }
    assert!(answered > 5, "the question is real: {answered}");
}
