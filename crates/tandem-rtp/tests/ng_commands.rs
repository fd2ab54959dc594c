//! Commands as clients write them: every flag of the documentation is known, both spellings, and what is wrong is named.

use tandem_rtp::ng::{json, Command, DtlsMode, IceMode, Options, Request, RoleAsked, Signal, Tos, Transport, What};
use tandem_rtp::plan::Learning;
use tandem_rtp::sdp::{Family, Protocol};
use tandem_rtp::studio::Piece;

fn request(more: &str) -> Request {
    let text = format!(
        r#"{{"command": "offer", "call-id": "c", "from-tag": "a", "sdp": "v=0"{}{more}}}"#,
        if more.is_empty() { "" } else { ", " }
    );
    Request::read(&json::read(text.as_bytes()).unwrap()).unwrap_or_else(|failure| panic!("{more}: {failure}"))
}

fn options(more: &str) -> Options {
    let request = request(more);
    assert!(request.warnings.is_empty(), "{more}: {:?}", request.warnings);
    let Command::Offer(signal) = request.command else { panic!() };
    signal.options
}

fn reason(text: &str) -> String {
    Request::read(&json::read(text.as_bytes()).unwrap()).expect_err(text).to_string()
}

fn command(text: &str) -> Command {
    Request::read(&json::read(text.as_bytes()).unwrap()).unwrap_or_else(|failure| panic!("{text}: {failure}")).command
}

#[test]
fn keys_are_known_in_all_spellings() {
    for key in ["transport protocol", "transport-protocol", "transport_protocol", "Transport-Protocol"] {
        assert_eq!(Some(Transport::To(Protocol::TlsSavpf)), options(&format!(r#""{key}": "UDP/TLS/RTP/SAVPF""#)).transport);
    }
    let all = options(
        r#""ICE": "force", "DTLS": "passive", "DTLS-reverse": "active", "SDES": ["off", "no-pad", "lifetime", "no-AEAD_AES_256_GCM", "only-AEAD_AES_128_GCM"],
           "OSRTP": ["offer", "accept"], "rtcp-mux": ["demux"], "address family": "IP6", "media address": "2001:db8::1", "received from": ["IP4", "10.65.31.43"],
           "direction": ["priv", "pub"], "ptime": 30, "ptime-reverse": "20", "record call": "yes", "TOS": 184, "endpoint-learning": "heuristic",
           "label": "one", "set-label": "two", "metadata": "k:v", "drop-traffic": "start", "codec": {"strip": ["PCMU"], "except": ["opus/48000/2"]},
           "replace": ["origin", "session connection", "SDP version", "username", "session-name", "zero address", "origin-full"], "supports": ["load limit"],
           "sdp-media-remove": ["video"], "via-branch": "z", "ICE-lite": "forward", "DTLS-fingerprint": "sha-256""#,
    );
    assert_eq!((IceMode::Force, Some(DtlsMode::Passive), Some(DtlsMode::Active)), (all.ice, all.dtls, all.dtls_reverse));
    assert!(
        all.sdes.off
            && all.sdes.unpadded
            && all.sdes.lifetime
            && all.sdes.no == ["AEAD_AES_256_GCM"]
            && all.sdes.only == ["AEAD_AES_128_GCM"]
    );
    assert!(all.osrtp.offer && all.osrtp.accept && all.mux.demux && !all.mux.offer);
    assert_eq!((Some(Family::Ip6), Some(30), Some(20), Some(true)), (all.family, all.ptime, all.ptime_reverse, all.record));
    assert_eq!((Some("priv"), Some("pub")), (all.from_interface.as_deref(), all.to_interface.as_deref()));
    assert_eq!((Tos::Set(184), Some(Learning::Heuristic), Some(true)), (all.tos, all.learning, all.drop_traffic));
    assert!(
        all.replace.origin && all.replace.session_connection && all.replace.version && all.replace.zero_address && all.replace.origin_full
    );
    assert_eq!((1, 1, vec!["video".to_owned()]), (all.codec.strip.len(), all.codec.except.len(), all.remove_media));
    assert_eq!(Tos::Keep, options(r#""TOS": -1"#).tos);
    assert_eq!(Tos::Default, options(r#""TOS": 256"#).tos);
    assert_eq!(Some("pub"), options(r#""interface": "pub""#).to_interface.as_deref());
}

#[test]
fn flags_are_known_in_all_spellings() {
    for flag in ["strict source", "strict-source", "strict_source", "Strict Source"] {
        assert!(options(&format!(r#""flags": ["{flag}"]"#)).strict_source);
    }
    let all = options(
        r#""flags": ["SIP source address", "symmetric", "unidirectional", "media handover", "reset", "port latching", "record call", "no rtcp attribute",
           "full rtcp attribute", "loop protect", "always transcode", "single codec", "allow transcoding", "all", "pad crypto", "generate mid", "strip extmap",
           "original sendrecv", "inject DTMF", "debug", "trickle ICE", "reject ICE", "SDES-off", "SDES-no-AES_CM_128_HMAC_SHA1_32", "DTLS-passive",
           "rtcp-mux-offer", "rtcp-mux-require", "replace-origin", "OSRTP-accept", "endpoint-learning-off", "codec-strip-PCMU", "codec-set-opus/48000/1/16000",
           "codec-offer-G722", "codec-mask-all", "codec-transcode-PCMA", "transcode-opus", "codec-except-GSM", "codec-accept-AMR", "codec-consume-G729",
           "ICE=remove", "direction=[pub priv]", "RTP/SAVPF", "asymmetric", "denoise", "cancel-echo", "via-branch=z9"]"#,
    );
    assert!(
        all.sip_source_address && all.media_handover && all.reset && all.no_rtcp_attribute && all.full_rtcp_attribute && all.loop_protect
    );
    assert!(
        all.single_codec
            && all.allow_transcoding
            && !all.sdes.unpadded
            && all.generate_mid
            && all.strip_extmap
            && all.original_sendrecv
            && all.inject_dtmf
            && (all.denoise, all.cancel_echo) == (Some(true), Some(true))
    );
    assert!(
        all.trickle
            && all.reject_ice
            && all.sdes.off
            && all.mux.offer
            && all.mux.require
            && all.replace.origin
            && all.osrtp.accept
            && all.asymmetric
    );
    assert_eq!((IceMode::Remove, Some(DtlsMode::Passive), Some(Learning::Off), Some(true)), (all.ice, all.dtls, all.learning, all.record));
    assert_eq!(Some(Transport::To(Protocol::RtpSavpf)), all.transport);
    let codecs = all.codec;
    assert_eq!(
        [1, 1, 1, 1, 2, 1, 2, 1],
        [
            codecs.strip.len(),
            codecs.set.len(),
            codecs.offer.len(),
            codecs.mask.len(),
            codecs.transcode.len(),
            codecs.except.len(),
            codecs.accept.len(),
            codecs.consume.len()
        ]
    );
    assert!(!options(r#""flags": ["SIP source address", "trust address"]"#).sip_source_address);
}

#[test]
fn one_string_of_flags_is_read_like_a_list() {
    let all = options(
        r#""rtpp-flags": "trust-address replace-origin ICE=force transport-protocol=RTP/SAVP codec-strip-PCMA rtcp-mux=[offer require]""#,
    );
    assert!(all.replace.origin && all.mux.offer && all.mux.require && all.ice == IceMode::Force && all.codec.strip.len() == 1);
}

#[test]
fn what_is_not_known_or_not_served_is_a_warning() {
    let warnings = request(
        r#""colour": "red", "flags": ["shiny", "pierce-NAT", 7], "ICE": "sometimes", "codec": {"paint": ["x"]}, "T.38": ["decode"], "generate-RTCP": "off""#,
    )
    .warnings;
    let expected = [
        "key 'colour' is unknown",
        "flag 'shiny' is unknown",
        "flag 'pierce-nat' is not served",
        "flag '7' is unknown",
        "ice: 'sometimes' is unknown",
        "codec: 'paint' is unknown",
        "key 't.38' is not served",
    ];
    assert_eq!(expected, warnings[..]);
}

#[test]
fn what_cannot_be_is_an_error_that_names_the_field_and_the_value() {
    let offer = |more: &str| reason(&format!(r#"{{"command": "offer", "call-id": "c", "from-tag": "a", "sdp": "v=0", {more}}}"#));
    for (more, expected) in [
        (r#""media-address": "moon""#, "media-address: 'moon' is no IP address"),
        (r#""received from": ["IP4"]"#, "received-from: 'IP4' is no IP address"),
        (r#""address family": "IP5""#, "address-family: 'IP5' is neither IP4 nor IP6"),
        (r#""transport-protocol": "CARRIER/PIGEON""#, "transport-protocol: 'CARRIER/PIGEON' is no transport that can be spoken"),
        (r#""ptime": "long""#, "ptime: 'long' is no number"),
        (r#""ptime": 0"#, "ptime: '0' is no packet time in milliseconds"),
        (r#""direction": ["a", "b", "c"]"#, "direction: 'a,b,c' is not a list of two interfaces"),
        (r#""delete-delay": -1"#, "delete-delay: '-1' is no number of seconds"),
        (r#""codec": {"strip": ["opus/fast"]}"#, "codec strip: 'opus/fast' is no codec"),
        (r#""TOS": "high""#, "TOS: 'high' is no number"),
        (r#""sdp": 5"#, "key sdp stands twice"),
    ] {
        if more.starts_with(r#""sdp""#) {
            assert!(json::read(format!(r#"{{"sdp": "v=0", {more}}}"#).as_bytes()).is_err());
            continue;
        }
        assert_eq!(expected, offer(more));
    }
    assert_eq!("command is missing", reason("{}"));
    assert_eq!("sdp is missing", reason(r#"{"command": "offer", "call-id": "c", "from-tag": "a"}"#));
    assert_eq!("from-tag is missing", reason(r#"{"command": "offer", "call-id": "c", "sdp": "v=0"}"#));
    assert_eq!("to-tag is missing", reason(r#"{"command": "answer", "call-id": "c", "from-tag": "a", "sdp": "v=0"}"#));
    assert_eq!("file is missing", reason(r#"{"command": "play media", "call-id": "c", "from-tag": "a"}"#));
    assert_eq!("code: 'x' is no DTMF digit", reason(r#"{"command": "play DTMF", "call-id": "c", "code": "x"}"#));
    assert_eq!("limit: '0' is not above 0", reason(r#"{"command": "list", "limit": 0}"#));
}

#[test]
fn every_command_is_known() {
    assert_eq!(Command::List(5), command(r#"{"command": "list", "limit": 5}"#));
    assert!(
        matches!(command(r#"{"command": "publish", "sdp": "v=0"}"#), Command::Publish(signal) if matches!(&*signal, Signal { call, .. } if call.is_empty()))
    );
    for (verb, what, on) in [
        ("block media", What::Media, true),
        ("unblock media", What::Media, false),
        ("silence media", What::Sound, true),
        ("unsilence media", What::Sound, false),
        ("block DTMF", What::Dtmf, true),
        ("unblock DTMF", What::Dtmf, false),
    ] {
        let Command::Block(block) =
            command(&format!(r#"{{"command": "{verb}", "call-id": "c", "from-tag": "a", "flags": ["directional"]}}"#))
        else {
            panic!()
        };
        assert_eq!((what, on, true), (block.what, block.on, block.party.directional));
    }
    for verb in [
        "start forwarding",
        "stop forwarding",
        "stop media",
        "subscribe request",
        "query",
        "delete",
        "start recording",
        "stop recording",
        "pause recording",
    ] {
        command(&format!(r#"{{"command": "{verb}", "call-id": "c", "from-tag": "a"}}"#));
    }
    let Command::Play(play) = command(
        r#"{"command": "play media", "call-id": "c", "flags": ["all"], "blob64": "UklGRg==", "repeat-times": 3, "start-pos": 100}"#,
    ) else {
        panic!()
    };
    assert_eq!((vec![Piece::Blob(b"RIFF".to_vec())], 3, 100, true), (play.pieces, play.times, play.start_ms, play.party.all));
    for (code, event) in [(r#""*""#, 10), (r##""#""##, 11), (r#""A""#, 12), ("15", 15), (r#""7""#, 7)] {
        let Command::Dtmf(dtmf) = command(&format!(
            r#"{{"command": "play DTMF", "call-id": "c", "from-tag": "a", "digit": {code}, "duration": 9, "volume": -20}}"#
        )) else {
            panic!()
        };
        assert_eq!((event, 100, 20, 100), (dtmf.event, dtmf.duration_ms, dtmf.volume, dtmf.pause_ms));
    }
}

#[test]
fn what_is_asked_of_the_audio_engine_is_read_with_its_limits() {
    let list = r#"["tone:busy", "say:one: two", "silence:500", "a:b.wav"]"#;
    let Command::Play(play) = command(&format!(r#"{{"command": "play media", "call-id": "c", "list": {list}, "repeat-times": 0}}"#)) else {
        panic!()
    };
    let pieces = [Piece::Tone("busy".into()), Piece::Speech("one: two".into()), Piece::Silence(500), Piece::File("a:b.wav".into())];
    assert_eq!((pieces.to_vec(), 0), (play.pieces, play.times));
    let Command::Gather(gather) = command(
        r#"{"command": "gather", "call-id": "c", "from-tag": "a", "digits": 4, "terminators": "*#", "first-digit-ms": 900, "barge-in": "no"}"#,
    ) else {
        panic!()
    };
    assert_eq!((4, 2, 900, 3_000, false), {
        let wish = gather.wish;
        (wish.digits, wish.terminators.len(), wish.first_ms, wish.inter_ms, wish.barge_in)
    });
    let Command::Join(join) =
        command(r#"{"command": "join", "call-id": "c", "from-tag": "a", "room": "r", "whisper-to": "b", "muted": "yes"}"#)
    else {
        panic!()
    };
    assert_eq!(("r", 16_000, RoleAsked::Whisper("b".into()), true, false), (&join.room[..], join.rate, join.role, join.muted, join.deaf));
    for (wrong, why) in [
        (r#"{"command": "join", "call-id": "c", "from-tag": "a"}"#, "room"),
        (r#"{"command": "join", "call-id": "c", "from-tag": "a", "room": ""}"#, "128 characters"),
        (r#"{"command": "join", "call-id": "c", "from-tag": "a", "room": "r", "rate": 11025}"#, "8000 to 48000"),
        (r#"{"command": "join", "call-id": "c", "from-tag": "a", "room": "r", "role": "boss"}"#, "barge"),
        (r#"{"command": "gather", "call-id": "c", "from-tag": "a", "digits": 65}"#, "64 digits"),
        (r#"{"command": "gather", "call-id": "c", "from-tag": "a", "terminators": "x"}"#, "DTMF"),
        (r#"{"command": "play media", "call-id": "c", "from-tag": "a", "tone": "hum"}"#, "ringback"),
        (r#"{"command": "play media", "call-id": "c", "from-tag": "a", "db-id": 3}"#, "database"),
    ] {
        assert!(reason(wrong).contains(why), "{wrong}: {}", reason(wrong));
    }
}
