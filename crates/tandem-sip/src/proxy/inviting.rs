//! What the client of an INVITE says: the INVITE and its repetitions, CANCEL, and the ACK to a refusal.

use super::ahead::Ahead;
use super::branch::{self, NOBODY};
use super::hop::{Hop, Source};
use super::identity::{identity, towards};
use super::invite::{Attempt, Best, Cancel, Known, Stage, Txn, LIFE_US};
use super::output::Output;
use super::refuse::said;
use super::send::Leaving;
use super::token::Token;
use super::uris::push_member_uri;
use super::{Proxy, Verdict, World};
use crate::build;
use crate::frame::Transport;
use crate::index::Index;
use crate::message::Message;
use crate::pool::{MemberId, Need, PoolId, UriMode, CANDIDATES};
use smallvec::SmallVec;

/// T1 of RFC 3261 17.1.1.2, in microseconds.
pub(super) const T1_US: u64 = 500_000;
/// T2, in microseconds.
pub(super) const T2_US: u64 = 4_000_000;
/// A client hears 100 after this long, if it has heard nothing else: RFC 3261 17.2.1 asks it within 200 ms. In microseconds.
pub(super) const TRYING_US: u64 = 125_000;
/// How long who is no member may take to say anything (Timer B), in microseconds.
pub(super) const ANSWER_US: u64 = 64 * T1_US;
/// How long it may ring there (Timer C: more than three minutes), in microseconds.
pub(super) const RING_US: u64 = 185_000_000;
/// Marks our cookies.
const COOKIE: u64 = 0xf7 << 56;

/// An INVITE that may begin a transaction.
pub(super) struct Beginning<'a, 'b> {
    pub(super) from: Option<MemberId>,
    pub(super) pool: Option<PoolId>,
    pub(super) need: Need,
    /// Members in the order of trial, or none and this one hop.
    pub(super) candidates: SmallVec<[MemberId; CANDIDATES]>,
    pub(super) hop: Option<Hop>,
    pub(super) record: Option<Token>,
    pub(super) ahead: &'a Ahead<'b>,
}

impl Proxy {
    /// What is known of the INVITE that a request is, cancels or acknowledges; and its identity.
    pub(super) fn known(&self, message: &Message<'_>, source: &Source) -> (u64, Option<Known>) {
        let via = message.top_via();
        let identity = identity(&self.keys, &via, towards(&via, source.remote), message);
        (identity, self.invites.find(identity))
    }

    /// The INVITE again: its last response again.
    pub(super) fn repeated(&mut self, slot: u32, out: &mut Output) -> Verdict {
        self.counters.repeated += 1;
        if let Some(txn) = self.invites.get(slot).filter(|txn| !txn.reply.is_empty() && txn.stage != Stage::Confirmed) {
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&txn.reply);
            out.sent(start, txn.back, 0);
        }
        Verdict::Done
    }

    /// The ACK to our final response. False: it is to something else.
    pub(super) fn acked(&mut self, slot: u32, now: u64) -> bool {
        let Some(mut txn) = self.invites.take(slot) else { return false };
        let ours = matches!(txn.stage, Stage::Completed | Stage::Confirmed);
        if ours {
            txn.stage = Stage::Confirmed;
            txn.reply = Vec::new();
            txn.resend_at = 0;
            // Nothing comes twice over streams (timers D and I are 0 there).
            let datagrams =
                txn.back.transport == Transport::Udp || txn.attempts.iter().any(|attempt| attempt.hop.transport == Transport::Udp);
            if !datagrams && !txn.is_loose() {
                self.invites.forget(slot, txn);
                return true;
            }
        }
        self.keep(slot, txn, now);
        ours
    }

    /// CANCEL: it is answered at once, and passed to who rings (RFC 3261 16.10).
    pub(super) fn cancelled(&mut self, message: &Message<'_>, source: &Source, slot: u32, world: &World<'_>, out: &mut Output) -> Verdict {
        let answered = self.refuse(message, source, "200 OK", b"", out);
        if let Some(mut txn) = self.invites.take(slot) {
            if txn.stage == Stage::Calling && !txn.cancelled {
                self.counters.cancelled += 1;
                txn.cancelled = true;
                for at in 0..txn.attempts.len() {
                    self.stop(slot, &mut txn, at, world.now, out);
                }
            }
            self.keep(slot, txn, world.now);
        }
        said(answered, "cancelled")
    }

    /// Begins a transaction. The members that cannot be taken are passed over; false: none can.
    pub(super) fn begin(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        identity: u64,
        beginning: Beginning<'_, '_>,
        world: &World<'_>,
        out: &mut Output,
    ) -> bool {
        let remote = towards(&message.top_via(), source.remote);
        let back = source.back();
        let back = if source.transport == Transport::Udp { Hop { remote, ..back } } else { back };
        let mut txn = self.invites.spare().unwrap_or_else(|| Box::new(Txn::new(*source, back)));
        let (mut request, mut reply, mut best) =
            (std::mem::take(&mut txn.request), std::mem::take(&mut txn.reply), std::mem::take(&mut txn.best.bytes));
        request.clear();
        request.extend_from_slice(message.bytes());
        reply.clear();
        best.clear();
        let call = beginning.pool.map_or(0, |pool| self.pools.call_key(pool, message.call_id()));
        let mut left = beginning.candidates;
        left.reverse();
        *txn = Txn {
            identity,
            key: self.keys.signing.first().map_or(0, |key| key.id),
            from: beginning.from,
            pool: beginning.pool,
            call,
            need: beginning.need,
            left,
            request,
            reply,
            best: Best { status: 0, bytes: best },
            began: world.now,
            trying_at: world.now + TRYING_US,
            ..Txn::new(*source, back)
        };
        let slot = self.invites.add(txn);
        let Some(mut txn) = self.invites.take(slot) else { return false };
        let sent = match beginning.hop {
            Some(hop) => {
                self.ask(slot, &mut txn, message, beginning.ahead, NOBODY, hop, beginning.record, world.now, out);
                true
            }
            None => self.ask_next(slot, &mut txn, message, beginning.ahead, world.now, out),
        };
        if sent {
            self.counters.invites += 1;
            self.keep(slot, txn, world.now);
        } else {
            self.invites.forget(slot, txn);
        }
        sent
    }

    /// Asks the next member that can be taken. False: there is none.
    pub(super) fn ask_next(
        &mut self,
        slot: u32,
        txn: &mut Txn,
        message: &Message<'_>,
        ahead: &Ahead<'_>,
        now: u64,
        out: &mut Output,
    ) -> bool {
        while let Some(member) = txn.left.pop() {
            let Some(hop) = self.hop_of(member, txn.source.local) else { continue };
            if !self.pools.begin(member, txn.call, txn.need, now) {
                continue;
            }
            let record = txn.pool.is_some_and(|pool| self.pools.settings(pool).record_route);
            let record = record.then(|| self.dialog_token(message, &txn.source, txn.from, member));
            self.ask(slot, txn, message, ahead, member, hop, record, now, out);
            return true;
        }
        false
    }

    #[allow(clippy::too_many_arguments)]
    fn ask(
        &mut self,
        slot: u32,
        txn: &mut Txn,
        message: &Message<'_>,
        ahead: &Ahead<'_>,
        target: u16,
        hop: Hop,
        record: Option<Token>,
        now: u64,
        out: &mut Output,
    ) {
        let cookie = COOKIE | (txn.attempts.len() as u64 & 0xff) << 48 | (txn.identity & 0xff_ffff) << 24 | u64::from(slot);
        let start = out.bytes.len();
        self.write_invite(txn, message, ahead, target, hop, record, &mut out.bytes);
        out.sent(start, hop, cookie);
        self.counters.requests += 1;
        self.counters.retried += u64::from(!txn.attempts.is_empty());
        let attempt = Attempt {
            target,
            hop,
            asked_at: now,
            heard: false,
            ended: false,
            ack: Vec::new(),
            cancel: Cancel::No,
            cancel_at: 0,
            cancels: 0,
        };
        txn.attempts.push(attempt);
        let answer_us = txn.pool.map_or(ANSWER_US, |pool| self.pools.settings(pool).answer_us);
        txn.answer_at = now + answer_us;
        txn.ring_at = 0;
        txn.resend_us = T1_US;
        txn.resend_at = if hop.transport == Transport::Udp { now + T1_US } else { 0 };
    }

    /// Appends the INVITE as it goes to a member: the same bytes each time.
    #[allow(clippy::too_many_arguments)]
    fn write_invite(
        &mut self,
        txn: &Txn,
        message: &Message<'_>,
        ahead: &Ahead<'_>,
        target: u16,
        hop: Hop,
        record: Option<Token>,
        out: &mut Vec<u8>,
    ) {
        let member_uri = txn.pool.is_some_and(|pool| self.pools.settings(pool).uri == UriMode::Member);
        let mut uri = std::mem::take(&mut self.uri);
        uri.clear();
        if member_uri {
            push_member_uri(&mut uri, ahead.uri, &hop);
        }
        let new = Some(&uri[..]).filter(|uri| !uri.is_empty());
        let leaving = Leaving { hop, target, key: txn.key, uri: new, record, path: None, cookie: 0 };
        self.write_on(message, &txn.source, txn.identity, ahead, &leaving, out);
        self.uri = uri;
    }

    /// Does something with the request of a transaction, parsed anew. None: its bytes are gone.
    pub(super) fn with_request<T>(
        &mut self,
        txn: &mut Txn,
        act: impl FnOnce(&mut Proxy, &mut Txn, &Message<'_>, &Ahead<'_>) -> T,
    ) -> Option<T> {
        let request = std::mem::take(&mut txn.request);
        let mut index = std::mem::take(&mut self.index);
        let result = Message::parse(&request, &super::LIMITS, &mut index).ok().and_then(|message| {
            let ahead = Ahead::of(&message, &self.own, &self.keys).ok()?;
            Some(act(self, txn, &message, &ahead))
        });
        self.index = index;
        txn.request = request;
        result
    }

    /// The INVITE as it went to one of the members, parsed: for its repetition, CANCEL and ACK.
    pub(super) fn with_sent<T>(&mut self, txn: &mut Txn, at: usize, act: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
        let (target, hop) = txn.attempts.get(at).map(|attempt| (attempt.target, attempt.hop))?;
        let mut sent = Vec::new();
        self.with_request(txn, |proxy, txn, message, ahead| {
            let record = match txn.pool {
                Some(pool) => proxy.pools.settings(pool).record_route.then(|| proxy.dialog_token(message, &txn.source, txn.from, target)),
                None => proxy.outward_record(message, ahead, txn.from),
            };
            proxy.write_invite(txn, message, ahead, target, hop, record, &mut sent);
        })?;
        let mut index = Index::default();
        let message = Message::parse(&sent, &super::LIMITS, &mut index).ok()?;
        Some(act(&message))
    }

    /// Tells a member to stop, as soon as it may be told.
    pub(super) fn stop(&mut self, slot: u32, txn: &mut Txn, at: usize, now: u64, out: &mut Output) {
        let Some(attempt) =
            txn.attempts.get_mut(at).filter(|attempt| !attempt.ended && matches!(attempt.cancel, Cancel::No | Cancel::Wanted))
        else {
            return;
        };
        attempt.cancel = Cancel::Wanted;
        if !attempt.heard {
            return;
        }
        let (hop, key, target) = (attempt.hop, txn.key, attempt.target);
        attempt.cancel = Cancel::Sent;
        attempt.cancels = 0;
        attempt.cancel_at = if hop.transport == Transport::Udp { now + T1_US } else { now + LIFE_US };
        let sum = branch::sum_of(&self.keys, key, txn.identity, target);
        self.invites.note_cancel(sum, slot);
        self.send_cancel(txn, at, out);
    }

    pub(super) fn send_cancel(&mut self, txn: &mut Txn, at: usize, out: &mut Output) {
        let Some(hop) = txn.attempts.get(at).map(|attempt| attempt.hop) else { return };
        let start = out.bytes.len();
        if self.with_sent(txn, at, |invite| super::compose::cancel(&mut out.bytes, invite)).is_some() {
            out.sent(start, hop, 0);
        }
    }

    /// Puts a transaction back, to be looked at when it is due.
    pub(super) fn keep(&mut self, slot: u32, txn: Box<Txn>, now: u64) {
        let due = txn.due();
        self.invites.put(slot, txn);
        self.invites.arm(slot, due, now);
    }

    /// A response of our own to the client of a transaction.
    pub(super) fn own_reply(&mut self, txn: &mut Txn, status: u16, reason: &str, headers: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let tag = (status != 100).then(|| own_tag(&self.keys, txn.identity));
        let remote = txn.source.remote;
        self.with_request(txn, |_, _, message, _| {
            build::response(&mut bytes, message, Some(remote), status, reason, tag.as_ref().map(|tag| &tag[..]), headers);
        });
        bytes
    }
}

/// Our To tag in a response of our own.
fn own_tag(keys: &crate::ids::Keys, identity: u64) -> Vec<u8> {
    let mut tag = Vec::with_capacity(13);
    crate::base32::push(&mut tag, keys.hash(&[b"own", &identity.to_le_bytes()]), 13);
    tag
}

/// The slot, attempt and part of the identity in a cookie of ours.
pub(super) fn read_cookie(cookie: u64) -> Option<(u32, usize, u64)> {
    (cookie >> 56 == COOKIE >> 56).then_some(((cookie & 0xff_ffff) as u32, (cookie >> 48 & 0xff) as usize, cookie >> 24 & 0xff_ffff))
}
