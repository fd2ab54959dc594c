//! Which endpoints need the audio engine, and their packets' way to it and back. What sounds, the studio says.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Component, Event, Key, Out, Relay};
use crate::audio::clean::{Places, Wish};
use crate::audio::codec::CodecError;
use crate::audio::dtmf::Digit;
use crate::audio::leg::{Form, Leg, Numbers};
use crate::audio::play::Item;
use crate::audio::room::RoomError;
use crate::audio::{gather, rate_for, FRAME_US};
use crate::plan::{Endpoint, EndpointId, Guard, Payload};
use crate::rtp;
use crate::studio::{Bridge, Desk, DeskState, Hall, Job, Playing, Reel, Tape, Work};

/// Turns of the engine between two looks at the sockets, at most.
const TURNS: usize = 8;
/// Behind by more than this, the engine leaves turns out, in microseconds.
const LATE_US: u64 = 200_000;
/// Packet time where the peer wishes none, milliseconds.
const PTIME_MS: u32 = 20;
/// Payload types that say something about a stream and are no sound.
const NO_SOUND: [&str; 3] = ["CN", "RED", "RTX"];

/// Where in the engine something is: the hash of a call's or a room's name. Names that collide share their turns, no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Spot {
    Call(u64),
    Room(u64),
}

impl Spot {
    pub(super) fn call(name: &str) -> Spot {
        Spot::Call(hash(name))
    }

    fn room(name: &str) -> Spot {
        Spot::Room(hash(name))
    }
}

/// The engine of one thread.
#[derive(Default)]
pub(super) struct Sound {
    /// Endpoints by their call.
    calls: HashMap<Spot, Vec<Key>>,
    bridges: HashMap<Spot, Bridge>,
    halls: HashMap<Spot, Hall>,
    /// When which is to be turned, and those of which this says so.
    due: BTreeSet<(u64, Spot)>,
    begun: HashSet<Spot>,
    /// What predecessors left of desks that are not here yet.
    heirs: HashMap<EndpointId, DeskState>,
    /// Places whose packets take another way since somebody asked.
    rerouted: Vec<Key>,
    cleaners: Places,
    packet: Vec<u8>,
}

/// Why something was not begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// The endpoint is not here, or speaks no codec of ours.
    #[error("nobody here speaks a codec that can be made")]
    Nobody,
    /// No codec could be made.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The room takes nobody.
    #[error(transparent)]
    Room(#[from] RoomError),
}

impl Sound {
    pub(super) fn packet(&mut self, now: u64, spot: Spot, id: EndpointId, packet: &rtp::Packet<'_>) {
        match spot {
            Spot::Call(_) => {
                if let Some(desk) = self.bridges.get_mut(&spot).and_then(|bridge| bridge.desk(id)) {
                    desk.packet(now, packet);
                }
            }
            Spot::Room(_) => {
                if let Some(hall) = self.halls.get_mut(&spot) {
                    hall.packet(now, id, packet);
                }
            }
        }
    }

    pub(super) fn came(&mut self, call: Spot, key: Key) {
        let keys = self.calls.entry(call).or_default();
        if !keys.contains(&key) {
            keys.reserve_exact(1); // most calls have two endpoints, and there are many calls
            keys.push(key);
        }
    }

    pub(super) fn went(&mut self, call: Spot, key: Key, id: EndpointId, room: Option<&str>) {
        self.heirs.remove(&id);
        if let Some(keys) = self.calls.get_mut(&call) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.calls.remove(&call);
            }
        }
        if let Some(bridge) = self.bridges.get_mut(&call) {
            bridge.desks.retain(|desk| desk.id != id);
            if bridge.desks.is_empty() && bridge.tape.is_none() {
                self.bridges.remove(&call);
            }
        }
        if let Some(room) = room {
            self.left(Spot::room(room), id);
        }
    }

    fn left(&mut self, spot: Spot, id: EndpointId) {
        if let Some(hall) = self.halls.get_mut(&spot) {
            hall.leave(id);
            if hall.keys.is_empty() && hall.tape.is_none() {
                self.halls.remove(&spot);
            }
        }
    }

    fn begin(&mut self, now: u64, spot: Spot) {
        if self.begun.insert(spot) {
            self.due.insert((now + FRAME_US, spot));
        }
    }

    fn desk(&self, spot: Spot, id: EndpointId) -> Option<&Desk> {
        self.bridges.get(&spot)?.desks.iter().find(|desk| desk.id == id)
    }

    /// Something is played to an endpoint or gathered from it: where that is changes all the time.
    pub(super) fn is_busy(&self, spot: Spot, id: EndpointId) -> bool {
        if self.halls.get(&spot).is_some_and(|hall| hall.playing.is_some() && hall.is_first(id)) {
            return true;
        }
        self.desk(spot, id).is_some_and(|desk| desk.playing.is_some() || desk.gather.is_some())
    }

    /// What an heir must know of an endpoint here.
    pub(super) fn state(&self, now: u64, spot: Spot, id: EndpointId) -> Option<DeskState> {
        match spot {
            Spot::Call(_) => self.desk(spot, id).map(|desk| desk.state(now)),
            Spot::Room(_) => {
                let hall = self.halls.get(&spot)?;
                let leg = hall.room.state(now, Hall::member(id))?;
                // What all hear is kept with the first of them.
                Some(DeskState { leg, job: hall.job().filter(|_| hall.is_first(id)), gather: None })
            }
        }
    }
}

impl Relay {
    /// The places of endpoints whose packets the engine has begun to need, or needs no more, since the last question.
    pub fn rerouted(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.sound.rerouted)
    }

    /// How many legs found no place among those that are cleaned, since the last question.
    pub fn uncleaned(&self) -> u32 {
        self.sound.cleaners.refused()
    }

    /// When the engine has something to do, microseconds.
    pub fn sounds_at(&self) -> Option<u64> {
        self.sound.due.first().map(|(at, _)| *at)
    }

    /// Does what is due at the engine. True: there is more.
    pub fn sounds(&mut self, now: u64, out: &mut impl Out) -> bool {
        for _ in 0..TURNS {
            let Some((at, spot)) = self.sound.due.first().copied().filter(|(at, _)| *at <= now) else { return false };
            self.sound.due.remove(&(at, spot));
            if self.turn(now, spot, out) {
                let next = at + FRAME_US;
                self.sound.due.insert((if now.saturating_sub(next) > LATE_US { now + FRAME_US } else { next }, spot));
            } else {
                self.sound.begun.remove(&spot);
            }
        }
        true
    }

    /// False: it is no more.
    fn turn(&mut self, now: u64, spot: Spot, out: &mut impl Out) -> bool {
        let mut packet = std::mem::take(&mut self.sound.packet);
        let (name, told, reeled) = match spot {
            Spot::Call(_) => {
                let Some(mut bridge) = self.sound.bridges.remove(&spot) else { return false };
                let turned = bridge.turn(now, &mut packet, |key, bytes| self.say(now, key, bytes, out));
                let name = bridge.desks.first().and_then(|desk| self.slot(desk.key)).map(|slot| slot.plan.call.clone());
                self.sound.bridges.insert(spot, bridge);
                (name, turned.told, turned.reeled)
            }
            Spot::Room(_) => {
                let Some(mut hall) = self.sound.halls.remove(&spot) else { return false };
                let (told, reeled) = hall.turn(now, &mut packet, |key, bytes| self.say(now, key, bytes, out));
                let name = hall.name.clone();
                self.sound.halls.insert(spot, hall);
                (Some(name), told, reeled)
            }
        };
        self.sound.packet = packet;
        let over = !told.is_empty();
        told.into_iter().for_each(|(id, told)| out.event(id, Event::Told(told)));
        if let Some((name, reeled)) = name.zip(reeled) {
            out.reeled(matches!(spot, Spot::Room(_)), &name, reeled);
        }
        if over || self.sound.bridges.get(&spot).is_some_and(|bridge| bridge.desks.iter().any(|desk| desk.is_done(now))) {
            self.engage(now, spot);
        }
        self.sound.bridges.contains_key(&spot) || self.sound.halls.contains_key(&spot)
    }

    /// Sends a packet of the engine to the peer of the endpoint at `key`.
    fn say(&mut self, now: u64, key: Key, bytes: &[u8], out: &mut impl Out) {
        self.spare.copy(bytes);
        if let Some(Some(slot)) = self.slots.get_mut(key as usize) {
            slot.give(now, Component::Rtp, &mut self.spare, 0, out);
        }
    }

    /// Plays to the peer of an endpoint. `items`: the sound of the job's pieces.
    ///
    /// # Errors
    /// All of [`SoundError`].
    pub fn play(&mut self, now: u64, id: EndpointId, job: Job, items: Vec<Item>, out: &mut impl Out) -> Result<(), SoundError> {
        let mut told = Vec::new();
        let spot = self.work(now, id, |desk| desk.play(job, items, &mut told))?;
        told.into_iter().for_each(|(id, told)| out.event(id, Event::Told(told)));
        self.engage(now, spot);
        Ok(())
    }

    /// Plays to all in a room.
    ///
    /// # Errors
    /// [`SoundError::Nobody`]: the room is not here.
    pub fn play_in(&mut self, room: &str, job: Job, items: Vec<Item>) -> Result<(), SoundError> {
        let hall = self.sound.halls.get_mut(&Spot::room(room)).ok_or(SoundError::Nobody)?;
        hall.playing = Some(Playing::new(job, items, hall.room.rate()));
        self.played_in(room);
        Ok(())
    }

    /// Plays no more to all in a room.
    pub fn stop_playing_in(&mut self, room: &str) {
        if let Some(hall) = self.sound.halls.get_mut(&Spot::room(room)) {
            hall.playing = None;
        }
        self.played_in(room);
    }

    /// What all in a room hear has changed: its first member's state has.
    fn played_in(&mut self, room: &str) {
        let first = self.sound.halls.get(&Spot::room(room)).and_then(|hall| hall.keys.values().next());
        if let Some(Some(slot)) = first.and_then(|key| self.slots.get_mut(*key as usize)) {
            slot.dirty = true;
        }
    }

    /// Plays no more to the peer of an endpoint.
    pub fn stop_playing(&mut self, now: u64, id: EndpointId, out: &mut impl Out) {
        let Some(spot) = self.spot(id) else { return };
        let mut told = Vec::new();
        if let Some(desk) = self.sound.bridges.get_mut(&spot).and_then(|bridge| bridge.desk(id)) {
            desk.stop(&mut told);
        }
        told.into_iter().for_each(|(id, told)| out.event(id, Event::Told(told)));
        self.engage(now, spot);
    }

    /// Gathers digits from the peer of an endpoint. `name`: under which it is told.
    ///
    /// # Errors
    /// All of [`SoundError`].
    pub fn gather(&mut self, now: u64, id: EndpointId, name: Option<String>, wish: gather::Wish) -> Result<(), SoundError> {
        let spot = self.work(now, id, |desk| {
            let prompt = desk.playing.is_some();
            desk.gather = Some((name, gather::Gather::new(wish, prompt, now)));
        })?;
        self.engage(now, spot);
        Ok(())
    }

    /// Gathers no more.
    pub fn stop_gathering(&mut self, now: u64, id: EndpointId) {
        let Some(spot) = self.spot(id) else { return };
        if let Some(desk) = self.sound.bridges.get_mut(&spot).and_then(|bridge| bridge.desk(id)) {
            desk.gather = None;
        }
        self.engage(now, spot);
    }

    /// Goes on gathering what a predecessor gathered.
    ///
    /// # Errors
    /// All of [`SoundError`].
    pub fn gather_on(&mut self, now: u64, id: EndpointId, left: (Option<String>, gather::Gather)) -> Result<(), SoundError> {
        let spot = self.work(now, id, |desk| desk.gather = Some(left))?;
        self.engage(now, spot);
        Ok(())
    }

    /// The peer of an endpoint seems to press a key: those who hear it get it. False: nobody does, or too many keys wait.
    pub fn press(&mut self, now: u64, from: EndpointId, digit: Digit, milliseconds: u32) -> bool {
        let sinks = self.key(from).and_then(|key| self.slot(key)).map(|slot| slot.plan.sinks.clone()).unwrap_or_default();
        let mut pressed = false;
        for id in sinks {
            let mut taken = false;
            if let Ok(spot) = self.work(now, id, |desk| taken = desk.press(now, digit, milliseconds)) {
                self.engage(now, spot);
            }
            pressed |= taken;
        }
        pressed
    }

    /// Records a call (`room`: a room) from now on.
    ///
    /// # Errors
    /// All of [`SoundError`].
    pub fn record(&mut self, now: u64, room: bool, name: &str, reel: &Reel) -> Result<(), SoundError> {
        let spot = if room { Spot::room(name) } else { Spot::call(name) };
        let rate = reel.rate.unwrap_or_else(|| self.rate_at(spot));
        let tape = Tape::new(reel, rate, now)?;
        if room {
            self.sound.halls.get_mut(&spot).ok_or(SoundError::Nobody)?.tape = Some(tape);
        } else {
            self.sound.bridges.entry(spot).or_insert_with(|| Bridge::new(rate)).tape = Some(tape);
        }
        self.sound.begin(now, spot);
        self.engage(now, spot);
        Ok(())
    }

    /// Records nothing of it from now on, or again.
    pub fn pause_recording(&mut self, room: bool, name: &str, paused: bool) {
        if let Some(tape) = self.tape(room, name).and_then(Option::as_mut) {
            tape.pause(paused);
        }
    }

    /// Ends a recording.
    pub fn end_recording(&mut self, now: u64, room: bool, name: &str, out: &mut impl Out) {
        let Some(tape) = self.tape(room, name).and_then(Option::take) else { return };
        out.reeled(room, name, tape.end());
        if !room {
            self.engage(now, Spot::call(name));
        }
    }

    /// Hz that hold what is said there.
    fn rate_at(&self, spot: Spot) -> u32 {
        if let Some(hall) = self.sound.halls.get(&spot) {
            return hall.room.rate();
        }
        let keys = self.sound.calls.get(&spot).map(|keys| &keys[..]).unwrap_or_default();
        rate(keys.iter().filter_map(|key| form(&self.slot(*key)?.plan)).map(|form| form.bandwidth()))
    }

    fn tape(&mut self, room: bool, name: &str) -> Option<&mut Option<Tape>> {
        match room {
            true => self.sound.halls.get_mut(&Spot::room(name)).map(|hall| &mut hall.tape),
            false => self.sound.bridges.get_mut(&Spot::call(name)).map(|bridge| &mut bridge.tape),
        }
    }

    fn spot(&self, id: EndpointId) -> Option<Spot> {
        self.key(id).and_then(|key| self.slot(key)).map(|slot| slot.call)
    }

    /// Finds or makes the desk of an endpoint.
    fn work(&mut self, now: u64, id: EndpointId, step: impl FnOnce(&mut Desk)) -> Result<Spot, SoundError> {
        let key = self.key(id).ok_or(SoundError::Nobody)?;
        let slot = self.slot(key).ok_or(SoundError::Nobody)?;
        let form = form(&slot.plan).ok_or(SoundError::Nobody)?;
        let spot = slot.call;
        let rate = self.sound.bridges.get(&spot).map_or_else(|| rate([form.bandwidth()]), |bridge| bridge.rate);
        if self.sound.desk(spot, id).is_none() {
            let leg = self.leg(now, id, form, rate)?;
            self.sound.bridges.entry(spot).or_insert_with(|| Bridge::new(rate)).desks.push(Desk::new(id, key, leg, rate));
        }
        self.sound.begin(now, spot);
        if let Some(desk) = self.sound.bridges.get_mut(&spot).and_then(|bridge| bridge.desk(id)) {
            step(desk);
        }
        Ok(spot)
    }

    /// A leg that begins, or goes on where a predecessor was.
    fn leg(&mut self, now: u64, id: EndpointId, form: Form, rate: u32) -> Result<Leg, CodecError> {
        let [ssrc, other, timestamp] = [(); 3].map(|()| self.common.number());
        // The first sequence is below 2^15, so that a receiver of SRTP sees its first wrap (RFC 3711 3.3.1).
        let fresh = Numbers { ssrc, sequence: other as u16 & 0x7fff, timestamp, at: now };
        match self.sound.heirs.remove(&id) {
            Some(left) => Leg::heir(form, rate, &left.leg, now, fresh),
            None => Leg::new(form, rate, fresh),
        }
    }

    /// The desk of an endpoint whose plan is still to come goes on where a predecessor's was.
    pub fn expect(&mut self, id: EndpointId, desk: DeskState) {
        self.sound.heirs.insert(id, desk);
    }

    /// Brings the endpoint at `key` into the room of its plan, or out of it.
    pub(super) fn seat(&mut self, now: u64, key: Key) {
        let Some(slot) = self.slot(key).filter(|slot| slot.room.is_some() || slot.plan.room.is_some()) else { return };
        let clean = slot.plan.clean;
        let (id, place, was) = (slot.plan.id, slot.plan.room.clone().zip(form(&slot.plan)), slot.room.clone());
        if let Some(was) = was.filter(|was| place.as_ref().is_none_or(|(place, _)| *place.room != **was)) {
            self.sound.left(Spot::room(&was), id);
        }
        let mut inside = None;
        if let Some((place, form)) = place {
            let spot = Spot::room(&place.room);
            let here = self.sound.halls.get(&spot).is_some_and(|hall| hall.keys.contains_key(&Hall::member(id)));
            let entered = if here {
                self.sound.halls.get_mut(&spot).is_some_and(|hall| hall.reseat(id, place.seat, form, now))
            } else {
                self.enter(now, spot, key, id, &place, form).is_ok()
            };
            if let Some(hall) = self.sound.halls.get_mut(&spot).filter(|_| entered) {
                hall.room.clean(Hall::member(id), clean, &self.sound.cleaners);
            }
            inside = entered.then(|| place.room.into_boxed_str());
        }
        if let Some(Some(slot)) = self.slots.get_mut(key as usize) {
            slot.room = inside;
        }
    }

    fn enter(&mut self, now: u64, spot: Spot, key: Key, id: EndpointId, place: &crate::plan::Place, form: Form) -> Result<(), SoundError> {
        let tone = !self.sound.heirs.contains_key(&id);
        let rate = self.sound.halls.get(&spot).map_or(place.rate, |hall| hall.room.rate());
        let leg = self.leg(now, id, form, rate)?;
        let hall = match self.sound.halls.entry(spot) {
            Entry::Occupied(hall) => hall.into_mut(),
            Entry::Vacant(empty) => empty.insert(Hall::new(&place.room, rate)?),
        };
        hall.enter(id, key, leg, place.seat, tone)?;
        self.sound.begin(now, spot);
        Ok(())
    }

    /// Finds out anew which endpoints of a call the engine hears and speaks for.
    pub(super) fn engage(&mut self, now: u64, call: Spot) {
        if matches!(call, Spot::Room(_)) {
            return;
        }
        let keys = self.sound.calls.get(&call).cloned().unwrap_or_default();
        let wishes = self.wishes(now, call, &keys);
        let wanted: Vec<(Key, EndpointId, Form, Work)> = keys
            .iter()
            .zip(&wishes)
            .filter_map(|(key, work)| {
                let plan = &self.slot(*key).filter(|slot| slot.room.is_none())?.plan;
                (*work != Work::default()).then_some((*key, plan.id, form(plan)?, *work))
            })
            .collect();
        for key in &keys {
            let work = wanted.iter().find(|(other, ..)| other == key).map(|(.., work)| *work).unwrap_or_default();
            if let Some(Some(slot)) = self.slots.get_mut(*key as usize) {
                let inside = slot.room.as_deref().map(Spot::room);
                let flags = (work.listens || inside.is_some(), work.makes || inside.is_some());
                if flags != (slot.listened, slot.made) {
                    self.sound.rerouted.push(*key);
                }
                slot.dirty |= flags != (false, false) || flags != (slot.listened, slot.made); // what plays, or does no more
                (slot.listened, slot.made) = flags;
                slot.at = inside.unwrap_or(call);
            }
        }
        let taped = self.sound.bridges.get(&call).is_some_and(|bridge| bridge.tape.is_some());
        if wanted.is_empty() && !taped {
            self.sound.bridges.remove(&call);
            return;
        }
        let rate = rate(wanted.iter().map(|(_, _, form, _)| form.bandwidth()));
        self.furnish(now, call, rate, &wanted);
        self.sound.begin(now, call);
    }

    /// Gives the bridge of a call the desks that it needs, and no others.
    fn furnish(&mut self, now: u64, call: Spot, rate: u32, wanted: &[(Key, EndpointId, Form, Work)]) {
        let mut bridge = self.sound.bridges.remove(&call).unwrap_or_else(|| Bridge::new(rate));
        bridge.rate = rate;
        bridge.desks.retain(|desk| wanted.iter().any(|(_, id, ..)| *id == desk.id));
        for (key, id, form, work) in wanted {
            if bridge.desk(*id).is_none() {
                // A codec that cannot be made leaves the endpoint without sound; the next plan tries anew.
                let Ok(leg) = self.leg(now, *id, form.clone(), rate) else { continue };
                bridge.desks.push(Desk::new(*id, *key, leg, rate));
            }
            let sources = wanted.iter().filter(|(from, ..)| self.slot(*from).is_some_and(|slot| slot.plan.sinks.contains(id)));
            let sources = sources.map(|(_, id, ..)| *id).collect();
            let flags = |slot: &super::Slot| (slot.plan.hears, slot.plan.silenced, slot.plan.clean);
            let (hears, silenced, clean) = self.slot(*key).map_or((true, false, Wish::default()), flags);
            let Some(desk) = bridge.desk(*id) else { continue };
            let _ = desk.reform(form.clone(), rate, now); // what failed stays as it was
            (desk.key, desk.sources, desk.hears, desk.silenced) = (*key, sources, hears, silenced);
            (desk.listens, desk.makes, desk.planned) = (work.listens, work.makes, work.planned);
            desk.clean(if work.listens { clean } else { Wish::default() }, &self.sound.cleaners);
        }
        self.sound.bridges.insert(call, bridge);
    }

    /// What each endpoint of a call needs the engine for.
    fn wishes(&self, now: u64, call: Spot, keys: &[Key]) -> Vec<Work> {
        let taped = self.sound.bridges.get(&call).is_some_and(|bridge| bridge.tape.is_some());
        let plan = |key: &Key| self.slot(*key).filter(|slot| slot.room.is_none()).map(|slot| &slot.plan);
        let mut wishes: Vec<Work> = keys
            .iter()
            .map(|key| {
                let id = plan(key).map(|plan| plan.id);
                let work = id.and_then(|id| self.sound.desk(call, id)).map(|desk| desk.has_work(now)).unwrap_or_default();
                Work { listens: work.listens || taped && plan(key).is_some_and(|plan| form(plan).is_some()), ..work }
            })
            .collect();
        let pairs: Vec<(usize, usize)> = (0..keys.len()).flat_map(|from| (0..keys.len()).map(move |to| (from, to))).collect();
        let heard = |&(from, to): &(usize, usize)| {
            let (from, to) = (keys.get(from).and_then(plan)?, keys.get(to).and_then(plan)?);
            from.sinks.contains(&to.id).then_some((from, to))
        };
        for pair in &pairs {
            let Some((from, to)) = heard(pair) else { continue };
            let back = to.sinks.contains(&from.id) && differs(to, from);
            if differs(from, to) || back || from.silenced || from.inject_dtmf || from.clean.any() || to.clean.echo {
                wishes.get_mut(pair.1).into_iter().for_each(|work| (work.makes, work.planned) = (true, true));
            }
        }
        for pair in &pairs {
            let made = wishes.get(pair.1).is_some_and(|work| work.makes);
            if made && heard(pair).is_some() {
                wishes.get_mut(pair.0).into_iter().for_each(|work| work.listens = true);
            }
        }
        wishes
    }
}

/// What an endpoint's peer speaks; `None`: nothing that the engine can make, or nothing that it can read.
fn form(plan: &Endpoint) -> Option<Form> {
    let open = !plan.raw && plan.guard != Guard::Opaque;
    Form::between(&plan.payloads, &plan.accepts, plan.ptime_ms.map_or(PTIME_MS, u32::from)).filter(|_| open)
}

/// Whether what one peer sends is not what the other takes.
fn differs(from: &Endpoint, to: &Endpoint) -> bool {
    let sound = |payload: &&Payload| !NO_SOUND.contains(&&payload.name[..]);
    from.payloads.iter().filter(sound).any(|payload| !to.takes(payload)) && form(from).is_some() && form(to).is_some()
}

/// Hz at which legs of these bandwidths are best joined: what two of them can carry, so that nobody resamples for nothing.
pub(super) fn rate(bandwidths: impl IntoIterator<Item = u32>) -> u32 {
    let mut all: Vec<u32> = bandwidths.into_iter().collect();
    all.sort_unstable_by(|one, other| other.cmp(one));
    rate_for(all.get(1).or(all.first()).copied().unwrap_or(8_000))
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
