//! Rows in memory and a journal on disk, for one machine; not a database: no queries, no ranges, one process.
//!
//! A row is saved by compare-and-set on (epoch, version), together with log records that are as durable as the row.
//! Every change is written to the journal before the call returns; opening the directory again replays it.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use tandem_store::{Options, Outcome, Save, Store};
//! let (store, _) = Store::open(dir.path(), Options::default(), 0)?;
//! let epoch = store.claim(0)?;
//! let save = Save { key: b"call", epoch, version: 1, writer: 7, expires_at: 0, row: Some(b"ringing"), logs: &[("cdr", b"x")] };
//! assert_eq!(vec![Outcome::Saved], store.save(&[save])?);
//! assert_eq!(b"ringing", &*store.load(b"call").unwrap().bytes);
//! # Ok::<(), tandem_store::StoreError>(())
//! ```

mod commit;
mod compact;
mod error;
mod frame;
mod lock;
mod model;
mod replay;
mod rows;
mod segment;
mod store;
mod streams;
mod sync;

pub use error::StoreError;
pub use store::{Stats, Store};

/// Longest key, in bytes.
pub const KEY_BYTES: usize = 1024;
/// Largest row, and largest log record, in bytes.
pub const ROW_BYTES: usize = 1 << 20;
/// Largest save with all its logs, in bytes.
pub const SAVE_BYTES: usize = 4 << 20;
/// Largest batch given to one call, in bytes.
pub const BATCH_BYTES: usize = 64 << 20;
/// Most streams in one store, and most consumers of one stream.
pub const STREAMS: usize = 64;
/// Longest name of a stream or a consumer, in bytes.
pub const NAME_BYTES: usize = 64;
/// Default limit of the stream "events", in bytes: beyond it the oldest records go, read or not.
pub const EVENT_LOG_BYTES: u64 = 256 << 20;
/// Default size at which a segment file is closed and the next one begun, in bytes.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// With [`Sync::Batch`], the longest time that a write waits for its fdatasync to begin, in milliseconds.
pub const SYNC_WITHIN_MILLISECONDS: u64 = 50;

/// One row to save, and the log records that are saved with it or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Save<'a> {
    /// Name of the row; at most [`KEY_BYTES`].
    pub key: &'a [u8],
    /// Epoch of the owner that saves.
    pub epoch: u32,
    /// One more than the version that the owner loaded; any version for a key that the store does not know.
    pub version: u64,
    /// Who saves: a repeated save is known by (writer, version).
    pub writer: u64,
    /// Microseconds since 1970 at which the row is gone; 0: never.
    pub expires_at: u64,
    /// The row; `None` deletes it.
    pub row: Option<&'a [u8]>,
    /// (stream, record).
    pub logs: &'a [(&'a str, &'a [u8])],
}

/// What became of one [`Save`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The row and its logs are in the journal (now, or by the same save before).
    Saved,
    /// Another owner or another version was there first; nothing has changed.
    Stale,
}

/// A row as loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Epoch of the last save.
    pub epoch: u32,
    /// Version of the last save.
    pub version: u64,
    /// Writer of the last save.
    pub writer: u64,
    /// Microseconds since 1970; 0: never.
    pub expires_at: u64,
    /// The row.
    pub bytes: Vec<u8>,
}

/// One unconditional write for [`Store::put`]: (key, row or `None` to delete, expires_at).
pub type Put<'a> = (&'a [u8], Option<&'a [u8]>, u64);

/// When a write reaches the disk, not only the kernel. A killed process loses nothing in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// fdatasync within [`SYNC_WITHIN_MILLISECONDS`] by a thread: a power cut may lose that much.
    Batch,
    /// fdatasync before the call returns.
    Before,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// When writes reach the disk.
    pub sync: Sync,
    /// Bytes at which a segment is closed; 4 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// Streams that lose their oldest records beyond so many bytes.
    pub bounded: Vec<(String, u64)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: Sync::Batch, segment_bytes: SEGMENT_BYTES, bounded: vec![("events".into(), EVENT_LOG_BYTES)] }
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Rows that are alive.
    pub rows: usize,
    /// Log records not yet trimmed.
    pub logs: usize,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    /// Time that the replay took.
    pub millis: u64,
}
