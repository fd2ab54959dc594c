//! What the front wants sent, put on sockets and connections. It decides nothing.

use super::siblings::Siblings;
use super::{Front, Identity};
use crate::edge::Edge;
use crate::judge::Source;
use tandem_sip::frame::{Transport, Why};
use tandem_sip::index::Index;
use tandem_sip::message::Message;
use tandem_sip::pool::Change;
use tandem_sip::proxy::{self, FrontConfig, Handover, Hop};

impl Edge {
    /// Takes a whole new front; the error names the field, and nothing has changed then.
    pub fn apply_front(&mut self, config: FrontConfig) -> Result<(), String> {
        match &mut self.front {
            Some(front) => {
                let changes = front.apply(config, self.now).map_err(|error| error.to_string())?;
                self.tell_changes(&changes);
            }
            None => {
                self.open_names().map_err(|error| error.to_string())?;
                let Some(lookups) = &self.lookups else { return Err("names".into()) };
                let siblings = match &self.config.run {
                    None => None,
                    Some(run) => Some(Siblings::open(run, self.config.edge).map_err(|error| format!("run: {}: {error}", run.display()))?),
                };
                let (keys, locals) = (&self.judge.keys.keys, &self.locals);
                let identity = Identity { keys, locals, lookups, edge: self.config.edge, siblings, incarnation: self.incarnation };
                self.front = Some(Front::new(config, identity, self.now).map_err(|error| error.to_string())?);
                self.watch_siblings();
            }
        }
        self.judge.fronts = true;
        if let Some(front) = &self.front {
            self.judge.policy.spare(front.servers());
        }
        self.pardon();
        self.verdicts_configured();
        self.log.say(self.at, "front in force", &[]);
        Ok(())
    }

    /// What the front shows, when there is one.
    pub fn front_view(&self) -> Option<super::FrontView> {
        self.front.as_ref().map(|front| front.view(self.now))
    }

    /// Does what time brings.
    pub(crate) fn front_due(&mut self) {
        let now = self.now;
        if let Some(siblings) = self.front.as_mut().and_then(|front| front.siblings.as_mut()).filter(|siblings| siblings.waits()) {
            siblings.again();
        }
        if let Some(front) = self.front.as_mut().filter(|front| front.wake_at().is_some_and(|at| at <= now)) {
            front.advance(now);
            self.pass();
        }
    }

    /// Sends what stands in the front's output.
    pub(crate) fn pass(&mut self) {
        let Some(front) = &mut self.front else { return };
        if front.output.is_empty() {
            return;
        }
        let mut output = std::mem::take(&mut front.output);
        for send in &output.sends {
            self.pass_one(&send.hop, output.of(send), send.cookie);
        }
        self.tell_changes(&output.changes);
        for &(transport, remote) in &output.unwell {
            self.not_reached(transport, remote);
        }
        if let Some(front) = self.front.as_mut().filter(|_| !output.ended.is_empty()) {
            front.tell_ended(&output.ended);
        }
        self.ask_verdicts(&output.questions);
        let passed = std::mem::take(&mut output.passed);
        output.clear();
        if let Some(front) = &mut self.front {
            // What could not be asked has been decided meanwhile.
            let more = std::mem::replace(&mut front.output, output);
            if !more.is_empty() {
                front.output = more;
                self.pass();
            }
        }
        for (source, bytes) in passed {
            self.passed_late(&source, &bytes);
        }
    }

    /// A message that waited for a verdict, and that the front has no route for.
    fn passed_late(&mut self, source: &proxy::Source, bytes: &[u8]) {
        if self.links.len() > 0 {
            // Whoever else is behind this edge gets it as if it came now.
            let names: &[String] = &[];
            let source = Source { flow: source.flow, transport: source.transport, local: source.local, remote: source.remote, names };
            for on in [true, false] {
                if let Some(front) = &mut self.front {
                    front.as_routed(on);
                }
                if on {
                    self.guarded(&source, bytes, None);
                }
            }
            return;
        }
        let mut index = Index::default();
        let limits = self.judge.limits();
        let Ok(message) = Message::parse(bytes, &limits, &mut index) else { return };
        if let Some(front) = &mut self.front {
            front.nobody(&message, source);
        }
        self.pass();
    }

    fn pass_one(&mut self, hop: &Hop, message: &[u8], cookie: u64) {
        if hop.transport == Transport::Udp {
            self.acquaint(hop.remote, message);
            return self.send_datagram(hop.local, hop.remote, message, cookie);
        }
        if hop.edge != 0 {
            let siblings = self.front.as_mut().and_then(|front| front.siblings.as_mut());
            if !siblings.is_some_and(|siblings| siblings.hand(hop.edge, &Handover::Send(*hop, message))) {
                self.failed(cookie, Why::Flow);
            }
            return;
        }
        let flow = Some(hop.flow).filter(|flow| *flow != 0 && self.connections.has(*flow));
        match flow.or_else(|| self.connections.to(hop.transport, hop.remote).filter(|_| !hop.only)) {
            Some(flow) => self.queue(flow, message, cookie),
            None if hop.only => self.failed(cookie, Why::Flow),
            None => self.call_out(hop.transport, hop.local, hop.remote, message, cookie),
        }
    }

    pub(crate) fn tell_changes(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        if let Some(front) = &mut self.front {
            front.tell_verdicts(changes);
        }
        self.say_changes(changes);
    }

    pub(super) fn say_changes(&mut self, changes: &[Change]) {
        for change in changes {
            let became = format!("{:?}", change.became).to_lowercase();
            self.log.say(
                self.at,
                "member changed",
                &[("pool", &change.pool), ("member", &change.member), ("became", &became), ("why", &change.why)],
            );
        }
    }
}
