//! Compaction in small steps: each write takes a few live rows and records along out of the oldest segment.

use crate::commit::State;
use crate::error::StoreError;
use crate::frame::{self, Body, Entry, Frames, FRAME_HEAD};
use crate::rows::Place;
use crate::segment::SEGMENT_HEAD;

/// Live bytes copied for each byte saved, at most.
const COPY_FACTOR: usize = 2;
/// Bytes searched for each byte saved, at most, and the least that is searched.
const SEARCH_FACTOR: usize = 8;
const SEARCH_LEAST: usize = 16 << 10;

impl State {
    /// Appends copies for a save of `size` bytes; how far the oldest segment is searched then.
    pub fn copy_live(&mut self, frames: &mut Frames, size: usize) -> u64 {
        let mut at = self.scanned.max(SEGMENT_HEAD as u64);
        if !self.wants_compaction() {
            return at;
        }
        let Some(oldest) = self.segments.front().cloned() else { return at };
        let (budget, until) = (size * COPY_FACTOR, at + (size * SEARCH_FACTOR).max(SEARCH_LEAST) as u64);
        while frames.bytes.len() < budget && at < until.min(oldest.bytes) {
            let before = frames.bytes.len();
            match self.copy_frame(frames, &oldest, at) {
                // a copy never exceeds its budget by more than one frame, and the first one always fits
                Ok(length) => at += length as u64,
                Err(_) => {
                    self.is_stuck = true;
                    break;
                }
            }
            self.copied_bytes += (frames.bytes.len() - before) as u64;
        }
        at
    }

    /// More than half of the journal is dead, beyond two segments' worth.
    fn wants_compaction(&self) -> bool {
        let total: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        self.segments.len() > 1 && !self.is_stuck && total > 2 * self.model.live.total() + 2 * self.options.segment_bytes
    }

    /// Copies what is alive in the frame at `at`; its length.
    fn copy_frame(&mut self, frames: &mut Frames, oldest: &crate::segment::Segment, at: u64) -> Result<usize, StoreError> {
        let damaged = |why| StoreError::Damaged { path: oldest.path.clone(), offset: at, why };
        let Self { scan, model, now, .. } = self;
        let head = scan.at(&oldest.file, at, FRAME_HEAD, oldest.bytes).map_err(|_| damaged("cannot be read"))?;
        let length = frame::length(head).ok_or_else(|| damaged("no frame"))?;
        let bytes = scan.at(&oldest.file, at, length, oldest.bytes).map_err(|_| damaged("cannot be read"))?;
        let payload = frame::checked(bytes, oldest.salt).ok_or_else(|| damaged("bad checksum"))?;
        let (_, body) = frame::decode(payload).ok_or_else(|| damaged("no content"))?;
        let here = Place { segment: oldest.number, offset: at as u32 };
        let copy_log = |frames: &mut Frames, entry: Entry<'_>| {
            let place = Place { offset: here.offset + entry.at as u32, ..here };
            let spot = model.streams.get(entry.stream).and_then(|stream| stream.spot(entry.offset));
            if spot.is_some_and(|spot| spot.place == place) {
                frames.log(entry.stream, entry.offset, entry.bytes);
            }
        };
        match body {
            Body::Save { key, logs, .. } => {
                logs.for_each(|entry| copy_log(frames, entry));
                match model.rows.get(key).filter(|row| row.place() == here) {
                    Some(row) if row.is_expired(*now) => {
                        if let Some(freed) = model.rows.remove(key) {
                            model.live.free(freed);
                        }
                    }
                    Some(row) => frames.save(row.head(), key, Some(row.row()), std::iter::empty()),
                    None => {}
                }
            }
            Body::Logs(entries) => entries.for_each(|entry| copy_log(frames, entry)),
            Body::Trim { .. } | Body::Checkpoint { .. } | Body::Epoch(_) | Body::Stream { .. } => {}
        }
        Ok(length)
    }
}
