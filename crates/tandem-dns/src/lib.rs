//! Where a SIP message goes when all that is known is a name (RFC 3263). It resolves; it sends no SIP and decides about no call.
//!
//! `model` is pure: which questions to ask, what their answers mean, which target comes first. The rest is the shell around it: a thread
//! that asks name servers, a cache, and an eventfd that says when something is known.

mod hosts;
pub mod model;
mod resolver;
mod settings;
mod upstream;
mod watch;

pub use resolver::{Event, Resolver};
pub use settings::{BadSettings, Settings};
