//! A room with the places of its members in the relay: packets in and out by their place. How it mixes is the room's matter.

use std::collections::BTreeMap;

use super::job::{Job, Playing};
use super::tape::{Reeled, Tape};
use super::Told;
use crate::audio::frame_samples;
use crate::audio::leg::{Form, Leg};
use crate::audio::room::{self, MemberId, Room, RoomError, Seat};
use crate::plan::EndpointId;
use crate::relay::Key;
use crate::rtp::Packet;

/// A room.
#[derive(Debug)]
pub(crate) struct Hall {
    pub name: String,
    pub room: Room,
    pub keys: BTreeMap<MemberId, Key>,
    pub tape: Option<Tape>,
    /// What all hear.
    pub playing: Option<Playing>,
    announced: Vec<i16>,
}

impl Hall {
    /// An empty room that mixes at `rate` Hz.
    pub fn new(name: &str, rate: u32) -> Result<Hall, RoomError> {
        Ok(Hall {
            name: name.to_owned(),
            room: Room::new(rate)?,
            keys: BTreeMap::new(),
            tape: None,
            playing: None,
            announced: vec![0; frame_samples(rate)],
        })
    }

    /// The name of a member by its endpoint.
    pub fn member(id: EndpointId) -> MemberId {
        MemberId(id.0)
    }

    /// With the first of its members is kept what all hear.
    pub fn is_first(&self, id: EndpointId) -> bool {
        self.keys.keys().next() == Some(&Hall::member(id))
    }

    /// Somebody enters.
    pub fn enter(&mut self, id: EndpointId, key: Key, leg: Leg, seat: Seat, tone: bool) -> Result<(), RoomError> {
        self.room.enter(Hall::member(id), leg, seat, tone)?;
        self.keys.insert(Hall::member(id), key);
        Ok(())
    }

    /// Somebody who is there gets another seat, or speaks another form; false: he is not, or cannot.
    pub fn reseat(&mut self, id: EndpointId, seat: Seat, form: Form, now: u64) -> bool {
        let rate = self.room.rate();
        let Some(leg) = self.room.leg(Hall::member(id)) else { return false };
        let formed = *leg.form() == form || leg.reform(form, rate, now).is_ok();
        formed && self.room.place(Hall::member(id), seat)
    }

    /// Somebody leaves.
    pub fn leave(&mut self, id: EndpointId) {
        self.room.leave(Hall::member(id));
        self.keys.remove(&Hall::member(id));
    }

    pub fn packet(&mut self, now: u64, id: EndpointId, packet: &Packet<'_>) {
        self.room.packet(now, Hall::member(id), packet);
    }

    /// The job that all hear, as far as it is.
    pub fn job(&self) -> Option<Job> {
        self.playing.as_ref().map(Playing::job)
    }

    /// One turn of 20 ms.
    pub fn turn(&mut self, now: u64, packet: &mut Vec<u8>, mut send: impl FnMut(Key, &[u8])) -> (Vec<(EndpointId, Told)>, Option<Reeled>) {
        let mut told = Vec::new();
        let sounds = self.playing.as_mut().is_some_and(|playing| playing.frame(now, &mut self.announced));
        if !sounds && self.playing.is_some() {
            let name = self.playing.take().and_then(Playing::into_name);
            told.extend(self.keys.keys().next().map(|id| (EndpointId(id.0), Told::Played { name, whole: true })));
        }
        let announced = if sounds { &self.announced[..] } else { &[] };
        let keys = &self.keys;
        let tell = |event| match event {
            room::Event::Talking(id, talks) => told.push((EndpointId(id.0), Told::Talking(talks))),
            room::Event::Key(id, digit) => told.push((EndpointId(id.0), Told::Key(digit))),
        };
        self.room.turn(now, announced, packet, |id, bytes| keys.get(&id).into_iter().for_each(|key| send(*key, bytes)), tell);
        let reeled = self.tape.as_mut().and_then(|tape| tape.frame(now, self.room.rate(), &[self.room.mixed()]));
        (told, reeled)
    }
}
