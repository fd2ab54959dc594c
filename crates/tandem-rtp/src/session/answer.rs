//! Answers: who gave them, what they say, what the offerer is told.

use super::call::{Call, Leg};
use super::hear::hear;
use super::medium::Medium;
use super::offer::{common, finish, waiting};
use super::render::Rendering;
use super::work::Work;
use super::{bundle, codecs, security};
use crate::ng::{Failure, IceMode, Options, Signal, Transport};
use crate::sdp::{Description, Section, Setup};

/// Carries an answer out and returns the description for the offerer.
pub(super) fn answer(call: &mut Call, signal: &Signal, work: &mut Work) -> Result<Vec<u8>, Failure> {
    let options = &signal.options;
    let mut description = Description::read(&signal.sdp)?;
    if options.loop_protect && super::render::is_ours(&description, &work.settings.instance) {
        return Ok(signal.sdp.clone());
    }
    let (offerer, answerer) = parties(call, signal)?;
    common(call, options);
    let Some((a, b)) = call.two(offerer, answerer) else { return Err(Failure::State("from-tag and to-tag are one party")) };
    if a.media.iter().all(|medium| medium.theirs.is_none()) {
        return Err(Failure::State("an answer came without an offer"));
    }
    description.sections.truncate(a.media.len());
    hear(b, &description, options, false);
    work.place(a, options.to_interface.as_deref(), None)?;
    b.ice_refused =
        b.media.iter().filter(|medium| medium.ours.ice).any(|medium| medium.theirs.as_ref().is_some_and(|theirs| theirs.ice.is_none()));
    for index in 0..a.media.len() {
        let (Some(to), Some(from)) = (a.media.get_mut(index), b.media.get_mut(index)) else { continue };
        let says_open = |medium: &Medium| medium.theirs.as_ref().is_some_and(|theirs| theirs.open);
        let open = says_open(to) && says_open(from);
        (to.open, from.open) = (open, open);
        match description.sections.get_mut(index).filter(|_| open) {
            Some(section) => accept(to, from, section, options, work)?,
            None => {
                to.close();
                from.close();
            }
        }
    }
    bundle::answer(a, b);
    finish(a, work)?;
    finish(b, work)?;
    let sdp = Rendering { from: b, options, offer: false }.write(description, a, work);
    call.join(offerer, answerer);
    Ok(sdp)
}

/// What the offerer is answered in one section.
fn accept(to: &mut Medium, from: &mut Medium, section: &mut Section, options: &Options, work: &mut Work) -> Result<(), Failure> {
    if options.transport == Some(Transport::Accept)
        && section.media.protocol.is_rtp()
        && section.media.protocol.is_secure() == to.protocol.is_secure()
    {
        to.protocol = section.media.protocol.clone();
    }
    let rtp = to.protocol.is_rtp();
    let theirs = to.theirs.clone().unwrap_or_default();
    to.ours.mux_required = false;
    to.ours.mux =
        rtp && theirs.mux && !options.mux.reject && (options.mux.accept || options.mux.demux || to.takes_mux.unwrap_or(from.mux()));
    to.ours.ice = rtp && theirs.ice.is_some() && !to.refuses_ice && options.ice != IceMode::Remove;
    codecs::answer(section, to, &options.codec, options.single_codec, &work.settings.transcodes);
    security::answered(from);
    let secure = security::agreed(from) || options.osrtp.accept;
    if from.protocol.is_secure() && !security::agreed(from) {
        work.warn(format!("sdp: the answer to secure {} has no key that was offered", from.kind));
    }
    security::accept(to, options.dtls, options, secure, work)?;
    to.ours.active = to.ours.setup == Some(Setup::Active);
    Ok(())
}

/// The places of the offerer's leg and of the answerer's.
fn parties(call: &mut Call, signal: &Signal) -> Result<(usize, usize), Failure> {
    let unknown = |field, value: &str| Failure::Party { field, value: value.chars().take(64).collect() };
    let offerer = call.by_tag(&signal.from_tag).ok_or_else(|| unknown("from-tag", &signal.from_tag))?;
    let tag = signal.to_tag.as_deref().ok_or(Failure::Missing("to-tag"))?;
    let number = call.legs.get(offerer).map(|leg| leg.number);
    let of_branch = |leg: &Leg| leg.peer == number && signal.branch.is_some() && leg.branch == signal.branch;
    let partner = call.legs.get(offerer).and_then(|leg| leg.peer).and_then(|peer| call.by_number(peer));
    let answerer = call.by_tag(tag).or_else(|| waiting(call, offerer, signal)).or_else(|| call.legs.iter().position(of_branch)).or(partner);
    let answerer = answerer.filter(|&at| at != offerer).ok_or_else(|| unknown("to-tag", tag))?;
    call.legs.get_mut(answerer).into_iter().for_each(|leg| leg.answered_by(tag));
    Ok((offerer, answerer))
}
