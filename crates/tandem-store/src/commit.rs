//! One write of the journal: room for it, the bytes, then memory; all of it or nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{io_at, StoreError};
use crate::frame::{self, Frames};
use crate::model::Model;
use crate::rows::Place;
use crate::segment::{Segment, Window};
use crate::sync::Syncer;
use crate::{Options, Sync};

/// Bytes read at once where the oldest segment is searched for what is alive.
const SCAN_WINDOW: usize = 256 << 10;
/// Largest write buffer that is kept for the next write, in bytes.
const KEPT_BUFFER: usize = 256 << 10;

pub(crate) struct State {
    pub model: Model,
    /// The oldest first; the last one is written to. Never empty.
    pub segments: VecDeque<Segment>,
    pub options: Options,
    pub dir: std::path::PathBuf,
    pub now: u64,
    pub swept_at: u64,
    pub sweep_turn: usize,
    /// How far the oldest segment has been searched.
    pub scanned: u64,
    pub scan: Window,
    /// The oldest segment cannot be read: nothing is compacted any more, saves go on.
    pub is_stuck: bool,
    /// A failed write may have left bytes after the last good frame.
    has_rest: bool,
    pub written_bytes: u64,
    pub copied_bytes: u64,
    pub sync: Syncer,
    _lock: File,
    spare: Vec<u8>,
}

impl State {
    pub fn new(
        dir: std::path::PathBuf,
        options: Options,
        now: u64,
        lock: File,
        model: Model,
        segments: VecDeque<Segment>,
    ) -> Result<Self, StoreError> {
        let sync = Syncer::start().map_err(io_at("starting the sync thread of", &dir))?;
        Ok(Self {
            model,
            segments,
            options,
            dir,
            now,
            swept_at: now,
            sweep_turn: 0,
            scanned: 0,
            scan: Window::new(SCAN_WINDOW),
            is_stuck: false,
            has_rest: false,
            written_bytes: 0,
            copied_bytes: 0,
            sync,
            _lock: lock,
            spare: Vec::new(),
        })
    }

    /// An empty buffer for the frames of one write, in a segment that has room. Copies of old data come first in it.
    pub fn begin(&mut self, size: usize) -> Result<(Frames, u64), StoreError> {
        self.sync.check()?;
        self.cut_rest()?;
        let full = self.segments.back().is_none_or(|segment| segment.bytes >= self.options.segment_bytes);
        if full {
            self.rotate()?;
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        let salt = self.segments.back().map_or(0, |segment| segment.salt);
        let mut frames = Frames { bytes, lsn: self.model.lsn, salt };
        let scanned = self.copy_live(&mut frames, size);
        Ok((frames, scanned))
    }

    /// Writes the frames and applies them.
    pub fn commit(&mut self, frames: Frames, scanned: u64) -> Result<(), StoreError> {
        if frames.bytes.is_empty() {
            return Ok(());
        }
        let Some(current) = self.segments.back_mut() else { return Ok(()) };
        let start = current.bytes;
        if let Err(source) = current.file.write_all_at(&frames.bytes, start) {
            let path = current.path.clone();
            self.has_rest = true;
            let _ = self.cut_rest();
            return Err(io_at("writing", &path)(source));
        }
        match self.options.sync {
            Sync::Before => {
                if let Err(error) = self.sync.sync_now(&current.file) {
                    self.has_rest = true;
                    return Err(error);
                }
            }
            Sync::Batch => self.sync.wrote(&current.file),
        }
        current.bytes += frames.bytes.len() as u64;
        let number = current.number;
        self.apply(&frames, number, start);
        self.written_bytes += frames.bytes.len() as u64;
        self.scanned = scanned;
        self.retire();
        self.spare = if frames.bytes.capacity() <= KEPT_BUFFER { frames.bytes } else { Vec::new() };
        Ok(())
    }

    fn apply(&mut self, frames: &Frames, segment: u32, start: u64) {
        let mut rest = frames.bytes.as_slice();
        let mut offset = start;
        while let Some((bytes, after)) = frame::length(rest).and_then(|length| rest.split_at_checked(length)) {
            if let Some((lsn, body)) = bytes.get(frame::FRAME_HEAD..).and_then(frame::decode) {
                self.model.apply(lsn, body, Place { segment, offset: offset as u32 });
            }
            offset += bytes.len() as u64;
            rest = after;
        }
    }

    fn cut_rest(&mut self) -> Result<(), StoreError> {
        let Some(current) = self.segments.back().filter(|_| self.has_rest) else { return Ok(()) };
        current.file.set_len(current.bytes).map_err(io_at("cutting", &current.path))?;
        self.has_rest = false;
        Ok(())
    }

    /// Closes the current segment and begins the next one with what replay must know of the segments before it.
    pub fn rotate(&mut self) -> Result<(), StoreError> {
        let number = match self.segments.back() {
            // a later segment may exist on the disk only after this one is whole there
            Some(current) => {
                current.file.sync_data().map_err(io_at("syncing", &current.path))?;
                current.number.checked_add(1).ok_or(StoreError::Bad { what: "segment", why: "numbers are used up" })?
            }
            None => 1,
        };
        let mut next = Segment::create(&self.dir, number)?;
        let mut frames = Frames { bytes: Vec::new(), lsn: self.model.lsn, salt: next.salt };
        frames.epoch(self.model.epoch);
        for stream in &self.model.streams.0 {
            frames.stream(&stream.name, stream.first, stream.next());
            stream.checkpoints.iter().for_each(|(consumer, offset)| frames.checkpoint(&stream.name, consumer, *offset));
        }
        if let Err(source) = next.file.write_all_at(&frames.bytes, next.bytes) {
            let _ = std::fs::remove_file(&next.path);
            return Err(io_at("writing", &next.path)(source));
        }
        next.bytes += frames.bytes.len() as u64;
        self.model.lsn = frames.lsn;
        if self.segments.is_empty() {
            self.model.live.first = number;
        }
        self.sync.rotated();
        self.sync.wrote(&next.file);
        self.segments.push_back(next);
        self.model.live.bytes.push_back(0);
        Ok(())
    }

    /// Hands the oldest segments to be unlinked while they hold nothing that is alive. Only ever the oldest: a later one
    /// may hold the deletion of a row that an older one holds.
    pub fn retire(&mut self) {
        while self.segments.len() > 1 && self.model.live.bytes.front() == Some(&0) {
            if let Some(oldest) = self.segments.pop_front() {
                self.sync.retire(oldest.path);
            }
            self.model.live.bytes.pop_front();
            self.model.live.first += 1;
            self.scanned = 0;
            self.scan.forget();
            self.is_stuck = false;
        }
    }
}
