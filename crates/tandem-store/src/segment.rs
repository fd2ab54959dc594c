//! One file of the journal: its name, its head, its bytes; not what they mean.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{io_at, StoreError};

/// Bytes before the first frame: magic (8), number (4), salt (4).
pub(crate) const SEGMENT_HEAD: usize = 16;
const MAGIC: &[u8; 8] = b"TANDEMJ1";
const SUFFIX: &str = ".journal";

#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub number: u32,
    pub salt: u32,
    pub path: PathBuf,
    pub file: Arc<File>,
    /// Length of what is good in it, head included.
    pub bytes: u64,
}

impl Segment {
    /// A new file with nothing but its head.
    pub fn create(dir: &Path, number: u32) -> Result<Self, StoreError> {
        let path = dir.join(format!("{number:010}{SUFFIX}"));
        let salt = RandomState::new().hash_one(number) as u32;
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).map_err(io_at("creating", &path))?;
        let made = file.write_all_at(&head(number, salt), 0).and_then(|()| File::open(dir)?.sync_all());
        if let Err(source) = made {
            let _ = fs::remove_file(&path);
            return Err(io_at("writing", &path)(source));
        }
        Ok(Self { number, salt, path, file: Arc::new(file), bytes: SEGMENT_HEAD as u64 })
    }

    /// An existing file; `None` if its head was torn while it was made.
    pub fn open(path: &Path, number: u32) -> Result<Option<Self>, StoreError> {
        let file = File::options().read(true).write(true).open(path).map_err(io_at("opening", path))?;
        let bytes = file.metadata().map_err(io_at("reading", path))?.len();
        if bytes < SEGMENT_HEAD as u64 {
            return Ok(None);
        }
        let mut found = [0; SEGMENT_HEAD];
        file.read_exact_at(&mut found, 0).map_err(io_at("reading", path))?;
        let [.., a, b, c, d] = found;
        let salt = u32::from_le_bytes([a, b, c, d]);
        if found != head(number, salt) {
            return Err(StoreError::Damaged { path: path.to_owned(), offset: 0, why: "not the head of this segment" });
        }
        Ok(Some(Self { number, salt, path: path.to_owned(), file: Arc::new(file), bytes }))
    }
}

fn head(number: u32, salt: u32) -> [u8; SEGMENT_HEAD] {
    let mut head = [0; SEGMENT_HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&number.to_le_bytes());
    head[12..].copy_from_slice(&salt.to_le_bytes());
    head
}

/// Segment files of a directory, the oldest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<(u32, PathBuf)>, StoreError> {
    let read = || -> io::Result<Vec<(u32, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(number) = name.strip_suffix(SUFFIX).and_then(|number| number.parse().ok()) {
                found.push((number, path));
            }
        }
        found.sort();
        Ok(found)
    };
    read().map_err(io_at("listing", dir))
}

/// Reads a file front to back through one small buffer.
pub(crate) struct Window {
    buffer: Vec<u8>,
    /// Where `buffer` begins in the file.
    start: u64,
    chunk: usize,
}

impl Window {
    pub fn new(chunk: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, chunk }
    }

    /// Forgets what it has read: the file is another one, or was written to.
    pub fn forget(&mut self) {
        self.buffer.clear();
    }

    /// At least `need` bytes from `offset` on, fewer only where `end` comes first.
    pub fn at(&mut self, file: &File, offset: u64, need: usize, end: u64) -> io::Result<&[u8]> {
        let wanted = need.min(end.saturating_sub(offset) as usize);
        let inside = |window: &Self| {
            let skip = offset.checked_sub(window.start).and_then(|skip| usize::try_from(skip).ok())?;
            (window.buffer.len() >= skip + wanted && skip <= window.buffer.len()).then_some(skip)
        };
        let skip = match inside(self) {
            Some(skip) => skip,
            None => {
                let length = self.chunk.max(wanted).min(end.saturating_sub(offset) as usize);
                self.start = offset;
                self.buffer.resize(length, 0);
                if let Err(error) = file.read_exact_at(&mut self.buffer, offset) {
                    self.buffer.clear();
                    return Err(error);
                }
                0
            }
        };
        Ok(&self.buffer[skip..])
    }
}
