//! What an edge knows of its sources, for the operator: bans and the worst offenders. A copy of a moment; it changes nothing.

use super::tail::Entry;
use super::{Abuse, Reason, Source, MINUTE_US};
use crate::cidr::{key_source, source_key};
use serde::Serialize;
use std::net::IpAddr;

/// Bans and sources that one report names, at most.
pub const REPORTED: usize = 1_000;

/// A source that is not heard now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Banned {
    /// An address; an IPv6 address stands for its /64.
    pub source: IpAddr,
    /// Why.
    pub why: Reason,
    /// Until when, microseconds since 1970.
    pub until_us: u64,
    /// How long that still is, seconds, rounded up.
    pub seconds: u64,
}

/// A source that was refused something, whether it is banned or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Suspect {
    /// An address; an IPv6 address stands for its /64.
    pub source: IpAddr,
    /// Messages above its rate.
    pub refused: u32,
    /// Messages that were no SIP.
    pub malformed: u32,
    /// Users and passwords that were wrong.
    pub guesses: u32,
    /// Messages in its last whole minute, or in this one where they are more.
    pub per_minute: u32,
    /// Seconds since it was last heard.
    pub silent_seconds: u64,
}

/// A moment of one edge's memory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// Who is banned, the longest first.
    pub banned: Vec<Banned>,
    /// All of them, where `banned` is cut.
    pub banned_all: usize,
    /// The worst, by refusals, malformed messages and guesses together.
    pub suspects: Vec<Suspect>,
    /// The last messages that were refused, newest first.
    pub tail: Vec<Entry>,
}

impl Abuse {
    /// The `most` longest bans and worst sources, of all or of one. It walks the whole table, some milliseconds: for people, not for every second.
    pub fn report(&self, most: usize, of: Option<IpAddr>, now_us: u64) -> Report {
        let (most, of) = (most.min(REPORTED), of.map(source_key));
        let known = || self.sources.iter().filter(|entry| entry.at_us != 0 && of.is_none_or(|key| key == entry.key));
        let mut banned: Vec<Banned> = known().filter(|entry| entry.banned_until_us > now_us).map(|entry| banned(entry, now_us)).collect();
        banned.sort_by_key(|ban| (std::cmp::Reverse(ban.until_us), ban.source));
        let banned_all = banned.len();
        banned.truncate(most);
        let mut worst: Vec<&Source> = known().filter(|entry| guilt(entry) > 0).collect();
        worst.sort_by_key(|entry| (std::cmp::Reverse(guilt(entry)), entry.key));
        let suspects = worst.into_iter().take(most).map(|entry| suspect(entry, now_us)).collect();
        Report { banned, banned_all, suspects, tail: Vec::new() }
    }
}

fn guilt(entry: &Source) -> u64 {
    // A guess weighs more than a malformed message, that more than one too many.
    u64::from(entry.all.refused) + 10 * u64::from(entry.all.malformed) + 100 * u64::from(entry.all.guesses)
}

fn banned(entry: &Source, now_us: u64) -> Banned {
    let left = entry.banned_until_us.saturating_sub(now_us);
    Banned { source: key_source(entry.key), why: entry.why, until_us: entry.banned_until_us, seconds: left.div_ceil(1_000_000) }
}

fn suspect(entry: &Source, now_us: u64) -> Suspect {
    let last = if now_us.saturating_sub(entry.minute_at_us) < 2 * MINUTE_US { entry.messages_last } else { 0 };
    Suspect {
        source: key_source(entry.key),
        refused: entry.all.refused,
        malformed: entry.all.malformed,
        guesses: entry.all.guesses,
        per_minute: last.max(entry.messages),
        silent_seconds: now_us.saturating_sub(entry.at_us) / 1_000_000,
    }
}
