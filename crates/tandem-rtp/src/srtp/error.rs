//! Why a packet or a key was refused. A refused packet is as it was.

use crate::rtp::RtpError;

/// What SRTP refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// No RTP.
    #[error(transparent)]
    Rtp(#[from] RtpError),
    /// Too short for SRTP or SRTCP.
    #[error("too short for its tag")]
    Short,
    /// No RTCP version 2.
    #[error("RTCP version is not 2")]
    Version,
    /// The buffer ends before the protected packet does.
    #[error("no room for the tag")]
    Room,
    /// The tag is another one: forged, damaged, another key, or another roll-over counter.
    #[error("not authentic")]
    Unauthentic,
    /// SRTCP that is not encrypted (RFC 3711 3.4, E is 0): nobody here agreed to that.
    #[error("SRTCP in the clear")]
    Clear,
    /// This index was sent or received before (RFC 3711 3.3.2, 9.1).
    #[error("index seen before")]
    Repeated,
    /// The index lies before the window, or before what an heir knows to be unused.
    #[error("index too old")]
    Old,
    /// No index is left under this key (2^48 RTP, 2^31 RTCP packets, RFC 3711 9.2).
    #[error("key worn out")]
    Exhausted,
    /// More SSRCs than a sender remembers ([`super::PAST_SSRCS`]).
    #[error("too many SSRCs")]
    Streams,
    /// A key that cannot be used.
    #[error("{0}")]
    Key(&'static str),
}
