//! Writes a description for its receiver: the lines of its writer, with addresses, ports, keys and directions of ours. It decides nothing.

use std::net::IpAddr;

use super::call::Leg;
use super::hear::{treatment, Treatment};
use super::medium::Medium;
use super::work::Work;
use crate::ng::Options;
use crate::plan::Local;
use crate::sdp::{payloads, Candidate, CandidateKind, Connection, Description, Direction, Family, Line, Media, Section};

/// Attributes of a section that are never passed on: ours stand in their place.
const OURS: [&str; 12] = [
    "candidate",
    "end-of-candidates",
    "remote-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-mismatch",
    "ice-pacing",
    "ice-lite",
    "rtcp",
    "rtcp-mux",
    "rtcp-mux-only",
];
/// Attributes of keys; they pass when the keys do.
const KEYS: [&str; 4] = ["crypto", "fingerprint", "setup", "tls-id"];
/// The attribute by which a relay knows its own descriptions.
const LOOP: &str = "tandem-relay";

/// Whether the relay of that name has written a description.
pub(super) fn is_ours(description: &Description, instance: &str) -> bool {
    description.session.iter().any(|line| line.attribute(LOOP) == Some(instance.as_bytes()))
}

pub(super) struct Rendering<'r> {
    /// Whose description it was.
    pub from: &'r Leg,
    pub options: &'r Options,
    pub offer: bool,
}

impl Rendering<'_> {
    /// Writes a description of `from` for `to`.
    pub fn write(&self, mut description: Description, to: &mut Leg, work: &mut Work) -> Vec<u8> {
        let sections = description.sections.len();
        let connection = description.session.iter().find(|line| line.of_type(b'c').is_some()).cloned();
        // What is not ours keeps its address, which the session's line will no longer tell.
        let bare =
            |section: &&mut Section| treatment(section) == Treatment::Pass && section.lines.iter().all(|line| line.of_type(b'c').is_none());
        description.sections.iter_mut().filter(bare).for_each(|section| section.lines.splice(..0, connection.clone()).for_each(drop));
        for (index, section) in description.sections.iter_mut().enumerate() {
            self.section(index, section, to, work);
        }
        for medium in to.media.iter().skip(sections).filter(|_| !self.offer) {
            let formats = if medium.formats.is_empty() { vec!["0".to_owned()] } else { medium.formats.clone() };
            let media = Media { kind: medium.kind.clone(), port: 0, ports: 1, protocol: medium.protocol.clone(), formats };
            description.sections.push(Section::new(media));
        }
        self.session(&mut description, to, work);
        description.write()
    }

    fn section(&self, index: usize, section: &mut Section, to: &mut Leg, work: &mut Work) {
        if treatment(section) == Treatment::Pass {
            return;
        }
        let told = |local: Local| Local { advertised: self.options.media_address.unwrap_or(local.advertised), ..local };
        let local = to.carried(index).and_then(|medium| medium.local).map(told);
        let (credentials, tls_id, family) = (to.ice.clone(), to.tls_id.clone(), to.family);
        let Some(medium) = to.media.get_mut(index) else { return };
        let theirs = self.from.media.get(index).and_then(|medium| medium.theirs.as_ref());
        let mut own: Vec<&str> = [&OURS[..], &Direction::NAMES, &["bundle-only"]].concat();
        if !medium.ours.opaque {
            own.extend(KEYS);
        }
        if self.options.strip_extmap {
            own.push("extmap");
        }
        section.strip(&own);
        section.lines.retain(|line| line.of_type(b'c').is_none());
        self.mid(index, section, medium);
        let Some(local) = local.filter(|_| medium.open) else {
            section.set_media(Media { port: 0, ports: 1, protocol: medium.protocol.clone(), ..section.media.clone() });
            connect(section, nowhere(family), true);
            section.push(Direction::Inactive.as_str(), None);
            return;
        };
        section.set_media(Media { port: local.rtp, ports: 1, protocol: medium.protocol.clone(), ..section.media.clone() });
        let zero = theirs.is_some_and(|theirs| theirs.zero) && !self.options.replace.zero_address;
        connect(section, local.advertised, zero);
        let direction = theirs.map_or(Direction::SendRecv, |theirs| theirs.direction);
        section.push(direction.as_str(), None);
        if medium.protocol.is_rtp() {
            let ptime = if self.offer { self.options.ptime } else { medium.ptime };
            if let Some(ptime) = ptime {
                section.strip(&["ptime"]);
                section.push("ptime", Some(&ptime.to_string()));
            }
            self.rtcp(section, medium, local);
            if let Some(credentials) = credentials.filter(|_| medium.ours.ice) {
                section.push("ice-ufrag", Some(&credentials.ufrag));
                section.push("ice-pwd", Some(&credentials.pwd));
                self.candidates(section, medium, local);
            }
            self.keys(section, medium, tls_id.as_deref(), work);
            medium.ours.payloads = payloads(section);
        }
        (medium.ours.told, medium.ours.offer) = (true, self.offer);
    }

    /// A section keeps the tag of its offerer; one that has none is given one when that is asked for.
    fn mid(&self, index: usize, section: &mut Section, medium: &Medium) {
        if !self.offer {
            section.strip(&["mid"]);
            if let Some(mid) = medium.theirs.as_ref().and_then(|theirs| theirs.mid.as_deref()) {
                section.push("mid", Some(mid));
            }
        } else if self.options.generate_mid && !section.has("mid") {
            section.push("mid", Some(&(index + 1).to_string()));
        }
    }

    fn rtcp(&self, section: &mut Section, medium: &Medium, local: Local) {
        let one_port = medium.ours.mux && (medium.ours.mux_required || !self.offer);
        if !self.options.no_rtcp_attribute {
            let port = if one_port { local.rtp } else { local.rtcp };
            let value = match self.options.full_rtcp_attribute {
                true => format!("{port} {}", Connection::value(local.advertised)),
                false => port.to_string(),
            };
            section.push("rtcp", Some(&value));
        }
        if medium.ours.mux {
            section.push("rtcp-mux", None);
        }
    }

    fn candidates(&self, section: &mut Section, medium: &Medium, local: Local) {
        let trickle = self.options.trickle || !self.offer && medium.theirs.as_ref().is_some_and(|theirs| theirs.trickles);
        if trickle {
            section.push("ice-options", Some("trickle"));
        }
        if medium.carrier.is_some() {
            return;
        }
        let one_port = medium.ours.mux && (medium.ours.mux_required || !self.offer);
        for (component, port) in [(1, local.rtp), (2, local.rtcp)].into_iter().take(if one_port { 1 } else { 2 }) {
            let address = std::net::SocketAddr::new(local.advertised, port);
            let priority = Candidate::host_priority(component);
            let candidate = Candidate { foundation: "1".to_owned(), component, priority, address, kind: CandidateKind::Host };
            section.push("candidate", Some(&candidate.value()));
        }
        if trickle {
            section.push("end-of-candidates", None);
        }
    }

    fn keys(&self, section: &mut Section, medium: &Medium, tls_id: Option<&str>, work: &Work) {
        for crypto in &medium.ours.crypto {
            section.push("crypto", Some(&crypto.value(!self.options.sdes.unpadded, self.options.sdes.lifetime)));
        }
        if let Some(setup) = medium.ours.setup.filter(|_| medium.ours.dtls) {
            section.push("setup", Some(setup.as_str()));
            section.push("fingerprint", Some(&work.outside.fingerprint().value()));
            if let Some(tls_id) = tls_id.filter(|_| !self.options.no_tls_id) {
                section.push("tls-id", Some(tls_id));
            }
        }
    }

    fn session(&self, description: &mut Description, to: &mut Leg, work: &Work) {
        let opaque = to.media.iter().any(|medium| medium.open && medium.ours.opaque);
        let bundle = |line: &Line| line.attribute("group").is_some_and(|value| value.starts_with(b"BUNDLE"));
        let keys = |line: &Line| !opaque && line.is_one_of(&KEYS);
        let extmap = |line: &Line| self.options.strip_extmap && line.is_one_of(&["extmap"]);
        description
            .session
            .retain(|line| !(bundle(line) || keys(line) || extmap(line) || line.is_one_of(&OURS) || line.is_one_of(&Direction::NAMES)));
        let address = to.media.iter().find_map(|medium| medium.local).map(|local| self.options.media_address.unwrap_or(local.advertised));
        let held = description.sections.iter().any(|section| {
            section.lines.iter().filter_map(|line| line.of_type(b'c')).any(|value| Connection::parse(value).is_some_and(|c| c.is_zero()))
        });
        for line in description.session.iter_mut().filter(|line| line.of_type(b'c').is_some()) {
            *line = Line::from(format!("c={}", Connection::value(address.filter(|_| !held).unwrap_or(nowhere(to.family)))));
        }
        let mids: Vec<String> =
            to.our_bundle.iter().filter_map(|at| description.sections.get(usize::from(*at)).and_then(Section::mid)).collect();
        if !mids.is_empty() {
            description.session.push(Line::attribute_of("group", Some(&format!("BUNDLE {}", mids.join(" ")))));
        }
        if to.media.iter().any(|medium| medium.open && medium.ours.ice) {
            description.session.push(Line::attribute_of("ice-lite", None));
        }
        if self.options.loop_protect {
            description.session.push(Line::attribute_of(LOOP, Some(&work.settings.instance)));
        }
        super::origin::replace(description, &mut to.told, self.options.replace, address);
    }
}

/// Puts the connection line where RFC 8866 5 has it: after the title.
fn connect(section: &mut Section, address: IpAddr, zero: bool) {
    let at = section.lines.iter().take_while(|line| line.of_type(b'i').is_some()).count();
    let address = if zero { nowhere(Family::of(address)) } else { address };
    section.lines.insert(at, Line::from(format!("c={}", Connection::value(address))));
}

fn nowhere(family: Family) -> IpAddr {
    match family {
        Family::Ip4 => IpAddr::from([0; 4]),
        Family::Ip6 => IpAddr::from([0; 16]),
    }
}
