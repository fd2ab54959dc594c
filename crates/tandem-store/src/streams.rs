//! Where each log record lies and who has read how far; never the records themselves.

use std::collections::{BTreeMap, VecDeque};

use crate::rows::{Freed, Place};

/// A record in the journal: 12 bytes of memory each until it is trimmed. Size 0: not seen yet (only while replaying).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub place: Place,
    pub size: u32,
}

const UNSEEN: Spot = Spot { place: Place { segment: 0, offset: 0 }, size: 0 };

#[derive(Debug)]
pub(crate) struct Stream {
    pub name: String,
    /// Offset of `spots[0]`; the first record of a stream has offset 1.
    pub first: u64,
    spots: VecDeque<Spot>,
    pub bytes: u64,
    pub checkpoints: BTreeMap<String, u64>,
}

impl Stream {
    pub fn next(&self) -> u64 {
        self.first + self.spots.len() as u64
    }

    pub fn len(&self) -> usize {
        self.spots.len()
    }

    pub fn spot(&self, offset: u64) -> Option<Spot> {
        let index = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        self.spots.get(index).copied().filter(|spot| spot.size > 0)
    }

    /// The offset up to which `bytes` are freed by trimming.
    pub fn offset_freeing(&self, bytes: u64) -> u64 {
        let mut freed = 0;
        let count = self.spots.iter().take_while(|spot| {
            let more = freed < bytes;
            freed += u64::from(spot.size);
            more
        });
        self.first + count.count() as u64 - 1
    }

    /// First offset that is missing between the first record and the last.
    pub fn hole(&self) -> Option<u64> {
        self.spots.iter().position(|spot| spot.size == 0).map(|index| self.first + index as u64)
    }

    /// Notes where a record lies; what its earlier place frees.
    pub fn set(&mut self, offset: u64, spot: Spot) -> Result<Option<Freed>, Trimmed> {
        let index = offset.checked_sub(self.first).and_then(|index| usize::try_from(index).ok()).ok_or(Trimmed)?;
        if index >= self.spots.len() {
            self.spots.resize(index + 1, UNSEEN);
        }
        let slot = self.spots.get_mut(index).ok_or(Trimmed)?;
        let old = std::mem::replace(slot, spot);
        self.bytes += u64::from(spot.size);
        self.bytes -= u64::from(old.size);
        Ok((old.size > 0).then_some(Freed { segment: old.place.segment, bytes: old.size }))
    }

    /// Records before `next` exist, in segments not yet replayed.
    pub fn expect_until(&mut self, next: u64) {
        let count = usize::try_from(next.saturating_sub(self.first)).unwrap_or(0);
        if count > self.spots.len() {
            self.spots.resize(count, UNSEEN);
        }
    }

    /// Forgets records up to and with `upto`.
    pub fn trim(&mut self, upto: u64, mut freed: impl FnMut(Freed)) {
        while self.first <= upto {
            let Some(spot) = self.spots.pop_front() else {
                self.first = upto + 1;
                return;
            };
            self.first += 1;
            self.bytes -= u64::from(spot.size);
            if spot.size > 0 {
                freed(Freed { segment: spot.place.segment, bytes: spot.size });
            }
        }
        if self.spots.capacity() > 4096 && self.spots.len() < self.spots.capacity() / 8 {
            self.spots.shrink_to(self.spots.len() * 2);
        }
    }

    /// The lowest checkpoint of all consumers.
    pub fn slowest(&self) -> Option<u64> {
        self.checkpoints.values().min().copied()
    }
}

/// The record is no longer wanted.
#[derive(Debug)]
pub(crate) struct Trimmed;

/// Few, so a list.
#[derive(Debug, Default)]
pub(crate) struct Streams(pub Vec<Stream>);

impl Streams {
    pub fn get(&self, name: &str) -> Option<&Stream> {
        self.0.iter().find(|stream| stream.name == name)
    }

    pub fn entry(&mut self, name: &str) -> &mut Stream {
        let index = self.0.iter().position(|stream| stream.name == name).unwrap_or_else(|| {
            let new = Stream { name: name.to_owned(), first: 1, spots: VecDeque::new(), bytes: 0, checkpoints: BTreeMap::new() };
            self.0.push(new);
            self.0.len() - 1
        });
        &mut self.0[index]
    }
}
