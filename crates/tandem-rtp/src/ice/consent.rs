//! Consent asked for, when we are controlling (RFC 7675): requests about every 5 s on the selected pair. When it ends is the pair's.

use super::draw::Draw;
use crate::stun::Transaction;

/// Between two requests, microseconds; each interval is 0.8 to 1.2 of it (RFC 7675 5.1).
const INTERVAL_US: u64 = 5_000_000;
/// Requests whose answers are waited for: as many as go out while consent lasts.
const REQUESTS: usize = 8;

/// The requests of one component.
#[derive(Debug, Clone, Default)]
pub(super) struct Consent {
    /// When the next is sent, microseconds.
    pub(super) due: u64,
    sent: [Option<Transaction>; REQUESTS],
    next: usize,
}

impl Consent {
    /// Begins on a new pair: its nomination was the first consent.
    pub(super) fn begin(&mut self, now: u64, draw: &mut Draw) {
        *self = Consent { due: now.saturating_add(interval(draw)), ..Consent::default() };
    }

    /// The next request's number. None is sent again: the next one asks anew (RFC 7675 5.1).
    pub(super) fn ask(&mut self, now: u64, draw: &mut Draw) -> Transaction {
        let transaction = draw.transaction();
        if let Some(place) = self.sent.get_mut(self.next) {
            *place = Some(transaction);
        }
        self.next = (self.next + 1) % REQUESTS;
        self.due = now.saturating_add(interval(draw));
        transaction
    }

    /// Whether this answers a request of ours; once.
    pub(super) fn answers(&mut self, transaction: Transaction) -> bool {
        self.sent.iter_mut().any(|sent| sent.take_if(|sent| *sent == transaction).is_some())
    }
}

fn interval(draw: &mut Draw) -> u64 {
    INTERVAL_US * 4 / 5 + draw.number() % (INTERVAL_US * 2 / 5)
}
