//! Whether losses come alone or in bursts (RFC 3611 4.7.2; BurstR of G.107). It is told, packet by packet in order, what arrived.

/// Packets received in a row that end a burst (RFC 3611 4.7.2, Gmin).
pub const GAP_PACKETS: u64 = 16;

/// Counts of what arrived and what did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Bursts {
    /// Packets that arrived.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Runs of one or more losses in a row.
    pub runs: u64,
    /// Bursts: two or more losses with less than [`GAP_PACKETS`] between each and the next.
    pub bursts: u64,
    /// Packets in bursts, from the first loss of each to its last.
    pub burst_packets: u64,
    /// Losses among them; the others were alone, in gaps.
    pub burst_lost: u64,
    /// Losses in what may be a burst and has not ended.
    pub open_lost: u64,
    /// Packets in it.
    pub open_packets: u64,
    /// Packets received since the last loss.
    pub since_loss: u64,
}

impl Bursts {
    /// The next packet has arrived.
    #[inline]
    pub fn arrived(&mut self) {
        self.received += 1;
        self.since_loss += 1;
    }

    /// The next `packets` are lost.
    pub fn missed(&mut self, packets: u64) {
        if packets == 0 {
            return;
        }
        if self.since_loss > 0 || self.lost == 0 {
            self.runs += 1;
        }
        self.lost += packets;
        if self.open_lost > 0 && self.since_loss >= GAP_PACKETS {
            self.close();
        }
        let between = if self.open_lost > 0 { self.since_loss } else { 0 };
        self.open_lost += packets;
        self.open_packets += between + packets;
        self.since_loss = 0;
    }

    fn close(&mut self) {
        if self.open_lost > 1 {
            self.bursts += 1;
            self.burst_packets += self.open_packets;
            self.burst_lost += self.open_lost;
        }
        (self.open_lost, self.open_packets) = (0, 0);
    }

    /// The same with the last burst ended: what a report says.
    pub fn closed(mut self) -> Bursts {
        self.close();
        self
    }

    /// What has come since an earlier copy; its open burst is left out.
    pub fn since(&self, before: &Bursts) -> Bursts {
        Bursts {
            received: self.received - before.received.min(self.received),
            lost: self.lost - before.lost.min(self.lost),
            runs: self.runs - before.runs.min(self.runs),
            ..Bursts::default()
        }
    }

    /// BurstR (G.107 3.5): the mean length of runs of losses, over that of losses by chance at the same rate. 1 is chance, 2 is twice as
    /// long; less than 1 counts as 1.
    ///
    /// ```
    /// let mut bursts = tandem_rtp::quality::Bursts::default();
    /// for _ in 0..10 {
    ///     (0..96).for_each(|_| bursts.arrived());
    ///     bursts.missed(4);
    /// }
    /// assert!((bursts.ratio() - 4.0 * 0.96).abs() < 0.001);
    /// ```
    pub fn ratio(&self) -> f32 {
        if self.runs == 0 {
            return 1.0;
        }
        let mean = self.lost as f32 / self.runs as f32;
        let arrived = self.received as f32 / (self.received + self.lost) as f32;
        (mean * arrived).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// '.' arrived, 'x' did not.
    fn of(text: &str) -> Bursts {
        let mut bursts = Bursts::default();
        for packet in text.chars() {
            if packet == '.' {
                bursts.arrived();
            } else {
                bursts.missed(1);
            }
        }
        bursts
    }

    #[test]
    fn a_burst_ends_after_a_gap_and_has_two_losses() {
        let gap = ".".repeat(16);
        for (text, bursts, packets, lost, runs) in [
            (String::new(), 0, 0, 0, 0),
            (gap.clone(), 0, 0, 0, 0),
            ("x".into(), 0, 0, 0, 1),
            (format!("x{gap}x{gap}x"), 0, 0, 0, 3),
            ("xx".into(), 1, 2, 2, 1),
            (format!("x{}x", ".".repeat(15)), 1, 17, 2, 2),
            (format!("{gap}xx.x{gap}x{gap}x.x"), 2, 7, 5, 5),
            (format!("x.x{gap}"), 1, 3, 2, 2),
        ] {
            let told = of(&text).closed();
            assert_eq!((bursts, packets, lost, runs), (told.bursts, told.burst_packets, told.burst_lost, told.runs), "{text}");
        }
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        let mut once = of("..x..");
        once.missed(3);
        assert_eq!(of("..x..xxx"), once);
    }

    #[test]
    fn chance_has_a_ratio_of_one_and_bursts_have_more() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        let (mut chance, mut bursty) = (Bursts::default(), Bursts::default());
        let mut bad = false;
        for _ in 0..400_000 {
            if random() < 0.1 {
                chance.missed(1);
            } else {
                chance.arrived();
            }
            // Gilbert: mean run 4, mean gap 36.
            bad = random() < if bad { 0.75 } else { 1.0 / 36.0 };
            if bad {
                bursty.missed(1);
            } else {
                bursty.arrived();
            }
        }
        assert!((1.0..1.02).contains(&chance.ratio()), "{}", chance.ratio());
        assert!((3.5..3.7).contains(&bursty.ratio()), "{}", bursty.ratio());
    }
}
