//! Which payload types of a description the other side gets: codec rules applied to a section's lines. No packet is transcoded here.

use super::medium::Medium;
use super::work::Work;
use crate::ng::{names, says_all, Codec, CodecRules};
use crate::plan::Payload;
use crate::sdp::{payloads, static_payload, Line, Media, Section, FORMATS};

/// Attributes that begin with a payload number.
const NUMBERED: [&str; 4] = ["rtpmap", "fmtp", "rtcp-fb", "imageattr"];
/// Payload types that say something about the others and are no medium of their own.
const SUPPLEMENTAL: [&str; 5] = ["TELEPHONE-EVENT", "CN", "RTX", "RED", "ULPFEC"];
/// First dynamic payload number (RFC 3551 6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// Applies the rules of an offer to what its receiver gets; `from` remembers what the offerer may use all the same.
pub(super) fn offer(section: &mut Section, from: &mut Medium, rules: &CodecRules, work: &mut Work) {
    let settings = work.settings;
    if !section.media.protocol.is_rtp() {
        return;
    }
    let known = payloads(section);
    let able = |payload: &Payload| names(&settings.transcodes, payload);
    let wanted: Vec<&Codec> = rules
        .transcode
        .iter()
        .filter(|codec| !known.iter().any(|payload| codec.is(payload)) || by_name(&rules.strip, codec) || by_name(&rules.mask, codec))
        .collect();
    let hidden = |payload: &Payload| {
        names(&rules.mask, payload) || names(&rules.consume, payload) || says_all(&rules.mask) || says_all(&rules.consume)
    };
    let mut kept = keep(section, &known, rules, &[&rules.strip, &rules.mask, &rules.consume]);
    let accepts = |payload: &Payload| names(&rules.accept, payload) || says_all(&rules.accept) || hidden(payload);
    from.also = known.iter().filter(|payload| accepts(payload) && able(payload)).map(|payload| payload.number).collect();
    let added = additions(&wanted, &known, work);
    if kept.is_empty() && added.is_empty() {
        kept = section.media.formats.clone();
    }
    order(&mut kept, &known, rules);
    restrict(section, kept);
    add(section, added.iter());
}

/// Applies the rules of an answer. `to` is the offerer's side.
pub(super) fn answer(section: &mut Section, to: &Medium, rules: &CodecRules, single: bool, transcodes: &[Codec]) {
    if !section.media.protocol.is_rtp() {
        return;
    }
    let known = payloads(section);
    let mut kept = keep(section, &known, rules, &[&rules.strip]);
    let offered = to.theirs.as_ref().map(|theirs| &theirs.payloads[..]).unwrap_or_default();
    // RFC 3264 6.1: no answer has a format that was not offered.
    let foreign = |format: &String| {
        known.iter().find(|payload| is(format, payload)).is_some_and(|payload| !offered.iter().any(|other| same(other, payload)))
    };
    kept.retain(|format| !foreign(format));
    let mut added: Vec<&Payload> = offered.iter().filter(|payload| to.also.contains(&payload.number)).collect();
    added.retain(|payload| !kept.iter().any(|format| is(format, payload)));
    // Nothing that both have: the offerer gets the first of its own codecs that we can make out of the answerer's.
    let spoken = |payload: &&Payload| !is_supplemental(payload);
    if !added.iter().any(spoken) && !known.iter().filter(spoken).any(|payload| kept.iter().any(|format| is(format, payload))) {
        added.extend(offered.iter().filter(spoken).find(|payload| names(transcodes, payload)));
    }
    if kept.is_empty() && added.is_empty() {
        kept = section.media.formats.clone();
    }
    order(&mut kept, &known, rules);
    restrict(section, kept);
    add(section, added.into_iter());
    if single {
        let known = payloads(section);
        let supplemental = |format: &String| known.iter().any(|payload| is(format, payload) && is_supplemental(payload));
        let first = section.media.formats.iter().find(|format| !supplemental(format)).cloned();
        let kept = section.media.formats.iter().filter(|format| Some(*format) == first.as_ref() || supplemental(format)).cloned().collect();
        restrict(section, kept);
    }
}

/// Leaves of a published section what we take: the first that `accept` names and is there, else the first of all; `all` and `any` take all.
pub(super) fn published(section: &mut Section, rules: &CodecRules) {
    if says_all(&rules.accept) || rules.accept.iter().any(|codec| codec.name == "ANY") {
        return;
    }
    let known = payloads(section);
    let format = |payload: &Payload| section.media.formats.iter().find(|format| is(format, payload)).cloned();
    let named = rules.accept.iter().find_map(|codec| known.iter().find(|payload| codec.is(payload)).and_then(format));
    let kept = named.or_else(|| section.media.formats.first().cloned());
    restrict(section, kept.into_iter().collect());
}

/// Whether a peer's answer has every codec that it was offered; telephone events and the like may be missing.
pub(super) fn takes_all(medium: &Medium) -> bool {
    let taken = medium.theirs.as_ref().map(|theirs| &theirs.payloads[..]).unwrap_or_default();
    let needed = medium.ours.payloads.iter().filter(|payload| !is_supplemental(payload));
    needed.into_iter().all(|payload| taken.iter().any(|other| same(other, payload)))
}

/// The formats that the lists leave, in their order.
fn keep(section: &Section, known: &[Payload], rules: &CodecRules, lists: &[&Vec<Codec>]) -> Vec<String> {
    let excepted = |payload: &Payload| names(&rules.except, payload) || names(&rules.offer, payload);
    // `all` gives way to a codec that is to be transcoded and is there anyway, `full` does not.
    let restored = |payload: &Payload, list: &[Codec]| names(&rules.transcode, payload) && !list.iter().any(|codec| codec.name == "FULL");
    let goes = |payload: &Payload| {
        lists.iter().any(|list| names(list, payload) || says_all(list) && !excepted(payload) && !restored(payload, list))
    };
    let all = lists.iter().any(|list| says_all(list));
    let stays = |format: &&String| known.iter().find(|payload| is(format, payload)).map_or(!all, |payload| !goes(payload));
    let kept: Vec<String> = section.media.formats.iter().filter(stays).cloned().collect();
    // A retransmission format goes with what it repeats (RFC 4588 8.1).
    let alone = |format: &String| {
        known
            .iter()
            .find(|payload| is(format, payload) && payload.name == "RTX")
            .is_some_and(|rtx| apt(rtx).is_some_and(|number| !kept.contains(&number)))
    };
    kept.iter().filter(|format| !alone(format)).cloned().collect()
}

/// Puts the formats that rules name first, in the rules' order.
fn order(kept: &mut [String], known: &[Payload], rules: &CodecRules) {
    let place = |format: &String| {
        let payload = known.iter().find(|payload| is(format, payload));
        let of = |list: &[Codec]| payload.and_then(|payload| list.iter().position(|codec| codec.is(payload)));
        of(&rules.offer).unwrap_or(usize::MAX)
    };
    kept.sort_by_cached_key(place);
}

/// Payload types that the relay adds, with free numbers.
fn additions(add: &[&Codec], known: &[Payload], work: &mut Work) -> Vec<Payload> {
    let mut added: Vec<Payload> = Vec::new();
    for codec in add {
        let Some(able) =
            work.settings.transcodes.iter().find(|able| able.name == codec.name && (codec.clock.is_none() || able.clock == codec.clock))
        else {
            work.warn(format!("codec transcode: '{}' is none that this relay can transcode", codec.name));
            continue;
        };
        let (clock, channels) = (codec.clock.or(able.clock).unwrap_or(8_000), codec.channels.or(able.channels).unwrap_or(1));
        let fixed = (0..DYNAMIC.start().to_owned())
            .filter_map(static_payload)
            .find(|payload| (&payload.name, payload.clock, payload.channels) == (&codec.name, clock, channels));
        let used = |number: u8| known.iter().chain(&added).any(|payload| payload.number == number);
        let number =
            fixed.map(|payload| payload.number).filter(|&number| !used(number)).or_else(|| DYNAMIC.rev().find(|&number| !used(number)));
        let Some(number) = number else { continue };
        added.push(Payload { number, name: codec.name.clone(), clock, channels, fmtp: codec.fmtp.clone().unwrap_or_default() });
    }
    added
}

/// Takes every other format out, with its lines.
fn restrict(section: &mut Section, kept: Vec<String>) {
    let gone: Vec<String> = section.media.formats.iter().filter(|format| !kept.contains(format)).cloned().collect();
    let of_gone = |line: &Line| {
        let number = NUMBERED.iter().find_map(|name| line.attribute(name)).and_then(|value| value.split(|byte| *byte == b' ').next());
        number.is_some_and(|number| gone.iter().any(|format| format.as_bytes() == number))
    };
    section.lines.retain(|line| !of_gone(line));
    section.set_media(Media { formats: kept, ..section.media.clone() });
}

/// Appends payload types; what is no medium of its own stays last.
fn add<'p>(section: &mut Section, payloads_added: impl ExactSizeIterator<Item = &'p Payload>) {
    if payloads_added.len() == 0 {
        return;
    }
    payloads_added.for_each(|payload| append(section, payload));
    let known = payloads(section);
    let mut media = section.media.clone();
    media.formats.sort_by_key(|format| known.iter().any(|payload| is(format, payload) && is_supplemental(payload)));
    section.set_media(media);
}

pub(super) fn append(section: &mut Section, payload: &Payload) {
    if section.media.formats.len() >= FORMATS {
        return;
    }
    let channels = if payload.channels > 1 { format!("/{}", payload.channels) } else { String::new() };
    section.push("rtpmap", Some(&format!("{} {}/{}{channels}", payload.number, spelled(&payload.name), payload.clock)));
    if !payload.fmtp.is_empty() {
        section.push("fmtp", Some(&format!("{} {}", payload.number, payload.fmtp)));
    }
    let mut media = section.media.clone();
    media.formats.push(payload.number.to_string());
    section.set_media(media);
}

/// Names that peers expect in lower case although case does not count.
fn spelled(name: &str) -> &str {
    match name {
        "OPUS" => "opus",
        "TELEPHONE-EVENT" => "telephone-event",
        other => other,
    }
}

fn is_supplemental(payload: &Payload) -> bool {
    SUPPLEMENTAL.contains(&&payload.name[..])
}

fn is(format: &str, payload: &Payload) -> bool {
    format.parse() == Ok(payload.number)
}

/// Whether two payload types are one codec.
fn same(one: &Payload, other: &Payload) -> bool {
    (&one.name, one.clock, one.channels) == (&other.name, other.clock, other.channels)
}

fn by_name(list: &[Codec], codec: &Codec) -> bool {
    list.iter().any(|other| other.name == codec.name)
}

fn apt(rtx: &Payload) -> Option<String> {
    rtx.fmtp.split(';').find_map(|part| part.trim().strip_prefix("apt=")).map(str::to_owned)
}
