//! How many calls a second one core of the owner takes, without Python: `cargo run --release -p tandem-sip --example owner_rate`.
//!
//! Each call is what a B2BUA does on both sides: INVITE, 100, INVITE out, 180 and 200 in and out, ACK, ACK out, BYE, BYE out, 200s.

use std::time::Instant;
use tandem_sip::frame::{next, push_sip_up, push_up_hello, read_down, Address, Down, Local, SipUp, Transport};
use tandem_sip::owner::{Config, Owner};

const CALLS: u32 = 50_000;
const CONFIG: &str = r#"{"node_id": 1, "incarnation": 1, "epoch": 1,
    "keys": {"hash": "00000000000000000000000000000001", "signing": [{"id": "a", "secret": "00000000000000000000000000000002"}]},
    "policy": {"default_domain": "d", "domains": {"d": "t"}, "trunks": [{"id": "x", "tenant": "t", "cidrs": ["0.0.0.0/0"]}]}}"#;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

struct Bench {
    owner: Owner,
    seq: u64,
    now: u64,
}

fn main() {
    let mut owner = Owner::new(Config::read(CONFIG.as_bytes()).expect("config")).expect("policy");
    owner.link_up(1, 1);
    let mut hello = Vec::new();
    push_up_hello(&mut hello, 1, 9, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"10.0.0.1:5060" }], 0);
    owner.handle(1, &hello[4..], 1);
    let mut bench = Bench { owner, seq: 0, now: 1_000_000 };
    let begin = Instant::now();
    for number in 0..CALLS {
        bench.call(number);
        bench.now += 250; // 4,000 calls a second
        if number % 40 == 0 {
            bench.owner.advance(bench.now);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let counters: std::collections::HashMap<_, _> = bench.owner.counters().into_iter().collect();
    println!(
        "{:.0} calls/s, {:.2} us a message",
        f64::from(CALLS) / seconds,
        seconds * 1e6 / (counters["messages_in"] + counters["messages_out"]) as f64
    );
    println!("transactions at the end: {} server, {} client", counters["server_transactions"], counters["client_transactions"]);
}

impl Bench {
    fn call(&mut self, number: u32) {
        let ask = |method: &str, cseq: u32, tag: &str, body: &str| {
            format!(
                "{method} sip:bob@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\nFrom: <sip:alice@d>;tag=f{number}\r\n\
                To: <sip:bob@d>{tag}\r\nCall-ID: call{number}@192.0.2.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.1>\r\nAllow: INVITE, ACK, BYE, CANCEL\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let events = self.say(&ask("INVITE", 1, "", SDP));
        let at = events.windows(13).position(|w| w.starts_with(b"05") && w.is_ascii()).expect("call id");
        let call = String::from_utf8(events[at..at + 13].to_vec()).expect("text");
        let txn = handle(&events[at + 13..]);
        let head = format!("From: <sip:alice@d>;tag=f{number}\r\nTo: <sip:bob@d>;tag={call}a0\r\nCall-ID: call{number}@192.0.2.1\r\nCSeq: 1 INVITE\r\n\r\n{SDP}");
        let via = format!("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKINVITE{number};received=192.0.2.1;rport=5060\r\n");
        self.respond(txn, "INVITE", 100, &via, &head, &call);
        let out = format!("From: <sip:a@d>;tag={call}b0\r\nTo: <sip:b@d>\r\nCall-ID: {call}b0\r\n");
        let sent = self.ask(
            &call,
            1,
            "INVITE",
            &format!("INVITE sip:b@192.0.2.2 SIP/2.0\r\n{out}CSeq: 1 INVITE\r\nMax-Forwards: 69\r\n\r\n{SDP}"),
        );
        for status in [180, 200] {
            self.say(&reply(&sent, status, if status == 200 { SDP } else { "" }));
            self.respond(txn, "INVITE", status, &via, &head, &call);
        }
        self.ack(&call, &format!("ACK sip:b@192.0.2.2 SIP/2.0\r\n{out}CSeq: 1 ACK\r\n\r\n"));
        let tag = format!(";tag={call}a0");
        self.say(&ask("ACK", 1, &tag, ""));
        let events = self.say(&ask("BYE", 2, &tag, ""));
        let at = events.windows(13).position(|w| w == call.as_bytes()).expect("call id");
        let via = format!("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKBYE{number};received=192.0.2.1;rport=5060\r\n");
        self.respond(handle(&events[at + 13..]), "BYE", 200, &via, &head.replace("1 INVITE", "2 BYE"), &call);
        let sent = self.ask(&call, 3, "BYE", &format!("BYE sip:b@192.0.2.2 SIP/2.0\r\n{out}CSeq: 2 BYE\r\n\r\n"));
        self.say(&reply(&sent, 200, ""));
    }

    fn say(&mut self, message: &str) -> Vec<u8> {
        self.seq += 1;
        let mut frame = Vec::with_capacity(1024);
        let (transport, remote, message) = (Transport::Udp, peer(), message.as_bytes());
        push_sip_up(
            &mut frame,
            &SipUp { seq: self.seq, shard: 5, epoch: 1, flow: 0, transport, local: 0, remote, received_at: self.now, message },
        );
        self.owner.handle(1, &frame[4..], self.now);
        self.owner.drain()
    }

    fn run(&mut self, fields: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut batch = vec![0x92, 0x93, 5, 1, 0x91, 0xce];
        batch.extend_from_slice(&(self.seq as u32).to_be_bytes());
        fields(&mut batch);
        self.owner.run(&batch, self.now).expect("commands");
        let bytes = self.owner.output(1);
        let mut rest = &bytes[..];
        let mut sent = String::new();
        while let Ok(Some((frame, used))) = next(rest) {
            if let Ok(Down::Sip(sip)) = read_down(frame) {
                sent = String::from_utf8_lossy(sip.message).into_owned();
            }
            rest = &rest[used..];
        }
        sent
    }

    fn respond(&mut self, txn: u64, method: &str, status: u16, via: &str, head: &str, call: &str) {
        let message = format!("SIP/2.0 {status} OK\r\n{head}");
        self.run(|out| {
            out.extend_from_slice(&[0xdc, 0, 14, 1, 5, 0xcf]);
            out.extend_from_slice(&txn.to_be_bytes());
            text(out, method);
            out.extend_from_slice(&[0xcd, (status >> 8) as u8, status as u8]);
            flow(out, "192.0.2.1");
            text(out, via);
            text(out, "a0");
            text(out, "call");
            bytes(out, message.as_bytes());
            out.push(0xc2);
            text(out, call);
            out.extend_from_slice(&[0, 0xc2]);
        });
    }

    fn ask(&mut self, call: &str, n: u8, method: &str, message: &str) -> String {
        self.run(|out| {
            out.extend_from_slice(&[0x9d, 2, 5]);
            text(out, call);
            out.push(n);
            text(out, method);
            flow(out, "192.0.2.2");
            text(out, "b0");
            text(out, "call");
            bytes(out, message.as_bytes());
            out.extend_from_slice(&[0xc2, 0, 0xc2, 0]);
        })
    }

    fn ack(&mut self, call: &str, message: &str) {
        self.run(|out| {
            out.extend_from_slice(&[0x9a, 3, 5]);
            text(out, call);
            out.extend_from_slice(&[1, 2]);
            text(out, "bob");
            flow(out, "192.0.2.2");
            bytes(out, message.as_bytes());
            out.extend_from_slice(&[0, 0xc3]);
        });
    }
}

fn reply(sent: &str, status: u16, body: &str) -> String {
    let lines: String = sent
        .split("\r\n")
        .take_while(|line| !line.is_empty())
        .filter(|line| ["Via", "Fro", "Cal", "CSe"].iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!(
        "SIP/2.0 {status} OK\r\n{lines}To: <sip:b@d>;tag=bob\r\nContact: <sip:b@192.0.2.2>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn handle(after_call: &[u8]) -> u64 {
    match after_call.first() {
        Some(0xcf) => u64::from_be_bytes(after_call[1..9].try_into().expect("8 bytes")),
        Some(0xce) => u64::from(u32::from_be_bytes(after_call[1..5].try_into().expect("4 bytes"))),
        other => panic!("a handle begins with {other:?}"),
    }
}

fn peer() -> Address {
    "192.0.2.1:5060".parse::<std::net::SocketAddr>().expect("address").into()
}

fn flow(out: &mut Vec<u8>, host: &str) {
    out.extend_from_slice(&[0x96, 1, 0, 1, 0]);
    text(out, host);
    out.extend_from_slice(&[0xcd, 0x13, 0xc4]);
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.extend_from_slice(&[0xda, (value.len() >> 8) as u8, value.len() as u8]);
    out.extend_from_slice(value.as_bytes());
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&[0xc5, (value.len() >> 8) as u8, value.len() as u8]);
    out.extend_from_slice(value);
}
