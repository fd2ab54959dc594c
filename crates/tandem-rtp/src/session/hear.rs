//! What a peer's description says about its sections, taken in. What is answered is decided elsewhere.

use std::net::{IpAddr, SocketAddr};

use super::call::Leg;
use super::medium::{Medium, TheirIce, Theirs};
use crate::ng::Options;
use crate::plan::{Credentials, IcePeer};
use crate::sdp::{self, Candidate, Crypto, Description, Fingerprint, Section, Setup};

/// Candidates of a section that are kept.
pub const CANDIDATES: usize = 32;
/// Characters of an ICE user name or password (RFC 8839 5.4).
const ICE_CHARACTERS: usize = 256;
/// The port that stands for "not yet" beside trickled candidates (RFC 8840 4.1.1).
const DISCARD: u16 = 9;

/// How a section of that transport is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Its packets go through us.
    Relay,
    /// It is not ours: its lines pass as they are.
    Pass,
    /// It cannot pass where DTLS ends at us: refused.
    Refuse,
}

pub(super) fn treatment(section: &Section) -> Treatment {
    let protocol = &section.media.protocol;
    match protocol.as_str().to_ascii_uppercase() {
        _ if protocol.is_rtp() || protocol.is_raw_datagrams() => Treatment::Relay,
        name if name.starts_with("UDP/") || name.starts_with("DTLS/") => Treatment::Refuse,
        _ => Treatment::Pass,
    }
}

/// Takes a whole description of a leg's peer in. `offer`: a section may be open with port 0 (RFC 9143 6).
pub(super) fn hear(leg: &mut Leg, description: &Description, options: &Options, offer: bool) {
    let source = options.received_from.filter(|_| options.sip_source_address);
    for (index, section) in description.sections.iter().enumerate() {
        if leg.media.len() == index {
            leg.media.push(Medium::new(&section.media.kind, section.media.protocol.clone()));
        }
        let Some(medium) = leg.media.get_mut(index) else { continue };
        medium.hear(theirs(description, section, source, options), section, offer);
    }
    // A later description never has fewer sections (RFC 3264 8); those that are not there are closed.
    leg.media
        .iter_mut()
        .skip(description.sections.len())
        .filter_map(|medium| medium.theirs.as_mut())
        .for_each(|theirs| theirs.open = false);
    let bundles = description.bundles();
    let group = bundles.first().map(Vec::as_slice).unwrap_or_default();
    let place = |mid: &String| description.sections.iter().position(|section| section.mid().as_ref() == Some(mid));
    leg.their_bundle = group.iter().filter_map(|mid| place(mid).and_then(|at| u16::try_from(at).ok())).collect();
    let ufrag = leg
        .media
        .iter()
        .filter_map(|medium| medium.theirs.as_ref())
        .filter(|theirs| theirs.open)
        .find_map(|theirs| Some(theirs.ice.as_ref()?.credentials.ufrag.clone()));
    // New credentials of the peer ask for new ones of ours (RFC 8445 9); an answer brings its first ones.
    if offer && leg.their_ufrag.is_some() && ufrag.is_some() && leg.their_ufrag != ufrag {
        leg.ice = None;
    }
    if ufrag.is_some() {
        leg.their_ufrag = ufrag;
    }
    leg.asymmetric = options.asymmetric;
    leg.strict = options.strict_source;
    leg.handover = options.media_handover;
    leg.inject_dtmf |= options.inject_dtmf;
    leg.clean.noise = options.denoise.unwrap_or(leg.clean.noise);
    leg.clean.echo = options.cancel_echo.unwrap_or(leg.clean.echo);
    leg.learning = options.learning.or(leg.learning);
    leg.timeout_seconds = options.media_timeout_seconds.or(leg.timeout_seconds);
    leg.label = options.label.clone().or(leg.label.take());
}

impl Medium {
    fn hear(&mut self, theirs: Theirs, section: &Section, offer: bool) {
        if let Some(before) = &self.theirs {
            let changed = |before: &Option<String>, now: &Option<String>| before.is_some() && now.is_some() && before != now;
            if before.fingerprint.is_some()
                && theirs.fingerprint.is_some()
                && (before.fingerprint != theirs.fingerprint || changed(&before.tls_id, &theirs.tls_id))
            {
                self.association += 1;
            }
        }
        self.kind.clone_from(&section.media.kind);
        self.formats.clone_from(&section.media.formats);
        if offer {
            self.protocol = section.media.protocol.clone();
        }
        let open = section.media.port != 0 || offer && theirs.bundle_only;
        self.theirs = Some(Theirs { open: open && treatment(section) == Treatment::Relay, ..theirs });
    }
}

/// What a section says. `source`: where the peer really is, when that is known better.
fn theirs(description: &Description, section: &Section, source: Option<IpAddr>, options: &Options) -> Theirs {
    let ice = ice(description, section);
    let connection = description.connection(section);
    let zero = connection.is_some_and(|connection| connection.is_zero()) && ice.is_none();
    let told = connection.and_then(|connection| connection.address).filter(|address| !address.is_unspecified());
    let address = told.map(|told| source.unwrap_or(told)).or(source.filter(|_| !zero));
    let at = |port: u16| address.filter(|_| port != 0 && port != DISCARD).map(|address| SocketAddr::new(address, port));
    let rtcp = section.attribute("rtcp").and_then(sdp::rtcp_port);
    let rtcp_at = rtcp.and_then(|(port, other)| {
        other.filter(|other| !other.is_unspecified() && source.is_none()).map(|other| SocketAddr::new(other, port)).or_else(|| at(port))
    });
    let direction = description.direction(section);
    let hash = description.inherited(section, "fingerprint").and_then(Fingerprint::parse);
    let mux_only = section.has("rtcp-mux-only") || rtcp.is_some_and(|(port, _)| port == section.media.port) && section.has("rtcp-mux");
    Theirs {
        open: false,
        rtp: at(section.media.port),
        rtcp: rtcp_at,
        direction: if zero && !options.original_sendrecv { sdp::Direction::of(direction.sends(), false) } else { direction },
        zero,
        payloads: if section.media.protocol.is_rtp() { sdp::payloads(section) } else { Vec::new() },
        ptime: section.attribute("ptime").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()),
        mux: section.has("rtcp-mux") || section.has("rtcp-mux-only"),
        mux_only,
        ice,
        crypto: section.attributes("crypto").filter_map(Crypto::parse).collect(),
        has_crypto: section.has("crypto"),
        fingerprint: hash,
        setup: description.inherited(section, "setup").and_then(Setup::parse),
        tls_id: description.inherited(section, "tls-id").map(|value| String::from_utf8_lossy(value).into_owned()),
        mid: section.mid(),
        bundle_only: section.has("bundle-only"),
        trickles: description
            .inherited(section, "ice-options")
            .is_some_and(|value| value.split(u8::is_ascii_whitespace).any(|option| option == b"trickle")),
    }
}

fn ice(description: &Description, section: &Section) -> Option<TheirIce> {
    let text = |name| {
        description
            .inherited(section, name)
            .and_then(|value| std::str::from_utf8(value).ok())
            .filter(|text| (1..=ICE_CHARACTERS).contains(&text.len()))
    };
    let (ufrag, pwd) = (text("ice-ufrag")?.to_owned(), text("ice-pwd")?.to_owned());
    let candidates = section.attributes("candidate").filter_map(Candidate::parse).take(CANDIDATES).collect();
    let lite = description.attribute("ice-lite").is_some();
    Some(TheirIce { credentials: Credentials { ufrag, pwd }, peer: IcePeer { lite, controlling: false, candidates } })
}
