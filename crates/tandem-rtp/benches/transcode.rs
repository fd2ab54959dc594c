//! `cargo bench -p tandem-rtp --bench transcode`: what a call costs whose two legs speak different codecs, both directions, in the relay as
//! it runs, from the datagram that comes to the datagram that goes, without sockets. CPU milliseconds for a second of a call; a core carries
//! 1,000 over it. `-- --json NAME`: the cases whose name begins so, as JSON.

mod sound;

use std::net::SocketAddr;
use std::time::Instant;

use sound::{cpu, voice, Asked};
use tandem_rtp::audio::leg::{Form, Leg, Numbers};
use tandem_rtp::audio::{frame_samples, FRAME_US};
use tandem_rtp::dtls::{Certificate, Identity};
use tandem_rtp::plan::{Endpoint, EndpointId, Local, Payload, Remote};
use tandem_rtp::relay::{Component, Key, Out, Packet, Relay};

/// Calls that run beside each other, so that caches hold no more than they would.
const CALLS: u64 = 40;
const SECONDS: u32 = 5;
const ROUNDS: usize = 5;
/// Hz at which the phones record.
const PHONE_HZ: u32 = 16_000;
/// Endpoints of a call: two, and the quiet third one.
const LEGS: u64 = 3;

const OPUS: &str = "OPUS";
const SAFE: &str = "useinbandfec=1;usedtx=1";

fn main() {
    let asked = Asked::new();
    asked.head("call, both directions", ["min ms/s", "median", "max"]);
    for (name, a, b, third) in [
        // Where one of two legs is narrow-band, so is the engine: here a third leg of 16 kHz that says nothing keeps it at that.
        ("Opus 16 kHz <-> G.711", payload(OPUS, ""), payload("PCMU", ""), Some(payload("G722", ""))),
        ("Opus 8 kHz <-> G.711 (as joined)", payload(OPUS, ""), payload("PCMU", ""), None),
        ("the same with FEC and DTX", payload(OPUS, SAFE), payload("PCMU", ""), None),
        ("Opus <-> G.722 (as joined)", payload(OPUS, ""), payload("G722", ""), None),
        ("G.722 <-> G.711 (as joined)", payload("G722", ""), payload("PCMA", ""), None),
        ("PCMU <-> PCMA", payload("PCMU", ""), payload("PCMA", ""), None),
    ] {
        asked.case(name, ROUNDS, || round([&a, &b], third.as_ref()));
    }
}

/// Counts what leaves.
#[derive(Default)]
struct Wire {
    packets: u64,
}

impl Out for Wire {
    fn send(&mut self, _: u64, _: Component, _: SocketAddr, _: &[u8]) {
        self.packets += 1;
    }
}

fn payload(name: &str, fmtp: &str) -> Payload {
    let (number, clock, channels) = match name {
        OPUS => (111, 48_000, 2),
        "PCMU" => (0, 8_000, 1),
        "PCMA" => (8, 8_000, 1),
        _ => (9, 8_000, 1),
    };
    Payload { number, name: name.into(), clock, channels, fmtp: fmtp.into() }
}

/// What one phone describes: its codec, and telephone events beside it.
fn described(codec: &Payload) -> Vec<Payload> {
    let events = Payload { number: 101, name: "TELEPHONE-EVENT".into(), channels: 1, fmtp: String::new(), ..codec.clone() };
    vec![codec.clone(), events]
}

/// Packets that a phone sends.
fn said(codec: &Payload, pitch: f64) -> Vec<Vec<u8>> {
    let form = Form::of(&described(codec), 20).unwrap();
    let mut phone = Leg::new(form, PHONE_HZ, Numbers { ssrc: 1, ..Numbers::default() }).unwrap();
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    for frame in voice(PHONE_HZ, SECONDS, pitch).chunks_exact(frame_samples(PHONE_HZ)) {
        phone.sender.frame(frame);
        packets.push(if phone.sender.next(&mut packet) { packet.clone() } else { Vec::new() });
    }
    packets
}

fn peer(id: u64) -> SocketAddr {
    SocketAddr::new([10, 0, (id >> 8) as u8, id as u8].into(), 4_000)
}

/// The place of an endpoint whose peer hears nobody unless another one's sinks say so.
fn put(relay: &mut Relay, id: u64, codec: &Payload, sink: u64) -> Key {
    let (address, port) = ([127, 0, 0, 1].into(), 20_000 + 2 * id as u16);
    let (rtp, payloads) = (peer(id), described(codec));
    let plan = Endpoint {
        call: format!("call {}", id / LEGS),
        remote: Some(Remote { rtp, rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1) }),
        sinks: vec![EndpointId(sink)],
        payloads: payloads.clone(),
        accepts: payloads,
        ..Endpoint::new(EndpointId(id), Local { address, advertised: address, rtp: port, rtcp: port + 1 })
    };
    relay.put(0, plan, id)
}

/// CPU milliseconds for a second of one call.
fn round(codecs: [&Payload; 2], third: Option<&Payload>) -> f64 {
    let said = [said(codecs[0], 120.0), said(codecs[1], 190.0)];
    let identity = Identity::new(Certificate::fresh([7; 48], 1_700_000_000).unwrap(), Instant::now());
    let mut state = 1u8;
    let mut relay = Relay::new(identity, 0, move |bytes| {
        bytes.iter_mut().for_each(|byte| {
            state = state.wrapping_mul(5).wrapping_add(1);
            *byte = state;
        });
    });
    let mut phones = Vec::new();
    for first in (0..CALLS).map(|call| call * LEGS) {
        phones.push((put(&mut relay, first, codecs[0], first + 1), peer(first), &said[0]));
        phones.push((put(&mut relay, first + 1, codecs[1], first), peer(first + 1), &said[1]));
        third.into_iter().for_each(|codec| _ = put(&mut relay, first + 2, codec, first));
    }
    let (mut packet, mut wire) = (Packet::new(), Wire::default());
    let turns = u64::from(SECONDS) * 1_000_000 / FRAME_US;
    let began = cpu();
    for turn in 0..turns {
        let now = (turn + 1) * FRAME_US;
        for (key, from, said) in &phones {
            let bytes = &said[turn as usize];
            if !bytes.is_empty() {
                packet.copy(bytes);
                relay.receive(now, *key, Component::Rtp, *from, &mut packet, &mut wire);
            }
        }
        while relay.sounds(now, &mut wire) {}
    }
    let used = (cpu() - began).as_secs_f64() * 1_000.0;
    assert!(wire.packets > CALLS * turns, "{} packets", wire.packets);
    used / (CALLS * u64::from(SECONDS)) as f64
}
