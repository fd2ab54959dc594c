//! When transactions act next: first-in first-out queues of constant durations, each twice the one before. No heap; it reads no clock.

use std::collections::VecDeque;

/// The shortest queue, in microseconds: nothing is later than this beyond its time.
const SHORTEST_US: u64 = 31_250;
/// Queues: up to 32 s. What is due later passes through the longest one several times.
const QUEUES: usize = 11;

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    slot: u32,
    stamp: u32,
}

/// The queues.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queues: [VecDeque<Entry>; QUEUES],
}

impl Timers {
    /// Remembers to look at `slot` when `due`, or some time before. Gives when that will be.
    pub(super) fn arm(&mut self, now: u64, due: u64, slot: u32, stamp: u32) -> u64 {
        let steps = due.saturating_sub(now) / SHORTEST_US;
        let queue = (steps.max(1).ilog2() as usize).min(QUEUES - 1);
        let at = now + (SHORTEST_US << queue);
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.push_back(Entry { at, slot, stamp });
        }
        at
    }

    /// The next (slot, stamp) to look at.
    pub(super) fn due(&mut self, now: u64) -> Option<(u32, u32)> {
        let queue = self.queues.iter_mut().find(|queue| queue.front().is_some_and(|entry| entry.at <= now))?;
        queue.pop_front().map(|entry| (entry.slot, entry.stamp))
    }

    /// When `due` has something next.
    pub(super) fn wake_at(&self) -> Option<u64> {
        self.queues.iter().filter_map(|queue| queue.front()).map(|entry| entry.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_due_is_seen_at_its_time_and_seldom_before() {
        for wait in [1, 31_250, 125_000, 500_000, 4_000_000, 180_000_000] {
            let (mut timers, mut now, mut looks) = (Timers::default(), 1_000, 0);
            let due = now + wait;
            timers.arm(now, due, 7, 1);
            while now < due {
                now = timers.wake_at().unwrap();
                assert_eq!(Some((7, 1)), timers.due(now));
                assert_eq!(None, timers.due(now));
                looks += 1;
                if now < due {
                    timers.arm(now, due, 7, 1);
                }
            }
            assert!(now - due <= SHORTEST_US && looks < 20, "{wait}: {} late, {looks} looks", now - due);
        }
    }
}
