//! Who sends too much: token buckets, bans, malformed and guessing counts per source; `accounts` has those of users. Bounded; it reads no message.

mod report;
pub mod tail;

pub use report::{Banned, Report, Suspect, REPORTED};

use crate::cidr::{key_source, source_key};
use crate::ids::mac;
use crate::policy::{Limits, Policy};
use serde::Serialize;
use std::net::IpAddr;

/// Sources remembered (96 bytes each, taken as they are touched).
pub const SOURCES_KNOWN: usize = 65_536;
/// Entries that one hash value may live in; the least worth keeping makes room.
pub const WAYS: usize = 8;
/// The lane of what is under way is this many times larger than that of what is new.
pub const KEPT_LANE: f32 = 10.0;
/// Distinct users tried in vain within a minute that ban a source. An office behind one address fails with few.
pub const USERS_TRIED: u32 = 12;
/// Messages dropped within a minute, in bursts (`source_burst`), that ban a source: nothing of it is read any more.
pub const FLOOD_BURSTS: u32 = 10;
/// What a refused source is told to wait, seconds.
pub const RETRY_SECONDS: u32 = 5;
/// Longest ban, seconds: a year.
pub const BAN_SECONDS_MOST: u32 = 31_536_000;

const MINUTE_US: u64 = 60_000_000;

/// Which bucket a message takes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// A request that would begin something: refused first.
    Fresh,
    /// A response, ACK, CANCEL, a request in a dialog, an emergency call.
    Kept,
}

/// What to do with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admit {
    /// Go on.
    Yes,
    /// Say nothing.
    Drop,
    /// 503 with Retry-After.
    Refuse {
        /// Seconds.
        retry_after: u32,
    },
}

/// Why a source is banned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It went on far above its rate.
    #[default]
    Rate,
    /// It sent what is no SIP.
    Malformed,
    /// It tried many users in vain.
    Guessing,
    /// It named itself as a tool that looks for open doors.
    Scanner,
    /// An operator said so.
    Asked,
    /// Another edge of this host found it.
    Told,
}

impl Reason {
    /// As it stands in the ban log.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Rate => "rate",
            Reason::Malformed => "malformed",
            Reason::Guessing => "guessing",
            Reason::Scanner => "scanner",
            Reason::Asked => "asked",
            Reason::Told => "told",
        }
    }
}

/// A ban that has just begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ban {
    /// Whom; an IPv6 address stands for its /64.
    pub source: IpAddr,
    /// Why.
    pub why: Reason,
    /// For how long.
    pub seconds: u32,
}

/// One process' memory of its sources.
pub struct Abuse {
    secret: [u8; 16],
    sources: Box<[Source]>,
    bans: u64,
    fresh_ban: Option<Ban>,
}

#[derive(Clone, Copy, Default)]
struct Source {
    key: u64,
    at_us: u64,
    banned_until_us: u64,
    minute_at_us: u64,
    users_tried: u64, // a bit per hash of a name: distinct names, counted without keeping them
    fresh: f32,
    refusals: f32,
    kept: f32,
    malformed: u32,
    dropped: u32,
    messages: u32,      // of this minute
    messages_last: u32, // of the minute before
    why: Reason,
    all: Sums,
}

/// What a source has done since it is remembered.
#[derive(Clone, Copy, Default)]
struct Sums {
    refused: u32,
    malformed: u32,
    guesses: u32,
}

impl Abuse {
    /// An empty memory. `secret` places sources in the table (`Keys::hash` will do): who cannot guess it cannot push others out.
    pub fn new(secret: [u8; 16]) -> Abuse {
        Abuse { secret, sources: vec![Source::default(); SOURCES_KNOWN].into(), bans: 0, fresh_ban: None }
    }

    /// Whether nothing of this source is to be read now: ask before parsing.
    pub fn banned(&self, source: IpAddr, now_us: u64) -> bool {
        let key = source_key(source);
        let at = self.set_of(key, SOURCES_KNOWN);
        let set = self.sources.get(at..at + WAYS).unwrap_or_default();
        set.iter().any(|entry| entry.key == key && entry.banned_until_us > now_us)
    }

    /// Takes one token from the source's lane. Trunks and the allow list have no limit here.
    pub fn admit(&mut self, policy: &Policy, source: IpAddr, lane: Lane, now_us: u64) -> Admit {
        if policy.exempts(source) {
            return Admit::Yes;
        }
        let limits = &policy.limits;
        let Some(entry) = self.source(source, limits, now_us) else { return Admit::Yes };
        if entry.banned_until_us > now_us {
            return Admit::Drop;
        }
        entry.messages = entry.messages.saturating_add(1);
        let bucket = if lane == Lane::Fresh { &mut entry.fresh } else { &mut entry.kept };
        if take(bucket) {
            return Admit::Yes;
        }
        entry.all.refused = entry.all.refused.saturating_add(1);
        // A refusal costs us an answer: as many a second as requests, then silence.
        if lane == Lane::Fresh && take(&mut entry.refusals) {
            return Admit::Refuse { retry_after: RETRY_SECONDS };
        }
        entry.dropped += 1;
        if entry.dropped > FLOOD_BURSTS.saturating_mul(limits.source_burst) {
            self.ban(policy, source, Reason::Rate, limits.ban_seconds, now_us);
        }
        Admit::Drop
    }

    /// Counts a message that could not be parsed; true: the source is banned now.
    pub fn malformed(&mut self, policy: &Policy, source: IpAddr, now_us: u64) -> bool {
        self.blame(policy, source, Reason::Malformed, now_us, |entry, limits| {
            entry.malformed += 1;
            entry.all.malformed = entry.all.malformed.saturating_add(1);
            entry.malformed > limits.malformed_per_minute
        })
    }

    /// Counts a credential that was wrong or a user that does not exist; true: the source tried so many *different* names that it is
    /// banned now. A phone with an old password tries one name for ever and is not.
    pub fn guessed(&mut self, policy: &Policy, source: IpAddr, name: &[u8], now_us: u64) -> bool {
        let bit = mac(&self.secret, &[name]) & 63;
        self.blame(policy, source, Reason::Guessing, now_us, |entry, _| {
            entry.users_tried |= 1 << bit;
            entry.all.guesses = entry.all.guesses.saturating_add(1);
            entry.users_tried.count_ones() >= USERS_TRIED
        })
    }

    /// Bans at once if the User-Agent is a scanner's; true: it is, answer nothing.
    pub fn scanner(&mut self, policy: &Policy, source: IpAddr, user_agent: &[u8], now_us: u64) -> bool {
        policy.scanners.has(user_agent) && self.blame(policy, source, Reason::Scanner, now_us, |_, _| true)
    }

    /// Bans a source, unless the policy spares it, for `seconds` from now; true: it is banned.
    pub fn ban(&mut self, policy: &Policy, source: IpAddr, why: Reason, seconds: u32, now_us: u64) -> bool {
        if policy.spares(source) || seconds == 0 {
            return false;
        }
        let seconds = seconds.min(BAN_SECONDS_MOST);
        let Some(entry) = self.source(source, &policy.limits, now_us) else { return false };
        entry.banned_until_us = now_us.saturating_add(u64::from(seconds) * 1_000_000);
        entry.why = why;
        (entry.malformed, entry.dropped, entry.users_tried) = (0, 0, 0);
        self.bans += 1;
        self.fresh_ban = Some(Ban { source: key_source(source_key(source)), why, seconds });
        true
    }

    /// Ends a ban, with a clean record; true: there was one.
    pub fn unban(&mut self, source: IpAddr, now_us: u64) -> bool {
        let key = source_key(source);
        let at = self.set_of(key, SOURCES_KNOWN);
        let set = self.sources.get_mut(at..at + WAYS).unwrap_or_default();
        let Some(entry) = set.iter_mut().find(|entry| entry.key == key && entry.banned_until_us > now_us) else { return false };
        *entry = Source::default();
        true
    }

    /// Ends the bans of those whom the policy spares now, and names them.
    pub fn pardon(&mut self, policy: &Policy, now_us: u64) -> Vec<IpAddr> {
        let banned = self.sources.iter().filter(|entry| entry.banned_until_us > now_us).map(|entry| key_source(entry.key));
        let pardoned: Vec<IpAddr> = banned.filter(|source| policy.spares_near(*source)).collect();
        for source in &pardoned {
            self.unban(*source, now_us);
        }
        pardoned
    }

    /// Bans spoken since the start.
    pub fn bans(&self) -> u64 {
        self.bans
    }

    /// The ban that the last message or order began, once.
    pub fn take_ban(&mut self) -> Option<Ban> {
        self.fresh_ban.take()
    }

    fn blame(
        &mut self,
        policy: &Policy,
        source: IpAddr,
        why: Reason,
        now_us: u64,
        guilty: impl FnOnce(&mut Source, &Limits) -> bool,
    ) -> bool {
        if policy.exempts(source) {
            return false;
        }
        let Some(entry) = self.source(source, &policy.limits, now_us) else { return false };
        guilty(entry, &policy.limits) && (self.ban(policy, source, why, policy.limits.ban_seconds, now_us) || why == Reason::Scanner)
    }

    /// The source's entry, its buckets filled up to now. `None` never happens: the table has whole sets.
    fn source(&mut self, source: IpAddr, limits: &Limits, now_us: u64) -> Option<&mut Source> {
        let key = source_key(source);
        let at = self.set_of(key, SOURCES_KNOWN);
        let set = self.sources.get_mut(at..at + WAYS)?;
        let (rate, burst) = (limits.source_rate as f32, limits.source_burst as f32);
        let entry = match set.iter().position(|entry| entry.key == key && entry.at_us != 0) {
            Some(i) => set.get_mut(i)?,
            None => {
                // The least worth keeping: not banned, longest silent; else the ban that ends first.
                let entry = set.iter_mut().min_by_key(|entry| (entry.banned_until_us.max(now_us), entry.at_us))?;
                *entry = Source { key, at_us: now_us.max(1), minute_at_us: now_us, ..Source::default() };
                (entry.fresh, entry.refusals, entry.kept) = (burst, rate, burst * KEPT_LANE);
                entry
            }
        };
        let passed = seconds(entry.at_us, now_us);
        entry.fresh = (entry.fresh + passed * rate).min(burst);
        entry.refusals = (entry.refusals + passed * rate).min(rate);
        entry.kept = (entry.kept + passed * rate * KEPT_LANE).min(burst * KEPT_LANE);
        entry.at_us = now_us.max(entry.at_us);
        let minutes = now_us.saturating_sub(entry.minute_at_us) / MINUTE_US;
        if minutes > 0 {
            entry.minute_at_us = now_us;
            (entry.malformed, entry.dropped, entry.users_tried) = (0, 0, 0);
            (entry.messages_last, entry.messages) = (if minutes == 1 { entry.messages } else { 0 }, 0);
        }
        Some(entry)
    }

    fn set_of(&self, key: u64, known: usize) -> usize {
        (mac(&self.secret, &[&key.to_le_bytes()]) as usize % (known / WAYS)) * WAYS
    }
}

fn take(bucket: &mut f32) -> bool {
    let yes = *bucket >= 1.0;
    if yes {
        *bucket -= 1.0;
    }
    yes
}

fn seconds(from_us: u64, to_us: u64) -> f32 {
    to_us.saturating_sub(from_us) as f32 / 1e6
}

#[cfg(test)]
mod tests;
