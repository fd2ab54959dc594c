//! Offers: who they concern, what they say, what the other side is offered. Answers are next door, descriptions are written by `render`.

use super::call::{Call, Leg, LEGS};
use super::hear::{hear, treatment, Treatment};
use super::medium::Medium;
use super::render::Rendering;
use super::work::Work;
use super::{bundle, codecs, render, security};
use crate::ng::{DtlsMode, Failure, IceMode, Options, Signal, Tos, Transport};
use crate::sdp::{Candidate, Description};

/// Carries an offer out and returns the description for its receiver; `None`: it was a fragment.
pub(super) fn offer(call: &mut Call, signal: &Signal, work: &mut Work) -> Result<Option<Vec<u8>>, Failure> {
    let options = &signal.options;
    let mut description = Description::read(&signal.sdp)?;
    if options.loop_protect && render::is_ours(&description, &work.settings.instance) {
        return Ok(Some(signal.sdp.clone()));
    }
    if options.fragment {
        fragment(call, signal, &description);
        return Ok(None);
    }
    let (from, to) = parties(call, signal, work)?;
    common(call, options);
    let Some((a, b)) = call.two(from, to) else { return Err(Failure::State("from-tag and to-tag are one party")) };
    let told_family = description.sections.iter().find_map(|section| description.connection(section)).map(|connection| connection.family);
    a.began |= a.media.is_empty() && b.media.is_empty();
    hear(a, &description, options, true);
    let (new_a, new_b) = (a.interface.is_empty(), b.interface.is_empty());
    work.place(a, options.from_interface.as_deref(), told_family.filter(|_| new_a))?;
    work.place(b, options.to_interface.as_deref(), options.family.or(told_family.filter(|_| new_b)))?;
    b.label = options.to_label.clone().or(b.label.take());
    b.branch = signal.branch.clone().or(b.branch.take());
    b.ice_refused &= !options.reset;
    for (index, section) in description.sections.iter_mut().enumerate() {
        if b.media.len() == index {
            b.media.push(Medium::new(&section.media.kind, section.media.protocol.clone()));
        }
        let (Some(from), Some(to)) = (a.media.get_mut(index), b.media.get_mut(index)) else { continue };
        to.kind.clone_from(&from.kind);
        let removed = options.remove_media.contains(&section.media.kind);
        let open = from.theirs.as_ref().is_some_and(|theirs| theirs.open) && !removed;
        (from.open, to.open) = (open, open);
        if open {
            codecs::offer(section, from, &options.codec, work);
            propose(to, from, b.ice_refused, options, work)?;
        } else {
            from.close();
            to.close();
        }
    }
    for medium in a.media.iter_mut().skip(description.sections.len()).chain(b.media.iter_mut().skip(description.sections.len())) {
        medium.close();
    }
    bundle::offer(a, b);
    finish(a, work)?;
    finish(b, work)?;
    let sdp = Rendering { from: a, options, offer: true }.write(description, b, work);
    call.join(from, to);
    Ok(Some(sdp))
}

/// What the receiver of an offer is offered in one section.
pub(super) fn propose(to: &mut Medium, from: &mut Medium, ice_refused: bool, options: &Options, work: &mut Work) -> Result<(), Failure> {
    let theirs = from.theirs.clone().unwrap_or_default();
    to.protocol = match &options.transport {
        Some(Transport::To(protocol)) if from.protocol.is_rtp() => protocol.clone(),
        _ => from.protocol.clone(),
    };
    let (rtp, mux) = (to.protocol.is_rtp(), options.mux);
    to.ours.mux_required = rtp && mux.require;
    to.ours.mux = rtp && (mux.offer || mux.require || theirs.mux && !mux.demux);
    from.takes_mux = match mux {
        _ if mux.reject => Some(false),
        _ if mux.demux || mux.accept || theirs.mux_only => Some(true),
        _ => None,
    };
    to.ours.ice = rtp
        && !ice_refused
        && match options.ice {
            IceMode::Remove => false,
            IceMode::Default => theirs.ice.is_some(),
            IceMode::Force | IceMode::Optional | IceMode::ForceRelay => true,
        };
    from.refuses_ice = options.reject_ice;
    from.ptime = options.ptime_reverse.or(from.ptime);
    security::offer(to, from, options, work);
    from.ours.opaque = to.ours.opaque;
    // DTLS=off is meant for the receiver; an offerer that has nothing else keeps it.
    let dtls = options.dtls_reverse.or(options.dtls.filter(|mode| *mode != DtlsMode::Off || !theirs.crypto.is_empty()));
    security::accept(from, dtls, options, true, work)
}

/// What both sides need before they are told: credentials, names, ports.
pub(super) fn finish(leg: &mut Leg, work: &mut Work) -> Result<(), Failure> {
    let open = || leg.media.iter().filter(|medium| medium.open);
    let (ice, dtls) = (open().any(|medium| medium.ours.ice), open().any(|medium| medium.ours.dtls));
    if ice && leg.ice.is_none() {
        leg.ice = Some(work.credentials());
    }
    if dtls && leg.tls_id.is_none() {
        leg.tls_id = Some(work.letters::<TLS_ID_CHARACTERS>().replace('/', "-"));
    }
    work.ports(leg)
}

/// Characters of a=tls-id (RFC 8842 4: 20 to 255).
const TLS_ID_CHARACTERS: usize = 32;

/// The places of the offerer's leg and of the other one; both are made when they are new.
fn parties(call: &mut Call, signal: &Signal, work: &Work) -> Result<(usize, usize), Failure> {
    let from = match call.by_tag(&signal.from_tag) {
        Some(at) => at,
        None => add(call, Some(&signal.from_tag), work.now)?,
    };
    if let Some(tag) = &signal.to_tag {
        let known = call.by_tag(tag).or_else(|| waiting(call, from, signal));
        let to = known.map_or_else(|| add(call, Some(tag), work.now), Ok)?;
        call.legs.get_mut(to).into_iter().for_each(|leg| leg.answered_by(tag));
        return Ok((from, to));
    }
    let number = call.legs.get(from).map(|leg| leg.number);
    let of_branch = |leg: &Leg| leg.peer == number && signal.branch.is_some() && leg.branch == signal.branch;
    let to = call.legs.iter().position(of_branch).or_else(|| waiting(call, from, signal));
    Ok((from, to.map_or_else(|| add(call, None, work.now), Ok)?))
}

/// A leg that got an offer of this party, and whose tag is not known yet.
pub(super) fn waiting(call: &Call, from: usize, signal: &Signal) -> Option<usize> {
    let number = call.legs.get(from)?.number;
    let waits = |leg: &&Leg| leg.peer == Some(number) && leg.tag.is_none();
    let same_branch = |leg: &Leg| signal.branch.is_some() && leg.branch == signal.branch;
    let any = |leg: &Leg| signal.branch.is_none() || leg.branch.is_none();
    let find = |fits: &dyn Fn(&Leg) -> bool| call.legs.iter().rposition(|leg| waits(&leg) && fits(leg));
    find(&same_branch).or_else(|| find(&any))
}

fn add(call: &mut Call, tag: Option<&str>, now: u64) -> Result<usize, Failure> {
    match call.legs.len() < LEGS {
        true => Ok(call.add(tag, now)),
        false => Err(Failure::Full { what: "parties of a call", most: LEGS }),
    }
}

/// What an offer or answer says about the whole call.
pub(super) fn common(call: &mut Call, options: &Options) {
    call.tos = match options.tos {
        Tos::Set(tos) => Some(tos),
        Tos::Keep => call.tos,
        Tos::Default => None,
    };
    call.held_back.traffic = options.drop_traffic.unwrap_or(call.held_back.traffic);
    call.metadata = options.metadata.clone().or(call.metadata.take());
}

/// Candidates that come later (RFC 8840).
fn fragment(call: &mut Call, signal: &Signal, description: &Description) {
    let Some(leg) = call.by_tag(&signal.from_tag).and_then(|at| call.legs.get_mut(at)) else { return };
    for section in description.sections.iter().filter(|section| treatment(section) == Treatment::Relay) {
        let mine = |medium: &&mut Medium| medium.theirs.as_ref().is_some_and(|theirs| theirs.mid == section.mid());
        let Some(ice) = leg.media.iter_mut().find(mine).and_then(|medium| medium.theirs.as_mut()?.ice.as_mut()) else { continue };
        for candidate in section.attributes("candidate").filter_map(Candidate::parse) {
            if ice.peer.candidates.len() < super::hear::CANDIDATES && !ice.peer.candidates.contains(&candidate) {
                ice.peer.candidates.push(candidate);
            }
        }
    }
}
