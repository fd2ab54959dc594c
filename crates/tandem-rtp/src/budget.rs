//! How often something may happen: a rate with a burst (GCRA). It does not know what is counted.

/// One rate. Takes 24 bytes, whatever is counted.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    interval_us: u64,
    tolerance_us: u64,
    /// When the burst is whole again.
    whole: u64,
}

impl Budget {
    /// `per_second` (at least 1) in the long run, `burst` (at least 1) at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Budget {
        Budget::every(1_000_000 / u64::from(per_second.max(1)), burst)
    }

    /// One each `interval_us` in the long run, `burst` (at least 1) at once.
    pub(crate) fn every(interval_us: u64, burst: u32) -> Budget {
        Budget { interval_us, tolerance_us: interval_us * u64::from(burst.max(1) - 1), whole: 0 }
    }

    /// Whether it may happen once at `now`, microseconds; if so it is counted.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        let whole = self.whole.max(now);
        if whole - now > self.tolerance_us {
            return false;
        }
        self.whole = whole.saturating_add(self.interval_us);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn a_burst_then_the_rate() {
        let mut budget = Budget::new(10, 3);
        let taken = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(3, taken(&mut budget, 5_000_000));
        assert_eq!(1, taken(&mut budget, 5_100_000));
        assert_eq!(2, taken(&mut budget, 5_300_000));
        assert_eq!(3, taken(&mut budget, 60_000_000));
    }
}
