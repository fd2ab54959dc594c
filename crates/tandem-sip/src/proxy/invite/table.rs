//! All INVITE transactions of one edge: found by identity, bounded in number and bytes. It decides nothing about them.

use super::timers::Timers;
use super::txn::Txn;
use crate::txn::Uniform;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;

/// INVITE transactions at once; one more gets 503.
pub const TRANSACTIONS: usize = 131_072;
/// Bytes that they hold at most.
pub const TRANSACTION_BYTES: usize = 256 << 20;
/// Answered INVITEs that are remembered so that their repetitions begin no other call (RFC 6026 7.1).
pub const ACCEPTED: usize = 524_288;
/// How long they are: 64*T1, in microseconds.
pub(in crate::proxy) const LIFE_US: u64 = 32_000_000;

/// The high bit of a place: not a slot, but the target of an INVITE that was answered.
const IS_ACCEPTED: u32 = 1 << 31;

/// What is known of an identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proxy) enum Known {
    /// A transaction in this slot.
    Txn(u32),
    /// It was answered 2xx by this target.
    Accepted(u16),
}

#[derive(Default)]
struct Slot {
    stamp: u32,
    armed: u64,
    bytes: usize,
    txn: Option<Box<Txn>>,
}

/// The table.
#[derive(Default)]
pub(in crate::proxy) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_identity: HashMap<u64, u32, BuildHasherDefault<Uniform>>,
    by_cancel: HashMap<u64, u32, BuildHasherDefault<Uniform>>,
    accepted: VecDeque<(u64, u64)>,
    timers: Timers,
    bytes: usize,
    #[allow(clippy::vec_box)] // the box is what is spared
    spare: Vec<Box<Txn>>,
}

impl Table {
    /// Whether one more may begin.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        self.slots.len() - self.free.len() < TRANSACTIONS && self.bytes < TRANSACTION_BYTES
    }

    /// How many there are.
    pub(in crate::proxy) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes that they hold.
    pub(in crate::proxy) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of an identity.
    pub(in crate::proxy) fn find(&self, identity: u64) -> Option<Known> {
        let place = *self.by_identity.get(&identity)?;
        Some(if place & IS_ACCEPTED == 0 { Known::Txn(place) } else { Known::Accepted(place as u16) })
    }

    /// A value to begin with, whose buffers have room already.
    pub(in crate::proxy) fn spare(&mut self) -> Option<Box<Txn>> {
        self.spare.pop()
    }

    /// Adds one; gives its slot.
    pub(in crate::proxy) fn add(&mut self, txn: Box<Txn>) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        self.by_identity.insert(txn.identity, slot);
        self.put(slot, txn);
        slot
    }

    /// Takes one out to work on it: `put` it back, or `forget` it.
    pub(in crate::proxy) fn take(&mut self, slot: u32) -> Option<Box<Txn>> {
        self.slots.get_mut(slot as usize)?.txn.take()
    }

    /// Puts it back.
    pub(in crate::proxy) fn put(&mut self, slot: u32, txn: Box<Txn>) {
        let Some(place) = self.slots.get_mut(slot as usize) else { return };
        let bytes = txn.bytes();
        self.bytes = self.bytes - place.bytes + bytes;
        place.bytes = bytes;
        place.txn = Some(txn);
    }

    /// Looks at one again when it is due.
    pub(in crate::proxy) fn arm(&mut self, slot: u32, due: u64, now: u64) {
        let Some(place) = self.slots.get_mut(slot as usize) else { return };
        // What is armed for an earlier time will see for itself.
        if due != 0 && (place.armed == 0 || due < place.armed) {
            place.stamp = place.stamp.wrapping_add(1);
            place.armed = self.timers.arm(now, due, slot, place.stamp);
        }
    }

    /// The next slot to look at.
    pub(in crate::proxy) fn due(&mut self, now: u64) -> Option<u32> {
        loop {
            let (slot, stamp) = self.timers.due(now)?;
            let Some(place) = self.slots.get_mut(slot as usize).filter(|place| place.stamp == stamp) else { continue };
            place.armed = 0;
            if place.txn.is_some() {
                return Some(slot);
            }
        }
    }

    /// Its identity is known as answered by `target`; the transaction is forgotten by then, or goes on for others.
    pub(in crate::proxy) fn accept(&mut self, identity: u64, target: u16, now: u64) {
        self.by_identity.insert(identity, IS_ACCEPTED | u32::from(target));
        self.accepted.push_back((now + LIFE_US, identity));
        if self.accepted.len() > ACCEPTED {
            self.lapse();
        }
    }

    /// Forgets one that was taken out.
    pub(in crate::proxy) fn forget(&mut self, slot: u32, mut txn: Box<Txn>) {
        if self.by_identity.get(&txn.identity) == Some(&slot) {
            self.by_identity.remove(&txn.identity);
        }
        let Some(place) = self.slots.get_mut(slot as usize) else { return };
        self.bytes -= place.bytes;
        *place = Slot { stamp: place.stamp.wrapping_add(1), ..Slot::default() };
        self.free.push(slot);
        if self.spare.len() < SPARES && txn.bytes() <= SPARE_BYTES {
            txn.attempts.clear();
            self.spare.push(txn);
        }
    }

    /// The transaction in a slot.
    pub(in crate::proxy) fn get(&self, slot: u32) -> Option<&Txn> {
        self.slots.get(slot as usize)?.txn.as_deref()
    }

    /// The branch sum of a CANCEL that was sent: its response has no other Via than ours.
    pub(in crate::proxy) fn note_cancel(&mut self, sum: u64, slot: u32) {
        self.by_cancel.insert(sum, slot);
    }

    /// The slot of a CANCEL's response.
    pub(in crate::proxy) fn cancelled(&mut self, sum: u64) -> Option<u32> {
        self.by_cancel.remove(&sum)
    }

    /// Forgets a CANCEL that will not be answered.
    pub(in crate::proxy) fn forget_cancel(&mut self, sum: u64) {
        self.by_cancel.remove(&sum);
    }

    /// Forgets answered INVITEs whose time is over.
    pub(in crate::proxy) fn lapse_until(&mut self, now: u64) {
        while self.accepted.front().is_some_and(|(at, _)| *at <= now) {
            self.lapse();
        }
    }

    fn lapse(&mut self) {
        if let Some((_, identity)) = self.accepted.pop_front() {
            if self.by_identity.get(&identity).is_some_and(|place| place & IS_ACCEPTED != 0) {
                self.by_identity.remove(&identity);
            }
        }
    }

    /// When something is due.
    pub(in crate::proxy) fn wake_at(&self) -> Option<u64> {
        self.timers.wake_at()
    }
}

/// Values kept for the next INVITE, and the most bytes of one that is.
const SPARES: usize = 256;
const SPARE_BYTES: usize = 8_192;
