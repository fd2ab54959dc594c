//! Whom to try for a request: the five algorithms. It reads health and capacity, and changes nothing but whose turn it is.

use super::config::{Algorithm, Wanted};
use super::health::Standing;
use super::{Ask, Candidates, Member, MemberId, Need, Pool, PoolId, Pools, CANDIDATES};
use crate::ids::mac;
use smallvec::SmallVec;

impl Pools {
    /// Whom to try for a request, best first. It takes nothing yet: [`Pools::begin`] does.
    pub fn candidates(&mut self, pool: PoolId, ask: &Ask<'_>, now_us: u64) -> Candidates {
        let Some(Some(pool)) = self.pools.get(usize::from(pool)) else { return Candidates::NoneUp };
        // What counts here and now helps only those who begin a call; the rest must find the same server from every edge.
        let algorithm = if ask.need.call { pool.settings.algorithm } else { Algorithm::Hash };
        let key = mac(&self.secret, &[ask.key]);
        let take = self.costs.take(pool.cost(ask.need));
        let mut best = Best::default();
        let mut full = false;
        for &id in &pool.members {
            let Some(member) = self.members.get(usize::from(id)).and_then(Option::as_deref) else { continue };
            let standing = standing(member, pool, self.fault, now_us);
            if standing == Standing::Out {
                continue;
            }
            if !member.fits(take) {
                full = true;
                continue;
            }
            let load = if algorithm == Algorithm::LeastCalls { member.load() } else { 0.0 };
            best.add(Seat::new(tier(standing, member), load, draw(key, member, pool.equal), id));
        }
        let Some(&first) = best.0.first() else { return if full { Candidates::Full } else { Candidates::NoneUp } };
        match algorithm {
            Algorithm::RoundRobin => best.lead(self.next_turn(ask.need, first, now_us)),
            Algorithm::LeastResponseTime => self.quicker_first(&mut best, now_us),
            _ => {}
        }
        let list: SmallVec<[MemberId; CANDIDATES]> = best.0.iter().map(|seat| seat.id).collect();
        if !ask.need.call {
            self.try_now(list.first().copied(), now_us); // nobody will say `begin`
        }
        Candidates::Try(list)
    }

    /// Whether a member may be tried for this request now.
    pub(super) fn may_try(&self, member: &Member, need: Need, now_us: u64) -> bool {
        let Some(Some(pool)) = self.pools.get(usize::from(member.pool)) else { return false };
        standing(member, pool, self.fault, now_us) != Standing::Out && member.fits(self.costs.take(pool.cost(need)))
    }

    fn try_now(&mut self, id: Option<MemberId>, now_us: u64) {
        if let Some(Some(member)) = id.and_then(|id| self.members.get_mut(usize::from(id))) {
            member.health.try_now(now_us);
        }
    }

    /// Smooth weighted round robin among those of the best tier: each gains its weight, the one with most pays the sum.
    fn next_turn(&mut self, need: Need, first: Seat, now_us: u64) -> MemberId {
        let Some(Some(member)) = self.members.get(usize::from(first.id)) else { return first.id };
        let Some(Some(pool)) = self.pools.get(usize::from(member.pool)) else { return first.id };
        let take = self.costs.take(pool.cost(need));
        let (mut sum, mut chosen) = (0, (i64::MIN, first.id));
        for &id in &pool.members {
            let Some(member) = self.members.get_mut(usize::from(id)).and_then(Option::as_deref_mut) else { continue };
            let standing = standing(member, pool, self.fault, now_us);
            if standing == Standing::Out || tier(standing, member) != first.tier() || !member.fits(take) {
                continue;
            }
            let weight = i64::from(member.weight.max(1));
            member.turn += weight;
            sum += weight;
            if member.turn > chosen.0 {
                chosen = (member.turn, id);
            }
        }
        if let Some(Some(member)) = self.members.get_mut(usize::from(chosen.1)) {
            member.turn -= sum;
        }
        chosen.1
    }

    /// The power of two choices: of the first two by rendezvous the quicker one, so that edges do not herd to the same.
    fn quicker_first(&self, best: &mut Best, now_us: u64) {
        let expected = |seat: Seat| {
            let member = self.members.get(usize::from(seat.id)).and_then(Option::as_deref);
            member.map_or(0.0, |member| member.tally.expected_us(now_us))
        };
        if let [first, second, ..] = &mut best.0[..] {
            if first.tier() == second.tier() && expected(*second) < expected(*first) {
                std::mem::swap(first, second);
            }
        }
    }
}

/// How a member stands for a new request.
pub(super) fn standing(member: &Member, pool: &Pool, fault: bool, now_us: u64) -> Standing {
    if member.wanted != Wanted::On || !member.is_placed() {
        return Standing::Out;
    }
    member.health.standing(pool.panic || fault, pool.panic, now_us)
}

/// Priorities, in each of them those without weight after the others, and behind all of them those that are only a last resort.
fn tier(standing: Standing, member: &Member) -> u32 {
    u32::from(standing == Standing::Suspect) << 17 | u32::from(member.priority) << 1 | u32::from(member.weight == 0)
}

/// Weighted rendezvous: the member's draw for this key, never negative, lower is better. With weight w it is the best of w equal draws.
fn draw(key: u64, member: &Member, equal: bool) -> f64 {
    let unit = ((mix(key ^ member.seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    if equal {
        1.0 - unit
    } else {
        -unit.ln() / f64::from(member.weight.max(1))
    }
}

/// The finisher of splitmix64: every bit of the input moves half of the output's.
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A member in its order: by tier, then load, then draw. Floats that are not negative are ordered as their bits are.
#[derive(Clone, Copy)]
struct Seat {
    order: u128,
    id: MemberId,
}

impl Seat {
    fn new(tier: u32, load: f32, draw: f64, id: MemberId) -> Seat {
        Seat { order: u128::from(tier) << 96 | u128::from(load.to_bits()) << 64 | u128::from(draw.to_bits()), id }
    }

    fn tier(&self) -> u32 {
        (self.order >> 96) as u32
    }
}

/// The best [`CANDIDATES`], in order.
#[derive(Default)]
struct Best(SmallVec<[Seat; CANDIDATES]>);

impl Best {
    fn add(&mut self, seat: Seat) {
        if self.0.len() == CANDIDATES {
            if self.0.last().is_some_and(|last| last.order <= seat.order) {
                return;
            }
            self.0.pop();
        }
        let behind = self.0.iter().rev().take_while(|known| known.order > seat.order).count();
        self.0.insert(self.0.len() - behind, seat);
    }

    /// Puts a member first; the others keep their order.
    fn lead(&mut self, id: MemberId) {
        if let Some(at) = self.0.iter().position(|seat| seat.id == id) {
            self.0[..=at].rotate_right(1);
        } else if let Some(last) = self.0.last_mut() {
            last.id = id;
            self.0.rotate_right(1);
        }
    }
}
