//! The set of calls that members have in hand: a key, a member and a lease each. Sums are of this set, never counters of their own.

use hashbrown::HashTable;

/// Calls held by one edge. Beyond it, members with a capacity are full and those without are not counted.
pub const CALLS_HELD: usize = 1 << 20;

const SHARDS: usize = 64; // each grows by itself: no pause for all
const CHUNK: usize = 1024;
const NIL: u32 = u32::MAX;

/// How a call stands; its lease depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Setup = 0,
    Answered = 1,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) key: u64,
    until_s: u32,
    prev: u32,
    next: u32,
    pub(super) member: u16,
    cost: u16, // the highest bit: answered
}

const ANSWERED: u16 = 1 << 15;

impl Held {
    pub(super) fn cost(&self) -> u16 {
        self.cost & !ANSWERED
    }

    pub(super) fn phase(&self) -> Phase {
        if self.cost & ANSWERED == 0 {
            Phase::Setup
        } else {
            Phase::Answered
        }
    }
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NIL, last: NIL };

/// The set. Each member has two queues, in set-up and answered: in each the lease is constant, so the first runs out first.
pub(super) struct Calls {
    index: Vec<HashTable<u32>>,
    chunks: Vec<Vec<Held>>,
    free: u32,
    len: usize,
    most: usize,
    queues: Vec<[List; 2]>,
}

impl Calls {
    pub(super) fn new(members: usize, most: usize) -> Calls {
        let index = (0..SHARDS).map(|_| HashTable::new()).collect();
        Calls { index, chunks: Vec::new(), free: NIL, len: 0, most, queues: vec![[EMPTY; 2]; members] }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: u64) -> Option<Held> {
        self.find(key).map(|at| *self.at(at))
    }

    /// Adds a call that is not there. False: `most` are held.
    pub(super) fn add(&mut self, key: u64, member: u16, cost: u16, until_us: u64) -> bool {
        if self.len >= self.most {
            return false;
        }
        let held = Held { key, until_s: seconds(until_us), prev: NIL, next: NIL, member, cost: cost & !ANSWERED };
        let at = self.place(held);
        let chunks = &self.chunks;
        if let Some(shard) = self.index.get_mut(shard(key)) {
            shard.insert_unique(key, at, |&at| key_at(chunks, at));
        }
        self.len += 1;
        self.push(at, Phase::Setup);
        true
    }

    /// Begins the lease of a call anew.
    pub(super) fn renew(&mut self, key: u64, phase: Phase, until_us: u64) {
        let Some(at) = self.find(key) else { return };
        self.unlink(at);
        self.at_mut(at).until_s = seconds(until_us);
        self.push(at, phase);
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Held> {
        let at = self.find(key)?;
        let chunks = &self.chunks;
        if let Ok(entry) = self.index.get_mut(shard(key))?.find_entry(key, |&at| key_at(chunks, at) == key) {
            entry.remove();
        }
        self.unlink(at);
        let held = *self.at(at);
        self.at_mut(at).next = self.free;
        self.free = at;
        self.len -= 1;
        Some(held)
    }

    /// The next call of a member whose lease has run out.
    pub(super) fn lapsed(&self, member: u16, now_us: u64) -> Option<u64> {
        let now_s = seconds(now_us);
        self.firsts(member).find(|held| held.until_s <= now_s).map(|held| held.key)
    }

    /// When the first lease of a member runs out.
    pub(super) fn ends_at(&self, member: u16) -> Option<u64> {
        self.firsts(member).map(|held| u64::from(held.until_s) * 1_000_000).min()
    }

    /// Every call, for those who count again.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = Held> + '_ {
        self.index.iter().flat_map(|shard| shard.iter().map(|&at| *self.at(at)))
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Held>() + self.index.iter().map(HashTable::allocation_size).sum::<usize>()
    }

    fn firsts(&self, member: u16) -> impl Iterator<Item = &Held> {
        let queues = self.queues.get(usize::from(member)).copied().unwrap_or([EMPTY; 2]);
        queues.into_iter().filter(|queue| queue.first != NIL).map(|queue| self.at(queue.first))
    }

    fn find(&self, key: u64) -> Option<u32> {
        self.index.get(shard(key))?.find(key, |&at| self.at(at).key == key).copied()
    }

    fn place(&mut self, held: Held) -> u32 {
        if self.free != NIL {
            let at = self.free;
            self.free = self.at(at).next;
            *self.at_mut(at) = held;
            return at;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk].push(held);
        (chunk * CHUNK + self.chunks[chunk].len() - 1) as u32
    }

    fn push(&mut self, at: u32, phase: Phase) {
        let member = usize::from(self.at(at).member);
        let queue = self.queues[member][phase as usize];
        let held = self.at_mut(at);
        held.cost = held.cost & !ANSWERED | if phase == Phase::Answered { ANSWERED } else { 0 };
        (held.prev, held.next) = (queue.last, NIL);
        match queue.last {
            NIL => self.queues[member][phase as usize].first = at,
            last => self.at_mut(last).next = at,
        }
        self.queues[member][phase as usize].last = at;
    }

    fn unlink(&mut self, at: u32) {
        let held = *self.at(at);
        let queue = &mut self.queues[usize::from(held.member)][held.phase() as usize];
        if held.prev == NIL {
            queue.first = held.next;
        }
        if held.next == NIL {
            queue.last = held.prev;
        }
        if held.prev != NIL {
            self.at_mut(held.prev).next = held.next;
        }
        if held.next != NIL {
            self.at_mut(held.next).prev = held.prev;
        }
    }

    fn at(&self, at: u32) -> &Held {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }

    fn at_mut(&mut self, at: u32) -> &mut Held {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

fn key_at(chunks: &[Vec<Held>], at: u32) -> u64 {
    chunks[at as usize / CHUNK][at as usize % CHUNK].key
}

fn shard(key: u64) -> usize {
    (key >> 48) as usize % SHARDS // the table itself uses the lowest bits and the highest seven
}

/// Whole seconds: leases are minutes and hours.
fn seconds(us: u64) -> u32 {
    u32::try_from(us / 1_000_000).unwrap_or(u32::MAX)
}
