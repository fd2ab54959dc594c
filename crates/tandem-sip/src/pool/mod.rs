//! Pools of foreign servers: which member a request goes to, which are up, which are full. It sends nothing and has no clock.

mod apply;
mod calls;
mod candidates;
mod change;
mod config;
mod cost;
pub mod dispatcher_list;
mod health;
mod member;
mod probe;
mod settings;
mod siblings;
mod view;

#[cfg(test)]
mod tests;

pub use calls::CALLS_HELD;
pub use change::{Became, Change};
pub use config::{Algorithm, CostConfig, HealthConfig, MemberConfig, PoolConfig, PoolsConfig, UriMode, Wanted};
pub use cost::COSTS;
pub use health::{GREY_MEMORY, GREY_MOST_US, LATES, RETRY_AFTER_MOST_US, TRIAL_US};
pub use member::{Member, ANSWER_HALF_LIFE_US, MEMBERS};
pub use probe::{PROBES_AT_ONCE, QUICK_PROBE_US, SPREAD_US};
pub use settings::{BadPools, HashOn, HealthSettings, PoolSettings, COST_RULES, NAME_CHARS, POOLS, RESOURCES};
pub use siblings::{Usage, UsageOf, SIBLINGS};
pub use view::{MemberView, PoolView, PoolsView, ResourceView};

use crate::frame::Transport;
use crate::ids::mac;
use calls::{Calls, Phase};
use cost::Costs;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// A pool's number. It stays while a pool of that name is configured.
pub type PoolId = u16;
/// A member's number over all pools, below [`MEMBERS`]. It stays while the member or one of its calls exists; edges and restarts agree about it.
pub type MemberId = u16;

/// Members that one request is offered at most: more would not be tried in time.
pub const CANDIDATES: usize = 8;
/// A call in set-up counts for its ringing time and this much more (64*T1, twice).
pub const SETUP_SPARE_US: u64 = 64_000_000;

/// What is to be known about a request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the pool hashes on ([`PoolSettings::hash_on`]).
    pub key: &'a [u8],
    /// What it takes of a member.
    pub need: Need,
}

/// What a request takes of a member: [`Pools::need`] says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Need {
    call: bool,
    rule: u8, // the pool's rule about costs, plus one
}

impl Need {
    /// Whether it begins a call: then local knowledge chooses (turns, fewest calls, response time), and `begin` counts it.
    pub fn is_call(self) -> bool {
        self.call
    }
}

/// Whom to try, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Candidates {
    /// At least one.
    Try(SmallVec<[MemberId; CANDIDATES]>),
    /// Some are up and all of them are full: [`PoolSettings::full_status`] with Retry-After.
    Full,
    /// None may be tried: [`PoolSettings::none_status`].
    NoneUp,
}

/// How a member did with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It answered. Tell the first response (100 too), and the final one if that is another.
    Reply {
        /// The status.
        status: u16,
        /// From the request to its first response, in the first response; `None` in the final one after that.
        after_us: Option<u64>,
        /// Retry-After of a 503, if there was one.
        retry_after_seconds: Option<u32>,
    },
    /// No response when the first retransmission was due (T1). Many in a row are as bad as no answer, and known sooner.
    Late,
    /// Nothing came in time.
    NoAnswer,
    /// It could not be sent: refused, unreachable, connection lost.
    Transport,
}

impl Outcome {
    /// A reply that is not the first.
    pub fn reply(status: u16) -> Outcome {
        Outcome::Reply { status, after_us: None, retry_after_seconds: None }
    }
}

/// All pools of one edge.
///
/// ```
/// use tandem_sip::pool::{Ask, Candidates, Pools, PoolsConfig};
/// let json = r#"{"pools": [{"name": "farm", "members": [{"name": "fs1", "address": "10.0.0.11:5060"}, {"name": "fs2", "address": "10.0.0.12:5060"}]}]}"#;
/// let config: PoolsConfig = serde_json::from_str(json).unwrap();
/// let mut pools = Pools::new([7; 16]);
/// pools.apply(&config, 0).unwrap();
/// let farm = pools.pool("farm").unwrap();
/// let ask = Ask { key: b"one@host", need: pools.need(farm, b"INVITE", None) };
/// let Candidates::Try(list) = pools.candidates(farm, &ask, 0) else { panic!("both are up") };
/// assert_eq!(2, list.len());
/// assert!(pools.begin(list[0], pools.call_key(farm, b"one@host"), ask.need, 0));
/// ```
pub struct Pools {
    secret: [u8; 16],
    pools: Vec<Option<Pool>>,
    members: Vec<Option<Box<Member>>>,
    at: HashMap<IpAddr, SmallVec<[MemberId; 2]>>,
    calls: Calls,
    costs: Costs,
    siblings: HashMap<u16, Usage>,
    nobody: PoolSettings,
    uncounted: u64,
    fault: bool, // no probe of this edge is answered
    prober: bool,
    probe_at_us: u64,
    lease_at_us: u64,
}

struct Pool {
    settings: PoolSettings,
    members: Vec<MemberId>,
    costs: Vec<u16>, // of each rule
    equal: bool,     // all weights are
    panic: bool,
}

impl Pool {
    fn cost(&self, need: Need) -> u16 {
        usize::from(need.rule).checked_sub(1).and_then(|rule| self.costs.get(rule)).copied().unwrap_or(0)
    }
}

impl Pools {
    /// No pools yet. Edges with the same `secret` and configuration agree about members and numbers (`Keys::hash` will do).
    pub fn new(secret: [u8; 16]) -> Pools {
        Pools::holding(secret, CALLS_HELD)
    }

    fn holding(secret: [u8; 16], calls: usize) -> Pools {
        Pools {
            secret,
            pools: Vec::new(),
            members: (0..MEMBERS).map(|_| None).collect(),
            at: HashMap::new(),
            calls: Calls::new(MEMBERS, calls),
            costs: Costs::new(),
            siblings: HashMap::new(),
            nobody: PoolSettings::nobody(),
            uncounted: 0,
            fault: false,
            prober: false,
            probe_at_us: u64::MAX,
            lease_at_us: u64::MAX,
        }
    }

    /// The pool of a name.
    pub fn pool(&self, name: &str) -> Option<PoolId> {
        let same = |pool: &Option<Pool>| pool.as_ref().is_some_and(|pool| *pool.settings.name == *name);
        self.pools.iter().position(same).map(|at| at as PoolId)
    }

    /// A pool's settings; defaults for a pool that is gone.
    pub fn settings(&self, pool: PoolId) -> &PoolSettings {
        self.pools.get(usize::from(pool)).and_then(Option::as_ref).map_or(&self.nobody, |pool| &pool.settings)
    }

    /// A member, also one that is gone and still has calls.
    pub fn member(&self, member: MemberId) -> Option<&Member> {
        self.members.get(usize::from(member))?.as_deref()
    }

    /// Whether a source is one of ours: by address and port over UDP, by address and transport over streams, where ports are anyone's.
    pub fn member_at(&self, address: SocketAddr, transport: Transport) -> Option<MemberId> {
        self.members_at(address, transport).next()
    }

    /// The pools that a source is a member of; as `member_at`, for servers that are in several.
    pub fn pools_of(&self, address: SocketAddr, transport: Transport) -> SmallVec<[PoolId; 4]> {
        self.members_at(address, transport)
            .filter_map(|id| self.member(id).filter(|member| !member.gone))
            .map(|member| member.pool)
            .collect()
    }

    /// What a request takes: by the rule that `cost` names (a route's or a policy's word), else the first for its method.
    pub fn need(&self, pool: PoolId, method: &[u8], cost: Option<&str>) -> Need {
        let rules = &self.settings(pool).costs;
        let rule = match cost {
            Some(name) => rules.iter().position(|rule| rule.name == name),
            None => rules.iter().position(|rule| {
                rule.name.is_empty() && (rule.methods.is_empty() || rule.methods.iter().any(|known| known.as_bytes() == method))
            }),
        };
        Need { call: method == b"INVITE", rule: rule.map_or(0, |at| at as u8 + 1) }
    }

    /// The key of a call in a pool, for `begin`, `answered` and `ended`: every edge makes the same.
    pub fn call_key(&self, pool: PoolId, call_id: &[u8]) -> u64 {
        mac(&self.secret, &[b"call", self.settings(pool).name.as_bytes(), call_id])
    }

    /// Takes what the request needs of a member under the key `call`, which leaves any other member that it was on: say it before each
    /// try. False: not this one now (full or down since, or its one trial is taken); go on to the next candidate. Saying it again
    /// changes nothing.
    pub fn begin(&mut self, member: MemberId, call: u64, need: Need, now_us: u64) -> bool {
        let before = self.calls.get(call);
        if before.is_some_and(|held| held.member == member) {
            return true;
        }
        if before.is_some() {
            self.ended(call);
        }
        let Some(known) = self.member(member) else { return false };
        if !self.may_try(known, need, now_us) {
            return false;
        }
        let cost = self.pools.get(usize::from(known.pool)).and_then(Option::as_ref).map_or(0, |pool| pool.cost(need));
        let until_us = now_us + self.settings(known.pool).ring_us + SETUP_SPARE_US;
        if need.call || cost != 0 {
            if self.calls.add(call, member, cost, until_us) {
                self.lease_at_us = self.lease_at_us.min(until_us);
                self.with(member, |member, costs| member.add(costs.take(cost)));
            } else if cost != 0 {
                return false;
            } else {
                self.uncounted += 1;
            }
        }
        self.with(member, |member, _| member.health.try_now(now_us));
        true
    }

    /// The call was answered, or lives still: its lease begins anew.
    pub fn answered(&mut self, call: u64, now_us: u64) {
        let Some(held) = self.calls.get(call) else { return };
        let lease_us = self.member(held.member).map_or(self.nobody.lease_us, |member| self.settings(member.pool).lease_us);
        self.calls.renew(call, Phase::Answered, now_us + lease_us);
        self.lease_at_us = self.lease_at_us.min(now_us + lease_us);
    }

    /// The call ended, or never came to be.
    pub fn ended(&mut self, call: u64) {
        let Some(held) = self.calls.remove(call) else { return };
        self.with(held.member, |member, costs| member.subtract(costs.take(held.cost())));
        self.let_go(held.member);
    }

    /// The member that holds a call.
    pub fn holder(&self, call: u64) -> Option<MemberId> {
        self.calls.get(call).map(|held| held.member)
    }

    /// What became of a request that went to a member. Give verdicts ([`Change::is_verdict`]) to siblings.
    pub fn heard(&mut self, member: MemberId, outcome: Outcome, now_us: u64) -> Vec<Change> {
        let Some(Some(known)) = self.members.get_mut(usize::from(member)) else { return Vec::new() };
        let settings = self.pools.get(usize::from(known.pool)).and_then(Option::as_ref).map_or(&self.nobody, |pool| &pool.settings);
        known.tally.count(outcome, settings.answer_us, now_us);
        match known.health.heard(outcome, &settings.health, now_us) {
            None => Vec::new(),
            Some((became, why)) => self.became(member, became, why.into(), now_us),
        }
    }

    /// When `advance` or `probes` has something to do next.
    pub fn wake_at(&self) -> Option<u64> {
        let probe_at_us = if self.prober { self.probe_at_us } else { u64::MAX };
        Some(probe_at_us.min(self.lease_at_us)).filter(|&at| at != u64::MAX)
    }

    /// Lets leases run out.
    pub fn advance(&mut self, now_us: u64) {
        if now_us < self.lease_at_us {
            return;
        }
        let mut next_us = u64::MAX;
        for id in 0..MEMBERS as MemberId {
            while let Some(call) = self.calls.lapsed(id, now_us) {
                self.ended(call);
            }
            next_us = next_us.min(self.calls.ends_at(id).unwrap_or(u64::MAX));
        }
        self.lease_at_us = next_us;
    }

    fn members_at(&self, address: SocketAddr, transport: Transport) -> impl Iterator<Item = MemberId> + '_ {
        let known = self.at.get(&address.ip().to_canonical()).map_or(&[][..], |list| list);
        // Phones may stand behind one address with a server: a stream is the server's only where it is known to use that one.
        let same = move |member: &Member| match transport.is_reliable() {
            true => member.transport == transport,
            false => member.address.port() == address.port(),
        };
        known.iter().copied().filter(move |&id| self.member(id).is_some_and(same))
    }

    fn with(&mut self, member: MemberId, act: impl FnOnce(&mut Member, &Costs)) {
        if let Some(Some(member)) = self.members.get_mut(usize::from(member)) {
            act(member, &self.costs);
        }
    }

    /// Notes and tells what a member became, and what its pool becomes by that.
    fn became(&mut self, member: MemberId, became: Became, why: Box<str>, now_us: u64) -> Vec<Change> {
        let Some(Some(known)) = self.members.get_mut(usize::from(member)) else { return Vec::new() };
        known.tally.last = Some((became, why.clone(), now_us));
        let change = Change { pool: known.pool_name.clone(), member: known.name.clone(), became, why };
        let mut changes = vec![change];
        changes.extend(self.judge());
        changes
    }

    /// Whether so much is down that it cannot be true, for each pool and for all.
    fn judge(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let (mut probed, mut lost) = (0, 0);
        for pool in self.pools.iter_mut().flatten() {
            let (mut weight, mut down) = (0u64, 0u64);
            for &id in &pool.members {
                let Some(Some(member)) = self.members.get(usize::from(id)) else { continue };
                if pool.settings.health.interval_us > 0 && member.wanted != Wanted::Off {
                    probed += 1;
                    lost += u32::from(member.health.down);
                }
                if member.wanted == Wanted::On {
                    weight += u64::from(member.weight);
                    down += u64::from(member.weight) * u64::from(member.health.counts_as_down());
                }
            }
            let panic = down * 100 > weight * u64::from(pool.settings.health.panic_percent);
            if panic != pool.panic {
                pool.panic = panic;
                let why = format!("{down} of {weight} (weight) are down, {} % may be", pool.settings.health.panic_percent);
                let became = if panic { Became::Panic } else { Became::Calm };
                changes.push(Change { pool: pool.settings.name.clone(), member: "".into(), became, why: why.into() });
            }
        }
        let fault = probed > 1 && lost == probed;
        if fault != self.fault {
            self.fault = fault;
            let (became, why) =
                if fault { (Became::Panic, "no member of any pool answers probes") } else { (Became::Calm, "probes are answered") };
            changes.push(Change { pool: "".into(), member: "".into(), became, why: why.into() });
        }
        changes
    }
}
