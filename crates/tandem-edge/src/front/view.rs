//! What a front shows: a copy for the control socket, metrics and `top`.

use serde::Serialize;
use std::collections::BTreeMap;
use tandem_sip::pool::PoolsView;
use tandem_sip::proxy::{Counters, Times};

/// A front at one moment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FrontView {
    /// Pools and members.
    #[serde(flatten)]
    pub pools: PoolsView,
    /// What the proxy did.
    pub counters: Counters,
    /// From INVITE to the first response above 100, and to the final one, by pool.
    pub times: BTreeMap<String, Times>,
    /// INVITE transactions in hand.
    pub transactions: usize,
    /// Bytes that they hold.
    pub transaction_bytes: usize,
    /// Whether this edge is the one of its host that probes.
    pub prober: bool,
}
