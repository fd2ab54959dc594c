//! How often something took how long: counts in buckets that grow with the time, four to a doubling. It measures nothing itself.

use serde::{Serialize, Serializer};
use serde_json::{json, Value};

/// What is shorter falls into the first bucket, in microseconds.
pub const SHORTEST_US: u64 = 64;
/// Doublings that are told apart: 64 us to 67 s.
pub const DOUBLINGS: usize = 20;
/// Buckets in all; the last one is for everything longer.
pub const BUCKETS: usize = DOUBLINGS * 4 + 1;

/// Times of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: [0; BUCKETS], sum_us: 0 }
    }
}

impl Histogram {
    /// Counts one time.
    ///
    /// ```
    /// let mut times = tandem_sip::histogram::Histogram::default();
    /// times.add(1_500);
    /// assert_eq!(1, times.count());
    /// ```
    pub fn add(&mut self, us: u64) {
        if let Some(count) = self.counts.get_mut(bucket(us)) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// `{"sum_us", "counts": [..]}`; bucket `n` ends below `64 << (n / 4)` times (5 + n % 4) / 4 microseconds. Empty ones at the end
    /// are left out.
    pub fn view(&self) -> Value {
        let end = self.counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        json!({"sum_us": self.sum_us, "counts": self.counts.get(..end)})
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.view().serialize(to)
    }
}

fn bucket(us: u64) -> usize {
    if us < SHORTEST_US {
        return 0;
    }
    let doubling = us.ilog2();
    let quarter = (us >> (doubling - 2)) & 3;
    ((doubling - SHORTEST_US.ilog2()) as usize * 4 + quarter as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_a_quarter_wide() {
        let ends = |n: usize| (SHORTEST_US << (n / 4)) * (5 + n as u64 % 4) / 4;
        assert_eq!((0, 0, 1, 4), (bucket(0), bucket(79), bucket(80), bucket(128)));
        for n in 0..BUCKETS - 1 {
            assert_eq!((n, n + 1), (bucket(ends(n) - 1), bucket(ends(n))), "bucket {n}");
        }
        assert_eq!(BUCKETS - 1, bucket(u64::MAX));
    }

    #[test]
    fn a_view_has_no_empty_end() {
        let mut times = Histogram::default();
        assert_eq!(json!({"sum_us": 0, "counts": []}), times.view());
        times.add(100);
        times.add(10);
        assert_eq!(json!({"sum_us": 110, "counts": [1, 0, 1]}), times.view());
    }
}
