//! All endpoints of one thread by their place, and which of them feed which. It does not look into packets.

use std::collections::HashMap;

use super::meeting::Common;
use super::sound::Sound;
use super::{Component, Out, Packet, Slot};
use crate::dtls::Identity;
use crate::plan::{Endpoint, EndpointId};

/// An endpoint's place in the table; good until the endpoint is dropped.
pub type Key = u32;

/// Every `of`-th place of the table, from `first` on. Whoever looks at all places, one share after another, holds packets up for no
/// longer than one share takes, and misses no place while the table grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Below `of`.
    pub first: usize,
    /// 1 at least.
    pub of: usize,
}

impl Share {
    /// The whole table.
    pub const ALL: Share = Share { first: 0, of: 1 };

    /// Whether a place is in it.
    pub(super) fn has(self, place: usize) -> bool {
        place % self.of.max(1) == self.first
    }

    /// Its endpoints.
    pub(super) fn of(self, slots: &mut [Option<Slot>]) -> impl Iterator<Item = &mut Slot> {
        slots.iter_mut().skip(self.first).step_by(self.of.max(1)).flatten()
    }
}

/// The endpoints of one thread.
pub struct Relay {
    pub(super) slots: Vec<Option<Slot>>,
    free: Vec<Key>,
    places: HashMap<EndpointId, Key>,
    /// A packet's copies, for those that get it before the last one.
    pub(super) spare: Packet,
    pub(super) common: Common,
    pub(super) sound: Sound,
}

impl Relay {
    /// An empty table. `origin`: the instant that stands for 0 on the clock of `identity`, microseconds of the clock that `now` is on.
    /// `random` fills with bytes that nobody can guess.
    pub fn new(identity: Identity, origin: u64, random: impl FnMut(&mut [u8]) + Send + 'static) -> Relay {
        let common = Common { identity, origin, random: Box::new(random), numbers: Vec::new() };
        Relay { slots: Vec::new(), free: Vec::new(), places: HashMap::new(), spare: Packet::new(), common, sound: Sound::default() }
    }

    /// How many endpoints there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes a new plan for an endpoint, known or not. `token` is what [`super::Out`] gets for a new one.
    pub fn put(&mut self, now: u64, plan: Endpoint, token: u64) -> Key {
        let id = plan.id;
        if let Some(key) = self.places.get(&id).copied() {
            if let Some(Some(slot)) = self.slots.get_mut(key as usize) {
                slot.replan(now, plan);
                slot.settle();
                slot.meet(now, &mut self.common);
            }
            self.sounds_for(now, key);
            return key;
        }
        let mut slot = Slot::new(now, plan, token, &mut self.common);
        slot.settle();
        slot.meet(now, &mut self.common);
        let slot = Some(slot);
        let key = match self.free.pop() {
            Some(key) => {
                if let Some(place) = self.slots.get_mut(key as usize) {
                    *place = slot;
                }
                key
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as Key
            }
        };
        self.places.insert(id, key);
        self.sounds_for(now, key);
        key
    }

    fn sounds_for(&mut self, now: u64, key: Key) {
        let Some(call) = self.slot(key).map(|slot| slot.call) else { return };
        self.sound.came(call, key);
        self.seat(now, key);
        self.engage(now, call);
    }

    /// Forgets an endpoint; what it counted is given back.
    pub fn drop(&mut self, now: u64, id: EndpointId) -> Option<Slot> {
        let key = self.places.remove(&id)?;
        let slot = self.slots.get_mut(key as usize)?.take();
        self.free.push(key);
        if let Some(slot) = &slot {
            self.sound.went(slot.call, key, id, slot.room.as_deref());
            self.engage(now, slot.call);
        }
        slot
    }

    /// The place of an endpoint.
    pub fn key(&self, id: EndpointId) -> Option<Key> {
        self.places.get(&id).copied()
    }

    /// An endpoint by its place.
    pub fn slot(&self, key: Key) -> Option<&Slot> {
        self.slots.get(key as usize)?.as_ref()
    }

    /// The place of a slot's sink `at`, which is looked up again when another endpoint has that place now.
    pub(super) fn sink(&mut self, key: Key, at: usize) -> Option<Key> {
        let slot = self.slots.get(key as usize)?.as_ref()?;
        let (id, found) = (*slot.plan.sinks.get(at)?, *slot.sinks.get(at)?);
        if self.slot(found).is_some_and(|sink| sink.plan.id == id) {
            return Some(found);
        }
        let found = self.key(id)?;
        *self.slots.get_mut(key as usize)?.as_mut()?.sinks.get_mut(at)? = found;
        Some(found)
    }

    /// Does what is due now: checks, handshakes, reports of our own. To be called a few times a second, and again after a plan.
    pub fn poll(&mut self, now: u64, out: &mut impl Out) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.meeting_wants(now, &self.common) {
                slot.meeting_due(now, &mut self.common, out);
            }
        }
    }

    /// Reports to peers that get none from the other side. To be called once a second for each share.
    pub fn report(&mut self, now: u64, share: Share, out: &mut impl Out) {
        let mut report = Vec::new();
        for slot in share.of(&mut self.slots) {
            let random = self.common.number();
            if slot.watch.report(now, random, &mut report) {
                self.spare.copy(&report);
                slot.give(now, Component::Rtcp, &mut self.spare, random, out);
            }
            report.clear();
        }
    }
}
