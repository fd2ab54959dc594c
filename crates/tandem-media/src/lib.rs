//! The media relay's process: sockets, threads, ng commands and the journal of what an heir must know. What to do, tandem-rtp decides.

pub mod config;
pub mod gates;
pub mod orders;
pub mod ports;
pub mod state;
pub mod stream;
pub mod worker;

pub use config::{Config, RelayError};
