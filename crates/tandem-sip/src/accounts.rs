//! How much one account may begin: a token bucket each. Bounded; it proves nobody and reads no message.

use crate::ids::mac;
use crate::policy::Limits;

/// Accounts remembered.
pub const ACCOUNTS_KNOWN: usize = 65_536;
/// Entries that one hash value may live in; the one longest silent makes room.
const WAYS: usize = 8;

/// The buckets of one process' accounts.
pub struct Accounts {
    secret: [u8; 16],
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    key: u64,
    at_us: u64,
    level: f32,
}

impl Accounts {
    /// Full buckets. `secret` places accounts in the table (`Keys::hash` will do). Memory is taken at the first question.
    pub fn new(secret: [u8; 16]) -> Accounts {
        Accounts { secret, buckets: Vec::new() }
    }

    /// Takes one token of an account, named by its address of record; false: it has none left.
    ///
    /// ```
    /// use tandem_sip::{accounts::Accounts, policy::Limits};
    /// let mut accounts = Accounts::new([7; 16]);
    /// let limits = Limits { account_rate: 1, account_burst: 2, ..Limits::default() };
    /// let admitted: Vec<bool> = (0..3).map(|_| accounts.admit(&limits, b"alice@demo.example", 1_000_000)).collect();
    /// assert_eq!(vec![true, true, false], admitted);
    /// assert!(accounts.admit(&limits, b"alice@demo.example", 2_000_000));
    /// ```
    pub fn admit(&mut self, limits: &Limits, aor: &[u8], now_us: u64) -> bool {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); ACCOUNTS_KNOWN];
        }
        let key = mac(&self.secret, &[aor]);
        let at = (mac(&self.secret, &[&key.to_le_bytes()]) as usize % (ACCOUNTS_KNOWN / WAYS)) * WAYS;
        let Some(set) = self.buckets.get_mut(at..at + WAYS) else { return true };
        let known = set.iter().position(|entry| entry.key == key && entry.at_us != 0);
        let (rate, burst) = (limits.account_rate as f32, limits.account_burst as f32);
        let oldest = || set.iter().enumerate().min_by_key(|(_, entry)| entry.at_us).map_or(0, |(i, _)| i);
        let i = known.unwrap_or_else(oldest);
        let Some(entry) = set.get_mut(i) else { return true };
        if known.is_none() {
            *entry = Bucket { key, at_us: now_us.max(1), level: burst };
        }
        entry.level = (entry.level + now_us.saturating_sub(entry.at_us) as f32 / 1e6 * rate).min(burst);
        entry.at_us = now_us.max(entry.at_us);
        let yes = entry.level >= 1.0;
        if yes {
            entry.level -= 1.0;
        }
        yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_own_rate() {
        let (mut accounts, limits) = (Accounts::new([7; 16]), Limits { account_rate: 5, account_burst: 10, ..Limits::default() });
        let mut count = |tries, aor: &[u8], at| (0..tries).filter(|_| accounts.admit(&limits, aor, at)).count();
        assert_eq!(10, count(15, b"alice@x", 1_000_000));
        assert_eq!(5, count(6, b"alice@x", 2_000_000));
        assert_eq!(10, count(10, b"bob@x", 1_000_000));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let (mut accounts, limits) = (Accounts::new([7; 16]), Limits { account_rate: 1, account_burst: 1, ..Limits::default() });
        assert!(accounts.admit(&limits, b"alice@x", 9_000_000));
        assert!(!accounts.admit(&limits, b"alice@x", 1_000_000));
        assert!(accounts.admit(&limits, b"alice@x", 10_000_000));
    }
}
