//! A compound packet written: a report and who makes it (RFC 3550 6.1, 6.4, 6.5). Nothing is measured here.

use super::{ReportBlock, RtcpError, SenderInfo, BLOCKS, CNAME};

/// Longest CNAME in bytes: its length has 8 bits.
pub const CNAME_BYTES: usize = 255;

/// A report with the SDES that it must come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Who makes it.
    pub ssrc: u32,
    /// About its own stream: an SR then, else an RR.
    pub sender: Option<SenderInfo>,
    /// About the streams that it hears.
    pub blocks: &'a [ReportBlock],
    /// Canonical name, the same for all streams of a participant (RFC 7022).
    pub cname: &'a str,
}

impl Report<'_> {
    /// Writes it to the end of `out`.
    ///
    /// # Errors
    /// [`RtcpError::Room`], and nothing is written.
    ///
    /// ```
    /// use tandem_rtp::rtcp::{self, Packet, Report};
    /// let mut out = Vec::new();
    /// Report { ssrc: 7, sender: None, blocks: &[], cname: "relay" }.write(&mut out).unwrap();
    /// let mut packets = rtcp::read(&out);
    /// assert!(matches!(packets.next(), Some(Ok(Packet::ReceiverReport(report))) if report.ssrc == 7));
    /// assert!(matches!(packets.next(), Some(Ok(Packet::Sdes(sdes))) if sdes.cname() == Some((7, b"relay"))));
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), RtcpError> {
        if self.blocks.len() > BLOCKS || self.cname.len() > CNAME_BYTES {
            return Err(RtcpError::Room);
        }
        let words = 1 + if self.sender.is_some() { 5 } else { 0 } + 6 * self.blocks.len();
        let packet_type = if self.sender.is_some() { 200 } else { 201 };
        head(out, self.blocks.len() as u8, packet_type, words);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        if let Some(info) = &self.sender {
            out.extend_from_slice(&info.ntp.to_be_bytes());
            [info.rtp_timestamp, info.packets, info.octets].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        }
        for block in self.blocks {
            let losses = u32::from(block.fraction_lost) << 24 | block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            let words = [block.ssrc, losses, block.highest, block.jitter, block.last_sr, block.since_sr];
            words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        }
        // The item, the zero that ends the chunk, and zeros up to a whole word.
        let item = (2 + self.cname.len() + 1).next_multiple_of(4);
        head(out, 1, 202, 1 + item / 4);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[CNAME, self.cname.len() as u8]);
        out.extend_from_slice(self.cname.as_bytes());
        out.resize(out.len() + item - 2 - self.cname.len(), 0);
        Ok(())
    }
}

/// The head of a packet with `words` behind it.
fn head(out: &mut Vec<u8>, count: u8, packet_type: u8, words: usize) {
    out.extend_from_slice(&[0x80 | count, packet_type]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{read, Packet};

    #[test]
    fn what_is_written_is_read() {
        let block = ReportBlock { ssrc: 9, fraction_lost: 3, lost: -5, highest: 0x1_0007, jitter: 44, last_sr: 55, since_sr: 66 };
        let info = SenderInfo { ntp: 0x0102_0304_0506_0708, rtp_timestamp: 160, packets: 2, octets: 320 };
        for (count, name) in [(0, ""), (1, "a"), (2, "ab"), (31, "abc"), (7, "abcdefghij")] {
            let blocks = vec![block; count];
            for sender in [None, Some(info)] {
                let mut out = Vec::new();
                Report { ssrc: 1, sender, blocks: &blocks, cname: name }.write(&mut out).unwrap();
                let packets: Vec<_> = read(&out).map(Result::unwrap).collect();
                match (sender, packets.first()) {
                    (Some(info), Some(Packet::SenderReport(report))) => {
                        assert_eq!((1, info, blocks.clone()), (report.ssrc, report.info, report.blocks.iter().collect()));
                    }
                    (None, Some(Packet::ReceiverReport(report))) => {
                        assert_eq!((1, blocks.clone()), (report.ssrc, report.blocks.iter().collect()));
                    }
                    other => panic!("{other:?}"),
                }
                let Some(Packet::Sdes(sdes)) = packets.get(1) else { panic!() };
                assert_eq!((Some((1, name.as_bytes())), 2), (sdes.cname(), packets.len()));
            }
        }
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        let mut out = Vec::new();
        let long = "x".repeat(256);
        let report = Report { ssrc: 1, sender: None, blocks: &[], cname: &long };
        assert_eq!(Err(RtcpError::Room), report.write(&mut out));
        let blocks = [ReportBlock::default(); 32];
        assert_eq!(Err(RtcpError::Room), Report { blocks: &blocks, cname: "", ..report }.write(&mut out));
        assert!(out.is_empty());
        let most = ReportBlock { lost: i32::MAX, ..ReportBlock::default() };
        Report { blocks: &[most], cname: "", ..report }.write(&mut out).unwrap();
        assert_eq!([0, 0x7f, 0xff, 0xff], out[12..16]);
    }
}
