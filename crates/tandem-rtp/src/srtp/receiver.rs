//! Opens what comes from one peer. Nothing that does not authenticate changes it.

use super::index::{estimate, Window, RTP_INDICES};
use super::session::{rtcp_ssrc, Keys, Session};
use super::{Master, SrtpError, State, StreamState, SSRCS};
use crate::rtp::Header;

/// Indices between two sequence numbers that are the same.
const ROUND: u64 = 1 << 16;

/// The receiving half of SRTP: one master key, and the [`SSRCS`] SSRCs that authenticated last.
pub struct Receiver {
    master: Master,
    session: Session,
    streams: Vec<Stream>,
    turn: u64,
    takeovers: u32,
}

struct Stream {
    ssrc: u32,
    /// Turn of its last packet.
    used: u64,
    rtp: Rtp,
    srtcp: Option<Window>,
}

#[derive(Clone)]
enum Rtp {
    /// Nothing received.
    Unheard,
    /// A predecessor received this index, and perhaps more.
    Inherited(u64),
    /// Received here. `ahead`: the inherited index, while all that came since lies before it (a replay, or a late packet).
    Running { window: Window, ahead: Option<u64> },
}

impl Receiver {
    /// A receiver that begins. An SSRC that it hears first may have wrapped once: its state was lost.
    ///
    /// # Errors
    /// [`SrtpError::Key`].
    pub fn new(master: &Master) -> Result<Receiver, SrtpError> {
        Ok(Receiver { master: master.clone(), session: Session::new(master)?, streams: Vec::new(), turn: 0, takeovers: 0 })
    }

    /// A receiver that goes on where another one, of that state, was cut off. The first packet of an SSRC may be 2^15 indices from
    /// the state, either way, and its roll-over counter one off from that: the tag decides. Protection against replay begins anew
    /// with it; for SRTCP, whose index is in the packet, it goes on.
    ///
    /// # Errors
    /// [`SrtpError::Key`].
    pub fn heir(state: &State) -> Result<Receiver, SrtpError> {
        let kept = state.streams.iter().skip(state.streams.len().saturating_sub(SSRCS));
        let streams = (1..).zip(kept).map(|(used, stream)| Stream {
            ssrc: stream.ssrc,
            used,
            rtp: stream.rtp.map_or(Rtp::Unheard, Rtp::Inherited),
            srtcp: stream.rtcp.map(|index| Window::filled_to(index.into())),
        });
        let takeovers = state.takeovers.saturating_add(1);
        Ok(Receiver { streams: streams.collect(), turn: SSRCS as u64, takeovers, ..Receiver::new(&state.master)? })
    }

    /// What an heir needs.
    pub fn state(&self) -> State {
        let mut streams: Vec<&Stream> = self.streams.iter().collect();
        streams.sort_by_key(|stream| stream.used);
        State { master: self.master.clone(), takeovers: self.takeovers, streams: streams.into_iter().map(Stream::state).collect() }
    }

    /// Opens the SRTP packet of `len` bytes at the start of `buffer`, in place; its length without the tag.
    ///
    /// # Errors
    /// All but [`SrtpError::Streams`], [`SrtpError::Exhausted`]. The packet is as it was.
    #[inline]
    pub fn rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get_mut(..len).ok_or(SrtpError::Room)?;
        let header = Header::read(packet)?;
        let at = self.streams.iter().position(|stream| stream.ssrc == header.ssrc);
        let known = at.and_then(|at| self.streams.get_mut(at));
        let mut unheard = Rtp::Unheard;
        let rtp = match known {
            Some(stream) => &mut stream.rtp,
            None => &mut unheard,
        };
        let len = rtp.open(&self.session.rtp, packet, &header)?;
        let at = at.unwrap_or_else(|| self.admit(Stream { ssrc: header.ssrc, used: 0, rtp: unheard, srtcp: None }));
        self.touch(at);
        Ok(len)
    }

    /// Opens the SRTCP packet of `len` bytes at the start of `buffer`, in place; its length without index and tag.
    ///
    /// # Errors
    /// As [`Receiver::rtp`].
    pub fn rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get_mut(..len).ok_or(SrtpError::Room)?;
        let ssrc = rtcp_ssrc(packet)?;
        let index = self.session.rtcp.rtcp_index(packet)?;
        let at = self.streams.iter().position(|stream| stream.ssrc == ssrc);
        let window = at.and_then(|at| self.streams.get_mut(at)).and_then(|stream| stream.srtcp.as_mut());
        if let Some(window) = &window {
            window.check(index.into())?;
        }
        let len = self.session.rtcp.open_rtcp(packet, ssrc, index)?;
        let at = at.unwrap_or_else(|| self.admit(Stream { ssrc, used: 0, rtp: Rtp::Unheard, srtcp: None }));
        if let Some(stream) = self.streams.get_mut(at) {
            match &mut stream.srtcp {
                Some(window) => window.mark(index.into()),
                none => *none = Some(Window::with(index.into())),
            }
        }
        self.touch(at);
        Ok(len)
    }

    /// Takes a stream in whose first packet authenticated; the one unused for longest makes room.
    fn admit(&mut self, stream: Stream) -> usize {
        if self.streams.len() >= SSRCS {
            if let Some((oldest, _)) = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.used) {
                self.streams.swap_remove(oldest);
            }
        }
        self.streams.push(stream);
        self.streams.len() - 1
    }

    fn touch(&mut self, at: usize) {
        self.turn += 1;
        if let Some(stream) = self.streams.get_mut(at) {
            stream.used = self.turn;
        }
    }
}

impl Stream {
    fn state(&self) -> StreamState {
        let rtp = match &self.rtp {
            Rtp::Unheard => None,
            Rtp::Inherited(index) => Some(*index),
            Rtp::Running { window, ahead } => Some(ahead.map_or(window.highest(), |ahead| ahead.max(window.highest()))),
        };
        StreamState { ssrc: self.ssrc, rtp, rtcp: self.srtcp.as_ref().map(|window| window.highest() as u32) }
    }
}

impl Rtp {
    /// Opens a packet under the index that it can have, and remembers that one.
    #[inline]
    fn open(&mut self, keys: &Keys, packet: &mut [u8], header: &Header) -> Result<usize, SrtpError> {
        let sequence = header.sequence;
        match self {
            Rtp::Running { window, ahead } => {
                let index = estimate(window.highest(), sequence);
                let opened = window.check(index).and_then(|()| open(keys, packet, header, index));
                match (opened, *ahead) {
                    (Ok(len), None) => {
                        window.mark(index);
                        Ok(len)
                    }
                    (Ok(len), Some(inherited)) => {
                        window.mark(index);
                        ahead.take_if(|_| index > inherited);
                        Ok(len)
                    }
                    (refused, Some(inherited)) if estimate(inherited, sequence) != index => {
                        let index = estimate(inherited, sequence);
                        let len = open(keys, packet, header, index).or(refused)?;
                        *self = Rtp::Running { window: Window::with(index), ahead: (index < inherited).then_some(inherited) };
                        Ok(len)
                    }
                    (refused, _) => refused,
                }
            }
            Rtp::Inherited(last) => {
                let (last, near) = (*last, estimate(*last, sequence));
                let tries = [Some(near), near.checked_add(ROUND), near.checked_sub(ROUND)];
                let (len, index) = first(keys, packet, header, tries)?;
                *self = Rtp::Running { window: Window::with(index), ahead: (index < last).then_some(last) };
                Ok(len)
            }
            Rtp::Unheard => {
                let begin = u64::from(sequence);
                let (len, index) = first(keys, packet, header, [Some(begin), Some(begin + ROUND), None])?;
                *self = Rtp::Running { window: Window::with(index), ahead: None };
                Ok(len)
            }
        }
    }
}

/// Opens under the first index that fits.
fn first(keys: &Keys, packet: &mut [u8], header: &Header, tries: [Option<u64>; 3]) -> Result<(usize, u64), SrtpError> {
    let mut refused = SrtpError::Unauthentic;
    for index in tries.into_iter().flatten() {
        match open(keys, packet, header, index) {
            Ok(len) => return Ok((len, index)),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

#[inline]
fn open(keys: &Keys, packet: &mut [u8], header: &Header, index: u64) -> Result<usize, SrtpError> {
    if index >= RTP_INDICES {
        return Err(SrtpError::Unauthentic);
    }
    keys.open_rtp(packet, header.bytes, header.ssrc, index)
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({:?})", self.master.suite)
    }
}
