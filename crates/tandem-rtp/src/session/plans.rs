//! What the endpoints of a call have to do, read off its legs. The whole is made anew each time; the difference is what is ordered.

use std::collections::BTreeMap;

use super::call::{Call, Leg};
use super::medium::Medium;
use super::security::guard;
use super::settings::Settings;
use crate::audio::clean;
use crate::plan::{Endpoint, EndpointId, Ice, IcePeer, Learning, Local, Payload};

/// The plans of a call by their endpoint.
pub(super) fn plans(call: &Call, settings: &Settings) -> BTreeMap<EndpointId, Endpoint> {
    let mut plans = BTreeMap::new();
    for leg in &call.legs {
        for (section, medium) in leg.media.iter().enumerate() {
            if let Some((id, local)) = medium.endpoint.zip(medium.local) {
                plans.insert(id, plan(call, leg, section, medium, id, local, settings));
            }
        }
    }
    plans
}

/// The ports that a call has.
pub(super) fn ports(call: &Call) -> Vec<Local> {
    call.legs.iter().flat_map(|leg| &leg.media).filter_map(|medium| medium.local).collect()
}

fn plan(call: &Call, leg: &Leg, section: usize, medium: &Medium, id: EndpointId, local: Local, settings: &Settings) -> Endpoint {
    let carries = |other: &&Medium| other.carrier.map(usize::from) == Some(section);
    let all: Vec<&Medium> = std::iter::once(medium).chain(leg.media.iter().filter(carries)).collect();
    let peer = call.peer(leg);
    let theirs = medium.theirs.as_ref();
    let ice = medium.ice().zip(leg.ice.clone());
    Endpoint {
        id,
        call: call.id.clone(),
        leg: leg.tag.clone().unwrap_or_default(),
        section: u16::try_from(section).unwrap_or(u16::MAX),
        local,
        remote: medium.remote(),
        mux: medium.mux(),
        learning: if leg.asymmetric { Learning::Off } else { leg.learning.unwrap_or(settings.learning) },
        strict: leg.strict,
        handover: leg.handover,
        guard: guard(medium),
        ice: match ice {
            Some((their, local)) => Some(Ice { local, remote: Some(their.credentials.clone()) }),
            None => leg.ice.clone().filter(|_| medium.ours.ice && theirs.is_none()).map(|local| Ice { local, remote: None }),
        },
        ice_peer: medium.ice().map(|their| IcePeer { controlling: their.peer.lite && !leg.began, ..their.peer.clone() }),
        association: medium.association,
        payloads: together(&all, |medium| {
            if medium.ours.payloads.is_empty() {
                medium.theirs.as_ref().map_or(&[], |theirs| &theirs.payloads)
            } else {
                &medium.ours.payloads
            }
        }),
        accepts: together(&all, |medium| medium.theirs.as_ref().map_or(&[], |theirs| &theirs.payloads)),
        ptime_ms: theirs.and_then(|theirs| theirs.ptime),
        sinks: sinks(call, leg, section, peer),
        sends: all.iter().any(|medium| medium.sends()) && (leg.room.is_some() || heard_by(peer, section, &all, leg)),
        hears: all.iter().any(|medium| medium.receives()),
        blocked: call.held_back.media || leg.held_back.media || call.held_back.traffic,
        silenced: call.held_back.sound || leg.held_back.sound,
        dtmf_blocked: call.held_back.dtmf || leg.held_back.dtmf,
        inject_dtmf: leg.inject_dtmf,
        clean: if medium.kind == "audio" { leg.clean } else { clean::Wish::default() },
        timeout_seconds: leg.timeout_seconds,
        tos: call.tos.unwrap_or(settings.tos),
        raw: !medium.protocol.is_rtp(),
        room: leg.room.clone().filter(|_| medium.kind == "audio"),
    }
}

/// Endpoints that get what a section receives: the same section of the peer, and those of subscriptions.
fn sinks(call: &Call, leg: &Leg, section: usize, peer: Option<&Leg>) -> Vec<EndpointId> {
    if leg.room.is_some() {
        return Vec::new();
    }
    let of_peer = peer.filter(|peer| peer.room.is_none()).and_then(|peer| peer.carried(section)).and_then(|medium| medium.endpoint);
    let carried =
        |at: u16| leg.media.get(usize::from(at)).map(|medium| medium.carrier.map_or(usize::from(at), usize::from)) == Some(section);
    let subscribed = call.legs.iter().flat_map(|other| other.hears.iter().enumerate().map(move |(at, heard)| (other, at, heard)));
    let of_subscriptions = subscribed
        .filter(|(_, _, (number, at))| *number == leg.number && carried(*at))
        .filter_map(|(other, at, _)| other.carried(at)?.endpoint);
    let mut sinks: Vec<EndpointId> = of_peer.into_iter().chain(of_subscriptions).collect();
    sinks.dedup();
    sinks
}

/// Somebody has answered that hears these sections: without that nothing is expected of them.
fn heard_by(peer: Option<&Leg>, section: usize, all: &[&Medium], leg: &Leg) -> bool {
    let same = |medium: &&Medium| leg.media.iter().position(|other| std::ptr::eq(other, *medium)).unwrap_or(section);
    let Some(peer) = peer else { return leg.role == super::call::Role::Publisher };
    all.iter().any(|medium| peer.media.get(same(medium)).is_some_and(|other| medium.sends() && other.receives()))
}

fn together<'m>(media: &[&'m Medium], of: impl Fn(&'m Medium) -> &'m [Payload]) -> Vec<Payload> {
    let mut all: Vec<Payload> = Vec::new();
    for payload in media.iter().flat_map(|medium| of(medium)) {
        if !all.iter().any(|other| other.number == payload.number) {
            all.push(payload.clone());
        }
    }
    all
}
