//! When transactions act next: the intervals of RFC 3261 17 and a queue of due times. It reads no clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The three intervals from which all timers are made (RFC 3261 table 4), in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intervals {
    /// Round-trip estimate.
    pub t1: u64,
    /// Longest interval between repeats of a non-INVITE request or an INVITE's final response.
    pub t2: u64,
    /// How long a message stays in the network.
    pub t4: u64,
}

impl Intervals {
    /// Timers B, F, H, J, L, M and D: 64*T1 (RFC 3261 17.1.1.2 asks at least 32 s of D).
    pub fn life(&self) -> u64 {
        64 * self.t1
    }
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals { t1: 500_000, t2: 4_000_000, t4: 5_000_000 }
    }
}

/// A queue of (due, key). An entry that is no longer its transaction's next one is dropped when it comes up.
#[derive(Default, Debug)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Timers {
    /// Remembers that `key` acts at `due`; 0 means never.
    pub fn arm(&mut self, due: u64, key: u64) {
        if due != 0 {
            self.heap.push(Reverse((due, key)));
        }
    }

    /// The first (due, key) at or before `now`.
    pub fn due(&mut self, now: u64) -> Option<(u64, u64)> {
        let &Reverse((due, key)) = self.heap.peek()?;
        (due <= now).then(|| {
            self.heap.pop();
            (due, key)
        })
    }

    /// The earliest due time, possibly one that is stale; 0 when there is none.
    pub fn wake_at(&self) -> u64 {
        self.heap.peek().map_or(0, |Reverse((due, _))| *due)
    }
}

/// The earlier of two due times where 0 means never.
pub fn earlier(a: u64, b: u64) -> u64 {
    match (a, b) {
        (0, x) | (x, 0) => x,
        (a, b) => a.min(b),
    }
}
