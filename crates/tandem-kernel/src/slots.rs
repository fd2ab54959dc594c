//! Places of an array, given out and taken back. A place that was taken back rests first: a packet may still be looking at it.

use std::collections::VecDeque;

/// How long a place rests, in nanoseconds; a packet looks for less than a microsecond.
pub const REST_NS: u64 = 1_000_000_000;

/// Free places.
pub struct Slots {
    fresh: u32,
    entries: u32,
    resting: VecDeque<(u64, u32)>,
}

impl Slots {
    /// All of so many.
    pub fn new(entries: u32) -> Slots {
        Slots { fresh: 0, entries, resting: VecDeque::new() }
    }

    /// How many there are, used or not.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// A free one; `None`: all are in use, or rest.
    pub fn take(&mut self, now: u64) -> Option<u32> {
        if self.resting.front().is_some_and(|(since, _)| now.saturating_sub(*since) >= REST_NS) {
            return self.resting.pop_front().map(|(_, slot)| slot);
        }
        if self.fresh >= self.entries {
            return None;
        }
        self.fresh += 1;
        Some(self.fresh - 1)
    }

    /// Takes one back.
    pub fn give(&mut self, now: u64, slot: u32) {
        self.resting.push_back((now, slot));
    }
}

#[cfg(test)]
mod tests {
    use super::{Slots, REST_NS};

    #[test]
    fn a_place_that_was_given_back_rests() {
        let mut slots = Slots::new(2);
        assert_eq!((Some(0), Some(1), None), (slots.take(1), slots.take(1), slots.take(1)));
        slots.give(5, 1);
        assert_eq!((None, Some(1), None), (slots.take(4 + REST_NS), slots.take(5 + REST_NS), slots.take(9 + REST_NS)));
    }
}
