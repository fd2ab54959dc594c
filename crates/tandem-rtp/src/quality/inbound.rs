//! A stream as it is received: counts, losses (RFC 3550 A.1, A.3), jitter (A.8), bursts, scores. It keeps no packet.

use super::{Bursts, Codec, Scores, Window};
use crate::rtcp::ReportBlock;
use crate::rtp::Header;

/// Sequence numbers whose arrival is remembered below the highest: a packet that is later than so many counts as lost.
const HISTORY_PACKETS: u64 = 64;
/// A step forward of so many is a new beginning, not a loss (RFC 3550 A.1, MAX_DROPOUT).
const DROPOUT_PACKETS: i16 = 3000;
/// A step back of so many too (MAX_MISORDER).
const MISORDER_PACKETS: i16 = 100;
/// Extended sequence numbers begin here, so that packets from before the first one have a number too.
const BEGIN: u64 = 1 << 16;
/// A transit time that changes by more than so many seconds is another clock, not jitter.
const JITTER_SECONDS: u32 = 2;

/// What is known of one SSRC that we receive. A copy is its exported state.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Inbound {
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP clock, Hz.
    pub clock_hz: u32,
    /// For the scores; may change during the call.
    pub codec: Codec,
    /// Packets received, duplicates too.
    pub packets: u64,
    /// Their bytes, RTP header and payload.
    pub bytes: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets with a number far off, that none followed (RFC 3550 A.1). They are in no other count.
    pub strays: u64,
    /// New beginnings: sequence numbers that jumped, and takeovers.
    pub restarts: u32,
    /// Packets that were due before the last beginning.
    pub expected_before: u64,
    /// Numbers since the last beginning; `None`: the next packet is one.
    pub run: Option<Run>,
    /// Highest extended sequence number; 0: no packet yet.
    pub highest: u64,
    /// The number after a stray.
    pub probe: Option<u16>,
    /// Jitter, in 1/16 of a clock unit.
    pub jitter_16: u32,
    /// Transit time of the last packet, clock units, modulo 2^32.
    pub transit: Option<u32>,
    /// Timestamp of the last packet.
    pub timestamp: u32,
    /// When the last packet came, microseconds.
    pub last_us: u64,
    /// Losses in order.
    pub bursts: Bursts,
    /// The window that is open.
    pub window: Window,
    /// Those that have ended.
    pub scores: Scores,
    /// Middle of the last sender report's NTP timestamp, and when it came.
    pub last_sr: Option<(u32, u64)>,
    /// `expected` and `packets` of the last report block.
    pub reported: (u64, u64),
}

/// Numbers without a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Lowest extended sequence number.
    pub base: u64,
    /// Which of the [`HISTORY_PACKETS`] up to the highest have come; the highest is bit 0.
    pub history: u64,
}

impl Inbound {
    /// A stream that has not begun.
    pub fn new(ssrc: u32, clock_hz: u32, codec: Codec) -> Inbound {
        Inbound {
            ssrc,
            clock_hz,
            codec,
            packets: 0,
            bytes: 0,
            duplicates: 0,
            reordered: 0,
            strays: 0,
            restarts: 0,
            expected_before: 0,
            run: None,
            highest: 0,
            probe: None,
            jitter_16: 0,
            transit: None,
            timestamp: 0,
            last_us: 0,
            bursts: Bursts::default(),
            window: Window::default(),
            scores: Scores::default(),
            last_sr: None,
            reported: (0, 0),
        }
    }

    /// Goes on with a state that a predecessor stored. What it received afterwards is not known, so what lies between the state and the
    /// next packet counts as neither due nor lost.
    pub fn heir(mut self) -> Inbound {
        self.end_run();
        self.transit = None;
        self.probe = None;
        self
    }

    /// A packet of this SSRC has come; `bytes` are those of the RTP packet.
    #[inline]
    pub fn packet(&mut self, now_us: u64, header: &Header, bytes: usize) {
        let Some(mut run) = self.run else {
            self.begin(now_us, header.sequence);
            self.count(now_us, header, bytes);
            return;
        };
        let ahead = header.sequence.wrapping_sub(self.highest as u16) as i16;
        if ahead > 0 && ahead < DROPOUT_PACKETS {
            run.advance(&mut self.bursts, self.highest, ahead as u64);
            self.highest += ahead as u64;
            self.run = Some(run);
        } else if ahead <= 0 && ahead > -MISORDER_PACKETS {
            let behind = u64::from(ahead.unsigned_abs());
            if run.late(self.highest, behind) {
                self.reordered += 1;
            } else {
                self.duplicates += 1;
            }
            self.run = Some(run);
        } else if self.probe == Some(header.sequence) {
            self.end_run();
            self.begin(now_us, header.sequence);
        } else {
            self.probe = Some(header.sequence.wrapping_add(1));
            self.strays += 1;
            return;
        }
        self.probe = None;
        self.count(now_us, header, bytes);
    }

    #[inline]
    fn count(&mut self, now_us: u64, header: &Header, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.measure_jitter(now_us, header.timestamp);
        self.last_us = now_us;
        if now_us.saturating_sub(self.window.since_us) >= super::WINDOW_US {
            self.end_window(now_us);
        }
    }

    pub(super) fn begin(&mut self, now_us: u64, sequence: u16) {
        if self.highest == 0 {
            self.highest = BEGIN + u64::from(sequence);
        } else {
            let ahead = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
            let next = self.highest.wrapping_add_signed(ahead);
            self.highest = if next < BEGIN { next + 65_536 } else { next };
            self.restarts = self.restarts.saturating_add(1);
        }
        self.run = Some(Run { base: self.highest, history: 1 });
        self.transit = None;
        if self.packets == 0 {
            self.window.since_us = now_us;
        }
    }

    pub(super) fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.expected_before += self.highest - run.base + 1;
            run.end(&mut self.bursts, self.highest);
        }
    }

    fn so_far(&self, now_us: u64) -> Window {
        Window { since_us: now_us, expected: self.expected(), missing: self.missing(), bursts: self.bursts }
    }

    /// What a listener thinks of it: the mean of its windows, and of what came so far while the first one runs.
    pub fn score(&self) -> Option<f32> {
        self.scores.average().or_else(|| self.window.score(&self.so_far(0), self.codec))
    }

    pub(super) fn end_window(&mut self, now_us: u64) {
        let now = self.so_far(now_us);
        if let Some(score) = self.window.end(now, self.codec) {
            self.scores.add(score);
        }
    }

    /// RFC 3550 A.8. Packets of one timestamp (video, telephone events) are sent one after the other: only the first of them counts.
    #[inline]
    fn measure_jitter(&mut self, now_us: u64, timestamp: u32) {
        let clock = u64::from(self.clock_hz);
        let arrival = (now_us / 1_000_000).wrapping_mul(clock).wrapping_add(now_us % 1_000_000 * clock / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit {
            if timestamp == self.timestamp {
                return;
            }
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            if difference <= JITTER_SECONDS.saturating_mul(self.clock_hz) {
                self.jitter_16 = (self.jitter_16 + difference).saturating_sub((self.jitter_16 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
        self.timestamp = timestamp;
    }

    /// A sender report of this SSRC has come.
    pub fn sender_report(&mut self, now_us: u64, ntp: u64) {
        self.last_sr = Some((crate::rtcp::ntp_middle(ntp), now_us));
    }

    /// Packets that were due.
    pub fn expected(&self) -> u64 {
        self.expected_before + self.run.map_or(0, |run| self.highest - run.base + 1)
    }

    /// Packets that were due and have not come; duplicates make up for none.
    pub fn missing(&self) -> u64 {
        self.expected().saturating_sub(self.packets - self.duplicates)
    }

    /// Interarrival jitter in clock units.
    pub fn jitter(&self) -> u32 {
        self.jitter_16 >> 4
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u64 {
        u64::from(self.jitter_16) * 1_000_000 / 16 / u64::from(self.clock_hz.max(1))
    }

    /// The report block of now (RFC 3550 6.4.1, A.3); its fraction is about what came since the last one.
    pub fn block(&mut self, now_us: u64) -> ReportBlock {
        let (expected, packets) = (self.expected(), self.packets);
        let (due, came) = (expected.saturating_sub(self.reported.0), packets.saturating_sub(self.reported.1));
        self.reported = (expected, packets);
        let (last_sr, since_sr) = self.last_sr.map_or((0, 0), |(middle, at)| (middle, now_us.saturating_sub(at)));
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (due.saturating_sub(came) * 256).checked_div(due).unwrap_or_default().min(255) as u8,
            lost: (expected as i64 - packets as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest.wrapping_sub(BEGIN) as u32,
            jitter: self.jitter(),
            last_sr,
            since_sr: (u128::from(since_sr) * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32,
        }
    }
}

impl Run {
    /// Numbers that the history covers.
    fn span(&self, highest: u64) -> u64 {
        (highest - self.base + 1).min(HISTORY_PACKETS)
    }

    /// The highest number moves on by `step`; what falls out of the history has arrived or is lost.
    #[inline]
    pub(super) fn advance(&mut self, bursts: &mut Bursts, highest: u64, step: u64) {
        let span = self.span(highest);
        let leaving = (span + step).saturating_sub(HISTORY_PACKETS).min(span);
        for at in (span - leaving..span).rev() {
            if self.history >> at & 1 == 1 {
                bursts.arrived();
            } else {
                bursts.missed(1);
            }
        }
        bursts.missed(step.saturating_sub(HISTORY_PACKETS));
        self.history = self.history.checked_shl(step as u32).unwrap_or_default() | 1;
    }

    /// A packet `behind` the highest number has come; false: again.
    fn late(&mut self, highest: u64, behind: u64) -> bool {
        if behind >= HISTORY_PACKETS {
            return true;
        }
        let bit = 1 << behind;
        let new = self.history & bit == 0;
        self.history |= bit;
        if new {
            self.base = self.base.min(highest - behind);
        }
        new
    }

    fn end(&self, bursts: &mut Bursts, highest: u64) {
        let mut run = *self;
        run.advance(bursts, highest, HISTORY_PACKETS);
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
