//! Random numbers from a seed of the caller: transactions, the tie-breaker, the spread of intervals.

use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::stun::Transaction;

/// A row of numbers that nobody foresees without the seed.
#[derive(Clone)]
pub(super) struct Draw {
    seed: [u8; 32],
    drawn: u64,
}

impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draw({})", self.drawn)
    }
}

impl Draw {
    /// `seed`: of this agent alone; the same seed twice gives the same transactions.
    pub(super) fn new(seed: [u8; 32]) -> Draw {
        Draw { seed, drawn: 0 }
    }

    pub(super) fn transaction(&mut self) -> Transaction {
        self.drawn += 1;
        let mac = Hmac::<Sha1>::new_from_slice(&self.seed).map(|mac| mac.chain_update(self.drawn.to_be_bytes()).finalize().into_bytes());
        mac.ok().as_deref().and_then(|bytes| bytes.first_chunk().copied()).unwrap_or_default()
    }

    pub(super) fn number(&mut self) -> u64 {
        self.transaction().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}
