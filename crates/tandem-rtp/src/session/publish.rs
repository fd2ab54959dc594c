//! publish and subscribe: media copied from parties of a call to others, outside of offer and answer between them.

use super::call::{Call, Leg, Role, LEGS};
use super::codecs;
use super::control::places;
use super::hear::{hear, treatment, Treatment};
use super::medium::{Medium, Theirs};
use super::offer::{common, finish, propose};
use super::render::Rendering;
use super::security;
use super::work::Work;
use crate::ng::{Failure, IceMode, Signal, Subscribe};
use crate::sdp::{payloads, Description, Direction, Line, Media, Section, Setup};

/// Characters of a tag or call-id that we make.
pub(super) const NAME_CHARACTERS: usize = 24;

/// A party publishes its media; the answer is ours.
pub(super) fn publish(call: &mut Call, signal: &Signal, work: &mut Work) -> Result<Vec<u8>, Failure> {
    let options = &signal.options;
    let mut description = Description::read(&signal.sdp)?;
    let at = leg(call, &signal.from_tag, Role::Publisher, work)?;
    common(call, options);
    let Some(publisher) = call.legs.get_mut(at) else { return Err(Failure::State("the publisher is gone")) };
    let family = description.sections.iter().find_map(|section| description.connection(section)).map(|connection| connection.family);
    hear(publisher, &description, options, true);
    let new = publisher.interface.is_empty();
    work.place(publisher, options.from_interface.as_deref(), options.family.or(family.filter(|_| new)))?;
    let direction = if options.bidirectional { Direction::SendRecv } else { Direction::RecvOnly };
    for (section, medium) in description.sections.iter_mut().zip(&mut publisher.media) {
        let theirs = medium.theirs.clone().unwrap_or_default();
        medium.open = theirs.open && section.media.protocol.is_rtp();
        if !medium.open {
            medium.close();
            continue;
        }
        codecs::published(section, &options.codec);
        section.lines.retain(|line| line.is_one_of(&["rtpmap", "fmtp", "rtcp-fb", "ptime", "extmap", "mid"]));
        medium.ours.mux = theirs.mux && !options.mux.reject;
        medium.ours.ice = theirs.ice.is_some() && options.ice != IceMode::Remove;
        security::accept(medium, options.dtls, options, true, work)?;
        medium.ours.active = medium.ours.setup == Some(Setup::Active);
        medium.carrier = None;
    }
    finish(publisher, work)?;
    description.session = session(publisher, work);
    let from = phantom(publisher, direction);
    Ok(Rendering { from: &from, options, offer: false }.write(description, publisher, work))
}

/// Somebody wants copies; the offer is ours. Returns it with the tags of those who are heard, and of the subscription.
pub(super) fn request(call: &mut Call, subscribe: &Subscribe, work: &mut Work) -> Result<(Vec<u8>, Vec<String>, String), Failure> {
    let options = &subscribe.options;
    let sources = places(call, &subscribe.party)?;
    let sources: Vec<Leg> =
        sources.into_iter().filter_map(|at| call.legs.get(at)).filter(|leg| leg.role != Role::Subscriber).cloned().collect();
    let tags = sources.iter().filter_map(|leg| leg.tag.clone()).collect();
    let tag = subscribe.to_tag.clone().unwrap_or_else(|| work.letters::<NAME_CHARACTERS>().replace('/', "-"));
    let at = leg(call, &tag, Role::Subscriber, work)?;
    let Some(subscriber) = call.legs.get_mut(at) else { return Err(Failure::State("the subscription is gone")) };
    if options.bidirectional {
        work.warn("flag 'bidirectional' is not served for subscriptions".to_owned());
    }
    let family = sources.first().map(|leg| leg.family);
    let new = subscriber.interface.is_empty();
    work.place(
        subscriber,
        options.to_interface.as_deref().or(options.from_interface.as_deref()),
        options.family.or(family.filter(|_| new)),
    )?;
    subscriber.label = options.to_label.clone().or(subscriber.label.take());
    subscriber.hears.clear();
    let mut description = Description { session: Vec::new(), sections: Vec::new() };
    let heard = sources.iter().flat_map(|leg| {
        leg.media
            .iter()
            .enumerate()
            .filter(|(_, medium)| medium.open && medium.protocol.is_rtp())
            .map(move |(at, medium)| (leg.number, at, medium))
    });
    for (index, (number, section_at, source)) in heard.enumerate() {
        let (mut section, mut source) = (copied(source), copy_of(source));
        if subscriber.media.len() == index {
            subscriber.media.push(Medium::new(&source.kind, source.protocol.clone()));
        }
        let Some(medium) = subscriber.media.get_mut(index) else { continue };
        medium.kind.clone_from(&source.kind);
        medium.open = true;
        codecs::offer(&mut section, &mut source, &options.codec, work);
        propose(medium, &mut source, false, options, work)?;
        subscriber.hears.push((number, u16::try_from(section_at).unwrap_or(u16::MAX)));
        description.sections.push(section);
    }
    if description.sections.is_empty() {
        return Err(Failure::State("nothing that can be subscribed to is open"));
    }
    subscriber.media.iter_mut().skip(description.sections.len()).for_each(Medium::close);
    finish(subscriber, work)?;
    description.session = session(subscriber, work);
    let from = phantom(subscriber, if options.inactive { Direction::Inactive } else { Direction::SendOnly });
    let sdp = Rendering { from: &from, options, offer: true }.write(description, subscriber, work);
    Ok((sdp, tags, tag))
}

/// The subscriber has answered.
pub(super) fn answer(call: &mut Call, signal: &Signal, work: &mut Work) -> Result<(), Failure> {
    let description = Description::read(&signal.sdp)?;
    let tag = signal.to_tag.as_deref().ok_or(Failure::Missing("to-tag"))?;
    let at = subscriber(call, tag)?;
    common(call, &signal.options);
    let Some(leg) = call.legs.get_mut(at) else { return Err(Failure::State("the subscription is gone")) };
    if description.sections.len() != leg.hears.len() {
        return Err(Failure::State("sdp: the answer has other media sections than the subscription"));
    }
    hear(leg, &description, &signal.options, false);
    for medium in &mut leg.media {
        medium.open &= medium.theirs.as_ref().is_some_and(|theirs| theirs.open);
        if !medium.open {
            medium.close();
            continue;
        }
        if !signal.options.allow_transcoding && !codecs::takes_all(medium) {
            return Err(Failure::State("sdp: the answer refuses a codec of the subscription, and transcoding is not allowed"));
        }
        security::answered(medium);
        if medium.protocol.is_secure() && !security::agreed(medium) {
            return Err(Failure::State("sdp: the answer to secure media has no key that was offered"));
        }
    }
    finish(leg, work)
}

/// The subscription ends.
pub(super) fn unsubscribe(call: &mut Call, tag: &str) -> Result<(), Failure> {
    let at = subscriber(call, tag)?;
    call.legs.remove(at);
    Ok(())
}

fn subscriber(call: &Call, tag: &str) -> Result<usize, Failure> {
    let at = call.by_tag(tag).filter(|&at| call.legs.get(at).is_some_and(|leg| leg.role == Role::Subscriber));
    at.ok_or_else(|| Failure::Party { field: "to-tag", value: tag.chars().take(64).collect() })
}

/// The leg of that tag; a new one gets the role.
fn leg(call: &mut Call, tag: &str, role: Role, work: &Work) -> Result<usize, Failure> {
    if let Some(at) = call.by_tag(tag) {
        let same = call.legs.get(at).is_some_and(|leg| leg.role == role);
        return if same { Ok(at) } else { Err(Failure::Party { field: "tag", value: tag.chars().take(64).collect() }) };
    }
    if call.legs.len() >= LEGS {
        return Err(Failure::Full { what: "parties of a call", most: LEGS });
    }
    let at = call.add(Some(tag), work.now);
    call.legs.get_mut(at).into_iter().for_each(|leg| leg.role = role);
    Ok(at)
}

/// The session lines of a description that is all ours.
fn session(leg: &Leg, work: &mut Work) -> Vec<Line<'static>> {
    let id = leg.told.version.max(u64::from(leg.number));
    let address = leg.media.iter().find_map(|medium| medium.local).map(|local| crate::sdp::Connection::value(local.advertised));
    let address = address.unwrap_or_else(|| "IN IP4 0.0.0.0".to_owned());
    ["v=0".to_owned(), format!("o=- {} {id} {address}", work.now), format!("s={}", work.settings.instance), "t=0 0".to_owned()]
        .into_iter()
        .map(Line::from)
        .collect()
}

/// A stand-in for the other side, which has nothing but a direction.
fn phantom(leg: &Leg, direction: Direction) -> Leg {
    let mut phantom = leg.clone();
    phantom.media.iter_mut().for_each(|medium| medium.theirs = Some(Theirs { direction, ..Theirs::default() }));
    phantom
}

/// A section that offers what a source sends.
fn copied(source: &Medium) -> Section<'static> {
    let sent = if source.ours.payloads.is_empty() {
        source.theirs.as_ref().map_or(&[][..], |theirs| &theirs.payloads)
    } else {
        &source.ours.payloads
    };
    let mut section =
        Section::new(Media { kind: source.kind.clone(), port: 0, ports: 1, protocol: source.protocol.clone(), formats: Vec::new() });
    sent.iter().for_each(|payload| codecs::append(&mut section, payload));
    section
}

/// What a subscription takes over of its source: transport and payload types, no keys.
fn copy_of(source: &Medium) -> Medium {
    let section = copied(source);
    Medium {
        theirs: Some(Theirs { payloads: payloads(&section), open: treatment(&section) == Treatment::Relay, ..Theirs::default() }),
        ..Medium::new(&source.kind, source.protocol.clone())
    }
}
