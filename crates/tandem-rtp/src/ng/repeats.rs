//! Answers kept for a while, so that a repeated question gets the answer it had. It does not send them.

use std::collections::{BTreeMap, VecDeque};

/// How long an answer is kept, microseconds: a client repeats for a few seconds.
pub const KEPT_MICROSECONDS: u64 = 30_000_000;
/// Answers kept at most; the oldest goes first.
pub const KEPT_ANSWERS: usize = 65_536;
/// Bytes of answers kept at most.
pub const KEPT_BYTES: usize = 64 << 20;

/// Answers by client and cookie.
///
/// ```
/// let mut repeats = tandem_rtp::ng::repeats::Repeats::default();
/// repeats.keep(0, b"10.0.0.1:5000", b"5323_1", b"5323_1 d6:result4:ponge".to_vec());
/// assert!(repeats.answer(1_000, b"10.0.0.1:5000", b"5323_1").is_some());
/// assert!(repeats.answer(30_000_000, b"10.0.0.1:5000", b"5323_1").is_none());
/// ```
#[derive(Debug, Default)]
pub struct Repeats {
    answers: BTreeMap<Vec<u8>, Kept>,
    /// In the order of `keep`: when, and what.
    order: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    since: u64,
    answer: Box<[u8]>,
}

impl Repeats {
    /// The answer that `cookie` of `client` had in the last 30 seconds. `client` is any name for the sender: cookies of two
    /// clients may be alike. `now` in microseconds.
    pub fn answer(&mut self, now: u64, client: &[u8], cookie: &[u8]) -> Option<&[u8]> {
        self.forget(now);
        self.answers.get(&key(client, cookie)).map(|kept| &kept.answer[..])
    }

    /// Keeps an answer from `now` on.
    pub fn keep(&mut self, now: u64, client: &[u8], cookie: &[u8], answer: Vec<u8>) {
        self.forget(now);
        let key = key(client, cookie);
        self.bytes += key.len() + answer.len();
        if let Some(old) = self.answers.insert(key.clone(), Kept { since: now, answer: answer.into_boxed_slice() }) {
            self.bytes -= key.len() + old.answer.len();
        }
        self.order.push_back((now, key));
        while self.order.len() > KEPT_ANSWERS || self.bytes > KEPT_BYTES {
            self.drop_oldest();
        }
    }

    /// Answers held now.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn forget(&mut self, now: u64) {
        while self.order.front().is_some_and(|(since, _)| now.saturating_sub(*since) >= KEPT_MICROSECONDS) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((since, key)) = self.order.pop_front() else { return };
        // A cookie that was kept twice stands twice in the order: only the later one counts.
        if self.answers.get(&key).is_some_and(|kept| kept.since == since) {
            if let Some(kept) = self.answers.remove(&key) {
                self.bytes -= key.len() + kept.answer.len();
            }
        }
    }
}

fn key(client: &[u8], cookie: &[u8]) -> Vec<u8> {
    // No cookie holds a space: the key is read in one way only.
    [cookie, b" ", client].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_again_for_thirty_seconds_and_to_its_client_only() {
        let mut repeats = Repeats::default();
        repeats.keep(0, b"a", b"1", b"x".to_vec());
        assert_eq!(Some(&b"x"[..]), repeats.answer(KEPT_MICROSECONDS - 1, b"a", b"1"));
        assert_eq!(None, repeats.answer(0, b"b", b"1"));
        assert_eq!(None, repeats.answer(KEPT_MICROSECONDS, b"a", b"1"));
        assert!(repeats.is_empty());
    }

    #[test]
    fn the_later_of_two_answers_counts_and_bytes_are_counted_right() {
        let mut repeats = Repeats::default();
        repeats.keep(0, b"a", b"1", b"first".to_vec());
        repeats.keep(10, b"a", b"1", b"second".to_vec());
        assert_eq!(Some(&b"second"[..]), repeats.answer(KEPT_MICROSECONDS + 5, b"a", b"1"));
        assert_eq!(None, repeats.answer(KEPT_MICROSECONDS + 10, b"a", b"1"));
        assert_eq!(0, repeats.bytes);
    }

    #[test]
    fn no_more_than_the_limits_is_held() {
        let mut repeats = Repeats::default();
        for number in 0..KEPT_ANSWERS + 10 {
            repeats.keep(1, b"a", number.to_string().as_bytes(), Vec::new());
        }
        assert_eq!(KEPT_ANSWERS, repeats.len());
        for number in 0..3 {
            repeats.keep(2, b"a", format!("l{number}").as_bytes(), vec![0; KEPT_BYTES / 2]);
        }
        assert!(repeats.bytes <= KEPT_BYTES && repeats.len() < 3);
    }
}
