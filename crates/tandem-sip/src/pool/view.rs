//! What is shown of pools: for `top`, metrics and the command line. It is a copy.

use serde::Serialize;
use std::collections::BTreeMap;

/// All pools.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct PoolsView {
    /// Each pool.
    pub pools: Vec<PoolView>,
    /// Calls held over all pools.
    pub calls: u64,
    /// Calls that were not held because `CALLS_HELD` were.
    pub uncounted: u64,
}

/// One pool.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct PoolView {
    /// Its name.
    pub name: Box<str>,
    /// So much would be down that nobody is treated as down.
    pub panic: bool,
    /// Its members, in the configuration's order.
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
    pub transport: &'static str,
    /// `up`, `down`, `grey`, `trial`, `draining`, `off`, `gone`.
    pub state: &'static str,
    /// How long it stays grey, milliseconds.
    pub grey_ms: u64,
    /// Its weight.
    pub weight: u32,
    /// Its priority.
    pub priority: u16,
    /// Calls in hand.
    pub calls: u64,
    /// Used and capacity by resource; no capacity: `null`.
    pub resources: BTreeMap<Box<str>, (u64, Option<u32>)>,
    /// Time to the first response, moving average; none yet: `null`.
    pub answer_ms: Option<f64>,
    /// Final replies by class, 2xx to 6xx.
    pub replies: [u64; 5],
    /// Requests without an answer.
    pub no_answer: u64,
    /// Requests that could not be sent.
    pub transport_errors: u64,
    /// Probes good and failed.
    pub probes: (u64, u64),
    /// What it became last, and why.
    pub last_change: Box<str>,
    /// How long ago, milliseconds.
    pub since_ms: u64,
}
