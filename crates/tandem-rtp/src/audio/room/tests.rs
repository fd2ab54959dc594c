//! What holds for a room.

use super::super::codec::{opus, Codec};
use super::super::leg::{Form, Numbers};
use super::super::FRAME_US;
use super::*;

const RATE: u32 = 16_000;

fn form(codec: Codec, ptime_ms: u32) -> Form {
    Form { receive: vec![(96, codec)], send: (96, codec), events: Some((101, codec.clock())), noise: None, ptime_ms, suppress: false }
}

fn leg(codec: Codec, ptime_ms: u32, ssrc: u32) -> Leg {
    Leg::new(form(codec, ptime_ms), RATE, Numbers { ssrc, ..Numbers::default() }).unwrap()
}

/// A room with a phone for each member, which says a tone of its own or nothing.
struct World {
    room: Room,
    phones: BTreeMap<MemberId, (Leg, Option<f64>)>,
    turn: u64,
    heard: BTreeMap<MemberId, Vec<i16>>,
    told: Vec<Event>,
    sent: u64,
}

impl World {
    fn new() -> World {
        World { room: Room::new(RATE).unwrap(), phones: BTreeMap::new(), turn: 0, heard: BTreeMap::new(), told: Vec::new(), sent: 0 }
    }

    fn enter(&mut self, id: u64, codec: Codec, seat: Seat) {
        self.phones.insert(MemberId(id), (leg(codec, 20, id as u32), None));
        self.room.enter(MemberId(id), leg(codec, 20, 1_000 + id as u32), seat, false).unwrap();
    }

    fn says(&mut self, id: u64, hertz: Option<f64>) {
        self.phones.get_mut(&MemberId(id)).unwrap().1 = hertz;
    }

    fn turns(&mut self, turns: u64) {
        let mut packet = Vec::new();
        for _ in 0..turns {
            let (turn, now) = (self.turn, self.turn * FRAME_US);
            for (&id, (phone, says)) in &mut self.phones {
                let samples = frame_samples(RATE);
                let tone = |n: usize, hertz: f64| (4_000.0 * (n as f64 * hertz * std::f64::consts::TAU / f64::from(RATE)).sin()) as i16;
                let first = turn as usize * samples;
                let frame: Vec<i16> = (first..first + samples).map(|n| says.map_or(0, |hertz| tone(n, hertz))).collect();
                phone.sender.frame(&frame);
                while phone.sender.next(&mut packet) {
                    self.room.packet(now, id, &Packet::read(&packet).unwrap());
                }
            }
            let mut packets = Vec::new();
            self.room.turn(now, &[], &mut packet, |id, bytes| packets.push((id, bytes.to_vec())), |event| self.told.push(event));
            for (id, bytes) in packets {
                self.sent += 1;
                if let Some((phone, _)) = self.phones.get_mut(&id) {
                    phone.receiver.packet(now, &Packet::read(&bytes).unwrap());
                }
            }
            for (&id, (phone, _)) in &mut self.phones {
                let mut frame = vec![0; frame_samples(RATE)];
                phone.receiver.frame(now, &mut frame);
                self.heard.insert(id, frame);
            }
            self.turn += 1;
        }
    }

    /// Whether a member hears a tone.
    fn hears(&self, id: u64, hertz: f64) -> bool {
        let frame = &self.heard[&MemberId(id)];
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &sample) in frame.iter().enumerate() {
            let (sin, cos) = (n as f64 * hertz * std::f64::consts::TAU / f64::from(RATE)).sin_cos();
            (re, im) = (re + f64::from(sample) * cos, im + f64::from(sample) * sin);
        }
        2.0 * (re * re + im * im).sqrt() / frame.len() as f64 > 1_500.0
    }
}

fn opus() -> Codec {
    Codec::Opus(opus::Options::default())
}

const A: f64 = 400.0;
const B: f64 = 1_000.0;
const C: f64 = 1_700.0;

#[test]
fn everybody_hears_the_others_and_nobody_himself_whatever_their_codecs() {
    let mut world = World::new();
    for (id, codec) in [(1, Codec::Pcma), (2, Codec::G722), (3, opus()), (4, Codec::Pcmu), (5, opus())] {
        world.enter(id, codec, Seat::default());
    }
    world.says(1, Some(A));
    world.says(2, Some(B));
    world.says(3, Some(C));
    world.turns(60);
    for (id, expected) in [(1, [false, true, true]), (2, [true, false, true]), (3, [true, true, false]), (4, [true; 3]), (5, [true; 3])] {
        assert_eq!(expected, [A, B, C].map(|hertz| world.hears(id, hertz)), "{id}");
    }
    assert_eq!(300, world.sent);
}

#[test]
fn the_muted_are_not_heard_and_the_deaf_hear_nothing() {
    let mut world = World::new();
    (1..=3).for_each(|id| world.enter(id, Codec::Pcma, Seat::default()));
    world.says(1, Some(A));
    world.says(2, Some(B));
    assert!(world.room.place(MemberId(1), Seat { muted: true, ..Seat::default() }));
    assert!(world.room.place(MemberId(3), Seat { deaf: true, ..Seat::default() }));
    world.turns(60);
    assert_eq!([false, true], [world.hears(2, A), world.hears(1, B)]);
    assert_eq!([false, false], [world.hears(3, A), world.hears(3, B)]);
    assert!(world.told.contains(&Event::Talking(MemberId(1), true)));
    world.room.place(MemberId(1), Seat::default());
    world.turns(20);
    assert!(world.hears(2, A));
    assert!(!world.room.place(MemberId(9), Seat::default()));
}

#[test]
fn a_whisper_is_for_one_a_listener_for_nobody_and_a_barge_for_all() {
    let mut world = World::new();
    world.enter(1, Codec::Pcma, Seat::default());
    world.enter(2, Codec::Pcma, Seat::default());
    world.enter(3, Codec::Pcma, Seat { role: Role::Whisper(MemberId(1)), ..Seat::default() });
    world.says(2, Some(B));
    world.says(3, Some(C));
    world.turns(60);
    assert_eq!([true, false], [world.hears(1, C), world.hears(2, C)]);
    assert_eq!([true, true], [world.hears(1, B), world.hears(3, B)]);
    // Also while the one who is whispered to speaks.
    world.says(1, Some(A));
    world.turns(60);
    assert_eq!([true, true, false], [C, B, A].map(|hertz| world.hears(1, hertz)));
    assert_eq!([true, false], [A, C].map(|hertz| world.hears(2, hertz)));
    world.room.place(MemberId(3), Seat { role: Role::Listener, ..Seat::default() });
    world.turns(20);
    assert_eq!([false, false, true], [world.hears(1, C), world.hears(2, C), world.hears(3, A)]);
    world.room.place(MemberId(3), Seat { role: Role::Barge, ..Seat::default() });
    world.turns(20);
    assert_eq!([true, true], [world.hears(1, C), world.hears(2, C)]);
}

#[test]
fn talking_is_told_once_when_it_begins_and_once_when_it_ends() {
    let mut world = World::new();
    world.enter(1, Codec::Pcma, Seat::default());
    world.turns(30);
    world.says(1, Some(A));
    world.turns(50);
    world.says(1, None);
    world.turns(50);
    assert_eq!(vec![Event::Talking(MemberId(1), true), Event::Talking(MemberId(1), false)], world.told);
}

#[test]
fn of_a_crowd_the_loudest_are_heard_and_it_does_not_flap() {
    let mut world = World::new();
    (1..=20).for_each(|id| world.enter(id, Codec::Pcma, Seat::default()));
    (1..=19).for_each(|id| world.says(id, Some(300.0 + 150.0 * id as f64)));
    world.turns(40);
    let heard = |world: &World| world.room.members.iter().filter(|(_, member)| member.heard).map(|(&id, _)| id).collect::<Vec<_>>();
    let first = heard(&world);
    assert_eq!(SPEAKERS, first.len());
    world.turns(40);
    assert_eq!(first, heard(&world));
}

#[test]
fn who_comes_and_goes_is_told_by_a_tone_and_an_heirs_members_come_in_silence() {
    let mut world = World::new();
    world.enter(1, Codec::Pcma, Seat::default());
    world.turns(20);
    assert!(world.room.mixed().iter().all(|&s| s == 0));
    world.room.enter(MemberId(2), leg(Codec::Pcma, 20, 2), Seat::default(), true).unwrap();
    world.turns(2);
    assert!(world.room.mixed().iter().any(|&s| s > 500));
    world.turns(10);
    assert!(world.room.mixed().iter().all(|&s| s == 0));
    world.room.enter(MemberId(3), leg(Codec::Pcma, 20, 3), Seat { role: Role::Listener, ..Seat::default() }, true).unwrap();
    world.turns(2);
    assert!(world.room.mixed().iter().all(|&s| s == 0));
    assert!(world.room.leave(MemberId(2)).is_some() && world.room.leave(MemberId(2)).is_none());
    world.turns(2);
    assert!(world.room.mixed().iter().any(|&s| s > 500));
}

#[test]
fn keys_are_told_as_events_and_as_tones() {
    let mut world = World::new();
    world.enter(1, Codec::Pcma, Seat::default());
    world.phones.get_mut(&MemberId(1)).unwrap().0.sender.press(Digit::of('1').unwrap(), 100);
    let mut deaf_to_events = form(Codec::Pcma, 20);
    deaf_to_events.events = None;
    let make = |ssrc| Leg::new(deaf_to_events.clone(), RATE, Numbers { ssrc, ..Numbers::default() }).unwrap();
    world.phones.insert(MemberId(2), (make(2), None));
    world.room.enter(MemberId(2), make(3), Seat::default(), false).unwrap();
    world.phones.get_mut(&MemberId(2)).unwrap().0.sender.press(Digit::of('2').unwrap(), 100);
    world.turns(40);
    let keys: Vec<&Event> = world.told.iter().filter(|event| matches!(event, Event::Key(..))).collect();
    assert_eq!(vec![&Event::Key(MemberId(1), Digit::of('1').unwrap()), &Event::Key(MemberId(2), Digit::of('2').unwrap())], keys);
}

#[test]
fn a_room_is_full_at_its_limit_and_nobody_is_in_it_twice() {
    let mut room = Room::new(8_000).unwrap();
    let leg = |n: u64| Leg::new(form(Codec::Pcma, 20), 8_000, Numbers { ssrc: n as u32, ..Numbers::default() }).unwrap();
    (0..MEMBERS as u64).for_each(|n| room.enter(MemberId(n), leg(n), Seat::default(), false).unwrap());
    assert!(matches!(room.enter(MemberId(5_000), leg(1), Seat::default(), false), Err(RoomError::Full)));
    assert!(matches!(room.enter(MemberId(5), leg(1), Seat::default(), false), Err(RoomError::Twice)));
    assert!(matches!(Room::new(11_025), Err(RoomError::Codec(CodecError::Rate(11_025)))));
}

#[test]
fn a_room_goes_on_in_its_heir() {
    let mut world = World::new();
    (1..=3).for_each(|id| world.enter(id, if id == 2 { opus() } else { Codec::Pcma }, Seat::default()));
    world.room.place(MemberId(3), Seat { muted: true, ..Seat::default() });
    world.says(1, Some(A));
    world.says(3, Some(C));
    world.turns(60);
    let json = serde_json::to_string(&world.room.roster(world.turn * FRAME_US)).unwrap();
    let roster: Vec<Entry> = serde_json::from_str(&json).unwrap();
    let mut heir = Room::new(RATE).unwrap();
    world.turn += 10;
    for entry in roster {
        let codec = if entry.id == MemberId(2) { opus() } else { Codec::Pcma };
        let fresh = Numbers { ssrc: 1, ..Numbers::default() };
        let leg = Leg::heir(form(codec, 20), RATE, &entry.leg, world.turn * FRAME_US, fresh).unwrap();
        heir.enter(entry.id, leg, entry.seat, false).unwrap();
    }
    world.room = heir;
    world.told.clear();
    world.turns(40);
    assert_eq!([true, false], [world.hears(2, A), world.hears(2, C)]);
    assert!(world.phones.values().all(|(phone, _)| phone.receiver.statistics().jitter.restarts == 0));
}

#[test]
fn packet_times_other_than_a_turn_are_encoded_for_themselves() {
    let mut room = Room::new(RATE).unwrap();
    for (id, ptime_ms) in [(1, 10), (2, 20), (3, 40), (4, 60)] {
        room.enter(MemberId(id), leg(Codec::Pcma, ptime_ms, id as u32), Seat::default(), false).unwrap();
    }
    let mut sent = BTreeMap::<MemberId, usize>::new();
    for turn in 0..60 {
        room.turn(turn * FRAME_US, &[100; 320], &mut Vec::new(), |id, _| *sent.entry(id).or_default() += 1, |_| {});
    }
    assert_eq!(vec![120, 60, 30, 20], sent.into_values().collect::<Vec<_>>());
}
