//! RFC 4475: what each of the 49 messages must get, as a datagram and as a stream cut at every byte.

use std::path::PathBuf;
use tandem_sip::address::{addresses, Address};
use tandem_sip::framing::{Frame, Framer};
use tandem_sip::index::Index;
use tandem_sip::limits::Limits;
use tandem_sip::message::{Message, Method};
use tandem_sip::name::Name;
use tandem_sip::uri::Uri;
use tandem_sip::{build, refusal::Refusal};

/// What RFC 4475 wants: method or status, CSeq, the start of the Call-ID, From tag, branch of the top Via, bytes of the body.
struct Good(&'static str, &'static str, u32, &'static str, Option<&'static str>, Option<&'static str>, usize);

const LONG_TAG: &str = "12982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982424";

const GOOD: &[Good] = &[
    // 3.1.1: valid, however odd
    Good("wsinv", "INVITE", 9, "wsinv.", Some("98asjd8"), Some("390skdjuw"), 150),
    Good(
        "intmeth",
        "!interesting-Method0123456789_*+`.%indeed'~",
        139_122_385,
        "intmeth.",
        Some("_token~1'+`*%!-."),
        Some("z9hG4bK-.!%66*_+`'~"),
        0,
    ),
    Good("esc01", "INVITE", 234_234, "esc01.", Some("938"), Some("z9hG4bKkdjuw"), 150),
    Good("escnull", "REGISTER", 14_398_234, "escnull.", Some("839923423"), Some("z9hG4bKkdjuw"), 0),
    Good("esc02", "RE%47IST%45R", 29_344, "esc02.", Some("f232jadfj23"), Some("z9hG4bK209%fzsnel234"), 0),
    Good("lwsdisp", "OPTIONS", 60, "lwsdisp.", Some("323"), Some("z9hG4bKkdjuw"), 0),
    Good("longreq", "INVITE", 3_882_340, "longreq.", Some(LONG_TAG), None, 150),
    Good("dblreq", "REGISTER", 8, "dblreq.", Some("43251j3j324"), Some("z9hG4bKkdjuw23492"), 0),
    Good("semiuri", "OPTIONS", 8, "semiuri.", Some("33242"), Some("z9hG4bKkdjuw"), 0),
    Good("transports", "OPTIONS", 60, "transports.", Some("323"), Some("z9hG4bKkdjuw"), 0),
    Good("mpart01", "MESSAGE", 1, "3d9485ad0c49859b@", Some("2fb0dcc9"), Some("z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-"), 553),
    Good("unreason", "200", 35, "unreason.", Some("11141343"), Some("z9hG4bK1324923"), 154),
    Good("noreason", "100", 35, "noreason.", Some("39ansfi3"), Some("z9hG4bK2398ndaoe"), 0),
    // 3.1.2.12: "EST" in Date; an element may ignore it: nothing of ours reads a peer's Date
    Good("baddate", "INVITE", 1_392_934, "baddate.", Some("2234923"), Some("z9hG4bKkdjuw"), 150),
    // 3.1.2.11 and 3.1.2.13: well framed, `check` refuses them
    Good("escruri", "INVITE", 149_209_342, "escruri.", Some("341518"), Some("z9hG4bKkdjuw"), 150),
    Good("regbadct", "REGISTER", 1, "regbadct.", Some("998332"), Some("z9hG4bKkdjuw"), 0),
    // 3.2
    Good("badbranch", "OPTIONS", 8, "badbranch.", Some("33242"), Some("z9hG4bK"), 0),
    // 3.3: well formed; what the application refuses is below
    Good("unkscm", "OPTIONS", 3_923_423, "unkscm.", Some("384"), Some("z9hG4bKkdjuw39234"), 0),
    Good("novelsc", "OPTIONS", 3_923_423, "novelsc.", Some("384"), Some("z9hG4bKkdjuw39234"), 0),
    Good("unksm2", "REGISTER", 234_902, "unksm2.", Some("3234233"), Some("z9hG4bKkdjuw"), 0),
    Good("bext01", "OPTIONS", 8, "bext01.", Some("242etr"), Some("z9hG4bKkdjuw"), 0),
    Good("invut", "INVITE", 235_448, "invut.", Some("8392034"), Some("z9hG4bKkdjuw"), 40),
    Good("regaut01", "REGISTER", 9_338, "regaut01.", Some("87321hj23128"), Some("z9hG4bKkdjuw"), 0),
    Good("bcast", "200", 35, "bcast.", Some("11141343"), Some("z9hG4bK1324923"), 154),
    Good("zeromf", "OPTIONS", 39_234_321, "zeromf.", Some("3ghsd41"), Some("z9hG4bKkdjuw2349i"), 0),
    Good("cparam01", "REGISTER", 2, "cparam01.", Some("DkfVgjkrtMwaerKKpe"), Some("z9hG4bKkdjuw"), 0),
    Good("cparam02", "REGISTER", 3, "cparam02.", Some("838293"), Some("z9hG4bKkdjuw"), 0),
    Good("regescrt", "REGISTER", 14_398_234, "regescrt.", Some("8"), Some("z9hG4bKkdjuw"), 0),
    Good("sdp01", "INVITE", 8, "sdp01.", Some("234"), Some("z9hG4bKkdjuw"), 150),
    // 3.4: RFC 2543, neither branch nor tag nor Content-Length
    Good("inv2543", "INVITE", 56, "inv2543.", None, None, 105),
];

/// Refused by `Message::parse`: status and field.
const REFUSED: &[(&str, u16, &str)] = &[
    ("badinv01", 400, "via"),
    ("clerr", 400, "content-length"),
    ("ncl", 400, "content-length"),
    ("scalar02", 400, "cseq"),
    ("scalarlg", 400, "cseq"), // a response: dropped
    ("quotbal", 400, "to"),
    ("ltgtruri", 400, "request-uri"),
    ("lwsruri", 400, "start line"),
    ("lwsstart", 400, "start line"),
    ("trws", 400, "start line"),
    ("badaspec", 400, "to"),
    ("baddn", 400, "message"), // the RFC's file has no empty line; its display names are tested below
    ("badvers", 505, "start line"),
    ("mismatch01", 400, "cseq"),
    ("mismatch02", 400, "cseq"),    // 501 would do as well
    ("bigcode", 400, "start line"), // a response: dropped
    ("insuf", 400, "from"),
    ("multi01", 400, "cseq"),
    ("mcl01", 400, "content-length"),
];

fn torture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/torture").join(format!("{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with<T>(name: &str, read: impl FnOnce(Message<'_>) -> T) -> T {
    let bytes = torture(name);
    let mut index = Index::default();
    read(Message::parse(&bytes, &Limits::default(), &mut index).unwrap_or_else(|refusal| panic!("{name}: {refusal}")))
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn the_tables_have_every_file_once() {
    let mut names: Vec<String> = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/torture"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".dat").map(str::to_owned))
        .collect();
    let mut told: Vec<String> =
        GOOD.iter().map(|good| good.0.to_owned()).chain(REFUSED.iter().map(|refused| refused.0.to_owned())).collect();
    names.sort();
    told.sort();
    assert_eq!(49, names.len());
    assert_eq!(names, told);
}

#[test]
fn a_good_message_is_read_as_the_rfc_says() {
    for Good(name, start, cseq, call_id, tag, branch, body) in GOOD {
        with(name, |message| {
            let begin = if message.is_request() { text(Some(message.method_bytes())).unwrap() } else { message.status().to_string() };
            assert_eq!(*start, begin, "{name}");
            assert_eq!(*cseq, message.cseq().0, "{name}");
            assert!(message.call_id().starts_with(call_id.as_bytes()), "{name}");
            assert_eq!(tag.map(str::to_owned), text(message.from_tag()), "{name}");
            assert_eq!(branch.map(str::to_owned), text(message.top_via().branch), "{name}");
            assert_eq!(*body, message.body().len(), "{name}");
            let refused = message.check().err().map(|refusal| (refusal.status(), refusal.field()));
            let expected = match *name {
                "escruri" => Some((400, "request-uri")),
                "regbadct" => Some((400, "contact")),
                _ => None,
            };
            assert_eq!(expected, refused, "{name}");
        });
    }
}

#[test]
fn a_bad_message_is_refused_with_its_status_and_answered_if_it_is_a_request() {
    for (name, status, field) in REFUSED {
        let bytes = torture(name);
        let (mut index, limits) = (Index::default(), Limits::default());
        let refusal = Message::parse(&bytes, &limits, &mut index).expect_err(name);
        assert_eq!((*status, *field), (refusal.status(), refusal.field()), "{name}: {refusal}");
        let salvaged = Message::salvage(&bytes, &limits, &mut index);
        if bytes.starts_with(b"SIP/") {
            assert!(salvaged.is_none(), "{name}");
            continue;
        }
        let mut out = Vec::new();
        build::response(
            &mut out,
            &salvaged.expect(name),
            Some("192.0.2.9:5".parse().unwrap()),
            *status,
            refusal.reason(),
            Some(b"ours"),
            b"",
        );
        let mut index = Index::default();
        let answer = Message::parse(&out, &limits, &mut index);
        match *name {
            "badvers" => assert_eq!("via", answer.expect_err(name).field()),
            "baddn" => assert_eq!("from", answer.expect_err(name).field()),
            "insuf" => assert_eq!(Some(Refusal::Missing { field: "from" }), answer.err()),
            // The answer repeats the fault that it names: 8.2.6.2 says that these fields are equal to the request's.
            "scalar02" | "quotbal" | "badaspec" | "badinv01" => assert_eq!(*field, answer.expect_err(name).field(), "{name}"),
            _ => assert_eq!((*status, "192.0.2.9"), answer.map(|answer| (answer.status(), "192.0.2.9")).expect(name), "{name}"),
        }
        assert!(String::from_utf8_lossy(&out).contains("received=192.0.2.9"), "{name}");
    }
}

#[test]
fn a_stream_gives_what_the_datagram_gives_wherever_it_is_split() {
    for name in GOOD.iter().map(|good| good.0).chain(REFUSED.iter().map(|refused| refused.0)) {
        let bytes = torture(name);
        let whole = frames(&[&bytes]);
        let expected = match name {
            "clerr" | "baddn" => vec![], // they wait for more: the edge's idle limit ends it
            "ncl" | "mcl01" | "inv2543" => vec!["400 content-length".to_owned()],
            "dblreq" =>
            // The second body is one byte longer than it says.
            {
                vec![
                    "REGISTER sip:example.com SIP/2.0".to_owned(),
                    "INVITE sip:joe@example.com SIP/2.0".to_owned(),
                    "400 content-length".to_owned(),
                ]
            }
            _ => vec![String::from_utf8_lossy(bytes.split(|&byte| byte == b'\r').next().unwrap()).into_owned()],
        };
        let lines: Vec<String> = whole.iter().map(|frame| frame.split('\r').next().unwrap().to_owned()).collect();
        assert_eq!(expected, lines, "{name}");
        for at in 0..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            assert_eq!(whole, frames(&[a, b]), "{name} split at {at}");
        }
        assert_eq!(whole, frames(&bytes.chunks(1).collect::<Vec<_>>()), "{name} byte by byte");
    }
}

/// The frames of a stream, and that each message is read like the datagram.
fn frames(parts: &[&[u8]]) -> Vec<String> {
    let mut framer = Framer::new(Limits::default());
    let mut list = Vec::new();
    let all = parts.concat();
    for part in parts {
        framer.push(part);
        loop {
            match framer.next() {
                Frame::NeedMore => break,
                Frame::KeepAlive => list.push("keep-alive".to_owned()),
                Frame::Broken(refusal) => {
                    list.push(format!("{} {}", refusal.status(), refusal.field()));
                    return list;
                }
                Frame::Message(bytes) => {
                    if list.is_empty() {
                        let (mut a, mut b) = (Index::default(), Index::default());
                        let cut = Message::parse(bytes, &Limits::default(), &mut a).map(|message| message.bytes().to_vec());
                        assert_eq!(Message::parse(&all, &Limits::default(), &mut b).map(|message| message.bytes().to_vec()), cut);
                    }
                    list.push(String::from_utf8_lossy(bytes).into_owned());
                }
            }
        }
    }
    list
}

#[test]
fn wsinv_has_three_vias_one_route_and_its_odd_lines_untouched() {
    with("wsinv", |message| {
        assert_eq!(3, message.values(Name::Via).count());
        assert_eq!(Some("1918181833n".to_owned()), text(message.to_tag()));
        assert_eq!(Ok(Some(68)), message.max_forwards());
        assert_eq!(Some("<sip:services.example.com;lr;unknownwith=value;unknown-no-value>".to_owned()), text(message.first(Name::Route)));
        let contact = Address::parse(message.first(Name::Contact).unwrap()).unwrap();
        assert_eq!((&b"sip:jdrosen@example.com"[..], Some(&b"0.33"[..])), (contact.uri, contact.params.get(b"q")));
        let rest: Vec<u8> = tandem_sip::extract::classify(&message).rest().collect::<Vec<_>>().concat();
        assert_eq!(
            "s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n",
            String::from_utf8_lossy(&rest)
        );
    });
}

#[test]
fn longreq_has_34_vias_and_the_last_has_its_branch() {
    with("longreq", |message| {
        let vias: Vec<_> = message.values(Name::Via).collect();
        assert_eq!(34, vias.len());
        let last = tandem_sip::via::Via::parse(vias.last().unwrap()).unwrap();
        assert!(last.branch.unwrap().starts_with(b"verylonglong"));
    });
}

#[test]
fn escapes_are_not_undone_where_they_carry_meaning() {
    with("esc01", |message| {
        let uri = Uri::parse(message.uri()).unwrap();
        assert_eq!((Some(&b"sips%3Auser%40example.com"[..]), &b"example.net"[..]), (uri.user, uri.host));
        let to = Address::parse(message.first(Name::To).unwrap()).unwrap();
        assert_eq!(b"user@example.com".to_vec(), Uri::parse(to.uri).unwrap().aor().unwrap());
    });
    with("esc02", |message| {
        assert_eq!(Method::Other(b"RE%47IST%45R"), message.method());
        assert_eq!(2, message.values(Name::Contact).count()); // C%6Fntact is another header
    });
    with("escnull", |message| assert_eq!(2, message.all(Name::Contact).flat_map(addresses).filter(Result::is_ok).count()));
    with("semiuri", |message| assert_eq!(Some(&b"user;par=u%40example.net"[..]), Uri::parse(message.uri()).unwrap().user));
}

#[test]
fn contact_parameters_are_told_from_uri_parameters() {
    with("cparam01", |message| {
        let contact = Address::parse(message.first(Name::Contact).unwrap()).unwrap();
        assert_eq!((Some(&b""[..]), None), (contact.params.get(b"unknownparam"), Uri::parse(contact.uri).unwrap().param(b"unknownparam")));
    });
    with("cparam02", |message| {
        let contact = Address::parse(message.first(Name::Contact).unwrap()).unwrap();
        assert_eq!((None, Some(&b""[..])), (contact.params.get(b"unknownparam"), Uri::parse(contact.uri).unwrap().param(b"unknownparam")));
    });
    with("regescrt", |message| {
        let contact = Address::parse(message.first(Name::Contact).unwrap()).unwrap();
        assert_eq!(b"Route=%3Csip:sip.example.com%3E", Uri::parse(contact.uri).unwrap().headers);
    });
}

#[test]
fn a_comma_in_an_unquoted_display_name_is_refused() {
    let mut bytes = torture("baddn");
    bytes.extend_from_slice(b"\r\n");
    let refusal = Message::parse(&bytes, &Limits::default(), &mut Index::default()).map(|_| ()).unwrap_err();
    assert_eq!((400, "from"), (refusal.status(), refusal.field()));
}

#[test]
fn what_the_application_must_refuse_can_be_seen() {
    for name in ["unkscm", "novelsc"] {
        with(name, |message| assert!(!Uri::parse(message.uri()).unwrap().is_sip(), "416: {name}"));
    }
    with("unksm2", |message| {
        assert!(!Uri::parse(Address::parse(message.first(Name::To).unwrap()).unwrap().uri).unwrap().is_sip(), "not found")
    });
    with("bext01", |message| {
        assert_eq!((2, 2), (message.values(Name::Require).count(), message.values(Name::ProxyRequire).count()), "420");
    });
    with("invut", |message| assert_eq!(Some(&b"application/unknownformat"[..]), message.first(Name::ContentType), "415"));
    with("sdp01", |message| assert_eq!(Some(&b"text/nobodyKnowsThis"[..]), message.first(Name::Accept), "406"));
    with("zeromf", |message| assert_eq!(Ok(Some(0)), message.max_forwards(), "483"));
    with("regaut01", |message| assert!(message.first(Name::Authorization).unwrap().starts_with(b"NoOneKnowsThisScheme")));
    with("bcast", |message| assert_eq!(2, message.values(Name::Via).count(), "a response with two Vias is not for us"));
    with("badbranch", |message| assert!(!message.top_via().is_rfc3261()));
    with("transports", |message| assert_eq!(5, message.all(Name::Via).filter(|via| tandem_sip::via::Via::parse(via).is_ok()).count()));
    with("intmeth", |message| {
        assert_eq!(1, message.headers().filter(|header| header.name == Name::Other && !header.value.is_ascii()).count());
    });
}
