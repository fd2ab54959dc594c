//! Offers, answers and other commands of one call, parted by 0x1e, each with a byte before it that says what it is: plans and ports fit
//! together after each, a row holds it all, and a deleted call leaves nothing.
#![no_main]

#[path = "../../tandem-rtp/tests/world/mod.rs"]
#[allow(dead_code)]
mod world;

use tandem_rtp::ng::Value;
use world::World;

/// Steps of an input at most.
const STEPS: usize = 12;
const COMMANDS: [&str; 4] = ["offer", "answer", "subscribe request", "subscribe answer"];
const OPTIONS: [&str; 8] = [
    "{}",
    r#"{"transport-protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"]}"#,
    r#"{"flags": ["WebRTC"]}"#,
    r#"{"transport-protocol": "RTP/SAVP", "DTLS": "off", "replace": ["origin", "SDP-version"]}"#,
    r#"{"flags": ["transparent"]}"#,
    r#"{"ICE": "force", "codec": {"strip": ["all"], "offer": ["PCMU"]}, "OSRTP": ["offer", "accept"]}"#,
    r#"{"flags": ["fragment"]}"#,
    r#"{"address-family": "IP6", "flags": ["all", "single-codec", "generate-mid"], "via-branch": "z1"}"#,
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut world = World::new();
    for step in bytes.split(|byte| *byte == 0x1e).take(STEPS) {
        let Some((how, sdp)) = step.split_first() else { continue };
        let options = OPTIONS[usize::from(how >> 3 & 7)];
        let mut question = tandem_rtp::ng::json::read(options.as_bytes()).unwrap();
        let [from, to] = if how & 4 == 0 { ["a", "b"] } else { ["b", "a"] };
        question.put("command", COMMANDS[usize::from(how & 3)].into());
        question.put("call-id", "c".into());
        question.put("from-tag", from.into());
        if how & 0x40 == 0 || how & 3 == 1 {
            question.put("to-tag", to.into());
        }
        question.put("sdp", Value::Text(sdp.to_vec()));
        world.tell(&question);
        if let Some(row) = world.calls.row("c") {
            let mut heir = World::new();
            heir.shell.taken = world.shell.taken.clone();
            heir.calls.restore(&row, &mut heir.shell).unwrap();
            assert_eq!(world.shell.plans, heir.shell.plans);
        }
    }
    world.ask(r#"{"command": "delete", "call-id": "c", "delete-delay": 0}"#);
    assert!(world.shell.taken.is_empty() && world.shell.plans.is_empty());
});
