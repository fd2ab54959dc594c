//! Any bytes to bencode, JSON, descriptions and the call table: nothing panics, what was read is written again, nothing leaks.

mod world;

use proptest::prelude::*;
use tandem_rtp::ng::{self, Request, Value};
use tandem_rtp::sdp::Description;
use world::{plain, World};

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![any::<Vec<u8>>(), "[ -~]{0,20}".prop_map(String::into_bytes)];
    let leaf = prop_oneof![text.prop_map(Value::Text), any::<i64>().prop_map(Value::Integer)];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let entries = prop::collection::btree_map(any::<Vec<u8>>(), inner.clone(), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::List),
            entries.prop_map(|map| Value::Dict(map.into_iter().collect()))
        ]
    })
}

/// The same with strings that JSON can hold.
fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any::<String>().prop_map(Value::from), any::<i64>().prop_map(Value::Integer)];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let entries = prop::collection::btree_map(any::<String>(), inner.clone(), 0..8);
        let dict = entries.prop_map(|map| Value::Dict(map.into_iter().map(|(key, value)| (key.into_bytes(), value)).collect()));
        prop_oneof![prop::collection::vec(inner, 0..8).prop_map(Value::List), dict]
    })
}

/// Lines that descriptions have, and some that none should.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"c=IN IP4 192.0.2.9",
        b"c=IN IP4 0.0.0.0",
        b"c=IN IP6 2001:db8::9",
        b"c=IN IP4 host.example.com",
        b"m=audio 4000 RTP/AVP 0 8 96",
        b"m=audio 4000 RTP/SAVP 0",
        b"m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        b"m=image 4004 udptl t38",
        b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        b"m=message 9 TCP/MSRP *",
        b"m=audio 0 RTP/AVP 0",
        b"a=rtpmap:96 opus/48000/2",
        b"a=rtpmap:97 rtx/90000",
        b"a=fmtp:97 apt=96",
        b"a=rtcp-mux",
        b"a=rtcp:4001 IN IP4 192.0.2.8",
        b"a=sendonly",
        b"a=inactive",
        b"a=group:BUNDLE 0 1 x",
        b"a=mid:0",
        b"a=mid:1",
        b"a=bundle-only",
        b"a=ice-ufrag:abcd",
        b"a=ice-pwd:abcdefghijklmnopqrstuvwx",
        b"a=ice-lite",
        b"a=candidate:1 1 UDP 1 192.0.2.1 9 typ host",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj",
        b"a=crypto:4 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw",
        b"a=fingerprint:sha-1 AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB",
        b"a=setup:actpass",
        b"a=setup:passive",
        b"a=setup:active",
        b"a=tls-id:abcdefghijklmnopqrstuvwxyz",
        b"a=ptime:20",
        b"b=AS:64",
        b"i=\xff\xfe",
    ];
    prop_oneof![9 => prop::sample::select(known).prop_map(<[u8]>::to_vec), 1 => "[a-z]=[ -~]{0,30}".prop_map(String::into_bytes)]
}

fn description() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..40).prop_map(|lines| {
        let head = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n".to_vec();
        lines.into_iter().fold(head, |sdp, line| [sdp, line, b"\r\n".to_vec()].concat())
    })
}

fn options() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let one =
        |key: &'static str, words: &'static [&'static str]| prop::sample::select(words).prop_map(move |word| (key, Value::text(word)));
    let list = |key: &'static str, words: &'static [&'static str]| {
        prop::sample::subsequence(words, 0..=words.len())
            .prop_map(move |words| (key, Value::List(words.into_iter().map(Value::text).collect())))
    };
    let option = prop_oneof![
        one("ICE", &["remove", "force", "default", "optional", "force-relay"]),
        one("DTLS", &["off", "passive", "active"]),
        one("transport-protocol", &["RTP/AVP", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "accept", "off"]),
        one("address-family", &["IP4", "IP6"]),
        one("via-branch", &["z1", "z2"]),
        list("rtcp-mux", &["offer", "require", "demux", "accept", "reject"]),
        list("SDES", &["off", "nonew", "pad", "prefer", "only-AEAD_AES_256_GCM", "no-AES_CM_128_HMAC_SHA1_80"]),
        list("OSRTP", &["offer", "accept"]),
        list("replace", &["origin", "username", "SDP-version", "session-name", "zero-address", "origin-full"]),
        list(
            "flags",
            &[
                "transparent",
                "WebRTC",
                "reset",
                "generate-mid",
                "single-codec",
                "codec-strip-all",
                "codec-mask-PCMU",
                "reject-ICE",
                "fragment",
                "trickle-ICE"
            ]
        ),
    ];
    prop::collection::vec(option, 0..5)
}

/// One step of a call: who speaks to whom, what, how.
fn step() -> impl Strategy<Value = Value> {
    let command = prop::sample::select(vec![
        "offer",
        "offer",
        "answer",
        "answer",
        "delete",
        "subscribe request",
        "subscribe answer",
        "publish",
        "query",
    ]);
    let tag = || prop::sample::select(vec!["a", "b", "b2", "s"]);
    (command, tag(), prop::option::of(tag()), description(), options()).prop_map(|(command, from, to, sdp, options)| {
        let mut value = Value::dict()
            .with("command", command.into())
            .with("call-id", "c".into())
            .with("from-tag", from.into())
            .with("sdp", Value::Text(sdp));
        options.into_iter().for_each(|(key, option)| value.put(key, option));
        if let Some(to) = to {
            value.put("to-tag", to.into());
        }
        value
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn bencode_is_read_as_it_was_written(value in value()) {
        let mut out = Vec::new();
        ng::bencode::write(&value, &mut out);
        prop_assert_eq!(Ok(value), ng::bencode::read(&out));
    }

    #[test]
    fn json_is_read_as_it_was_written(value in plain_value()) {
        let mut out = Vec::new();
        ng::json::write(&value, &mut out);
        prop_assert_eq!(Ok(value), ng::json::read(&out));
    }

    #[test]
    fn any_message_is_answered_or_has_no_cookie(bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>(), value in value()) {
        let _ = ng::read(&bytes);
        let whole = ng::write(b"1", ng::Form::Bencode, &value);
        let at = cut.index(whole.len());
        if let Some(question) = ng::read(&whole[..at]) {
            prop_assert!(question.body.is_err() || whole[at..].iter().all(u8::is_ascii_whitespace));
        }
    }

    #[test]
    fn any_dictionary_is_a_command_or_a_reason(value in plain_value(), verb in prop::sample::select(vec!["offer", "query", "play media", "block DTMF", "publish"])) {
        let mut value = if matches!(value, Value::Dict(_)) { value } else { Value::dict() };
        value.put("command", verb.into());
        let _ = Request::read(&value);
    }

    #[test]
    fn a_description_is_written_as_it_was_read(bytes in description()) {
        if let Ok(description) = Description::read(&bytes) {
            prop_assert_eq!(description.write(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_a_description_or_a_reason(bytes in any::<Vec<u8>>()) {
        let bytes = [b"v=0\r\n", &bytes[..]].concat();
        if let Ok(description) = Description::read(&bytes) {
            let again = description.write();
            prop_assert_eq!(&again, &Description::read(&again).unwrap().write());
        }
    }

    #[test]
    fn a_call_goes_through_any_steps_and_leaves_nothing(steps in prop::collection::vec(step(), 1..12)) {
        let mut world = World::new();
        for step in &steps {
            // `tell` checks after each step that plans, ports and sinks fit together.
            let answer = world.tell(step);
            let result = answer.get("result").and_then(Value::as_str);
            prop_assert!(matches!(result, Some("ok" | "error")));
            let said = answer.get("sdp").and_then(Value::as_bytes);
            if let Some(sdp) = said {
                prop_assert!(Description::read(sdp).is_ok());
            }
            if let Some(row) = world.calls.row("c") {
                let mut heir = World::new();
                heir.shell.taken = world.shell.taken.clone();
                heir.calls.restore(&row, &mut heir.shell).unwrap();
                prop_assert_eq!(&world.shell.plans, &heir.shell.plans);
            }
        }
        world.ask(r#"{"command": "delete", "call-id": "c", "delete-delay": 0}"#);
        prop_assert!(world.shell.taken.is_empty() && world.shell.plans.is_empty());
    }

    #[test]
    fn no_peers_address_is_told_to_another(sdp in description(), answer in description(), options in options()) {
        let mut world = World::new();
        let mut more: Vec<u8> = Vec::new();
        ng::json::write(&Value::Dict(options.into_iter().filter(|(key, _)| *key != "replace").map(|(key, value)| (key.into(), value)).collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()), &mut more);
        let more = String::from_utf8(more).unwrap();
        let more = more.trim_matches(['{', '}']);
        for (command, tags, sdp) in [("offer", ["a", ""], &sdp), ("answer", ["a", "b"], &answer)] {
            // What is not ours passes with its address: see `sdp::Protocol`.
            if sdp.windows(4).any(|bytes| bytes == b"MSRP") || more.contains("fragment") {
                continue;
            }
            let sdp = String::from_utf8_lossy(sdp).into_owned();
            let answer = world.try_sdp(command, tags, &sdp, &format!(r#"{more}{}"replace": ["origin"]"#, if more.is_empty() { "" } else { ", " }));
            let Some(told) = answer.get("sdp").and_then(Value::as_bytes) else { continue };
            let told = String::from_utf8_lossy(told).into_owned();
            prop_assert!(!told.lines().filter(|line| line.starts_with("c=") || line.starts_with("a=rtcp:") || line.starts_with("a=candidate")).any(|line| line.contains("192.0.2.") || line.contains("2001:db8::9")), "{}", told);
        }
    }
}

#[test]
fn a_plain_call_costs_little() {
    // Not a figure, only a guard against a table that grows with its calls: 1,000 calls in a debug build.
    let mut world = World::new();
    world.shell.ports_left = 10_000;
    for number in 0..1_000 {
        let call = format!(r#""call-id": "c{number}""#);
        world.try_sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), &call);
    }
    assert_eq!(1_000, world.calls.len());
}
