//! One member: what is configured about a server, its number and what is known of it.

use super::change::Became;
use super::config::{MemberConfig, Wanted};
use super::cost::{Amounts, UNLIMITED};
use super::health::Health;
use super::settings::RESOURCES;
use super::{Outcome, PoolId};
use crate::frame::Transport;
use std::net::SocketAddr;

/// Members over all pools, those that are gone and still have calls among them: a number is two characters of base 32.
pub const MEMBERS: usize = 1_024;
/// How long a response time is believed in full; each such span without a new one halves it, so that the slow are tried again.
pub const ANSWER_HALF_LIFE_US: u64 = 10_000_000;

const SAMPLE_WEIGHT: f32 = 0.125; // of a new response time in the moving average

/// One server of a pool.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name within the pool.
    pub name: Box<str>,
    /// Its pool; of one that is gone, a number that may be another's.
    pub pool: PoolId,
    /// Where it is.
    pub address: SocketAddr,
    /// How it is talked to.
    pub transport: Transport,
    /// The name that its certificate must have; empty: its address.
    pub tls_name: Box<str>,
    /// Its share among those of its priority; 0: only after the others.
    pub weight: u32,
    /// Lower is tried first.
    pub priority: u16,
    /// What the operator wants of it.
    pub wanted: Wanted,
    /// No longer configured; it stays until its last call ends.
    pub gone: bool,
    pub(super) pool_name: Box<str>,
    pub(super) seed: u64, // the keyed hash of its names: its place in every rendezvous
    pub(super) health: Health,
    pub(super) capacity: Amounts,
    pub(super) used: Amounts,
    pub(super) calls: u32,
    /// What siblings hold of it.
    pub(super) elsewhere: Amounts,
    pub(super) calls_elsewhere: u32,
    pub(super) turn: i64, // smooth round robin
    pub(super) probe_at_us: u64,
    pub(super) probe_n: u32,
    pub(super) tally: Tally,
}

/// What is shown of a member.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) answer_us: f32,
    answered_at_us: u64,
    pub(super) replies: [u64; 5],
    pub(super) no_answer: u64,
    pub(super) transport_errors: u64,
    pub(super) probes_good: u64,
    pub(super) probes_failed: u64,
    pub(super) last: Option<(Became, Box<str>, u64)>,
}

impl Member {
    pub(super) fn new(pool: PoolId, pool_name: &str, config: &MemberConfig, seed: u64) -> Member {
        Member {
            name: config.name.as_str().into(),
            pool,
            address: config.address,
            transport: config.transport,
            tls_name: config.tls_name.as_str().into(),
            weight: config.weight,
            priority: config.priority,
            wanted: config.state,
            gone: false,
            pool_name: pool_name.into(),
            seed,
            health: Health::default(),
            capacity: [UNLIMITED; RESOURCES],
            used: [0; RESOURCES],
            calls: 0,
            elsewhere: [0; RESOURCES],
            calls_elsewhere: 0,
            turn: 0,
            probe_at_us: 0,
            probe_n: 0,
            tally: Tally::default(),
        }
    }

    /// Takes what the configuration says now. Another address is another server: nothing is known of its health.
    pub(super) fn configure(&mut self, pool: PoolId, config: &MemberConfig, capacity: Amounts) {
        if (self.address, self.transport) != (config.address, config.transport) {
            self.health = Health::default();
            self.tally.answer_us = 0.0;
        }
        (self.address, self.transport) = (config.address, config.transport);
        self.tls_name = config.tls_name.as_str().into();
        (self.weight, self.priority, self.wanted) = (config.weight, config.priority, config.state);
        (self.pool, self.capacity, self.gone) = (pool, capacity, false);
    }

    /// Whether it is known where it is; without that nothing can be sent to it.
    pub fn is_placed(&self) -> bool {
        !self.address.ip().is_unspecified()
    }

    /// What it is found by: pool and name.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.pool_name, &self.name)
    }

    /// Whether it can bear what a request takes, its siblings' calls counted.
    pub(super) fn fits(&self, take: &[(u8, u32)]) -> bool {
        take.iter().all(|&(resource, amount)| {
            let at = usize::from(resource) % RESOURCES;
            let (most, used, elsewhere) = (self.capacity[at], self.used[at], self.elsewhere[at]);
            most == UNLIMITED || u64::from(used) + u64::from(elsewhere) + u64::from(amount) <= u64::from(most)
        })
    }

    pub(super) fn add(&mut self, take: &[(u8, u32)]) {
        self.calls += 1;
        for &(resource, amount) in take {
            let used = &mut self.used[usize::from(resource) % RESOURCES];
            *used = used.saturating_add(amount);
        }
    }

    pub(super) fn subtract(&mut self, take: &[(u8, u32)]) {
        self.calls = self.calls.saturating_sub(1);
        for &(resource, amount) in take {
            let used = &mut self.used[usize::from(resource) % RESOURCES];
            *used = used.saturating_sub(amount);
        }
    }

    /// Calls in hand for its weight, here and elsewhere.
    pub(super) fn load(&self) -> f32 {
        (self.calls as f32 + self.calls_elsewhere as f32 + 1.0) / self.weight.max(1) as f32
    }
}

impl Tally {
    pub(super) fn count(&mut self, outcome: Outcome, answer_limit_us: u64, now_us: u64) {
        match outcome {
            Outcome::Reply { status, after_us, .. } => {
                if let Some(after_us) = after_us {
                    self.sample(after_us as f32, now_us);
                }
                if let Some(count) = usize::from(status / 100).checked_sub(2).and_then(|class| self.replies.get_mut(class)) {
                    *count += 1;
                }
            }
            Outcome::NoAnswer => {
                self.no_answer += 1;
                self.sample(answer_limit_us as f32, now_us);
            }
            Outcome::Transport => self.transport_errors += 1,
            Outcome::Late => {}
        }
    }

    /// The response time to expect, microseconds; 0: unknown.
    pub(super) fn expected_us(&self, now_us: u64) -> f32 {
        let halvings = now_us.saturating_sub(self.answered_at_us) as f32 / ANSWER_HALF_LIFE_US as f32;
        self.answer_us * (-halvings).exp2()
    }

    fn sample(&mut self, us: f32, now_us: u64) {
        self.answer_us = if self.answer_us == 0.0 { us.max(1.0) } else { self.answer_us + (us - self.answer_us) * SAMPLE_WEIGHT };
        self.answered_at_us = now_us;
    }
}
