//! One INVITE on its way through us: its client on one side, the members that were tried on the other. A value; it sends nothing.

use crate::pool::{MemberId, Need, PoolId, CANDIDATES};
use crate::proxy::hop::{Hop, Source};
use smallvec::SmallVec;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proxy) enum Stage {
    /// Its client waits for a final response.
    Calling,
    /// Its client has a 2xx; members that were tried before still have their end to come.
    Accepted,
    /// Its client has another final response, and owes an ACK.
    Completed,
    /// It has that; repeated ACKs and responses are absorbed.
    Confirmed,
}

/// Whether a member is told to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proxy) enum Cancel {
    /// It is not.
    No,
    /// As soon as it has said anything (RFC 3261 9.1).
    Wanted,
    /// It was told, and has not answered.
    Sent,
    /// It has answered, or will not.
    Done,
}

/// One member that was tried.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Attempt {
    /// The member, or `branch::NOBODY`.
    pub(in crate::proxy) target: u16,
    /// The way there.
    pub(in crate::proxy) hop: Hop,
    /// When it was first asked.
    pub(in crate::proxy) asked_at: u64,
    /// It has said something.
    pub(in crate::proxy) heard: bool,
    /// It has said a final response, or never will.
    pub(in crate::proxy) ended: bool,
    /// The ACK to its final response.
    pub(in crate::proxy) ack: Vec<u8>,
    /// Whether it is told to stop.
    pub(in crate::proxy) cancel: Cancel,
    /// When it is told so again; 0: not.
    pub(in crate::proxy) cancel_at: u64,
    /// How often it was told.
    pub(in crate::proxy) cancels: u8,
}

/// The best final response so far.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Best {
    /// Its status; 0: none.
    pub(in crate::proxy) status: u16,
    /// As it goes to the client; empty: one of our own.
    pub(in crate::proxy) bytes: Vec<u8>,
}

/// An INVITE transaction, both sides of it. Times are microseconds, 0 means never.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Txn {
    /// Its name.
    pub(in crate::proxy) identity: u64,
    /// The key that signs its branches: a rotation changes none.
    pub(in crate::proxy) key: u8,
    /// How far it is.
    pub(in crate::proxy) stage: Stage,
    /// Where it came from.
    pub(in crate::proxy) source: Source,
    /// The member that it came from.
    pub(in crate::proxy) from: Option<MemberId>,
    /// Where its responses go.
    pub(in crate::proxy) back: Hop,
    /// Its pool; none: it went to one party that is none.
    pub(in crate::proxy) pool: Option<PoolId>,
    /// The call's key in its pool.
    pub(in crate::proxy) call: u64,
    /// What it takes of a member.
    pub(in crate::proxy) need: Need,
    /// Members that may be tried yet, next one last.
    pub(in crate::proxy) left: SmallVec<[MemberId; CANDIDATES]>,
    /// Those that were tried; the last one counts.
    pub(in crate::proxy) attempts: SmallVec<[Attempt; 1]>,
    /// The request as it came; empty once it has a final response.
    pub(in crate::proxy) request: Vec<u8>,
    /// The last response that went to the client.
    pub(in crate::proxy) reply: Vec<u8>,
    /// The best of the final responses that were not passed on.
    pub(in crate::proxy) best: Best,
    /// A provisional above 100 went to the client: no other member is tried.
    pub(in crate::proxy) rang: bool,
    /// Its client wants it no more.
    pub(in crate::proxy) cancelled: bool,
    /// When it began.
    pub(in crate::proxy) began: u64,
    /// When the client gets a 100.
    pub(in crate::proxy) trying_at: u64,
    /// When the last member's request, or the client's final response, is sent again.
    pub(in crate::proxy) resend_at: u64,
    /// How long after that it is sent once more.
    pub(in crate::proxy) resend_us: u64,
    /// When the last member that has said nothing is given up.
    pub(in crate::proxy) answer_at: u64,
    /// When ringing ends.
    pub(in crate::proxy) ring_at: u64,
    /// When all is forgotten.
    pub(in crate::proxy) end_at: u64,
}

impl Txn {
    /// One that has not begun.
    pub(in crate::proxy) fn new(source: Source, back: Hop) -> Txn {
        Txn {
            identity: 0,
            key: 0,
            stage: Stage::Calling,
            source,
            from: None,
            back,
            pool: None,
            call: 0,
            need: Need::default(),
            left: SmallVec::new(),
            attempts: SmallVec::new(),
            request: Vec::new(),
            reply: Vec::new(),
            best: Best::default(),
            rang: false,
            cancelled: false,
            began: 0,
            trying_at: 0,
            resend_at: 0,
            resend_us: 0,
            answer_at: 0,
            ring_at: 0,
            end_at: 0,
        }
    }

    /// When it has something to do next.
    pub(in crate::proxy) fn due(&self) -> u64 {
        let own = [self.trying_at, self.resend_at, self.answer_at, self.ring_at, self.end_at];
        let cancels = self.attempts.iter().map(|attempt| attempt.cancel_at);
        own.into_iter().chain(cancels).filter(|&at| at != 0).min().unwrap_or(0)
    }

    /// Bytes that it holds.
    pub(in crate::proxy) fn bytes(&self) -> usize {
        self.request.capacity()
            + self.reply.capacity()
            + self.best.bytes.capacity()
            + self.attempts.iter().map(|attempt| attempt.ack.capacity()).sum::<usize>()
    }

    /// The member that counts.
    pub(in crate::proxy) fn current(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// A member that was tried still owes us a final response.
    pub(in crate::proxy) fn is_loose(&self) -> bool {
        self.attempts.iter().any(|attempt| !attempt.ended)
    }
}
