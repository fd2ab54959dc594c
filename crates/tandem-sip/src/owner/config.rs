//! What an owner is started with, from JSON; the error names the field.

use crate::ids::{Key, Keys, SHARDS};
use crate::ring::Ring;
use crate::txn::Intervals;
use serde::Deserialize;
use thiserror::Error;

/// Events that wait for Python, beyond which new requests are refused.
pub const INBOX_EVENTS: usize = 65_536;

/// Why a configuration is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BadConfig {
    /// It is not the JSON of boundary.md, 4.
    #[error("owner config: {0}")]
    Json(#[from] serde_json::Error),
    /// A field's value.
    #[error("owner config: {field}: {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and the limit.
        why: String,
    },
}

/// An owner's configuration.
#[derive(Debug)]
pub struct Config {
    /// Number of the node.
    pub node: u16,
    /// Changes at each start.
    pub incarnation: u64,
    /// Epoch of all shards in `shards`.
    pub epoch: u32,
    /// (first, count).
    pub shards: Vec<(u16, u16)>,
    /// All keys, and from when they sign.
    pub ring: Ring,
    /// Keys for shards, branches and tokens as they are now.
    pub keys: Keys,
    /// Keys for nonces.
    pub nonce: Vec<Key>,
    /// The keys as JSON, for the edges.
    pub keys_json: Vec<u8>,
    /// The policy as JSON, for the edges; empty: none yet.
    pub policy_json: Vec<u8>,
    /// Transaction intervals.
    pub intervals: Intervals,
    /// Times of the registrar.
    pub registrar: crate::registrar::Config,
    /// Limit of the inbox.
    pub inbox_events: usize,
}

#[derive(Deserialize)]
struct Text {
    node_id: u16,
    incarnation: u64,
    epoch: u32,
    keys: serde_json::Value,
    #[serde(default)]
    policy: Option<serde_json::Value>,
    #[serde(default)]
    shards: Option<Vec<(u16, u16)>>,
    #[serde(default)]
    t1_ms: Option<u64>,
    #[serde(default)]
    t2_ms: Option<u64>,
    #[serde(default)]
    t4_ms: Option<u64>,
    #[serde(default)]
    registrar: crate::registrar::Config,
    #[serde(default)]
    inbox_events: Option<usize>,
}

impl Config {
    /// Reads `{"node_id", "incarnation", "epoch", "keys": {"hash", "signing": [{"id", "secret"}], "nonce"}, "policy"?, "shards"?, "t1_ms"?, ..}`.
    pub fn read(json: &[u8]) -> Result<Config, BadConfig> {
        let text: Text = serde_json::from_slice(json)?;
        let keys_json = text.keys.to_string().into_bytes();
        let ring = Ring::read(&keys_json).map_err(|why| bad("keys", why))?;
        let shards = text.shards.unwrap_or_else(|| vec![(0, SHARDS)]);
        if shards.iter().any(|(first, count)| u32::from(*first) + u32::from(*count) > u32::from(SHARDS)) {
            return Err(bad("shards", format!("a range ends beyond shard {}", SHARDS - 1)));
        }
        let t = Intervals::default();
        let ms = |field, given: Option<u64>, default| match given {
            None => Ok(default),
            Some(ms @ 1..=60_000) => Ok(ms * 1000),
            Some(ms) => Err(bad(field, format!("{ms} is not within 1 to 60000 milliseconds"))),
        };
        Ok(Config {
            node: text.node_id,
            incarnation: text.incarnation,
            epoch: text.epoch,
            shards,
            keys: ring.keys(0),
            nonce: ring.nonces(0),
            ring,
            keys_json,
            policy_json: text.policy.map(|policy| policy.to_string().into_bytes()).unwrap_or_default(),
            intervals: Intervals {
                t1: ms("t1_ms", text.t1_ms, t.t1)?,
                t2: ms("t2_ms", text.t2_ms, t.t2)?,
                t4: ms("t4_ms", text.t4_ms, t.t4)?,
            },
            registrar: text.registrar,
            inbox_events: text.inbox_events.unwrap_or(INBOX_EVENTS).clamp(1, INBOX_EVENTS),
        })
    }
}

fn bad(field: &'static str, why: String) -> BadConfig {
    BadConfig::Field { field, why }
}
