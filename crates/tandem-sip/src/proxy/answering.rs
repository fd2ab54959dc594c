//! What members say to an INVITE: provisional and final responses, the trial of the next member, the best of several refusals
//! (RFC 3261 16.7).

use super::branch::NOBODY;
use super::compose;
use super::edit;
use super::invite::{Cancel, Stage, Txn, LIFE_US};
use super::inviting::{RING_US, T1_US};
use super::output::Output;
use super::refuse::status_line;
use super::{Proxy, Times, Verdict, World};
use crate::frame::Transport;
use crate::histogram::Histogram;
use crate::message::Message;
use crate::name::Name;
use crate::pool::Outcome;

impl Proxy {
    /// A response to an INVITE in hand. None: it is of nobody whom we asked.
    pub(super) fn invite_answered(
        &mut self,
        message: &Message<'_>,
        slot: u32,
        target: u16,
        world: &World<'_>,
        out: &mut Output,
    ) -> Option<Verdict> {
        let mut txn = self.invites.take(slot)?;
        let Some(at) = txn.attempts.iter().position(|attempt| attempt.target == target) else {
            self.invites.put(slot, txn);
            return None;
        };
        self.note_answer(&mut txn, at, message, world.now, out);
        match message.status() {
            100..=199 => self.provisional(slot, &mut txn, at, message, world.now, out),
            200..=299 => return Some(self.accepted(slot, txn, at, message, world.now, out)),
            _ => self.refused(slot, &mut txn, at, message, world.now, out),
        }
        self.keep(slot, txn, world.now);
        Some(Verdict::Done)
    }

    /// Tells the pool how its member did.
    fn note_answer(&mut self, txn: &mut Txn, at: usize, message: &Message<'_>, now: u64, out: &mut Output) {
        let status = message.status();
        let Some(attempt) = txn.attempts.get_mut(at) else { return };
        let first = !std::mem::replace(&mut attempt.heard, true);
        let last = status >= 200 && !attempt.ended;
        if attempt.target == NOBODY || !(first || last) {
            return;
        }
        let retry_after = (status == 503).then(|| message.first(Name::RetryAfter)).flatten();
        let digits =
            |value: &[u8]| value.split(|byte| !byte.is_ascii_digit()).next().and_then(|digits| crate::scan::number(digits, 86_400));
        let outcome = Outcome::Reply {
            status,
            after_us: first.then(|| now.saturating_sub(attempt.asked_at)),
            retry_after_seconds: retry_after.and_then(digits).map(|seconds| seconds as u32),
        };
        out.changes.extend(self.pools.heard(attempt.target, outcome, now));
    }

    fn provisional(&mut self, slot: u32, txn: &mut Txn, at: usize, message: &Message<'_>, now: u64, out: &mut Output) {
        if txn.attempts.get(at).is_some_and(|attempt| attempt.ended) {
            return;
        }
        if txn.attempts.get(at).is_some_and(|attempt| attempt.cancel == Cancel::Wanted) {
            self.stop(slot, txn, at, now, out);
        }
        if at + 1 != txn.attempts.len() || txn.stage != Stage::Calling {
            return;
        }
        (txn.resend_at, txn.answer_at) = (0, 0);
        if !txn.cancelled {
            txn.ring_at = now + txn.pool.map_or(RING_US, |pool| self.pools.settings(pool).ring_us);
        }
        if message.status() == 100 {
            return;
        }
        if !std::mem::replace(&mut txn.rang, true) {
            self.time(txn, |times| &mut times.answer, now);
        }
        self.forward_reply(txn, message, out);
    }

    /// A 2xx: everything further passes without state (RFC 6026).
    fn accepted(&mut self, slot: u32, mut txn: Box<Txn>, at: usize, message: &Message<'_>, now: u64, out: &mut Output) -> Verdict {
        self.forward_reply(&mut txn, message, out);
        if txn.stage == Stage::Calling {
            if !txn.rang {
                self.time(&txn, |times| &mut times.answer, now);
            }
            self.time(&txn, |times| &mut times.last, now);
            self.count_final(&txn, message.status());
        }
        let target = txn.attempts.get(at).map_or(NOBODY, |attempt| attempt.target);
        if txn.pool.is_some() {
            // The call may be counted on another member by now, or be given up.
            self.pools.begin(target, txn.call, txn.need, now);
            self.pools.answered(txn.call, now);
        }
        if let Some(attempt) = txn.attempts.get_mut(at) {
            (attempt.ended, attempt.cancel_at) = (true, 0);
        }
        for other in 0..txn.attempts.len() {
            self.stop(slot, &mut txn, other, now, out);
        }
        if txn.stage == Stage::Calling {
            (txn.trying_at, txn.resend_at, txn.answer_at, txn.ring_at) = (0, 0, 0, 0);
            txn.stage = Stage::Accepted;
            txn.end_at = now + LIFE_US;
        }
        if txn.stage == Stage::Accepted && !txn.is_loose() {
            let identity = txn.identity;
            self.forget_cancels(&txn);
            self.invites.forget(slot, txn);
            self.invites.accept(identity, target, now);
        } else {
            self.keep(slot, txn, now);
        }
        Verdict::Done
    }

    fn refused(&mut self, slot: u32, txn: &mut Txn, at: usize, message: &Message<'_>, now: u64, out: &mut Output) {
        self.ack(txn, at, message, out);
        let Some(attempt) = txn.attempts.get_mut(at) else { return };
        let repeated = std::mem::replace(&mut attempt.ended, true);
        attempt.cancel_at = 0;
        if repeated || at + 1 != txn.attempts.len() || txn.stage != Stage::Calling {
            return;
        }
        let mut bytes = Vec::new();
        if !edit::answer(&mut bytes, message) {
            bytes.clear();
        }
        let status = message.status();
        if let Some(attempt) = txn.attempts.get(at).filter(|attempt| status == 503 && attempt.target == NOBODY) {
            out.unwell.push((attempt.hop.transport, attempt.hop.remote));
        }
        if self.goes_on(txn, Some(status)) {
            better(txn, status, bytes);
            if self.try_another(slot, txn, now, out) {
                return;
            }
            return self.exhausted(txn, now, out);
        }
        if txn.cancelled && !bytes.is_empty() {
            return self.finish(txn, status, bytes, now, out);
        }
        better(txn, status, bytes);
        self.exhausted(txn, now, out);
    }

    /// Whether another member may be tried after this.
    pub(super) fn goes_on(&self, txn: &Txn, status: Option<u16>) -> bool {
        let wanted = |status| txn.pool.is_some_and(|pool| self.pools.settings(pool).retries(status));
        !txn.rang && !txn.cancelled && txn.stage == Stage::Calling && status.is_none_or(wanted)
    }

    /// Asks the next member, if there is one that can be taken.
    pub(super) fn try_another(&mut self, slot: u32, txn: &mut Txn, now: u64, out: &mut Output) -> bool {
        if txn.left.is_empty() {
            return false;
        }
        self.with_request(txn, |proxy, txn, message, ahead| proxy.ask_next(slot, txn, message, ahead, now, out)).unwrap_or(false)
    }

    /// Nobody is left to try: the client gets the best of what was said.
    pub(super) fn exhausted(&mut self, txn: &mut Txn, now: u64, out: &mut Output) {
        let best = std::mem::take(&mut txn.best);
        let settings = txn.pool.map(|pool| self.pools.settings(pool));
        match (best.status, settings) {
            // RFC 3261 16.7, 6: a 503 says that *we* cannot serve. So it is where all members said it; else it is a 500.
            (503, Some(settings)) if settings.retries(503) && !txn.rang => {
                let (status, after) = (settings.full_status, settings.retry_after_seconds);
                self.finish_own(txn, status, after, now, out);
            }
            (503, _) => self.finish_own(txn, 500, 0, now, out),
            (status, _) if best.bytes.is_empty() => self.finish_own(txn, if status == 0 { 408 } else { status }, 0, now, out),
            (status, _) => self.finish(txn, status, best.bytes, now, out),
        }
    }

    /// Gives the client a final response of our own.
    pub(super) fn finish_own(&mut self, txn: &mut Txn, status: u16, retry_after: u32, now: u64, out: &mut Output) {
        let line = status_line(status);
        let header = if retry_after > 0 { format!("Retry-After: {retry_after}\r\n") } else { String::new() };
        let bytes = self.own_reply(txn, status, line.get(4..).unwrap_or_default(), header.as_bytes());
        self.finish(txn, status, bytes, now, out);
    }

    /// Gives the client its final response, which is no 2xx.
    pub(super) fn finish(&mut self, txn: &mut Txn, status: u16, bytes: Vec<u8>, now: u64, out: &mut Output) {
        let start = out.bytes.len();
        out.bytes.extend_from_slice(&bytes);
        out.sent(start, txn.back, 0);
        self.counters.responses += 1;
        self.time(txn, |times| &mut times.last, now);
        self.count_final(txn, status);
        if txn.call != 0 {
            self.pools.ended(txn.call);
        }
        txn.reply = bytes;
        txn.stage = Stage::Completed;
        (txn.trying_at, txn.answer_at, txn.ring_at) = (0, 0, 0);
        txn.resend_us = T1_US;
        txn.resend_at = if txn.back.transport == Transport::Udp { now + T1_US } else { 0 };
        txn.end_at = now + LIFE_US;
        if !txn.is_loose() {
            txn.request = Vec::new();
        }
    }

    fn forward_reply(&mut self, txn: &mut Txn, message: &Message<'_>, out: &mut Output) {
        let start = out.bytes.len();
        if !edit::answer(&mut out.bytes, message) {
            return;
        }
        txn.trying_at = 0;
        if message.status() < 200 {
            txn.reply.clear();
            txn.reply.extend_from_slice(out.bytes.get(start..).unwrap_or_default());
        }
        out.sent(start, txn.back, 0);
        self.counters.responses += 1;
    }

    /// The ACK of ours to a refusal; the same again for its repetition.
    fn ack(&mut self, txn: &mut Txn, at: usize, message: &Message<'_>, out: &mut Output) {
        if txn.attempts.get(at).is_some_and(|attempt| attempt.ack.is_empty()) {
            let mut ack = Vec::new();
            self.with_sent(txn, at, |invite| compose::ack(&mut ack, invite, message));
            if let Some(attempt) = txn.attempts.get_mut(at) {
                attempt.ack = ack;
            }
        }
        let Some(attempt) = txn.attempts.get(at).filter(|attempt| !attempt.ack.is_empty()) else { return };
        let start = out.bytes.len();
        out.bytes.extend_from_slice(&attempt.ack);
        out.sent(start, attempt.hop, 0);
    }

    /// Counts how long it took; what goes to no pool is not timed.
    fn time(&mut self, txn: &Txn, of: impl Fn(&mut Times) -> &mut Histogram, now: u64) {
        if let Some(pool) = txn.pool {
            of(self.times.entry(pool).or_default()).add(now.saturating_sub(txn.began));
        }
    }

    fn count_final(&mut self, txn: &Txn, status: u16) {
        if let Some(count) = self.counters.finals.get_mut(usize::from(status / 100).saturating_sub(2)) {
            *count += 1;
        }
        self.counters.failed_over += u64::from(status < 300 && txn.attempts.len() > 1);
    }

    pub(super) fn forget_cancels(&mut self, txn: &Txn) {
        for attempt in txn.attempts.iter().filter(|attempt| matches!(attempt.cancel, Cancel::Sent | Cancel::Done)) {
            let sum = super::branch::sum_of(&self.keys, txn.key, txn.identity, attempt.target);
            self.invites.forget_cancel(sum);
        }
    }
}

/// Keeps the better of two refusals (RFC 3261 16.7, 6): 6xx, else the lowest class, in it what says how to try again.
fn better(txn: &mut Txn, status: u16, bytes: Vec<u8>) {
    if txn.best.status == 0 || rank(status) < rank(txn.best.status) {
        (txn.best.status, txn.best.bytes) = (status, bytes);
    }
}

fn rank(status: u16) -> u16 {
    match status {
        600..=699 => 0,
        401 | 407 | 415 | 420 | 484 => status / 100 * 10,
        // Nothing came from there: any word of a member says more.
        408 => 95,
        _ => status / 100 * 10 + 1,
    }
}
