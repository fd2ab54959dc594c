//! Client transactions: repeat a request until it is answered, acknowledge final responses to INVITE. RFC 3261 17.1, RFC 6026 7.2.

use super::timers::{earlier, Intervals, Timers};
use super::{CallId, Flow, Sink, Table};
use crate::frame::{Address, Transport};

/// How many dialogs one INVITE of ours may make; 2xx with further To tags are absorbed.
pub const MAX_FORKS: usize = 32;

/// All client transactions, by a keyed hash of (call, n).
#[derive(Debug)]
pub struct Clients {
    rows: Table<Client>,
    cancels: Table<u64>,
    timers: Timers,
    intervals: Intervals,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No response yet (Calling, Trying).
    Asked,
    /// A provisional response came.
    Proceeding,
    /// A final response came (Completed): absorbs its repeats.
    Completed,
    /// A 2xx to INVITE came (RFC 6026).
    Accepted,
}

#[derive(Debug)]
struct Client {
    bytes: Box<[u8]>,
    flow: Flow,
    call: CallId,
    n: u32,
    shard: u16,
    state: State,
    invite: bool,
    quiet: bool,
    held: bool,
    due: u64,
    interval: u64,
    deadline: u64,
    answers: Vec<Answer>,
    cancelled: bool,
    alias: u64,
    /// How it goes over UDP when the stream that was tried first cannot be opened (RFC 3261 18.1.1).
    fallback: Option<Box<(Flow, Box<[u8]>)>>,
    /// An INVITE's: the CANCEL that waits until a provisional response came (RFC 3261 9.1); 0: none.
    cancel: u64,
}

/// One 2xx of an INVITE of ours, by its To tag, and our ACK to it.
#[derive(Debug)]
struct Answer {
    tag: u64,
    ack: Option<(Flow, Box<[u8]>)>,
}

/// A request to send, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its transaction's owner.
    pub call: CallId,
    /// Its number.
    pub n: u32,
    /// An INVITE.
    pub invite: bool,
    /// Key under which a response to this CANCEL is found (its branch is the INVITE's); 0 for all other methods.
    pub cancel: u64,
    /// For a CANCEL, the key of the INVITE that it cancels.
    pub cancel_of: u64,
    /// Where to.
    pub flow: Flow,
    /// Shard, for the fence.
    pub shard: u16,
    /// The whole request.
    pub message: &'a [u8],
    /// Tell nothing of responses.
    pub quiet: bool,
    /// Microseconds since it was first sent.
    pub age: u64,
    /// A provisional response was seen.
    pub proceeding: bool,
    /// The same request for UDP, if `flow` is a stream that may not open.
    pub fallback: Option<(Flow, &'a [u8])>,
}

/// What became of a request that the edge could not send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsent {
    /// It is over, and its owner is to be told.
    Over(CallId, u32),
    /// It goes over UDP now, to this peer.
    FellBack(Flow),
    /// Nobody waits for it.
    Unknown,
}

/// What a response means for its reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Final {
    /// Tell Python. `n` is the transaction's own number.
    Tell {
        /// Number of the transaction.
        n: u32,
        /// Our ACK waits until the event is taken.
        ack_waits: bool,
    },
    /// A repeat, a 100, or nobody asked: taken at once.
    Absorb,
    /// No such transaction.
    Unknown,
}

impl Clients {
    /// No transactions.
    pub fn new(intervals: Intervals) -> Clients {
        Clients { rows: Table::default(), cancels: Table::default(), timers: Timers::default(), intervals }
    }

    /// Transactions in hand.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when none is in hand.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sends a request, or goes on with one that a dead owner had sent. A CANCEL waits until its INVITE has a provisional response,
    /// and is dropped when there is nothing (any more) that it could cancel: RFC 3261 9.1.
    pub fn ask(&mut self, key: u64, asked: &Asked<'_>, now: u64, sink: &mut impl Sink) {
        let t = self.intervals;
        let reliable = asked.flow.transport.is_reliable();
        let deadline = now.saturating_sub(asked.age) + t.life();
        let state = if asked.proceeding { State::Proceeding } else { State::Asked };
        let unbounded = asked.proceeding && asked.invite && !asked.quiet; // a quiet INVITE only acknowledges a refusal that a dead owner saw
        let over = deadline <= now && !unbounded;
        if over {
            if !asked.quiet {
                sink.timed_out(&asked.call, u64::from(asked.n), false);
            }
            return;
        }
        let mut row = Client {
            bytes: asked.message.into(),
            flow: asked.flow,
            call: asked.call,
            n: asked.n,
            shard: asked.shard,
            state,
            invite: asked.invite,
            quiet: asked.quiet,
            held: false,
            due: 0,
            interval: t.t1,
            deadline,
            answers: Vec::new(),
            cancelled: false,
            alias: asked.cancel,
            cancel: 0,
            fallback: asked.fallback.map(|(flow, bytes)| Box::new((flow, bytes.into()))),
        };
        if asked.cancel != 0 {
            match self.rows.get_mut(&asked.cancel_of) {
                Some(invite) if invite.state == State::Asked => {
                    invite.cancel = key;
                    (row.interval, row.deadline) = (0, 0);
                    self.rows.insert(key, row);
                    return;
                }
                Some(invite) if invite.state == State::Proceeding => {}
                _ => return,
            }
        }
        if asked.proceeding {
            (row.interval, row.deadline) = if unbounded { (0, 0) } else { (if asked.invite { 0 } else { t.t2 }, deadline) };
        } else {
            sink.send(&asked.flow, asked.shard, key, asked.message);
        }
        if reliable {
            row.interval = 0;
        }
        row.due = next(&row, now);
        self.timers.arm(row.due, key);
        self.rows.insert(key, row);
        if asked.cancel != 0 {
            self.cancels.insert(asked.cancel, key);
            self.expect_end(asked.cancel_of, now);
        }
    }

    /// The CANCEL that waited for a provisional response goes out.
    fn cancel(&mut self, key: u64, cancel: u64, now: u64, sink: &mut impl Sink) {
        let t = self.intervals;
        let Some(row) = self.rows.get_mut(&cancel) else { return };
        sink.send(&row.flow, row.shard, cancel, &row.bytes);
        (row.interval, row.deadline) = (if row.flow.transport.is_reliable() { 0 } else { t.t1 }, now + t.life());
        row.due = next(row, now);
        self.timers.arm(row.due, cancel);
        self.cancels.insert(row.alias, cancel);
        self.expect_end(key, now);
    }

    /// RFC 3261 9.1: an INVITE without a final response 64*T1 after its CANCEL is over.
    fn expect_end(&mut self, key: u64, now: u64) {
        let end = now + self.intervals.life();
        let Some(row) = self.rows.get_mut(&key).filter(|row| matches!(row.state, State::Asked | State::Proceeding)) else { return };
        (row.cancelled, row.deadline) = (true, end);
        row.due = next(row, now);
        self.timers.arm(row.due, key);
    }

    /// The key of the transaction to which a response belongs, from the hash of its branch.
    pub fn key(&self, hash: u64, cancel: bool) -> Option<u64> {
        if cancel {
            self.cancels.get(&hash).copied()
        } else {
            Some(hash).filter(|key| self.rows.contains_key(key))
        }
    }

    /// A response came over this flow. After a stream has broken the peer answers on its next one, and our ACKs must take it too.
    pub fn heard_on(&mut self, key: u64, flow: &Flow) {
        let Some(row) = self.rows.get_mut(&key).filter(|row| row.flow.connection != 0 && flow.connection != 0) else { return };
        let old = std::mem::replace(&mut row.flow, *flow);
        for (ack, _) in row.answers.iter_mut().filter_map(|answer| answer.ack.as_mut()) {
            if (ack.edge, ack.connection) == (old.edge, old.connection) {
                *ack = *flow;
            }
        }
    }

    /// A response came. `tag` is a hash of its To tag; `ack` makes the ACK to a non-2xx from the request's bytes.
    pub fn answered(
        &mut self,
        key: u64,
        status: u16,
        tag: u64,
        now: u64,
        sink: &mut impl Sink,
        ack: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Final {
        let t = self.intervals;
        if status >= 200 {
            self.drop_cancel(key);
        }
        let Some(row) = self.rows.get_mut(&key) else { return Final::Unknown };
        let reliable = row.flow.transport.is_reliable();
        let tell = if row.quiet { Final::Absorb } else { Final::Tell { n: row.n, ack_waits: false } };
        match (status, row.state) {
            (0..=199, State::Asked | State::Proceeding) => {
                if row.state == State::Asked {
                    (row.state, row.fallback) = (State::Proceeding, None);
                    if row.invite {
                        // Timers A and B end here (17.1.1.2)
                        (row.interval, row.deadline) = (0, if row.cancelled { row.deadline } else { 0 });
                    } else if !reliable {
                        row.interval = t.t2;
                    }
                    row.due = next(row, now);
                    self.timers.arm(row.due, key);
                    let cancel = std::mem::take(&mut row.cancel);
                    if cancel != 0 {
                        self.cancel(key, cancel, now, sink);
                    }
                }
                if status == 100 {
                    Final::Absorb
                } else {
                    tell
                }
            }
            (0..=199, _) => Final::Absorb,
            (200..=299, State::Asked | State::Proceeding | State::Accepted) if row.invite => {
                if row.state != State::Accepted {
                    (row.state, row.interval, row.deadline) = (State::Accepted, 0, now + t.life()); // RFC 6026, timer M
                    row.bytes = Box::default();
                    row.due = row.deadline;
                    self.timers.arm(row.due, key);
                }
                if let Some(answer) = row.answers.iter().find(|answer| answer.tag == tag) {
                    if let Some((flow, bytes)) = &answer.ack {
                        sink.send(flow, row.shard, 0, bytes);
                    }
                    return Final::Absorb;
                }
                if row.answers.len() >= MAX_FORKS {
                    return Final::Absorb;
                }
                row.answers.push(Answer { tag, ack: None });
                tell
            }
            (_, State::Asked | State::Proceeding) => {
                (row.state, row.interval) = (State::Completed, 0);
                row.deadline = now
                    + if !row.invite {
                        if reliable {
                            0
                        } else {
                            t.t4
                        }
                    } else {
                        t.life()
                    };
                if row.invite {
                    row.bytes = ack(&row.bytes).into_boxed_slice();
                    row.held = !row.quiet;
                    if row.quiet {
                        sink.send(&row.flow, row.shard, 0, &row.bytes);
                    }
                } else {
                    row.bytes = Box::default();
                }
                let (n, ack_waits, ended) = (row.n, row.held, !row.held && reliable);
                if ended {
                    self.drop_row(key);
                } else {
                    row.due = row.deadline;
                    self.timers.arm(row.due, key);
                }
                if let Final::Tell { .. } = tell {
                    Final::Tell { n, ack_waits }
                } else {
                    tell
                }
            }
            (300.., State::Completed) => {
                if row.invite && !row.held {
                    sink.send(&row.flow, row.shard, 0, &row.bytes);
                }
                Final::Absorb
            }
            _ => Final::Absorb,
        }
    }

    /// The event of a final non-2xx was taken: its ACK goes out.
    pub fn taken(&mut self, key: u64, sink: &mut impl Sink) {
        let Some(row) = self.rows.get_mut(&key).filter(|row| row.held) else { return };
        row.held = false;
        sink.send(&row.flow, row.shard, 0, &row.bytes);
        if row.flow.transport.is_reliable() {
            self.drop_row(key); // RFC 3261 17.1.1.2, timer D is 0
        }
    }

    /// Sends the ACK to a 2xx (unless `send` is false) and keeps it for repeats of that 2xx.
    #[allow(clippy::too_many_arguments)]
    pub fn acknowledge(
        &mut self,
        key: u64,
        call: CallId,
        n: u32,
        shard: u16,
        tag: u64,
        flow: Flow,
        ack: &[u8],
        age: u64,
        send: bool,
        now: u64,
        sink: &mut impl Sink,
    ) {
        if send {
            sink.send(&flow, shard, 0, ack);
        }
        let deadline = now.saturating_sub(age) + self.intervals.life();
        if deadline <= now {
            return;
        }
        self.drop_cancel(key);
        let row = self.rows.entry(key).or_insert_with(|| Client {
            bytes: Box::default(),
            flow,
            call,
            n,
            shard,
            state: State::Accepted,
            invite: true,
            quiet: false,
            held: false,
            due: deadline,
            interval: 0,
            deadline,
            answers: Vec::new(),
            cancelled: false,
            alias: 0,
            cancel: 0,
            fallback: None,
        });
        if row.state != State::Accepted {
            // A new owner re-arms the INVITE first and this ACK next.
            row.state = State::Accepted;
            (row.interval, row.deadline, row.due, row.bytes) = (0, deadline, deadline, Box::default());
        }
        let kept = Some((flow, ack.into()));
        match row.answers.iter().position(|answer| answer.tag == tag) {
            Some(at) => row.answers[at].ack = kept,
            None if row.answers.len() < MAX_FORKS => row.answers.push(Answer { tag, ack: kept }),
            None => {}
        }
        self.timers.arm(row.due, key);
    }

    /// Drops a transaction without a word.
    pub fn forget(&mut self, key: u64) {
        self.drop_row(key);
    }

    /// The edge could not send the request: it goes over UDP, if it was meant for that too and nothing was heard yet, or is over.
    pub fn fail(&mut self, key: u64, now: u64, sink: &mut impl Sink) -> Unsent {
        let t = self.intervals;
        let Some(row) = self.rows.get_mut(&key).filter(|row| matches!(row.state, State::Asked | State::Proceeding)) else {
            return Unsent::Unknown;
        };
        if let Some(flow) = row.fall_back() {
            sink.send(&row.flow, row.shard, key, &row.bytes);
            (row.interval, row.deadline) = (t.t1, now + t.life());
            row.due = next(row, now);
            self.timers.arm(row.due, key);
            let cancel = row.cancel;
            if let Some(cancel) = self.rows.get_mut(&cancel) {
                cancel.fall_back(); // RFC 3261 9.1: it goes where its INVITE goes
            }
            return Unsent::FellBack(flow);
        }
        let (call, n) = (row.call, row.n);
        self.drop_row(key);
        Unsent::Over(call, n)
    }

    /// The bytes of a request in hand, or of the ACK that has its branch.
    pub fn message(&self, key: u64) -> Option<&[u8]> {
        self.rows.get(&key).map(|row| &row.bytes[..])
    }

    /// The transport and peer of a request in hand, and whether it may still change to UDP.
    pub fn towards(&self, key: u64) -> Option<(Transport, Address, bool)> {
        self.rows.get(&key).map(|row| (row.flow.transport, row.flow.remote, row.fallback.is_some()))
    }

    /// Repeats and ends what is due.
    pub fn advance(&mut self, now: u64, sink: &mut impl Sink) {
        while let Some((due, key)) = self.timers.due(now) {
            let Some(row) = self.rows.get_mut(&key).filter(|row| row.due == due) else { continue };
            if row.deadline != 0 && due >= row.deadline {
                if matches!(row.state, State::Asked | State::Proceeding) {
                    sink.timed_out(&row.call, u64::from(row.n), false);
                }
                self.drop_row(key);
                continue;
            }
            sink.send(&row.flow, row.shard, key, &row.bytes);
            // Timer A doubles without a cap (17.1.1.2), timer E up to T2 (17.1.2.2)
            row.interval = if row.invite { row.interval * 2 } else { (row.interval * 2).min(self.intervals.t2) };
            row.due = next(row, due);
            if row.due <= now {
                row.due = next(row, now).max(now + 1);
            }
            self.timers.arm(row.due, key);
        }
    }

    /// The next time at which `advance` may have something to do; 0: never.
    pub fn wake_at(&self) -> u64 {
        self.timers.wake_at()
    }

    /// A CANCEL that still waits for its INVITE's provisional response is not needed any more.
    fn drop_cancel(&mut self, key: u64) {
        let waiting = self.rows.get_mut(&key).map_or(0, |row| std::mem::take(&mut row.cancel));
        if waiting != 0 {
            self.rows.remove(&waiting);
        }
    }

    fn drop_row(&mut self, key: u64) {
        self.drop_cancel(key);
        if let Some(row) = self.rows.remove(&key) {
            if row.alias != 0 && self.cancels.get(&row.alias) == Some(&key) {
                self.cancels.remove(&row.alias);
            }
        }
    }
}

impl Client {
    fn fall_back(&mut self) -> Option<Flow> {
        let fallback = self.fallback.take().filter(|_| self.state == State::Asked)?;
        (self.flow, self.bytes) = *fallback;
        Some(self.flow)
    }
}

fn next(row: &Client, from: u64) -> u64 {
    if row.interval == 0 {
        row.deadline
    } else {
        earlier(from + row.interval, row.deadline)
    }
}
