//! The call table beside rtpengine 10.5: the same questions (tests/golden/ng), answers compared by meaning. Where we differ on purpose stands here.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tandem_rtp::ng::Value;
use tandem_rtp::sdp::{Crypto, Description, Direction, Section};
use world::World;

/// Where we differ on purpose: case ("*": any), step ("*": any), aspect, why. Each must occur.
const DEVIATIONS: &[(&str, &str, &str, &str)] = &[
    ("*", "*", "0 ptime", "a=ptime is passed on as it comes; rtpengine adds one that it remembers"),
    ("avpf", "0", "0 codec lines", "no a=rtpmap is added for numbers that RFC 3551 explains"),
    ("avpf-to-avp", "0", "0 codec lines", "no a=rtpmap is added for numbers that RFC 3551 explains"),
    ("chromium-av-to-sip", "1", "1 media", "RFC 3264 6: an answer has every section of its offer"),
    ("chromium-av-to-sip", "1", "sections", "RFC 3264 6: an answer has every section of its offer"),
    ("chromium-data", "1", "1 media", "RFC 3264 6: an answer has every section of its offer"),
    ("chromium-data", "1", "sections", "RFC 3264 6: an answer has every section of its offer"),
    ("msrp", "1", "1 media", "RFC 3264 6: an answer has every section of its offer"),
    ("msrp", "1", "sections", "RFC 3264 6: an answer has every section of its offer"),
    ("chromium-data", "0", "1 media", "SCTP over DTLS cannot pass where DTLS ends at us: refused"),
    ("*", "0", "0 crypto", "UDP/TLS is DTLS (RFC 5764): no a=crypto beside it"),
    ("*", "0", "1 crypto", "UDP/TLS is DTLS (RFC 5764): no a=crypto beside it"),
    ("*", "*", "bundle", "BUNDLE is passed on where both sides keep its transport"),
    ("chromium-bundle", "1", "1 direction", "BUNDLE is passed on: 0.0.0.0 in a bundled section is no hold"),
    ("chromium-bundle", "1", "1 ice", "BUNDLE is passed on: only the first section has candidates"),
    ("chromium-bundle", "1", "1 attributes", "BUNDLE is passed on: only the first section has candidates"),
    ("codec-order", "0", "0 formats", "codec offer puts codecs first, as documented; 10.5 does only beside strip"),
    ("firefox-to-sip", "0", "0 attributes", "a=end-of-candidates goes with the candidates"),
    ("firefox-to-sip", "0", "0 codec lines", "a=rtpmap passes as it is written"),
    ("firefox-to-sip", "1", "0 attributes", "a=ice-options:trickle counts at the session's level too (RFC 8839 5.6)"),
    ("osrtp-passed", "0", "0 dtls", "an optional offer goes on with keys of the kind that it came with"),
    ("osrtp-accept", "0", "0 dtls", "an optional offer goes on with keys of the kind that it came with"),
    ("osrtp-refused-by-peer", "0", "0 dtls", "an optional offer goes on with keys of the kind that it came with"),
    ("chromium-to-sip", "1", "0 formats", "an answerer may give a codec that was offered another number (RFC 3264 6.1)"),
    ("chromium-to-sip", "1", "0 codec lines", "an answerer may give a codec that was offered another number (RFC 3264 6.1)"),
    ("chromium-trickle-to-sip", "1", "0 formats", "an answerer may give a codec that was offered another number (RFC 3264 6.1)"),
    ("chromium-trickle-to-sip", "1", "0 codec lines", "an answerer may give a codec that was offered another number (RFC 3264 6.1)"),
    ("chromium-av-to-sip", "1", "0 formats", "an answerer may give a codec that was offered another number (RFC 3264 6.1)"),
    ("chromium-av-to-sip", "1", "0 codec lines", "an answerer may give a codec that was offered another number (RFC 3264 6.1)"),
    ("sdes-gcm", "1", "0 crypto", "keys keep the padding of base64, without which strict phones are silent"),
    ("strip", "1", "0 codec lines", "the answerer's a=fmtp is passed on"),
    ("strip-all-except", "1", "0 codec lines", "the answerer's a=fmtp is passed on"),
    ("strip-all-offer", "1", "0 codec lines", "the answerer took what it was not offered; the offerer has it, so it is passed on"),
    ("strip-all-offer", "1", "0 formats", "the answerer took what it was not offered; the offerer has it, so it is passed on"),
    ("strip-video-codec", "0", "1 codec lines", "a retransmission format goes with its codec (RFC 4588 8.1)"),
    ("strip-video-codec", "0", "1 formats", "a retransmission format goes with its codec (RFC 4588 8.1)"),
];

type Summary = BTreeMap<String, String>;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/ng")
}

#[test]
fn our_answers_mean_what_rtpengines_mean() {
    let mut files: Vec<_> = std::fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    assert!(files.len() >= 60);
    let (mut unexplained, mut used) = (Vec::new(), BTreeSet::new());
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        for (step, aspect, theirs, ours) in differences(name, &std::fs::read(&path).unwrap()) {
            let known = DEVIATIONS
                .iter()
                .position(|(case, at, what, _)| (*case == name || *case == "*") && (*at == "*" || *at == step) && *what == aspect);
            match known {
                Some(known) => drop(used.insert(known)),
                None => unexplained.push(format!("{name} step {step} {aspect}:\n   rtpengine {theirs}\n   ours      {ours}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "{} differences:\n{}", unexplained.len(), unexplained.join("\n"));
    let stale: Vec<_> = (0..DEVIATIONS.len()).filter(|at| !used.contains(at)).map(|at| DEVIATIONS[at]).collect();
    assert!(stale.is_empty(), "these do not occur: {stale:?}");
}

/// Step, aspect, theirs, ours.
fn differences(name: &str, file: &[u8]) -> Vec<(String, String, String, String)> {
    let case = tandem_rtp::ng::json::read(file).unwrap();
    let (mut world, mut before, mut found) = (World::new(), String::new(), Vec::new());
    for (number, step) in case.get("steps").unwrap().items().iter().enumerate() {
        let ask = step.get("ask").unwrap();
        let mut question = Value::Dict(ask.entries().iter().filter(|(key, _)| key != b"body").cloned().collect());
        question.put("call-id", name.into());
        if let Some(body) = ask.get("body").and_then(Value::as_str) {
            question.put("sdp", body_of(body, &before).into());
        }
        let answer = world.tell(&question);
        let sdp = String::from_utf8_lossy(answer.get("sdp").and_then(Value::as_bytes).unwrap_or_default()).into_owned();
        let told = step.get("rtpengine").unwrap();
        let lines: Vec<_> = told.get("sdp").unwrap().items().iter().filter_map(Value::as_str).collect();
        let theirs = summary(told, &lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
        let ours = summary(&answer, &sdp);
        before = sdp;
        let closed = |aspect: &str| {
            aspect.split_once(' ').is_some_and(|(section, what)| {
                what != "media"
                    && section.parse::<u8>().is_ok()
                    && theirs.get(&format!("{section} media")) != ours.get(&format!("{section} media"))
            })
        };
        let aspects: BTreeSet<_> = theirs.keys().chain(ours.keys()).filter(|aspect| !closed(aspect)).collect();
        for aspect in aspects {
            let of = |summary: &Summary| summary.get(aspect).cloned().unwrap_or_else(|| "nothing".to_owned());
            if theirs.get(aspect) != ours.get(aspect) {
                found.push((number.to_string(), aspect.clone(), of(&theirs), of(&ours)));
            }
        }
    }
    found
}

/// A description of bodies/; `{SUITE}` is the tag that the description before it gave the suite.
fn body_of(name: &str, before: &str) -> String {
    let mut text = std::fs::read_to_string(golden().join("bodies").join(format!("{name}.sdp"))).unwrap();
    for suite in Crypto::suites() {
        let name = Crypto::name(suite);
        let tag = before.lines().filter_map(|line| line.strip_prefix("a=crypto:")).find(|value| value.split(' ').nth(1) == Some(name));
        text = text.replace(&format!("{{{name}}}"), tag.and_then(|value| value.split(' ').next()).unwrap_or("1"));
    }
    text.replace('\n', "\r\n")
}

fn summary(answer: &Value, sdp: &str) -> Summary {
    let mut summary = Summary::new();
    summary.insert("result".into(), answer.get("result").and_then(Value::as_str).unwrap_or_default().to_owned());
    let Ok(description) = Description::read(sdp.as_bytes()) else { return summary };
    let mut put = |aspect: String, value: String| drop(summary.insert(aspect, value));
    put("sections".into(), description.sections.len().to_string());
    let origin = description.origin().unwrap();
    put("origin".into(), format!("{} {} {} {}", origin.username, origin.session, origin.version, interface(&origin.address)));
    put("session attributes".into(), names(&description.session, &["ice-lite"]));
    put("bundle".into(), format!("{:?}", description.bundles()));
    for (at, section) in description.sections.iter().enumerate() {
        let mut put = |aspect: &str, value: String| drop(summary.insert(format!("{at} {aspect}"), value));
        let media = &section.media;
        put("media", format!("{} {} {}", media.kind, media.protocol.as_str(), if media.port == 0 { "closed" } else { "open" }));
        put("formats", media.formats.join(" "));
        if media.port == 0 {
            continue;
        }
        let connection = description.connection(section).unwrap();
        put("address", connection.address.map_or("name".into(), |address| interface(&address.to_string())));
        put("direction", description.direction(section).as_str().to_owned());
        let port = |name: &str| {
            section.attribute(name).map(|value| String::from_utf8_lossy(value).split(' ').next().unwrap().parse::<u16>().unwrap())
        };
        let words = section.attribute("rtcp").map_or(0, |value| value.split(|byte| *byte == b' ').count());
        put("rtcp", port("rtcp").map_or("none".into(), |rtcp| format!("+{} {words}", rtcp - media.port)));
        put("mux", section.has("rtcp-mux").to_string());
        put("crypto", crypto(section));
        put("dtls", section.attribute("setup").map(|setup| String::from_utf8_lossy(setup).into_owned()).unwrap_or_default());
        put("ice", ice(section));
        put("mid", section.mid().unwrap_or_default());
        put("ptime", section.attribute("ptime").map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default());
        put(
            "attributes",
            names(
                &section.lines,
                &["rtcp", "rtcp-mux", "crypto", "setup", "fingerprint", "tls-id", "candidate", "ice-ufrag", "ice-pwd", "mid", "ptime"],
            ),
        );
        put("codec lines", codec_lines(section));
    }
    summary
}

/// The number of the interface, whose addresses end in it on both sides, or the address.
fn interface(address: &str) -> String {
    match address {
        "127.0.0.1" | "203.0.113.1" => "default".into(),
        "127.0.0.2" | "203.0.113.2" => "pub".into(),
        "127.0.0.3" | "203.0.113.3" => "priv".into(),
        "::1" | "2001:db8::1" => "default 6".into(),
        other => other.into(),
    }
}

/// Names of attributes but those told elsewhere, each once.
fn names(lines: &[tandem_rtp::sdp::Line], but: &[&str]) -> String {
    let names: BTreeSet<String> =
        lines.iter().filter_map(|line| line.name()).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let told = |name: &String| {
        but.contains(&&name[..]) || Direction::NAMES.contains(&&name[..]) || ["rtpmap", "fmtp", "rtcp-fb", "group"].contains(&&name[..])
    };
    names.into_iter().filter(|name| !told(name)).collect::<Vec<_>>().join(" ")
}

/// Suites that we have too, in order, with what follows the key.
fn crypto(section: &Section) -> String {
    let served = |value: &&[u8]| Crypto::suite(String::from_utf8_lossy(value).split(' ').nth(1).unwrap_or_default()).is_some();
    let shown = section.attributes("crypto").filter(served).map(|value| {
        let text = String::from_utf8_lossy(value).into_owned();
        let words: Vec<_> = text.split(' ').collect();
        format!(
            "{}{}{}",
            words[1],
            if text.ends_with('=') || text.contains("=|") { " padded" } else { "" },
            words[2].split_once('|').map_or("", |(_, rest)| rest)
        )
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn ice(section: &Section) -> String {
    let components: BTreeSet<_> =
        section.attributes("candidate").filter_map(tandem_rtp::sdp::Candidate::parse).map(|candidate| candidate.component).collect();
    format!("{} {components:?}", section.has("ice-ufrag") && section.has("ice-pwd"))
}

fn codec_lines(section: &Section) -> String {
    let lines = ["rtpmap", "fmtp", "rtcp-fb"]
        .iter()
        .flat_map(|name| section.attributes(name).map(move |value| format!("{name}:{}", String::from_utf8_lossy(value))));
    lines.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" | ")
}
