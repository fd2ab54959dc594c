//! What edges of one host tell each other about members: verdicts, and how much of each is in use. It holds no socket.

use super::change::{Became, Change};
use super::{MemberId, Pools, RESOURCES};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Siblings that are listened to.
pub const SIBLINGS: usize = 1_023;

/// What one edge has in hand of all members.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Only members with calls.
    pub members: Vec<UsageOf>,
}

/// What one edge has in hand of one member.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UsageOf {
    /// The pool's name.
    pub pool: Box<str>,
    /// The member's name.
    pub member: Box<str>,
    /// Calls in hand.
    pub calls: u32,
    /// Used, by resource.
    pub used: BTreeMap<Box<str>, u32>,
}

impl Pools {
    /// What a sibling found: each verdict of its `heard` and `probed`. Gives what changed here by it (not to be passed on).
    pub fn told(&mut self, change: &Change, now_us: u64) -> Vec<Change> {
        let Some(id) = self.named(&change.pool, &change.member) else { return Vec::new() };
        let Some(Some(member)) = self.members.get_mut(usize::from(id)) else { return Vec::new() };
        match change.became {
            Became::Up => member.health.set_down(false, now_us),
            Became::Down => member.health.set_down(true, now_us),
            Became::Grey { for_us } => member.health.set_grey(for_us, false, now_us),
            Became::Busy { for_us } => member.health.set_grey(for_us, true, now_us),
            Became::Well => member.health.set_well(now_us),
            _ => return Vec::new(),
        }
        self.became(id, change.became, change.why.clone(), now_us)
    }

    /// What this edge has in hand: tell it to siblings a few times a second while it changes, so that capacities hold for all together.
    pub fn usage(&self) -> Usage {
        let busy = self.members.iter().flatten().filter(|member| member.calls > 0);
        let members = busy.map(|member| UsageOf {
            pool: member.pool_name.clone(),
            member: member.name.clone(),
            calls: member.calls,
            used: (0..RESOURCES).filter(|&at| member.used[at] > 0).map(|at| (self.costs.name(at).into(), member.used[at])).collect(),
        });
        Usage { members: members.collect() }
    }

    /// What a sibling has in hand, in place of what it said before. `Usage::default()` forgets it.
    pub fn told_usage(&mut self, edge: u16, usage: Usage) {
        if usage.members.is_empty() {
            self.siblings.remove(&edge);
        } else if self.siblings.len() < SIBLINGS || self.siblings.contains_key(&edge) {
            self.siblings.insert(edge, usage);
        }
        self.count_siblings();
    }

    /// Sums what siblings have.
    pub(super) fn count_siblings(&mut self) {
        for member in self.members.iter_mut().flatten() {
            (member.calls_elsewhere, member.elsewhere) = (0, [0; RESOURCES]);
        }
        let siblings = std::mem::take(&mut self.siblings);
        for of in siblings.values().flat_map(|usage| &usage.members) {
            let Some(id) = self.named(&of.pool, &of.member) else { continue };
            let Some(Some(member)) = self.members.get_mut(usize::from(id)) else { continue };
            member.calls_elsewhere = member.calls_elsewhere.saturating_add(of.calls);
            for (name, &amount) in &of.used {
                let Some(resource) = self.costs.known(name) else { continue };
                let elsewhere = &mut member.elsewhere[usize::from(resource) % RESOURCES];
                *elsewhere = elsewhere.saturating_add(amount);
            }
        }
        self.siblings = siblings;
    }

    fn named(&self, pool: &str, name: &str) -> Option<MemberId> {
        let pool = self.pools.get(usize::from(self.pool(pool)?))?.as_ref()?;
        pool.members.iter().copied().find(|&id| self.member(id).is_some_and(|member| *member.name == *name))
    }
}
