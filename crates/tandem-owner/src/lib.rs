//! The owner behind a thread, the link's sockets and the journal. It decides nothing: `tandem_sip::owner` does.

mod link;
mod node;
mod trace;

pub use node::{Listen, Node, NodeConfig, NodeError};
pub use trace::{read_trace, Record};

#[cfg(test)]
mod tests;
