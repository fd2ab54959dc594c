//! The rows in memory: one block per AoR, a four-byte index by AoR, an eight-byte index by connection. No rules, no time.

use super::row;
use crate::ids::mac;
use hashbrown::HashTable;
use smallvec::SmallVec;

type Flows = SmallVec<[u32; 4]>;

/// One AoR. Its row is empty while the slot is free.
#[derive(Default)]
pub(super) struct Slot {
    pub row: Box<[u8]>,
    /// When its first binding ends, seconds since 1970.
    pub ends: u32,
    /// It came from the store and its bindings have their grace.
    pub loaded: bool,
    /// It is on the list for the store.
    pub dirty: bool,
}

impl Slot {
    pub fn grace(&self) -> u32 {
        if self.loaded {
            super::GRACE_SECONDS
        } else {
            0
        }
    }
}

pub(super) struct Table {
    secret: [u8; 16],
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_aor: HashTable<u32>,
    by_flow: HashTable<OnFlow>,
    turn: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct OnFlow {
    hash: u32, // of edge and connection; the row has them in full
    slot: u32,
}

impl Table {
    pub fn new(secret: [u8; 16]) -> Table {
        Table { secret, slots: Vec::new(), free: Vec::new(), by_aor: HashTable::new(), by_flow: HashTable::new(), turn: 0 }
    }

    pub fn find(&self, aor: &[u8]) -> Option<u32> {
        self.by_aor.find(self.hash(aor), |&at| self.slot(at).is_some_and(|slot| row::aor(&slot.row) == aor)).copied()
    }

    /// The address whose keyed hash this is.
    pub fn find_hashed(&self, hash: u64) -> Option<u32> {
        self.by_aor.find(hash, |&at| self.slot(at).is_some_and(|slot| self.hash(row::aor(&slot.row)) == hash)).copied()
    }

    pub fn slot(&self, at: u32) -> Option<&Slot> {
        self.slots.get(at as usize)
    }

    pub fn slot_mut(&mut self, at: u32) -> Option<&mut Slot> {
        self.slots.get_mut(at as usize)
    }

    /// Writes a row into its slot, or into a new one; which.
    pub fn put(&mut self, at: Option<u32>, bytes: &[u8], ends: u32, loaded: bool) -> u32 {
        let at = at.unwrap_or_else(|| self.place(row::aor(bytes)));
        let flows = self.flows(at);
        let Some(slot) = self.slots.get_mut(at as usize) else { return at };
        (slot.ends, slot.loaded) = (ends, loaded);
        if slot.row.len() == bytes.len() {
            slot.row.copy_from_slice(bytes);
        } else {
            slot.row = bytes.into();
        }
        self.index(at, flows);
        at
    }

    /// Frees a slot and gives its row.
    pub fn take(&mut self, at: u32) -> Option<Box<[u8]>> {
        let hash = self.hash(row::aor(&self.slot(at)?.row));
        let flows = self.flows(at);
        if let Ok(entry) = self.by_aor.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        let slot = self.slots.get_mut(at as usize)?;
        let bytes = std::mem::take(&mut slot.row);
        self.index(at, flows);
        self.free.push(at);
        Some(bytes)
    }

    /// The slots with a binding over a connection (and perhaps some without: the row decides).
    pub fn on_flow(&self, edge: u16, connection: u64) -> Vec<u32> {
        let hash = flow_hash(edge, connection);
        self.by_flow.iter_hash(spread(hash)).filter(|entry| entry.hash == hash).map(|entry| entry.slot).collect()
    }

    pub fn next_in_turn(&mut self) -> u32 {
        self.turn = if (self.turn as usize) + 1 < self.slots.len() { self.turn + 1 } else { 0 };
        self.turn
    }

    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.row.is_empty())
    }

    pub fn memory(&self) -> usize {
        let rows: usize = self.iter().map(|slot| (slot.row.len() + 8).next_multiple_of(16)).sum();
        rows + self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_aor.allocation_size()
            + self.by_flow.allocation_size()
    }

    pub fn hash(&self, aor: &[u8]) -> u64 {
        mac(&self.secret, &[aor])
    }

    fn place(&mut self, aor: &[u8]) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let hash = self.hash(aor);
        let (slots, secret) = (&self.slots, &self.secret);
        self.by_aor.insert_unique(hash, at, |&at| slots.get(at as usize).map_or(0, |slot| mac(secret, &[row::aor(&slot.row)])));
        at
    }

    fn flows(&self, at: u32) -> Flows {
        let bindings = self.slot(at).and_then(|slot| row::open(&slot.row)).into_iter().flat_map(|(_, bindings)| bindings);
        let mut list: Flows = bindings.filter(|b| b.flow.connection != 0).map(|b| flow_hash(b.flow.edge, b.flow.connection)).collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    /// Brings the index by connection from what the slot had to what it has.
    fn index(&mut self, at: u32, before: Flows) {
        let after = self.flows(at);
        for &hash in before.iter().filter(|hash| !after.contains(hash)) {
            if let Ok(entry) = self.by_flow.find_entry(spread(hash), |entry| *entry == OnFlow { hash, slot: at }) {
                entry.remove();
            }
        }
        for &hash in after.iter().filter(|hash| !before.contains(hash)) {
            self.by_flow.insert_unique(spread(hash), OnFlow { hash, slot: at }, |entry| spread(entry.hash));
        }
    }
}

fn flow_hash(edge: u16, connection: u64) -> u32 {
    let mixed = (connection ^ (u64::from(edge) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
