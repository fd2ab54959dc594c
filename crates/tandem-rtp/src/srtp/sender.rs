//! Protects what goes to one peer. It chooses no sequence numbers, and uses each index once.

use super::sent::Sent;
use super::session::{rtcp_ssrc, Session};
use super::{Master, SrtpError, State};
use crate::rtp::Header;

/// The sending half of SRTP: one master key, any SSRCs. It guards what a relay must never do (RFC 3711 9.1): protect two packets under
/// one index. A packet that comes twice is refused, it goes nowhere; packets in another order are protected each.
///
/// A stream that a source sends again under the same number (not as RFC 4588 has it, under numbers of its own) is not sent again.
pub struct Sender {
    master: Master,
    session: Session,
    sent: Sent,
}

impl Sender {
    /// A sender that begins.
    ///
    /// # Errors
    /// [`SrtpError::Key`].
    pub fn new(master: &Master) -> Result<Sender, SrtpError> {
        Ok(Sender { master: master.clone(), session: Session::new(master)?, sent: Sent::default() })
    }

    /// A sender that goes on where another one, of that state, was cut off. SRTCP indices jump by themselves ([`super::SRTCP_JUMP`]).
    /// Sequence numbers that are passed through are understood while the state is less than 2^15 packets old; those of our own
    /// must jump ([`super::Jump`]).
    ///
    /// Store [`Sender::state`] before it sends, or the next heir begins where this one did and repeats its indices.
    ///
    /// # Errors
    /// [`SrtpError::Key`].
    pub fn heir(state: &State) -> Result<Sender, SrtpError> {
        Ok(Sender { sent: Sent::heir(state), ..Sender::new(&state.master)? })
    }

    /// What an heir needs.
    pub fn state(&self) -> State {
        let (takeovers, streams) = self.sent.state();
        State { master: self.master.clone(), takeovers, streams }
    }

    /// Gives the roll-over counter with which an SSRC begins, 0 unless said: for one whose state was lost and whose counter is known
    /// from elsewhere. False: it has begun already.
    pub fn begin(&mut self, ssrc: u32, roc: u32) -> bool {
        self.sent.begin(ssrc, roc)
    }

    /// Protects the RTP packet of `len` bytes at the start of `buffer`, in place; its length afterwards.
    ///
    /// # Errors
    /// All but [`SrtpError::Unauthentic`], [`SrtpError::Clear`]. The packet is as it was, and its index is not used.
    #[inline]
    pub fn rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        if buffer.len() < len.saturating_add(self.master.suite.rtp_overhead()) {
            return Err(SrtpError::Room);
        }
        let header = Header::read(buffer.get(..len).unwrap_or_default())?;
        let stream = self.sent.stream(header.ssrc)?;
        let index = stream.index(header.sequence)?;
        let len = self.session.rtp.protect_rtp(buffer, header.bytes, len, header.ssrc, index)?;
        stream.used(index);
        Ok(len)
    }

    /// Protects the compound RTCP packet of `len` bytes at the start of `buffer`, in place; its length afterwards.
    ///
    /// # Errors
    /// As [`Sender::rtp`].
    pub fn rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        if buffer.len() < len.saturating_add(self.master.suite.rtcp_overhead()) {
            return Err(SrtpError::Room);
        }
        let ssrc = rtcp_ssrc(buffer.get(..len).unwrap_or_default())?;
        let index = self.sent.stream(ssrc)?.next_srtcp()?;
        self.session.rtcp.protect_rtcp(buffer, len, ssrc, index)
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender({:?})", self.master.suite)
    }
}
