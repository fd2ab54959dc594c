//! How many TLS handshakes may begin now: what the loop's other work leaves, so that a crowd that reconnects slows nobody who is there.
//! Who waits, waits in the kernel. Times are arguments, in microseconds.

/// Share of the time that handshakes may take when there is nothing else to do, in percent.
const MOST_PERCENT: u64 = 80;
/// Share that they have however much else there is, in percent.
const LEAST_PERCENT: u64 = 20;
/// Handshakes in one go, in microseconds of work: so much later is the rest of a turn.
const BURST_US: i64 = 10_000;
/// A handshake's cost until some were seen.
const FIRST_COST_US: u64 = 500;
/// What a measured cost is held to: a clock may stand still, or jump.
const COST_US: std::ops::RangeInclusive<u64> = 20..=20_000;
/// After so long listeners are looked at again.
pub const PAUSE_US: u64 = 2_000;
/// A turn of this length is one too many: REGISTERs are asked to come later.
pub const LAG_US: u64 = 200_000;

/// A bucket of work, filled by time.
#[derive(Debug)]
pub struct Admission {
    at: u64,
    /// Work that may begin.
    credit: i64,
    /// Handshakes' work since the last turn.
    shook: u64,
    cost: u64,
    lag: u64,
    /// When listeners that rest are looked at again.
    paused_until: Option<u64>,
    pauses: u64,
}

impl Default for Admission {
    fn default() -> Admission {
        Admission { at: 0, credit: BURST_US, shook: 0, cost: FIRST_COST_US, lag: 0, paused_until: None, pauses: 0 }
    }
}

impl Admission {
    /// A turn of the loop has ended, of which it slept for `idle`.
    pub fn turn(&mut self, now: u64, idle: u64) {
        let elapsed = now.saturating_sub(std::mem::replace(&mut self.at, now));
        self.lag = elapsed.saturating_sub(idle);
        let other = self.lag.saturating_sub(std::mem::take(&mut self.shook));
        let left = (elapsed * MOST_PERCENT / 100).saturating_sub(other).max(elapsed * LEAST_PERCENT / 100);
        self.credit = self.credit.saturating_add(left as i64).min(BURST_US);
    }

    /// Whether one more may begin; it is charged for.
    pub fn admits(&mut self) -> bool {
        let may = self.credit > 0;
        if may {
            self.credit -= self.cost as i64;
        }
        may
    }

    /// The one that was charged for did not come.
    pub fn refunds(&mut self) {
        self.credit += self.cost as i64;
    }

    /// Work of a handshake under way.
    pub fn works(&mut self, took: u64) {
        self.shook += took;
    }

    /// A handshake has succeeded, with this much work in all.
    pub fn succeeded(&mut self, work: u64) {
        self.cost = (self.cost * 7 + work.clamp(*COST_US.start(), *COST_US.end())) / 8;
    }

    /// Listeners rest from now on.
    pub fn pause(&mut self) {
        if self.paused_until.is_none() {
            self.pauses += 1;
        }
        self.paused_until = Some(self.at + PAUSE_US);
    }

    /// Whether listeners may be watched again. True once.
    pub fn resumes(&mut self) -> bool {
        let may = self.credit > 0 && self.paused_until.is_some_and(|until| self.at >= until);
        if may {
            self.paused_until = None;
        }
        may
    }

    /// When to look again.
    pub fn wake_at(&self) -> Option<u64> {
        self.paused_until.map(|until| until.max(self.at + PAUSE_US / 2))
    }

    /// Whether the last turn was so long that new registrations wait.
    pub fn lags(&self) -> bool {
        self.lag > LAG_US
    }

    /// Times that listeners had to rest, and the work of a handshake in microseconds.
    pub fn counted(&self) -> [(&'static str, u64); 2] {
        [("handshakes_paused", self.pauses), ("handshake_us", self.cost)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Handshakes begun in a second of turns of 10 ms, of which `other` is other work; each costs 200 us.
    fn in_a_second(other: u64) -> u64 {
        let (mut admission, mut begun, mut now) = (Admission::default(), 0, 0);
        (0..100).for_each(|_| admission.succeeded(200));
        for _ in 0..100 {
            let mut here = 0;
            while admission.admits() {
                here += 1;
            }
            admission.works(here * 200);
            begun += here;
            // A turn is as long as its work, or 10 ms.
            let work = other + here * 200;
            now += work.max(10_000);
            admission.turn(now, 10_000u64.saturating_sub(work));
        }
        begun * 1_000_000 / now
    }

    #[test]
    fn handshakes_take_what_is_left_and_never_nothing() {
        let idle = in_a_second(0);
        assert!((3_900..=4_200).contains(&idle), "{idle}");
        let half = in_a_second(5_000);
        assert!((1_300..=1_700).contains(&half), "{half}");
        let busy = in_a_second(30_000);
        assert!((900..=1_100).contains(&busy), "{busy}");
    }

    #[test]
    fn a_long_sleep_gives_no_more_than_one_burst() {
        let mut admission = Admission::default();
        (0..100).for_each(|_| admission.succeeded(1_000));
        admission.turn(60_000_000, 60_000_000);
        let begun = (0..1_000).filter(|_| admission.admits()).count();
        assert!((9..=11).contains(&begun), "{begun}");
        admission.pause();
        assert!(!admission.resumes());
        assert_eq!(Some(60_000_000 + PAUSE_US), admission.wake_at());
        admission.turn(60_000_000 + PAUSE_US, PAUSE_US);
        assert!(admission.resumes() && !admission.resumes());
        assert_eq!(1, admission.counted()[0].1);
    }

    #[test]
    fn a_turn_that_is_too_long_shows() {
        let mut admission = Admission::default();
        admission.turn(1_000_000, 1_000_000);
        assert!(!admission.lags());
        admission.turn(1_000_000 + LAG_US + 20, 10);
        assert!(admission.lags());
    }
}
