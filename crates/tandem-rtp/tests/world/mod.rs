//! An outside for the call table in tests: ports that count up, randomness that repeats, orders kept. Nothing is sent.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use tandem_rtp::ng::Value;
use tandem_rtp::plan::{Endpoint, EndpointId, Local};
use tandem_rtp::sdp::{Description, Family, Fingerprint};
use tandem_rtp::session::{Calls, Counters, Order, Outside, Settings};

pub struct World {
    pub calls: Calls,
    pub shell: Shell,
    pub now: u64,
}

#[derive(Default)]
pub struct Shell {
    pub orders: Vec<Order>,
    pub plans: BTreeMap<EndpointId, Endpoint>,
    pub taken: Vec<Local>,
    pub ports_left: usize,
    pub counters: BTreeMap<EndpointId, Counters>,
    next: u16,
    seed: u64,
}

impl Outside for Shell {
    fn take(&mut self, interface: &str, family: Family) -> Option<Local> {
        let host = match interface {
            "default" => 1,
            "pub" => 2,
            "priv" => 3,
            _ => return None,
        };
        if self.taken.len() == self.ports_left {
            return None;
        }
        let address: IpAddr = match family {
            Family::Ip4 => IpAddr::from([203, 0, 113, host]),
            Family::Ip6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)]),
        };
        let rtp = 30_000 + 2 * self.next;
        self.next += 1;
        let local = Local { address, advertised: address, rtp, rtcp: rtp + 1 };
        self.taken.push(local);
        Some(local)
    }

    fn free(&mut self, local: Local) {
        let at = self.taken.iter().position(|other| *other == local).expect("only what was taken is given back");
        self.taken.remove(at);
    }

    fn random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // xorshift64: every run is the same.
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            *byte = self.seed as u8;
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint { hash: "sha-256".into(), bytes: vec![0xab; 32] }
    }

    fn order(&mut self, order: Order) {
        match &order {
            Order::Put(plan) => {
                assert!(self.taken.contains(&plan.local), "a plan has a port that is taken");
                self.plans.insert(plan.id, (**plan).clone());
            }
            Order::Drop(id) => {
                self.plans.remove(id).expect("only an endpoint that is there is dropped");
            }
            _ => {}
        }
        self.orders.push(order);
    }

    fn counters(&self, id: EndpointId) -> Option<Counters> {
        self.counters.get(&id).copied()
    }
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> World {
        let settings = Settings { interfaces: vec!["default".into(), "pub".into(), "priv".into()], ..settings };
        World { calls: Calls::new(settings), shell: Shell { ports_left: 1_000, seed: 7, ..Shell::default() }, now: 1_800_000_000_000_000 }
    }

    /// Asks in JSON; a description is a string of lines.
    pub fn ask(&mut self, json: &str) -> Value {
        let value = tandem_rtp::ng::json::read(json.as_bytes()).expect("a test asks in JSON");
        self.tell(&value)
    }

    pub fn tell(&mut self, value: &Value) -> Value {
        self.now += 1_000_000;
        let answer = self.calls.message(value, self.now, &mut self.shell).value;
        self.check();
        answer
    }

    /// Sends a description and gives back the one that goes on.
    pub fn sdp(&mut self, command: &str, tags: [&str; 2], sdp: &str, more: &str) -> String {
        let answer = self.try_sdp(command, tags, sdp, more);
        assert_eq!(Some("ok"), answer.get("result").and_then(Value::as_str), "{answer:?}");
        String::from_utf8(answer.get("sdp").and_then(Value::as_bytes).expect("a description").to_vec()).unwrap()
    }

    pub fn try_sdp(&mut self, command: &str, [from, to]: [&str; 2], sdp: &str, more: &str) -> Value {
        let mut value = tandem_rtp::ng::json::read(format!("{{{more}}}").as_bytes()).expect("options are JSON");
        value.put("command", command.into());
        if value.get("call-id").is_none() {
            value.put("call-id", "c".into());
        }
        value.put("from-tag", from.into());
        if !to.is_empty() {
            value.put("to-tag", to.into());
        }
        value.put("sdp", lines(sdp).into());
        self.tell(&value)
    }

    /// What must hold after every command.
    fn check(&self) {
        assert_eq!(self.shell.plans.len(), self.shell.taken.len(), "every port has an endpoint");
        for plan in self.shell.plans.values() {
            assert!(plan.sinks.iter().all(|sink| self.shell.plans.contains_key(sink)), "sinks are there: {plan:?}");
        }
    }

    /// The plan whose leg and section are these.
    pub fn plan(&self, leg: &str, section: u16) -> &Endpoint {
        let found: Vec<_> = self.shell.plans.values().filter(|plan| plan.leg == leg && plan.section == section).collect();
        assert_eq!(1, found.len(), "one endpoint of {leg} {section}");
        found[0]
    }
}

/// A description of lines that are indented or not.
pub fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect()
}

/// A plain offer or answer of one audio section.
pub fn plain(address: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
    )
}

/// Values of the attributes of that name in a section.
pub fn attributes(sdp: &str, section: usize, name: &str) -> Vec<String> {
    let description = Description::read(sdp.as_bytes()).expect("a description");
    description.sections[section].attributes(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// `port protocol formats` of a media line.
pub fn media(sdp: &str, section: usize) -> String {
    let description = Description::read(sdp.as_bytes()).expect("a description");
    let media = &description.sections[section].media;
    format!("{} {} {}", media.port, media.protocol.as_str(), media.formats.join(" "))
}
