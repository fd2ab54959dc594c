//! Every SIP message in and out, in a ring of files, and reading one call back. It is for people, not for recovery: nothing waits for it.
//!
//! Record: u32 length of what follows, u64 microseconds since 1970, u8 transport (128 set: outbound), u8 length + local `host:port`,
//! u8 length + remote `host:port`, message.

use memchr::memmem;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of one segment.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Segments kept.
pub const SEGMENTS: u64 = 8;
/// Messages of one call that are given back at most.
pub const RECORDS: usize = 10_000;
const OUTBOUND: u8 = 128;

/// One message as it crossed an edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Microseconds since 1970.
    pub at: u64,
    /// From the peer to us.
    pub inbound: bool,
    /// 1 UDP, 2 TCP, 3 TLS, 4 WS, 5 WSS.
    pub transport: u8,
    /// Our `host:port`.
    pub local: String,
    /// The peer's `host:port`.
    pub remote: String,
    /// The message.
    pub message: Vec<u8>,
}

/// The ring as it is written.
#[derive(Debug)]
pub struct Trace {
    dir: PathBuf,
    number: u64,
    file: File,
    written: u64,
    batch: Vec<u8>,
}

impl Trace {
    /// Opens the directory and begins a new segment.
    ///
    /// # Errors
    /// I/O.
    pub fn open(dir: &Path) -> io::Result<Trace> {
        fs::create_dir_all(dir)?;
        let number = segments(dir)?.last().map_or(1, |(number, _)| number + 1);
        let file = create(dir, number)?;
        Ok(Trace { dir: dir.into(), number, file, written: 0, batch: Vec::new() })
    }

    /// Adds one message to the batch.
    pub fn push(&mut self, at: u64, inbound: bool, transport: u8, local: &[u8], remote: &str, message: &[u8]) {
        let (local, remote) = (local.get(..local.len().min(255)).unwrap_or_default(), remote.as_bytes());
        let length = 8 + 1 + 1 + local.len() + 1 + remote.len() + message.len();
        self.batch.extend_from_slice(&(length as u32).to_le_bytes());
        self.batch.extend_from_slice(&at.to_le_bytes());
        self.batch.push(transport | if inbound { 0 } else { OUTBOUND });
        self.batch.push(local.len() as u8);
        self.batch.extend_from_slice(local);
        self.batch.push(remote.len() as u8);
        self.batch.extend_from_slice(remote);
        self.batch.extend_from_slice(message);
    }

    /// Writes the batch, in one write.
    ///
    /// # Errors
    /// I/O: the batch is lost, the next one may succeed.
    pub fn write(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        if self.written + self.batch.len() as u64 > SEGMENT_BYTES && self.written > 0 {
            self.number += 1;
            (self.file, self.written) = (create(&self.dir, self.number)?, 0);
        }
        let done = self.file.write_all(&self.batch);
        self.written += self.batch.len() as u64;
        self.batch.clear();
        self.batch.shrink_to(1024 * 1024);
        done
    }
}

/// All messages of a call, oldest first: those that carry its id (in our tags, branches and Call-IDs), and those that share a
/// Call-ID with one of them. At most `RECORDS`.
///
/// # Errors
/// I/O.
pub fn read_trace(dir: &Path, call: &[u8]) -> io::Result<Vec<Record>> {
    let files: Vec<Vec<u8>> = segments(dir)?.iter().filter_map(|(_, path)| fs::read(path).ok()).collect();
    let mut call_ids = HashSet::new();
    for record in files.iter().flat_map(|file| records(file)).filter(|record| memmem::find(record.message, call).is_some()) {
        call_ids.extend(call_id(record.message));
    }
    let belongs = |record: &Raw<'_>| call_id(record.message).is_some_and(|id| call_ids.contains(id));
    Ok(files.iter().flat_map(|file| records(file)).filter(belongs).take(RECORDS).map(|raw| raw.record()).collect())
}

struct Raw<'a> {
    at: u64,
    flags: u8,
    local: &'a [u8],
    remote: &'a [u8],
    message: &'a [u8],
}

impl Raw<'_> {
    fn record(&self) -> Record {
        Record {
            at: self.at,
            inbound: self.flags & OUTBOUND == 0,
            transport: self.flags & !OUTBOUND,
            local: String::from_utf8_lossy(self.local).into_owned(),
            remote: String::from_utf8_lossy(self.remote).into_owned(),
            message: self.message.to_vec(),
        }
    }
}

/// The records of a segment, up to a torn tail.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        let (at, record) = record.split_first_chunk::<8>()?;
        let (&flags, record) = record.split_first()?;
        let (&length, record) = record.split_first()?;
        let (local, record) = record.split_at_checked(usize::from(length))?;
        let (&length, record) = record.split_first()?;
        let (remote, message) = record.split_at_checked(usize::from(length))?;
        Some(Raw { at: u64::from_le_bytes(*at), flags, local, remote, message })
    })
}

fn call_id(message: &[u8]) -> Option<&[u8]> {
    let head = message.get(..memmem::find(message, b"\r\n\r\n").unwrap_or(message.len()))?;
    head.split(|c| *c == b'\n').find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let name = line.get(..colon)?.trim_ascii();
        (name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i"))
            .then(|| line.get(colon + 1..).unwrap_or_default().trim_ascii())
    })
}

fn create(dir: &Path, number: u64) -> io::Result<File> {
    for (old, path) in segments(dir)? {
        if old + SEGMENTS <= number {
            fs::remove_file(path)?;
        }
    }
    File::create(dir.join(format!("{number:08}.trace")))
}

fn segments(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found: Vec<_> = fs::read_dir(dir)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_suffix(".trace")?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    found.sort();
    Ok(found)
}
