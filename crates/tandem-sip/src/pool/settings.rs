//! The settings of one pool, checked and compiled for use. Its members are elsewhere.

use super::config::{Algorithm, CostConfig, HealthConfig, PoolConfig, UriMode};
use std::collections::BTreeSet;

/// Pools of one edge.
pub const POOLS: usize = 256;
/// Rules about costs in one pool.
pub const COST_RULES: usize = 64;
/// Different resources over all pools.
pub const RESOURCES: usize = 16;
/// Characters of a name: of a pool, a member, a resource.
pub const NAME_CHARS: usize = 64;

/// Why pools cannot be used; nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadPools {
    /// The field with its path, as `pools[0].members[1].weight`.
    pub field: String,
    /// What is wrong, and the limit.
    pub why: String,
}

/// What a request must be asked for: `Ask::key`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HashOn {
    /// The Call-ID.
    CallId,
    /// The URI of From.
    From,
    /// The URI of To.
    To,
    /// The user of the Request-URI.
    UriUser,
    /// The source's address, without its port.
    Source,
    /// The value of a header; an empty one is a key like another.
    Header(Box<str>),
}

/// One pool's settings.
#[derive(Clone, PartialEq, Debug)]
pub struct PoolSettings {
    /// Its name.
    pub name: Box<str>,
    /// Who is tried first.
    pub algorithm: Algorithm,
    /// What the caller gives as `Ask::key`; the Call-ID for all algorithms but `hash`.
    pub hash_on: HashOn,
    /// What becomes of the Request-URI.
    pub uri: UriMode,
    /// The answer when all members are full.
    pub full_status: u16,
    /// The answer when no member is up.
    pub none_status: u16,
    /// The Retry-After of both.
    pub retry_after_seconds: u32,
    /// How long a member may take to say anything, microseconds.
    pub answer_us: u64,
    /// How long a call may ring, microseconds.
    pub ring_us: u64,
    /// Whether the edge stays in the dialog's path.
    pub record_route: bool,
    /// Whether a REGISTER gets a Path.
    pub path: bool,
    /// How long an answered call counts, microseconds.
    pub lease_us: u64,
    /// How members are watched.
    pub health: HealthSettings,
    pub(super) costs: Vec<CostConfig>,
    retry: Statuses,
}

/// How members are watched; times in microseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct HealthSettings {
    /// The probe's method.
    pub method: Box<str>,
    /// Between two probes of a member; 0: no probes.
    pub interval_us: u64,
    /// When a probe has failed.
    pub timeout_us: u64,
    pub(super) up_after: u8,
    pub(super) down_after: u8,
    pub(super) passive_down_after: u8,
    pub(super) grey_us: u64,
    pub(super) panic_percent: u8,
    good: Statuses,
}

impl PoolSettings {
    /// Whether another member is tried after this final reply.
    pub fn retries(&self, status: u16) -> bool {
        self.retry.contains(status)
    }

    /// What is said of a pool that is gone.
    pub(super) fn nobody() -> PoolSettings {
        let config: PoolConfig = serde_json::from_str(r#"{"name": "-"}"#).expect("a pool with defaults");
        PoolSettings::read(&config, 0).expect("defaults are within their limits")
    }

    /// Checks one pool of the configuration; `at` is its place in the list.
    pub(super) fn read(config: &PoolConfig, at: usize) -> Result<PoolSettings, BadPools> {
        let field = |name: &str| format!("pools[{at}].{name}");
        name(&field("name"), &config.name)?;
        if config.costs.len() > COST_RULES {
            return Err(bad(field("costs"), format!("{} rules, at most {COST_RULES}", config.costs.len())));
        }
        for (i, rule) in config.costs.iter().enumerate() {
            cost(&field(&format!("costs[{i}]")), rule)?;
        }
        Ok(PoolSettings {
            name: config.name.as_str().into(),
            algorithm: config.algorithm,
            hash_on: hash_on(&field("hash_on"), &config.hash_on, config.algorithm)?,
            uri: config.uri,
            full_status: within(&field("full_status"), config.full_status, 400, 699)?,
            none_status: within(&field("none_status"), config.none_status, 400, 699)?,
            retry_after_seconds: within(&field("retry_after_seconds"), config.retry_after_seconds, 0, 3_600)?,
            answer_us: u64::from(within(&field("answer_ms"), config.answer_ms, 100, 60_000)?) * 1_000,
            ring_us: u64::from(within(&field("ring_seconds"), config.ring_seconds, 1, 3_600)?) * 1_000_000,
            record_route: config.record_route,
            path: config.path,
            lease_us: u64::from(within(&field("call_lease_seconds"), config.call_lease_seconds, 10, 604_800)?) * 1_000_000,
            health: health(&field("health"), &config.health)?,
            costs: config.costs.clone(),
            retry: retry(&field("retry"), &config.retry)?,
        })
    }
}

impl HealthSettings {
    /// Whether a probe with this answer was good.
    pub fn is_good(&self, status: u16) -> bool {
        self.good.contains(status)
    }
}

fn health(at: &str, config: &HealthConfig) -> Result<HealthSettings, BadPools> {
    let field = |name: &str| format!("{at}.{name}");
    if !is_token(&config.method) {
        return Err(bad(field("method"), format!("{:?} is no method, or longer than {NAME_CHARS} characters", config.method)));
    }
    let interval = within(&field("interval_ms"), config.interval_ms, 0, 3_600_000)?;
    if (1..100).contains(&interval) {
        return Err(bad(field("interval_ms"), format!("{interval} is neither 0 nor within 100..=3600000")));
    }
    let mut good = Statuses::default();
    for (i, text) in config.good.iter().enumerate() {
        good.add(text).map_err(|why| bad(field(&format!("good[{i}]")), why))?;
    }
    Ok(HealthSettings {
        method: config.method.as_str().into(),
        interval_us: u64::from(interval) * 1_000,
        timeout_us: u64::from(within(&field("timeout_ms"), config.timeout_ms, 50, 60_000)?) * 1_000,
        up_after: within(&field("up_after"), config.up_after, 1, 100)?,
        down_after: within(&field("down_after"), config.down_after, 1, 100)?,
        passive_down_after: within(&field("passive_down_after"), config.passive_down_after, 0, 100)?,
        grey_us: u64::from(within(&field("grey_ms"), config.grey_ms, 100, 3_600_000)?) * 1_000,
        panic_percent: within(&field("panic_percent"), config.panic_percent, 0, 100)?,
        good,
    })
}

fn hash_on(field: &str, text: &str, algorithm: Algorithm) -> Result<HashOn, BadPools> {
    let key = match text {
        "call_id" => HashOn::CallId,
        "from" => HashOn::From,
        "to" => HashOn::To,
        "uri_user" => HashOn::UriUser,
        "source" => HashOn::Source,
        _ => match text.strip_prefix("header:") {
            Some(header) if is_token(header) => HashOn::Header(header.into()),
            _ => return Err(bad(field, format!("{text:?}; call_id, from, to, uri_user, source and header:NAME are known"))),
        },
    };
    if key != HashOn::CallId && algorithm != Algorithm::Hash {
        return Err(bad(field, "only the algorithm `hash` looks at it"));
    }
    Ok(key)
}

fn cost(field: &str, rule: &CostConfig) -> Result<(), BadPools> {
    if !rule.name.is_empty() {
        name(&format!("{field}.name"), &rule.name)?;
    }
    for (i, method) in rule.methods.iter().enumerate() {
        if !is_token(method) {
            return Err(bad(format!("{field}.methods[{i}]"), format!("{method:?} is no method")));
        }
    }
    if rule.take.is_empty() || rule.take.len() > RESOURCES {
        return Err(bad(format!("{field}.take"), format!("{} resources, 1 to {RESOURCES}", rule.take.len())));
    }
    for (resource, &amount) in &rule.take {
        name(&format!("{field}.take"), resource)?;
        within(&format!("{field}.take.{resource}"), amount, 1, 1_000_000)?;
    }
    Ok(())
}

fn retry(field: &str, list: &[u16]) -> Result<Statuses, BadPools> {
    let mut statuses = Statuses::default();
    let seen: BTreeSet<u16> = list.iter().copied().collect();
    for status in seen {
        within(field, status, 300, 699)?;
        statuses.set(status);
    }
    Ok(statuses)
}

/// A set of statuses, 100 to 699.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Statuses([u64; 11]);

impl Statuses {
    fn set(&mut self, status: u16) {
        if let Some(word) = self.0.get_mut(usize::from(status) / 64) {
            *word |= 1 << (status % 64);
        }
    }

    fn contains(&self, status: u16) -> bool {
        self.0.get(usize::from(status) / 64).is_some_and(|word| word >> (status % 64) & 1 == 1)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 100 <= first && first <= last && last <= 699 => {
                (first..=last).for_each(|status| self.set(status));
                Ok(())
            }
            _ => Err(format!("{text:?} is neither a status nor a range of statuses within 100-699")),
        }
    }
}

/// Checks a name: printable ASCII without blanks and quotes, since it stands in metrics and commands.
pub(super) fn name(field: &str, text: &str) -> Result<(), BadPools> {
    let good = |c: u8| c.is_ascii_graphic() && !matches!(c, b'"' | b'\\' | b'/');
    if text.is_empty() || text.len() > NAME_CHARS || !text.bytes().all(good) {
        return Err(bad(field, format!("{text:?} is not 1 to {NAME_CHARS} printable characters without blank, quote and slash")));
    }
    Ok(())
}

pub(super) fn within<T: PartialOrd + std::fmt::Display>(field: &str, value: T, low: T, high: T) -> Result<T, BadPools> {
    if value < low || value > high {
        return Err(bad(field, format!("{value} is not within {low}..={high}")));
    }
    Ok(value)
}

pub(super) fn bad(field: impl Into<String>, why: impl Into<String>) -> BadPools {
    BadPools { field: field.into(), why: why.into() }
}

/// RFC 3261 25.1: token.
fn is_token(text: &str) -> bool {
    let extra = b"-.!%*_+`'~";
    (1..=NAME_CHARS).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
}
