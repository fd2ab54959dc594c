//! What an endpoint of the relay has to do: the contract between `session`, which decides it, and `relay`, which does it. Data only.
//!
//! An endpoint is one local address with a port for RTP and one for RTCP, and whoever is at its other end: usually one
//! media section of one leg. What it receives goes to its `sinks`; what they receive comes to it if they name it.

use std::net::{IpAddr, SocketAddr};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::audio::clean;
use crate::audio::room::Seat;
use crate::sdp::Candidate;
use crate::srtp::Master;

/// Names an endpoint inside one relay process and in its store; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndpointId(pub u64);

/// The address that an endpoint is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Local {
    /// Bound here.
    pub address: IpAddr,
    /// Told to peers: another one when the relay is behind NAT.
    pub advertised: IpAddr,
    /// Even.
    pub rtp: u16,
    /// `rtp + 1`, also when RTCP is multiplexed.
    pub rtcp: u16,
}

/// Where the peer said that it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    /// RTP; a port 0 or an address 0.0.0.0 is no remote at all.
    pub rtp: SocketAddr,
    /// RTCP: `rtp` when multiplexed, else a=rtcp (RFC 3605), else port + 1.
    pub rtcp: SocketAddr,
}

/// When the address that packets come from replaces the one of the description; the words are rtpengine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Learning {
    /// Never.
    Off,
    /// With the first packet, and not again.
    Immediate,
    /// With the last address seen in the first 3 seconds.
    #[default]
    Delayed,
    /// Like delayed, and among several the one nearest to the description: same address and port, same address, same port, any.
    Heuristic,
}

/// What protects packets between the endpoint and its peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Guard {
    /// Plain RTP.
    #[default]
    Plain,
    /// Keys from the descriptions (RFC 4568).
    Sdes {
        /// Of packets from the peer; `None` until its answer is known.
        receive: Option<Master>,
        /// Of packets to the peer.
        send: Master,
    },
    /// Keys from a DTLS handshake on the RTP port (RFC 5764).
    Dtls {
        /// We send the ClientHello (a=setup:active on our side).
        active: bool,
        /// Of the peer's certificate: the hash's name in lower case ("sha-256") and its bytes; `None` until its description is known.
        fingerprint: Option<(String, Vec<u8>)>,
    },
    /// Protected end to end: passed on untouched.
    Opaque,
}

/// User name and password of one side (RFC 8445 5.3).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credentials {
    /// ice-ufrag.
    pub ufrag: String,
    /// ice-pwd.
    pub pwd: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.ufrag)
    }
}

/// ICE on an endpoint: we are lite (RFC 8445 2.5), the peer is controlling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ice {
    /// Ours.
    pub local: Credentials,
    /// The peer's, once known.
    pub remote: Option<Credentials>,
}

/// What the peer's description says of its ICE agent beside its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IcePeer {
    /// It is lite too: then the one that offered first is controlling, and sends the checks (RFC 8445 6.1.1).
    pub lite: bool,
    /// We are that one.
    pub controlling: bool,
    /// Its candidates over UDP: needed when we are controlling.
    pub candidates: Vec<Candidate>,
}

/// A payload type of an endpoint, as the description that it sent or got has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// 0 to 127.
    pub number: u8,
    /// Encoding name as in a=rtpmap, upper case ("PCMU", "TELEPHONE-EVENT").
    pub name: String,
    /// RTP clock, Hz.
    pub clock: u32,
    /// 1 or 2.
    pub channels: u8,
    /// The rest of a=fmtp; "".
    pub fmtp: String,
}

/// The room that an endpoint's peer is in, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The name of the room.
    pub room: String,
    /// Hz at which it mixes; the first member's counts.
    pub rate: u32,
    /// As what.
    pub seat: Seat,
}

/// What one endpoint has to do. A new plan for the same id replaces the old one; what the relay learned stays unless the
/// remote, the ICE user name or the guard's keys have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub id: EndpointId,
    /// The ng call-id, for reports.
    pub call: String,
    /// The tag of its leg, and the index of its section.
    pub leg: String,
    /// First is 0.
    pub section: u16,
    /// Where it listens.
    pub local: Local,
    /// Where it sends to until it learns better; `None`: nothing is known or wanted.
    pub remote: Option<Remote>,
    /// RTCP comes and goes on the RTP port (RFC 5761).
    pub mux: bool,
    /// NAT.
    pub learning: Learning,
    /// Packets from other addresses than the one learned are dropped.
    pub strict: bool,
    /// Packets from other addresses than the one learned move the peer there, at any time.
    pub handover: bool,
    /// SRTP.
    pub guard: Guard,
    /// ICE-lite.
    pub ice: Option<Ice>,
    /// The peer's ICE agent; with `ice` only.
    pub ice_peer: Option<IcePeer>,
    /// Grows with every new DTLS association that the descriptions ask for, also with the same fingerprint (RFC 8842 5).
    pub association: u32,
    /// Payload types that the peer sends: those of the description that it got, until then those of its own.
    pub payloads: Vec<Payload>,
    /// Payload types that the peer takes: those of its own description. Where they differ from the `payloads` of what comes
    /// to it from other endpoints, packets are to be transcoded.
    pub accepts: Vec<Payload>,
    /// Packet time that the peer asked for, milliseconds.
    pub ptime_ms: Option<u16>,
    /// Endpoints that get what this one receives.
    pub sinks: Vec<EndpointId>,
    /// The peer may send to us (its direction is sendrecv or sendonly): without it nothing is expected, no time-out runs.
    pub sends: bool,
    /// The peer wants to hear (sendrecv or recvonly).
    pub hears: bool,
    /// What it sends goes nowhere.
    pub blocked: bool,
    /// What it sends is replaced by silence.
    pub silenced: bool,
    /// Telephone events that it sends go nowhere.
    pub dtmf_blocked: bool,
    /// Telephone events may be put into what it sends.
    pub inject_dtmf: bool,
    /// What is taken out of what it sends, where its codec can be read.
    pub clean: clean::Wish,
    /// Silence after which the peer counts as gone, seconds; `None`: as configured, 0: never.
    pub timeout_seconds: Option<u32>,
    /// DSCP and ECN byte of what we send to it.
    pub tos: u8,
    /// Passed through as bytes, no RTP: T.38 over UDPTL.
    pub raw: bool,
    /// What its peer says goes into this room, and it hears the room.
    pub room: Option<Place>,
}

impl Endpoint {
    /// Whether its peer takes this payload type, by its number too.
    pub fn takes(&self, payload: &Payload) -> bool {
        self.accepts.iter().any(|other| other.number == payload.number && other.name == payload.name && other.clock == payload.clock)
    }

    /// An endpoint that takes plain packets from anybody and sends nowhere yet: what a plan begins with.
    ///
    /// ```
    /// use tandem_rtp::plan::{Endpoint, EndpointId, Local};
    /// let address = "203.0.113.1".parse().unwrap();
    /// let endpoint = Endpoint::new(EndpointId(1), Local { address, advertised: address, rtp: 30_000, rtcp: 30_001 });
    /// assert!(endpoint.sinks.is_empty() && endpoint.remote.is_none());
    /// ```
    pub fn new(id: EndpointId, local: Local) -> Endpoint {
        Endpoint {
            id,
            call: String::new(),
            leg: String::new(),
            section: 0,
            local,
            remote: None,
            mux: false,
            learning: Learning::default(),
            strict: false,
            handover: false,
            guard: Guard::Plain,
            ice: None,
            ice_peer: None,
            association: 0,
            payloads: Vec::new(),
            accepts: Vec::new(),
            ptime_ms: None,
            sinks: Vec::new(),
            sends: true,
            hears: true,
            blocked: false,
            silenced: false,
            dtmf_blocked: false,
            inject_dtmf: false,
            clean: clean::Wish::default(),
            timeout_seconds: None,
            tos: 0,
            raw: false,
            room: None,
        }
    }
}

/// Streams that run, by the way in which they are forwarded. Each direction of a call is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streams {
    /// Inside the kernel.
    pub kernel: u64,
    /// By a thread of the relay.
    pub userspace: u64,
    /// RTP packets that have come in them.
    pub packets: u64,
    /// RTP packets that were due in them and have not come.
    pub lost: u64,
}

impl AddAssign for Streams {
    fn add_assign(&mut self, more: Streams) {
        self.kernel += more.kernel;
        self.userspace += more.userspace;
        self.packets += more.packets;
        self.lost += more.lost;
    }
}
