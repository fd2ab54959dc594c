//! How often each nonce was used: the owner's memory against replay. Bounded; it verifies no nonce itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Nonces remembered, in two generations of half each.
pub const NONCES_KNOWN: usize = 200_000;
/// How far a nonce count may lag behind the highest seen and still be new (requests overtake each other).
pub const WINDOW: u32 = 64;

/// nonce -> highest `nc` and a window below it. Only proven credentials enter, so nobody without a password can fill it.
#[derive(Default)]
pub struct Nonces {
    young: Table,
    old: Table,
    since_us: u64,
}

type Table = HashMap<u64, Seen, BuildHasherDefault<Sum>>;

#[derive(Clone, Copy)]
struct Seen {
    highest: u32,
    window: u64,
}

impl Nonces {
    /// Counts one use of the nonce `sum` (of `Nonce::Fresh`); false: this `nc` was seen, it is a replay. An unknown nonce is
    /// taken as new: the table did not survive a restart, and a fresh nonce proves that it is ours.
    /// A credential without qop counts as `nc` 1: it is good for one request, the next one is challenged with a new nonce.
    pub fn count(&mut self, sum: u64, nc: Option<u32>, nonce_seconds: u32, now_us: u64) -> bool {
        self.rotate(nonce_seconds, now_us);
        let nc = nc.unwrap_or(1);
        let known = self.young.get(&sum).or_else(|| self.old.get(&sum)).copied();
        let Some(seen) = known.map_or(Some(Seen { highest: nc, window: 1 }), |seen| seen.and(nc)) else { return false };
        self.young.insert(sum, seen);
        true
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A nonce is in `young` at its last use, so a generation that began two lifetimes ago holds only dead ones.
    fn rotate(&mut self, nonce_seconds: u32, now_us: u64) {
        let aged = now_us.saturating_sub(self.since_us) > u64::from(nonce_seconds) * 1_000_000;
        if aged || self.young.len() >= NONCES_KNOWN / 2 {
            self.old = std::mem::take(&mut self.young);
            self.since_us = now_us;
        }
    }
}

impl Seen {
    fn and(self, nc: u32) -> Option<Seen> {
        if nc > self.highest {
            let window = self.window.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            return Some(Seen { highest: nc, window });
        }
        let behind = self.highest - nc;
        let bit = (behind < WINDOW).then(|| 1u64 << behind)?;
        (self.window & bit == 0).then_some(Seen { window: self.window | bit, ..self })
    }
}

/// The key is a keyed MAC already: it is its own hash.
#[derive(Default)]
struct Sum(u64);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nonce_count_is_good_once() {
        let mut nonces = Nonces::default();
        assert!(nonces.count(7, Some(1), 300, 0));
        assert!(!nonces.count(7, Some(1), 300, 1));
        assert!(nonces.count(7, Some(2), 300, 2));
        assert!(nonces.count(8, Some(1), 300, 3));
    }

    #[test]
    fn counts_may_overtake_each_other_within_the_window() {
        let mut nonces = Nonces::default();
        assert!(nonces.count(7, Some(100), 300, 0));
        assert!(nonces.count(7, Some(37), 300, 0));
        assert!(!nonces.count(7, Some(37), 300, 0));
        assert!(!nonces.count(7, Some(36), 300, 0), "64 behind is too far");
        assert!(nonces.count(7, Some(u32::MAX), 300, 0));
        assert!(!nonces.count(7, Some(100), 300, 0));
    }

    #[test]
    fn a_credential_without_qop_is_good_once() {
        let mut nonces = Nonces::default();
        assert!(nonces.count(7, None, 300, 0));
        assert!(!nonces.count(7, None, 300, 0));
    }

    #[test]
    fn a_nonce_unknown_after_a_restart_is_taken() {
        assert!(Nonces::default().count(7, Some(55), 300, 9_000_000_000));
    }

    #[test]
    fn a_replay_is_known_for_the_whole_life_of_the_nonce() {
        let mut nonces = Nonces::default();
        assert!(nonces.count(7, Some(1), 300, 1_000_000_000));
        for second in 1..=300 {
            assert!(nonces.count(1000 + second, Some(1), 300, 1_000_000_000 + second * 1_000_000));
            assert!(!nonces.count(7, Some(1), 300, 1_000_000_000 + second * 1_000_000));
        }
    }

    #[test]
    fn the_table_never_outgrows_its_limit() {
        let mut nonces = Nonces::default();
        for sum in 0..NONCES_KNOWN as u64 * 2 {
            nonces.count(sum.wrapping_mul(0x9e37_79b9_7f4a_7c15), Some(1), 300, 1_000_000_000);
        }
        assert!(nonces.len() <= NONCES_KNOWN);
    }
}
