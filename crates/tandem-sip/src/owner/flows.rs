//! Flows to phones: which of them edges keep alive, where a phone is now, and who a GRUU names. The registrar has the rules.

use super::outbox::push_flow;
use super::{mp, Owner};
use crate::frame::{push_forget, push_forget_rest, push_watch, Transport};
use crate::keepalive::{Asked, Keepalive, Kind, Watch, Watched};
use crate::message::Message;
use crate::name::Name;
use crate::registrar::contact::address;
use crate::registrar::flows::Phone;
use crate::registrar::row::{self, Binding};
use crate::registrar::{reach, Flow, List};
use crate::txn;
use smallvec::SmallVec;

/// Watches told in one go: what an edge's HELLO asks for is told in frames of this many.
const TOLD: usize = 1_024;

/// The flows of one address of record that are watched, each with its edge.
pub(super) type Flows = SmallVec<[(u16, Watch); 4]>;

impl Owner {
    /// What edges are to keep alive of an address of record.
    pub(super) fn watched(&self, aor: &[u8]) -> Flows {
        self.wanted_of(aor, self.registrar.bindings(aor, self.out.at))
    }

    /// The same of a row as it was.
    pub(super) fn watched_in(&self, aor: &[u8], row: &[u8]) -> Flows {
        self.wanted_of(aor, row::open(row).into_iter().flat_map(|(_, bindings)| bindings))
    }

    fn wanted_of<'r>(&self, aor: &[u8], bindings: impl Iterator<Item = Binding<'r>>) -> Flows {
        let (cookie, keepalive) = (self.registrar.hash(aor), self.keepalive());
        bindings.filter_map(|binding| wanted(&binding, &keepalive, cookie)).collect()
    }

    /// An address of record has changed: its edges are told. `before`: what they know.
    pub(super) fn watch_anew(&mut self, aor: &[u8], before: &Flows) {
        let now = self.watched(aor);
        let is = |(edge, watch): &(u16, Watch)| (*edge, watch.flow);
        for gone in before.iter().filter(|old| old.1.flow.flow == 0 && !now.iter().any(|new| is(new) == is(old))) {
            let Some(edge) = self.out.edges.get_mut(&gone.0).filter(|edge| edge.greeted && edge.up) else { continue };
            push_forget(&mut edge.output, &[gone.1.flow]);
        }
        for (number, watch) in now.iter().filter(|new| !before.contains(new)) {
            let Some(edge) = self.out.edges.get_mut(number).filter(|edge| edge.greeted && edge.up) else { continue };
            push_watch(&mut edge.output, &[*watch]);
        }
    }

    /// An edge has said HELLO: it is told all that it is to keep alive, and forgets the rest.
    pub(super) fn watch_all(&mut self, number: u16) {
        let (keepalive, now) = (self.keepalive(), self.out.at / 1_000_000);
        let Some(edge) = self.out.edges.get_mut(&number) else { return };
        let mut list = Vec::with_capacity(TOLD);
        for (aor, bindings) in self.registrar.iter() {
            let ours = bindings.filter(|binding| binding.flow.edge == number && u64::from(binding.expires_at) > now);
            let cookie = self.registrar.hash(aor);
            list.extend(ours.filter_map(|binding| wanted(&binding, &keepalive, cookie)).map(|(_, watch)| watch));
            if list.len() >= TOLD {
                push_watch(&mut edge.output, &list);
                list.clear();
            }
        }
        push_watch(&mut edge.output, &list);
        push_forget_rest(&mut edge.output);
    }

    /// The policy says anew how flows are kept open.
    pub(super) fn keep_alive_anew(&mut self, keepalive: Keepalive) {
        self.registrar.set_flow_timer(keepalive.flow_timer_seconds);
        let greeted = self.out.edges.iter().filter(|(_, edge)| edge.up && edge.greeted).map(|(number, _)| *number);
        for number in greeted.collect::<SmallVec<[u16; 8]>>() {
            self.watch_all(number);
        }
    }

    fn keepalive(&self) -> Keepalive {
        self.policy.as_ref().map(|policy| policy.keepalive).unwrap_or_default()
    }

    /// An edge says of a phone that it answers OPTIONS no more, or again: event `Answers`.
    pub(super) fn answers(&mut self, edge: u16, flow: &Watched, answers: bool) {
        let remote = flow.remote.into();
        let of = Flow { edge, connection: flow.flow, transport: flow.transport as u8, local: flow.local, remote };
        if !self.registrar.answers(flow.cookie, &of, answers) {
            return;
        }
        let Some(aor) = self.registrar.hashed(flow.cookie).map(<[u8]>::to_vec) else { return };
        let at = self.out.at;
        let flow = txn::Flow { edge, connection: flow.flow, transport: flow.transport, local: flow.local, remote: flow.remote };
        self.out.event(|out| {
            mp::array(out, 5);
            mp::int(out, 9);
            mp::int(out, at);
            mp::text(out, &aor);
            push_flow(out, &flow);
            mp::boolean(out, answers);
        });
    }

    /// The bindings of an address of record, best first, as they can be asked now. A flow that is gone is what can be dialled instead,
    /// or has port 0: nothing can be sent there until the phone is back.
    pub fn lookup(&self, aor: &[u8]) -> List<'_> {
        let mut list = self.registrar.lookup(aor, self.out.at);
        for binding in &mut list {
            let flow = binding.flow;
            let reliable = Transport::read(flow.transport).is_none_or(Transport::is_reliable);
            let linked = self.out.edges.get(&flow.edge).is_some_and(|edge| edge.up);
            if reliable && (flow.connection == 0 || !linked) {
                let gone = std::net::SocketAddr::new(flow.remote.ip(), 0);
                binding.flow = reach::dial(binding).unwrap_or(Flow { connection: 0, remote: gone, ..flow });
            }
        }
        list
    }

    /// The phone that the user part of a temporary GRUU names; `None`: it is void, or never was one.
    pub fn temporary(&self, user: &[u8]) -> Option<Phone> {
        self.registrar.temporary(user, &self.config.keys, self.out.at)
    }

    /// The Contact to note for a message whose own Contact is a GRUU of ours: where that phone is registered.
    pub(super) fn contact_behind(&self, message: &Message<'_>, flow: &txn::Flow) -> Option<Vec<u8>> {
        let value = message.first(Name::Contact)?;
        memchr::memmem::find(value, b";gr")?; // each message asks this
        let (uri, _) = address(value)?;
        let policy = self.policy.as_ref()?;
        let over =
            Flow { edge: flow.edge, connection: flow.connection, transport: flow.transport as u8, local: 0, remote: flow.remote.into() };
        let uri = self.registrar.behind(uri, &self.config.keys, policy, &over, self.out.at)?;
        Some([b"<", &uri[..], b">"].concat())
    }
}

/// What a binding's edge is to do for its flow. A phone behind a proxy is the proxy's to keep.
fn wanted(binding: &Binding<'_>, keepalive: &Keepalive, cookie: u64) -> Option<(u16, Watch)> {
    let flow = binding.flow;
    let transport = Transport::read(flow.transport)?;
    let (kind, seconds) = if transport.is_reliable() {
        match keepalive.options {
            _ if flow.connection == 0 => return None,
            _ if !binding.path.is_empty() => (Kind::Keep, keepalive.stream_seconds),
            Asked::All => (Kind::Options, keepalive.options_seconds),
            _ if binding.reg_id != 0 && keepalive.flow_timer_seconds > 0 => (Kind::Silence, keepalive.flow_timer_seconds),
            _ => (Kind::Keep, keepalive.stream_seconds),
        }
    } else {
        let behind = reach::behind_nat(binding.uri, &flow);
        match keepalive.options {
            _ if !binding.path.is_empty() => return None,
            Asked::All => (Kind::Options, keepalive.options_seconds),
            Asked::Nat if behind => (Kind::Options, keepalive.options_seconds),
            _ if behind && keepalive.udp_seconds > 0 => (Kind::Crlf, keepalive.udp_seconds),
            _ => return None,
        }
    };
    let flow_of = Watched { flow: flow.connection, transport, local: flow.local, remote: flow.remote.into(), cookie };
    Some((flow.edge, Watch { flow: flow_of, kind, seconds: u16::try_from(seconds).unwrap_or(u16::MAX), until: binding.expires_at }))
}
