//! Boundary.md, section 5, sentence by sentence.

use super::*;
use crate::digest::{Algorithm, Ha1};
use crate::ids::{call_id, Key, Keys};

const NOW: u64 = 1_795_000_000_000_000;

struct Edge {
    keys: Keys,
    policy: Policy,
    draining: bool,
}

fn edge() -> Edge {
    let policy = br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}, "deny": ["198.51.100.0/24"],
        "trunks": [{"id": "carrier", "tenant": "demo", "cidrs": ["192.0.2.0/24"], "tls_names": ["sbc.example"]}]}"#;
    let keys = Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [2; 16] }] };
    Edge { keys, policy: Policy::from_json(policy).unwrap(), draining: false }
}

fn from(address: &str, transport: u8) -> Source<'static> {
    Source { address: address.parse().unwrap(), transport, tls_names: &[] }
}

impl Edge {
    fn gate(&self) -> Gate<'_> {
        Gate { by: Challenger { keys: &self.keys, nonce_keys: &self.keys.signing, policy: &self.policy }, draining: self.draining }
    }

    fn hears(&self, text: &str) -> (Verdict, String) {
        self.hears_from(text, &from("203.0.113.9:5060", 1))
    }

    fn hears_from(&self, text: &str, source: &Source<'_>) -> (Verdict, String) {
        let mut out = Vec::new();
        let verdict = self.gate().decide(&Question::of_text(text), source, NOW, &mut out);
        (verdict, String::from_utf8(out).unwrap())
    }

    fn token(&self, call: &str) -> String {
        let mut token = Vec::new();
        self.keys.push_token(&mut token, 517, *b"b0", call.as_bytes());
        String::from_utf8(token).unwrap()
    }
}

/// A request of about the size that phones send.
fn request(method: &str, uri: &str, to_tag: &str, more: &str) -> String {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK77asdf;rport\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@demo.example>;tag=9fxced76sl\r\nTo: <sip:alice@demo.example>{tag}\r\nCall-ID: 3848276298220188511@phone\r\n\
         CSeq: 1 {method}\r\nContact: <sip:alice@10.0.0.5:5060;transport=udp>;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"\r\nExpires: 3600\r\nUser-Agent: Phone 1.2.3.4\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, MESSAGE\r\n\
         Supported: replaces, timer, path, outbound, 100rel\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn register() -> String {
    request("REGISTER", "sip:demo.example", "", "")
}

fn status((verdict, _): (Verdict, String)) -> Option<u16> {
    if let Verdict::Answer { status } = verdict {
        Some(status)
    } else {
        None
    }
}

fn credential(nonce: &[u8], header: &str) -> String {
    let ha1 = Ha1::of(b"alice", b"demo.example", b"any");
    let sum = Credentials::respond(Algorithm::Md5, ha1.get(Algorithm::Md5).unwrap(), nonce, None, b"REGISTER", b"sip:demo.example");
    let (nonce, sum) = (String::from_utf8_lossy(nonce), String::from_utf8_lossy(&sum));
    format!(r#"{header}: Digest username="alice",realm="demo.example",nonce="{nonce}",uri="sip:demo.example",response="{sum}""#) + "\r\n"
}

fn nonce(edge: &Edge, at: u64) -> Vec<u8> {
    let mut text = Vec::new();
    nonce::push(&mut text, &edge.keys.signing, b"demo.example", 5, at);
    text
}

#[test]
fn a_stranger_is_challenged_with_one_header_per_algorithm() {
    let (verdict, answer) = edge().hears(&register());
    assert_eq!(Verdict::Answer { status: 401 }, verdict);
    assert!(answer.starts_with(
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK77asdf;received=203.0.113.9;rport=5060\r\n"
    ));
    let offers: Vec<&str> =
        answer.lines().filter(|line| line.starts_with("WWW-Authenticate: Digest realm=\"demo.example\",nonce=\"")).collect();
    assert!(offers[0].ends_with(",algorithm=SHA-256,qop=\"auth\"") && offers[1].ends_with(",algorithm=MD5,qop=\"auth\""), "{answer}");
    assert!(answer.contains("To: <sip:alice@demo.example>;tag=x") && answer.ends_with("Content-Length: 0\r\n\r\n"));
}

#[test]
fn an_invite_is_challenged_by_407() {
    let (verdict, answer) = edge().hears(&request("INVITE", "sip:bob@demo.example", "", ""));
    assert_eq!(Verdict::Answer { status: 407 }, verdict);
    assert!(answer.contains("\r\nProxy-Authenticate: Digest "));
    assert_eq!(Some(407), status(edge().hears(&request("MESSAGE", "sip:bob@demo.example", "", ""))));
    assert_eq!(Some(401), status(edge().hears(&request("SUBSCRIBE", "sip:bob@demo.example", "", ""))));
}

#[test]
fn a_fresh_nonce_of_any_edge_goes_up_to_its_shard() {
    let (edge, other) = (edge(), edge());
    let header = credential(&nonce(&other, NOW - 1_000_000), "Authorization");
    let shard = edge.keys.shard(b"alice@demo.example");
    assert_eq!(Verdict::Up { shard }, edge.hears(&request("REGISTER", "sip:demo.example", "", &header)).0);
    let header = credential(&nonce(&other, NOW), "Proxy-Authorization");
    let shard = edge.keys.shard(b"3848276298220188511@phone");
    assert_eq!(Verdict::Up { shard }, edge.hears(&request("INVITE", "sip:bob@demo.example", "", &header)).0);
}

#[test]
fn an_old_nonce_is_stale_and_a_foreign_one_is_not() {
    let edge = edge();
    let (verdict, answer) =
        edge.hears(&request("REGISTER", "sip:demo.example", "", &credential(&nonce(&edge, NOW - 301_000_000), "Authorization")));
    assert_eq!(Verdict::Answer { status: 401 }, verdict);
    assert!(answer.contains(",stale=true\r\n"));
    let (verdict, answer) = edge.hears(&request("REGISTER", "sip:demo.example", "", &credential(b"foreign", "Authorization")));
    assert_eq!(Verdict::Answer { status: 401 }, verdict);
    assert!(!answer.contains("stale"));
}

#[test]
fn the_ack_to_our_challenge_is_absorbed_and_no_ack_is_ever_answered() {
    let edge = edge();
    let (_, answer) = edge.hears(&request("INVITE", "sip:bob@demo.example", "", ""));
    let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
    let tag = std::str::from_utf8(Question::tag_of(to.as_bytes())).unwrap();
    assert_eq!(Verdict::Silence(Why::Acked), edge.hears(&request("ACK", "sip:bob@demo.example", tag, "")).0);
    for to_tag in ["", "x000000000000", "foreign"] {
        for uri in ["sip:bob@demo.example", "sip:a00b00000000000000@h"] {
            assert_eq!(Verdict::Silence(Why::ForeignAck), edge.hears(&request("ACK", uri, to_tag, "")).0);
        }
    }
}

#[test]
fn the_ack_to_an_owners_refusal_goes_up_by_its_call_id() {
    let edge = edge();
    let shard = edge.keys.shard(b"3848276298220188511@phone");
    let tag = |shard: u16| format!("{}a0", std::str::from_utf8(&call_id(shard, 77)).unwrap());
    assert_eq!(Verdict::Up { shard }, edge.hears(&request("ACK", "sip:bob@demo.example", &tag(shard), "")).0);
    assert_eq!(Verdict::Silence(Why::ForeignAck), edge.hears(&request("ACK", "sip:bob@demo.example", &tag(shard ^ 1), "")).0);
}

#[test]
fn a_request_in_a_dialog_goes_up_by_its_token_in_user_or_parameter() {
    let edge = edge();
    let token = edge.token("3848276298220188511@phone");
    for uri in [format!("sip:{token}@203.0.113.1"), format!("sip:+4930@203.0.113.1;tandem={token}")] {
        for method in ["BYE", "INVITE", "ACK", "CANCEL", "OPTIONS"] {
            assert_eq!(Verdict::Up { shard: 517 }, edge.hears(&request(method, &uri, "tag", "")).0, "{method} {uri}");
        }
    }
}

#[test]
fn a_forged_token_is_403_and_none_is_481() {
    let edge = edge();
    let other = edge.token("another@phone");
    assert_eq!(Some(403), status(edge.hears(&request("BYE", &format!("sip:{other}@h"), "tag", ""))));
    assert_eq!(Some(403), status(edge.hears(&request("BYE", &format!("sip:+49@h;tandem={other}"), "tag", ""))));
    assert_eq!(Some(481), status(edge.hears(&request("BYE", "sip:alice@h", "tag", ""))));
    assert_eq!(Verdict::Silence(Why::ForeignAck), edge.hears(&request("ACK", &format!("sip:{other}@h"), "tag", "")).0);
}

#[test]
fn a_response_goes_up_only_if_its_branch_is_ours() {
    let edge = edge();
    let mut branch = Vec::new();
    edge.keys.push_branch(&mut branch, &call_id(300, 5), 2);
    let text = |branch: &str| format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch={branch}\r\nCall-ID: x\r\n\r\n");
    assert_eq!(Verdict::Up { shard: 300 }, edge.hears(&text(std::str::from_utf8(&branch).unwrap())).0);
    assert_eq!(Verdict::Silence(Why::ForeignBranch), edge.hears(&text("z9hG4bKforeign")).0);
}

#[test]
fn a_cancel_goes_up_by_its_call_id_and_is_never_challenged() {
    let edge = edge();
    let shard = edge.keys.shard(b"3848276298220188511@phone");
    assert_eq!(Verdict::Up { shard }, edge.hears(&request("CANCEL", "sip:bob@demo.example", "", "")).0);
}

#[test]
fn options_to_the_edge_is_200_and_503_while_it_drains() {
    let mut edge = edge();
    let text = request("OPTIONS", "sip:203.0.113.1:5060", "", "");
    let (verdict, answer) = edge.hears(&text);
    assert_eq!(Verdict::Answer { status: 200 }, verdict);
    assert!(answer.contains("Allow: INVITE"));
    edge.draining = true;
    let (verdict, answer) = edge.hears(&text);
    assert_eq!(Verdict::Answer { status: 503 }, verdict);
    let seconds = |answer: &str| answer.split("Retry-After: ").nth(1).unwrap().split('\r').next().unwrap().parse::<u64>().unwrap();
    assert!((30..60).contains(&seconds(&answer)));
    let (verdict, answer) = edge.hears(&request("REGISTER", "sip:demo.example", "", ""));
    assert_eq!(Verdict::Answer { status: 503 }, verdict);
    assert!((30..60).contains(&seconds(&answer)));
    assert_eq!(Some(407), status(edge.hears(&request("INVITE", "sip:bob@demo.example", "", ""))), "calls are the owner's to refuse");
    assert_eq!(Some(407), status(edge.hears(&request("OPTIONS", "sip:bob@demo.example", "", ""))), "to a user of ours");
}

#[test]
fn a_trunk_is_trusted_by_address_or_certificate() {
    let edge = edge();
    let shard = edge.keys.shard(b"3848276298220188511@phone");
    let text = request("INVITE", "sip:bob@demo.example", "", "");
    assert_eq!(Verdict::Up { shard }, edge.hears_from(&text, &from("192.0.2.7:5060", 1)).0);
    let named = Source { tls_names: &[b"other.example", b"SBC.example"], ..from("203.0.113.9:5061", 3) };
    assert_eq!(Verdict::Up { shard }, edge.hears_from(&text, &named).0);
}

#[test]
fn a_denied_source_hears_nothing() {
    assert_eq!(Verdict::Silence(Why::Denied), edge().hears_from(&register(), &from("198.51.100.3:5060", 1)).0);
}

#[test]
fn an_answer_to_a_stranger_is_never_longer_than_the_question() {
    let edge = edge();
    let full = register();
    let lines: Vec<&str> = full.split("\r\n").collect();
    let mut seen = std::collections::BTreeSet::new();
    // The question shrinks line by line (only lines that may be missing), and byte by byte in its User-Agent.
    for spare in (0..900).rev() {
        for (method, uri) in
            [("REGISTER", "sip:demo.example"), ("INVITE", "sip:b@demo.example"), ("OPTIONS", "sip:1.2.3.4"), ("BYE", "sip:x@y")]
        {
            let to_tag = if method == "BYE" { ";tag=q" } else { "" };
            let must: Vec<&&str> = lines.iter().filter(|l| ["Via", "From", "Call-ID"].iter().any(|n| l.starts_with(n))).collect();
            let text = format!(
                "{method} {uri} SIP/2.0\r\n{}\r\n{}\r\nTo: <sip:alice@demo.example>{to_tag}\r\n{}\r\nCSeq: 1 {method}\r\nX: {}\r\n\r\n",
                must[0],
                must[1],
                must[2],
                "y".repeat(spare)
            );
            let (verdict, answer) = edge.hears(&text);
            assert!(answer.len() <= text.len(), "{} > {}: {answer}", answer.len(), text.len());
            let offers = answer.matches("Authenticate: Digest").count();
            let compact = answer.contains("\r\nv: ");
            match verdict {
                Verdict::Answer { status } => seen.insert((status, offers, compact)),
                Verdict::Silence(Why::TooLong) => seen.insert((0, 0, false)),
                other => panic!("{other:?}"),
            };
        }
    }
    for form in [
        (401, 2, false),
        (401, 2, true),
        (401, 1, false),
        (401, 1, true),
        (403, 0, false),
        (403, 0, true),
        (407, 2, false),
        (407, 1, true),
        (200, 0, false),
        (481, 0, false),
        (0, 0, false),
    ] {
        assert!(seen.contains(&form), "{form:?} of {seen:?}");
    }
}

#[test]
fn one_algorithm_alone_is_the_one_that_every_phone_knows() {
    let edge = edge();
    let full = register();
    let mut question = Question::of_text(&full);
    question.length = 430;
    let mut out = Vec::new();
    assert_eq!(Verdict::Answer { status: 401 }, edge.gate().decide(&question, &from("203.0.113.9:5060", 1), NOW, &mut out));
    let answer = String::from_utf8(out).unwrap();
    assert!(answer.contains("algorithm=MD5") && !answer.contains("SHA-256"), "{answer}");
}

#[test]
fn over_a_stream_a_short_question_still_gets_its_answer() {
    let text = "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=b\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n\r\n";
    assert_eq!(Verdict::Silence(Why::TooLong), edge().hears_from(text, &from("203.0.113.9:5060", 1)).0);
    assert_eq!(Verdict::Answer { status: 401 }, edge().hears_from(text, &from("203.0.113.9:5060", 2)).0);
}

#[test]
fn what_lacks_a_header_that_an_answer_needs_gets_none() {
    for missing in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text: String = register().split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{missing}: "))).collect();
        assert_eq!(Verdict::Silence(Why::Broken), edge().hears(&text).0, "{missing}");
    }
}

#[test]
fn the_same_message_meets_the_same_shard_on_every_edge() {
    let (one, two) = (edge(), edge());
    let text = register();
    let question = Question::of_text(&text);
    assert_eq!(one.gate().shard_for(&question), two.gate().shard_for(&question));
    assert_eq!(one.keys.shard(b"alice@demo.example"), one.gate().shard_for(&question));
}

#[test]
fn only_what_is_ours_or_an_emergency_takes_the_larger_lane() {
    let edge = edge();
    let token = edge.token("3848276298220188511@phone");
    let lane = |method: &str, uri: &str, tag: &str| edge.gate().lane(&Question::of_text(&request(method, uri, tag, "")));
    for method in ["INVITE", "REGISTER", "SUBSCRIBE", "OPTIONS", "BYE"] {
        assert_eq!(Lane::Fresh, lane(method, "sip:bob@demo.example", ""), "{method}");
    }
    assert_eq!(Lane::Fresh, lane("BYE", "sip:bob@demo.example", "tag"), "a To tag alone");
    assert_eq!(Lane::Kept, lane("BYE", &format!("sip:{token}@h"), "tag"));
    assert_eq!(Lane::Kept, lane("ACK", "sip:bob@demo.example", "tag"));
    assert_eq!(Lane::Kept, lane("CANCEL", "sip:bob@demo.example", ""));
    assert_eq!(Lane::Kept, lane("INVITE", "urn:service:sos.police", ""));
    let foreign = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKforeign\r\n\r\n";
    assert_eq!(Lane::Fresh, edge.gate().lane(&Question::of_text(foreign)));
}

/// RFC 3261 8.2.2.1. A To tag or a CANCEL begins nothing.
#[test]
fn a_scheme_that_we_do_not_serve_is_416_from_anybody() {
    let edge = edge();
    for uri in ["soap.beep://192.0.2.103:3002", "nobodyKnowsThisScheme:opaque", "http://demo.example", "urn:isbn:1", "siphon:a@b"] {
        for method in ["OPTIONS", "INVITE", "REGISTER", "MESSAGE"] {
            assert_eq!(Some(416), status(edge.hears(&request(method, uri, "", ""))), "{method} {uri}");
            assert_eq!(Some(416), status(edge.hears_from(&request(method, uri, "", ""), &from("192.0.2.7:5060", 1))), "{method} {uri}");
        }
        assert_eq!(Verdict::Silence(Why::ForeignAck), edge.hears(&request("ACK", uri, "", "")).0, "{uri}");
    }
    for uri in ["SIP:bob@demo.example", "sips:bob@demo.example", "tel:+4930", "urn:service:info"] {
        assert_eq!(Some(407), status(edge.hears(&request("INVITE", uri, "", ""))), "{uri}");
    }
}

/// RFC 3261 16.3, 3: OPTIONS and REGISTER that end here are served whatever Max-Forwards says.
#[test]
fn a_strangers_request_that_may_go_no_further_is_483_unless_we_serve_it_ourselves() {
    let edge = edge();
    let last = |method: &str, uri: &str| request(method, uri, "", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    for method in ["INVITE", "OPTIONS", "MESSAGE"] {
        assert_eq!(Some(483), status(edge.hears(&last(method, "sip:bob@demo.example"))), "{method}");
        let one_more = last(method, "sip:bob@demo.example").replace("Max-Forwards: 0", "Max-Forwards: 1");
        assert_eq!(Some(407), status(edge.hears(&one_more)), "{method}");
    }
    assert_eq!(Some(200), status(edge.hears(&last("OPTIONS", "sip:203.0.113.1"))));
    assert_eq!(Some(401), status(edge.hears(&last("REGISTER", "sip:demo.example"))));
    let trunk = edge.hears_from(&last("INVITE", "sip:bob@demo.example"), &from("192.0.2.7:5060", 1)).0;
    assert!(matches!(trunk, Verdict::Up { .. }), "the owner refuses it, and the call has a record");
}

#[test]
fn a_question_too_short_for_a_challenge_is_403_alike_for_known_and_unknown_users() {
    let edge = edge();
    let ask = |user: &str, pad: usize| {
        format!(
            "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:{user}@demo.example>;tag=1\r\n\
             To: <sip:{user}@demo.example>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <sip:{user}@h>\r\nX: {}\r\n\r\n",
            "y".repeat(pad)
        )
    };
    let (verdict, answer) = edge.hears(&ask("alice", 0));
    assert_eq!(Verdict::Answer { status: 403 }, verdict);
    assert!(
        answer.starts_with("SIP/2.0 403 Forbidden\r\n") && !answer.contains("nonce") && answer.len() <= ask("alice", 0).len(),
        "{answer}"
    );
    assert_eq!(answer.replace("alice", "carol"), edge.hears(&ask("carol", 0)).1);
    assert_eq!(Some(401), status(edge.hears(&ask("alice", 400))));
    let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
    let tag = std::str::from_utf8(Question::tag_of(to.as_bytes())).unwrap();
    let ack = ask("alice", 0)
        .replace("REGISTER", "ACK")
        .replace("To: <sip:alice@demo.example>", &format!("To: <sip:alice@demo.example>;tag={tag}"));
    assert_eq!(Verdict::Silence(Why::Acked), edge.hears(&ack).0);
}

/// Whether it needs a proof is the owner's to say, which knows who is registered where.
#[test]
fn an_emergency_call_is_not_challenged_at_the_edge_unless_its_tenant_wants_that() {
    let mut edge = edge();
    let help = |edge: &Edge, uri: &str| edge.hears(&request("INVITE", uri, "", "")).0;
    for uri in ["urn:service:sos", "URN:service:sos.fire", "sip:112@demo.example", "tel:911"] {
        assert!(matches!(help(&edge, uri), Verdict::Up { .. }), "{uri}");
        assert_eq!(Lane::Kept, edge.gate().lane(&Question::of_text(&request("INVITE", uri, "", ""))));
        assert_eq!(Some(407), status(edge.hears(&request("MESSAGE", uri, "", ""))), "{uri}");
    }
    let policy = br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"},
        "emergency": {"demo": {"numbers": ["110"], "unproven": "never"}}}"#;
    edge.policy = Policy::from_json(policy).unwrap();
    assert_eq!(Verdict::Answer { status: 407 }, help(&edge, "urn:service:sos"));
    assert_eq!(Verdict::Answer { status: 407 }, help(&edge, "sip:110@demo.example"));
    assert_eq!(Lane::Fresh, edge.gate().lane(&Question::of_text(&request("INVITE", "sip:112@demo.example", "", ""))));
    assert_eq!(Lane::Kept, edge.gate().lane(&Question::of_text(&request("INVITE", "sip:110@demo.example", "", ""))));
}

#[test]
fn a_hidden_name_and_a_session_key_are_offered_where_the_policy_says_so() {
    let mut edge = edge();
    let policy = br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}, "userhash": true,
        "algorithms": ["SHA-256-sess", "MD5"]}"#;
    let (_, answer) = edge.hears(&register());
    assert!(!answer.contains("userhash") && !answer.contains("-sess"), "{answer}");
    edge.policy = Policy::from_json(policy).unwrap();
    let (_, answer) = edge.hears(&register());
    let first = answer.lines().find(|line| line.starts_with("WWW-Authenticate")).unwrap();
    assert!(first.contains("algorithm=SHA-256-sess,qop=\"auth\",userhash=true"), "{answer}");
}

/// A body changes on its way (an SBC rewrites SDP): its integrity is TLS's. Such a credential counts as none.
#[test]
fn a_proof_of_the_body_is_challenged_again() {
    let edge = edge();
    let mut nonce = Vec::new();
    crate::nonce::push(&mut nonce, &edge.keys.signing, b"demo.example", 1, NOW);
    let with = |qop: &str| {
        let header = format!(
            "Authorization: Digest username=\"alice\",realm=\"demo.example\",nonce=\"{}\",uri=\"sip:demo.example\",qop={qop},nc=00000001,cnonce=\"c\",response=\"{}\"\r\n",
            std::str::from_utf8(&nonce).unwrap(),
            "0".repeat(32)
        );
        edge.hears(&request("REGISTER", "sip:demo.example", "", &header))
    };
    assert!(matches!(with("auth").0, Verdict::Up { .. }));
    let (verdict, answer) = with("auth-int");
    assert_eq!(Verdict::Answer { status: 401 }, verdict);
    assert!(answer.contains("qop=\"auth\"") && !answer.contains("auth-int"), "{answer}");
}
