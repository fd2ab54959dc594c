//! Rows in memory, one allocation each; no files and no clock.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::{hash_table::Entry, HashTable};

use crate::frame::{Head, Reader};

/// Tables, so that one growing or being swept is short.
const SHARDS: usize = 64;
/// Bytes of a row's allocation before key and row: head (28), place (8), key length (2).
const FIXED: usize = 38;

/// A frame in the journal: segment and byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub segment: u32,
    pub offset: u32,
}

/// Bytes that a segment no longer needs to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freed {
    pub segment: u32,
    pub bytes: u32,
}

/// A stored row, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a>(&'a [u8]);

impl<'a> Stored<'a> {
    pub fn head(self) -> Head {
        let mut reader = Reader(self.0);
        let mut head = || Some(Head { epoch: reader.u32()?, version: reader.u64()?, writer: reader.u64()?, expires_at: reader.u64()? });
        head().unwrap_or_default()
    }

    pub fn place(self) -> Place {
        let mut reader = Reader(self.0.get(28..).unwrap_or_default());
        Place { segment: reader.u32().unwrap_or(0), offset: reader.u32().unwrap_or(0) }
    }

    pub fn key(self) -> &'a [u8] {
        key_of(self.0)
    }

    pub fn row(self) -> &'a [u8] {
        self.0.get(FIXED + self.key().len()..).unwrap_or_default()
    }

    pub fn is_expired(self, now: u64) -> bool {
        let expires_at = self.head().expires_at;
        expires_at != 0 && expires_at <= now
    }

    /// What it counts for in its segment, in bytes.
    pub fn size(self) -> u32 {
        self.0.len() as u32
    }

    fn freed(self) -> Freed {
        Freed { segment: self.place().segment, bytes: self.size() }
    }
}

pub(crate) struct Rows {
    shards: Vec<HashTable<Box<[u8]>>>,
    hasher: RandomState,
    len: usize,
}

impl Rows {
    pub fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect(), hasher: RandomState::default(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        let hash = self.hasher.hash_one(key);
        self.shards[shard(hash)].find(hash, |row| key_of(row) == key).map(|row| Stored(row))
    }

    pub fn iter(&self) -> impl Iterator<Item = Stored<'_>> {
        self.shards.iter().flatten().map(|row| Stored(row))
    }

    /// Size of the new row, and what the old one frees.
    pub fn put(&mut self, head: Head, place: Place, key: &[u8], row: &[u8]) -> (u32, Option<Freed>) {
        let hash = self.hasher.hash_one(key);
        let hasher = &self.hasher;
        let packed = pack(head, place, key, row);
        let size = packed.len() as u32;
        match self.shards[shard(hash)].entry(hash, |row| key_of(row) == key, |row| hasher.hash_one(key_of(row))) {
            Entry::Occupied(mut entry) => {
                let freed = Stored(entry.get()).freed();
                *entry.get_mut() = packed;
                (size, Some(freed))
            }
            Entry::Vacant(entry) => {
                entry.insert(packed);
                self.len += 1;
                (size, None)
            }
        }
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Freed> {
        let hash = self.hasher.hash_one(key);
        let entry = self.shards[shard(hash)].find_entry(hash, |row| key_of(row) == key).ok()?;
        self.len -= 1;
        Some(Stored(&entry.remove().0).freed())
    }

    /// Drops the expired rows of one shard; all shards in turn by `turn`.
    pub fn sweep(&mut self, turn: usize, now: u64, mut freed: impl FnMut(Freed)) {
        let table = &mut self.shards[turn % SHARDS];
        let before = table.len();
        table.retain(|row| {
            let row = Stored(row);
            let expired = row.is_expired(now);
            if expired {
                freed(row.freed());
            }
            !expired
        });
        self.len -= before - table.len();
        // after a crowd has left, its table goes too
        if table.capacity() > 64 && table.len() < table.capacity() / 8 {
            let hasher = &self.hasher;
            table.shrink_to(table.len() * 2, |row| hasher.hash_one(key_of(row)));
        }
    }

    /// Drops all expired rows.
    pub fn sweep_all(&mut self, now: u64, mut freed: impl FnMut(Freed)) {
        (0..SHARDS).for_each(|turn| self.sweep(turn, now, &mut freed));
    }
}

fn shard(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

fn key_of(packed: &[u8]) -> &[u8] {
    let length = Reader(packed.get(36..).unwrap_or_default()).u16().unwrap_or(0);
    packed.get(FIXED..FIXED + usize::from(length)).unwrap_or_default()
}

fn pack(head: Head, place: Place, key: &[u8], row: &[u8]) -> Box<[u8]> {
    let mut packed = Vec::with_capacity(FIXED + key.len() + row.len());
    packed.extend_from_slice(&head.epoch.to_le_bytes());
    packed.extend_from_slice(&head.version.to_le_bytes());
    packed.extend_from_slice(&head.writer.to_le_bytes());
    packed.extend_from_slice(&head.expires_at.to_le_bytes());
    packed.extend_from_slice(&place.segment.to_le_bytes());
    packed.extend_from_slice(&place.offset.to_le_bytes());
    packed.extend_from_slice(&(key.len() as u16).to_le_bytes());
    packed.extend_from_slice(key);
    packed.extend_from_slice(row);
    packed.into_boxed_slice()
}
