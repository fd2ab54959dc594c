//! ICE for one endpoint (RFC 8445), as a lite agent: it answers the peer's checks, follows its nominations and watches its consent. It
//! gathers nothing, and holds no socket; DTLS and media are others'.
//!
//! A lite agent is controlled by a full one. Where the peer is lite too, and the plan says that we are controlling, it sends the checks.

mod agent;
mod answer;
mod checks;
mod consent;
mod draw;
mod generation;
mod selected;
mod state;

pub use crate::relay::Component;
pub use agent::{Agent, Handled, Outcome, Output};
pub use selected::{Destination, Event};
pub use state::{Kept, Proven, State};

/// Checks with right credentials that are answered, a second and endpoint. A full agent sends 20 (RFC 8445 14.2), of one component;
/// browsers as many again.
pub const CHECKS_PER_SECOND: u32 = 100;
/// Answers without right credentials, a second and endpoint: refusals, and addresses told to whoever asks.
pub const REFUSALS_PER_SECOND: u32 = 10;
/// Candidates of the peer that are kept for checks of ours; further ones are not tried.
pub const REMOTE_CANDIDATES: usize = 32;
/// Consent lasts so long after it was last shown, microseconds (RFC 7675 5.1).
pub const CONSENT_US: u64 = 30_000_000;
/// A peer that checks a pair this long after its nomination goes on doing so, microseconds: only then its silence means something. Peers
/// older than RFC 7675 check until they have nominated, and never again.
pub const CONSENT_SHOWN_US: u64 = 10_000_000;
/// In so much time after the first nomination the highest priority decides, later the last nomination, microseconds: peers that nominate
/// with each check (RFC 5245 8.1.1.2) end with their worst pair.
pub const AGGRESSIVE_US: u64 = 2_500_000;

const COMPONENTS: [Component; 2] = [Component::Rtp, Component::Rtcp];

#[cfg(test)]
mod tests;
