//! A proxy before two members, played by chance: whatever order things come in, and whichever of two edges hears them.

#[path = "oracle/front.rs"]
#[allow(dead_code)]
mod front;

use front::{Front, Sent, EDGE, SENDERS};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Nobody rings for ever in a test.
const POOL: &str = r#", "answer_ms": 4000, "ring_seconds": 60, "health": {"interval_ms": 0}"#;
/// So long a transaction lasts at least (timer C here, or 32 s behind its end); then all is without state.
const WITHIN_MS: u64 = 30_000;
const ALICE: usize = 0;
const MEMBERS: [usize; 2] = [2, 3];

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Invite,
    Cancel,
    Ack,
    /// A member answers its INVITE.
    Answer(usize, u16),
    /// A member answers its CANCEL.
    Canceled(usize),
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let status = prop::sample::select(vec![100u16, 180, 183, 200, 200, 404, 486, 487, 503, 603]);
    let one = prop_oneof![
        3 => Just(Act::Invite),
        2 => Just(Act::Cancel),
        1 => Just(Act::Ack),
        6 => (0usize..2, status).prop_map(|(member, status)| Act::Answer(member, status)),
        1 => (0usize..2).prop_map(Act::Canceled),
        3 => prop::sample::select(vec![10u64, 150, 600, 4_100, 33_000]).prop_map(Act::Wait),
    ];
    prop::collection::vec(one, 1..24)
}

/// One call, and what everybody has heard.
struct Play {
    front: Front,
    call: String,
    heard: [Vec<Vec<u8>>; 4],
    /// What each member said in the end: it says nothing else then.
    said: [Option<u16>; 2],
}

impl Play {
    fn new(call: u32) -> Play {
        Play { front: Front::new(POOL), call: format!("call-{call}"), heard: Default::default(), said: [None; 2] }
    }

    fn request(&self, method: &str) -> String {
        format!(
            "{method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{1};rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=a\r\n\
             To: <sip:bob@example.org>\r\nCall-ID: {1}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{0}>\r\nContent-Length: 0\r\n\r\n",
            SENDERS[ALICE], self.call
        )
    }

    fn got(&mut self, sent: Vec<Sent>) -> Vec<Sent> {
        for one in &sent {
            if let Some(at) = SENDERS.iter().position(|name| *name == one.to.to_string()) {
                self.heard[at].push(one.bytes.clone());
            }
        }
        sent
    }

    fn says(&mut self, edge: usize, sender: usize, text: &str) -> Vec<Sent> {
        let sent = self.front.hears(edge, sender, text.as_bytes());
        self.got(sent)
    }

    /// The last request of a method that a member has.
    fn asked(&self, member: usize, method: &str) -> Option<String> {
        let asked = self.heard[MEMBERS[member]].iter().rev().find(|bytes| bytes.starts_with(method.as_bytes()))?;
        Some(String::from_utf8(asked.clone()).unwrap())
    }

    fn finals(&self) -> Vec<u16> {
        let status = |bytes: &Vec<u8>| {
            let text = std::str::from_utf8(bytes).unwrap();
            let status = text.strip_prefix("SIP/2.0 ").map(|rest| rest[..3].parse().unwrap())?;
            (text.contains("CSeq: 1 INVITE") && status >= 200).then_some(status)
        };
        self.heard[ALICE].iter().filter_map(status).collect()
    }

    /// Does it; what a 2xx of a member and a CANCEL must lead to is looked at here.
    fn act(&mut self, edge: usize, act: Act) {
        match act {
            Act::Wait(ms) => {
                let sent = self.front.waits(ms);
                self.got(sent);
            }
            Act::Invite | Act::Ack => {
                let text = self.request(if act == Act::Invite { "INVITE" } else { "ACK" });
                self.says(edge, ALICE, &text);
            }
            Act::Cancel => {
                let text = self.request("CANCEL");
                let sent = self.says(edge, ALICE, &text);
                assert!(!sent.is_empty(), "a CANCEL is answered or passed on");
            }
            Act::Answer(member, status) => {
                let Some(asked) = self.asked(member, "INVITE") else { return };
                if self.said[member].is_some_and(|said| said != status) {
                    return;
                }
                self.said[member] = Some(status).filter(|status| *status >= 200);
                let answer = answer(&asked, &format!("{status} Said"), &format!("m{member}"));
                let sent = self.says(edge, MEMBERS[member], &answer);
                if status == 200 {
                    let to_alice = sent.iter().find(|one| one.to.to_string() == SENDERS[ALICE]);
                    let expected = without_top_via(&answer);
                    assert_eq!(Some(expected.as_bytes()), to_alice.map(|one| &one.bytes[..]), "a 2xx always passes, as it is");
                }
            }
            Act::Canceled(member) => {
                let Some(asked) = self.asked(member, "CANCEL") else { return };
                self.says(edge, MEMBERS[member], &answer(&asked, "200 OK", "c"));
            }
        }
    }
}

fn answer(request: &str, status: &str, tag: &str) -> String {
    let kept = ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"];
    let lines: String =
        request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))).map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 {status}\r\n{lines}To: <sip:bob@example.org>;tag={tag}\r\nContact: <sip:bob@10.0.0.10>\r\nContent-Length: 0\r\n\r\n")
}

fn without_top_via(answer: &str) -> String {
    let (head, rest) = answer.split_at(answer.find("Via:").unwrap());
    format!("{head}{}", rest.split_once("\r\n").unwrap().1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_invite_has_one_end_whatever_crosses_on_the_way(call in any::<u32>(), acts in acts()) {
        let mut play = Play::new(call);
        let mut waited = 0;
        for act in &acts {
            if let Act::Wait(ms) = act {
                waited += ms;
                if waited > WITHIN_MS {
                    continue;
                }
            }
            play.act(0, *act);
        }
        let sent = play.front.waits(400_000);
        play.got(sent);
        let finals = play.finals();
        let refusals: BTreeSet<u16> = finals.iter().copied().filter(|status| *status >= 300).collect();
        prop_assert!(refusals.len() <= 1, "{finals:?}");
        let accepted = finals.iter().position(|status| *status < 300);
        if let Some(at) = accepted.filter(|_| refusals.is_empty()) {
            prop_assert!(finals[at..].iter().all(|status| *status < 300), "{finals:?}");
        }
        if acts.contains(&Act::Invite) {
            prop_assert!(!finals.is_empty(), "an INVITE is answered in the end");
        }
        for member in MEMBERS {
            let asked: BTreeSet<_> = play.heard[member].iter().filter(|bytes| bytes.starts_with(b"INVITE")).collect();
            prop_assert!(asked.len() <= 1, "a member is asked once, and its repetitions are the same bytes");
        }
    }

    #[test]
    fn a_200_passes_whichever_edge_hears_what(call in any::<u32>(), acts in acts(), edges in prop::collection::vec(0usize..2, 24)) {
        let mut play = Play::new(call);
        for (act, edge) in acts.into_iter().zip(edges) {
            play.act(edge, act);
        }
        for member in MEMBERS {
            let branches: BTreeSet<_> = play.heard[member].iter().filter(|bytes| bytes.starts_with(b"INVITE")).collect();
            prop_assert!(branches.len() <= 1, "to the member both edges are one");
        }
    }

    #[test]
    fn a_request_without_state_goes_out_by_one_edge_and_its_answer_by_another(
        method in prop::sample::select(vec!["OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"]),
        call in "[a-zA-Z0-9@.-]{1,40}",
        branch in "(z9hG4bK[a-z0-9.-]{1,30}|[a-z0-9]{0,8})",
        sent_by in prop::sample::select(vec!["192.0.2.1:40000", "192.0.2.1", "10.9.8.7:5070", "phone.example", "[2001:db8::1]:9"]),
        params in prop::sample::select(vec!["", ";rport", ";rport=1", ";received=6.6.6.6", ";received=6.6.6.6;rport;x=y"]),
        more in prop::sample::select(vec!["", "Via: SIP/2.0/TCP far.example;branch=z9hG4bKfar\r\n"]),
        cseq in any::<u32>(),
        status in 100u16..700,
        first in 0usize..2,
    ) {
        let branch = if branch.is_empty() { String::new() } else { format!(";branch={branch}") };
        let cseq = cseq & 0x7fff_ffff;
        let text = format!(
            "{method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by}{branch}{params}\r\n{more}From: <sip:a@b>;tag=a\r\n\
             To: <sip:bob@example.org>\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        let mut play = Play::new(0);
        let sent = play.says(first, ALICE, &text);
        prop_assert_eq!(1, sent.len());
        prop_assert_eq!(&sent, &play.says(1 - first, ALICE, &text), "both edges write the same");
        let member = SENDERS.iter().position(|name| *name == sent[0].to.to_string()).unwrap();
        let asked = String::from_utf8(sent[0].bytes.clone()).unwrap();
        let said = answer(&asked, &format!("{status} Said"), "m");
        let back = play.says(1 - first, member, &said);
        // RFC 3581: to where it came from where that was asked, else to the port of sent-by.
        let asked_rport = params.contains("rport");
        let port = match sent_by {
            _ if asked_rport => "40000",
            "192.0.2.1" | "phone.example" => "5060",
            other => other.rsplit_once(':').unwrap().1,
        };
        prop_assert_eq!(1, back.len());
        prop_assert_eq!(format!("192.0.2.1:{port}"), back[0].to.to_string());
        prop_assert_eq!(without_top_via(&said), String::from_utf8(back[0].bytes.clone()).unwrap());
        // The same from elsewhere, or for another call, is of nobody.
        let other = said.replace(&format!("CSeq: {cseq} "), &format!("CSeq: {} ", cseq ^ 1));
        prop_assert!(play.says(first, member, &other).is_empty());
    }

    #[test]
    fn every_member_is_tried_once_in_an_order_that_edges_agree_on(call in any::<u32>(), said in prop::collection::vec(prop::sample::select(vec![200u16, 408, 480, 503, 504]), 2)) {
        let mut orders = Vec::new();
        for edge in 0..2 {
            let mut play = Play::new(call);
            play.act(edge, Act::Invite);
            let mut order = Vec::new();
            for status in &said {
                let asked = |member: usize| play.heard[MEMBERS[member]].iter().filter(|bytes| bytes.starts_with(b"INVITE")).count();
                let Some(member) = (0..2).find(|member| asked(*member) == 1 && !order.contains(member)) else { break };
                order.push(member);
                play.act(edge, Act::Answer(member, *status));
            }
            let tried = said.iter().position(|status| *status == 200).map_or(2, |at| at + 1);
            prop_assert_eq!(tried, order.len());
            let finals = play.finals();
            prop_assert_eq!(1, finals.len());
            prop_assert_eq!(said[..tried].contains(&200), finals[0] == 200);
            orders.push(order);
        }
        prop_assert_eq!(&orders[0], &orders[1]);
    }
}

#[test]
fn the_corpus_and_a_call_of_its_form_hold_what_is_promised() {
    let corpus = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/proxy");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        Front::new("").run(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 3, "{count} scripts; the edge is at {EDGE}");
}
