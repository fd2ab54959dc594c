//! How long a thread rests between two looks at its sockets. A look costs a wake-up; several packets share it when it comes a little later.

/// Longest rest, in microseconds: what it adds to a packet's way at most.
pub const PAUSE_US: u64 = 200;
/// Packets that should share a look.
pub const SHARED: u64 = 8;
/// Rates below this, in packets per second, are not worth a rest.
pub const RATE: u64 = 2_000;
/// Over which time the rate is counted, in microseconds.
const WINDOW_US: u64 = 50_000;

/// The rate of the last window, and the rest that follows from it.
#[derive(Debug, Default)]
pub struct Pause {
    since: u64,
    packets: u64,
    rest: u64,
}

impl Pause {
    /// So many packets were found by a look.
    pub fn looked(&mut self, now: u64, packets: u64) {
        self.packets += packets;
        let passed = now.saturating_sub(self.since);
        if passed >= WINDOW_US {
            let rate = self.packets * 1_000_000 / passed;
            self.rest = if rate < RATE { 0 } else { (SHARED * 1_000_000 / rate).min(PAUSE_US) };
            (self.since, self.packets) = (now, 0);
        }
    }

    /// How long to rest now, in microseconds; 0: not at all. A look that found many shared enough already.
    pub fn rest(&self, found: u64) -> u64 {
        if found >= SHARED {
            0
        } else {
            self.rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pause, PAUSE_US};

    #[test]
    fn a_quiet_thread_answers_at_once_and_a_busy_one_rests_as_long_as_eight_packets_take() {
        let mut pause = Pause::default();
        pause.looked(50_000, 10);
        assert_eq!(0, pause.rest(1));
        pause.looked(100_000, 5_000); // 100,000 a second
        assert_eq!(80, pause.rest(1));
        assert_eq!(0, pause.rest(9));
        pause.looked(150_000, 500);
        assert_eq!(PAUSE_US, pause.rest(1));
    }
}
