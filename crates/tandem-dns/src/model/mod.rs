//! The pure part: questions, answers, choices, draws. No socket, no clock, no randomness: time and chance are arguments.

pub mod cache;
mod e164;
mod found;
mod ill;
mod naptr;
mod question;
mod regexp;
mod search;
mod seeded;
mod wish;

pub use cache::Cache;
pub use e164::{Enum, EnumFound, ENUM_HOPS, ENUM_SERVICE};
pub use found::{Choice, Found, Target, TARGETS};
pub use ill::Ill;
pub use naptr::{Naptr, Service};
pub use question::{clean, Answer, Data, Failure, Kind, Question, Records, Srv};
pub use regexp::{apply, BadRegexp};
pub use search::{How, Outcome, Search, CHOICES};
pub use seeded::Seeded;
pub use wish::{BadWish, Wish};

#[cfg(test)]
mod search_tests;
