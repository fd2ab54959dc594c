//! What can go wrong in the store; not the stale save, which is an outcome.

use std::{io, path::PathBuf};

/// Why the store could not do it. Nothing was applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A frame that is not the torn end of the journal cannot be read.
    #[error("{path} is damaged at byte {offset}: {why}")]
    Damaged {
        /// Segment file.
        path: PathBuf,
        /// Where the bad frame begins.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Another process has the directory open.
    #[error("{path} is in use by {holder}")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Process id and name, as far as known.
        holder: String,
    },
    /// A value is over its limit.
    #[error("{what}: {size} is over the limit of {limit}")]
    TooLarge {
        /// Field.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit that it breaks.
        limit: u64,
    },
    /// A value is not acceptable.
    #[error("{what}: {why}")]
    Bad {
        /// Field.
        what: &'static str,
        /// Reason.
        why: &'static str,
    },
    /// fdatasync failed before: what the disk holds is unknown until the store is opened again.
    #[error("an earlier fdatasync failed ({0}); open the store again")]
    Unsynced(String),
}

/// Bytes or counts over a limit.
pub(crate) fn within(what: &'static str, size: usize, limit: usize) -> Result<(), StoreError> {
    if size <= limit {
        return Ok(());
    }
    Err(StoreError::TooLarge { what, size: size as u64, limit: limit as u64 })
}

/// Gives an I/O error its file.
pub(crate) fn io_at(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source }
}
