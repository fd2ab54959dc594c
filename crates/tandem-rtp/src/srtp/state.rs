//! What an heir needs to go on with a direction's SRTP: plain data. How it is stored is decided elsewhere.

use super::Master;

/// A direction's key and how far it was used. Replay windows are not in it: they begin anew.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// The key.
    pub master: Master,
    /// How often an heir has taken over. It gives SRTCP indices that no predecessor has used to SSRCs that no state names.
    pub takeovers: u32,
    /// Each SSRC that was sent or authenticated, the most recent last.
    pub streams: Vec<StreamState>,
}

/// How far one SSRC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StreamState {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Highest RTP index sent or authenticated: 32 bits of roll-over counter, then the sequence number. `None`: no RTP yet.
    pub rtp: Option<u64>,
    /// Highest SRTCP index sent or authenticated, below 2^31. `None`: no RTCP yet.
    pub rtcp: Option<u32>,
}
