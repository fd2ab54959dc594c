//! A whole new configuration put in place of the old one: all of it is checked before anything changes.

use super::change::{Became, Change};
use super::config::{MemberConfig, PoolConfig, PoolsConfig, Wanted};
use super::cost::{Amounts, Costs, UNLIMITED};
use super::settings::{bad, name, within, BadPools, PoolSettings, POOLS, RESOURCES};
use super::{Member, MemberId, Pool, PoolId, Pools, MEMBERS};
use crate::ids::mac;
use crate::uri::Uri;
use std::collections::HashMap;

/// Bytes of a host with its port and transport.
const HOST_BYTES: usize = 300;

/// What a configuration comes to: nothing of it can fail any more.
struct Plan {
    costs: Costs,
    pools: Vec<PoolPlan>,
}

struct PoolPlan {
    id: PoolId,
    settings: PoolSettings,
    costs: Vec<u16>,
    members: Vec<(MemberId, Amounts)>,
}

impl Pools {
    /// Takes the whole new configuration; members of the same name in a pool of the same name keep number, calls and health (health
    /// not when their address changed). On an error nothing has changed.
    pub fn apply(&mut self, config: &PoolsConfig, now_us: u64) -> Result<Vec<Change>, BadPools> {
        let plan = self.plan(config)?;
        let mut old = std::mem::take(&mut self.pools);
        let mut changes = Vec::new();
        self.costs = plan.costs;
        for (pool, told) in plan.pools.into_iter().zip(&config.pools) {
            let at = usize::from(pool.id);
            let before = old.get_mut(at).and_then(Option::take);
            for (&(id, capacity), member) in pool.members.iter().zip(&told.members) {
                changes.extend(self.set_member(id, pool.id, told, member, capacity, now_us));
            }
            let new = Pool {
                equal: told.members.windows(2).all(|two| two[0].weight == two[1].weight),
                members: pool.members.iter().map(|&(id, _)| id).collect(),
                settings: pool.settings,
                costs: pool.costs,
                panic: before.as_ref().is_some_and(|before| before.panic),
            };
            changes.extend(self.drop_members(before.map_or(Vec::new(), |before| before.members), &new.members, now_us));
            if self.pools.len() <= at {
                self.pools.resize_with(at + 1, || None);
            }
            self.pools[at] = Some(new);
        }
        for pool in old.into_iter().flatten() {
            changes.extend(self.drop_members(pool.members, &[], now_us));
        }
        self.note_addresses();
        self.count_siblings();
        self.plan_probes();
        changes.extend(self.judge());
        Ok(changes)
    }

    /// Frees the number of a member that is gone and has no call any more.
    pub(super) fn let_go(&mut self, id: MemberId) {
        let Some(slot) = self.members.get_mut(usize::from(id)) else { return };
        if slot.as_ref().is_some_and(|member| member.gone && member.calls == 0) {
            *slot = None;
            self.note_addresses();
        }
    }

    fn plan(&self, config: &PoolsConfig) -> Result<Plan, BadPools> {
        if config.pools.len() > POOLS {
            return Err(bad("pools", format!("{} pools, at most {POOLS}", config.pools.len())));
        }
        let mut plan = Plan { costs: self.costs.clone(), pools: Vec::new() };
        let mut ids = PoolIds::new(self, config);
        for (at, pool) in config.pools.iter().enumerate() {
            let settings = PoolSettings::read(pool, at)?;
            if config.pools[..at].iter().any(|before| before.name == pool.name) {
                return Err(bad(format!("pools[{at}].name"), format!("{:?} stands twice", pool.name)));
            }
            let mut costs = Vec::new();
            for (i, rule) in pool.costs.iter().enumerate() {
                let field = format!("pools[{at}].costs[{i}]");
                costs.push(plan.costs.cost(&format!("{field}.take"), &rule.take)?);
                if let Some(resource) = rule.take.keys().find(|&resource| nobody_has(pool, resource)) {
                    return Err(bad(format!("{field}.take.{resource}"), "no member has a `capacity` of it"));
                }
            }
            let mut members = Vec::new();
            for (i, member) in pool.members.iter().enumerate() {
                let field = format!("pools[{at}].members[{i}]");
                check_member(&field, member)?;
                if pool.members[..i].iter().any(|before| before.name == member.name) {
                    return Err(bad(format!("{field}.name"), format!("{:?} stands twice", member.name)));
                }
                members.push((0, capacity(&field, member, &mut plan.costs)?));
            }
            plan.pools.push(PoolPlan { id: ids.next(&pool.name), settings, costs, members });
        }
        self.number(config, &mut plan)?;
        Ok(plan)
    }

    /// Numbers for members: those that have one keep it. A new one gets the first free after its name's hash, so that edges and later
    /// lives agree as long as no two hashes meet.
    fn number(&self, config: &PoolsConfig, plan: &mut Plan) -> Result<(), BadPools> {
        let mut taken: Vec<bool> = self.members.iter().map(Option::is_some).collect();
        let known: HashMap<(&str, &str), MemberId> =
            self.members.iter().enumerate().filter_map(|(id, member)| Some((member.as_ref()?.names(), id as MemberId))).collect();
        let mut new = Vec::new();
        for (at, pool) in config.pools.iter().enumerate() {
            for (i, member) in pool.members.iter().enumerate() {
                match known.get(&(&*pool.name, &*member.name)) {
                    Some(&id) => plan.pools[at].members[i].0 = id,
                    None => new.push((self.seed(&pool.name, &member.name), at, i)),
                }
            }
        }
        let free = taken.iter().filter(|&&taken| !taken).count();
        if new.len() > free {
            return Err(bad(
                "pools",
                format!(
                    "{} new members and {free} numbers left of {MEMBERS} (removed members keep theirs while they have calls)",
                    new.len()
                ),
            ));
        }
        new.sort_unstable();
        for (seed, at, i) in new {
            let first = (seed % MEMBERS as u64) as usize;
            let id = (first..first + MEMBERS).map(|id| id % MEMBERS).find(|&id| !taken[id]).expect("free numbers are counted");
            taken[id] = true;
            plan.pools[at].members[i].0 = id as MemberId;
        }
        Ok(())
    }

    fn seed(&self, pool: &str, member: &str) -> u64 {
        mac(&self.secret, &[b"member", pool.as_bytes(), member.as_bytes()])
    }

    fn set_member(
        &mut self,
        id: MemberId,
        pool: PoolId,
        told: &PoolConfig,
        config: &MemberConfig,
        capacity: Amounts,
        now_us: u64,
    ) -> Option<Change> {
        let seed = self.seed(&told.name, &config.name);
        let slot = self.members.get_mut(usize::from(id))?;
        let before = slot.as_ref().filter(|member| !member.gone).map(|member| member.wanted);
        let member = slot.get_or_insert_with(|| Box::new(Member::new(pool, &told.name, config, seed)));
        member.configure(pool, config, capacity);
        if before.is_none() {
            member.probe_at_us = now_us;
        }
        let became = match (before, config.state) {
            (None, _) => Became::Added,
            (Some(before), now) if before == now => return None,
            (_, Wanted::On) => Became::On,
            (_, Wanted::Draining) => Became::Draining,
            (_, Wanted::Off) => Became::Off,
        };
        Some(self.configured(id, became, now_us))
    }

    fn drop_members(&mut self, old: Vec<MemberId>, new: &[MemberId], now_us: u64) -> Vec<Change> {
        let gone: Vec<MemberId> = old.into_iter().filter(|id| !new.contains(id)).collect();
        let drop = |id: MemberId| {
            let change = self.configured(id, Became::Removed, now_us);
            if let Some(Some(member)) = self.members.get_mut(usize::from(id)) {
                (member.gone, member.wanted) = (true, Wanted::Off);
            }
            self.let_go(id);
            change
        };
        gone.into_iter().map(drop).collect()
    }

    fn configured(&mut self, id: MemberId, became: Became, now_us: u64) -> Change {
        let placed = self.member(id).is_none_or(Member::is_placed);
        let why: Box<str> = if placed { "configuration" } else { "dns" }.into();
        let (mut pool, mut name) = (Box::default(), Box::default());
        if let Some(Some(member)) = self.members.get_mut(usize::from(id)) {
            (pool, name) = (member.pool_name.clone(), member.name.clone());
            member.tally.last = Some((became, why.clone(), now_us));
        }
        Change { pool, member: name, became, why }
    }

    fn note_addresses(&mut self) {
        self.at.clear();
        for (id, member) in self.members.iter().enumerate() {
            if let Some(member) = member {
                self.at.entry(member.address.ip().to_canonical()).or_default().push(id as MemberId);
            }
        }
    }
}

/// Pools that stay keep their number.
struct PoolIds<'a> {
    pools: &'a Pools,
    free: Vec<PoolId>,
}

impl PoolIds<'_> {
    fn new<'a>(pools: &'a Pools, config: &PoolsConfig) -> PoolIds<'a> {
        let stays = |id: PoolId| config.pools.iter().any(|pool| pools.pool(&pool.name) == Some(id));
        let free = (0..POOLS as PoolId).rev().filter(|&id| !stays(id)).collect();
        PoolIds { pools, free }
    }

    fn next(&mut self, name: &str) -> PoolId {
        self.pools.pool(name).or_else(|| self.free.pop()).unwrap_or_default()
    }
}

fn check_member(field: &str, member: &MemberConfig) -> Result<(), BadPools> {
    name(&format!("{field}.name"), &member.name)?;
    within(&format!("{field}.weight"), member.weight, 0, 10_000)?;
    let address = member.address;
    if !member.host.is_empty() {
        return check_host(field, member);
    }
    if address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() {
        return Err(bad(format!("{field}.address"), format!("{address} is no address of a server")));
    }
    if member.tls_name.len() > 253 {
        return Err(bad(format!("{field}.tls_name"), "more than 253 characters"));
    }
    Ok(())
}

/// A member whose name leads nowhere yet; those that it leads to have addresses.
fn check_host(field: &str, member: &MemberConfig) -> Result<(), BadPools> {
    if !member.address.ip().is_unspecified() {
        return Err(bad(format!("{field}.host"), "a member has an `address` or a `host`, not both"));
    }
    let uri = format!("sip:{}", member.host);
    let good = member.host.len() <= HOST_BYTES && Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.user.is_none() && !uri.host.is_empty());
    match good {
        true => Ok(()),
        false => Err(bad(format!("{field}.host"), format!("{:?} is not host, host:port or host;transport=tcp", member.host))),
    }
}

fn capacity(field: &str, member: &MemberConfig, costs: &mut Costs) -> Result<Amounts, BadPools> {
    if member.capacity.is_empty() {
        return Ok([UNLIMITED; RESOURCES]);
    }
    let mut capacity = [0; RESOURCES];
    for (resource, &amount) in &member.capacity {
        let field = format!("{field}.capacity.{resource}");
        name(&field, resource)?;
        capacity[usize::from(costs.resource(&field, resource)?)] = within(&field, amount, 0, 10_000_000)?;
    }
    Ok(capacity)
}

fn nobody_has(pool: &PoolConfig, resource: &str) -> bool {
    !pool.members.is_empty() && pool.members.iter().all(|member| !member.capacity.is_empty() && !member.capacity.contains_key(resource))
}
