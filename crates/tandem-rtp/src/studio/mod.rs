//! The audio engine of one thread: what peers say becomes sound, and what they hear is made of it: transcoded, played, mixed, recorded.
//! Which endpoints come here, the relay says; it has no socket, no file and no clock.

mod bridge;
mod desk;
mod hall;
mod job;
mod tape;

pub(crate) use bridge::Bridge;
pub use desk::DeskState;
pub(crate) use desk::{Desk, Work};
pub(crate) use hall::Hall;
pub(crate) use job::Playing;
pub use job::{Job, Piece};
pub(crate) use tape::Tape;
pub use tape::{Reel, Reeled};

use crate::audio::dtmf::Digit;
use crate::audio::gather::Why;

/// What has happened at the engine to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Its peer pressed a key.
    Key(Digit),
    /// What was played to it is over, to its end or before.
    Played {
        /// The name that the job had.
        name: Option<String>,
        /// To its end.
        whole: bool,
    },
    /// Digits were gathered.
    Gathered {
        /// The name under which.
        name: Option<String>,
        /// Why it is over.
        why: Why,
        /// The digits.
        digits: String,
    },
    /// It speaks in a room, or has stopped.
    Talking(bool),
}
