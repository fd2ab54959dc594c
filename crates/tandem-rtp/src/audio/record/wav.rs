//! The bytes of a WAV recording. A sample's place follows from its time, so an heir needs to know nothing of the file.

use super::super::file::wav::{header, HEADER_BYTES};
use super::{mix, Write, CHUNK_MS};

/// Bytes of data at most: its length has 32 bits.
const DATA_BYTES: u64 = u32::MAX as u64 - HEADER_BYTES as u64;

#[derive(Debug)]
pub(super) struct File {
    rate: u32,
    channels: u16,
    /// Samples of each channel that were given out or skipped.
    written: u64,
    waiting: Vec<u8>,
    left: Vec<i16>,
    right: Vec<i16>,
}

impl File {
    pub(super) fn new(rate: u32, channels: u16, written: u64) -> File {
        File { rate: rate.max(1), channels, written, waiting: Vec::new(), left: Vec::new(), right: Vec::new() }
    }

    fn step(&self) -> u64 {
        u64::from(self.channels) * 2
    }

    fn waiting(&self) -> u64 {
        self.waiting.len() as u64 / self.step()
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn waiting_us(&self) -> u64 {
        self.waiting() * 1_000_000 / u64::from(self.rate)
    }

    pub(super) fn milliseconds(&self) -> u64 {
        (self.written + self.waiting()) * 1_000 / u64::from(self.rate)
    }

    pub(super) fn frame(&mut self, legs: &[&[i16]]) {
        let longest = legs.iter().map(|leg| leg.len() as u64).max().unwrap_or_default();
        if (self.written + self.waiting() + longest).saturating_mul(self.step()) > DATA_BYTES {
            return;
        }
        if self.channels == 1 {
            mix(legs.iter().copied(), &mut self.left);
            self.waiting.extend(self.left.iter().flat_map(|sample| sample.to_le_bytes()));
            return;
        }
        mix(legs.iter().copied().take(1), &mut self.left);
        mix(legs.iter().copied().skip(1), &mut self.right);
        self.right.resize(self.left.len(), 0);
        self.waiting.extend(self.left.iter().zip(&self.right).flat_map(|(left, right)| {
            let ([l0, l1], [r0, r1]) = (left.to_le_bytes(), right.to_le_bytes());
            [l0, l1, r0, r1]
        }));
    }

    pub(super) fn writes(&mut self, last: bool) -> Vec<Write> {
        let chunk = u64::from(self.rate) * u64::from(CHUNK_MS) / 1_000;
        if !last && self.waiting() < chunk {
            return Vec::new();
        }
        let offset = HEADER_BYTES as u64 + self.written * self.step();
        self.written += self.waiting();
        let data = (self.written * self.step()).min(DATA_BYTES) as u32;
        // The head is true at every moment, so a file whose writer dies can be played.
        let head = Write { offset: 0, bytes: header(self.rate, self.channels, data).to_vec() };
        let mut writes = vec![head];
        if !self.waiting.is_empty() {
            writes.push(Write { offset, bytes: std::mem::take(&mut self.waiting) });
        }
        writes
    }
}
