//! What the control socket is asked: a view of this edge, limits and lists, bans, drain. It speaks for one process.

use crate::config::EdgeError;
use crate::control::{Ask, Control, Problem, CONNECTIONS};
use crate::edge::{Edge, CONTROL, SOCKETS};
use crate::notes::NOTE_CHARS;
use serde::Deserialize;
use serde_json::{json, Map, Value};
use std::net::IpAddr;
use tandem_sip::abuse::REPORTED;
use tandem_sip::frame::Transport;
use tandem_sip::policy::Policy;
use tandem_sip::proxy::FrontConfig;
use tandem_sys::epoll::{Interest, Ready};

const READ: Interest = Interest { read: true, write: false };
/// Longest ban that is asked for, in seconds.
pub const BAN_SECONDS: u64 = 86_400;

// Every place must have its token.
const _: () = assert!(CONTROL + 1 + CONNECTIONS as u64 <= SOCKETS);

impl Edge {
    pub(crate) fn open_control(&mut self) -> Result<(), EdgeError> {
        let Some(path) = self.config.control.clone() else { return Ok(()) };
        let system = |why| EdgeError::Socket { what: format!("control {}", path.display()), why };
        let control = Control::open(&path).map_err(system)?;
        self.epoll.add(control.fd(), CONTROL, READ).map_err(system)?;
        self.control = Some(control);
        Ok(())
    }

    pub(crate) fn control_ready(&mut self, event: Ready) {
        let Some(mut control) = self.control.take() else { return };
        match event.token.checked_sub(CONTROL + 1) {
            None => {
                if let Some((place, fd)) = control.accept() {
                    if self.epoll.add(fd, CONTROL + 1 + place as u64, READ).is_err() {
                        control.close(place);
                    }
                }
            }
            Some(place) => self.asker_ready(&mut control, place as usize, event),
        }
        self.control = Some(control);
    }

    fn asker_ready(&mut self, control: &mut Control, place: usize, event: Ready) {
        // What was asked before the end is still answered.
        let open = !event.read || control.read(place);
        loop {
            match control.flush(place) {
                Some(true) => {}
                Some(false) => return self.await_asker(control, place, Interest { read: false, write: true }),
                None => return control.close(place),
            }
            let Some(line) = control.next(place) else { break };
            let (id, answer) = match serde_json::from_slice::<Ask>(&line) {
                Ok(ask) => (ask.id, self.asked(&ask)),
                Err(error) => (0, Err(Problem::bad("", error.to_string()))),
            };
            control.answer(place, id, answer);
        }
        match open {
            true => self.await_asker(control, place, READ),
            false => control.close(place),
        }
    }

    fn await_asker(&mut self, control: &mut Control, place: usize, interest: Interest) {
        let token = CONTROL + 1 + place as u64;
        if control.fd_of(place).is_none_or(|fd| self.epoll.modify(fd, token, interest).is_err()) {
            control.close(place);
        }
    }

    fn asked(&mut self, ask: &Ask) -> Result<Value, Problem> {
        match &*ask.what {
            "ping" => Ok(json!({"edge": self.config.edge, "incarnation": self.incarnation})),
            "view" => Ok(self.view()),
            "front" => self.front_asked(&ask.with),
            "policy" => self.take_lists(&ask.with),
            "ban" => self.ban_asked(&ask.with),
            "unban" => {
                let source = source(&ask.with)?;
                Ok(json!({"was_banned": self.unban(source)}))
            }
            "abuse" => self.abuse_asked(&ask.with),
            "drain" | "undrain" => {
                self.judge.policy.draining = ask.what == "drain";
                Ok(json!({"draining": self.judge.policy.draining}))
            }
            other => Err(Problem { status: 404, title: "no such question", detail: other.chars().take(64).collect(), field: "do".into() }),
        }
    }

    fn view(&mut self) -> Value {
        let listen: Vec<Value> = self
            .locals
            .iter()
            .map(|at| json!({"transport": name(at.transport), "bound": at.bound.to_string(), "advertised": at.advertised}))
            .collect();
        let mut connections = Map::new();
        for (transport, count) in self.connections.by_transport() {
            connections.insert(name(transport).into(), count.into());
        }
        let owners: Vec<Value> = self.links.view().map(|(place, stands)| json!({"at": place.to_string(), "up": stands})).collect();
        json!({
            "edge": self.config.edge, "pid": std::process::id(), "incarnation": self.incarnation, "at": self.at,
            "draining": self.judge.policy.draining, "link": (self.links.len() > 0).then_some(self.links.up()), "owners": owners,
            "listen": listen, "connections": connections, "counters": self.counted(), "front": self.front_view(),
        })
    }

    /// A whole new front: pools, routes, aliases.
    fn front_asked(&mut self, with: &Map<String, Value>) -> Result<Value, Problem> {
        let config = FrontConfig::deserialize(with).map_err(|error| Problem::bad("front", error.to_string()))?;
        self.apply_front(config).map_err(|error| {
            let field = error.split(':').next().unwrap_or_default();
            Problem::bad(&format!("front.{field}"), error.as_str())
        })?;
        Ok(json!({}))
    }

    /// Limits and lists of a policy; domains and trunks are an owner's.
    fn take_lists(&mut self, with: &Map<String, Value>) -> Result<Value, Problem> {
        let Value::Object(mut given) = json!(with) else { return Ok(Value::Null) };
        given.retain(|key, _| matches!(key.as_str(), "limits" | "allow" | "deny" | "scanners"));
        let json = json!(given).to_string();
        let policy = Policy::from_json(json.as_bytes()).map_err(|error| Problem::bad("policy", error.to_string()))?;
        self.judge.policy.take_lists(policy);
        self.pardon();
        self.log.say(self.at, "limits and lists in force", &[]);
        Ok(json!({}))
    }

    fn ban_asked(&mut self, with: &Map<String, Value>) -> Result<Value, Problem> {
        let source = source(with)?;
        let seconds = match with.get("seconds") {
            None => u64::from(self.judge.policy.limits.ban_seconds),
            Some(value) => value
                .as_u64()
                .filter(|seconds| (1..=BAN_SECONDS).contains(seconds))
                .ok_or_else(|| Problem::bad("seconds", format!("{value}: 1 to {BAN_SECONDS} seconds")))?,
        };
        let note = with.get("note").map_or(Some(""), Value::as_str).filter(|note| note.chars().count() <= NOTE_CHARS);
        let note = note.ok_or_else(|| Problem::bad("note", format!("a text of at most {NOTE_CHARS} characters")))?;
        match self.ban_by_hand(source, seconds as u32, note) {
            true => Ok(json!({"seconds": seconds})),
            false => Err(Problem::bad("source", format!("{source} is on the allow list, a trunk or a server of ours: never banned"))),
        }
    }

    /// Who is banned and who is not far from it, of all or of one source.
    fn abuse_asked(&mut self, with: &Map<String, Value>) -> Result<Value, Problem> {
        let of = if with.contains_key("source") { Some(source(with)?) } else { None };
        let most = match with.get("most") {
            None => 20,
            Some(value) => value
                .as_u64()
                .filter(|most| (1..=REPORTED as u64).contains(most))
                .ok_or_else(|| Problem::bad("most", format!("{value}: 1 to {REPORTED} lines")))?,
        };
        let report = self.judge.report(most as usize, of, self.at);
        let mut told = json!(report);
        for (ban, told) in report.banned.iter().zip(told["banned"].as_array_mut().into_iter().flatten()) {
            told["note"] = self.notes.of(ban.source).into();
        }
        let refused: Map<String, Value> = self.counters.refused.iter().map(|(reason, count)| ((*reason).into(), (*count).into())).collect();
        if let Some(told) = told.as_object_mut() {
            told.insert("edge".into(), self.config.edge.into());
            told.insert("at_us".into(), self.at.into());
            told.insert("refused".into(), refused.into());
            told.insert("bans".into(), self.counters.bans.into());
            told.insert("messages_of_banned".into(), self.counters.banned.into());
            told.insert(
                "kernel".into(),
                self.firewall
                    .as_ref()
                    .map(|firewall| Map::from_iter(firewall.counters().map(|(name, count)| (name.into(), count.into()))))
                    .into(),
            );
        }
        Ok(told)
    }
}

fn source(with: &Map<String, Value>) -> Result<IpAddr, Problem> {
    let text = with.get("source").and_then(Value::as_str).unwrap_or_default();
    text.parse().map_err(|_| Problem::bad("source", format!("{:?}: an IP address is needed", text.chars().take(64).collect::<String>())))
}

/// What configuration and views call a transport.
pub(crate) fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}
