//! The session keys of one direction, whatever the suite. It knows no SSRCs and chooses no index.

use super::cm::Cm;
use super::gcm::Gcm;
use super::kdf::Of;
use super::{Master, SrtpError};

/// Keys for RTP and for RTCP.
pub(super) struct Session {
    pub rtp: Keys,
    pub rtcp: Keys,
}

impl Session {
    pub fn new(master: &Master) -> Result<Session, SrtpError> {
        Ok(Session { rtp: Keys::new(master, Of::Rtp)?, rtcp: Keys::new(master, Of::Rtcp)? })
    }
}

/// Keys for one of them.
#[allow(clippy::large_enum_variant)] // a context has one or the other for its whole life
pub(super) enum Keys {
    Cm(Cm),
    Gcm(Gcm),
}

impl Keys {
    fn new(master: &Master, of: Of) -> Result<Keys, SrtpError> {
        Ok(if master.suite.is_aead() { Keys::Gcm(Gcm::new(master, of)?) } else { Keys::Cm(Cm::new(master, of)?) })
    }

    #[inline]
    pub fn protect_rtp(&self, buffer: &mut [u8], head: usize, len: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        match self {
            Keys::Cm(keys) => keys.protect_rtp(buffer, head, len, ssrc, index),
            Keys::Gcm(keys) => keys.protect_rtp(buffer, head, len, ssrc, index),
        }
    }

    #[inline]
    pub fn open_rtp(&self, packet: &mut [u8], head: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        match self {
            Keys::Cm(keys) => keys.open_rtp(packet, head, ssrc, index),
            Keys::Gcm(keys) => keys.open_rtp(packet, head, ssrc, index),
        }
    }

    pub fn protect_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        match self {
            Keys::Cm(keys) => keys.protect_rtcp(buffer, len, ssrc, index),
            Keys::Gcm(keys) => keys.protect_rtcp(buffer, len, ssrc, index),
        }
    }

    pub fn rtcp_index(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        match self {
            Keys::Cm(keys) => keys.rtcp_index(packet),
            Keys::Gcm(keys) => keys.rtcp_index(packet),
        }
    }

    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        match self {
            Keys::Cm(keys) => keys.open_rtcp(packet, ssrc, index),
            Keys::Gcm(keys) => keys.open_rtcp(packet, ssrc, index),
        }
    }
}

/// SSRC of the first packet of a compound RTCP packet: it chooses the context (RFC 3711 3.4).
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let [first, _, _, _, ssrc @ ..] = packet.first_chunk::<8>().ok_or(SrtpError::Short)?;
    if first >> 6 != 2 {
        return Err(SrtpError::Version);
    }
    Ok(u32::from_be_bytes(*ssrc))
}
