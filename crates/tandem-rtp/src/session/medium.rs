//! One media section of one leg: what its peer said, what we said to it, and its port. How both come about stands elsewhere.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::plan::{Credentials, EndpointId, IcePeer, Local, Payload, Remote};
use crate::sdp::{Crypto, Direction, Fingerprint, Protocol, Setup};

/// A media section between the relay and one peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Medium {
    /// "audio", "video", "image" …
    pub kind: String,
    /// Formats of its media line, for an answer that refuses it.
    pub formats: Vec<String>,
    /// Neither rejected nor removed nor refused by us.
    pub open: bool,
    /// Spoken with this peer.
    pub protocol: Protocol,
    /// Our port; `None` when closed, or carried by another section's.
    pub local: Option<Local>,
    /// The endpoint at that port.
    pub endpoint: Option<EndpointId>,
    /// The section whose port carries this one (BUNDLE).
    pub carrier: Option<u16>,
    /// The peer's last description.
    pub theirs: Option<Theirs>,
    /// What the peer was told by us.
    pub ours: Ours,
    /// rtcp-mux towards the offerer, when the command said so; else it follows the answerer.
    pub takes_mux: Option<bool>,
    /// ICE of the offerer is refused.
    pub refuses_ice: bool,
    /// Payload types of the offerer that it may use although the answerer did not take them.
    pub also: Vec<u8>,
    /// a=ptime that the peer shall get whatever the other side says, milliseconds.
    pub ptime: Option<u16>,
    /// See [`crate::plan::Endpoint::association`].
    pub association: u32,
}

/// What a peer said about a section.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Theirs {
    /// It has a port, or is bundle-only in an offer.
    pub open: bool,
    /// Where it receives; `None`: not known, or it says 0.0.0.0.
    pub rtp: Option<SocketAddr>,
    /// a=rtcp.
    pub rtcp: Option<SocketAddr>,
    /// Its direction.
    pub direction: Direction,
    /// Its address was 0.0.0.0: the hold of RFC 2543.
    pub zero: bool,
    /// Its payload types.
    pub payloads: Vec<Payload>,
    /// Its a=ptime, milliseconds.
    pub ptime: Option<u16>,
    /// It has a=rtcp-mux.
    pub mux: bool,
    /// It takes nothing but rtcp-mux.
    pub mux_only: bool,
    /// Its ICE.
    pub ice: Option<TheirIce>,
    /// Its crypto lines that we can serve.
    pub crypto: Vec<Crypto>,
    /// It has crypto lines, be they served or not.
    pub has_crypto: bool,
    /// The hash of its certificate.
    pub fingerprint: Option<Fingerprint>,
    /// a=setup.
    pub setup: Option<Setup>,
    /// a=tls-id.
    pub tls_id: Option<String>,
    /// a=mid.
    pub mid: Option<String>,
    /// a=bundle-only (RFC 9143 6): its port 0 is no refusal.
    pub bundle_only: bool,
    /// It can take candidates later.
    pub trickles: bool,
}

/// A peer's ICE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TheirIce {
    /// User name and password.
    pub credentials: Credentials,
    /// Lite, candidates.
    pub peer: IcePeer,
}

/// What a peer was told about a section.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ours {
    /// It has a description of ours for this section.
    pub told: bool,
    /// That description was an offer.
    pub offer: bool,
    /// Its payload types.
    pub payloads: Vec<Payload>,
    /// rtcp-mux.
    pub mux: bool,
    /// rtcp-mux without a port for RTCP.
    pub mux_required: bool,
    /// ICE, with the credentials of the leg.
    pub ice: bool,
    /// Our crypto lines.
    pub crypto: Vec<Crypto>,
    /// DTLS.
    pub dtls: bool,
    /// a=setup.
    pub setup: Option<Setup>,
    /// We send the ClientHello: settled by the last answer.
    pub active: bool,
    /// Keys pass from end to end.
    pub opaque: bool,
}

impl Medium {
    /// A closed section.
    pub fn new(kind: &str, protocol: Protocol) -> Medium {
        Medium {
            kind: kind.to_owned(),
            formats: Vec::new(),
            open: false,
            protocol,
            local: None,
            endpoint: None,
            carrier: None,
            theirs: None,
            ours: Ours::default(),
            takes_mux: None,
            refuses_ice: false,
            also: Vec::new(),
            ptime: None,
            association: 0,
        }
    }

    /// Closes it: its port is given back.
    pub fn close(&mut self) {
        self.open = false;
        self.carrier = None;
        self.local = None;
        self.endpoint = None;
    }

    /// RTCP comes on the RTP port: both have said so, or the peer takes nothing else.
    pub fn mux(&self) -> bool {
        self.ours.mux && self.theirs.as_ref().is_some_and(|theirs| theirs.mux)
    }

    /// Both have ICE.
    pub fn ice(&self) -> Option<&TheirIce> {
        self.theirs.as_ref().and_then(|theirs| theirs.ice.as_ref()).filter(|_| self.ours.ice)
    }

    /// Where the peer receives.
    pub fn remote(&self) -> Option<Remote> {
        let theirs = self.theirs.as_ref()?;
        let rtp = theirs.rtp?;
        let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        Some(Remote { rtp, rtcp: if self.mux() { rtp } else { theirs.rtcp.unwrap_or(next) } })
    }

    /// The peer sends, by its own description.
    pub fn sends(&self) -> bool {
        self.open && self.theirs.as_ref().is_some_and(|theirs| theirs.direction.sends())
    }

    /// The peer receives, by its own description.
    pub fn receives(&self) -> bool {
        self.open && self.theirs.as_ref().is_some_and(|theirs| theirs.direction.receives() && !theirs.zero)
    }
}
