//! Packets that passed elsewhere, in the kernel, counted into the streams here as if they had been seen. It counts none itself.

use super::{Inbound, Outbound};

/// Most packets of one look that are taken one by one; what is more is another beginning.
const DUE_PACKETS: u64 = 30_000;
/// An RTP head without extensions, in bytes.
const HEAD_BYTES: u64 = 12;

/// What passed since the last look. The numbers are the sum of one source, or of the last of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Packets.
    pub packets: u64,
    /// Their bytes, RTP head and payload.
    pub bytes: u64,
    /// Packets that were due (RFC 3550 A.3).
    pub expected: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Other sources and jumps of the sequence.
    pub restarts: u32,
    /// Highest sequence number.
    pub sequence: u16,
    /// Timestamp of the last packet.
    pub timestamp: u32,
    /// Interarrival jitter now, in nanoseconds.
    pub jitter_ns: u64,
    /// When the last one came, microseconds.
    pub last_us: u64,
}

impl Inbound {
    /// Packets of this SSRC have passed. Where among them the losses were is not known: they count as far from each other.
    pub fn passed(&mut self, now_us: u64, passed: &Passed) {
        if passed.packets == 0 {
            return;
        }
        // What came between the last packet here and the first one there is due too.
        let ahead = i64::from(passed.sequence.wrapping_sub(self.highest as u16) as i16);
        let due = if ahead >= 0 { ahead as u64 } else { 0 };
        if self.run.is_none() || passed.restarts > 0 || passed.expected > DUE_PACKETS || due > DUE_PACKETS {
            self.end_run();
            self.begin(now_us, passed.sequence);
            self.expected_before += passed.expected.saturating_sub(1);
        } else {
            let came = passed.packets.saturating_sub(passed.duplicates).min(due);
            self.spread(due, came);
        }
        self.probe = None;
        self.transit = None;
        self.packets += passed.packets;
        self.bytes += passed.bytes;
        self.duplicates += passed.duplicates;
        self.reordered += passed.late;
        self.timestamp = passed.timestamp;
        self.last_us = passed.last_us;
        let sixteenths = u128::from(passed.jitter_ns) * u128::from(self.clock_hz) * 16 / 1_000_000_000;
        self.jitter_16 = u32::try_from(sixteenths).unwrap_or(u32::MAX);
        if now_us.saturating_sub(self.window.since_us) >= super::WINDOW_US {
            self.end_window(now_us);
        }
    }

    /// The next `due` numbers, of which `came` came, evenly; the last one did.
    fn spread(&mut self, due: u64, came: u64) {
        let (Some(mut run), false) = (self.run, due == 0) else { return };
        let mut step = 0;
        for number in 1..=due {
            step += 1;
            if number == due || number * came / due > (number - 1) * came / due {
                run.advance(&mut self.bursts, self.highest, step);
                self.highest += step;
                step = 0;
            }
        }
        self.run = Some(run);
    }
}

impl Outbound {
    /// Packets of this SSRC have been sent on elsewhere.
    pub fn passed(&mut self, passed: &Passed) {
        if passed.packets == 0 {
            return;
        }
        self.packets += passed.packets;
        self.octets += passed.bytes.saturating_sub(passed.packets * HEAD_BYTES);
        self.timestamp = passed.timestamp;
        self.last_us = passed.last_us;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::*;
    use crate::rtp::Header;

    fn seen(stream: &mut Inbound, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            let mut bytes = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
            bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
            bytes[4..8].copy_from_slice(&(number * 160).to_be_bytes());
            stream.packet(u64::from(number) * 20_000, &Header::read(&bytes).unwrap(), 172);
        }
    }

    /// `lost` of the numbers `from..to` did not come.
    fn passed(from: u32, to: u32, lost: u64) -> Passed {
        let expected = u64::from(to - from);
        Passed {
            ssrc: 7,
            packets: expected - lost,
            bytes: (expected - lost) * 172,
            expected,
            sequence: (to - 1) as u16,
            timestamp: (to - 1) * 160,
            jitter_ns: 1_000_000,
            last_us: u64::from(to) * 20_000,
            ..Passed::default()
        }
    }

    #[test]
    fn a_stream_that_goes_and_comes_back_misses_what_was_lost_and_nothing_else() {
        let mut stream = Inbound::new(7, 8_000, Codec::G711_PLC);
        seen(&mut stream, 65_000..65_500);
        for second in 0..100 {
            let from = 65_500 + second * 50;
            stream.passed(u64::from(from + 50) * 20_000, &passed(from, from + 50, 2));
        }
        seen(&mut stream, 70_500..71_000);
        assert_eq!((6_000, 5_800, 200), (stream.expected(), stream.packets, stream.missing()));
        assert_eq!((5_800 * 172, 0, 0), (stream.bytes, stream.restarts, stream.duplicates));
        stream.end_run();
        assert_eq!((200, 200), (stream.bursts.lost, stream.bursts.runs));
        assert!(stream.scores.average().is_some_and(|mos| (3.9..4.3).contains(&mos)), "{:?}", stream.scores.average());
    }

    #[test]
    fn what_was_lost_between_here_and_there_is_missing() {
        let mut stream = Inbound::new(7, 8_000, Codec::G711_PLC);
        seen(&mut stream, 0..100);
        stream.passed(4_000_000, &passed(110, 150, 0));
        assert_eq!((150, 140, 10, 8), (stream.expected(), stream.packets, stream.missing(), stream.jitter()));
    }

    #[test]
    fn another_beginning_there_is_one_here() {
        let mut stream = Inbound::new(7, 8_000, Codec::G711_PLC);
        stream.passed(1_000_000, &passed(500, 550, 5));
        assert_eq!((50, 45, 5, 0), (stream.expected(), stream.packets, stream.missing(), stream.restarts));
        stream.passed(2_000_000, &Passed { restarts: 1, ..passed(20_000, 20_050, 0) });
        assert_eq!((100, 95, 5, 1), (stream.expected(), stream.packets, stream.missing(), stream.restarts));
        seen(&mut stream, 20_050..20_060);
        assert_eq!((110, 105, 5, 1), (stream.expected(), stream.packets, stream.missing(), stream.restarts));
    }

    #[test]
    fn a_look_at_nothing_changes_nothing() {
        let mut stream = Inbound::new(7, 8_000, Codec::G711_PLC);
        seen(&mut stream, 0..10);
        let before = stream.clone();
        stream.passed(9_000_000, &Passed::default());
        assert_eq!(before, stream);
    }
}
