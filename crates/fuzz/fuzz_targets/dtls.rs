//! Whatever comes to a DTLS handshake from a stranger: no panic, no keys, an end in time, and few datagrams for each that came.
#![no_main]

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Instant;

use tandem_rtp::dtls::{Certificate, Event, Fingerprint, Handshake, Identity, Output, Setup};

const DATAGRAMS_FOR_ONE: usize = 40;

fn identity() -> &'static Identity {
    static MADE: OnceLock<Identity> = OnceLock::new();
    let random = std::array::from_fn(|at| at as u8 + 1);
    MADE.get_or_init(|| Identity::new(Certificate::fresh(random, 0).unwrap(), Instant::now()))
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [first, mut rest @ ..] = input else { return };
    let setup = Setup { active: first & 1 == 1, ice: first & 2 == 2 };
    let fingerprint = (first & 4 == 4).then(|| Fingerprint::new("sha-256", &[0; 32]).unwrap());
    let mut handshake = Handshake::new(0, identity(), setup, fingerprint);
    let (mut now, mut out) = (0, Vec::new());
    let mut poll = |handshake: &mut Handshake, now| {
        let mut sent = 0;
        while let Some(output) = handshake.poll(now, &mut out) {
            match output {
                Output::Send(_) => sent += 1,
                Output::Event(Event::Established(_)) => panic!("keys for a stranger"),
                Output::Event(_) => {}
            }
            assert!(sent <= DATAGRAMS_FOR_ONE);
        }
    };
    poll(&mut handshake, now);
    while let [later, high, low, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (datagram, after) = more.split_at(length.min(more.len()));
        rest = after;
        now += u64::from(*later) * 10_000;
        handshake.handle(now, SocketAddr::from(([192, 0, 2, 1], u16::from(later & 3))), datagram);
        poll(&mut handshake, now);
    }
    for _ in 0..100 {
        let Some(wants) = handshake.wants() else { return };
        now = wants.max(now);
        poll(&mut handshake, now);
    }
    panic!("it never ends: {handshake:?}");
});
