//! What is told about a member or a pool: to siblings, to the log, to whoever watches. It changes nothing by itself.

use serde::{Deserialize, Serialize};

/// Something that became otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// The pool; empty: all of them.
    pub pool: Box<str>,
    /// The member; empty: the pool as a whole.
    pub member: Box<str>,
    /// What it became.
    pub became: Became,
    /// The reason, for people.
    pub why: Box<str>,
}

/// What a member or a pool became.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// Probes say that it lives.
    Up,
    /// Probes say that it does not.
    Down,
    /// Its calls failed: not tried for this long, then by one call at a time.
    Grey {
        /// Microseconds from now.
        for_us: u64,
    },
    /// It said 503: as grey, and no panic lifts it.
    Busy {
        /// Microseconds from now.
        for_us: u64,
    },
    /// No longer grey: it answered.
    Well,
    /// So much of the pool would be down that nobody is treated as down.
    Panic,
    /// The end of that.
    Calm,
    /// A new member.
    Added,
    /// Gone from the configuration.
    Removed,
    /// The operator wants it to take calls.
    On,
    /// The operator wants no new calls on it.
    Draining,
    /// The operator wants nothing sent to it.
    Off,
}

impl Change {
    /// Whether siblings must hear of it ([`super::Pools::told`]).
    pub fn is_verdict(&self) -> bool {
        matches!(self.became, Became::Up | Became::Down | Became::Grey { .. } | Became::Busy { .. } | Became::Well)
    }
}
