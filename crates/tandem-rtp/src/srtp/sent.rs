//! The SSRCs that a sender protects, and which of their indices are used. No key and no packet is here.

use super::index::{estimate, Window, RTCP_INDICES, RTP_INDICES, WINDOW_PACKETS};
use super::{SrtpError, State, StreamState, PAST_SSRCS, SRTCP_JUMP, SSRCS};

/// All streams of a sender. One that was forgotten could begin again at index 0, under the same key: so those that make room for
/// others are remembered by their indices, and when there is no room for that either, a new one is refused.
#[derive(Default)]
pub(super) struct Sent {
    live: Vec<Stream>,
    past: Vec<StreamState>,
    turn: u64,
    takeovers: u32,
}

/// One SSRC.
pub(super) struct Stream {
    ssrc: u32,
    /// Turn of its last packet.
    used: u64,
    rtp: Rtp,
    /// Next SRTCP index.
    srtcp: u32,
}

enum Rtp {
    /// Nothing sent.
    Unsent { roc: u32 },
    /// A predecessor sent this index, and may have sent more.
    Inherited(u64),
    /// Sent here.
    Running(Window),
}

impl Sent {
    /// Goes on after a state: SRTCP indices have jumped.
    pub fn heir(state: &State) -> Sent {
        let takeovers = state.takeovers.saturating_add(1);
        let begin = takeovers.saturating_mul(SRTCP_JUMP);
        let jumped = |stream: &StreamState| StreamState {
            rtcp: Some(stream.rtcp.map_or(begin.saturating_sub(1), |last| last.saturating_add(SRTCP_JUMP - 1))),
            ..*stream
        };
        let mut past: Vec<StreamState> = state.streams.iter().rev().take(SSRCS + PAST_SSRCS).map(jumped).collect();
        let live: Vec<Stream> = past.drain(..past.len().min(SSRCS)).rev().map(Stream::resumed).collect();
        past.reverse();
        let live: Vec<Stream> = (1..).zip(live).map(|(used, stream)| Stream { used, ..stream }).collect();
        Sent { turn: live.len() as u64, live, past, takeovers }
    }

    /// The stream of an SSRC, which is a new one when it was not seen before.
    ///
    /// # Errors
    /// [`SrtpError::Streams`].
    #[inline]
    pub fn stream(&mut self, ssrc: u32) -> Result<&mut Stream, SrtpError> {
        self.turn += 1;
        let at = match self.live.iter().position(|stream| stream.ssrc == ssrc) {
            Some(at) => at,
            None => self.admit(ssrc)?,
        };
        let stream = self.live.get_mut(at).ok_or(SrtpError::Streams)?;
        stream.used = self.turn;
        Ok(stream)
    }

    /// Says where a new SSRC begins. False: it has begun.
    pub fn begin(&mut self, ssrc: u32, roc: u32) -> bool {
        if self.past.iter().any(|past| past.ssrc == ssrc) {
            return false;
        }
        let Ok(stream) = self.stream(ssrc) else { return false };
        match &mut stream.rtp {
            Rtp::Unsent { roc: begin } => *begin = roc,
            _ => return false,
        }
        true
    }

    fn admit(&mut self, ssrc: u32) -> Result<usize, SrtpError> {
        let back = self.past.iter().position(|past| past.ssrc == ssrc);
        if back.is_none() && self.live.len() >= SSRCS && self.past.len() >= PAST_SSRCS {
            return Err(SrtpError::Streams);
        }
        let srtcp = self.takeovers.saturating_mul(SRTCP_JUMP);
        let fresh = Stream { ssrc, used: 0, rtp: Rtp::Unsent { roc: 0 }, srtcp };
        let stream = back.map_or(fresh, |at| Stream::resumed(self.past.remove(at)));
        if self.live.len() >= SSRCS {
            if let Some((oldest, _)) = self.live.iter().enumerate().min_by_key(|(_, stream)| stream.used) {
                self.past.push(self.live.swap_remove(oldest).state());
            }
        }
        self.live.push(stream);
        Ok(self.live.len() - 1)
    }

    /// How far all of them are, the most recent last; and the takeovers.
    pub fn state(&self) -> (u32, Vec<StreamState>) {
        let mut live: Vec<&Stream> = self.live.iter().collect();
        live.sort_by_key(|stream| stream.used);
        (self.takeovers, self.past.iter().copied().chain(live.into_iter().map(Stream::state)).collect())
    }
}

impl Stream {
    fn resumed(state: StreamState) -> Stream {
        let rtp = state.rtp.map_or(Rtp::Unsent { roc: 0 }, Rtp::Inherited);
        Stream { ssrc: state.ssrc, used: 0, rtp, srtcp: state.rtcp.map_or(0, |last| last.saturating_add(1)) }
    }

    fn state(&self) -> StreamState {
        let rtp = match &self.rtp {
            Rtp::Unsent { .. } => None,
            Rtp::Inherited(index) => Some(*index),
            Rtp::Running(window) => Some(window.highest()),
        };
        StreamState { ssrc: self.ssrc, rtp, rtcp: self.srtcp.checked_sub(1) }
    }

    /// The index of a packet with this sequence number, if it was not used.
    ///
    /// # Errors
    /// [`SrtpError::Repeated`], [`SrtpError::Old`], [`SrtpError::Exhausted`].
    #[inline]
    pub fn index(&self, sequence: u16) -> Result<u64, SrtpError> {
        let index = match &self.rtp {
            Rtp::Unsent { roc } => u64::from(*roc) << 16 | u64::from(sequence),
            Rtp::Inherited(last) => {
                follow(*last, sequence).and_then(|index| if index > *last { Ok(index) } else { Err(SrtpError::Old) })?
            }
            Rtp::Running(window) => {
                let index = follow(window.highest(), sequence)?;
                window.check(index)?;
                index
            }
        };
        if index < RTP_INDICES {
            Ok(index)
        } else {
            Err(SrtpError::Exhausted)
        }
    }

    /// `index`, from [`Stream::index`], is used.
    #[inline]
    pub fn used(&mut self, index: u64) {
        match &mut self.rtp {
            Rtp::Running(window) => window.mark(index),
            Rtp::Unsent { .. } => self.rtp = Rtp::Running(Window::with(index)),
            // What lies between the state and this packet, the predecessor may have sent.
            Rtp::Inherited(_) => self.rtp = Rtp::Running(Window::filled_to(index)),
        }
    }

    /// The next SRTCP index, used from now on.
    ///
    /// # Errors
    /// [`SrtpError::Exhausted`].
    pub fn next_srtcp(&mut self) -> Result<u32, SrtpError> {
        let index = self.srtcp;
        if index >= RTCP_INDICES {
            return Err(SrtpError::Exhausted);
        }
        self.srtcp += 1;
        Ok(index)
    }
}

/// The index of a sequence number that the source has chosen.
fn follow(highest: u64, sequence: u16) -> Result<u64, SrtpError> {
    let index = estimate(highest, sequence);
    let behind = u64::from((highest as u16).wrapping_sub(sequence));
    // Late, from before the first packet: a number far ahead would have no packets after it that a receiver could place.
    if index > highest && behind < WINDOW_PACKETS {
        return Err(SrtpError::Old);
    }
    Ok(index)
}
