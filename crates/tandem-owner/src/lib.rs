//! The owner behind a thread, the link's sockets and the journal. It decides nothing: `tandem_sip::owner` does.

mod link;
mod listen;
mod node;
mod trace;

pub use listen::Listen;
pub use node::{Node, NodeConfig, NodeError};
pub use tandem_link::Files;
pub use trace::{read_trace, Record};

#[cfg(test)]
mod tests;
