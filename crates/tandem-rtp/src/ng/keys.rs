//! The keys of a command's dictionary. What they lead to is decided elsewhere.

use std::net::IpAddr;

use super::answer::Failure;
use super::command::TAP_SECONDS_MOST;
use super::fields::Fields;
use super::flags;
use super::options::{DtlsMode, IceMode, Tos, Transport};
use super::value::Value;
use super::words::{after, split, truth, word};
use crate::sdp::{Family, Protocol};

/// Most media sections are shorter than a minute: what a packet time can be, milliseconds.
const PTIME_MOST_MS: i64 = 1_000;

/// Reads one key. False: it is unknown.
pub(super) fn read(fields: &mut Fields, key: &str, value: &Value) -> Result<bool, Failure> {
    let name = word(key);
    Ok(participant(fields, &name, value)?
        || transport(fields, &name, value)?
        || media(fields, &name, value)?
        || other(fields, &name, value)?
        || fields.sound.read(&name, value)?)
}

fn participant(fields: &mut Fields, name: &str, value: &Value) -> Result<bool, Failure> {
    let target = match name {
        "call-id" => &mut fields.call,
        "id" => &mut fields.id,
        "via-branch" => &mut fields.branch,
        "from-tag" => &mut fields.party.from_tag,
        "to-tag" => &mut fields.party.to_tag,
        "label" | "from-label" => {
            fields.options.label = Some(text(name, value)?);
            &mut fields.party.label
        }
        "set-label" | "to-label" => {
            fields.options.to_label = Some(text(name, value)?);
            &mut fields.party.to_label
        }
        "metadata" => &mut fields.options.metadata,
        "file" => &mut fields.file,
        "output-destination" => &mut fields.options.recording.destination,
        "recording-file" => &mut fields.options.recording.file,
        "recording-dir" => &mut fields.options.recording.folder,
        "recording-pattern" => &mut fields.options.recording.pattern,
        "from-interface" => &mut fields.options.from_interface,
        "to-interface" => &mut fields.options.to_interface,
        "interface" => {
            fields.options.to_interface = Some(text(name, value)?);
            &mut fields.options.from_interface
        }
        "sdp" => {
            fields.sdp = Some(value.as_bytes().ok_or_else(|| Failure::bad(name, value, "is no string"))?.to_vec());
            return Ok(true);
        }
        "from-tags" => {
            let tags: Result<Vec<_>, _> = value.items().iter().map(|tag| text(name, tag)).collect();
            fields.party.from_tags = tags?;
            return Ok(true);
        }
        "address" => {
            fields.party.address = Some(address(name, value)?);
            return Ok(true);
        }
        _ => return Ok(false),
    };
    *target = Some(text(name, value)?).filter(|text| !text.is_empty());
    Ok(true)
}

fn transport(fields: &mut Fields, name: &str, value: &Value) -> Result<bool, Failure> {
    match name {
        "ice" => each(fields, name, value, ice),
        "dtls" | "dtls-reverse" => each(fields, name, value, dtls),
        "sdes" => each(fields, name, value, sdes),
        "osrtp" => each(fields, name, value, osrtp),
        "rtcp-mux" => each(fields, name, value, mux),
        "replace" => each(fields, name, value, replace),
        "ice-lite" => match &word(value.as_str().unwrap_or_default())[..] {
            // We are lite towards everybody.
            "forward" | "backward" | "both" => {}
            _ => fields.unserved(&format!("ICE-lite: '{}'", value.shown())),
        },
        "dtls-fingerprint" => {
            if word(value.as_str().unwrap_or_default()) != "sha-256" {
                fields.unserved(&format!("DTLS-fingerprint: '{}'", value.shown()));
            }
        }
        "transport-protocol" => {
            fields.options.transport = match &word(value.as_str().unwrap_or_default())[..] {
                "accept" => Some(Transport::Accept),
                "off" => Some(Transport::AsIs),
                _ => match Protocol::parse(value.as_str().unwrap_or_default()) {
                    Protocol::Other(_) => return Err(Failure::bad("transport-protocol", value, "is no transport that can be spoken")),
                    protocol => Some(Transport::To(protocol)),
                },
            }
        }
        "address-family" => {
            let family = value.as_str().and_then(Family::parse);
            fields.options.family = Some(family.ok_or_else(|| Failure::bad("address-family", value, "is neither IP4 nor IP6"))?);
        }
        "media-address" => fields.options.media_address = Some(address("media-address", value)?),
        "received-from" => {
            let last = value.items().last().unwrap_or(value);
            fields.options.received_from = Some(address("received-from", last)?);
        }
        "direction" => match value.items() {
            [from, to] => {
                fields.options.from_interface = Some(text(name, from)?);
                fields.options.to_interface = Some(text(name, to)?);
            }
            [one] => fields.options.from_interface = Some(text(name, one)?),
            _ => return Err(Failure::bad("direction", value, "is not a list of two interfaces")),
        },
        "endpoint-learning" => match value.as_str().and_then(flags::learning) {
            Some(learning) => fields.options.learning = Some(learning),
            None => fields.unknown("endpoint-learning", value),
        },
        "tos" => {
            fields.options.tos = match number("TOS", value)? {
                ..0 => Tos::Keep,
                tos => u8::try_from(tos).map_or(Tos::Default, Tos::Set),
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn media(fields: &mut Fields, name: &str, value: &Value) -> Result<bool, Failure> {
    match name {
        "codec" => {
            for (list, codecs) in value.entries() {
                let list = word(&String::from_utf8_lossy(list));
                if !flags::codec_rule(fields, &list, codecs)? {
                    fields.unknown("codec", &Value::text(&list));
                }
            }
        }
        "ptime" | "ptime-reverse" => {
            let ptime = number(name, value)?;
            let ptime = u16::try_from(ptime).ok().filter(|_| (1..=PTIME_MOST_MS).contains(&ptime));
            let ptime = ptime.ok_or_else(|| Failure::bad(name, value, "is no packet time in milliseconds"))?;
            *(if name == "ptime" { &mut fields.options.ptime } else { &mut fields.options.ptime_reverse }) = Some(ptime);
        }
        "record-call" => match truth(value) {
            Some(on) => fields.options.record = Some(on),
            None => fields.unknown("record-call", value),
        },
        "drop-traffic" => match value.as_str() {
            Some("start") => fields.options.drop_traffic = Some(true),
            Some("stop") => fields.options.drop_traffic = Some(false),
            _ => fields.unknown("drop-traffic", value),
        },
        "sdp-media-remove" => fields.options.remove_media.extend(value.items().iter().filter_map(|kind| kind.as_str().map(word))),
        "media-timeout" => fields.options.media_timeout_seconds = Some(seconds("media-timeout", value)?),
        "extmap"
        | "sdp-attr"
        | "t.38"
        | "t38"
        | "t.38-version"
        | "moh"
        | "media-echo"
        | "audio-player"
        | "delay-buffer"
        | "dtmf-security"
        | "dtmf-security-trigger"
        | "dtmf-security-trigger-end"
        | "dtmf-delay"
        | "dtmf-log-dest"
        | "trigger"
        | "trigger-end"
        | "end-trigger"
        | "trigger-end-time"
        | "trigger-end-digits"
        | "frequency"
        | "frequencies" => fields.unserved(&format!("key '{name}'")),
        "events" => {} // who asks hears what happens: the shell looks for it
        "generate-rtcp" => {
            if truth(value) == Some(true) {
                fields.unserved("key 'generate-rtcp'");
            }
        }
        "blob" => fields.blob = Some(value.as_bytes().ok_or_else(|| Failure::bad(name, value, "is no string"))?.to_vec()),
        "blob64" => {
            let blob = value.as_bytes().and_then(|text| data_encoding::BASE64.decode(text.trim_ascii()).ok());
            fields.blob = Some(blob.ok_or_else(|| Failure::bad(name, value, "is no base64"))?);
        }
        "db-id" => fields.database = Some(number(name, value)?),
        "repeat-times" => fields.times = Some(amount(name, value)?),
        "repeat-duration" => fields.play_ms = Some(amount(name, value)?),
        "start-pos" => fields.start_ms = Some(amount(name, value)?),
        "code" | "digit" => fields.event = Some(event(name, value)?),
        "duration" => fields.event_ms = Some(amount(name, value)?),
        "pause" if truth(value) == Some(true) && value.as_integer().is_none() => fields.pause = true,
        "pause" => fields.pause_ms = Some(amount(name, value)?),
        "volume" => {
            let volume = number(name, value)?.unsigned_abs();
            fields.volume = Some(
                u8::try_from(volume).ok().filter(|&volume| volume < 64).ok_or_else(|| Failure::bad(name, value, "is not 0 to 63 dB"))?,
            );
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn other(fields: &mut Fields, name: &str, value: &Value) -> Result<bool, Failure> {
    match name {
        "flags" => value.items().iter().try_for_each(|flag| fields.flag(flag))?,
        "rtpp-flags" => {
            let words: Vec<_> = split(value.as_str().unwrap_or_default()).into_iter().map(Value::text).collect();
            words.iter().try_for_each(|flag| fields.flag(flag))?;
        }
        "delete-delay" => fields.delete_delay = Some(seconds("delete-delay", value)?),
        "tap-seconds" => {
            let told = seconds("tap-seconds", value)?;
            if !(1..=TAP_SECONDS_MOST).contains(&told) {
                return Err(Failure::bad("tap-seconds", value, "is not 1 to 600"));
            }
            fields.tap_seconds = Some(told);
        }
        "limit" => {
            let limit = number("limit", value)?;
            fields.limit =
                Some(usize::try_from(limit).ok().filter(|&limit| limit > 0).ok_or_else(|| Failure::bad("limit", value, "is not above 0"))?);
        }
        "all" => fields.party.all = !matches!(&word(value.as_str().unwrap_or_default())[..], "none" | ""),
        // What a client may tell and this relay does not need.
        "command" | "supports" | "sip-message-type" | "sip-code" | "xmlrpc-callback" | "template" | "peer" | "inbound-peer"
        | "outbound-peer" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// Gives each word of a list to `read`, which says whether it knows it.
fn each(fields: &mut Fields, key: &str, value: &Value, read: fn(&mut Fields, &str, &str) -> bool) {
    for item in value.items() {
        if !item.as_str().is_some_and(|text| read(fields, key, text)) {
            fields.unknown(key, item);
        }
    }
}

fn ice(fields: &mut Fields, _: &str, text: &str) -> bool {
    let mode = match &word(text)[..] {
        "remove" => IceMode::Remove,
        "force" => IceMode::Force,
        "default" => IceMode::Default,
        "optional" => IceMode::Optional,
        "force-relay" => IceMode::ForceRelay,
        "trickle" => {
            fields.options.trickle = true;
            return true;
        }
        "lite-forward" | "lite-backward" | "lite-both" | "ice2" => return true,
        _ => return false,
    };
    if matches!(mode, IceMode::Optional | IceMode::ForceRelay) {
        // A lite agent cannot be one candidate among others: it does not nominate.
        fields.unserved(&format!("ICE: '{text}' beside the peer's own candidates"));
    }
    fields.options.ice = mode;
    true
}

fn dtls(fields: &mut Fields, key: &str, text: &str) -> bool {
    let mode = match &word(text)[..] {
        "off" | "no" | "disable" => DtlsMode::Off,
        "passive" => DtlsMode::Passive,
        "active" => DtlsMode::Active,
        _ => return false,
    };
    *(if key == "dtls" { &mut fields.options.dtls } else { &mut fields.options.dtls_reverse }) = Some(mode);
    true
}

fn sdes(fields: &mut Fields, _: &str, text: &str) -> bool {
    let names = |text: &str| text.split([';', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let sdes = &mut fields.options.sdes;
    match &word(text)[..] {
        "off" | "no" | "disable" => sdes.off = true,
        "nonew" => sdes.no_new = true,
        "pad" => sdes.unpadded = false,
        "no-pad" => sdes.unpadded = true,
        "lifetime" => sdes.lifetime = true,
        "static" => sdes.keep = true,
        "prefer" => sdes.prefer = true,
        "encrypted-srtp" | "encrypted-srtcp" | "authenticated-srtp" => {}
        "unencrypted-srtp" | "unencrypted-srtcp" | "unauthenticated-srtp" => fields.unserved(&format!("SDES: '{text}'")),
        _ => {
            if let Some(suite) = after(text, "no-") {
                sdes.no.push(suite.to_owned());
            } else if let Some(suite) = after(text, "only-") {
                sdes.only.push(suite.to_owned());
            } else if let Some(suites) = after(text, "order:") {
                sdes.order = names(suites);
            } else if let Some(suites) = after(text, "offerer-pref:") {
                sdes.offerer_preferred = names(suites);
            } else {
                return false;
            }
        }
    }
    true
}

fn osrtp(fields: &mut Fields, _: &str, text: &str) -> bool {
    match &word(text)[..] {
        "offer" | "offer-rfc" => fields.options.osrtp.offer = true,
        "accept" | "accept-rfc" => fields.options.osrtp.accept = true,
        "offer-legacy" | "accept-legacy" => fields.unserved(&format!("OSRTP: '{text}'")),
        _ => return false,
    }
    true
}

fn mux(fields: &mut Fields, _: &str, text: &str) -> bool {
    let mux = &mut fields.options.mux;
    let rule = match &word(text)[..] {
        "offer" => &mut mux.offer,
        "require" => &mut mux.require,
        "demux" => &mut mux.demux,
        "accept" => &mut mux.accept,
        "reject" => &mut mux.reject,
        _ => return false,
    };
    *rule = true;
    true
}

fn replace(fields: &mut Fields, _: &str, text: &str) -> bool {
    let replace = &mut fields.options.replace;
    let part = match &word(text)[..] {
        "origin" => &mut replace.origin,
        "origin-full" => &mut replace.origin_full,
        "session-connection" => &mut replace.session_connection,
        "sdp-version" => &mut replace.version,
        "force-increment-sdp-ver" => &mut replace.version_always,
        "username" => &mut replace.username,
        "session-name" => &mut replace.session_name,
        "zero-address" => &mut replace.zero_address,
        _ => return false,
    };
    *part = true;
    true
}

fn text(field: &str, value: &Value) -> Result<String, Failure> {
    match value {
        Value::Integer(number) => Ok(number.to_string()),
        _ => value.as_str().map(str::to_owned).ok_or_else(|| Failure::bad(field, value, "is no text")),
    }
}

fn number(field: &str, value: &Value) -> Result<i64, Failure> {
    value.as_integer().ok_or_else(|| Failure::bad(field, value, "is no number"))
}

fn amount(field: &str, value: &Value) -> Result<u32, Failure> {
    number(field, value).and_then(|number| u32::try_from(number).map_err(|_| Failure::bad(field, value, "is no amount")))
}

fn seconds(field: &str, value: &Value) -> Result<u32, Failure> {
    number(field, value).and_then(|number| u32::try_from(number).map_err(|_| Failure::bad(field, value, "is no number of seconds")))
}

fn address(field: &str, value: &Value) -> Result<IpAddr, Failure> {
    let address = value.as_str().and_then(|text| text.trim_matches(['[', ']']).parse().ok());
    address.ok_or_else(|| Failure::bad(field, value, "is no IP address"))
}

/// An event of RFC 4733: a number or the letter on the key.
fn event(field: &str, value: &Value) -> Result<u8, Failure> {
    let letter = value.as_str().filter(|text| text.len() == 1).and_then(|text| text.bytes().next());
    let event = match letter {
        Some(digit @ b'0'..=b'9') => Some(digit - b'0'),
        Some(b'*') => Some(10),
        Some(b'#') => Some(11),
        Some(letter @ b'A'..=b'D') => Some(letter - b'A' + 12),
        Some(letter @ b'a'..=b'd') => Some(letter - b'a' + 12),
        _ => value.as_integer().and_then(|number| u8::try_from(number).ok()).filter(|&event| event < 16),
    };
    event.ok_or_else(|| Failure::bad(field, value, "is no DTMF digit"))
}
