//! Verdicts by what they depend on: so many, for so long; those that nobody asked for lately go first. It asks nobody.

use super::Given;
use std::collections::HashMap;
use std::sync::Arc;

/// Most verdicts of one edge.
pub const VERDICTS: usize = 1_000_000;

struct Verdict {
    given: Option<Arc<Given>>,
    until: u64,
}

/// Two halves: what is used moves to the young one; when that is full, the old one is forgotten.
#[derive(Default)]
pub(super) struct Kept {
    young: HashMap<Box<[u8]>, Verdict>,
    old: HashMap<Box<[u8]>, Verdict>,
    most: usize,
}

impl Kept {
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most.min(VERDICTS);
        if self.len() > self.most {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        (self.young, self.old) = (HashMap::new(), HashMap::new());
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The verdict that is in force: `Some(None)` says that the routes decide.
    pub(super) fn get(&mut self, key: &[u8], now: u64) -> Option<Option<Arc<Given>>> {
        if let Some(verdict) = self.young.get(key) {
            return (verdict.until > now).then(|| verdict.given.clone());
        }
        let (key, verdict) = self.old.remove_entry(key)?;
        if verdict.until <= now {
            return None;
        }
        let given = verdict.given.clone();
        self.add(key, verdict);
        Some(given)
    }

    pub(super) fn put(&mut self, key: Box<[u8]>, given: Option<Arc<Given>>, until: u64) {
        self.old.remove(&key);
        self.add(key, Verdict { given, until });
    }

    fn add(&mut self, key: Box<[u8]>, verdict: Verdict) {
        if self.most < 2 {
            return;
        }
        if self.young.len() >= self.most / 2 && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Box<[u8]> {
        n.to_le_bytes().into()
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut kept = Kept::default();
        kept.limit(10);
        for n in 0..1_000 {
            kept.put(key(n), None, 100);
            assert!(kept.get(&key(0), 50).is_some(), "after {n}");
            assert!(kept.len() <= 10);
        }
        assert!(kept.get(&key(990), 50).is_none());
    }

    #[test]
    fn a_verdict_ends() {
        let mut kept = Kept::default();
        kept.limit(10);
        kept.put(key(1), None, 100);
        assert!(kept.get(&key(1), 99).is_some());
        assert!(kept.get(&key(1), 100).is_none());
        kept.clear();
        assert_eq!(0, kept.len());
    }
}
