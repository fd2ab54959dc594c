//! The edge as a proxy before foreign servers (RFC 3261 16): what becomes of each message. Pure: no socket, no clock.
//!
//! All that a response or a request in a dialog needs stands in the message, under a MAC: an edge that was just started, or another
//! one with the same keys, does the same with it. See docs/concepts/front.md.

mod ahead;
mod answering;
mod belongs;
mod branch;
mod compose;
mod config;
mod counters;
mod edit;
mod handover;
mod hop;
mod identity;
mod invite;
mod inviting;
mod judging;
mod names;
mod next;
mod output;
mod own;
mod policy;
mod probing;
mod record;
mod refuse;
mod request;
mod response;
mod routes;
mod send;
mod text;
mod token;
mod uris;
mod waiting;

pub use ahead::ROUTE_VALUES;
pub use belongs::belongs;
pub use config::{FrontConfig, RouteConfig};
pub use counters::Counters;
pub use edit::MAX_FORWARDS;
pub use handover::{Handover, News};
pub use hop::{Hop, Source};
pub use invite::{ACCEPTED, TRANSACTIONS, TRANSACTION_BYTES};
pub use names::{Named, Names};
pub use output::{Output, Send};
pub use own::{Own, OwnAddress};
pub use policy::{Field, Given, PolicyConfig, Question, Rule, FIELDS, KEY_BYTES, LATE_US, RULES, VERDICTS, WAITING, WAIT_MS};
pub use routes::{ROUTES, VALUES};
pub use token::TOKEN_CHARS;

use crate::histogram::Histogram;
use crate::ids::Keys;
use crate::index::Index;
use crate::limits::Limits;
use crate::message::Message;
use crate::pool::{BadPools, Change, MemberId, PoolId, Pools, MEMBERS};
use routes::Routes;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of a message. The texts are names of counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Done: what is to be sent stands in the output.
    Done,
    /// A request was answered here.
    Answered(&'static str),
    /// Nothing is to be done.
    Silence(&'static str),
    /// No route is for it: whoever else is behind this edge may have it.
    Pass,
    /// This edge has the transaction or the connection: hand it the message as it came.
    Sibling(u16),
    /// The name in [`Proxy::missing`] must be looked up first: hand the message again then.
    Look,
}

/// What the proxy asks of its surroundings while it decides.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// Monotonic microseconds.
    pub now: u64,
    /// Whether a connection of this edge is open.
    pub alive: &'a dyn Fn(u64) -> bool,
    /// Other edges of this host cannot be asked about this message: do without.
    pub alone: bool,
}

/// From an INVITE to what its client heard.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Times {
    /// The first response above 100.
    pub answer: Histogram,
    /// The final response.
    #[serde(rename = "final")]
    pub last: Histogram,
}

/// Of messages that have been read once: with what we put into them they may be longer than a peer's.
const LIMITS: Limits =
    Limits { message_bytes: 1 << 20, headers: 1_000, header_bytes: 1 << 16, vias: 1_000, body_bytes: 1 << 20, uri_bytes: 1 << 16 };

/// One edge's proxy.
pub struct Proxy {
    /// Members and their state.
    pub pools: Pools,
    /// What was done.
    pub counters: Counters,
    keys: Keys,
    own: Own,
    edge: u16,
    siblings: bool,
    routes: Routes,
    aliases: Vec<String>,
    marks: Vec<(u16, MemberId)>,
    leaving: Vec<Option<u8>>,
    seeking: names::Seeking,
    invites: invite::Table,
    /// How long calls took to be set up, by pool.
    pub times: BTreeMap<PoolId, Times>,
    policy: policy::Policy,
    probing: probing::Probing,
    born: u64,
    index: Index,
    /// Lines and URIs on their way into a message.
    top: Vec<u8>,
    uri: Vec<u8>,
}

impl Proxy {
    /// A proxy without pools. `edge` is its number among those of this host that share addresses: 0 when it is alone. `born`: some
    /// number that no other life of it had, for names that must not come again.
    pub fn new(keys: Keys, own: Own, edge: u16, born: u64) -> Proxy {
        Proxy {
            pools: Pools::new(keys.hash),
            counters: Counters::default(),
            keys,
            own,
            edge,
            siblings: edge != 0,
            routes: Routes::default(),
            aliases: Vec::new(),
            marks: Vec::new(),
            leaving: Vec::new(),
            seeking: names::Seeking::default(),
            invites: invite::Table::default(),
            times: BTreeMap::new(),
            policy: policy::Policy::default(),
            probing: probing::Probing::default(),
            born,
            index: Index::default(),
            top: Vec::new(),
            uri: Vec::new(),
        }
    }

    /// Takes a whole new configuration. On an error nothing has changed.
    pub fn apply(&mut self, config: &FrontConfig, now: u64) -> Result<Vec<Change>, BadPools> {
        let pools = config.pools();
        let mut trial = Pools::new(self.keys.hash);
        trial.apply(&pools, now)?;
        Routes::read(config, &trial)?;
        let timed: Vec<(PoolId, Box<str>)> = self.times.keys().map(|&id| (id, self.pools.settings(id).name.clone())).collect();
        let changes = self.pools.apply(&pools, now)?;
        // The number of a pool that is gone is the next one's.
        for (id, name) in timed {
            if self.pools.settings(id).name != name {
                self.times.remove(&id);
            }
        }
        self.routes = Routes::read(config, &self.pools)?;
        self.aliases.clone_from(&config.aliases);
        self.policy.configure(config.policy.clone());
        self.name_aliases();
        let members = (0..MEMBERS as MemberId).filter_map(|id| Some((id, self.pools.member(id)?)));
        self.marks = members.map(|(id, member)| (token::member_mark(&self.keys, member.transport, member.address), id)).collect();
        Ok(changes)
    }

    /// New keys; what the old ones signed holds as long as they stand in the list.
    pub fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// New addresses of ours; numbers of old ones stay.
    pub fn set_own(&mut self, own: Own) {
        self.own = own;
        self.name_aliases();
    }

    /// Our addresses.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// The address of ours that messages to a member leave from; without it, that which fits.
    pub fn set_leaving(&mut self, member: MemberId, local: Option<u8>) {
        let at = usize::from(member);
        if self.leaving.len() <= at {
            self.leaving.resize(at + 1, None);
        }
        if let Some(place) = self.leaving.get_mut(at) {
            *place = local;
        }
    }

    /// Decides about one message. `member`: `Pools::member_at` of its source. What is to be sent is appended to `out`.
    pub fn handle(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        member: Option<MemberId>,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        match message.is_request() {
            true => self.request(message, source, member, world, out),
            false => self.response(message, source, world, out),
        }
    }

    /// INVITE transactions, and the bytes that they hold.
    pub fn transactions(&self) -> (usize, usize) {
        (self.invites.len(), self.invites.bytes())
    }

    fn name_aliases(&mut self) {
        self.aliases.iter().for_each(|alias| self.own.name(alias.as_bytes()));
    }

    fn marked(&self, mark: u16) -> Option<MemberId> {
        self.marks.iter().find(|(known, _)| *known == mark).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests;
