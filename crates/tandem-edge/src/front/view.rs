//! What a front shows: a copy for the control socket, metrics and `top`.

use serde::Serialize;
use tandem_sip::pool::PoolsView;
use tandem_sip::proxy::Counters;

/// A front at one moment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FrontView {
    /// Pools and members.
    #[serde(flatten)]
    pub pools: PoolsView,
    /// What the proxy did.
    pub counters: Counters,
}
