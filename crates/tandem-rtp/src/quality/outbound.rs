//! A stream as it is sent, and what its receiver reports of it. It sends nothing.

use super::{mos, rating, Codec, Scores, Trip};
use crate::rtcp::{ntp, ReportBlock, SenderInfo};
use crate::rtp::Header;

/// What is known of one SSRC that we send. A copy is its exported state.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Outbound {
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP clock, Hz.
    pub clock_hz: u32,
    /// For the scores.
    pub codec: Codec,
    /// Packets sent.
    pub packets: u64,
    /// Their payload bytes, as a sender report counts them.
    pub octets: u64,
    /// Timestamp of the last packet.
    pub timestamp: u32,
    /// When it was sent, microseconds.
    pub last_us: u64,
    /// What the receiver said last.
    pub remote: Option<Remote>,
    /// Round trips to the receiver.
    pub trip: Trip,
    /// MOS-LQ at the receiver, a window for each of its reports.
    pub scores: Scores,
}

/// A receiver's view of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Remote {
    /// Its block.
    pub block: ReportBlock,
    /// When it came, microseconds.
    pub at_us: u64,
}

impl Outbound {
    /// A stream that has not begun.
    pub fn new(ssrc: u32, clock_hz: u32, codec: Codec) -> Outbound {
        Outbound {
            ssrc,
            clock_hz,
            codec,
            packets: 0,
            octets: 0,
            timestamp: 0,
            last_us: 0,
            remote: None,
            trip: Trip::default(),
            scores: Scores::default(),
        }
    }

    /// A packet of this SSRC is sent; `bytes` are those of the RTP packet without SRTP's.
    #[inline]
    pub fn packet(&mut self, now_us: u64, header: &Header, bytes: usize) {
        self.packets += 1;
        self.octets += bytes.saturating_sub(header.bytes) as u64;
        self.timestamp = header.timestamp;
        self.last_us = now_us;
    }

    /// What a sender report of now says (RFC 3550 6.4.1): the timestamp goes on from the last packet. `unix_us` is the wall clock,
    /// microseconds since 1970.
    pub fn sender_info(&self, now_us: u64, unix_us: u64) -> SenderInfo {
        let since = u128::from(now_us.saturating_sub(self.last_us)) * u128::from(self.clock_hz) / 1_000_000;
        SenderInfo {
            ntp: ntp(unix_us),
            rtp_timestamp: self.timestamp.wrapping_add(since as u32),
            packets: self.packets as u32,
            octets: self.octets as u32,
        }
    }

    /// A block about this SSRC has come from its receiver.
    pub fn reported(&mut self, now_us: u64, block: &ReportBlock) {
        self.trip.answered(now_us, block);
        self.remote = Some(Remote { block: *block, at_us: now_us });
        let loss_percent = f32::from(block.fraction_lost) * 100.0 / 256.0;
        self.scores.add(mos(rating(self.codec, loss_percent, 1.0, 0.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_report_goes_on_from_the_last_packet() {
        let mut stream = Outbound::new(7, 8_000, Codec::G711_PLC);
        let header = Header::read(&[0x80, 0, 0, 1, 0, 0, 0x10, 0, 0, 0, 0, 7]).unwrap();
        stream.packet(1_000_000, &header, 172);
        stream.packet(1_020_000, &header, 172);
        let info = stream.sender_info(1_520_000, 0);
        assert_eq!((0x1000 + 4_000, 2, 320, 2_208_988_800 << 32), (info.rtp_timestamp, info.packets, info.octets, info.ntp));
    }

    #[test]
    fn what_the_receiver_reports_is_scored() {
        let mut stream = Outbound::new(7, 8_000, Codec::G711_PLC);
        stream.reported(5, &ReportBlock { ssrc: 7, ..ReportBlock::default() });
        stream.reported(6, &ReportBlock { ssrc: 7, fraction_lost: 26, ..ReportBlock::default() });
        assert!((stream.scores.last - mos(rating(Codec::G711_PLC, 10.16, 1.0, 0.0))).abs() < 0.01);
        assert_eq!((2, 6, None), (stream.scores.windows, stream.remote.unwrap().at_us, stream.trip.last_us));
    }
}
