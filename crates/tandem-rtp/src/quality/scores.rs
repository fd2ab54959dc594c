//! What a listener thinks of a stream, window by window: MOS-LQ, without delay. Losses are counted elsewhere.

use super::{mos, rating, Bursts, Codec};

/// Shortest window that gets a score, in microseconds.
pub const WINDOW_US: u64 = 5_000_000;
/// Least packets that were due in a window; one with less (silence, hold) goes on.
const WINDOW_PACKETS: u64 = 25;

/// The scores of the windows so far, each counts the same.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// How many.
    pub windows: u64,
    /// Their sum.
    pub sum: f64,
    /// The last one; 0 before the first.
    pub last: f32,
    /// The worst one; 0 before the first.
    pub worst: f32,
}

impl Scores {
    /// One more.
    pub fn add(&mut self, score: f32) {
        self.worst = if self.windows == 0 { score } else { self.worst.min(score) };
        self.last = score;
        self.sum += f64::from(score);
        self.windows += 1;
    }

    /// The mean; `None` before the first window has ended.
    pub fn average(&self) -> Option<f32> {
        (self.windows > 0).then(|| (self.sum / self.windows as f64) as f32)
    }
}

/// The counts with which a window began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// When, microseconds.
    pub since_us: u64,
    /// Packets due until then.
    pub expected: u64,
    /// Packets missing until then.
    pub missing: u64,
    /// What had arrived until then, in order.
    pub bursts: Bursts,
}

impl Window {
    /// The score of what came since the window began, and a new window, if there is enough of it.
    pub(super) fn end(&mut self, now: Window, codec: Codec) -> Option<f32> {
        if now.since_us.saturating_sub(self.since_us) < WINDOW_US {
            return None;
        }
        let score = self.score(&now, codec)?;
        *self = now;
        Some(score)
    }

    /// The score of what came since the window began, however short that is; `None`: too few packets.
    pub(super) fn score(&self, now: &Window, codec: Codec) -> Option<f32> {
        let expected = now.expected.saturating_sub(self.expected);
        if expected < WINDOW_PACKETS {
            return None;
        }
        let missing = now.missing.saturating_sub(self.missing).min(expected);
        let loss_percent = 100.0 * missing as f32 / expected as f32;
        let burst_ratio = now.bursts.since(&self.bursts).ratio();
        Some(mos(rating(codec, loss_percent, burst_ratio, 0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_and_worst_are_those_of_the_windows() {
        let mut scores = Scores::default();
        assert_eq!(None, scores.average());
        [4.0, 2.0, 3.0].into_iter().for_each(|score| scores.add(score));
        assert_eq!((Some(3.0), 2.0, 3.0, 3), (scores.average(), scores.worst, scores.last, scores.windows));
    }
}
