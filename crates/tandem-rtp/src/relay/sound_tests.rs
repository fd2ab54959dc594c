//! The audio engine inside the relay: who is transcoded, played to, recorded, and in which room, on a wire of memory.

use std::net::SocketAddr;

use super::{Component, Event, Out, Packet, Relay};
use crate::audio::clean;
use crate::audio::codec::g711::Law;
use crate::audio::dtmf::Digit;
use crate::audio::gather::{Why, Wish};
use crate::audio::play::{tones, Item, Position};
use crate::audio::record::Kind;
use crate::audio::room::Seat;
use crate::dtls::{Certificate, Identity};
use crate::plan::{Endpoint, EndpointId, Local, Payload, Place, Remote};
use crate::rtp::Header;
use crate::studio::{Job, Piece, Reel, Reeled, Told};

const PCMU: u8 = 0;
const PCMA: u8 = 8;
const NOISE: clean::Wish = clean::Wish { noise: true, echo: false };
const ECHO: clean::Wish = clean::Wish { noise: false, echo: true };

#[derive(Default)]
struct Wire {
    sent: Vec<(u64, Vec<u8>)>,
    told: Vec<(EndpointId, Told)>,
    reeled: Vec<Reeled>,
}

impl Out for Wire {
    fn send(&mut self, token: u64, component: Component, _: SocketAddr, bytes: &[u8]) {
        if component == Component::Rtp {
            self.sent.push((token, bytes.to_vec()));
        }
    }

    fn event(&mut self, id: EndpointId, event: Event) {
        if let Event::Told(told) = event {
            self.told.push((id, told));
        }
    }

    fn reeled(&mut self, _: bool, _: &str, reeled: Reeled) {
        self.reeled.push(reeled);
    }
}

fn payload(number: u8) -> Payload {
    let name = match number {
        PCMU => "PCMU",
        PCMA => "PCMA",
        _ => "TELEPHONE-EVENT",
    };
    Payload { number, name: name.into(), clock: 8_000, channels: 1, fmtp: String::new() }
}

fn endpoint(id: u64, codec: u8, sinks: &[u64]) -> Endpoint {
    let (address, rtp) = ("127.0.0.1".parse().unwrap(), 20_000 + 2 * id as u16);
    let to: SocketAddr = format!("10.0.0.{id}:4000").parse().unwrap();
    let payloads = vec![payload(codec), payload(101)];
    Endpoint {
        call: "c".into(),
        remote: Some(Remote { rtp: to, rtcp: SocketAddr::new(to.ip(), 4001) }),
        sinks: sinks.iter().map(|id| EndpointId(*id)).collect(),
        payloads: payloads.clone(),
        accepts: payloads,
        ..Endpoint::new(EndpointId(id), Local { address, advertised: address, rtp, rtcp: rtp + 1 })
    }
}

struct World {
    relay: Relay,
    wire: Wire,
    now: u64,
    numbers: u16,
}

impl World {
    fn new(endpoints: &[Endpoint]) -> World {
        let identity = Identity::new(Certificate::fresh([7; 48], 1_700_000_000).unwrap(), std::time::Instant::now());
        let mut world = World { relay: Relay::new(identity, 0, |bytes| bytes.fill(9)), wire: Wire::default(), now: 1_000_000, numbers: 0 };
        endpoints.iter().for_each(|plan| world.put(plan.clone()));
        world
    }

    fn put(&mut self, plan: Endpoint) {
        let token = plan.id.0;
        self.relay.put(self.now, plan, token);
    }

    /// 20 ms in which these endpoints' peers say a tone of this law.
    fn turn(&mut self, speak: &[(u64, u8)]) {
        self.numbers += 1;
        for (id, codec) in speak {
            let law = if *codec == PCMU { Law::Mu } else { Law::A };
            let tone = |n: u32| law.byte((8_000.0 * (f64::from(u32::from(self.numbers) * 160 + n) * 0.3).sin()) as i16);
            let sound: Vec<u8> = (0..160).map(tone).collect();
            self.rtp(*id, *codec, &sound);
        }
        self.now += 20_000;
        self.relay.sounds(self.now, &mut self.wire);
    }

    fn rtp(&mut self, id: u64, codec: u8, payload: &[u8]) {
        let mut bytes = vec![0x80, codec];
        bytes.extend(self.numbers.to_be_bytes());
        bytes.extend((u32::from(self.numbers) * 160).to_be_bytes());
        bytes.extend((id as u32).to_be_bytes());
        bytes.extend(payload);
        let mut packet = Packet::new();
        packet.copy(&bytes);
        let key = self.relay.key(EndpointId(id)).unwrap();
        let from = format!("10.0.0.{id}:4000").parse().unwrap();
        self.relay.receive(self.now, key, Component::Rtp, from, &mut packet, &mut self.wire);
    }

    /// Packets that went to the peer of an endpoint: payload types, and the mean loudness of their sound.
    fn heard(&mut self, id: u64) -> (Vec<u8>, f64) {
        let all: Vec<Vec<u8>> = self.wire.sent.iter().filter(|(token, _)| *token == id).map(|(_, bytes)| bytes.clone()).collect();
        let (mut types, mut sum, mut samples) = (Vec::new(), 0.0, 0);
        for bytes in &all {
            let number = Header::read(bytes).unwrap().payload_type;
            types.push(number);
            if number == PCMU || number == PCMA {
                let law = if number == PCMU { Law::Mu } else { Law::A };
                sum += bytes[12..].iter().map(|byte| f64::from(law.sample(*byte)).abs()).sum::<f64>();
                samples += bytes.len() - 12;
            }
        }
        types.dedup();
        (types, sum / f64::from(samples.max(1) as u32))
    }
}

fn job(name: &str, alone: bool) -> Job {
    let pieces = vec![Piece::Tone("beep".into())];
    Job { name: Some(name.into()), pieces, times: Some(1), until: None, alone, position: Position::default() }
}

fn beep() -> Vec<Item> {
    vec![Item::Tone(tones::named("beep").unwrap(), None)]
}

#[test]
fn legs_of_one_codec_pass_untouched_and_of_two_are_transcoded() {
    let mut world = World::new(&[endpoint(1, PCMU, &[2]), endpoint(2, PCMU, &[1])]);
    world.turn(&[(1, PCMU)]);
    assert_eq!((None, 1), (world.relay.sounds_at(), world.wire.sent.len()));

    world.put(endpoint(2, PCMA, &[1]));
    for _ in 0..50 {
        world.turn(&[(1, PCMU), (2, PCMA)]);
    }
    world.wire.sent.clear();
    for _ in 0..50 {
        world.turn(&[(1, PCMU), (2, PCMA)]);
    }
    let (to_a, to_b) = (world.heard(1), world.heard(2));
    assert_eq!((vec![PCMU], vec![PCMA]), (to_a.0, to_b.0));
    assert!(to_a.1 > 4_000.0 && to_b.1 > 4_000.0, "{} {}", to_a.1, to_b.1);

    world.put(endpoint(2, PCMU, &[1]));
    world.wire.sent.clear();
    world.turn(&[(1, PCMU)]);
    world.turn(&[]);
    assert_eq!((1, None), (world.wire.sent.len(), world.relay.sounds_at()));
}

#[test]
fn legs_are_joined_at_the_lowest_rate_that_loses_nothing() {
    let [opus, g722, g711] = [48_000, 16_000, 8_000];
    assert_eq!([8_000, 16_000, 48_000, 8_000], [[opus, g711], [g722, opus], [opus, opus], [g711, g722]].map(super::sound::rate));
    assert_eq!([16_000, 8_000], [super::sound::rate([opus, g711, g722]), super::sound::rate([])]);
}

#[test]
fn what_is_played_is_heard_alone_or_with_the_other_side_and_its_end_is_told() {
    for alone in [true, false] {
        let mut world = World::new(&[endpoint(1, PCMU, &[2]), endpoint(2, PCMU, &[1])]);
        world.relay.play(world.now, EndpointId(1), job("j", alone), beep(), &mut world.wire).unwrap();
        for _ in 0..12 {
            world.turn(&[(2, PCMU)]);
        }
        assert!(world.heard(1).1 > 1_000.0);
        assert_eq!(Vec::<u8>::new(), world.heard(2).0);
        for _ in 0..4 {
            world.turn(&[(2, PCMU)]);
        }
        assert_eq!(vec![(EndpointId(1), Told::Played { name: Some("j".into()), whole: true })], world.wire.told);
        world.wire.sent.clear();
        world.turn(&[(2, PCMU)]);
        assert_eq!((1, None), (world.wire.sent.len(), world.relay.sounds_at()), "then packets pass again");
    }
}

#[test]
fn a_call_whose_sound_goes_on_is_turned_once_in_20_ms_after_something_was_played_to_it() {
    let mut world = World::new(&[endpoint(1, PCMU, &[2]), endpoint(2, PCMA, &[1])]);
    world.turn(&[(1, PCMU), (2, PCMA)]);
    world.now += 300; // a little late, as a thread always is
    world.relay.play(world.now, EndpointId(1), job("j", true), beep(), &mut world.wire).unwrap();
    for _ in 0..20 {
        world.turn(&[(1, PCMU), (2, PCMA)]);
    }
    assert_eq!(1, world.wire.told.len());
    world.wire.sent.clear();
    for _ in 0..10 {
        world.turn(&[(1, PCMU), (2, PCMA)]);
    }
    assert_eq!(20, world.wire.sent.len());
}

#[test]
fn digits_are_gathered_and_a_key_ends_the_prompt() {
    let mut world = World::new(&[endpoint(1, PCMU, &[])]);
    world.relay.play(world.now, EndpointId(1), job("p", true), beep(), &mut world.wire).unwrap();
    world.relay.gather(world.now, EndpointId(1), Some("g".into()), Wish { digits: 1, ..Wish::default() }).unwrap();
    world.turn(&[(1, PCMU)]);
    world.numbers += 1;
    world.rtp(1, 101, &[7, 0x8a, 1, 0x40]);
    world.turn(&[]);
    let [key, played, gathered] = &world.wire.told[..] else { panic!("{:?}", world.wire.told) };
    assert_eq!(Told::Key(Digit::of('7').unwrap()), key.1);
    assert_eq!(Told::Played { name: Some("p".into()), whole: false }, played.1);
    assert_eq!(Told::Gathered { name: Some("g".into()), why: Why::Full, digits: "7".into() }, gathered.1);
    world.turn(&[]);
    assert_eq!(None, world.relay.sounds_at());
}

#[test]
fn a_key_put_into_a_call_is_an_event_for_whoever_hears_it() {
    let mut world = World::new(&[endpoint(1, PCMU, &[2]), endpoint(2, PCMU, &[1])]);
    world.turn(&[(1, PCMU)]);
    assert!(world.relay.press(world.now, EndpointId(1), Digit::of('5').unwrap(), 100));
    for _ in 0..80 {
        world.turn(&[(1, PCMU), (2, PCMU)]);
    }
    assert!(world.heard(2).0.contains(&101), "{:?}", world.heard(2).0);
    assert_eq!(vec![PCMU], world.heard(1).0);
    assert_eq!(None, world.relay.sounds_at(), "a second later packets pass again");
}

#[test]
fn a_leg_that_asks_for_it_is_heard_without_its_noise_and_the_other_one_as_it_is() {
    let mut state = 1u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as i16) / 16
    };
    let mut world = World::new(&[Endpoint { clean: NOISE, ..endpoint(1, PCMU, &[2]) }, endpoint(2, PCMU, &[1])]);
    let (mut heard, mut raw) = (Vec::new(), Vec::new());
    for turn in 0..150 {
        let said: Vec<i16> = (0..160).map(|_| noise()).collect();
        let sound: Vec<u8> = said.iter().map(|&sample| Law::Mu.byte(sample)).collect();
        world.numbers += 1;
        for id in [1, 2] {
            world.rtp(id, PCMU, &sound);
        }
        world.now += 20_000;
        world.relay.sounds(world.now, &mut world.wire);
        let sent = std::mem::take(&mut world.wire.sent);
        for (to, packet) in sent.into_iter().filter(|_| turn >= 75) {
            let power = packet[12..].iter().map(|&byte| f64::from(Law::Mu.sample(byte)).powi(2)).sum::<f64>();
            if to == 2 {
                heard.push(power);
            } else {
                assert_eq!(sound, packet[12..]);
                raw.push(power);
            }
        }
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    assert!(heard.len() > 50 && raw.len() > 50);
    assert!(mean(&heard) < 0.8 * mean(&raw), "{} of {}", mean(&heard), mean(&raw));
}

#[test]
fn a_member_of_a_room_that_asks_is_heard_without_its_noise() {
    let heard = |clean: clean::Wish| {
        let room = Some(Place { room: "r".into(), rate: 8_000, seat: Seat::default() });
        let member = |id| Endpoint { room: room.clone(), ..endpoint(id, PCMU, &[]) };
        let mut world = World::new(&[Endpoint { clean, ..member(1) }, member(2)]);
        let mut state = 1u32;
        let mut power = 0.0;
        for turn in 0..150 {
            let mut noise = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Law::Mu.byte(((state >> 16) as i16) / 16)
            };
            let sound: Vec<u8> = (0..160).map(|_| noise()).collect();
            world.numbers += 1;
            world.rtp(1, PCMU, &sound);
            world.now += 20_000;
            world.relay.sounds(world.now, &mut world.wire);
            for (_, packet) in std::mem::take(&mut world.wire.sent).into_iter().filter(|(to, _)| *to == 2 && turn >= 75) {
                power += packet[12..].iter().map(|&byte| f64::from(Law::Mu.sample(byte)).powi(2)).sum::<f64>();
            }
        }
        power
    };
    let (with, without) = (heard(NOISE), heard(clean::Wish::default()));
    assert!(0.0 < with && with < 0.8 * without, "{with} of {without}");
}

/// Power of the last second of what 1 is heard to say by 2, while it says nothing but what it heard 60 ms ago, a quarter as loud.
fn echoed(clean: clean::Wish, room: bool) -> f64 {
    let place = room.then(|| Place { room: "r".into(), rate: 8_000, seat: Seat::default() });
    let endpoint = |id, sinks: &[u64]| Endpoint { room: place.clone(), ..endpoint(id, PCMU, if room { &[] } else { sinks }) };
    let mut world = World::new(&[Endpoint { clean, ..endpoint(1, &[2]) }, endpoint(2, &[1])]);
    let mut state = 1u32;
    let mut power = 0.0;
    let mut air: std::collections::VecDeque<Vec<u8>> = std::iter::repeat_n(vec![0xff; 160], 3).collect();
    for turn in 0..400 {
        // Noise that comes and goes, a third of a second each, as words do.
        let loud = if turn / 16 % 2 == 0 { 4 } else { 400 };
        let said = (0..160).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Law::Mu.byte(((state >> 16) as i16) / loud)
        });
        let said: Vec<u8> = said.collect();
        world.numbers += 1;
        world.rtp(2, PCMU, &said);
        world.rtp(1, PCMU, &air.pop_front().unwrap());
        world.now += 20_000;
        world.relay.sounds(world.now, &mut world.wire);
        let mut back = vec![0xff; 160];
        for (to, packet) in std::mem::take(&mut world.wire.sent) {
            if to == 1 {
                back = packet[12..].iter().map(|&byte| Law::Mu.byte(Law::Mu.sample(byte) / 4)).collect();
            } else if turn >= 350 {
                power += packet[12..].iter().map(|&byte| f64::from(Law::Mu.sample(byte)).powi(2)).sum::<f64>();
            }
        }
        air.push_back(back);
    }
    power
}

#[test]
fn a_leg_that_asks_for_it_is_heard_without_the_echo_of_what_it_hears() {
    for room in [false, true] {
        let (with, without) = (echoed(ECHO, room), echoed(clean::Wish::default(), room));
        assert!(without > 0.0 && with < 0.01 * without, "room: {room}, {with} of {without}");
    }
}

#[test]
fn blocked_keys_go_nowhere_and_silenced_sound_is_silence() {
    let mut world = World::new(&[endpoint(1, PCMU, &[2]), endpoint(2, PCMU, &[1])]);
    world.put(Endpoint { dtmf_blocked: true, ..endpoint(1, PCMU, &[2]) });
    world.rtp(1, 101, &[7, 0x8a, 1, 0x40]);
    assert!(world.wire.sent.is_empty());
    world.put(Endpoint { silenced: true, ..endpoint(1, PCMU, &[2]) });
    for _ in 0..20 {
        world.turn(&[(1, PCMU), (2, PCMU)]);
    }
    assert_eq!(vec![PCMU], world.heard(2).0);
    assert!(world.heard(2).1 < 10.0 && world.heard(1).1 > 4_000.0);
}

#[test]
fn a_call_is_recorded_and_passes_all_the_same() {
    let mut world = World::new(&[endpoint(1, PCMU, &[2]), endpoint(2, PCMU, &[1])]);
    world.relay.record(world.now, false, "c", &Reel { kind: Kind::WavStereo, serial: 1, paused: false, left: None, rate: None }).unwrap();
    for _ in 0..110 {
        world.turn(&[(1, PCMU), (2, PCMU)]);
    }
    assert_eq!(220, world.wire.sent.len());
    world.relay.end_recording(world.now, false, "c", &mut world.wire);
    assert_eq!((8_000, None), world.wire.reeled.last().map(|reeled| (reeled.rate, reeled.state)).unwrap());
    let bytes: usize =
        world.wire.reeled.iter().flat_map(|reeled| &reeled.writes).filter(|write| write.offset > 0).map(|write| write.bytes.len()).sum();
    assert!((110 * 640 - 6_400..=110 * 640).contains(&bytes), "{bytes}");
    world.turn(&[]);
    assert_eq!(None, world.relay.sounds_at());
}

#[test]
fn members_of_a_room_hear_each_other_and_nobody_else_does() {
    let room = |seat| Some(Place { room: "r".into(), rate: 8_000, seat });
    let inside = |id, codec, seat| Endpoint { room: room(seat), call: format!("call {id}"), ..endpoint(id, codec, &[]) };
    let mut world = World::new(&[
        inside(1, PCMU, Seat::default()),
        inside(2, PCMA, Seat::default()),
        inside(3, PCMU, Seat { muted: true, ..Seat::default() }),
        endpoint(4, PCMU, &[]),
    ]);
    for _ in 0..100 {
        world.turn(&[(1, PCMU), (3, PCMU)]);
    }
    world.wire.sent.clear();
    for _ in 0..50 {
        world.turn(&[(1, PCMU), (3, PCMU)]);
    }
    assert!(world.heard(2).1 > 3_000.0 && world.heard(3).1 > 3_000.0 && world.heard(1).1 < 50.0);
    assert_eq!((vec![PCMA], Vec::new()), (world.heard(2).0, world.heard(4).0));
    assert!(world.wire.told.contains(&(EndpointId(1), Told::Talking(true))));
    world.relay.drop(world.now, EndpointId(1));
    world.relay.drop(world.now, EndpointId(2));
    world.put(Endpoint { room: None, ..inside(3, PCMU, Seat::default()) });
    world.turn(&[]);
    world.turn(&[]);
    assert_eq!(None, world.relay.sounds_at());
}

#[test]
fn an_heir_goes_on_with_the_same_streams() {
    let plans = [endpoint(1, PCMU, &[2]), endpoint(2, PCMA, &[1])];
    let mut world = World::new(&plans);
    for _ in 0..50 {
        world.turn(&[(1, PCMU), (2, PCMA)]);
    }
    let last = |world: &World| Header::read(&world.wire.sent.iter().rev().find(|(token, _)| *token == 1).unwrap().1).unwrap();
    let before = last(&world);
    let left: Vec<_> = [1, 2].map(|id| world.relay.live(world.now, EndpointId(id)).unwrap()).into();
    let mut heir = World { now: world.now + 200_000, numbers: 60, ..World::new(&[]) };
    for (plan, live) in plans.iter().zip(left) {
        heir.relay.expect(plan.id, live.desk.clone().unwrap());
        heir.put(plan.clone());
        heir.relay.inherit(heir.now, live);
    }
    for _ in 0..50 {
        heir.turn(&[(1, PCMU), (2, PCMA)]);
    }
    let after = last(&heir);
    assert_eq!(before.ssrc, after.ssrc);
    assert!(after.sequence.wrapping_sub(before.sequence) > 1_000, "no index of SRTP is used twice");
}
