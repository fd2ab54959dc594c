//! The datagram flows that one edge keeps alive: who is due now, spread evenly, and who has stopped answering. It sends nothing.

use super::ring::{Entry, Ring};
use super::{Kind, Watch, Watched};
use crate::frame::{Address, Transport};

/// Different (kind, interval) pairs at a time; what is beyond goes with the nearest shorter interval of its kind.
pub const RINGS: usize = 8;
/// Flows of one edge; what is beyond is not kept alive, and counted.
pub const FLOWS_MOST: usize = 2_000_000;
/// Pings of one turn, so that a late turn does not send all that is owed at once.
pub const PINGS_PER_TURN: usize = 1_024;
/// Shortest time between two turns, in microseconds.
pub const TURN_US: u64 = 20_000;
/// In `misses`: its owner has been told.
const LOST: u8 = 0x80;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Line ends to this flow.
    Ping {
        /// Address of ours.
        local: u8,
        /// The phone.
        remote: Address,
    },
    /// OPTIONS to this flow.
    Ask {
        /// Address of ours.
        local: u8,
        /// The phone.
        remote: Address,
    },
    /// Tell this owner that the phone answers, or no more.
    Tell {
        /// Which link named the flow.
        owner: u8,
        /// The flow.
        flow: Watched,
        /// It answers.
        answers: bool,
    },
}

/// All of them.
#[derive(Debug)]
pub struct Watches {
    secret: [u8; 16],
    rings: Vec<Turn>,
    /// The life of each owner's link: raised by its HELLO.
    lives: [u8; 256],
    refused: u64,
}

#[derive(Debug)]
struct Turn {
    kind: Kind,
    seconds: u16,
    ring: Ring,
    /// Microseconds times places that were not yet served.
    owed: u64,
    /// When it was served last.
    last: u64,
    /// When all places must have had their turn.
    end: u64,
}

impl Watches {
    /// None; `secret` keys the look-up, since who registers chooses addresses.
    pub fn new(secret: [u8; 16]) -> Watches {
        Watches { secret, rings: Vec::new(), lives: [0; 256], refused: 0 }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rings.iter().map(|turn| turn.ring.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.rings.iter().map(|turn| turn.ring.memory()).sum()
    }

    /// Flows that there was no room for.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// An owner has said HELLO: what it names from now on stays when it says `forget_rest`.
    pub fn began(&mut self, owner: u8) {
        let life = &mut self.lives[usize::from(owner)];
        *life = life.wrapping_add(1);
    }

    /// An owner names a flow, for the first time or again. `now` is monotonic, `wall` since 1970.
    pub fn watch(&mut self, owner: u8, watch: &Watch, now: u64, wall_s: u32) {
        if watch.flow.transport != Transport::Udp || watch.until <= wall_s || !matches!(watch.kind, Kind::Crlf | Kind::Options) {
            return;
        }
        let Watched { local, remote, cookie, .. } = watch.flow;
        let Some(at) = self.turn_for(watch.kind, watch.seconds.max(1), now) else { return };
        for (_, turn) in self.rings.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            turn.forget(&watch.flow);
        }
        let full = self.len() >= FLOWS_MOST;
        let life = self.lives[usize::from(owner)];
        let Some(Turn { ring, .. }) = self.rings.get_mut(at) else { return };
        let entry = Entry { remote, local, owner, life, misses: 0, pinged: 0, until: watch.until, cookie };
        match ring.find(local, &remote, cookie).and_then(|place| ring.get_mut(place)) {
            Some(known) => *known = Entry { pinged: known.pinged, ..entry },
            None if full => self.refused += 1,
            None => ring.add(entry),
        }
    }

    /// An owner has no interest in a binding's flow any more.
    pub fn forget(&mut self, flow: &Watched) {
        self.rings.iter_mut().for_each(|turn| turn.forget(flow));
    }

    /// An owner has named all that it wants: what it named in earlier lives of its link is over.
    pub fn forget_rest(&mut self, owner: u8) {
        let life = self.lives[usize::from(owner)];
        self.rings.iter_mut().for_each(|turn| turn.ring.retain(|entry| entry.owner != owner || entry.life == life));
    }

    /// A phone that was asked has answered.
    pub fn answered(&mut self, local: u8, remote: &Address, mut due: impl FnMut(Due)) {
        for turn in self.rings.iter_mut().filter(|turn| turn.kind == Kind::Options) {
            let places: smallvec::SmallVec<[u32; 4]> = turn.ring.of_flow(local, remote).collect();
            for place in places {
                let Some(entry) = turn.ring.get_mut(place) else { continue };
                if std::mem::take(&mut entry.misses) & LOST != 0 {
                    due(Due::Tell { owner: entry.owner, flow: watched(entry), answers: true });
                }
            }
        }
    }

    /// Serves whose turn it is. A phone is told lost when it has left `misses` OPTIONS unanswered.
    pub fn advance(&mut self, now: u64, wall_s: u32, misses: u8, mut due: impl FnMut(Due)) {
        let mut budget = PINGS_PER_TURN;
        for turn in &mut self.rings {
            let mut count = turn.count(now).min(budget);
            budget -= count;
            while count > 0 && turn.ring.left() > 0 {
                turn.serve(wall_s, misses.clamp(1, LOST - 1), &mut due);
                count -= 1;
            }
        }
    }

    /// When `advance` has something to do; `None`: never.
    pub fn wake_at(&self) -> Option<u64> {
        let of = |turn: &Turn| {
            let (left, time) = (turn.ring.left() as u64, turn.end.saturating_sub(turn.last));
            let next = time.saturating_sub(turn.owed).checked_div(left).unwrap_or(time);
            (turn.ring.len() > 0).then(|| turn.last + next.max(TURN_US))
        };
        self.rings.iter().filter_map(of).min()
    }

    fn turn_for(&mut self, kind: Kind, seconds: u16, now: u64) -> Option<usize> {
        if let Some(at) = self.rings.iter().position(|turn| (turn.kind, turn.seconds) == (kind, seconds)) {
            return Some(at);
        }
        if self.rings.len() < RINGS {
            self.rings.push(Turn::new(kind, seconds, self.secret, now));
            return Some(self.rings.len() - 1);
        }
        if let Some(at) = self.rings.iter().position(|turn| turn.ring.len() == 0) {
            self.rings[at] = Turn::new(kind, seconds, self.secret, now);
            return Some(at);
        }
        let alike = self.rings.iter().enumerate().filter(|(_, turn)| turn.kind == kind);
        alike.min_by_key(|(_, turn)| (turn.seconds > seconds, turn.seconds.abs_diff(seconds))).map(|(at, _)| at)
    }
}

impl Turn {
    fn new(kind: Kind, seconds: u16, secret: [u8; 16], now: u64) -> Turn {
        Turn { kind, seconds, ring: Ring::new(secret), owed: 0, last: now, end: now + u64::from(seconds) * 1_000_000 }
    }

    fn forget(&mut self, flow: &Watched) {
        if let Some(place) = self.ring.find(flow.local, &flow.remote, flow.cookie) {
            self.ring.remove(place);
        }
    }

    /// How many are due. The pace is what is left of the round in places and in time, so that it ends in time though more came.
    fn count(&mut self, now: u64) -> usize {
        let round = u64::from(self.seconds) * 1_000_000;
        if now >= self.end {
            if self.ring.left() > 0 {
                return self.ring.left();
            }
            let begin = if now - self.end < round { self.end } else { now };
            let (part, of) = self.ring.begin();
            (self.owed, self.last, self.end) = (0, begin, begin + round * part / of);
        }
        let time = (self.end - self.last).max(1);
        self.owed += now.saturating_sub(self.last) * self.ring.left() as u64;
        self.last = now;
        let count = self.owed / time;
        self.owed -= count * time;
        count as usize
    }

    fn serve(&mut self, wall_s: u32, misses: u8, due: &mut impl FnMut(Due)) {
        let place = self.ring.next();
        let Some(&entry) = self.ring.get(place).filter(|entry| entry.until > 0) else { return };
        if entry.until <= wall_s {
            return self.ring.remove(place);
        }
        // Lines of one phone share its flow: one ping is enough for all of them.
        if wall_s.saturating_sub(entry.pinged) < u32::from(self.seconds) / 2 {
            return;
        }
        let places: smallvec::SmallVec<[u32; 4]> = self.ring.of_flow(entry.local, &entry.remote).collect();
        for place in places {
            let Some(entry) = self.ring.get_mut(place) else { continue };
            entry.pinged = wall_s;
            if self.kind != Kind::Options {
                continue;
            }
            if entry.misses == misses {
                entry.misses |= LOST;
                due(Due::Tell { owner: entry.owner, flow: watched(entry), answers: false });
            } else if entry.misses < misses {
                entry.misses += 1;
            }
        }
        let (local, remote) = (entry.local, entry.remote);
        due(if self.kind == Kind::Options { Due::Ask { local, remote } } else { Due::Ping { local, remote } });
    }
}

fn watched(entry: &Entry) -> Watched {
    Watched { flow: 0, transport: Transport::Udp, local: entry.local, remote: entry.remote, cookie: entry.cookie }
}

#[cfg(test)]
#[path = "watches_tests.rs"]
mod tests;
