//! Bad messages from one source at a rate: broken, cut, random, and well-formed ones that nobody asked for. It reads no answer.

use crate::sock::{sa, Sock};
use std::time::{Duration, Instant};

const KINDS: u64 = 8;

/// Sends until the time is over; one line of JSON.
pub fn run(local: &str, target: &str, rate: f64, seconds: f64) {
    let mut sock = Sock::new(local);
    let to = sa(target);
    let began = Instant::now();
    let (mut sent, mut seed) = (0u64, 0x9e37_79b9_7f4a_7c15u64);
    let whole = format!("INVITE sip:service@{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.66;branch=z9hG4bK");
    loop {
        let passed = began.elapsed().as_secs_f64();
        if passed >= seconds {
            break;
        }
        let due = (passed * rate) as u64;
        while sent < due {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            sock.push(&message(&whole, target, seed, sent % KINDS), to);
            sent += 1;
        }
        sock.flush();
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("{{\"mode\":\"flood\",\"sent\":{sent},\"senderr\":{},\"per_second\":{:.0}}}", sock.senderr, sent as f64 / seconds);
}

fn message(invite: &str, target: &str, seed: u64, kind: u64) -> Vec<u8> {
    let good = |method: &str| {
        format!("{method} sip:service@{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.66:5060;rport;branch=z9hG4bK{seed:x}\r\nMax-Forwards: 70\r\nFrom: <sip:u{seed:x}@bench.local>;tag={seed:x}\r\nTo: <sip:service@bench.local>\r\nCall-ID: {seed:x}\r\nCSeq: 1 {method}\r\nContact: <sip:x@127.0.0.66>\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    match kind {
        0 => format!("{invite}{seed:x}").into_bytes(),
        1 => seed.to_le_bytes().repeat(40),
        2 => format!("{invite}{seed:x}\r\nCSeq: 999999999999 INVITE\r\nContent-Length: -1\r\n\r\n").into_bytes(),
        3 => format!("INVITE {} SIP/2.0\r\n{}\r\n", "a".repeat(900), "X: y\r\n".repeat(60)).into_bytes(),
        4 => good("INVITE"),
        5 => good("REGISTER"),
        6 => good("OPTIONS"),
        _ => format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {target};branch=z9hG4bK{seed:x}\r\nCSeq: 1 INVITE\r\n\r\n").into_bytes(),
    }
}
