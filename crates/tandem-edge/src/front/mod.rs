//! The edge as a proxy before foreign servers: joins `tandem_sip::proxy` to sockets and connections. What becomes of a message is decided there.

mod kept;
mod members;
mod names;
mod near;
mod pass;
mod place;
mod siblings;
mod view;

use kept::Kept;
pub use names::Lookups;
pub use siblings::EDGES;
pub use view::FrontView;

use crate::connections::Connections;
use crate::edge::wall;
use crate::judge::Source;
use crate::locals::Locals;
use siblings::Siblings;
use std::sync::Arc;
use tandem_dns::Resolver;
use tandem_sip::ids::Keys;
use tandem_sip::message::Message;
use tandem_sip::pool::{BadPools, Change, MemberId, Pools, Usage, MEMBERS};
use tandem_sip::proxy::{self, FrontConfig, Given, Handover, Output, Proxy, Rule, Verdict, World};

/// The proxy with what it needs of this process.
pub struct Front {
    proxy: Proxy,
    config: FrontConfig,
    /// The same with the addresses that names lead to, as it is in force.
    placed: FrontConfig,
    resolver: Arc<Resolver>,
    kept: Kept,
    /// What it wants sent; empty between messages.
    pub(crate) output: Output,
    /// How many of our addresses it knows.
    addresses: usize,
    edge: u16,
    /// The other edges of this host, where there may be some.
    pub(crate) siblings: Option<Siblings>,
    told: Usage,
    usage_at: u64,
    prober: bool,
}

/// Who a front is.
pub struct Identity<'a> {
    /// For MACs.
    pub keys: &'a Keys,
    /// Names of members and next hops.
    pub lookups: &'a Lookups,
    /// Our addresses.
    pub locals: &'a Locals,
    /// The edge's number, 1 to [`EDGES`] where it has siblings.
    pub edge: u16,
    /// Where it meets them.
    pub siblings: Option<Siblings>,
    /// Which life of it this is.
    pub incarnation: u64,
}

impl Front {
    /// A front with a first configuration.
    pub fn new(config: FrontConfig, identity: Identity<'_>, now: u64) -> Result<Front, BadPools> {
        let Identity { keys, locals, lookups, edge, siblings, incarnation } = identity;
        let edge = if siblings.is_some() { edge } else { 0 };
        let mut proxy = Proxy::new(keys.clone(), place::own(locals), edge, incarnation);
        proxy.set_names(Box::new(names::Known(lookups.resolver.clone())));
        let mut front = Front {
            proxy,
            config: FrontConfig::default(),
            placed: FrontConfig::default(),
            resolver: lookups.resolver.clone(),
            kept: Kept::read(lookups.kept.clone()),
            output: Output::default(),
            addresses: locals.iter().count(),
            edge,
            siblings,
            told: Usage::default(),
            usage_at: 0,
            prober: false,
        };
        front.apply(config, now)?;
        front.tend(now);
        Ok(front)
    }

    /// Takes a whole new configuration; on an error, which names the field, nothing has changed.
    pub fn apply(&mut self, config: FrontConfig, now: u64) -> Result<Vec<Change>, BadPools> {
        let wishes = members::wishes(&config);
        if !wishes.is_empty() {
            // fields are named as they stand in the configuration
            Pools::new([0; 16]).apply(&config.pools(), now)?;
        }
        let at = wall() / 1_000_000;
        let placed = members::placed(&config, |wish| self.kept.known(wish, self.resolver.peek(wish), at));
        let changes = self.proxy.apply(&placed, now)?;
        (self.config, self.placed) = (config, placed);
        self.resolver.watch(wishes);
        place::leave(&mut self.proxy);
        Ok(changes)
    }

    /// Names lead elsewhere now: members move. On an error the old ones stay.
    pub(crate) fn replace(&mut self, now: u64) -> Result<Vec<Change>, BadPools> {
        let at = wall() / 1_000_000;
        let wishes = members::wishes(&self.config);
        self.kept.keep(wishes.iter().map(|wish| (wish, self.resolver.peek(wish))), at);
        let placed = members::placed(&self.config, |wish| self.kept.known(wish, self.resolver.peek(wish), at));
        if placed == self.placed {
            return Ok(Vec::new());
        }
        let changes = self.proxy.apply(&placed, now)?;
        self.placed = placed;
        place::leave(&mut self.proxy);
        Ok(changes)
    }

    /// Refuses a request for whose next hop nobody can say an address now.
    pub(crate) fn not_now(&mut self, message: &Message<'_>, source: &Source<'_>) -> Verdict {
        let from = proxy::Source { transport: source.transport, local: source.local, remote: source.remote, flow: source.flow, edge: 0 };
        self.proxy.not_now(message, &from, &mut self.output)
    }

    /// The configuration in force.
    pub fn config(&self) -> &FrontConfig {
        &self.config
    }

    /// All there is to show.
    pub fn view(&self, now: u64) -> FrontView {
        let (transactions, transaction_bytes) = self.proxy.transactions();
        let pools = self.proxy.pools.view(now);
        let times = |name: &str| Some((name.to_owned(), self.proxy.times.get(&self.proxy.pools.pool(name)?)?.clone()));
        FrontView {
            times: pools.pools.iter().filter_map(|pool| times(&pool.name)).collect(),
            pools,
            counters: self.proxy.counters.clone(),
            transactions,
            transaction_bytes,
            prober: self.prober,
        }
    }

    /// New keys.
    pub fn set_keys(&mut self, keys: &Keys) {
        self.proxy.set_keys(keys.clone());
    }

    /// The member that a message came from.
    pub(crate) fn member(&self, source: &Source<'_>) -> Option<MemberId> {
        self.proxy.pools.member_at(source.remote, source.transport)
    }

    /// The addresses of all members.
    pub(crate) fn servers(&self) -> impl Iterator<Item = std::net::IpAddr> + '_ {
        (0..MEMBERS as MemberId).filter_map(|id| Some(self.proxy.pools.member(id)?.address.ip()))
    }

    /// Decides about a message. `owned`: an owner of ours is behind this edge too, for what has no route here; what is to be sent stands in `output`.
    pub(crate) fn handle(
        &mut self,
        message: &Message<'_>,
        source: &Source<'_>,
        member: Option<MemberId>,
        connections: &Connections,
        owned: bool,
        now: u64,
    ) -> Verdict {
        let from = proxy::Source { transport: source.transport, local: source.local, remote: source.remote, flow: source.flow, edge: 0 };
        let alive = |flow| connections.has(flow);
        let mut verdict = self.proxy.handle(message, &from, member, &World { now, alive: &alive, alone: false }, &mut self.output);
        if let Verdict::Sibling(edge) = verdict {
            let handed = Handover::Came(proxy::Source { edge: self.edge, ..from }, message.bytes());
            if self.siblings.as_mut().is_some_and(|siblings| siblings.hand(edge, &handed)) {
                return Verdict::Done;
            }
            verdict = self.proxy.handle(message, &from, member, &World { now, alive: &alive, alone: true }, &mut self.output);
        }
        match verdict {
            Verdict::Pass if !owned => self.proxy.nobody(message, &from, &mut self.output),
            verdict => verdict,
        }
    }

    /// Somebody gives verdicts by these rules from now on.
    pub(crate) fn set_rules(&mut self, rules: Vec<Rule>) {
        self.proxy.set_rules(rules);
    }

    /// Nobody gives verdicts any more.
    pub(crate) fn policy_away(&mut self, now: u64) {
        self.proxy.policy_away(now, &mut self.output);
    }

    /// A verdict; `Err`: there is none.
    pub(crate) fn verdict(&mut self, question: u64, given: Result<Option<Given>, ()>, now: u64) {
        self.proxy.verdict(question, given, now, &mut self.output);
    }

    /// The next request goes as the routes say: it has waited already.
    pub(crate) fn as_routed(&mut self, on: bool) {
        self.proxy.as_routed(on);
    }

    /// A message that waited and has no route; nobody else is behind this edge.
    pub(crate) fn nobody(&mut self, message: &Message<'_>, source: &proxy::Source) -> Verdict {
        self.proxy.nobody(message, source, &mut self.output)
    }

    /// When `advance` has something to do, monotonic microseconds.
    pub(crate) fn wake_at(&self) -> Option<u64> {
        let usage_at = self.siblings.as_ref().filter(|siblings| !siblings.is_empty()).map(|_| self.usage_at);
        self.proxy.wake_at().into_iter().chain(usage_at).min()
    }

    /// When to turn again though nothing comes: something waits for a sibling, which tells nobody that it has read.
    pub(crate) fn late_at(&self, now: u64) -> Option<u64> {
        self.siblings.as_ref().filter(|siblings| siblings.waits()).map(|_| now + siblings::LATE_US)
    }

    /// Does what is due; what is to be sent stands in `output`.
    pub(crate) fn advance(&mut self, now: u64) {
        self.proxy.advance(now, &mut self.output);
        self.tell_usage(now);
    }

    /// A message could not be sent. False: it was none of the front's.
    pub(crate) fn failed(&mut self, cookie: u64, now: u64) -> bool {
        self.proxy.failed(cookie, now, &mut self.output)
    }

    /// Learns addresses that came to this host.
    pub(crate) fn learn(&mut self, locals: &Locals) {
        let count = locals.iter().count();
        if count != self.addresses {
            self.addresses = count;
            self.proxy.set_own(place::own(locals));
            place::leave(&mut self.proxy);
        }
    }
}
