//! When a peer gets reports of our own, and what they say (RFC 3550 6.2, 6.4). It does not send them.

use super::{Inbound, Outbound};
use crate::rtcp::{Report, RtcpError, BLOCKS, CNAME_BYTES};

/// Between two reports, in microseconds, half as much more or less by chance (RFC 3550 6.2, 6.3.1).
pub const INTERVAL_US: u64 = 5_000_000;
/// A peer gets reports of our own when it got none for so long, in microseconds: two with one SSRC would contradict each other.
pub const QUIET_US: u64 = 15_000_000;

/// Reports to one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    /// Names us where we send no stream.
    ssrc: u32,
    cname: String,
    due_us: u64,
}

impl Reporter {
    /// Reports with this SSRC, unless they are about a stream, and this canonical name. `random` is any number.
    ///
    /// # Errors
    /// [`RtcpError::Room`] when the name is longer than 255 bytes.
    pub fn new(ssrc: u32, cname: String, now_us: u64, random: u32) -> Result<Reporter, RtcpError> {
        if cname.len() > CNAME_BYTES {
            return Err(RtcpError::Room);
        }
        let mut reporter = Reporter { ssrc, cname, due_us: 0 };
        reporter.passed(now_us, random);
        Ok(reporter)
    }

    /// When [`Reporter::report`] has something to say, microseconds.
    pub fn due_us(&self) -> u64 {
        self.due_us
    }

    /// Somebody else's report has gone to the peer: ours are not needed for a while.
    pub fn passed(&mut self, now_us: u64, random: u32) {
        self.due_us = now_us.saturating_add(QUIET_US).saturating_add(spread(random) / 2);
    }

    /// Writes a report to the end of `out` if one is due: about the stream that goes to the peer, an SR as long as packets go, and about
    /// those that come from it, up to 31. `unix_us` is the wall clock. True: send it.
    pub fn report<'a>(
        &mut self,
        now_us: u64,
        unix_us: u64,
        random: u32,
        outbound: Option<&mut Outbound>,
        inbound: impl IntoIterator<Item = &'a mut Inbound>,
        out: &mut Vec<u8>,
    ) -> bool {
        if now_us < self.due_us {
            return false;
        }
        self.due_us = now_us.saturating_add(spread(random));
        let heard = inbound.into_iter().filter(|stream| stream.packets > 0).take(BLOCKS);
        let blocks: Vec<_> = heard.map(|stream| stream.block(now_us)).collect();
        let ssrc = outbound.as_ref().map_or(self.ssrc, |stream| stream.ssrc);
        // RFC 3550 6.4: who has sent nothing for two intervals is a receiver.
        let sending = outbound.filter(|stream| stream.packets > 0 && now_us.saturating_sub(stream.last_us) <= 2 * INTERVAL_US);
        if blocks.is_empty() && sending.is_none() {
            return false;
        }
        let sender = sending.map(|stream| {
            let info = stream.sender_info(now_us, unix_us);
            stream.trip.passed(now_us, info.ntp);
            info
        });
        Report { ssrc, sender, blocks: &blocks, cname: &self.cname }.write(out).is_ok()
    }
}

/// Half an interval to one and a half.
fn spread(random: u32) -> u64 {
    INTERVAL_US / 2 + ((INTERVAL_US * u64::from(random)) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::Codec;
    use crate::rtcp::{read, Packet};
    use crate::rtp::Header;

    fn header(sequence: u8, ssrc: u8) -> Header {
        Header::read(&[0x80, 0, 0, sequence, 0, 0, sequence, 0, 0, 0, 0, ssrc]).unwrap()
    }

    #[test]
    fn reports_begin_after_a_quiet_time_and_stop_when_others_pass() {
        let mut reporter = Reporter::new(9, "relay".into(), 0, 0).unwrap();
        let (mut outbound, mut inbound) = (Outbound::new(1, 8_000, Codec::G711), Inbound::new(2, 8_000, Codec::G711));
        let mut out = Vec::new();
        outbound.packet(1, &header(1, 1), 172);
        inbound.packet(1, &header(1, 2), 172);
        let mut at = Vec::new();
        for second in 0..60u64 {
            outbound.packet(second * 1_000_000, &header(second as u8, 1), 172);
            if second == 30 {
                reporter.passed(second * 1_000_000, u32::MAX);
            }
            if reporter.report(second * 1_000_000, 0, 1 << 31, Some(&mut outbound), [&mut inbound], &mut out) {
                at.push(second);
            }
        }
        assert_eq!(vec![17, 22, 27, 49, 54, 59], at);
    }

    #[test]
    fn a_report_is_an_sr_only_while_packets_go() {
        let mut reporter = Reporter::new(9, "relay".into(), 0, 0).unwrap();
        let (mut outbound, mut inbound) = (Outbound::new(1, 8_000, Codec::G711), Inbound::new(2, 8_000, Codec::G711));
        let mut out = Vec::new();
        assert!(!reporter.report(20_000_000, 0, 0, Some(&mut outbound), [&mut inbound], &mut out), "nothing to tell");
        inbound.packet(20_000_000, &header(1, 2), 172);
        outbound.packet(30_000_000, &header(1, 1), 172);
        assert!(reporter.report(30_000_000, 0, 0, Some(&mut outbound), [&mut inbound], &mut out));
        assert!(matches!(read(&out).next(), Some(Ok(Packet::SenderReport(report))) if report.ssrc == 1 && report.blocks.len() == 1));
        out.clear();
        assert!(reporter.report(50_000_000, 0, 0, Some(&mut outbound), [&mut inbound], &mut out));
        assert!(matches!(read(&out).next(), Some(Ok(Packet::ReceiverReport(report))) if report.ssrc == 1));
        out.clear();
        assert!(reporter.report(60_000_000, 0, 0, None, [&mut inbound], &mut out));
        assert!(matches!(read(&out).next(), Some(Ok(Packet::ReceiverReport(report))) if report.ssrc == 9));
        // The peer answers our report: a round trip.
        let (middle, _) = outbound.trip.sent[0];
        outbound.reported(30_040_000, &crate::rtcp::ReportBlock { ssrc: 1, last_sr: middle, ..Default::default() });
        assert_eq!(Some(40_000), outbound.trip.last_us);
        assert!(Reporter::new(1, "x".repeat(256), 0, 0).is_err());
    }
}
