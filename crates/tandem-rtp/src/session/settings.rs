//! What the call table is told once: interfaces, defaults, limits. Nothing here changes later.

use crate::ng::Codec;
use crate::plan::Learning;

/// Settings of a call table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Names of the interfaces; the first is the default.
    pub interfaces: Vec<String>,
    /// Seconds between a delete and its effect when the command tells none.
    pub delete_delay_seconds: u32,
    /// DSCP and ECN byte.
    pub tos: u8,
    /// NAT learning.
    pub learning: Learning,
    /// Calls at most.
    pub calls: usize,
    /// Names this relay in `loop-protect`.
    pub instance: String,
    /// Codecs between which the relay can transcode; empty: it cannot, and codec rules that need it are refused with a warning.
    pub transcodes: Vec<Codec>,
    /// The first endpoint's number; a process that takes over calls begins above all of theirs.
    pub endpoints_from: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interfaces: vec!["default".to_owned()],
            delete_delay_seconds: 30,
            tos: 184,
            learning: Learning::Delayed,
            calls: 100_000,
            instance: "tandem".to_owned(),
            transcodes: Vec::new(),
            endpoints_from: 1,
        }
    }
}
