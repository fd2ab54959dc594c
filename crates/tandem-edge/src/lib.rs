//! The edge process: it holds sockets and connections, refuses what must not pass and hands the rest to owners. It decides about no call.

mod accept;
mod acquainted;
mod admission;
mod alias;
mod asked;
mod bans;
mod certificates;
pub mod config;
mod connection;
mod connections;
mod control;
mod counters;
mod cutter;
mod down;
mod edge;
mod files;
mod front;
pub mod hep;
pub mod judge;
mod keyring;
pub mod keys;
mod link;
mod links;
mod locals;
mod nets;
pub mod nft;
mod notes;
mod owners;
mod preface;
mod records;
mod refusals;
mod stun;
mod tickets;
mod tls;
mod trunks;
mod udp;
mod up;
mod verdicts;
mod verifiers;
mod watching;

pub use config::{Config, EdgeError};
pub use edge::Edge;
pub use front::{Front, FrontView};
pub use tandem_sip::histogram::Histogram;

/// Serves until SIGTERM or SIGINT of this thread. `json` is a [`Config`].
///
/// ```no_run
/// let json = br#"{"edge": 1, "link": "var/owner.sock", "keys": "data/keys.json",
///     "listen": [{"transport": "udp", "bound": "127.0.0.1:5060"}]}"#;
/// tandem_edge::run(json).unwrap();
/// ```
pub fn run(json: &[u8]) -> Result<(), EdgeError> {
    // The limit on connections is the policy's; a limit of the system that cannot be raised shows as refused connections.
    let _ = tandem_sys::socket::raise_descriptor_limit();
    let signals = tandem_sys::signal::Signals::open().map_err(|why| EdgeError::Socket { what: "signals".into(), why })?;
    Edge::open(Config::read(json)?)?.run(Some(signals))
}
