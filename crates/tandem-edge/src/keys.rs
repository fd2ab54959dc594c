//! The keys for MACs and nonces as they are now. It makes none and reads no file.

use tandem_sip::ids::{Key, Keys};
use tandem_sip::ring::Ring;

/// What an edge signs and verifies with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeKeys {
    /// For shards, branches and tokens.
    pub keys: Keys,
    /// For nonces, newest first.
    pub nonce: Vec<Key>,
}

impl EdgeKeys {
    /// Those of a ring at a time, in microseconds since 1970.
    pub fn of(ring: &Ring, at: u64) -> EdgeKeys {
        EdgeKeys { keys: ring.keys(at), nonce: ring.nonces(at) }
    }
}
