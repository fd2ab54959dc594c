//! What the journal means: applying a frame to memory, the same for a fresh write and for replay; no files.

use std::collections::VecDeque;

use crate::frame::{Body, Entry};
use crate::rows::{Freed, Place, Rows};
use crate::streams::{Spot, Streams};

/// Bytes in each segment that are still needed; the oldest segment first.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub first: u32,
    pub bytes: VecDeque<u64>,
}

impl Live {
    fn slot(&mut self, segment: u32) -> Option<&mut u64> {
        self.bytes.get_mut(segment.checked_sub(self.first)? as usize)
    }

    pub fn free(&mut self, freed: Freed) {
        if let Some(live) = self.slot(freed.segment) {
            *live = live.saturating_sub(u64::from(freed.bytes));
        }
    }

    fn add(&mut self, segment: u32, bytes: u32) {
        if let Some(live) = self.slot(segment) {
            *live += u64::from(bytes);
        }
    }

    pub fn total(&self) -> u64 {
        self.bytes.iter().sum()
    }
}

pub(crate) struct Model {
    pub rows: Rows,
    pub streams: Streams,
    pub live: Live,
    pub epoch: u32,
    pub lsn: u64,
}

impl Model {
    pub fn new() -> Self {
        Self { rows: Rows::new(), streams: Streams::default(), live: Live::default(), epoch: 0, lsn: 0 }
    }

    /// Applies the frame that lies at `place`.
    pub fn apply(&mut self, lsn: u64, body: Body<'_>, place: Place) {
        self.lsn = lsn;
        match body {
            Body::Save { head, key, row, logs } => {
                self.set_row(head, key, row, place);
                logs.for_each(|entry| self.set_log(entry, place));
            }
            Body::Logs(entries) => entries.for_each(|entry| self.set_log(entry, place)),
            Body::Trim { stream, upto } => self.trim(stream, upto),
            Body::Checkpoint { stream, consumer, offset } => {
                self.streams.entry(stream).checkpoints.insert(consumer.to_owned(), offset);
            }
            Body::Epoch(epoch) => self.epoch = epoch,
            Body::Stream { stream, first, next } => {
                let known = self.streams.entry(stream).next();
                self.trim(stream, first.saturating_sub(1));
                // only at the head of the oldest segment is `next` news: records before it lie in later ones
                if next > known {
                    self.streams.entry(stream).expect_until(next);
                }
            }
        }
    }

    pub fn trim(&mut self, stream: &str, upto: u64) {
        let live = &mut self.live;
        self.streams.entry(stream).trim(upto, |freed| live.free(freed));
    }

    fn set_row(&mut self, head: crate::frame::Head, key: &[u8], row: Option<&[u8]>, place: Place) {
        let freed = match row {
            Some(row) => {
                let (size, freed) = self.rows.put(head, place, key, row);
                self.live.add(place.segment, size);
                freed
            }
            None => self.rows.remove(key),
        };
        if let Some(freed) = freed {
            self.live.free(freed);
        }
    }

    fn set_log(&mut self, entry: Entry<'_>, frame: Place) {
        let place = Place { segment: frame.segment, offset: frame.offset + entry.at as u32 };
        let spot = Spot { place, size: entry.size as u32 };
        if let Ok(freed) = self.streams.entry(entry.stream).set(entry.offset, spot) {
            self.live.add(place.segment, spot.size);
            if let Some(freed) = freed {
                self.live.free(freed);
            }
        }
    }
}
