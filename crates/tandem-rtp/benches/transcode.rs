//! `cargo bench -p tandem-rtp --bench transcode`: what a call costs whose two legs speak different codecs, both directions, everything
//! from the packet that comes to the packet that goes. CPU milliseconds for a second of a call, and calls that one core carries.

mod sound;

use sound::{cpu, voice};
use tandem_rtp::audio::codec::{opus, Codec};
use tandem_rtp::audio::leg::{Form, Leg, Numbers};
use tandem_rtp::audio::transcode::{rate, Transcoder};
use tandem_rtp::audio::{frame_samples, FRAME_US};
use tandem_rtp::rtp::Packet;

/// Calls that run beside each other, so that caches hold no more than they would.
const CALLS: u32 = 40;
const SECONDS: u32 = 5;
const ROUNDS: usize = 5;

fn main() {
    let wide = Codec::Opus(opus::Options::default());
    let safe = Codec::Opus(opus::Options { fec: true, dtx: true, ..opus::Options::default() });
    println!("{:<34} {:>9} {:>9} {:>9} {:>12}", "call, both directions", "min ms/s", "median", "max", "calls a core");
    for (name, a, b, at) in [
        ("Opus 16 kHz <-> G.711", wide, Codec::Pcmu, Some(16_000)),
        ("Opus 8 kHz <-> G.711 (as joined)", wide, Codec::Pcmu, None),
        ("the same with FEC and DTX", safe, Codec::Pcmu, None),
        ("Opus <-> G.722 (as joined)", wide, Codec::G722, None),
        ("G.722 <-> G.711 (as joined)", Codec::G722, Codec::Pcma, None),
        ("PCMU <-> PCMA", Codec::Pcmu, Codec::Pcma, None),
    ] {
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(a, b, at)).collect();
        rounds.sort_by(f64::total_cmp);
        let median = rounds[ROUNDS / 2];
        println!("{name:<34} {:>9.3} {median:>9.3} {:>9.3} {:>12.0}", rounds[0], rounds[ROUNDS - 1], 1_000.0 / median);
    }
}

fn form(codec: Codec) -> Form {
    let events = Some((101, codec.clock()));
    Form { receive: vec![(96, codec)], send: (96, codec), events, noise: None, ptime_ms: 20, suppress: false }
}

/// Packets that a phone sends, in an engine whose rate is the one that it records at.
fn said(codec: Codec, hertz: u32, pitch: f64) -> Vec<Vec<u8>> {
    let mut phone = Leg::new(form(codec), hertz, Numbers { ssrc: 1, ..Numbers::default() }).unwrap();
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    for frame in voice(hertz, SECONDS, pitch).chunks_exact(frame_samples(hertz)) {
        phone.sender.frame(frame);
        packets.push(if phone.sender.next(&mut packet) { packet.clone() } else { Vec::new() });
    }
    packets
}

/// CPU milliseconds for a second of one call.
fn round(a: Codec, b: Codec, at: Option<u32>) -> f64 {
    let at = at.unwrap_or_else(|| rate(&form(a), &form(b)));
    let sides = [said(a, 16_000, 120.0), said(b, 16_000, 190.0)];
    let leg = |codec, ssrc| Leg::new(form(codec), at, Numbers { ssrc, ..Numbers::default() }).unwrap();
    let mut calls: Vec<Transcoder> = (0..CALLS).map(|n| Transcoder::new(leg(a, 2 * n), leg(b, 2 * n + 1), at).unwrap()).collect();
    let (mut packet, mut bytes) = (Vec::new(), 0usize);
    let began = cpu();
    for (turn, (from_a, from_b)) in sides[0].iter().zip(&sides[1]).enumerate() {
        let now = turn as u64 * FRAME_US;
        for call in &mut calls {
            if let Ok(packet) = Packet::read(from_a) {
                call.a.receiver.packet(now, &packet);
            }
            if let Ok(packet) = Packet::read(from_b) {
                call.b.receiver.packet(now, &packet);
            }
            call.turn(now, &mut packet, |_, sent| bytes += sent.len(), |_| {});
        }
    }
    let used = (cpu() - began).as_secs_f64() * 1_000.0;
    assert!(bytes > 0);
    used / f64::from(CALLS * SECONDS)
}
