//! The registrar (RFC 3261 10.3, 5626, 5627, 3327): who is where. It authenticates nobody, stores nothing and has no clock.

mod answer;
pub mod contact;
pub mod flows;
pub mod gruu;
pub mod reach;
pub mod register;
pub mod request;
pub mod row;
mod table;

pub use contact::{BadContact, Contact, Contacts};
pub use register::{List, Wish};
pub use row::{Binding, Flow};

use crate::ids::{mac, Keys};
use smallvec::SmallVec;
use table::Table;

/// Bindings of one address of record.
pub const CONTACTS_PER_AOR: usize = 10;
/// How long after its end a binding that came from the store still counts, seconds: its last refresh may have been lost.
pub const GRACE_SECONDS: u32 = 5;
/// How long a binding whose flow is gone stays, seconds: so long a phone may take to make another one before it counts as gone.
pub const FLOW_GRACE_SECONDS: u32 = 32;
/// Bytes of a Path.
pub const PATH_BYTES: usize = 1024;

/// The registrar's times, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// Shorter wishes get 423.
    pub min_seconds: u32,
    /// Longer wishes are cut.
    pub max_seconds: u32,
    /// For those that wish nothing.
    pub default_seconds: u32,
    /// How often a phone with outbound keeps its flow alive, as the Flow-Timer of its 200 says (RFC 5626 4.4); 0: as it likes.
    pub flow_timer_seconds: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config { min_seconds: 60, max_seconds: 3600, default_seconds: 3600, flow_timer_seconds: 0 }
    }
}

/// When the AoR's row must be in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dirty {
    /// Nothing changed.
    None,
    /// With the next `drain_dirty` (each second): only expiry and CSeq changed.
    Lazy,
    /// Before the 200 leaves: `row(aor)`; `None` there means delete.
    Now,
}

/// The answer to a REGISTER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// 200, 400, 423 or 500; the header lines are in `headers`.
    pub status: u16,
    /// When to store.
    pub dirty: Dirty,
}

/// All bindings of the shards that this node owns.
pub struct Registrar {
    config: Config,
    table: Table,
    lazy: Vec<u32>,
    gone: Vec<Box<[u8]>>,
    scratch: Vec<u8>,
}

impl Registrar {
    /// An empty registrar; `secret` keys its hashes (`Keys::hash` will do).
    pub fn new(config: Config, secret: [u8; 16]) -> Registrar {
        Registrar { config, table: Table::new(secret), lazy: Vec::new(), gone: Vec::new(), scratch: Vec::new() }
    }

    /// Sets what is told to phones with outbound from now on; `Config::flow_timer_seconds` says what.
    pub fn set_flow_timer(&mut self, seconds: u32) {
        self.config.flow_timer_seconds = seconds;
    }

    /// Does one REGISTER. `keys` sign temporary GRUUs; `headers` gets the header lines to add to the answer, each with its CRLF.
    pub fn register(&mut self, wish: &Wish<'_>, flow: &Flow, keys: &Keys, now_us: u64, headers: &mut Vec<u8>) -> Outcome {
        if wish.path.len() > PATH_BYTES || wish.aor.is_empty() || wish.aor.len() > crate::users::AOR_BYTES {
            return Outcome { status: 400, dirty: Dirty::None };
        }
        let slot = self.table.find(wish.aor);
        let mut bytes = std::mem::take(&mut self.scratch);
        let done = self.decide(slot, wish, flow, keys, now_us, &mut bytes, headers);
        if let Ok((dirty, ends)) = done {
            if dirty != Dirty::None {
                self.replace(slot, wish.aor, ends.map(|ends| (&bytes[..], ends)), dirty);
            }
        }
        self.scratch = bytes;
        match done {
            Ok((dirty, _)) => Outcome { status: 200, dirty },
            Err(status) => Outcome { status, dirty: Dirty::None },
        }
    }

    /// The new row in `bytes` and when its first binding ends; `Err`: the status of a refusal.
    #[allow(clippy::too_many_arguments)]
    fn decide<'s, 'w: 's>(
        &'s self,
        slot: Option<u32>,
        wish: &Wish<'w>,
        flow: &Flow,
        keys: &Keys,
        now_us: u64,
        bytes: &mut Vec<u8>,
        headers: &mut Vec<u8>,
    ) -> Result<(Dirty, Option<u32>), u16> {
        let now_s = seconds(now_us);
        let call = mac(&[0; 16], &[wish.call_id]); // unkeyed: the row moves between nodes, and only its own user can collide
        let old = slot.and_then(|at| self.table.slot(at));
        let mut list: List<'s> = old.into_iter().flat_map(|slot| alive(&slot.row, now_s, slot.grace())).collect();
        let dirty = register::apply(&mut list, wish, call, flow, &self.config, now_s)
            .inspect_err(|&status| answer::refused(headers, status, &self.config))?;
        answer::accepted(
            headers,
            &list,
            wish,
            &answer::Telling { call, keys, hash: self.table.hash(wish.aor), config: &self.config, now_us },
        );
        if dirty != Dirty::None {
            row::begin(bytes, wish.aor);
            list.iter().for_each(|binding| row::push(bytes, binding));
        }
        Ok((dirty, list.iter().map(|binding| binding.expires_at).min()))
    }

    /// The bindings of an AoR that are alive, best first: by q, then the youngest.
    pub fn lookup(&self, aor: &[u8], now_us: u64) -> List<'_> {
        let mut list: List<'_> = self.bindings(aor, now_us).collect();
        list.sort_by_key(|binding| (std::cmp::Reverse(binding.q.unwrap_or(1000)), std::cmp::Reverse(binding.expires_at)));
        list
    }

    /// The same in no order.
    pub fn bindings(&self, aor: &[u8], now_us: u64) -> impl Iterator<Item = Binding<'_>> {
        let slot = self.table.find(aor).and_then(|at| self.table.slot(at));
        slot.into_iter().flat_map(move |slot| alive(&slot.row, seconds(now_us), slot.grace()))
    }

    /// The AoR's row for the store; `None`: there is none (any more).
    pub fn row(&self, aor: &[u8]) -> Option<&[u8]> {
        self.table.find(aor).and_then(|at| self.table.slot(at)).map(|slot| &*slot.row)
    }

    /// Takes a row from the store (at take-over). False: it is torn, of another version or of another AoR, and is left out.
    pub fn load(&mut self, aor: &[u8], bytes: &[u8]) -> bool {
        let good = row::is_whole(bytes) && row::aor(bytes) == aor && !aor.is_empty();
        let ends = row::open(bytes).and_then(|(_, bindings)| bindings.map(|binding| binding.expires_at).min());
        let (true, Some(ends)) = (good, ends) else { return false };
        let slot = self.table.find(aor);
        self.table.put(slot, bytes, ends, true);
        true
    }

    /// Hands out every row that changed lazily since the last call: (AoR, row), `None`: delete it.
    pub fn drain_dirty(&mut self, mut store: impl FnMut(&[u8], Option<&[u8]>)) {
        for aor in std::mem::take(&mut self.gone) {
            if self.table.find(&aor).is_none() {
                store(&aor, None);
            }
        }
        for at in std::mem::take(&mut self.lazy) {
            let Some(slot) = self.table.slot_mut(at) else { continue };
            slot.dirty = false;
            if !slot.row.is_empty() {
                store(row::aor(&slot.row), Some(&slot.row));
            }
        }
    }

    /// Looks at the next `budget` addresses and removes the bindings that ended; how many ended. Ended ones are never looked up,
    /// so this only frees memory: a thousand each 100 ms keeps a million tidy within two minutes.
    pub fn expire(&mut self, budget: usize, now_us: u64) -> usize {
        let now_s = seconds(now_us);
        let mut ended = 0;
        for _ in 0..budget.min(self.table.slots()) {
            let at = self.table.next_in_turn();
            let due = self.table.slot(at).is_some_and(|slot| !slot.row.is_empty() && slot.ends <= now_s.saturating_sub(slot.grace()));
            if due {
                ended += self.keep(at, |binding, grace| binding.expires_at > now_s.saturating_sub(grace));
            }
        }
        ended
    }

    /// Removes all bindings of an AoR (an operator's order); true if there were any. Then `row(aor)` is `None`: delete it.
    pub fn remove(&mut self, aor: &[u8]) -> bool {
        let slot = self.table.find(aor);
        slot.is_some_and(|at| self.table.take(at).is_some())
    }

    /// Forgets, without a word to the store, every AoR that `stays` does not name: its shard has another owner now.
    pub fn forget(&mut self, stays: impl Fn(&[u8]) -> bool) {
        for at in 0..self.table.slots() as u32 {
            let goes = self.table.slot(at).is_some_and(|slot| !slot.row.is_empty() && !stays(row::aor(&slot.row)));
            if goes {
                self.table.take(at);
            }
        }
        self.gone.retain(|aor| stays(aor));
    }

    /// Every AoR with its bindings (for lists), in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], row::Bindings<'_>)> {
        self.table.iter().filter_map(|slot| row::open(&slot.row))
    }

    /// How many addresses have bindings.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, with tables and allocator overhead estimated at 8 bytes a block rounded up to 16.
    pub fn memory(&self) -> usize {
        self.table.memory()
    }

    fn keep(&mut self, at: u32, keeps: impl Fn(&Binding<'_>, u32) -> bool) -> usize {
        self.change(at, |binding, grace| keeps(binding, grace))
    }

    /// Rewrites a row by a function of its bindings (false: it ends), lazily stored; how many ended.
    fn change(&mut self, at: u32, mut keeps: impl FnMut(&mut Binding<'_>, u32) -> bool) -> usize {
        let mut bytes = std::mem::take(&mut self.scratch);
        let Some(slot) = self.table.slot(at) else { return 0 };
        let (grace, mut ended, mut ends) = (slot.grace(), 0, None);
        let aor: SmallVec<[u8; 64]> = row::aor(&slot.row).into();
        row::begin(&mut bytes, &aor);
        for mut binding in row::open(&slot.row).into_iter().flat_map(|(_, bindings)| bindings) {
            if keeps(&mut binding, grace) {
                row::push(&mut bytes, &binding);
                ends = Some(ends.map_or(binding.expires_at, |ends: u32| ends.min(binding.expires_at)));
            } else {
                ended += 1;
            }
        }
        if bytes != *slot.row {
            self.replace(Some(at), &aor, ends.map(|ends| (&bytes[..], ends)), Dirty::Lazy);
        }
        self.scratch = bytes;
        ended
    }

    /// Puts a row (or nothing) in an AoR's place and notes what the store does not know yet.
    fn replace(&mut self, slot: Option<u32>, aor: &[u8], new: Option<(&[u8], u32)>, dirty: Dirty) {
        match (new, slot) {
            (Some((bytes, ends)), slot) => {
                let grace = slot.and_then(|at| self.table.slot(at)).is_some_and(|slot| slot.loaded) && dirty != Dirty::Now;
                let at = self.table.put(slot, bytes, ends, grace);
                let Some(slot) = self.table.slot_mut(at) else { return };
                if dirty == Dirty::Lazy && !std::mem::replace(&mut slot.dirty, true) {
                    self.lazy.push(at);
                }
            }
            (None, Some(at)) => {
                self.table.take(at);
                if dirty == Dirty::Lazy {
                    self.gone.push(aor.into());
                }
            }
            (None, None) => {}
        }
    }
}

fn seconds(now_us: u64) -> u32 {
    u32::try_from(now_us / 1_000_000).unwrap_or(u32::MAX)
}

fn alive(bytes: &[u8], now_s: u32, grace: u32) -> impl Iterator<Item = Binding<'_>> {
    row::open(bytes).into_iter().flat_map(|(_, bindings)| bindings).filter(move |binding| binding.expires_at.saturating_add(grace) > now_s)
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
