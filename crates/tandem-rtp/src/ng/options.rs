//! What a command asks for beside its session description. Each value is as it was asked, not yet decided.

use std::net::IpAddr;

use super::codec::CodecRules;
use crate::plan::Learning;
use crate::sdp::{Family, Protocol};

/// ICE towards the receiver of the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IceMode {
    /// ICE if the writer of the description has it.
    #[default]
    Default,
    /// No ICE.
    Remove,
    /// ICE with the relay as the only candidate.
    Force,
    /// The relay as one candidate more, or the only one.
    Optional,
    /// The relay as a candidate of type relay beside those of the peer.
    ForceRelay,
}

/// DTLS towards a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsMode {
    /// Neither offered nor accepted.
    Off,
    /// The peer sends the ClientHello if it may choose.
    Passive,
    /// The relay sends it if it may choose.
    Active,
}

/// SDES towards the receiver of the description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sdes {
    /// Not offered.
    pub off: bool,
    /// Suites not to offer, by name.
    pub no: Vec<String>,
    /// Suites to offer and no others, by name.
    pub only: Vec<String>,
    /// No suites beside those of the peer.
    pub no_new: bool,
    /// Suites that come first, by name.
    pub order: Vec<String>,
    /// Suites that the offerer gets if it has them, by name.
    pub offerer_preferred: Vec<String>,
    /// Keys lack their `=`: phones that decode base64 strictly take such a key for a shorter one.
    pub unpadded: bool,
    /// Keys have a lifetime of 2^31.
    pub lifetime: bool,
    /// A re-negotiation keeps suite and keys.
    pub keep: bool,
    /// SDES wins over DTLS when both are offered.
    pub prefer: bool,
}

/// Optional SRTP with a plain profile (RFC 8643).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Osrtp {
    /// A plain offer goes on with keys.
    pub offer: bool,
    /// Offered keys are accepted although the answer has none.
    pub accept: bool,
}

/// RTP and RTCP on one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MuxRules {
    /// Offer it always.
    pub offer: bool,
    /// Offer it as if it were accepted: no second port.
    pub require: bool,
    /// Do not offer it; accept it from the offerer.
    pub demux: bool,
    /// Accept it from the offerer.
    pub accept: bool,
    /// Refuse it to the offerer.
    pub reject: bool,
}

/// The transport that the receiver of the description gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// This one.
    To(Protocol),
    /// In an answer: the one that the answerer wrote.
    Accept,
    /// As in the description, whatever was asked before.
    AsIs,
}

/// Lines of the session that are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replace {
    /// Address of o=.
    pub origin: bool,
    /// The whole of o=.
    pub origin_full: bool,
    /// Address of the session's c=. It is always replaced: see the documentation of `session`.
    pub session_connection: bool,
    /// Version of o= counts changes.
    pub version: bool,
    /// Version of o= counts every description.
    pub version_always: bool,
    /// User name of o= stays the same.
    pub username: bool,
    /// s= stays the same.
    pub session_name: bool,
    /// 0.0.0.0 is replaced too.
    pub zero_address: bool,
}

/// Which Type of Service byte is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tos {
    /// That of the configuration.
    #[default]
    Default,
    /// That of before.
    Keep,
    /// This one.
    Set(u8),
}

/// Where recordings go; the recorder reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordingTarget {
    /// A file without ending.
    pub destination: Option<String>,
    /// A whole path.
    pub file: Option<String>,
    /// A folder.
    pub folder: Option<String>,
    /// A pattern of names.
    pub pattern: Option<String>,
}

/// Everything that offer, answer, publish and the subscribe commands may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// ICE towards the receiver.
    pub ice: IceMode,
    /// ICE of the offerer is refused.
    pub reject_ice: bool,
    /// Trickle is told in our descriptions.
    pub trickle: bool,
    /// The description is a fragment with candidates (RFC 8840).
    pub fragment: bool,
    /// DTLS towards the receiver.
    pub dtls: Option<DtlsMode>,
    /// DTLS towards the offerer.
    pub dtls_reverse: Option<DtlsMode>,
    /// No a=tls-id.
    pub no_tls_id: bool,
    /// SDES.
    pub sdes: Sdes,
    /// Optional SRTP.
    pub osrtp: Osrtp,
    /// Keys pass from end to end, the relay has none. Ours: not in rtpengine.
    pub transparent: bool,
    /// rtcp-mux.
    pub mux: MuxRules,
    /// Transport.
    pub transport: Option<Transport>,
    /// Lines of the session.
    pub replace: Replace,
    /// Address family for the receiver.
    pub family: Option<Family>,
    /// Told to the receiver as our address, whatever the interface's is.
    pub media_address: Option<IpAddr>,
    /// Where the SIP message came from.
    pub received_from: Option<IpAddr>,
    /// `received_from` counts more than the description.
    pub sip_source_address: bool,
    /// Interface towards the writer of the description.
    pub from_interface: Option<String>,
    /// Interface towards the receiver.
    pub to_interface: Option<String>,
    /// Codecs.
    pub codec: CodecRules,
    /// Only the first codec is answered.
    pub single_codec: bool,
    /// a=ptime for the receiver, milliseconds.
    pub ptime: Option<u16>,
    /// a=ptime for the offerer, milliseconds.
    pub ptime_reverse: Option<u16>,
    /// Recording on or off.
    pub record: Option<bool>,
    /// Where to.
    pub recording: RecordingTarget,
    /// For the recording.
    pub metadata: Option<String>,
    /// Name of the writer's leg.
    pub label: Option<String>,
    /// Name of the receiver's leg.
    pub to_label: Option<String>,
    /// NAT learning.
    pub learning: Option<Learning>,
    /// No NAT learning for the writer.
    pub asymmetric: bool,
    /// Packets from elsewhere than learned are dropped.
    pub strict_source: bool,
    /// Packets from elsewhere than learned move the peer.
    pub media_handover: bool,
    /// What the receiver's side was found not to have is offered again.
    pub reset: bool,
    /// No a=rtcp.
    pub no_rtcp_attribute: bool,
    /// a=rtcp with its address.
    pub full_rtcp_attribute: bool,
    /// A description that this relay has written passes as it is.
    pub loop_protect: bool,
    /// Directions are not changed by a zero address.
    pub original_sendrecv: bool,
    /// The description that is generated is inactive.
    pub inactive: bool,
    /// Generated descriptions are sendrecv.
    pub bidirectional: bool,
    /// a=mid is added where it is missing.
    pub generate_mid: bool,
    /// a=extmap is taken out.
    pub strip_extmap: bool,
    /// The echo of what this party hears is taken out of what it says (ours: not in rtpengine); `false`: no more.
    pub cancel_echo: Option<bool>,
    /// Noise is taken out of what this party says (ours: not in rtpengine); `false`: no more.
    pub denoise: Option<bool>,
    /// Telephone events can be injected.
    pub inject_dtmf: bool,
    /// Nothing of the call is passed on; `false`: it is again.
    pub drop_traffic: Option<bool>,
    /// A subscription may transcode.
    pub allow_transcoding: bool,
    /// Type of Service.
    pub tos: Tos,
    /// Seconds without packets after which the call is reported; replaces the configuration.
    pub media_timeout_seconds: Option<u32>,
    /// Media types taken out of an offer.
    pub remove_media: Vec<String>,
}
