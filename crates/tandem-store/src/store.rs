//! The store's calls: checks their arguments, decides who is stale, and hands frames to the journal.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::commit::State;
use crate::error::{io_at, within, StoreError};
use crate::frame::{Entries, Frames, Head};
use crate::lock::lock;
use crate::replay::{replay, Replayed};
use crate::segment::Window;
use crate::{Options, Outcome, Put, Recovery, Row, Save, BATCH_BYTES, KEY_BYTES, NAME_BYTES, ROW_BYTES, SAVE_BYTES, STREAMS};

/// Microseconds between two steps of the sweep for expired rows; it has 64 steps.
const SWEEP_EVERY: u64 = 250_000;
/// Bytes read at once from a log.
const LOG_WINDOW: usize = 64 << 10;
/// Bytes beside key, row and record, at most, per save and per record.
const SAVE_EXTRA: usize = 96;

/// Figures for metrics and for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rows, expired but not yet swept ones included.
    pub rows: usize,
    /// Log records that are not yet trimmed.
    pub logs: usize,
    /// Segment files.
    pub segments: usize,
    /// Bytes of all segments.
    pub journal_bytes: u64,
    /// Bytes of them that are needed.
    pub live_bytes: u64,
    /// Bytes written since the store was opened, copies included.
    pub written_bytes: u64,
    /// Bytes copied by compaction since then.
    pub copied_bytes: u64,
    /// Compaction has met a damaged frame in the oldest segment and waits.
    pub is_stuck: bool,
}

/// Rows and logs of one directory. All calls may be made from any thread; one runs at a time.
pub struct Store(Mutex<State>);

impl Store {
    /// Opens or makes the directory and reads it into memory. `now_us`: microseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Damaged`], [`StoreError::Bad`] options, or I/O.
    pub fn open(dir: impl AsRef<Path>, options: Options, now_us: u64) -> Result<(Self, Recovery), StoreError> {
        let (dir, started) = (dir.as_ref(), Instant::now());
        if !(4 << 10..=1 << 30).contains(&options.segment_bytes) {
            return Err(StoreError::Bad { what: "segment_bytes", why: "not between 4 KiB and 1 GiB" });
        }
        std::fs::create_dir_all(dir).map_err(io_at("making", dir))?;
        let lock = lock(dir)?;
        let Replayed { model, segments, cut_bytes } = replay(dir, now_us)?;
        let mut state = State::new(dir.to_owned(), options, now_us, lock, model, segments.into())?;
        if state.segments.is_empty() {
            state.rotate()?;
        }
        // a process that was killed may have left writes, copies of old rows among them, in the page cache only
        if let Some(current) = state.segments.back() {
            state.sync.wrote(&current.file);
        }
        state.retire();
        let recovery =
            Recovery { rows: state.model.rows.len(), logs: log_count(&state), cut_bytes, millis: started.elapsed().as_millis() as u64 };
        Ok((Self(Mutex::new(state)), recovery))
    }

    /// Tells the time, in microseconds since 1970, and drops a few expired rows. Cheap: call it in every turn of a loop.
    pub fn advance(&self, now_us: u64) {
        let mut state = self.state();
        state.now = now_us;
        if now_us.saturating_sub(state.swept_at) < SWEEP_EVERY && state.swept_at <= now_us {
            return;
        }
        state.swept_at = now_us;
        state.sweep_turn = state.sweep_turn.wrapping_add(1);
        let turn = state.sweep_turn;
        let crate::model::Model { rows, live, .. } = &mut state.model;
        rows.sweep(turn, now_us, |freed| live.free(freed));
        state.retire();
    }

    /// Saves rows, each with its logs or not at all, all of them in one write.
    ///
    /// A save whose epoch is below the last [`claim`](Self::claim) or below the stored epoch, or whose version is not one
    /// more than the stored one, is [`Outcome::Stale`]. One whose writer and version are the stored ones has succeeded already.
    ///
    /// # Errors
    /// I/O or a value over its limit; then nothing of the batch has been saved, and the next save may succeed.
    pub fn save(&self, saves: &[Save<'_>]) -> Result<Vec<Outcome>, StoreError> {
        let size = batch_size(saves.iter().map(check_save))?;
        let mut state = self.state();
        check_streams(&state, saves.iter().flat_map(|save| save.logs.iter().map(|(stream, _)| *stream)))?;
        let (mut frames, scanned) = state.begin(size)?;
        let mut numbers = Numbers::default();
        // what this batch has already decided about a key
        let mut decided: HashMap<&[u8], Option<Head>> = HashMap::new();
        let mut outcomes = Vec::with_capacity(saves.len());
        for save in saves {
            let stored = match decided.get(save.key) {
                Some(head) => *head,
                None => state.model.rows.get(save.key).filter(|row| !row.is_expired(state.now)).map(|row| row.head()),
            };
            let verdict = judge(save, stored, state.model.epoch);
            if verdict == Verdict::Write {
                let head = Head { epoch: save.epoch, version: save.version, writer: save.writer, expires_at: save.expires_at };
                frames.save(
                    head,
                    save.key,
                    save.row,
                    save.logs.iter().map(|(stream, bytes)| (*stream, numbers.next(&state, stream), *bytes)),
                );
                if saves.len() > 1 {
                    decided.insert(save.key, save.row.map(|_| head));
                }
            }
            outcomes.push(if verdict == Verdict::Stale { Outcome::Stale } else { Outcome::Saved });
        }
        bound_streams(&state, &numbers, &mut frames);
        state.commit(frames, scanned)?;
        Ok(outcomes)
    }

    /// Writes rows without looking at epoch and version (they become 0): for rows that have one writer, such as bindings.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn put(&self, puts: &[Put<'_>]) -> Result<(), StoreError> {
        let size = batch_size(puts.iter().map(|(key, row, _)| check_row(key, *row)))?;
        let mut state = self.state();
        let (mut frames, scanned) = state.begin(size)?;
        for (key, row, expires_at) in puts {
            let head = Head { expires_at: *expires_at, ..Head::default() };
            frames.save(head, key, *row, std::iter::empty());
        }
        state.commit(frames, scanned)
    }

    /// The row of a key, unless it has expired.
    pub fn load(&self, key: &[u8]) -> Option<Row> {
        let state = self.state();
        let stored = state.model.rows.get(key).filter(|row| !row.is_expired(state.now))?;
        let Head { epoch, version, writer, expires_at } = stored.head();
        Some(Row { epoch, version, writer, expires_at, bytes: stored.row().to_vec() })
    }

    /// Gives every row whose key begins with `prefix`, in no order: (key, row). Reads all rows: for starting, not per call.
    /// The store is held meanwhile: `each` must not call it.
    pub fn scan(&self, prefix: &[u8], mut each: impl FnMut(&[u8], &[u8])) {
        let state = self.state();
        let rows = state.model.rows.iter().filter(|row| row.key().starts_with(prefix) && !row.is_expired(state.now));
        rows.for_each(|row| each(row.key(), row.row()));
    }

    /// Number of rows, expired but not yet swept ones included.
    pub fn len(&self) -> usize {
        self.state().model.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A new epoch: one more than the highest that the store or (`known`) any edge knows. Lower ones can save nothing from then on.
    ///
    /// # Errors
    /// I/O, or no number is left.
    pub fn claim(&self, known: u32) -> Result<u32, StoreError> {
        let mut state = self.state();
        let highest = state.model.epoch.max(known);
        let epoch = highest.checked_add(1).ok_or(StoreError::Bad { what: "epoch", why: "numbers are used up" })?;
        write(&mut state, 0, |frames, _| frames.epoch(epoch))?;
        Ok(epoch)
    }

    /// The last claimed epoch; 0 before the first.
    pub fn epoch(&self) -> u32 {
        self.state().model.epoch
    }

    /// Adds records to a stream without a row; the offset of the last one. The first offset of a stream is 1.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn append(&self, stream: &str, records: &[&[u8]]) -> Result<u64, StoreError> {
        let size = batch_size(records.iter().map(|record| within("record", record.len(), ROW_BYTES).map(|()| record.len())))?;
        let mut state = self.state();
        check_streams(&state, std::iter::once(stream))?;
        write(&mut state, size, |frames, state| {
            let mut numbers = Numbers::default();
            records.iter().for_each(|record| frames.log(stream, numbers.next(state, stream), record));
            bound_streams(state, &numbers, frames);
        })?;
        Ok(state.model.streams.get(stream).map_or(0, |stream| stream.next() - 1))
    }

    /// At most `limit` records after an offset (0: from the oldest), with their offsets. A gap in the offsets: the stream is
    /// bounded and lost its oldest records.
    ///
    /// # Errors
    /// I/O, or a record that is not where it was written.
    pub fn read_log(&self, stream: &str, after_offset: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let state = self.state();
        let Some(stream) = state.model.streams.get(stream) else { return Ok(Vec::new()) };
        let from = after_offset.saturating_add(1).max(stream.first);
        let mut window = Window::new(LOG_WINDOW);
        let mut window_of = 0;
        let mut records = Vec::new();
        for offset in (from..stream.next()).take(limit) {
            let Some(spot) = stream.spot(offset) else { break };
            let Some(segment) = state.segments.iter().find(|segment| segment.number == spot.place.segment) else { break };
            if window_of != segment.number {
                window.forget();
                window_of = segment.number;
            }
            let at = u64::from(spot.place.offset);
            let bytes = window.at(&segment.file, at, spot.size as usize, segment.bytes).map_err(io_at("reading", &segment.path))?;
            let entry = Entries::new(0, bytes).next().filter(|entry| entry.offset == offset && entry.stream == stream.name);
            let damaged = || StoreError::Damaged { path: segment.path.clone(), offset: at, why: "not the log record that was written" };
            records.push((offset, entry.ok_or_else(damaged)?.bytes.to_vec()));
        }
        Ok(records)
    }

    /// Forgets records up to and with `upto`, but never one that a consumer with a checkpoint has not read.
    ///
    /// # Errors
    /// I/O.
    pub fn trim_log(&self, stream: &str, upto: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        let Some(known) = state.model.streams.get(stream) else { return Ok(()) };
        let upto = upto.min(known.slowest().unwrap_or(u64::MAX)).min(known.next() - 1);
        if upto < known.first {
            return Ok(());
        }
        write(&mut state, 0, |frames, _| frames.trim(stream, upto))
    }

    /// How far a consumer has read a stream; 0 for one that has never said.
    pub fn checkpoint(&self, stream: &str, consumer: &str) -> u64 {
        let state = self.state();
        state.model.streams.get(stream).and_then(|stream| stream.checkpoints.get(consumer)).copied().unwrap_or(0)
    }

    /// Notes how far a consumer has read; from then on [`trim_log`](Self::trim_log) waits for it. Begin with 0.
    ///
    /// # Errors
    /// I/O, or too many consumers.
    pub fn set_checkpoint(&self, stream: &str, consumer: &str, offset: u64) -> Result<(), StoreError> {
        within("consumer", consumer.len(), NAME_BYTES)?;
        let mut state = self.state();
        check_streams(&state, std::iter::once(stream))?;
        if let Some(stream) = state.model.streams.get(stream).filter(|stream| !stream.checkpoints.contains_key(consumer)) {
            within("consumers", stream.checkpoints.len() + 1, STREAMS)?;
        }
        write(&mut state, 0, |frames, _| frames.checkpoint(stream, consumer, offset))
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        let state = self.state();
        Stats {
            rows: state.model.rows.len(),
            logs: log_count(&state),
            segments: state.segments.len(),
            journal_bytes: state.segments.iter().map(|segment| segment.bytes).sum(),
            live_bytes: state.model.live.total(),
            written_bytes: state.written_bytes,
            copied_bytes: state.copied_bytes,
            is_stuck: state.is_stuck,
        }
    }

    // every change of the state is whole before anything can panic: a poisoned lock is still good
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(state: &mut State, size: usize, fill: impl FnOnce(&mut Frames, &State)) -> Result<(), StoreError> {
    let (mut frames, scanned) = state.begin(size)?;
    fill(&mut frames, state);
    state.commit(frames, scanned)
}

fn log_count(state: &State) -> usize {
    state.model.streams.0.iter().map(|stream| stream.len()).sum()
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Write,
    Done,
    Stale,
}

fn judge(save: &Save<'_>, stored: Option<Head>, claimed: u32) -> Verdict {
    match stored {
        Some(head) if head.writer == save.writer && head.version == save.version => Verdict::Done,
        _ if save.epoch < claimed => Verdict::Stale,
        Some(head) if head.epoch > save.epoch || head.version.checked_add(1) != Some(save.version) => Verdict::Stale,
        _ => Verdict::Write,
    }
}

/// Next offset of each stream while a batch is being made.
#[derive(Default)]
struct Numbers(Vec<(String, u64)>);

impl Numbers {
    fn next(&mut self, state: &State, stream: &str) -> u64 {
        if let Some((_, next)) = self.0.iter_mut().find(|(name, _)| name == stream) {
            *next += 1;
            return *next - 1;
        }
        let next = state.model.streams.get(stream).map_or(1, |stream| stream.next());
        self.0.push((stream.to_owned(), next + 1));
        next
    }
}

/// Trims bounded streams that are over their limit by an eighth, so that it happens seldom.
fn bound_streams(state: &State, numbers: &Numbers, frames: &mut Frames) {
    for (name, limit) in &state.options.bounded {
        let grows = numbers.0.iter().any(|(stream, _)| stream == name);
        let Some(stream) = state.model.streams.get(name).filter(|stream| grows && stream.bytes > *limit) else { continue };
        frames.trim(name, stream.offset_freeing(stream.bytes - limit + limit / 8));
    }
}

fn check_row(key: &[u8], row: Option<&[u8]>) -> Result<usize, StoreError> {
    within("key", key.len(), KEY_BYTES)?;
    let size = row.map_or(0, <[u8]>::len);
    within("row", size, ROW_BYTES)?;
    Ok(key.len() + size + SAVE_EXTRA)
}

fn check_save(save: &Save<'_>) -> Result<usize, StoreError> {
    let mut size = check_row(save.key, save.row)?;
    for (_, record) in save.logs {
        within("record", record.len(), ROW_BYTES)?;
        size += record.len() + SAVE_EXTRA;
    }
    within("save", size, SAVE_BYTES)?;
    Ok(size)
}

fn batch_size(mut sizes: impl Iterator<Item = Result<usize, StoreError>>) -> Result<usize, StoreError> {
    let size = sizes.try_fold(0, |sum, size| Ok::<_, StoreError>(sum + size?))?;
    within("batch", size, BATCH_BYTES)?;
    Ok(size)
}

fn check_streams<'a>(state: &State, names: impl Iterator<Item = &'a str>) -> Result<(), StoreError> {
    let mut new: Vec<&str> = Vec::new();
    for name in names {
        within("stream", name.len(), NAME_BYTES)?;
        if state.model.streams.get(name).is_none() && !new.contains(&name) {
            new.push(name);
            within("streams", state.model.streams.0.len() + new.len(), STREAMS)?;
        }
    }
    Ok(())
}
