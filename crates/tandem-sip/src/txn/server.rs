//! Server transactions: absorb repeats of a request, repeat a final response until its ACK. RFC 3261 17.2, RFC 6026 7.1.

use super::timers::{earlier, Intervals, Timers};
use super::{CallId, Flow, Sink, Table};

/// How long an INVITE may stay without a final response before its row is dropped, in T1 (1 hour). A guard against leaks.
const UNANSWERED: u64 = 7200;

/// All server transactions, by handle.
#[derive(Debug)]
pub struct Servers {
    rows: Table<Server>,
    acks: Table<u64>,
    timers: Timers,
    intervals: Intervals,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing sent yet.
    Received,
    /// A provisional response was sent.
    Proceeding,
    /// A final non-2xx to INVITE was sent and is not acknowledged (timers G, H).
    Completed,
    /// A 2xx to INVITE was sent and is not acknowledged (RFC 3261 13.3.1.4, RFC 6026 timer L).
    Accepted,
    /// Acknowledged, or a final response that nobody acknowledges: only here to absorb (timers I, J, L).
    Ended,
}

#[derive(Debug)]
struct Server {
    bytes: Box<[u8]>,
    flow: Flow,
    call: CallId,
    shard: u16,
    state: State,
    invite: bool,
    silent: bool,
    /// Its call knows that the connection is gone.
    told: bool,
    due: u64,
    interval: u64,
    deadline: u64,
    ack: u64,
}

/// A response to send, and how.
#[derive(Clone, Copy, Debug)]
pub struct Responding<'a> {
    /// Status code.
    pub status: u16,
    /// To an INVITE.
    pub invite: bool,
    /// Where to.
    pub flow: Flow,
    /// Shard, for the fence.
    pub shard: u16,
    /// Call.
    pub call: CallId,
    /// The whole response.
    pub message: &'a [u8],
    /// A provisional response that is repeated until `stop` (RFC 3262 3).
    pub reliable: bool,
    /// Microseconds since it was first sent; above 0 when a new owner goes on.
    pub age: u64,
    /// Keep it for repeats of the request only.
    pub acked: bool,
    /// Hash of (our tag, CSeq): names the ACK to a 2xx. 0: none.
    pub ack: u64,
    /// The owner's own answer: nobody is told when its ACK never comes.
    pub silent: bool,
}

/// What an ACK is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckIs {
    /// The first to a 2xx of ours.
    First,
    /// One that changes nothing.
    Again,
    /// For nothing that is in hand.
    Unknown,
}

impl Servers {
    /// No transactions.
    pub fn new(intervals: Intervals) -> Servers {
        Servers { rows: Table::default(), acks: Table::default(), timers: Timers::default(), intervals }
    }

    /// Transactions in hand.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when none is in hand.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// True if the transaction is in hand.
    pub fn knows(&self, handle: u64) -> bool {
        self.rows.contains_key(&handle)
    }

    /// The call of a transaction in hand.
    pub fn call(&self, handle: u64) -> Option<CallId> {
        self.rows.get(&handle).map(|row| row.call)
    }

    /// A request came in. True: it is new and in hand now. False: a repeat, absorbed; the last response went again.
    pub fn receive(&mut self, handle: u64, invite: bool, call: CallId, shard: u16, flow: &Flow, now: u64, sink: &mut impl Sink) -> bool {
        if let Some(row) = self.rows.get_mut(&handle) {
            if row.flow.remote == flow.remote && row.flow.transport == flow.transport || is_next_stream(&row.flow, flow) {
                row.flow = *flow; // the address may be held by another edge now
            }
            if !row.bytes.is_empty() {
                sink.send(&row.flow, row.shard, handle, &row.bytes);
            }
            return false;
        }
        self.take_up(handle, invite, call, shard, flow, now);
        true
    }

    /// Takes up a transaction that has sent nothing yet.
    pub fn take_up(&mut self, handle: u64, invite: bool, call: CallId, shard: u16, flow: &Flow, now: u64) {
        let life = if invite { UNANSWERED * self.intervals.t1 } else { self.intervals.life() };
        let row = Server {
            bytes: Box::default(),
            flow: *flow,
            call,
            shard,
            state: State::Received,
            invite,
            silent: false,
            told: false,
            due: now + life,
            interval: 0,
            deadline: now + life,
            ack: 0,
        };
        if let std::collections::hash_map::Entry::Vacant(place) = self.rows.entry(handle) {
            self.timers.arm(place.insert(row).due, handle);
        }
    }

    /// Sends a response, and arms what it needs.
    pub fn respond(&mut self, handle: u64, response: &Responding<'_>, now: u64, sink: &mut impl Sink) {
        if !self.knows(handle) {
            self.take_up(handle, response.invite, response.call, response.shard, &response.flow, now);
        }
        let t = self.intervals;
        let Some(row) = self.rows.get_mut(&handle) else { return };
        if matches!(row.state, State::Completed | State::Accepted) && is_next_stream(&row.flow, &response.flow) {
            // the same answer where the peer is now; the one before went into a dead connection
            (row.flow, row.told, row.interval) = (response.flow, false, if row.state == State::Accepted { t.t1 } else { 0 });
            row.due = if row.interval == 0 { row.deadline } else { earlier(now + row.interval, row.deadline) };
            sink.send(&row.flow, row.shard, handle, &row.bytes);
            self.timers.arm(row.due, handle);
            return;
        }
        if matches!(row.state, State::Completed | State::Accepted | State::Ended) {
            return; // RFC 3261 17.2.1: one final response
        }
        (row.flow, row.shard, row.silent) = (response.flow, response.shard, response.silent);
        let reliable = response.flow.transport.is_reliable();
        let started = now.saturating_sub(response.age);
        let late = response.age >= t.life();
        match response.status {
            0..=199 => {
                row.state = State::Proceeding;
                if response.reliable {
                    row.interval = t.t1;
                    row.deadline = started + t.life();
                }
            }
            status if row.invite => {
                let accepted = status < 300;
                row.state = if response.acked {
                    State::Ended
                } else if accepted {
                    State::Accepted
                } else {
                    State::Completed
                };
                row.interval = if response.acked || (reliable && !accepted) { 0 } else { t.t1 };
                row.deadline = started + t.life();
                if accepted && response.ack != 0 {
                    row.ack = response.ack;
                    self.acks.insert(response.ack, handle);
                }
            }
            _ => {
                (row.state, row.interval) = (State::Ended, 0);
                row.deadline = if reliable { now } else { started + t.life() };
            }
        }
        if !response.acked && !late {
            sink.send(&response.flow, response.shard, handle, response.message);
        }
        if row.state == State::Ended && row.deadline <= now {
            self.drop_row(handle);
            return;
        }
        row.bytes = response.message.into();
        row.due = if row.interval == 0 { row.deadline } else { earlier(now + row.interval, row.deadline) };
        self.timers.arm(row.due, handle);
    }

    /// An ACK with the branch of an INVITE of ours that was refused: absorbed. False when it is not such a one.
    pub fn refusal_acked(&mut self, handle: u64, now: u64) -> bool {
        let Some(row) = self.rows.get_mut(&handle) else { return false };
        if row.state == State::Completed {
            row.state = State::Ended;
            row.bytes = Box::default();
            row.interval = 0;
            // RFC 3261 17.2.1, timer I: T4 for datagrams, else 0
            row.deadline = if row.flow.transport.is_reliable() { now } else { now + self.intervals.t4 };
            row.due = row.deadline;
            self.timers.arm(row.due, handle);
            return true;
        }
        row.state == State::Ended && row.invite && row.ack == 0
    }

    /// An ACK to a 2xx, by hash of (our tag, CSeq).
    pub fn accepted_acked(&mut self, ack: u64) -> AckIs {
        let Some(handle) = self.acks.get(&ack).copied() else { return AckIs::Unknown };
        let Some(row) = self.rows.get_mut(&handle) else { return AckIs::Unknown };
        if row.state != State::Accepted {
            return AckIs::Again;
        }
        row.state = State::Ended; // RFC 6026 7.1: repeats of the INVITE are absorbed until timer L
        row.bytes = Box::default();
        row.interval = 0;
        row.due = row.deadline;
        self.timers.arm(row.due, handle);
        AckIs::First
    }

    /// Ends the repetition of a reliable 1xx or of a 2xx. What is kept still answers repeats of the request.
    pub fn stop(&mut self, handle: u64, now: u64) {
        let guard = now + UNANSWERED * self.intervals.t1;
        let Some(row) = self.rows.get_mut(&handle) else { return };
        match row.state {
            State::Proceeding => row.deadline = guard,
            State::Accepted => row.state = State::Ended,
            _ => return,
        }
        row.interval = 0;
        row.due = row.deadline;
        self.timers.arm(row.due, handle);
    }

    /// The edge could not send: repetition ends. The call to tell, once; that no ACK came either it is told at the time for that.
    pub fn fail(&mut self, handle: u64) -> Option<CallId> {
        let row = self.rows.get_mut(&handle)?;
        let tell = !row.silent && row.state != State::Ended && !std::mem::replace(&mut row.told, true);
        row.interval = 0;
        row.due = row.deadline;
        self.timers.arm(row.due, handle);
        tell.then_some(row.call)
    }

    /// Repeats and ends what is due.
    pub fn advance(&mut self, now: u64, sink: &mut impl Sink) {
        while let Some((due, handle)) = self.timers.due(now) {
            let Some(row) = self.rows.get_mut(&handle).filter(|row| row.due == due) else { continue };
            if due >= row.deadline {
                let waits =
                    row.state == State::Completed || row.state == State::Accepted || (row.state == State::Proceeding && row.interval > 0);
                if waits && !row.silent {
                    sink.timed_out(&row.call, handle, true);
                }
                if row.state == State::Proceeding && row.invite && row.interval > 0 {
                    // RFC 3262 3: no PRACK within 64*T1. The call decides what to answer; the transaction stays.
                    (row.interval, row.deadline) = (0, now + UNANSWERED * self.intervals.t1);
                    row.due = row.deadline;
                    self.timers.arm(row.due, handle);
                } else {
                    self.drop_row(handle);
                }
                continue;
            }
            sink.send(&row.flow, row.shard, handle, &row.bytes);
            row.interval *= 2;
            if row.state != State::Proceeding {
                row.interval = row.interval.min(self.intervals.t2); // RFC 3261 17.2.1, 13.3.1.4; RFC 3262 3 has no cap
            }
            row.due = earlier(due + row.interval, row.deadline);
            if row.due <= now {
                row.due = earlier(now + row.interval, row.deadline).max(now + 1);
                // after a pause: once, not a burst
            }
            self.timers.arm(row.due, handle);
        }
    }

    /// The next time at which `advance` may have something to do; 0: never.
    pub fn wake_at(&self) -> u64 {
        self.timers.wake_at()
    }

    fn drop_row(&mut self, handle: u64) {
        if let Some(row) = self.rows.remove(&handle) {
            if row.ack != 0 && self.acks.get(&row.ack) == Some(&handle) {
                self.acks.remove(&row.ack);
            }
        }
    }
}

/// Whether a peer whose stream has broken is back on another one: the same host by the same transport.
fn is_next_stream(old: &Flow, new: &Flow) -> bool {
    old.connection != 0
        && new.connection != 0
        && (old.edge, old.connection) != (new.edge, new.connection)
        && old.transport == new.transport
        && old.remote.ip() == new.remote.ip()
}
