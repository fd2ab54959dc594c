//! Flows that are pinged alike, in the order in which their turn comes. It knows no clock and no owner's rules.

use crate::frame::Address;
use crate::ids::mac;
use hashbrown::HashTable;

/// One flow of one binding: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub remote: Address,
    pub local: u8,
    /// Which link named it.
    pub owner: u8,
    /// In which of that link's lives.
    pub life: u8,
    /// OPTIONS since the last answer; above the limit it is told lost.
    pub misses: u8,
    /// Seconds since 1970 of the last ping of its flow.
    pub pinged: u32,
    /// Seconds since 1970 at which its binding ends; 0: the place is free.
    pub until: u32,
    pub cookie: u64,
}

/// All of one kind and interval. Places keep their order, and a round takes the interval: no flow waits longer than that.
#[derive(Debug)]
pub(super) struct Ring {
    secret: [u8; 16],
    entries: Vec<Entry>,
    free: Vec<u32>,
    index: HashTable<u32>,
    cursor: usize,
}

/// A full ring grows by one part in this many: doubling would hold twice what it needs.
const GROWTH: usize = 8;

impl Ring {
    pub fn new(secret: [u8; 16]) -> Ring {
        Ring { secret, entries: Vec::new(), free: Vec::new(), index: HashTable::new(), cursor: 0 }
    }

    /// Flows held.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Places whose turn has not yet come in this round, held or not.
    pub fn left(&self) -> usize {
        self.entries.len().saturating_sub(self.cursor)
    }

    /// Begins a round; what part of the interval it may take (a numerator and a denominator). Free places are given up when they
    /// are many, and then it must be as quick as if they were there: nobody's turn may come later than it would have.
    pub fn begin(&mut self) -> (u64, u64) {
        self.cursor = 0;
        let before = self.entries.len();
        if self.free.len() > before / 2 {
            self.close_ranks();
        }
        (self.entries.len().max(1) as u64, before.max(1) as u64)
    }

    pub fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.free.capacity() * size_of::<u32>() + self.index.allocation_size()
    }

    /// The place of one binding's flow.
    pub fn find(&self, local: u8, remote: &Address, cookie: u64) -> Option<u32> {
        let is = |entry: &Entry| entry.cookie == cookie && entry.local == local && entry.remote == *remote;
        self.index.find(self.hash(local, remote), |&at| self.entries.get(at as usize).is_some_and(is)).copied()
    }

    /// All bindings of a flow.
    pub fn of_flow(&self, local: u8, remote: &Address) -> impl Iterator<Item = u32> + '_ {
        let is = (local, *remote);
        self.index
            .iter_hash(self.hash(local, remote))
            .copied()
            .filter(move |&at| self.entries.get(at as usize).is_some_and(|entry| (entry.local, entry.remote) == is))
    }

    pub fn get(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    pub fn get_mut(&mut self, at: u32) -> Option<&mut Entry> {
        self.entries.get_mut(at as usize)
    }

    pub fn add(&mut self, entry: Entry) {
        let hash = self.hash(entry.local, &entry.remote);
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                if self.entries.len() == self.entries.capacity() {
                    self.entries.reserve_exact(self.entries.len() / GROWTH + 64);
                }
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        if let Some(place) = self.entries.get_mut(at as usize) {
            *place = entry;
        }
        let (secret, entries) = (self.secret, &self.entries);
        self.index.insert_unique(hash, at, |&at| entries.get(at as usize).map_or(0, |entry| hash_of(&secret, entry.local, &entry.remote)));
    }

    pub fn remove(&mut self, at: u32) {
        let Some(entry) = self.entries.get(at as usize).filter(|entry| entry.until > 0).copied() else { return };
        if let Ok(found) = self.index.find_entry(self.hash(entry.local, &entry.remote), |&other| other == at) {
            found.remove();
        }
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.until = 0;
        }
        self.free.push(at);
    }

    /// The next place in turn, held or not.
    pub fn next(&mut self) -> u32 {
        self.cursor += 1;
        (self.cursor - 1) as u32
    }

    fn close_ranks(&mut self) {
        self.entries.retain(|entry| entry.until > 0);
        self.entries.shrink_to(self.entries.len() + 64);
        self.free = Vec::new();
        self.index = HashTable::with_capacity(self.entries.len());
        let (secret, entries) = (self.secret, &self.entries);
        let hash = |at: &u32| entries.get(*at as usize).map_or(0, |entry| hash_of(&secret, entry.local, &entry.remote));
        for at in 0..entries.len() as u32 {
            self.index.insert_unique(hash(&at), at, hash);
        }
    }

    /// Removes those that `stays` does not want.
    pub fn retain(&mut self, stays: impl Fn(&Entry) -> bool) {
        for at in 0..self.entries.len() as u32 {
            if self.get(at).is_some_and(|entry| entry.until > 0 && !stays(entry)) {
                self.remove(at);
            }
        }
    }

    fn hash(&self, local: u8, remote: &Address) -> u64 {
        hash_of(&self.secret, local, remote)
    }
}

fn hash_of(secret: &[u8; 16], local: u8, remote: &Address) -> u64 {
    mac(secret, &[&remote.ip, &remote.port.to_le_bytes(), &[local]])
}
