//! Verdicts that somebody else gives about requests (an operator's functions): what is asked, what is kept, who waits meanwhile.
//!
//! A verdict depends on the named fields of a request and on nothing else, so that it can be kept by their values. Pure.

mod edit;
pub(super) mod field;
mod kept;
mod waiting;

pub use field::{Field, Rule, FIELDS, KEY_BYTES, RULES};
pub use kept::VERDICTS;
pub use waiting::{Question, LATE_US};

pub(super) use edit::edited;
pub(super) use waiting::Waiting;

use kept::Kept;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use waiting::Asking;

/// Most requests that may wait for verdicts.
pub const WAITING: usize = 100_000;
/// Longest that a request may wait, in milliseconds.
pub const WAIT_MS: u64 = 5_000;

/// How verdicts are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// The Unix socket of who gives them.
    pub socket: String,
    /// How long a request waits.
    pub milliseconds: u64,
    /// How many requests may wait.
    pub waiting: usize,
    /// How many verdicts are kept.
    pub verdicts: usize,
    /// Without a verdict: a pool, or a status; empty: as the routes say.
    pub otherwise: String,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        PolicyConfig { socket: String::new(), milliseconds: 100, waiting: 2_000, verdicts: 100_000, otherwise: String::new() }
    }
}

/// A verdict.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Given {
    /// To a pool.
    To {
        /// Its name.
        pool: String,
        /// Headers that the request gets.
        #[serde(default)]
        add: BTreeMap<String, String>,
        /// Headers that it loses.
        #[serde(default)]
        remove: Vec<String>,
        /// The pool's rule about costs that is counted; empty: the pool's own.
        #[serde(default)]
        cost: String,
        /// The Request-URI that the request gets; empty: its own.
        #[serde(default)]
        uri: String,
    },
    /// Nowhere.
    Refuse {
        /// The status.
        status: u16,
        /// Its reason phrase; empty: the usual one.
        #[serde(default)]
        reason: String,
        /// Retry-After; 0: none.
        #[serde(default)]
        retry_after: u32,
    },
}

/// What is known about a request now.
#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// The routes decide.
    AsRouted,
    /// This decides.
    Given(Arc<Given>),
    /// It waits.
    Waits,
}

/// All of it.
#[derive(Default)]
pub(super) struct Policy {
    /// None: nobody is asked.
    pub(super) config: Option<PolicyConfig>,
    /// What decides without a verdict; `None`: the routes.
    pub(super) otherwise: Option<Arc<Given>>,
    rules: Vec<Rule>,
    /// Somebody gives verdicts.
    pub(super) up: bool,
    kept: Kept,
    pub(super) asking: Asking,
    /// Decides about the next request, once.
    pub(super) forced: Option<Judged>,
}

impl Policy {
    /// Takes a configuration. Verdicts that were kept stay.
    pub(super) fn configure(&mut self, config: Option<PolicyConfig>) {
        self.kept.limit(config.as_ref().map_or(0, |config| config.verdicts));
        self.otherwise = config.as_ref().and_then(|config| otherwise(&config.otherwise)).map(Arc::new);
        self.config = config;
    }

    /// Rules of who gives verdicts from now on; what was kept is void.
    pub(super) fn set_rules(&mut self, rules: Vec<Rule>) {
        self.kept.clear();
        self.rules = rules;
        self.up = true;
    }

    pub(super) fn rule(&self, method: &[u8]) -> Option<(usize, &Rule)> {
        self.rules.iter().enumerate().find(|(_, rule)| rule.method.as_bytes() == method)
    }

    /// No rule was ever heard of: everything may have one.
    pub(super) fn unheard(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn kept(&mut self, key: &[u8], now: u64) -> Option<Option<Arc<Given>>> {
        self.kept.get(key, now)
    }

    pub(super) fn keep(&mut self, rule: usize, key: Box<[u8]>, given: Option<Arc<Given>>, now: u64) {
        if let Some(rule) = self.rules.get(rule).filter(|rule| rule.keep_us > 0) {
            self.kept.put(key, given, now.saturating_add(rule.keep_us));
        }
    }

    pub(super) fn verdicts(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn fallback(&self) -> Judged {
        self.otherwise.clone().map_or(Judged::AsRouted, Judged::Given)
    }
}

fn otherwise(text: &str) -> Option<Given> {
    match text.parse() {
        Ok(status) => Some(Given::Refuse { status, reason: String::new(), retry_after: 0 }),
        Err(_) if text.is_empty() => None,
        Err(_) => Some(Given::To { pool: text.into(), add: BTreeMap::new(), remove: Vec::new(), cost: String::new(), uri: String::new() }),
    }
}
