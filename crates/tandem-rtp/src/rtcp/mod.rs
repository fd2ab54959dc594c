//! RTCP (RFC 3550 6): compound packets read without copying, and reports written. When to send them is decided elsewhere.
//!
//! ```
//! use tandem_rtp::rtcp::{self, FeedbackKind, Packet};
//! let bytes = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 201, 0, 1, 0, 0, 0, 1];
//! let packets: Vec<Packet> = rtcp::read(&bytes).collect::<Result<_, _>>().unwrap();
//! assert!(matches!(packets[0], Packet::Feedback(feedback) if feedback.kind == FeedbackKind::Pli && feedback.media == 2));
//! assert!(matches!(packets[1], Packet::ReceiverReport(report) if report.ssrc == 1));
//! ```

mod feedback;
mod read;
mod report;
mod source;
mod write;

pub use feedback::{Feedback, FeedbackKind};
pub use read::{read, Packet, Packets, Unread};
pub use report::{ntp, ntp_middle, Blocks, ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use source::{App, Bye, Sdes, SdesItem, CNAME};
pub use write::{Report, CNAME_BYTES};

/// Packets of a compound packet that are read; a datagram of 1,500 bytes holds some dozens at most.
pub const COMPOUND_PACKETS: usize = 64;
/// Report blocks, sources or chunks of one packet: their count has 5 bits (RFC 3550 6.4.1).
pub const BLOCKS: usize = 31;

/// Why bytes are no RTCP, or a report cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// It ends before its header or its length says.
    #[error("shorter than its RTCP length")]
    Short,
    /// Its version is not 2.
    #[error("RTCP version is not 2")]
    Version,
    /// The last byte asks for no padding, or more than there is.
    #[error("RTCP padding is longer than the packet")]
    Padding,
    /// More than [`COMPOUND_PACKETS`].
    #[error("too many RTCP packets in one")]
    Packets,
    /// The chunks of an SDES do not fit their lengths (RFC 3550 6.5).
    #[error("SDES chunks do not fit")]
    Chunks,
    /// A CNAME longer than [`CNAME_BYTES`], or more than [`BLOCKS`] blocks.
    #[error("too much for one RTCP packet")]
    Room,
}
