//! When members are probed, and what their probes say. It sends none.

use super::candidates::mix;
use super::change::Change;
use super::config::Wanted;
use super::{Member, MemberId, Outcome, Pools};

/// Probes given out at once; the others a moment later.
pub const PROBES_AT_ONCE: usize = 64;
/// The next probe of a member whose last one contradicts what is believed of it.
pub const QUICK_PROBE_US: u64 = 1_000_000;
/// Within this time after its start a prober asks everyone once.
pub const SPREAD_US: u64 = 2_000_000;

const MOMENT_US: u64 = 50_000;

impl Pools {
    /// Whether this edge is the one that probes. Only then are members due.
    pub fn set_prober(&mut self, on: bool, now_us: u64) {
        if on && !self.prober {
            for id in 0..self.members.len() {
                let Some(interval_us) = self.interval_us(id as MemberId) else { continue };
                if let Some(Some(member)) = self.members.get_mut(id) {
                    member.probe_at_us = now_us + mix(member.seed) % SPREAD_US.min(interval_us);
                }
            }
        }
        self.prober = on;
        self.plan_probes();
    }

    /// The members to be probed now, with the method and time-out of their pool's `settings().health`. Tell each outcome by `probed`;
    /// until then, or an interval later, a member is not due again.
    pub fn probes(&mut self, now_us: u64) -> Vec<MemberId> {
        let mut due = Vec::new();
        if !self.prober || now_us < self.probe_at_us {
            return due;
        }
        for id in 0..self.members.len() as MemberId {
            let Some(interval_us) = self.interval_us(id) else { continue };
            let timeout_us = self.member(id).map_or(0, |member| self.settings(member.pool).health.timeout_us);
            let Some(Some(member)) = self.members.get_mut(usize::from(id)) else { continue };
            if member.probe_at_us > now_us {
                continue;
            }
            if due.len() >= PROBES_AT_ONCE {
                member.probe_at_us = now_us + MOMENT_US;
                continue;
            }
            // The jitter is a tenth, so that the probes of many edges and members do not meet.
            member.probe_n = member.probe_n.wrapping_add(1);
            let jitter_us = mix(member.seed ^ u64::from(member.probe_n)) % (interval_us / 5).max(1);
            member.probe_at_us = now_us + (interval_us - interval_us / 10 + jitter_us).max(timeout_us + MOMENT_US);
            due.push(id);
        }
        self.plan_probes();
        due
    }

    /// What became of a probe. Give verdicts ([`Change::is_verdict`]) to siblings.
    pub fn probed(&mut self, member: MemberId, outcome: Outcome, now_us: u64) -> Vec<Change> {
        let Some(interval_us) = self.interval_us(member) else { return Vec::new() };
        let Some(Some(known)) = self.members.get_mut(usize::from(member)) else { return Vec::new() };
        let settings = self.pools.get(usize::from(known.pool)).and_then(Option::as_ref).map_or(&self.nobody, |pool| &pool.settings);
        let (good, what) = match outcome {
            Outcome::Reply { status, .. } => (settings.health.is_good(status), format!("answered {status}")),
            Outcome::NoAnswer | Outcome::Late => (false, "no answer".into()),
            Outcome::Transport => (false, "cannot be reached".into()),
        };
        let count = if good { &mut known.tally.probes_good } else { &mut known.tally.probes_failed };
        *count += 1;
        let verdict = known.health.probed(good, &what, &settings.health, now_us);
        if known.health.in_doubt() {
            known.probe_at_us = known.probe_at_us.min(now_us + QUICK_PROBE_US.min(interval_us));
            self.probe_at_us = self.probe_at_us.min(known.probe_at_us);
        }
        match verdict {
            None => Vec::new(),
            Some((became, why)) => self.became(member, became, why.into(), now_us),
        }
    }

    /// When the next probe is due.
    pub(super) fn plan_probes(&mut self) {
        let probed = |member: &&Member| {
            let pool = self.pools.get(usize::from(member.pool)).and_then(Option::as_ref);
            member.wanted != Wanted::Off && member.is_placed() && pool.is_some_and(|pool| pool.settings.health.interval_us > 0)
        };
        let next = self.members.iter().flatten().map(|member| &**member).filter(probed).map(|member| member.probe_at_us).min();
        self.probe_at_us = next.unwrap_or(u64::MAX);
    }

    /// The interval of a member's probes; `None`: it is not probed.
    fn interval_us(&self, member: MemberId) -> Option<u64> {
        let member = self.member(member).filter(|member| member.wanted != Wanted::Off && member.is_placed())?;
        Some(self.settings(member.pool).health.interval_us).filter(|&interval_us| interval_us > 0)
    }
}
