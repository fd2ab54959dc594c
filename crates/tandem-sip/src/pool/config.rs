//! The JSON of pools, as it comes from the configuration, a live change or a list file. It has shapes and defaults; `settings` checks values.

use crate::frame::Transport;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// All pools of an edge.
///
/// ```
/// use tandem_sip::pool::PoolsConfig;
/// let json = r#"{"pools": [{"name": "farm", "members": [{"name": "fs1", "address": "10.0.0.11:5060"}]}]}"#;
/// let config: PoolsConfig = serde_json::from_str(json).unwrap();
/// assert_eq!(100, config.pools[0].members[0].weight);
/// ```
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolsConfig {
    /// The pools, each with its own name.
    #[serde(default)]
    pub pools: Vec<PoolConfig>,
}

/// One pool of foreign servers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// What routes call it.
    pub name: String,
    /// Who of the members is tried first.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// What `hash` looks at: `call_id`, `from`, `to`, `uri_user`, `source` or `header:NAME`.
    #[serde(default = "call_id")]
    pub hash_on: String,
    /// What becomes of the Request-URI.
    #[serde(default)]
    pub uri: UriMode,
    /// Final replies after which the next member is tried.
    #[serde(default = "retry")]
    pub retry: Vec<u16>,
    /// The answer when all members are full.
    #[serde(default = "unavailable")]
    pub full_status: u16,
    /// The answer when no member is up.
    #[serde(default = "unavailable")]
    pub none_status: u16,
    /// The Retry-After of both.
    #[serde(default = "retry_after")]
    pub retry_after_seconds: u32,
    /// How long a member may take to say anything.
    #[serde(default = "answer_ms")]
    pub answer_ms: u32,
    /// How long a call may ring.
    #[serde(default = "ring_seconds")]
    pub ring_seconds: u32,
    /// Whether the edge stays in the dialog's path.
    #[serde(default = "yes")]
    pub record_route: bool,
    /// Whether a REGISTER gets a Path (RFC 3327).
    #[serde(default)]
    pub path: bool,
    /// How members are watched.
    #[serde(default)]
    pub health: HealthConfig,
    /// What requests take of a member's capacity; the first rule that matches.
    #[serde(default)]
    pub costs: Vec<CostConfig>,
    /// How long an answered call counts when nobody says that it ended.
    #[serde(default = "call_lease_seconds")]
    pub call_lease_seconds: u32,
    /// The servers.
    #[serde(default)]
    pub members: Vec<MemberConfig>,
}

/// One server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberConfig {
    /// Its name within the pool: what keeps its state when all else about it changes.
    pub name: String,
    /// Where it is; unspecified while only `host` is known.
    #[serde(default = "nowhere", skip_serializing_if = "is_nowhere")]
    pub address: SocketAddr,
    /// Where it is by name, as behind `sip:`: `farm.example`, `farm.example:5070`, `farm.example;transport=tls`. Instead of `address`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// How it is talked to: `udp`, `tcp`, `tls`, `ws`, `wss`.
    #[serde(default = "udp", deserialize_with = "transport", serialize_with = "write_transport")]
    pub transport: Transport,
    /// The name that its certificate must have; empty: its address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tls_name: String,
    /// Its share of the load among those of its priority; 0: only after the others.
    #[serde(default = "weight")]
    pub weight: u32,
    /// Lower is tried first.
    #[serde(default)]
    pub priority: u16,
    /// What it can bear of each resource. Empty: no limit. Not empty: it has nothing of a resource that is not named.
    #[serde(default)]
    pub capacity: BTreeMap<String, u32>,
    /// Whether it takes calls.
    #[serde(default)]
    pub state: Wanted,
}

/// How members of a pool are watched.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// The probe's method.
    pub method: String,
    /// Between two probes of a member; 0: no probes.
    pub interval_ms: u32,
    /// A probe without an answer by then has failed.
    pub timeout_ms: u32,
    /// Good probes in a row that bring a member up.
    pub up_after: u8,
    /// Failed probes in a row that take a member down.
    pub down_after: u8,
    /// Statuses of a good probe: `200-299`, `404`.
    pub good: Vec<String>,
    /// Calls in a row without any answer that put a member on the grey list; 0: never.
    pub passive_down_after: u8,
    /// The first time on the grey list; it doubles with each failed trial.
    pub grey_ms: u32,
    /// When more of the pool's weight than this would be down, nobody is treated as down; 100: never.
    pub panic_percent: u8,
}

/// What a request takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostConfig {
    /// What a route calls this rule; empty: the rule is chosen by method.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Methods that it is for; empty: all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Amount by resource.
    pub take: BTreeMap<String, u32>,
}

/// Who of the members is tried first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// By the Call-ID, in proportion to the weights.
    #[default]
    Weighted,
    /// One after the other, in proportion to the weights.
    RoundRobin,
    /// The fewest calls in hand for its weight.
    LeastCalls,
    /// The quicker of two.
    LeastResponseTime,
    /// By what `hash_on` names, in proportion to the weights.
    Hash,
}

/// What becomes of the Request-URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UriMode {
    /// It stays.
    #[default]
    Keep,
    /// Its host and port become the member's.
    Member,
}

/// What the operator wants of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It takes calls.
    #[default]
    On,
    /// No new calls; those in hand and probes go on.
    Draining,
    /// Nothing is sent to it but what its dialogs need.
    Off,
}

impl Default for HealthConfig {
    fn default() -> HealthConfig {
        HealthConfig {
            method: "OPTIONS".into(),
            interval_ms: 10_000,
            timeout_ms: 2_000,
            up_after: 1,
            down_after: 3,
            good: ["200-299", "404", "405"].map(String::from).into(),
            passive_down_after: 3,
            grey_ms: 10_000,
            panic_percent: 50,
        }
    }
}

fn transport<'a, D: Deserializer<'a>>(from: D) -> Result<Transport, D::Error> {
    let text = String::deserialize(from)?;
    named_transport(&text).ok_or_else(|| D::Error::custom(format!("`transport` is `{text}`; udp, tcp, tls, ws and wss are known")))
}

fn write_transport<S: Serializer>(transport: &Transport, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&transport.via().to_ascii_lowercase())
}

/// The transport of a name, whatever its case.
pub(super) fn named_transport(name: &str) -> Option<Transport> {
    (1..).map_while(Transport::read).find(|transport| transport.via().eq_ignore_ascii_case(name))
}

/// The address of a member that has none yet.
pub(super) fn nowhere() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

fn is_nowhere(address: &SocketAddr) -> bool {
    *address == nowhere()
}

fn call_id() -> String {
    "call_id".into()
}

fn retry() -> Vec<u16> {
    vec![408, 480, 503, 504]
}

fn unavailable() -> u16 {
    503
}

fn retry_after() -> u32 {
    5
}

fn answer_ms() -> u32 {
    4_000
}

fn ring_seconds() -> u32 {
    180
}

fn call_lease_seconds() -> u32 {
    14_400
}

fn weight() -> u32 {
    100
}

fn udp() -> Transport {
    Transport::Udp
}

fn yes() -> bool {
    true
}
