//! Who sends a request, and who is where: digest's answer and the registrar's, as replies. The rules are in `auth` and `registrar`.

use super::inbound::Asking;
use super::Owner;
use crate::auth::{check, Check};
use crate::challenge::Challenger;
use crate::digest::Ha1;
use crate::emergency::Unproven;
use crate::frame::Names;
use crate::gate::Source;
use crate::message::Message;
use crate::name::Name;
use crate::question::Question;
use crate::registrar::request::{address_of_record, wish};
use crate::registrar::{row, Dirty, Flow, GRACE_SECONDS};
use crate::txn::Sink;
use smallvec::SmallVec;

/// How often rows that changed lazily are stored and ended bindings removed, in microseconds.
const SWEEP: u64 = 1_000_000;
/// Refreshes that wait to be stored together. Their edges keep the messages meanwhile, and ask phones to come later when it is 16 MiB.
pub(super) const UNSWEPT_MOST: usize = 1_024;
/// Addresses looked at in one sweep.
const SWEEP_ROWS: usize = 10_000;
/// Bytes of a row that are kept beside a REGISTER without asking for memory.
const ROW_BYTES: usize = 512;
/// Connections whose peers have proven a name; others are challenged as if they had not.
const PEERS_PROVEN: usize = 65_536;
/// What a binding's key in the store begins with.
pub const ROW_PREFIX: &[u8] = b"reg/";
/// What the key of an edge's incarnation begins with.
pub const EDGE_PREFIX: &[u8] = b"edge/";

/// A registrar row to store before the replies made with it leave: key, row (`None` deletes), microseconds since 1970 at which it is gone.
pub type Saved = (Vec<u8>, Option<Vec<u8>>, u64);

impl Owner {
    /// Who asks, as trust; `None` when the request has been answered.
    pub(super) fn trust(&mut self, asking: &Asking<'_, '_>, now: u64) -> Option<Vec<u8>> {
        if self.proven.knows(asking.handle, || self.config.keys.fingerprint(asking.message.bytes())) {
            let policy = self.policy.as_ref()?;
            let aor = Question::of(&asking.message).aor(asking.message.first(Name::To).unwrap_or_default(), policy)?;
            return Some([b"user:", &aor[..]].concat());
        }
        let Some(policy) = &self.policy else {
            self.refuse(asking, 503, "Service Unavailable", b"Retry-After: 2\r\n", now);
            return None;
        };
        let question = Question::of(&asking.message);
        let by = Challenger { keys: &self.config.keys, nonce_keys: &self.config.nonce, policy };
        let proven = self.peers.get(&(asking.edge, asking.flow.connection)).map_or(&[][..], Vec::as_slice);
        let names: SmallVec<[&[u8]; 4]> = proven.iter().map(|name| &**name).collect();
        let source = Source { address: asking.flow.remote.into(), transport: asking.flow.transport as u8, tls_names: &names };
        let mut answer = Vec::new();
        let checked = check(&by, &self.users, &mut self.nonces, &question, &source, self.out.at, &mut answer);
        let helped = match checked {
            Check::Challenge { .. } | Check::Silence if self.calls_for_help(&asking.message) => self.unproven(&question, &asking.flow),
            _ => None,
        };
        if helped.is_some() {
            self.out.counters.unproven_emergencies += 1;
            return helped;
        }
        match checked {
            Check::User(aor) => Some([b"user:", &aor[..]].concat()),
            Check::Trunk(id) => Some(format!("trunk:{id}").into_bytes()),
            Check::Challenge { guessed } => {
                self.out.counters.challenged += 1;
                self.out.counters.guessed += u64::from(guessed);
                self.out.send(&asking.back, asking.sip.shard, 0, &answer);
                None
            }
            Check::Silence => {
                self.out.counters.challenged += 1;
                None
            }
        }
    }

    /// Whether the account of a proven user may begin one more thing. Emergency calls (RFC 5031) always may.
    pub(super) fn account_admits(&mut self, asking: &Asking<'_, '_>, trust: &[u8]) -> bool {
        let (Some(aor), Some(policy)) = (trust.strip_prefix(b"user:"), &self.policy) else { return true };
        self.calls_for_help(&asking.message) || self.accounts.admit(&policy.limits, aor, self.out.at)
    }

    /// Whether an INVITE is an emergency call by the numbers of its caller's tenant.
    pub(super) fn calls_for_help(&self, message: &Message<'_>) -> bool {
        let Some(policy) = self.policy.as_ref().filter(|_| message.method_bytes() == b"INVITE") else { return false };
        let question = Question::of(message);
        policy.emergency(question.realm(policy)).holds(&question)
    }

    /// As whom an emergency call goes that proved nobody. Over UDP a source can be forged: what such a call wins is that it is placed,
    /// its answers go to where the user's phone is.
    fn unproven(&self, question: &Question<'_>, flow: &crate::txn::Flow) -> Option<Vec<u8>> {
        let policy = self.policy.as_ref()?;
        let domain = question.realm(policy);
        let unproven = policy.emergency(domain).unproven;
        let aor = question.aor(question.from, policy).filter(|_| unproven != Unproven::Never)?;
        let remote: std::net::SocketAddr = flow.remote.into();
        let here = |binding: &row::Binding<'_>| match flow.connection {
            0 => binding.flow.connection == 0 && binding.flow.remote == remote,
            connection => (binding.flow.edge, binding.flow.connection) == (flow.edge, connection),
        };
        if self.lookup(&aor).iter().any(here) {
            return Some([b"user:", &aor[..]].concat());
        }
        (unproven == Unproven::Anybody).then(|| [b"stranger:", domain.as_bytes()].concat())
    }

    /// An edge says whom a connection's certificate names: a trunk of that name needs no password.
    pub(super) fn peer_proved(&mut self, edge: u16, flow: u64, names: Names<'_>) {
        if flow != 0 && (self.peers.len() < PEERS_PROVEN || self.peers.contains_key(&(edge, flow))) {
            self.peers.insert((edge, flow), names.iter().map(Box::from).collect());
        }
    }

    /// The edge names them again, if it still has them.
    pub(super) fn forget_peers(&mut self, edge: u16) {
        self.peers.retain(|(of, _), _| *of != edge);
    }

    /// Answers a REGISTER of a proven user (RFC 3261 10.3). The row to store comes out of `saves` before the answer comes out of `output`.
    /// True: the row is stored with the next sweep, and only then the frame is taken. A node that dies before gets it again from the edge.
    pub(super) fn register(&mut self, asking: &Asking<'_, '_>, trust: &[u8], now: u64) -> bool {
        self.out.counters.registers += 1;
        let at = self.out.at;
        let message = asking.message;
        let Some(policy) = &self.policy else { return false };
        let mut path = Vec::new();
        let read = address_of_record(&message, trust.strip_prefix(b"user:"), policy);
        let wish = match &read {
            Ok(aor) => wish(&message, aor, policy, &mut path),
            Err(why) => Err(*why),
        };
        let wish = match wish {
            Ok(wish) => wish,
            Err(why) => {
                self.refuse(asking, why.status(), &why.to_string(), b"", now);
                return false;
            }
        };
        let aor = wish.aor;
        let from = asking.flow;
        let flow = Flow {
            edge: from.edge,
            connection: from.connection,
            transport: from.transport as u8,
            local: from.local,
            remote: from.remote.into(),
        };
        let mut headers = Vec::new();
        let before: Option<SmallVec<[u8; ROW_BYTES]>> = self.registrar.row(aor).map(SmallVec::from_slice);
        let outcome = self.registrar.register(&wish, &flow, &self.config.keys, at, &mut headers);
        if outcome.dirty == Dirty::Now {
            let saved = saved(aor, self.registrar.row(aor));
            self.saves.push(saved);
        }
        if outcome.dirty == Dirty::Now {
            self.watch_anew(aor, &before.map(|row| self.watched_in(aor, &row)).unwrap_or_default());
        }
        let reason = match outcome.status {
            200 => "OK",
            423 => "Interval Too Brief",
            400 => "Bad Request",
            _ => "Server Internal Error",
        };
        if outcome.status != 200 {
            self.refuse(asking, outcome.status, reason, &headers, now);
            return false;
        }
        // Answering the same REGISTER again changes nothing: no transaction is kept for 64*T1, only its fingerprint
        self.proven.remember(asking.handle, self.config.keys.fingerprint(message.bytes()));
        let mut to_tag = crate::ids::call_id(asking.sip.shard, asking.handle).to_vec();
        to_tag.extend_from_slice(b"a0");
        let mut response = Vec::with_capacity(512);
        crate::build::response(&mut response, &message, Some(asking.flow.remote.into()), 200, reason, Some(&to_tag), &headers);
        self.out.send(&asking.back, asking.sip.shard, asking.handle, &response);
        let later = outcome.dirty == Dirty::Lazy;
        if later {
            self.in_hand.insert((asking.edge, asking.sip.seq), 0);
            self.unswept.push((asking.edge, asking.sip.seq));
        }
        later
    }

    /// Stores what changed lazily, once a second or when so much waits that edges would keep too many frames; removes what ended.
    pub(super) fn sweep(&mut self) {
        let at = self.out.at;
        let due = at >= self.sweep_at;
        if self.registrar.is_empty() && self.saves.is_empty() && self.unswept.is_empty() || !due && self.unswept.len() < UNSWEPT_MOST {
            return;
        }
        if due {
            self.sweep_at = at + SWEEP;
            self.registrar.expire(SWEEP_ROWS, at);
        }
        let saves = &mut self.saves;
        self.registrar.drain_dirty(|aor, row| saves.push(saved(aor, row)));
        for (edge, seq) in std::mem::take(&mut self.unswept) {
            self.in_hand.remove(&(edge, seq));
            self.out.taken(edge, seq); // leaves behind the rows: `saves` are stored before `output`
        }
    }

    /// When `sweep` is next due, on the clock of `now`; 0: never.
    pub(super) fn sweep_due(&self) -> u64 {
        if self.registrar.is_empty() && self.unswept.is_empty() {
            0
        } else if self.unswept.len() >= UNSWEPT_MOST {
            1
        } else {
            self.sweep_at.max(1).saturating_add_signed(-self.clock_offset)
        }
    }

    /// Rows to store before anything of `output` may leave.
    pub fn saves(&mut self) -> Vec<Saved> {
        std::mem::take(&mut self.saves)
    }

    /// An edge said HELLO. Connection numbers are those of one incarnation: a number that was stored in another one names a stranger.
    pub(super) fn edge_began(&mut self, edge: u16, incarnation: u64) {
        let known = self.out.edges.get(&edge).map_or(0, |edge| edge.incarnation);
        if known != incarnation {
            self.registrar.edge_lost(edge, self.out.at);
            self.saves.push(([EDGE_PREFIX, edge.to_string().as_bytes()].concat(), Some(incarnation.to_le_bytes().to_vec()), 0));
        }
    }

    /// Takes a stored row at start; `key` and `row` as `saves` gave them. False: it is damaged and was left out.
    pub fn load(&mut self, key: &[u8], row: &[u8]) -> bool {
        if let Some(number) = key.strip_prefix(EDGE_PREFIX) {
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<u16>().ok());
            let (Some(number), Ok(incarnation)) = (number, row.try_into()) else { return false };
            self.out.edges.entry(number).or_default().incarnation = u64::from_le_bytes(incarnation);
            return true;
        }
        key.strip_prefix(ROW_PREFIX).is_some_and(|aor| self.registrar.load(aor, row))
    }

    /// Addresses of record with their bindings, in no order.
    pub fn registrations(&self) -> impl Iterator<Item = (&[u8], row::Bindings<'_>)> {
        self.registrar.iter()
    }

    /// How many addresses of record have bindings.
    pub fn registered(&self) -> usize {
        self.registrar.len()
    }

    /// Removes all bindings of an address of record; true if there were any.
    pub fn unregister(&mut self, aor: &[u8]) -> bool {
        let before = self.watched(aor);
        let had = self.registrar.remove(aor);
        self.watch_anew(aor, &before);
        if had {
            self.saves.push(saved(aor, None));
        }
        had
    }

    /// Adds or replaces a user; false: the address is too long.
    pub fn set_user(&mut self, aor: &[u8], ha1: Ha1) -> bool {
        self.users.set_user(aor, ha1)
    }

    /// Removes a user and its bindings; true if there was one.
    pub fn drop_user(&mut self, aor: &[u8]) -> bool {
        self.unregister(aor);
        self.users.drop_user(aor)
    }
}

fn saved(aor: &[u8], bytes: Option<&[u8]>) -> Saved {
    let ends = bytes.and_then(row::open).and_then(|(_, bindings)| bindings.map(|binding| binding.expires_at).max()).unwrap_or(0);
    let expires_at = if ends == 0 { 0 } else { (u64::from(ends) + u64::from(GRACE_SECONDS)) * 1_000_000 };
    ([ROW_PREFIX, aor].concat(), bytes.map(<[u8]>::to_vec), expires_at)
}
