//! The JSON of a front: pools, routes and the names by which peers call us. It has shapes and defaults; `routes` and `pool` check values.

use super::policy::PolicyConfig;
use crate::pool::{PoolConfig, PoolsConfig};
use serde::{Deserialize, Serialize};

/// A front.
///
/// ```
/// use tandem_sip::proxy::FrontConfig;
/// let json = r#"{"pools": [{"name": "farm", "members": [{"name": "fs1", "address": "10.0.0.11:5060"}]}],
///                "routes": [{"methods": ["INVITE"], "user_prefix": "+49", "pool": "farm"}, {"refuse": 403}]}"#;
/// let config: FrontConfig = serde_json::from_str(json).unwrap();
/// assert_eq!(Some("farm"), config.routes[0].pool.as_deref());
/// ```
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontConfig {
    /// Pools of foreign servers.
    #[serde(default)]
    pub pools: Vec<PoolConfig>,
    /// Which request goes where; the first that matches.
    #[serde(default)]
    pub routes: Vec<RouteConfig>,
    /// Names by which a Route may mean us beside our addresses: `host` or `host:port`.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Who else has a say in where requests go.
    #[serde(default)]
    pub policy: Option<PolicyConfig>,
}

/// One route. What is not given matches everything.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// The listening address that was asked, by its place in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<u8>,
    /// Where the request came from: addresses and ranges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// The pool whose member sent it. A route with neither `from_pool` nor `from` is not for what members send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_pool: Option<String>,
    /// Its method.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The host of its Request-URI.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// What the user of its Request-URI (the number of a tel URI) begins with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_prefix: String,
    /// The pool that it goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The rule about costs that it is counted by; none: the pool's own, by method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The status that it is refused with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse: Option<u16>,
}

impl FrontConfig {
    /// The part that `Pools::apply` takes.
    pub fn pools(&self) -> PoolsConfig {
        PoolsConfig { pools: self.pools.clone() }
    }
}
