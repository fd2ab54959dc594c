//! Who sends too much: token buckets, bans, malformed and guessing counts per source; `accounts` has those of users. Bounded; it reads no message.

use crate::cidr::source_key;
use crate::ids::mac;
use crate::policy::{Limits, Policy};
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

const MINUTE_US: u64 = 60_000_000;

/// User-Agents of tools that only look for open doors, in lower case.
const SCANNERS: [&[u8]; 8] =
    [b"friendly-scanner", b"friendly-request", b"sipvicious", b"sipcli", b"sip-scan", b"sundayddr", b"pplsip", b"iwar"];

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

/// One process' memory of its sources.
pub struct Abuse {
    secret: [u8; 16],
    sources: Box<[Source]>,
    bans: u64,
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
}

impl Abuse {
    /// An empty memory. `secret` places sources in the table (`Keys::hash` will do): who cannot guess it cannot push others out.
    pub fn new(secret: [u8; 16]) -> Abuse {
        Abuse { secret, sources: vec![Source::default(); SOURCES_KNOWN].into(), bans: 0 }
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
        let bucket = if lane == Lane::Fresh { &mut entry.fresh } else { &mut entry.kept };
        if take(bucket) {
            return Admit::Yes;
        }
        // A refusal costs us an answer: as many a second as requests, then silence.
        if lane == Lane::Fresh && take(&mut entry.refusals) {
            return Admit::Refuse { retry_after: RETRY_SECONDS };
        }
        entry.dropped += 1;
        if entry.dropped > FLOOD_BURSTS * limits.source_burst {
            self.ban(source, limits, now_us);
        }
        Admit::Drop
    }

    /// Counts a message that could not be parsed; true: the source is banned now.
    pub fn malformed(&mut self, policy: &Policy, source: IpAddr, now_us: u64) -> bool {
        self.blame(policy, source, now_us, |entry, limits| {
            entry.malformed += 1;
            entry.malformed > limits.malformed_per_minute
        })
    }

    /// Counts a credential that was wrong or a user that does not exist; true: the source tried so many *different* names that it is
    /// banned now. A phone with an old password tries one name for ever and is not.
    pub fn guessed(&mut self, policy: &Policy, source: IpAddr, name: &[u8], now_us: u64) -> bool {
        let bit = mac(&self.secret, &[name]) & 63;
        self.blame(policy, source, now_us, |entry, _| {
            entry.users_tried |= 1 << bit;
            entry.users_tried.count_ones() >= USERS_TRIED
        })
    }

    /// Bans at once if the User-Agent is a scanner's; true: it is, answer nothing.
    pub fn scanner(&mut self, policy: &Policy, source: IpAddr, user_agent: &[u8], now_us: u64) -> bool {
        is_scanner(user_agent) && self.blame(policy, source, now_us, |_, _| true)
    }

    /// Bans a source until `ban_seconds` from now.
    pub fn ban(&mut self, source: IpAddr, limits: &Limits, now_us: u64) {
        if let Some(entry) = self.source(source, limits, now_us) {
            entry.banned_until_us = now_us.saturating_add(u64::from(limits.ban_seconds) * 1_000_000);
            (entry.malformed, entry.dropped, entry.users_tried) = (0, 0, 0);
            self.bans += 1;
        }
    }

    /// Ends a ban; false: there was none.
    pub fn unban(&mut self, source: IpAddr, now_us: u64) -> bool {
        let key = source_key(source);
        let at = self.set_of(key, SOURCES_KNOWN);
        let set = self.sources.get_mut(at..at + WAYS).unwrap_or_default();
        let Some(entry) = set.iter_mut().find(|entry| entry.key == key && entry.banned_until_us > now_us) else { return false };
        entry.banned_until_us = 0;
        true
    }

    /// Bans spoken since the start.
    pub fn bans(&self) -> u64 {
        self.bans
    }

    fn blame(&mut self, policy: &Policy, source: IpAddr, now_us: u64, guilty: impl FnOnce(&mut Source, &Limits) -> bool) -> bool {
        if policy.exempts(source) {
            return false;
        }
        let Some(entry) = self.source(source, &policy.limits, now_us) else { return false };
        let ban = guilty(entry, &policy.limits);
        if ban {
            self.ban(source, &policy.limits, now_us);
        }
        ban
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
        if now_us.saturating_sub(entry.minute_at_us) >= MINUTE_US {
            entry.minute_at_us = now_us;
            (entry.malformed, entry.dropped, entry.users_tried) = (0, 0, 0);
        }
        Some(entry)
    }

    fn set_of(&self, key: u64, known: usize) -> usize {
        (mac(&self.secret, &[&key.to_le_bytes()]) as usize % (known / WAYS)) * WAYS
    }
}

/// Whether a User-Agent is that of a tool that only looks for open doors.
pub fn is_scanner(user_agent: &[u8]) -> bool {
    SCANNERS.iter().any(|name| user_agent.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name)))
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
#[path = "abuse_tests.rs"]
mod tests;
