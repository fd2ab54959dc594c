//! What is shown of pools: for `top`, metrics and the command line. It is a copy.

use super::candidates::standing;
use super::change::Became;
use super::config::Wanted;
use super::cost::UNLIMITED;
use super::health::Standing;
use super::{Member, MemberId, Pool, Pools, RESOURCES};
use serde::Serialize;
use std::collections::BTreeMap;

/// All pools.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct PoolsView {
    /// Each pool.
    pub pools: Vec<PoolView>,
    /// Calls in hand over all pools.
    pub calls: u64,
    /// Calls that were not counted because `CALLS_HELD` were in hand.
    pub uncounted: u64,
    /// No member of any pool answers probes: probes count for nothing.
    pub probe_fault: bool,
}

/// One pool.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct PoolView {
    /// Its name.
    pub name: Box<str>,
    /// So much would be down that nobody is treated as down.
    pub panic: bool,
    /// Its members in the configuration's order, then those that are gone and still have calls.
    pub members: Vec<MemberView>,
}

/// One member.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct MemberView {
    /// Its name.
    pub name: Box<str>,
    /// Its number.
    pub number: u16,
    /// Where it is.
    pub address: String,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`.
    pub transport: String,
    /// `up`, `down`, `grey` (its calls failed), `busy` (its own 503), `trial` (one call may try it), `draining`, `off`, `gone`.
    pub state: &'static str,
    /// Whether a new call may go to it now, capacity aside.
    pub tried: bool,
    /// How long it stays grey or busy, milliseconds.
    pub grey_ms: u64,
    /// Its weight.
    pub weight: u32,
    /// Its priority.
    pub priority: u16,
    /// Calls in hand here.
    pub calls: u32,
    /// Calls that siblings have in hand.
    pub calls_elsewhere: u32,
    /// By resource: what is used here and elsewhere, and its capacity.
    pub resources: BTreeMap<Box<str>, ResourceView>,
    /// Time to the first response, moving average; none yet: `null`.
    pub answer_ms: Option<f64>,
    /// Final replies by class, 2xx to 6xx.
    pub replies: [u64; 5],
    /// Requests without an answer.
    pub no_answer: u64,
    /// Requests that could not be sent.
    pub transport_errors: u64,
    /// Probes that were good.
    pub probes_good: u64,
    /// Probes that were not.
    pub probes_failed: u64,
    /// What it became last; empty: nothing since its start.
    pub last_change: &'static str,
    /// Why.
    pub why: Box<str>,
    /// How long ago, milliseconds.
    pub since_ms: u64,
}

/// One resource of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ResourceView {
    /// In use, siblings' calls counted.
    pub used: u64,
    /// Its capacity; no limit: `null`.
    pub capacity: Option<u32>,
}

impl Pools {
    /// All there is to show.
    pub fn view(&self, now_us: u64) -> PoolsView {
        PoolsView {
            pools: self.pools.iter().flatten().map(|pool| self.pool_view(pool, now_us)).collect(),
            calls: self.calls.len() as u64,
            uncounted: self.uncounted,
            probe_fault: self.fault,
        }
    }

    fn pool_view(&self, pool: &Pool, now_us: u64) -> PoolView {
        let gone = |id: &MemberId| self.member(*id).is_some_and(|member| member.gone && member.pool_name == pool.settings.name);
        let ids = pool.members.iter().copied().chain((0..self.members.len() as MemberId).filter(gone));
        let members = ids.filter_map(|id| Some(self.member_view(id, self.member(id)?, pool, now_us))).collect();
        PoolView { name: pool.settings.name.clone(), panic: pool.panic, members }
    }

    fn member_view(&self, number: MemberId, member: &Member, pool: &Pool, now_us: u64) -> MemberView {
        let tally = &member.tally;
        let (last_change, why, at_us) =
            tally.last.as_ref().map_or(("", Box::default(), now_us), |(b, why, at)| (b.word(), why.clone(), *at));
        MemberView {
            name: member.name.clone(),
            number,
            address: if member.is_placed() { member.address.to_string() } else { String::new() },
            transport: member.transport.via().to_ascii_lowercase(),
            state: state(member, now_us),
            tried: standing(member, pool, self.fault, now_us) != Standing::Out,
            grey_ms: member.health.grey(now_us).map_or(0, |(for_us, _)| for_us / 1_000),
            weight: member.weight,
            priority: member.priority,
            calls: member.calls,
            calls_elsewhere: member.calls_elsewhere,
            resources: self.resources(member),
            answer_ms: (tally.answer_us > 0.0).then(|| f64::from(tally.answer_us) / 1_000.0),
            replies: tally.replies,
            no_answer: tally.no_answer,
            transport_errors: tally.transport_errors,
            probes_good: tally.probes_good,
            probes_failed: tally.probes_failed,
            last_change,
            why,
            since_ms: now_us.saturating_sub(at_us) / 1_000,
        }
    }

    fn resources(&self, member: &Member) -> BTreeMap<Box<str>, ResourceView> {
        let resource = |at: usize| {
            let used = u64::from(member.used[at]) + u64::from(member.elsewhere[at]);
            let capacity = Some(member.capacity[at]).filter(|&most| most != UNLIMITED);
            let told = used > 0 || capacity.is_some_and(|most| most > 0);
            told.then(|| (self.costs.name(at).into(), ResourceView { used, capacity }))
        };
        (0..RESOURCES).filter_map(resource).collect()
    }
}

fn state(member: &Member, now_us: u64) -> &'static str {
    match member.wanted {
        _ if member.gone => "gone",
        Wanted::On if !member.is_placed() => "down",
        Wanted::Draining => "draining",
        Wanted::Off => "off",
        Wanted::On => match member.health.grey(now_us) {
            _ if member.health.down => "down",
            Some((0, _)) => "trial",
            Some((_, true)) => "busy",
            Some((_, false)) => "grey",
            None => "up",
        },
    }
}

impl Became {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Became::Up => "up",
            Became::Down => "down",
            Became::Grey { .. } => "grey",
            Became::Busy { .. } => "busy",
            Became::Well => "well",
            Became::Panic => "panic",
            Became::Calm => "calm",
            Became::Added => "added",
            Became::Removed => "removed",
            Became::On => "on",
            Became::Draining => "draining",
            Became::Off => "off",
        }
    }
}
