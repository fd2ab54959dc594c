//! Frames of the journal as bytes: `u32 length, u32 crc32c, payload`; no files here.
//!
//! A payload is `u8 kind, u64 lsn, body`. The checksum starts from the segment's random salt, so that bytes inside a row,
//! which a peer may have chosen, never look like a frame.

use crate::{KEY_BYTES, NAME_BYTES, ROW_BYTES, SAVE_BYTES};

pub(crate) const FRAME_HEAD: usize = 8;
const PAYLOAD_HEAD: usize = 9;
/// Longest payload, in bytes.
const PAYLOAD_BYTES: usize = SAVE_BYTES + 64 * 1024;
/// Shortest whole frame, in bytes.
const SHORTEST: usize = FRAME_HEAD + PAYLOAD_HEAD;

const SAVE: u8 = 1;
const LOGS: u8 = 2;
const TRIM: u8 = 3;
const CHECKPOINT: u8 = 4;
const EPOCH: u8 = 5;
const STREAM: u8 = 6;

/// What a row carries beside its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub epoch: u32,
    pub version: u64,
    pub writer: u64,
    pub expires_at: u64,
}

#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// A row (`None`: deleted) and its logs.
    Save {
        head: Head,
        key: &'a [u8],
        row: Option<&'a [u8]>,
        logs: Entries<'a>,
    },
    /// Log records alone.
    Logs(Entries<'a>),
    /// Records up to and with this offset are gone.
    Trim {
        stream: &'a str,
        upto: u64,
    },
    Checkpoint {
        stream: &'a str,
        consumer: &'a str,
        offset: u64,
    },
    Epoch(u32),
    /// State of a stream when a segment began: oldest offset, next offset.
    Stream {
        stream: &'a str,
        first: u64,
        next: u64,
    },
}

/// One log record where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub stream: &'a str,
    pub offset: u64,
    pub bytes: &'a [u8],
    /// Distance from the start of the frame (or of what `Entries` was made of), in bytes.
    pub at: usize,
    /// The entry with its head, in bytes.
    pub size: usize,
}

/// Log records one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entries<'a> {
    at: usize,
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub fn new(at: usize, rest: &'a [u8]) -> Self {
        Self { at, rest }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let mut reader = Reader(self.rest);
        let stream = reader.name()?;
        let offset = reader.u64()?;
        let length = reader.u32()? as usize;
        let bytes = reader.take(length)?;
        let size = self.rest.len() - reader.0.len();
        let entry = Entry { stream, offset, bytes, at: self.at, size };
        *self = Self { at: self.at + size, rest: reader.0 };
        Some(entry)
    }
}

/// Frames being written: the bytes, the number of the last one, and the salt of the segment that they go to.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub bytes: Vec<u8>,
    pub lsn: u64,
    pub salt: u32,
}

impl Frames {
    pub fn save<'l>(&mut self, head: Head, key: &[u8], row: Option<&[u8]>, logs: impl Iterator<Item = (&'l str, u64, &'l [u8])>) {
        self.frame(SAVE, |out| {
            out.push(u8::from(row.is_some()));
            out.extend_from_slice(&(key.len() as u16).to_le_bytes());
            out.extend_from_slice(&(row.map_or(0, <[u8]>::len) as u32).to_le_bytes());
            out.extend_from_slice(&head.epoch.to_le_bytes());
            out.extend_from_slice(&head.version.to_le_bytes());
            out.extend_from_slice(&head.writer.to_le_bytes());
            out.extend_from_slice(&head.expires_at.to_le_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(row.unwrap_or_default());
            logs.for_each(|(stream, offset, bytes)| entry(out, stream, offset, bytes));
        });
    }

    pub fn log(&mut self, stream: &str, offset: u64, bytes: &[u8]) {
        self.frame(LOGS, |out| entry(out, stream, offset, bytes));
    }

    pub fn trim(&mut self, stream: &str, upto: u64) {
        self.frame(TRIM, |out| {
            name(out, stream);
            out.extend_from_slice(&upto.to_le_bytes());
        });
    }

    pub fn checkpoint(&mut self, stream: &str, consumer: &str, offset: u64) {
        self.frame(CHECKPOINT, |out| {
            name(out, stream);
            name(out, consumer);
            out.extend_from_slice(&offset.to_le_bytes());
        });
    }

    pub fn epoch(&mut self, epoch: u32) {
        self.frame(EPOCH, |out| out.extend_from_slice(&epoch.to_le_bytes()));
    }

    pub fn stream(&mut self, stream: &str, first: u64, next: u64) {
        self.frame(STREAM, |out| {
            name(out, stream);
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&next.to_le_bytes());
        });
    }

    fn frame(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.lsn += 1;
        self.bytes.extend_from_slice(&[0; FRAME_HEAD]);
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&self.lsn.to_le_bytes());
        body(&mut self.bytes);
        let payload = &self.bytes[start + FRAME_HEAD..];
        let (length, crc) = (payload.len() as u32, crc32c::crc32c_append(self.salt, payload));
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.bytes[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }
}

fn entry(out: &mut Vec<u8>, stream: &str, offset: u64, bytes: &[u8]) {
    name(out, stream);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
}

/// Length of the whole frame that begins here, by its head alone; `None`: not a head of ours.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let payload = Reader(bytes).u32()? as usize;
    (PAYLOAD_HEAD..=PAYLOAD_BYTES).contains(&payload).then_some(FRAME_HEAD + payload)
}

/// The payload of the whole, undamaged frame that begins here.
pub(crate) fn checked(bytes: &[u8], salt: u32) -> Option<&[u8]> {
    let payload = bytes.get(FRAME_HEAD..length(bytes)?)?;
    let crc = Reader(bytes.get(4..)?).u32()?;
    (crc32c::crc32c_append(salt, payload) == crc).then_some(payload)
}

/// Whether an undamaged frame later than `lsn` begins anywhere after the first byte.
pub(crate) fn any_after(bytes: &[u8], salt: u32, lsn: u64) -> bool {
    let latest = lsn + 2 + (bytes.len() / SHORTEST) as u64;
    (1..bytes.len().saturating_sub(SHORTEST - 1)).any(|at| {
        let Some(here) = bytes.get(at..) else { return false };
        // the number first: it is cheap and rarely fits, the checksum is neither
        let Some(found) = here.get(FRAME_HEAD + 1..).and_then(|b| Reader(b).u64()) else { return false };
        (lsn + 1..=latest).contains(&found) && checked(here, salt).is_some()
    })
}

/// Number and content of a payload.
pub(crate) fn decode(payload: &[u8]) -> Option<(u64, Body<'_>)> {
    let mut reader = Reader(payload);
    let kind = reader.u8()?;
    let lsn = reader.u64()?;
    let body = match kind {
        SAVE => {
            let has_row = reader.u8()? != 0;
            let key = usize::from(reader.u16()?);
            let row = reader.u32()? as usize;
            if key > KEY_BYTES || row > ROW_BYTES {
                return None;
            }
            let head = Head { epoch: reader.u32()?, version: reader.u64()?, writer: reader.u64()?, expires_at: reader.u64()? };
            let key = reader.take(key)?;
            let row = reader.take(row)?;
            Body::Save { head, key, row: has_row.then_some(row), logs: entries(payload, reader) }
        }
        LOGS => Body::Logs(entries(payload, reader)),
        TRIM => Body::Trim { stream: reader.name()?, upto: reader.u64()? },
        CHECKPOINT => Body::Checkpoint { stream: reader.name()?, consumer: reader.name()?, offset: reader.u64()? },
        EPOCH => Body::Epoch(reader.u32()?),
        STREAM => Body::Stream { stream: reader.name()?, first: reader.u64()?, next: reader.u64()? },
        _ => return None,
    };
    Some((lsn, body))
}

fn entries<'a>(payload: &[u8], reader: Reader<'a>) -> Entries<'a> {
    Entries::new(FRAME_HEAD + payload.len() - reader.0.len(), reader.0)
}

/// Takes little-endian numbers off the front of bytes.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn name(&mut self) -> Option<&'a str> {
        let length = usize::from(self.u8()?);
        if length > NAME_BYTES {
            return None;
        }
        std::str::from_utf8(self.take(length)?).ok()
    }
}
