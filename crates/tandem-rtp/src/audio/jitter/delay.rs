//! How late packets are: the fastest way seen lately, and the delay that nearly all packets keep to. No packets are kept here.

/// Width of a class of delays, microseconds.
const CLASS_US: u64 = 10_000;
/// Classes; what is later than all of them counts as the last.
const CLASSES: usize = 64;
/// Packets that the statistics remember: about five seconds.
const MEMORY: usize = 256;
/// Packets of a thousand that may come later than the target.
const LATE_PERMILLE: usize = 20;
/// Half of the time that the fastest way is remembered: clocks drift apart by less than a millisecond in it.
const FASTEST_US: u64 = 5_000_000;

/// Statistics of one stream's arrivals.
#[derive(Debug, Clone)]
pub struct Delay {
    counts: [u16; CLASSES],
    memory: Vec<u8>,
    next: usize,
    /// Smallest transits of the window that goes on and of the one before it.
    fastest: Option<(i64, i64)>,
    window_ends: u64,
}

impl Default for Delay {
    fn default() -> Delay {
        Delay { counts: [0; CLASSES], memory: Vec::new(), next: 0, fastest: None, window_ends: 0 }
    }
}

impl Delay {
    /// Takes a packet in: its transit is its arrival less its timestamp, both in microseconds, from any zero.
    pub fn arrived(&mut self, now: u64, transit: i64) {
        self.fastest = Some(match self.fastest {
            None => (transit, transit),
            Some((current, _)) if now >= self.window_ends => (transit, current),
            Some((current, before)) => (current.min(transit), before),
        });
        if now >= self.window_ends {
            self.window_ends = now + FASTEST_US;
        }
        let late = transit.saturating_sub(self.fastest().unwrap_or(transit)).max(0) as u64;
        let class = ((late / CLASS_US) as usize).min(CLASSES - 1);
        match self.memory.get_mut(self.next) {
            Some(old) => {
                if let Some(count) = self.counts.get_mut(usize::from(*old)) {
                    *count = count.saturating_sub(1);
                }
                *old = class as u8;
            }
            None => self.memory.push(class as u8),
        }
        self.next = (self.next + 1) % MEMORY;
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
        }
    }

    /// The smallest transit of the last seconds, microseconds; `None`: nothing has arrived.
    pub fn fastest(&self) -> Option<i64> {
        self.fastest.map(|(current, before)| current.min(before))
    }

    /// Another stream, or one whose timestamps have jumped, over the same network: only the fastest way is forgotten.
    pub fn restart(&mut self) {
        self.fastest = None;
        self.window_ends = 0;
    }

    /// The delay, over the fastest way, that all but 2 % of the packets keep to, microseconds.
    pub fn target_us(&self) -> u64 {
        let mut late = self.memory.len() * LATE_PERMILLE / 1_000;
        for (class, &count) in self.counts.iter().enumerate().rev() {
            match late.checked_sub(usize::from(count)) {
                Some(left) => late = left,
                None => return (class as u64 + 1) * CLASS_US,
            }
        }
        CLASS_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_what_98_of_100_packets_keep_to() {
        let mut delay = Delay::default();
        assert_eq!((None, CLASS_US), (delay.fastest(), delay.target_us()));
        for n in 0..1_000u64 {
            let late = if n % 100 == 0 { 300_000 } else { (n % 5) as i64 * 10_000 };
            delay.arrived(n * 20_000, 7_000_000 + late);
        }
        assert_eq!((Some(7_000_000), 50_000), (delay.fastest(), delay.target_us()));
    }

    #[test]
    fn five_seconds_of_calm_are_enough_to_forget_a_storm() {
        let mut delay = Delay::default();
        (0..300u64).for_each(|n| delay.arrived(n * 20_000, (n % 20) as i64 * 10_000));
        assert_eq!(200_000, delay.target_us());
        (300..600u64).for_each(|n| delay.arrived(n * 20_000, 0));
        assert_eq!(10_000, delay.target_us());
    }

    #[test]
    fn the_fastest_way_follows_a_drifting_clock() {
        let mut delay = Delay::default();
        for n in 0..15_000u64 {
            // 200 ppm slower than ours.
            delay.arrived(n * 20_000, (n * 4) as i64);
            let behind = (n * 4) as i64 - delay.fastest().unwrap();
            assert!((0..=2_100).contains(&behind), "{n}: {behind}");
        }
        assert_eq!(10_000, delay.target_us());
    }

    #[test]
    fn a_packet_that_is_hours_late_is_one_of_the_last_class() {
        let mut delay = Delay::default();
        delay.arrived(0, i64::MIN);
        delay.arrived(1, i64::MAX);
        assert_eq!(CLASSES as u64 * CLASS_US, delay.target_us());
    }
}
