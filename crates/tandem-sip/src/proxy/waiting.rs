//! What happens when nothing does: 100, retransmissions, members that are silent, calls that ring too long, and what could not be sent.

use super::branch::NOBODY;
use super::invite::{Best, Cancel, Stage, Txn, LIFE_US};
use super::inviting::{read_cookie, T1_US, T2_US};
use super::output::Output;
use super::Proxy;
use crate::pool::Outcome;

impl Proxy {
    /// When `advance` has something to do.
    pub fn wake_at(&self) -> Option<u64> {
        let times = [self.invites.wake_at(), self.pools.wake_at(), self.policy.asking.wake_at(), self.probing.wake_at()];
        times.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn advance(&mut self, now: u64, out: &mut Output) {
        self.tire(now, out);
        self.invites.lapse_until(now);
        while let Some(slot) = self.invites.due(now) {
            let Some(mut txn) = self.invites.take(slot) else { continue };
            if txn.end_at != 0 && txn.end_at <= now {
                let (identity, accepted) = (txn.identity, txn.stage == Stage::Accepted);
                self.forget_cancels(&txn);
                self.invites.forget(slot, txn);
                if accepted {
                    self.invites.accept(identity, NOBODY, now);
                }
                continue;
            }
            self.act(slot, &mut txn, now, out);
            self.keep(slot, txn, now);
        }
        self.pools.advance(now);
        self.probe(now, out);
    }

    fn act(&mut self, slot: u32, txn: &mut Txn, now: u64, out: &mut Output) {
        let is_due = |at: u64| at != 0 && at <= now;
        if is_due(txn.trying_at) {
            txn.trying_at = 0;
            let bytes = self.own_reply(txn, 100, "Trying", b"");
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&bytes);
            out.sent(start, txn.back, 0);
            txn.reply = bytes;
        }
        for at in 0..txn.attempts.len() {
            if txn.attempts.get(at).is_some_and(|attempt| is_due(attempt.cancel_at)) {
                self.cancel_again(txn, at, now, out);
            }
        }
        if is_due(txn.answer_at) {
            txn.answer_at = 0;
            return self.silent(slot, txn, now, out);
        }
        if is_due(txn.ring_at) {
            txn.ring_at = 0;
            let at = txn.attempts.len().saturating_sub(1);
            self.stop(slot, txn, at, now, out);
            self.counters.rang_out += 1;
            return self.finish_own(txn, 408, 0, now, out);
        }
        if is_due(txn.resend_at) {
            self.resend(txn, now, out);
        }
    }

    /// The INVITE to a member again (timer A), or our final response to the client (timer G).
    fn resend(&mut self, txn: &mut Txn, now: u64, out: &mut Output) {
        txn.resend_us *= 2;
        let start = out.bytes.len();
        match txn.stage {
            Stage::Calling => {
                let at = txn.attempts.len().saturating_sub(1);
                let Some((hop, target)) = txn.current().map(|attempt| (attempt.hop, attempt.target)) else { return };
                if txn.resend_us == 2 * T1_US && target != NOBODY {
                    out.changes.extend(self.pools.heard(target, Outcome::Late, now));
                }
                if self.with_sent(txn, at, |invite| out.bytes.extend_from_slice(invite.bytes())).is_some() {
                    out.sent(start, hop, 0);
                }
                txn.resend_at = now + txn.resend_us;
            }
            Stage::Completed => {
                txn.resend_us = txn.resend_us.min(T2_US);
                out.bytes.extend_from_slice(&txn.reply);
                out.sent(start, txn.back, 0);
                txn.resend_at = now + txn.resend_us;
            }
            Stage::Accepted | Stage::Confirmed => txn.resend_at = 0,
        }
        self.counters.resent += 1;
    }

    fn cancel_again(&mut self, txn: &mut Txn, at: usize, now: u64, out: &mut Output) {
        let Some(attempt) = txn.attempts.get_mut(at) else { return };
        attempt.cancels = attempt.cancels.saturating_add(1);
        let wait = (T1_US << attempt.cancels.min(8)).min(T2_US);
        // RFC 3261 9.1: no final response 64*T1 after the CANCEL: it will not come. 11 sendings of timer E are 64*T1.
        if attempt.hop.transport.is_reliable() || attempt.cancels >= 11 {
            (attempt.cancel, attempt.cancel_at, attempt.ended) = (Cancel::Done, 0, true);
            if at + 1 == txn.attempts.len() && txn.stage == Stage::Calling {
                self.finish_own(txn, 487, 0, now, out);
            }
            return;
        }
        attempt.cancel_at = now + wait;
        if attempt.cancel == Cancel::Sent {
            self.send_cancel(txn, at, out);
        }
    }

    /// The CANCEL was answered: it is not repeated, and the INVITE's own end must come.
    pub(super) fn cancel_answered(&mut self, slot: u32, sum: u64, now: u64) {
        let Some(mut txn) = self.invites.take(slot) else { return };
        let (keys, identity, key) = (&self.keys, txn.identity, txn.key);
        let attempt = txn.attempts.iter_mut().find(|attempt| super::branch::sum_of(keys, key, identity, attempt.target) == sum);
        if let Some(attempt) = attempt.filter(|attempt| attempt.cancel == Cancel::Sent) {
            attempt.cancel = Cancel::Done;
            attempt.cancels = 10;
            attempt.cancel_at = if attempt.ended { 0 } else { now + LIFE_US };
        }
        self.keep(slot, txn, now);
    }

    /// The last member said nothing in time.
    fn silent(&mut self, slot: u32, txn: &mut Txn, now: u64, out: &mut Output) {
        let at = txn.attempts.len().saturating_sub(1);
        self.counters.silent_members += 1;
        self.give_up(slot, txn, at, Outcome::NoAnswer, now, out);
    }

    /// A message could not be sent. False: the cookie is none of ours.
    pub fn failed(&mut self, cookie: u64, now: u64, out: &mut Output) -> bool {
        let Some((slot, at, part)) = read_cookie(cookie) else { return self.probe_failed(cookie, now, out) };
        let same = |txn: &&Txn| txn.identity & 0xff_ffff == part && txn.stage == Stage::Calling && at + 1 == txn.attempts.len();
        if self.invites.get(slot).filter(same).is_none() {
            return false;
        }
        let Some(mut txn) = self.invites.take(slot) else { return false };
        if let Some(attempt) = txn.attempts.get_mut(at).filter(|attempt| !attempt.heard) {
            attempt.ended = true;
            self.counters.unsent += 1;
            self.give_up(slot, &mut txn, at, Outcome::Transport, now, out);
        }
        self.keep(slot, txn, now);
        true
    }

    fn give_up(&mut self, slot: u32, txn: &mut Txn, at: usize, outcome: Outcome, now: u64, out: &mut Output) {
        (txn.resend_at, txn.answer_at) = (0, 0);
        let target = txn.attempts.get(at).map_or(NOBODY, |attempt| attempt.target);
        if target != NOBODY {
            out.changes.extend(self.pools.heard(target, outcome, now));
        } else if let Some(attempt) = txn.attempts.get(at) {
            out.unwell.push((attempt.hop.transport, attempt.hop.remote));
        }
        // It may have it all the same: if it says anything later, it is told to stop.
        self.stop(slot, txn, at, now, out);
        if txn.cancelled {
            return self.finish_own(txn, 487, 0, now, out);
        }
        if self.goes_on(txn, None) && self.try_another(slot, txn, now, out) {
            return;
        }
        if txn.best.status == 0 {
            txn.best = Best { status: if outcome == Outcome::Transport { 503 } else { 408 }, bytes: Vec::new() };
        }
        self.exhausted(txn, now, out);
    }
}
