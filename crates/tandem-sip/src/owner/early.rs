//! Commands of a new owner that come before its edges do: what waits, for whom and how long. It runs none of them itself.

use super::commands::call;
use super::msgpack::{BadCommands, Reader};
use super::outbox::{Micros, OUTPUT_BYTES};
use super::Owner;

/// How long commands wait for an edge that this owner has heard of and that has not said HELLO, from the first HELLO of any.
pub(super) const EDGE_WAIT: Micros = 2_000_000;

/// What waits.
#[derive(Default)]
pub(super) struct Early {
    /// Whole batches: no edge has said HELLO.
    batches: Vec<Vec<u8>>,
    /// Single commands by edge: others have. The key names the transaction.
    held: Vec<(u16, u64, Vec<u8>)>,
    bytes: usize,
    /// Until when commands wait for an edge; 0: no longer, or not yet.
    until: Micros,
    /// The first HELLO was heard.
    begun: bool,
}

impl Early {
    pub(super) fn waits(&self) -> bool {
        self.until != 0
    }

    pub(super) fn wake_at(&self) -> Micros {
        self.until
    }

    fn room(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.bytes <= OUTPUT_BYTES
    }
}

impl Owner {
    /// Keeps a batch that comes before any edge said HELLO; true: it is kept (or there is no room, which is counted).
    pub(super) fn comes_early(&mut self, commands: &[u8]) -> bool {
        if self.early.begun || self.out.edges.values().any(|edge| !edge.locals.is_empty()) {
            return false;
        }
        if self.early.room(commands.len()) {
            self.early.batches.push(commands.to_vec());
        } else {
            self.out.counters.bad_commands += 1;
        }
        true
    }

    /// An edge said HELLO: what waited for it runs, before any frame of it.
    pub(super) fn edge_greeted(&mut self, number: u16, now: Micros) {
        if !self.early.begun {
            (self.early.begun, self.early.until) = (true, now + EDGE_WAIT);
            self.early.bytes = 0;
            for batch in std::mem::take(&mut self.early.batches) {
                self.run_early(&batch, now);
            }
        }
        self.run_held(|edge| edge == number, now);
        if self.out.edges.values().all(|edge| edge.greeted) {
            self.early.until = 0;
        }
    }

    /// What waited long enough runs without its edge: over UDP another edge may say it.
    pub(super) fn stop_waiting(&mut self, now: Micros) {
        if self.early.until != 0 && now >= self.early.until {
            self.early.until = 0;
            self.run_held(|_| true, now);
        }
    }

    /// Holds one command back if it is for an edge that is known and has not said HELLO; so are Stop and Forget of a transaction that is held.
    pub(super) fn waits_for_its_edge(&mut self, commands: &[u8]) -> Result<bool, BadCommands> {
        let (edge, key) = self.edge_of(&mut Reader(commands))?;
        let held = self.early.held.iter().find(|(_, of, _)| key != 0 && *of == key).map(|(edge, _, _)| *edge);
        let absent = |edge: &u16| self.out.edges.get(edge).is_some_and(|edge| !edge.greeted);
        let Some(edge) = held.or(edge.filter(absent)) else { return Ok(false) };
        let mut rest = Reader(commands);
        rest.skip()?;
        let command = commands.get(..commands.len() - rest.0.len()).unwrap_or_default();
        if !self.early.room(command.len()) {
            return Ok(false);
        }
        self.early.held.push((edge, key, [&[0x91], command].concat())); // a batch of one
        Ok(true)
    }

    /// The edge that a command names, and its transaction.
    fn edge_of(&self, r: &mut Reader<'_>) -> Result<(Option<u16>, u64), BadCommands> {
        let _fields = r.array()?;
        let number = r.int()?;
        let flow = |r: &mut Reader<'_>, skipped: usize| -> Result<Option<u16>, BadCommands> {
            for _ in 0..skipped {
                r.skip()?;
            }
            r.array()?;
            Ok(Some(r.small("flow.edge")?))
        };
        Ok(match number {
            1 => {
                r.skip()?;
                let txn = r.int()?;
                (flow(r, 2)?, txn)
            }
            2 => {
                r.skip()?;
                let (call, n) = (call(&r.text()?)?, r.small("n")?);
                (flow(r, 1)?, self.client_key(&call, n))
            }
            3 => {
                r.skip()?;
                let (call, n) = (call(&r.text()?)?, r.small("n")?);
                (flow(r, 2)?, self.client_key(&call, n))
            }
            4 => (None, r.int()?),
            7 => {
                let (call, n) = (call(&r.text()?)?, r.small("n")?);
                (None, self.client_key(&call, n))
            }
            8 => (Some(r.small("edge")?), 0),
            _ => (None, 0),
        })
    }

    fn run_held(&mut self, runs: impl Fn(u16) -> bool, now: Micros) {
        let (ready, held) = std::mem::take(&mut self.early.held).into_iter().partition(|(edge, _, _)| runs(*edge));
        self.early.held = held;
        let ready: Vec<_> = ready;
        for (_, _, batch) in ready {
            self.early.bytes -= batch.len().min(self.early.bytes);
            self.run_early(&batch, now);
        }
    }

    fn run_early(&mut self, batch: &[u8], now: Micros) {
        if self.run(batch, now).is_err() {
            self.out.counters.bad_commands += 1;
        }
    }
}
