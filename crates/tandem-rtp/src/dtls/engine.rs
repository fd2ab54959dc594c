//! One run of `dimpl`, and what came out of it. Whose run it should be, and when another one begins, is the handshake's.

use dimpl::{Dtls, Error, KeyingMaterial, Output, ProtocolVersion, SecurityError, SrtpProfile};

use super::handshake::Failure;
use super::{record, Identity, DATAGRAM_BYTES};
use crate::srtp::{Master, Suite};

/// What the handshake is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Of packets from the peer.
    pub receive: Master,
    /// Of packets to the peer.
    pub send: Master,
}

pub(super) struct Engine {
    dtls: Dtls,
    active: bool,
    /// Random of the ClientHello that it answers.
    pub(super) hello: Option<[u8; 32]>,
    /// ICE has proved the peer's address.
    trusting: bool,
    /// A datagram of the peer has no answer yet.
    unheard: bool,
    /// When it last took a datagram, microseconds.
    pub(super) moved: u64,
    /// Its next timer, microseconds.
    pub(super) wakes: Option<u64>,
    /// DER; empty until the peer has shown one.
    pub(super) certificate: Vec<u8>,
    pub(super) keys: Option<Keys>,
    pub(super) connected: bool,
    /// The peer has closed it.
    pub(super) closed: bool,
    /// We have: it only has its last datagram to give.
    pub(super) doomed: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({:?})", self.dtls)
    }
}

impl Engine {
    /// `hello`: of the ClientHello that it answers; `None`: it sends one.
    pub(super) fn new(now: u64, identity: &Identity, trusting: bool, hello: Option<[u8; 32]>) -> Engine {
        let active = hello.is_none();
        let mut dtls = Dtls::new_auto(identity.config(trusting), identity.own(), identity.instant(now));
        dtls.set_active(active);
        Engine {
            dtls,
            active,
            hello,
            trusting,
            unheard: false,
            moved: now,
            wakes: Some(now),
            certificate: Vec::new(),
            keys: None,
            connected: false,
            closed: false,
            doomed: false,
        }
    }

    /// Whether a client has not yet heard which version its server speaks: `dimpl` takes nothing but that then.
    pub(super) fn is_unanswered(&self) -> bool {
        self.active && self.dtls.protocol_version().is_none()
    }

    /// Everything that the run can give is there.
    pub(super) fn is_complete(&self) -> bool {
        self.connected && !self.certificate.is_empty()
    }

    pub(super) fn is_dtls13(&self) -> bool {
        self.dtls.protocol_version() == Some(ProtocolVersion::DTLS1_3)
    }

    pub(super) fn handle(&mut self, now: u64, identity: &Identity, bytes: &[u8]) -> Result<(), Failure> {
        self.dtls.handle_timeout(identity.instant(now))?;
        self.dtls.handle_packet(bytes)?;
        (self.moved, self.wakes, self.unheard) = (now, Some(now), true);
        Ok(())
    }

    /// Writes the next datagram into `out`; false: there is none, and `wakes` says when to ask again.
    pub(super) fn poll(&mut self, now: u64, identity: &Identity, out: &mut Vec<u8>) -> Result<bool, Failure> {
        self.dtls.handle_timeout(identity.instant(now))?;
        loop {
            out.resize(DATAGRAM_BYTES, 0);
            match self.dtls.poll_output(out) {
                Output::Packet(packet) => {
                    let length = packet.len();
                    out.truncate(length);
                    // Who only said hello may be somebody else than the source: one answer, and never again by itself.
                    if self.trusting || !record::asks_again(out) || std::mem::take(&mut self.unheard) {
                        return Ok(true);
                    }
                }
                Output::Timeout(at) => {
                    let at = identity.microseconds(at);
                    self.wakes = (at < now.saturating_add(FAR_US)).then_some(at);
                    out.clear();
                    return Ok(false);
                }
                Output::BufferTooSmall { .. } => {
                    out.clear();
                    return Err(Failure::Protocol(Error::TransmitQueueFull)); // larger than what we take ourselves
                }
                Output::Connected => self.connected = true,
                Output::PeerCert(der) => self.certificate = der.to_vec(),
                Output::KeyingMaterial(material, profile) => self.keys = keys(&material, profile, self.active),
                Output::CloseNotify => self.closed = true,
                _ => {} // application data: WebRTC's data channels are not spoken here
            }
        }
    }

    /// Tells the peer that it is over; before the handshake is done there is no way to.
    pub(super) fn close(&mut self, now: u64) {
        (self.doomed, self.wakes) = (true, Some(now));
        _ = self.dtls.close(); // an error says that it is closed
    }
}

/// `dimpl` has no timer running: what it says instead of "never" lies further than this, microseconds.
const FAR_US: u64 = 365 * 24 * 3_600 * 1_000_000;

/// The client writes with the first key (RFC 5764 4.2).
fn keys(material: &KeyingMaterial, profile: SrtpProfile, active: bool) -> Option<Keys> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (client, server) = Master::from_exporter(suite, material).ok()?;
    Some(if active { Keys { receive: server, send: client } } else { Keys { receive: client, send: server } })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::SecurityError(SecurityError::FatalAlert { description }) => Failure::Alert(description),
            Error::Timeout(_) => Failure::TimedOut,
            other => Failure::Protocol(other),
        }
    }
}
