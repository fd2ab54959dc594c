//! Round-trip times from reports (RFC 3550 6.4.1): ours, or those of others that pass through. No wall clock is needed.

use crate::rtcp::ReportBlock;

/// Sender reports that are remembered until one answers them: 40 s at the usual interval.
pub const SENDER_REPORTS: usize = 8;

/// The round trip between us and one peer. A copy is its exported state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Trip {
    /// Sender reports that went to the peer: middle of the NTP timestamp, and when, microseconds.
    pub sent: [(u32, u64); SENDER_REPORTS],
    /// How many went.
    pub count: usize,
    /// The last round trip, microseconds.
    pub last_us: Option<u64>,
    /// The longest one.
    pub worst_us: Option<u64>,
}

impl Trip {
    /// A sender report goes to the peer.
    pub fn passed(&mut self, now_us: u64, ntp: u64) {
        self.sent[self.count % SENDER_REPORTS] = (crate::rtcp::ntp_middle(ntp), now_us);
        self.count = self.count.wrapping_add(1);
    }

    /// A block of the peer about that stream has come: the round trip, if it says which report it answers.
    ///
    /// ```
    /// use tandem_rtp::{quality::Trip, rtcp::{ntp, ntp_middle, ReportBlock}};
    /// let mut trip = Trip::default();
    /// trip.passed(1_000_000, ntp(5_000_000));
    /// // The peer kept it for 2 s; 50 ms were on the way.
    /// let block = ReportBlock { last_sr: ntp_middle(ntp(5_000_000)), since_sr: 2 << 16, ..ReportBlock::default() };
    /// assert_eq!(Some(50_000), trip.answered(3_050_000, &block));
    /// ```
    pub fn answered(&mut self, now_us: u64, block: &ReportBlock) -> Option<u64> {
        let known = self.sent.get(..self.count.min(SENDER_REPORTS)).unwrap_or_default();
        let (_, at) = known.iter().find(|(middle, _)| block.last_sr != 0 && *middle == block.last_sr)?;
        let kept = u64::from(block.since_sr) * 1_000_000 / 65_536;
        let trip = now_us.saturating_sub(*at).saturating_sub(kept);
        self.last_us = Some(trip);
        self.worst_us = self.worst_us.max(Some(trip));
        Some(trip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_that_went_to_the_peer_give_a_time() {
        let block = |middle: u32| ReportBlock { last_sr: middle, ..ReportBlock::default() };
        let mut trip = Trip::default();
        assert_eq!(None, trip.answered(9, &block(0)));
        for n in 1..=12u64 {
            trip.passed(n * 100, n << 16);
        }
        assert_eq!([None, Some(1_500), Some(800), None, None], [4, 5, 12, 13, 0].map(|n| trip.answered(2_000, &block(n))));
        assert_eq!((Some(800), Some(1_500)), (trip.last_us, trip.worst_us));
        // A peer's clock that runs fast gives no time below zero.
        assert_eq!(Some(0), trip.answered(2_000, &ReportBlock { since_sr: u32::MAX, ..block(12) }));
    }
}
