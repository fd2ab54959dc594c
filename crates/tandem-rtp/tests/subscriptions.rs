//! Publish and subscribe through the table, and codecs that the relay transcodes. The steps read like a trace.

mod world;

use tandem_rtp::ng::{Codec, Value};
use tandem_rtp::plan::Guard;
use tandem_rtp::session::Settings;
use world::{attributes, media, plain, World};

fn text(answer: &Value, key: &str) -> String {
    answer.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("{key} in {answer:?}")).to_owned()
}

fn called(world: &mut World) {
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), "");
    world.sdp("answer", ["a", "b"], &plain("198.51.100.2", 5000), "");
}

fn subscriber(port: u16, sections: usize) -> String {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n".to_owned();
    (0..sections).fold(head, |sdp, at| {
        sdp + &format!("m=audio {} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=recvonly\r\n", port + 2 * at as u16)
    })
}

#[test]
fn a_subscription_hears_a_party_until_it_ends() {
    let mut world = World::new();
    called(&mut world);
    let asked = world.ask(r#"{"command": "subscribe request", "call-id": "c", "from-tag": "a", "set-label": "spy"}"#);
    let (sdp, tag) = (text(&asked, "sdp"), text(&asked, "to-tag"));
    assert!(sdp.contains("a=sendonly") && media(&sdp, 0).ends_with(" RTP/AVP 0 101"), "{sdp}");
    assert_eq!("a", text(&asked, "from-tag"));
    let mine = world.plan(&tag, 0).id;
    assert!(world.plan("a", 0).sinks.contains(&mine) && !world.plan("b", 0).sinks.contains(&mine));
    let answer =
        world.ask(&format!(r#"{{"command": "subscribe answer", "call-id": "c", "to-tag": "{tag}", "sdp": {:?}}}"#, subscriber(7000, 1)));
    assert_eq!("ok", text(&answer, "result"));
    let plan = world.plan(&tag, 0);
    assert!(plan.hears && !plan.sends && plan.sinks.is_empty() && plan.remote.unwrap().rtp.port() == 7000);
    let query = world.ask(r#"{"command": "query", "call-id": "c"}"#);
    assert_eq!("spy", text(query.get("tags").and_then(|tags| tags.get(&tag)).unwrap(), "label"));
    world.ask(&format!(r#"{{"command": "unsubscribe", "call-id": "c", "to-tag": "{tag}"}}"#));
    assert_eq!((2, 1), (world.shell.plans.len(), world.plan("a", 0).sinks.len()));
}

#[test]
fn a_subscription_to_all_has_a_section_for_each_and_ends_with_the_call() {
    let mut world = World::new();
    called(&mut world);
    let asked = world.ask(r#"{"command": "subscribe request", "call-id": "c", "to-tag": "s", "flags": ["all"], "transport-protocol": "RTP/SAVP", "DTLS": "off"}"#);
    assert_eq!(2, asked.get("from-tags").unwrap().items().len());
    let sdp = text(&asked, "sdp");
    assert!(media(&sdp, 1).contains("RTP/SAVP") && !attributes(&sdp, 1, "crypto").is_empty());
    assert!(matches!(world.plan("s", 1).guard, Guard::Sdes { receive: None, .. }));
    let again = world.ask(r#"{"command": "subscribe request", "call-id": "c", "to-tag": "s", "from-tag": "b"}"#);
    assert_eq!("b", text(&again, "from-tag"));
    assert_eq!(3, world.shell.plans.len(), "a new request replaces the old one");
    let wrong =
        world.ask(&format!(r#"{{"command": "subscribe answer", "call-id": "c", "to-tag": "s", "sdp": {:?}}}"#, subscriber(7000, 2)));
    assert_eq!("error", text(&wrong, "result"));
    world.ask(r#"{"command": "delete", "call-id": "c", "from-tag": "a", "to-tag": "b", "delete-delay": 0}"#);
    assert!(world.calls.is_empty() && world.shell.plans.is_empty());
}

#[test]
fn a_publisher_is_answered_by_us_and_can_be_heard() {
    let mut world = World::new();
    let asked = world.ask(&format!(r#"{{"command": "publish", "sdp": {:?}}}"#, plain("192.0.2.1", 4000) + "a=sendonly\r\n"));
    let (call, tag, sdp) = (text(&asked, "call-id"), text(&asked, "from-tag"), text(&asked, "sdp"));
    assert!(sdp.contains("a=recvonly") && media(&sdp, 0).ends_with(" RTP/AVP 0") && !sdp.contains("192.0.2.1"), "{sdp}");
    assert!(world.plan(&tag, 0).sends);
    let asked = world.ask(&format!(r#"{{"command": "subscribe request", "call-id": "{call}", "from-tag": "{tag}", "to-tag": "s"}}"#));
    assert!(media(&text(&asked, "sdp"), 0).ends_with(" RTP/AVP 0"));
    assert_eq!(vec![world.plan("s", 0).id], world.plan(&tag, 0).sinks);
    world.ask(&format!(r#"{{"command": "delete", "call-id": "{call}", "delete-delay": 0}}"#));
    assert!(world.calls.is_empty());
}

#[test]
fn what_cannot_be_subscribed_to_is_told() {
    let mut world = World::new();
    called(&mut world);
    for (ask, reason) in [
        (r#"{"command": "subscribe request", "call-id": "c", "from-tag": "x"}"#, "from-tag: 'x' is no party of the call"),
        (r#"{"command": "subscribe request", "call-id": "c", "from-tag": "a", "to-tag": "b"}"#, "tag: 'b' is no party of the call"),
        (r#"{"command": "unsubscribe", "call-id": "c", "to-tag": "a"}"#, "to-tag: 'a' is no party of the call"),
    ] {
        assert_eq!(reason, text(&world.ask(ask), "error-reason"));
    }
    assert_eq!(2, world.shell.plans.len());
}

fn transcoder() -> World {
    let transcodes = ["PCMU/8000/1", "PCMA/8000/1", "G722/8000/1", "opus/48000/2"].iter().filter_map(|codec| Codec::parse(codec)).collect();
    World::with(Settings { transcodes, ..Settings::default() })
}

#[test]
fn a_codec_that_is_added_is_answered_to_the_offerer_with_its_own() {
    let mut world = transcoder();
    let offered = world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""codec": {"mask": ["PCMU"], "transcode": ["opus", "PCMA"]}"#);
    assert!(media(&offered, 0).ends_with(" RTP/AVP 127 8 101"), "{offered}");
    assert!(attributes(&offered, 0, "rtpmap").contains(&"127 opus/48000/2".to_owned()));
    let answer =
        plain("198.51.100.2", 5000).replace("AVP 0 101", "AVP 127 101").replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:127 opus/48000/2");
    let answered = world.sdp("answer", ["a", "b"], &answer, "");
    assert!(media(&answered, 0).ends_with(" RTP/AVP 0 101"), "{answered}");
    let names = |leg: &str| world.plan(leg, 0).accepts.iter().map(|payload| payload.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (vec!["PCMU".to_owned(), "TELEPHONE-EVENT".to_owned()], vec!["OPUS".to_owned(), "TELEPHONE-EVENT".to_owned()]),
        (names("a"), names("b"))
    );
}

#[test]
fn an_answer_in_nothing_but_an_added_codec_gives_the_offerer_its_first_one() {
    let mut world = transcoder();
    world.sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""codec": {"transcode": ["opus"]}"#);
    let answer = plain("198.51.100.2", 5000).replace("AVP 0 101", "AVP 127").replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:127 opus/48000/2");
    let answered = world.sdp("answer", ["a", "b"], &answer, "");
    assert!(media(&answered, 0).ends_with(" RTP/AVP 0"), "{answered}");
}

#[test]
fn a_codec_that_nobody_can_transcode_is_told() {
    let mut world = World::new();
    let answer = world.try_sdp("offer", ["a", ""], &plain("192.0.2.1", 4000), r#""codec": {"transcode": ["G729"]}"#);
    assert_eq!("codec transcode: 'G729' is none that this relay can transcode", text(&answer, "warning"));
    assert!(media(&text(&answer, "sdp"), 0).ends_with(" RTP/AVP 0 101"));
}
