//! Keys, ICE, BUNDLE and rtcp-mux through the table. The steps read like a trace.

mod world;

use tandem_rtp::plan::{Guard, Ice};
use tandem_rtp::sdp::{Crypto, Description};
use tandem_rtp::session::Settings;
use tandem_rtp::srtp::Suite;
use world::{attributes, lines, media, plain, World};

const KEY: &str = "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";
const OTHER_KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn fingerprint(byte: &str) -> String {
    format!("sha-256 {}", [byte; 32].join(":"))
}

fn sdes(address: &str, tag: u32, suite: &str, key: &str) -> String {
    plain(address, 4000).replace("RTP/AVP", "RTP/SAVP") + &format!("a=crypto:{tag} {suite} inline:{key}\r\n")
}

/// A browser's description of one section.
fn web(ufrag: &str, setup: &str, byte: &str) -> String {
    lines(&format!(
        "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\n\
         a=ice-ufrag:{ufrag}\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\na=fingerprint:{}\na=setup:{setup}\na=mid:0\na=sendrecv\na=rtcp-mux\n\
         a=rtpmap:111 opus/48000/2\na=rtpmap:0 PCMU/8000",
        fingerprint(byte)
    ))
}

/// The tag of our line of that suite.
fn tag_of(sdp: &str, suite: &str) -> u32 {
    let all = attributes(sdp, 0, "crypto");
    let line = all.iter().find(|value| value.split(' ').nth(1) == Some(suite)).unwrap_or_else(|| panic!("{suite} in {sdp}"));
    line.split(' ').next().unwrap().parse().unwrap()
}

fn crypto(value: &str) -> Crypto {
    Crypto::parse(value.as_bytes()).unwrap()
}

#[test]
fn keys_end_at_the_relay_on_both_sides() {
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &sdes("192.0.2.1", 5, "AES_CM_128_HMAC_SHA1_80", KEY), r#""DTLS": "off""#);
    assert!(!offered.contains(KEY), "our keys, not the peer's");
    let tag = tag_of(&offered, "AES_CM_128_HMAC_SHA1_80");
    let answered = world.sdp("answer", ["a", "b"], &sdes("198.51.100.2", tag, "AES_CM_128_HMAC_SHA1_80", OTHER_KEY), "");
    let to_a = attributes(&answered, 0, "crypto");
    assert_eq!((1, true), (to_a.len(), to_a[0].starts_with("5 AES_CM_128_HMAC_SHA1_80 ")));
    let Guard::Sdes { receive, send } = &world.plan("a", 0).guard else { panic!() };
    assert_eq!(
        (Some(&crypto(&format!("5 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).master), &crypto(&to_a[0]).master),
        (receive.as_ref(), send)
    );
    let Guard::Sdes { receive, send } = &world.plan("b", 0).guard else { panic!() };
    assert_eq!(Some(&crypto(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{OTHER_KEY}")).master), receive.as_ref());
    let ours = attributes(&offered, 0, "crypto").into_iter().map(|value| crypto(&value)).find(|crypto| crypto.tag == tag).unwrap();
    assert_eq!(&ours.master, send);
}

#[test]
fn keys_stay_when_either_side_re_offers() {
    let mut world = World::new();
    let a = sdes("192.0.2.1", 1, "AES_CM_128_HMAC_SHA1_80", KEY);
    let offered = world.sdp("offer", ["a", ""], &a, r#""DTLS": "off""#);
    let b = sdes("198.51.100.2", tag_of(&offered, "AES_CM_128_HMAC_SHA1_32"), "AES_CM_128_HMAC_SHA1_32", OTHER_KEY);
    world.sdp("answer", ["a", "b"], &b, "");
    let before = world.shell.plans.clone();
    world.sdp("offer", ["a", "b"], &a, r#""DTLS": "off""#);
    assert_eq!(before, world.shell.plans, "an offer alone changes no keys");
    world.sdp("answer", ["a", "b"], &b, "");
    assert_eq!(before, world.shell.plans);
    // The callee offers what it uses, under a tag of its own.
    let b = sdes("198.51.100.2", 7, "AES_CM_128_HMAC_SHA1_32", OTHER_KEY);
    let offered = world.sdp("offer", ["b", "a"], &b, r#""DTLS": "off""#);
    assert_eq!(
        before.values().map(|plan| &plan.guard).collect::<Vec<_>>(),
        world.shell.plans.values().map(|plan| &plan.guard).collect::<Vec<_>>()
    );
    let a = sdes("192.0.2.1", tag_of(&offered, "AES_CM_128_HMAC_SHA1_80"), "AES_CM_128_HMAC_SHA1_80", KEY);
    let answered = world.sdp("answer", ["b", "a"], &a, "");
    assert!(attributes(&answered, 0, "crypto")[0].starts_with("7 AES_CM_128_HMAC_SHA1_32"));
    assert_eq!(before, world.shell.plans);
}

#[test]
fn the_suite_in_use_is_the_first_of_a_later_offer() {
    let mut world = World::new();
    let a = sdes("192.0.2.1", 1, "AES_CM_128_HMAC_SHA1_80", KEY);
    world.sdp("offer", ["a", ""], &a, r#""transport-protocol": "RTP/AVP""#);
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    let before = world.plan("a", 0).guard.clone();
    let again = r#""transport-protocol": "RTP/SAVP", "DTLS": "off""#;
    let offered = world.sdp("offer", ["b", "a"], &plain("198.51.100.2", 5000), again);
    assert!(attributes(&offered, 0, "crypto")[0].starts_with("1 AES_CM_128_HMAC_SHA1_80 "));
    world.sdp("answer", ["b", "a"], &a, r#""transport-protocol": "RTP/AVP""#);
    assert_eq!(before, world.plan("a", 0).guard);
}

#[test]
fn a_secure_side_is_bridged_to_a_plain_one_both_ways() {
    let mut world = World::new();
    let offered = world.sdp(
        "offer",
        ["a", ""],
        &sdes("192.0.2.1", 1, "AEAD_AES_128_GCM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw"),
        r#""transport-protocol": "RTP/AVP""#,
    );
    assert!(attributes(&offered, 0, "crypto").is_empty() && media(&offered, 0).contains(" RTP/AVP "));
    assert!(
        matches!(&world.plan("a", 0).guard, Guard::Sdes { receive: Some(_), send } if send.suite == Suite::AeadAes128Gcm),
        "no plain packet to a secure peer, not even early"
    );
    let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert!(media(&answered, 0).contains(" RTP/SAVP ") && attributes(&answered, 0, "crypto")[0].starts_with("1 AEAD_AES_128_GCM"));
    assert_eq!(Guard::Plain, world.plan("b", 0).guard);
    let mut world = World::new();
    let offered = world.sdp(
        "offer",
        ["a", ""],
        &plain("192.0.2.1", 4000),
        r#""transport-protocol": "RTP/SAVP", "DTLS": "off", "SDES": ["no-AEAD_AES_256_GCM", "order:AES_CM_128_HMAC_SHA1_32;"]"#,
    );
    let suites: Vec<_> = attributes(&offered, 0, "crypto").iter().map(|value| crypto(value).master.suite).collect();
    assert_eq!([Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80], suites[..]);
    let tag = tag_of(&offered, "AEAD_AES_128_GCM");
    world.sdp("answer", ["a", "b"], &sdes("198.51.100.2", tag, "AEAD_AES_128_GCM", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw"), "");
    assert_eq!(Guard::Plain, world.plan("a", 0).guard);
    assert!(matches!(&world.plan("b", 0).guard, Guard::Sdes { receive: Some(_), .. }));
}

#[test]
fn keys_are_padded_unless_their_receiver_wants_none() {
    for (flags, padded) in [("", true), (r#", "SDES": ["no-pad"]"#, false)] {
        let mut world = World::new();
        let wanted = format!(r#""transport-protocol": "RTP/SAVP", "DTLS": "off"{flags}"#);
        let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), &wanted);
        let keys = attributes(&offered, 0, "crypto");
        let gcm = keys.iter().find(|value| value.contains(" AEAD_AES_256_GCM ")).unwrap();
        assert_eq!(padded, gcm.ends_with('='), "{gcm}");
    }
}

#[test]
fn an_offer_that_needs_keys_and_has_none_that_we_serve_fails() {
    let mut world = World::new();
    let answer = world.try_sdp("offer", ["a", ""], &sdes("192.0.2.1", 1, "F8_128_HMAC_SHA1_80", KEY), r#""transport-protocol": "RTP/AVP""#);
    assert_eq!(
        Some("sdp: secure media is offered with no key that is served"),
        answer.get("error-reason").and_then(tandem_rtp::ng::Value::as_str)
    );
    assert!(world.shell.taken.is_empty());
}

#[test]
fn an_answer_without_keys_is_told_and_never_gets_plain_packets() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""transport-protocol": "RTP/SAVP", "DTLS": "off""#);
    let answer = world.try_sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000).replace("AVP", "SAVP"), "");
    assert!(answer.get("warning").is_some(), "{answer:?}");
    assert!(matches!(&world.plan("b", 0).guard, Guard::Sdes { receive: None, .. }));
}

#[test]
fn transparent_keys_pass_untouched() {
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &sdes("192.0.2.1", 1, "F8_128_HMAC_SHA1_80", KEY), r#""flags": ["transparent"]"#);
    assert_eq!(vec![format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}")], attributes(&offered, 0, "crypto"));
    let answered = world.sdp("answer", ["a", "b"], &sdes("198.51.100.2", 1, "F8_128_HMAC_SHA1_80", OTHER_KEY), "");
    assert_eq!(vec![format!("1 F8_128_HMAC_SHA1_80 inline:{OTHER_KEY}")], attributes(&answered, 0, "crypto"));
    assert_eq!((Guard::Opaque, Guard::Opaque), (world.plan("a", 0).guard.clone(), world.plan("b", 0).guard.clone()));
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &web("uuuu", "actpass", "AA"), r#""flags": ["transparent"]"#);
    assert_eq!(
        (vec![fingerprint("AA")], vec!["actpass".to_owned()]),
        (attributes(&offered, 0, "fingerprint"), attributes(&offered, 0, "setup"))
    );
    assert!(!offered.contains("a=ice-ufrag:uuuu"), "ICE ends at us all the same");
}

#[test]
fn optional_keys_go_on_and_an_answer_without_them_is_plain() {
    let osrtp = |address: &str, tag: u32, key: &str| sdes(address, tag, "AES_CM_128_HMAC_SHA1_80", key).replace("SAVP", "AVP");
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &osrtp("192.0.2.1", 1, KEY), "");
    assert!(media(&offered, 0).contains(" RTP/AVP ") && !attributes(&offered, 0, "crypto").is_empty());
    let answered = world.sdp("answer", ["a", "b"], &osrtp("198.51.100.2", tag_of(&offered, "AES_CM_128_HMAC_SHA1_80"), OTHER_KEY), "");
    assert_eq!(1, attributes(&answered, 0, "crypto").len());
    assert!(matches!((&world.plan("a", 0).guard, &world.plan("b", 0).guard), (Guard::Sdes { .. }, Guard::Sdes { receive: Some(_), .. })));
    let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert!(attributes(&answered, 0, "crypto").is_empty());
    assert_eq!((Guard::Plain, Guard::Plain), (world.plan("a", 0).guard.clone(), world.plan("b", 0).guard.clone()));
    let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), r#""OSRTP": ["accept"]"#);
    assert_eq!(1, attributes(&answered, 0, "crypto").len());
}

#[test]
fn a_browser_is_bridged_to_a_phone() {
    let mut world = World::new();
    let offered = world.sdp(
        "offer",
        ["a", ""],
        &web("uuuu", "actpass", "AA"),
        r#""transport-protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"]"#,
    );
    for gone in ["ice-", "candidate", "fingerprint", "setup", "rtcp-mux", "BUNDLE"] {
        assert!(!offered.contains(gone), "{gone}: {offered}");
    }
    assert!(matches!(&world.plan("a", 0).guard, Guard::Dtls { active: false, .. }), "it does not know our certificate yet");
    let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), r#""ICE": "force""#);
    assert!(
        answered.contains("a=ice-lite")
            && answered.contains("a=setup:active")
            && answered.contains("a=rtcp-mux")
            && answered.contains("a=mid:0"),
        "{answered}"
    );
    let a = world.plan("a", 0);
    let Some(Ice { local, remote: Some(remote) }) = &a.ice else { panic!() };
    assert_eq!("uuuu", remote.ufrag);
    assert_eq!(
        (vec![local.ufrag.clone()], vec![local.pwd.clone()]),
        (attributes(&answered, 0, "ice-ufrag"), attributes(&answered, 0, "ice-pwd"))
    );
    assert_eq!(vec![format!("1 1 UDP 2130706431 203.0.113.1 {} typ host", a.local.rtp)], attributes(&answered, 0, "candidate"));
    assert!(a.mux && a.remote.is_none() && a.ice_peer.as_ref().is_some_and(|peer| !peer.lite && !peer.controlling));
    assert_eq!(Guard::Dtls { active: true, fingerprint: Some(("sha-256".into(), vec![0xaa; 32])) }, a.guard);
    assert!(a.payloads.iter().map(|payload| payload.number).eq([0]), "what it may send: {:?}", a.payloads);
}

#[test]
fn a_phone_is_bridged_to_a_browser_which_chooses_its_role() {
    for (setup, active) in [("active", false), ("passive", true)] {
        let mut world = World::new();
        let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""flags": ["WebRTC"]"#);
        assert!(
            media(&offered, 0).contains(" UDP/TLS/RTP/SAVPF ")
                && offered.contains("a=setup:actpass")
                && offered.contains("a=ice-lite")
                && offered.contains("a=mid:1"),
            "{offered}"
        );
        assert!(attributes(&offered, 0, "crypto").is_empty() && attributes(&offered, 0, "rtcp").is_empty());
        assert_eq!(1, attributes(&offered, 0, "candidate").len(), "rtcp-mux is required: one component");
        assert!(matches!(&world.plan("", 0).guard, Guard::Dtls { active: false, fingerprint: None }));
        assert!(world.plan("", 0).ice.as_ref().is_some_and(|ice| ice.remote.is_none()), "checks may come before the answer");
        let answered = world.sdp("answer", ["a", "b"], &web("vvvv", setup, "BB").replace("a=mid:0", "a=mid:1").replace("111 0", "0"), "");
        assert!(!answered.contains("ice") && !answered.contains("a=mid") && media(&answered, 0).contains(" RTP/AVP "), "{answered}");
        assert_eq!(Guard::Dtls { active, fingerprint: Some(("sha-256".into(), vec![0xbb; 32])) }, world.plan("b", 0).guard);
        assert!(world.plan("b", 0).mux);
    }
}

#[test]
fn new_credentials_of_a_peer_get_new_ones_of_ours_and_the_same_ones_do_not() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &web("uuuu", "actpass", "AA"), r#""transport-protocol": "RTP/AVP", "ICE": "remove""#);
    let first = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    world.sdp("offer", ["a", "b"], &web("uuuu", "actpass", "AA"), r#""transport-protocol": "RTP/AVP", "ICE": "remove""#);
    let again = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert_eq!(first, again);
    world.sdp("offer", ["a", "b"], &web("wwww", "actpass", "AA"), r#""transport-protocol": "RTP/AVP", "ICE": "remove""#);
    let restarted = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert_ne!(attributes(&first, 0, "ice-ufrag"), attributes(&restarted, 0, "ice-ufrag"));
    assert_eq!(0, world.plan("a", 0).association, "an ICE restart is no new DTLS association");
    assert!(restarted.contains("a=setup:active"), "and keeps its roles");
    world.sdp("offer", ["a", "b"], &web("xxxx", "actpass", "CC"), r#""transport-protocol": "RTP/AVP", "ICE": "remove""#);
    assert_eq!(1, world.plan("a", 0).association, "another certificate is");
}

#[test]
fn a_peer_that_refuses_ice_is_not_offered_it_again() {
    let mut world = World::new();
    let force = r#""ICE": "force""#;
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), force);
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert!(!world.sdp("offer", ["a", "b"], &plain("192.0.2.1", 4000), force).contains("a=ice-ufrag"));
    assert!(world.sdp("offer", ["a", "b"], &plain("192.0.2.1", 4000), r#""ICE": "force", "flags": ["reset"]"#).contains("a=ice-ufrag"));
}

#[test]
fn two_lite_agents_are_controlled_by_the_offerer() {
    let lite = |text: String| {
        text.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n")
            .replace("a=mid:0", "a=mid:0\r\na=candidate:1 1 UDP 2130706431 198.51.100.2 5000 typ host")
    };
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""flags": ["WebRTC"]"#);
    world.sdp("answer", ["a", "b"], &lite(web("vvvv", "active", "BB")), "");
    let peer = world.plan("b", 0).ice_peer.clone().unwrap();
    assert!(peer.lite && peer.controlling && peer.candidates.len() == 1);
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &lite(web("vvvv", "actpass", "BB")), r#""transport-protocol": "RTP/AVP", "ICE": "remove""#);
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    assert!(world.plan("a", 0).ice_peer.as_ref().is_some_and(|peer| peer.lite && !peer.controlling));
}

fn bundled(address: &str, setup: &str, group: &str) -> String {
    let section = |kind: &str, port: u16, mid: u8, codec: &str| {
        format!(
            "m={kind} {port} UDP/TLS/RTP/SAVPF {codec}\nc=IN IP4 {address}\na=ice-ufrag:uuuu\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\n\
             a=fingerprint:{}\na=setup:{setup}\na=mid:{mid}\na=rtcp-mux\na=rtpmap:{codec} X{codec}/90000\n",
            fingerprint("AA")
        )
    };
    lines(&format!(
        "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n{group}\n{}{}",
        section("audio", 4000, 0, "111"),
        section("video", 4002, 1, "96")
    ))
}

#[test]
fn a_bundle_that_both_sides_use_is_one_endpoint_a_side() {
    let mut world = World::new();
    let group = "a=group:BUNDLE 0 1";
    let offered = world.sdp("offer", ["a", ""], &bundled("192.0.2.1", "actpass", group), "");
    assert!(offered.contains(group));
    assert_ne!(media(&offered, 0).split(' ').next(), media(&offered, 1).split(' ').next(), "ports of their own until it is accepted");
    let answered = world.sdp("answer", ["a", "b"], &bundled("198.51.100.2", "active", group), "");
    assert_eq!(media(&answered, 0).split(' ').next(), media(&answered, 1).split(' ').next());
    assert_eq!((2, 2), (world.shell.plans.len(), world.shell.taken.len()));
    let numbers: Vec<_> = world.plan("a", 0).payloads.iter().map(|payload| payload.number).collect();
    assert_eq!([111, 96], numbers[..]);
    assert_eq!(vec![world.plan("b", 0).id], world.plan("a", 0).sinks);
    let again = world.sdp("offer", ["b", "a"], &bundled("198.51.100.2", "actpass", group), "");
    assert_eq!(media(&again, 0).split(' ').next(), media(&again, 1).split(' ').next(), "a bundle in use shares its port");
    world.sdp("answer", ["b", "a"], &bundled("192.0.2.1", "active", group), "");
    assert_eq!(2, world.shell.plans.len());
}

#[test]
fn a_bundle_that_the_answerer_refuses_is_refused_to_the_offerer() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &bundled("192.0.2.1", "actpass", "a=group:BUNDLE 0 1"), "");
    let answered = world.sdp("answer", ["a", "b"], &bundled("198.51.100.2", "active", "a=msid-semantic:WMS"), "");
    assert!(!answered.contains("BUNDLE"));
    assert_ne!(media(&answered, 0).split(' ').next(), media(&answered, 1).split(' ').next());
    assert_eq!(4, world.shell.plans.len());
    assert_eq!(vec![world.plan("b", 1).id], world.plan("a", 1).sinks);
}

#[test]
fn a_bundle_is_taken_out_where_the_transport_changes() {
    let mut world = World::new();
    let offered = world.sdp(
        "offer",
        ["a", ""],
        &bundled("192.0.2.1", "actpass", "a=group:BUNDLE 0 1"),
        r#""transport-protocol": "RTP/AVP", "ICE": "remove""#,
    );
    assert!(!offered.contains("BUNDLE"));
    assert_eq!(4, world.shell.plans.len());
}

#[test]
fn a_peer_that_can_do_nothing_but_rtcp_mux_gets_it() {
    for (more, expected) in
        [("a=rtcp:4000\r\na=rtcp-mux\r\n", true), ("a=rtcp-mux\r\na=rtcp-mux-only\r\n", true), ("a=rtcp:4001\r\na=rtcp-mux\r\n", false)]
    {
        let mut world = World::new();
        world.sdp("offer", ["a", ""], &(plain("192.0.2.1", 4000) + more), "");
        let answered = world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
        assert_eq!(expected, answered.contains("a=rtcp-mux"), "{more}");
        assert_eq!(expected, world.plan("a", 0).mux);
    }
}

#[test]
fn candidates_that_come_later_are_added() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &web("uuuu", "actpass", "AA"), r#""transport-protocol": "RTP/AVP", "ICE": "remove""#);
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
    let fragment = "v=0\nm=audio 9 RTP/AVP 0\na=mid:0\na=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host";
    let answer = world.try_sdp("offer", ["a", "b"], fragment, r#""flags": ["fragment"]"#);
    assert_eq!((Some("ok"), None), (answer.get("result").and_then(tandem_rtp::ng::Value::as_str), answer.get("sdp")));
    assert_eq!(1, world.plan("a", 0).ice_peer.as_ref().unwrap().candidates.len());
}

#[test]
fn a_row_keeps_keys_credentials_and_roles() {
    let mut world = World::new();
    world.sdp("offer", ["a", ""], &web("uuuu", "actpass", "AA"), r#""transport-protocol": "RTP/SAVP", "DTLS": "off", "ICE": "remove""#);
    let offered =
        world.sdp("offer", ["a", ""], &web("uuuu", "actpass", "AA"), r#""transport-protocol": "RTP/SAVP", "DTLS": "off", "ICE": "remove""#);
    world.sdp(
        "answer",
        ["a", "b"],
        &sdes("198.51.100.2", tag_of(&offered, "AES_CM_128_HMAC_SHA1_80"), "AES_CM_128_HMAC_SHA1_80", OTHER_KEY),
        "",
    );
    let row = world.calls.row("c").unwrap();
    let mut heir = World::with(Settings::default());
    heir.shell.taken = world.shell.taken.clone();
    heir.calls.restore(&row, &mut heir.shell).unwrap();
    assert_eq!(world.shell.plans, heir.shell.plans);
    assert!(row.len() < 8_192, "a row of a call has {} bytes", row.len());
}

#[test]
fn a_relays_own_description_passes_when_loops_are_guarded() {
    let mut world = World::new();
    let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""flags": ["loop-protect"]"#);
    assert_eq!(offered, world.sdp("offer", ["a", ""], &offered, r#""flags": ["loop-protect"], "call-id": "d""#));
}

#[test]
fn the_origin_is_ours_where_that_is_asked_for() {
    let origin = |sdp: &str| Description::read(sdp.as_bytes()).unwrap().origin().unwrap().value();
    let mut world = World::new();
    let replace = r#""replace": ["origin", "username", "SDP-version"]"#;
    let first = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000).replace("o=- 1 1", "o=alice 1 7"), replace);
    assert_eq!("alice 1 7 IN IP4 203.0.113.1", origin(&first));
    let same = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000).replace("o=- 1 1", "o=bob 1 8"), replace);
    assert_eq!("alice 1 7 IN IP4 203.0.113.1", origin(&same), "nothing changed: the version stays");
    let held = world.sdp("offer", ["a", ""], &(plain("192.0.2.1", 4000) + "a=sendonly\r\n"), replace);
    assert_eq!("alice 1 8 IN IP4 203.0.113.1", origin(&held));
}
