//! `cargo bench -p tandem-rtp --bench mix`: what conferences cost, everything from the packets that come to the packets that go, without
//! sockets. Every member sends; percent of one core. `-- --json NAME`: the cases whose name begins so, as JSON.

mod sound;

use sound::{cpu, voice, Asked};
use tandem_rtp::audio::codec::{opus, Codec};
use tandem_rtp::audio::leg::{Form, Leg, Numbers};
use tandem_rtp::audio::room::{MemberId, Room, Seat};
use tandem_rtp::audio::{frame_samples, FRAME_US};
use tandem_rtp::rtp::Packet;

const SECONDS: u32 = 10;
const ROUNDS: usize = 5;

/// Rooms that run beside each other, so that caches hold no more than they would, and the clock of CPU time, which steps by milliseconds,
/// is fine enough.
const BESIDE: u64 = 40;

fn main() {
    let opus = Codec::Opus(opus::Options::default());
    let asked = Asked::new();
    asked.head("rooms", ["min %", "median", "max"]);
    for (name, codec, rate, rooms, members, talking) in [
        ("one room of 100 on G.711, 3 talking, 8 kHz", Codec::Pcmu, 8_000, 1, 100, 3),
        ("one room of 100 on G.711, 3 talking, 16 kHz", Codec::Pcmu, 16_000, 1, 100, 3),
        ("one room of 100 on G.722, 3 talking, 16 kHz", Codec::G722, 16_000, 1, 100, 3),
        ("one room of 100 on Opus, 3 talking, 16 kHz", opus, 16_000, 1, 100, 3),
        ("500 rooms of 3 on G.711, all talking, 8 kHz", Codec::Pcmu, 8_000, 500, 3, 3),
    ] {
        let beside = if rooms == 1 { BESIDE } else { 1 };
        let cost = || round(codec, rate, rooms * beside, members, talking) / beside as f64;
        asked.case(name, ROUNDS, cost);
    }
}

fn leg(codec: Codec, rate: u32, ssrc: u32) -> Leg {
    let form = Form {
        receive: vec![(96, codec)],
        send: (96, codec),
        events: Some((101, codec.clock())),
        noise: None,
        ptime_ms: 20,
        suppress: false,
    };
    Leg::new(form, rate, Numbers { ssrc, ..Numbers::default() }).unwrap()
}

fn said(codec: Codec, rate: u32, sound: &[i16]) -> Vec<Vec<u8>> {
    let mut phone = leg(codec, rate, 1);
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    for frame in sound.chunks_exact(frame_samples(rate)) {
        phone.sender.frame(frame);
        packets.push(if phone.sender.next(&mut packet) { packet.clone() } else { Vec::new() });
    }
    packets
}

/// Percent of a core.
fn round(codec: Codec, rate: u32, rooms: u64, members: u64, talking: u64) -> f64 {
    let voices: Vec<Vec<Vec<u8>>> = (0..talking).map(|n| said(codec, rate, &voice(rate, SECONDS, 100.0 + 40.0 * n as f64))).collect();
    let silent = said(codec, rate, &vec![0; (rate * SECONDS) as usize]);
    let mut all: Vec<Room> = (0..rooms).map(|_| Room::new(rate).unwrap()).collect();
    for room in &mut all {
        (0..members).for_each(|n| room.enter(MemberId(n), leg(codec, rate, n as u32), Seat::default(), false).unwrap());
    }
    let (mut packet, mut sent) = (Vec::new(), 0u64);
    let began = cpu();
    for turn in 0..SECONDS as usize * 50 {
        let now = turn as u64 * FRAME_US;
        for room in &mut all {
            for n in 0..members {
                let packets = voices.get(n as usize).unwrap_or(&silent);
                if let Ok(packet) = Packet::read(&packets[turn]) {
                    room.packet(now, MemberId(n), &packet);
                }
            }
            room.turn(now, &[], &mut packet, |_, _| sent += 1, |_| {});
        }
    }
    let used = (cpu() - began).as_secs_f64();
    assert_eq!(u64::from(SECONDS) * 50 * rooms * members, sent);
    used / f64::from(SECONDS) * 100.0
}
