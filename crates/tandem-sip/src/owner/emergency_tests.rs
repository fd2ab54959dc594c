//! Emergency calls that prove nobody: who may place one, and as whom it goes.

use super::*;
use crate::frame::{push_sip_up, push_up_hello, Address, Local, SipUp, Transport};
use crate::registrar::row::{self, Binding};
use crate::registrar::Flow;

const HERE: &str = "203.0.113.1:40000";

struct World {
    owner: Owner,
    seq: u64,
}

fn address(text: &str) -> Address {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

/// Alice is registered at `HERE` over UDP, bob by connection 7 of edge 1.
fn world(unproven: &str) -> World {
    let config = format!(
        r#"{{"node_id": 1, "incarnation": 1, "epoch": 3, "inbox_events": 1,
    "keys": {{"hash": "00000000000000000000000000000001", "signing": [{{"id": "a", "secret": "00000000000000000000000000000002"}}],
             "nonce": [{{"id": "a", "secret": "00000000000000000000000000000003"}}]}},
    "policy": {{"default_domain": "d", "domains": {{"d": "t"}}, "limits": {{"account_rate": 1, "account_burst": 1}},
               "emergency": {{"t": {{"numbers": ["112"], "unproven": "{unproven}"}}}}}}}}"#
    );
    let mut owner = Owner::new(Config::read(config.as_bytes()).unwrap()).unwrap();
    for (aor, connection, transport) in [("alice@d", 0, 1), ("bob@d", 7, 2)] {
        let flow = Flow { edge: 1, connection, transport, local: 0, remote: HERE.parse().unwrap() };
        let (mut bytes, uri) = (Vec::new(), b"sip:x@203.0.113.1:40000");
        row::begin(&mut bytes, aor.as_bytes());
        let binding = Binding {
            uri,
            q: None,
            expires_at: u32::MAX,
            call: 1,
            cseq: 1,
            first_cseq: 1,
            unreachable: false,
            flow,
            reg_id: 0,
            instance: b"",
            path: b"",
        };
        row::push(&mut bytes, &binding);
        assert!(owner.load(format!("reg/{aor}").as_bytes(), &bytes));
    }
    owner.link_up(1, 1);
    let mut hello = Vec::new();
    push_up_hello(
        &mut hello,
        1,
        9,
        &[Local { transport: Transport::Udp, bound: address("10.0.0.1:5060"), advertised: b"10.0.0.1:5060" }],
        0,
    );
    owner.load(b"edge/1", &9u64.to_le_bytes());
    owner.handle(1, &hello[4..], 1);
    owner.claim(3, 0, 1024);
    owner.drain();
    owner.output(1);
    World { owner, seq: 0 }
}

impl World {
    /// What Python hears of a call.
    fn calls(&mut self, user: &str, uri: &str, remote: &str, flow: u64) -> String {
        self.dials(user, uri, remote, flow);
        String::from_utf8_lossy(&self.owner.drain()).into_owned()
    }

    fn dials(&mut self, user: &str, uri: &str, remote: &str, flow: u64) {
        self.seq += 1;
        let n = self.seq;
        let transport = if flow == 0 { Transport::Udp } else { Transport::Tcp };
        let message = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{user}@d>;tag=1\r\nTo: <{uri}>\r\n\
             Call-ID: {n}\r\nCSeq: 1 INVITE\r\nContact: <sip:{user}@h>\r\nSubject: {}\r\n\r\n",
            "long ".repeat(99)
        );
        let mut frame = Vec::new();
        let sip = SipUp {
            seq: n,
            shard: 5,
            epoch: 3,
            flow,
            transport,
            local: 0,
            remote: address(remote),
            received_at: 1,
            message: message.as_bytes(),
        };
        push_sip_up(&mut frame, &sip);
        self.owner.handle(1, &frame[4..], 1_000_000);
    }

    fn answer(&mut self) -> String {
        String::from_utf8_lossy(&self.owner.output(1)).into_owned()
    }
}

#[test]
fn who_is_registered_calls_for_help_from_there_without_a_proof() {
    let mut world = world("registered");
    assert!(world.calls("alice", "sip:112@d", HERE, 0).contains("user:alice@d"));
    assert!(world.calls("alice", "urn:service:sos", HERE, 0).contains("user:alice@d"));
    assert!(world.calls("bob", "sip:112@d", "198.51.100.9:1", 7).contains("user:bob@d"));
    assert_eq!(3, world.owner.counters().iter().find(|(name, _)| *name == "unproven_emergencies").unwrap().1);
}

#[test]
fn from_elsewhere_as_somebody_else_or_to_another_number_it_is_challenged() {
    let mut world = world("registered");
    for (user, uri, remote, flow) in [
        ("alice", "sip:112@d", "203.0.113.1:40001", 0),
        ("alice", "sip:112@d", HERE, 7),
        ("bob", "sip:112@d", HERE, 0),
        ("bob", "sip:112@d", HERE, 8),
        ("carol", "sip:112@d", HERE, 0),
        ("alice", "sip:113@d", HERE, 0),
    ] {
        assert!(!world.calls(user, uri, remote, flow).contains(":"), "{user} {uri} {remote} {flow}");
        assert!(world.answer().contains("SIP/2.0 407 "), "{user} {uri} {remote} {flow}");
    }
}

#[test]
fn each_tenant_says_whether_strangers_may_call_for_help_or_nobody_without_a_proof() {
    let mut open = world("anybody");
    assert!(open.calls("mallory", "sip:112@d", "198.51.100.9:1", 0).contains("stranger:d"));
    assert!(open.calls("alice", "sip:112@d", HERE, 0).contains("user:alice@d"));
    let mut strict = world("never");
    assert!(!strict.calls("alice", "sip:112@d", HERE, 0).contains("user:"));
    assert!(strict.answer().contains("SIP/2.0 407 "));
}

#[test]
fn no_limit_holds_an_emergency_call() {
    let mut world = world("registered");
    (0..20).for_each(|_| world.dials("alice", "sip:112@d", HERE, 0));
    let heard = String::from_utf8_lossy(&world.owner.drain()).into_owned();
    assert_eq!(20, heard.matches("user:alice@d").count(), "the limits are one event that waits, and one a second of an account");
}
