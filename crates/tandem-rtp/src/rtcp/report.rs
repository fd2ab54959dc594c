//! Sender and receiver reports (RFC 3550 6.4), read. What they mean for a stream's quality is told elsewhere.

use super::RtcpError;

/// Bytes of a report block (RFC 3550 6.4.1).
const BLOCK_BYTES: usize = 24;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_1970: u64 = 2_208_988_800;

/// NTP timestamp of a wall clock in microseconds since 1970: 32 bits of seconds, 32 of their fraction (RFC 3550 4).
///
/// ```
/// assert_eq!(0x83aa_7e80_8000_0000, tandem_rtp::rtcp::ntp(500_000));
/// ```
pub fn ntp(unix_us: u64) -> u64 {
    let (seconds, rest) = (unix_us / 1_000_000, unix_us % 1_000_000);
    ((seconds + NTP_1970) << 32) | ((rest << 32) / 1_000_000)
}

/// The middle 32 bits of an NTP timestamp, in units of 1/65536 s: what LSR is made of (RFC 3550 6.4.1).
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// What a sender says of its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// Its wall clock, as NTP has it.
    pub ntp: u64,
    /// The same instant on its RTP clock.
    pub rtp_timestamp: u32,
    /// RTP packets sent, modulo 2^32.
    pub packets: u32,
    /// Their payload bytes, modulo 2^32.
    pub octets: u32,
}

/// What a receiver says of a stream that it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct ReportBlock {
    /// Whose stream.
    pub ssrc: u32,
    /// Lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits with a sign; duplicates count against it.
    pub lost: i32,
    /// Highest sequence number, wraps in the upper 16 bits.
    pub highest: u32,
    /// Interarrival jitter, in units of the stream's clock.
    pub jitter: u32,
    /// Middle of the last sender report's NTP timestamp; 0: none came.
    pub last_sr: u32,
    /// Time since it came, in 1/65536 s.
    pub since_sr: u32,
}

impl ReportBlock {
    fn of(bytes: &[u8; BLOCK_BYTES]) -> ReportBlock {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| words.get(at).map_or(0, |word| u32::from_be_bytes(*word));
        let losses = word(1);
        ReportBlock {
            ssrc: word(0),
            fraction_lost: (losses >> 24) as u8,
            lost: (losses << 8) as i32 >> 8,
            highest: word(2),
            jitter: word(3),
            last_sr: word(4),
            since_sr: word(5),
        }
    }
}

/// The blocks of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [[u8; BLOCK_BYTES]]);

impl<'a> Blocks<'a> {
    fn read(count: u8, bytes: &'a [u8]) -> Result<Blocks<'a>, RtcpError> {
        let (blocks, _) = bytes.as_chunks();
        Ok(Blocks(blocks.get(..usize::from(count)).ok_or(RtcpError::Short)?))
    }

    /// Them, in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + 'a {
        self.0.iter().map(ReportBlock::of)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// SR (RFC 3550 6.4.1). Extensions of a profile behind the blocks are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// About its own stream.
    pub info: SenderInfo,
    /// About those that it hears.
    pub blocks: Blocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<SenderReport<'a>, RtcpError> {
        let (head, rest) = body.split_first_chunk::<24>().ok_or(RtcpError::Short)?;
        let (words, _) = head.as_chunks::<4>();
        let word = |at: usize| words.get(at).map_or(0, |word| u32::from_be_bytes(*word));
        let info =
            SenderInfo { ntp: u64::from(word(1)) << 32 | u64::from(word(2)), rtp_timestamp: word(3), packets: word(4), octets: word(5) };
        Ok(SenderReport { ssrc: word(0), info, blocks: Blocks::read(count, rest)? })
    }
}

/// RR (RFC 3550 6.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// About the streams that it hears.
    pub blocks: Blocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<ReceiverReport<'a>, RtcpError> {
        let (ssrc, rest) = body.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
        Ok(ReceiverReport { ssrc: u32::from_be_bytes(*ssrc), blocks: Blocks::read(count, rest)? })
    }
}
