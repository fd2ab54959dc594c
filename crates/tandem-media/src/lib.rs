//! The media relay's process: sockets, threads, ng commands and the journal of what an heir must know. What to do, tandem-rtp decides.

pub mod booth;

pub mod config;
pub mod control;
pub mod gates;
pub mod hands;
pub mod happened;
pub mod identity;
pub mod listeners;
pub mod losses;
pub mod measured;
pub mod orders;
pub mod outside;
pub mod passing;
pub mod pcap;
pub mod ports;
pub mod shortcut;
pub mod sounds;
pub mod spool;
pub mod state;
pub mod stream;
pub mod tap;
pub mod tapes;
pub mod taps;
pub mod worker;

pub use config::{Config, RelayError};

/// Serves until SIGTERM or SIGINT of this thread. `json` is a [`Config`].
///
/// ```no_run
/// let json = br#"{"interfaces": [{"address": "192.0.2.7"}], "ng": {"udp": ["127.0.0.1:2223"]}}"#;
/// tandem_media::run(json).unwrap();
/// ```
pub fn run(json: &[u8]) -> Result<(), RelayError> {
    tandem_sys::memory::small_pages();
    control::Control::open(Config::read(json)?)?.run()
}
