//! The bytes of an Ogg/Opus recording (RFC 7845): a page each second.

use super::super::codec::opus::{self, Encoder, Options, CLOCK};
use super::super::codec::CodecError;
use super::super::file::{ogg, opus as container};
use super::super::resample::Resampler;
use super::super::{frame_samples, FRAME_MS};
use super::{mix, State, Write, CHUNK_MS};

/// Frames of silence after which an encoder makes the same packet for ever.
const SETTLED: u64 = 25;

#[derive(Debug)]
pub(super) struct File {
    encoder: Encoder,
    resampler: Option<Resampler>,
    writer: ogg::Writer,
    serial: u32,
    /// Units of 48 kHz put into packets, and up to the last page that was made.
    units: u64,
    paged: u64,
    preskip: u64,
    /// Bytes given out, and those that wait.
    bytes: u64,
    out: Vec<u8>,
    mixed: Vec<i16>,
    samples: Vec<i16>,
    packet: Vec<u8>,
}

impl File {
    pub(super) fn new(rate: u32, options: Options, serial: u32) -> Result<File, CodecError> {
        let mut file = File::open(rate, options, serial, 0)?;
        for packet in [container::id_header(file.preskip as u16, rate), container::comment_header()] {
            file.writer.packet(&packet, 0);
            file.writer.page(false, &mut file.out);
        }
        Ok(file)
    }

    fn open(rate: u32, options: Options, serial: u32, page: u32) -> Result<File, CodecError> {
        let own = opus::rate_for(rate);
        let mut encoder = Encoder::new(own, options)?;
        let preskip = u64::from(encoder.delay_units()?);
        let resampler = match own == rate {
            true => None,
            false => Some(Resampler::new(rate, own).ok_or(CodecError::Rate(rate))?),
        };
        let writer = ogg::Writer::new(serial, page);
        let (out, mixed, samples, packet) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(File { encoder, resampler, writer, serial, units: 0, paged: 0, preskip, bytes: 0, out, mixed, samples, packet })
    }

    pub(super) fn heir(rate: u32, options: Options, state: &State, gap_ms: u64, tail: &[u8]) -> Result<File, CodecError> {
        if state.page < 2 {
            // The owner died before it had given out the heads.
            let mut file = File::new(rate, options, state.serial)?;
            file.silence(gap_ms * u64::from(CLOCK) / 1_000);
            return Ok(file);
        }
        let (mut at, mut page, mut units) = (0, state.page, state.samples);
        while let Some(next) = tail.get(at..).and_then(ogg::Page::read) {
            if next.serial != state.serial || next.sequence != page || next.granule < units {
                break;
            }
            (at, page, units) = (at + next.bytes, page.wrapping_add(1), next.granule);
        }
        let mut file = File::open(rate, options, state.serial, page)?;
        (file.bytes, file.units, file.paged) = (state.bytes + at as u64, units, units);
        let goal = state.samples.saturating_add(gap_ms * u64::from(CLOCK) / 1_000);
        file.silence(goal.saturating_sub(units));
        Ok(file)
    }

    /// Samples, bytes, next page, serial number, and microseconds that wait.
    pub(super) fn state(&self) -> (u64, u64, u32, u32, u64) {
        let waiting = self.units - self.paged;
        let page = if self.bytes == 0 { 0 } else { self.writer.sequence() };
        (self.paged, self.bytes, page, self.serial, waiting * 1_000_000 / u64::from(CLOCK))
    }

    pub(super) fn milliseconds(&self) -> u64 {
        self.units * 1_000 / u64::from(CLOCK)
    }

    pub(super) fn frame(&mut self, legs: &[&[i16]]) {
        mix(legs.iter().copied(), &mut self.mixed);
        match &mut self.resampler {
            Some(resampler) => resampler.run(&self.mixed, &mut self.samples),
            None => self.samples.extend_from_slice(&self.mixed),
        }
        let length = frame_samples(self.encoder.rate());
        while self.samples.len() >= length {
            self.packet.clear();
            let frame = self.samples.get(..length).unwrap_or_default();
            let made = self.encoder.encode(frame, &mut self.packet);
            self.samples.drain(..length);
            if made.is_ok() {
                self.put();
            }
        }
    }

    /// Puts the packet that was made.
    fn put(&mut self) {
        let units = u64::from(CLOCK * FRAME_MS / 1_000);
        if !self.writer.packet(&self.packet, self.units + units) {
            self.page(false);
            self.writer.packet(&self.packet, self.units + units);
        }
        self.units += units;
    }

    fn silence(&mut self, units: u64) {
        let quiet = vec![0; frame_samples(self.encoder.rate())];
        for n in 0..units / u64::from(CLOCK * FRAME_MS / 1_000) {
            if n < SETTLED {
                self.packet.clear();
                if self.encoder.encode(&quiet, &mut self.packet).is_err() {
                    return;
                }
            }
            self.put();
            if self.units - self.paged >= u64::from(CLOCK) {
                self.page(false);
            }
        }
    }

    fn page(&mut self, last: bool) {
        self.writer.page(last, &mut self.out);
        self.paged = self.units;
    }

    pub(super) fn writes(&mut self, last: bool) -> Vec<Write> {
        let due = self.units - self.paged >= u64::from(CLOCK) * u64::from(CHUNK_MS) / 1_000;
        if last && self.preskip > 0 {
            // What the encoder still holds of the last frame.
            let quiet = vec![0; frame_samples(self.encoder.rate())];
            self.packet.clear();
            if self.encoder.encode(&quiet, &mut self.packet).is_ok() {
                self.put();
            }
        }
        if last || (due && self.writer.holds()) {
            self.page(last);
        }
        if self.out.is_empty() {
            return Vec::new();
        }
        let write = Write { offset: self.bytes, bytes: std::mem::take(&mut self.out) };
        self.bytes += write.bytes.len() as u64;
        vec![write]
    }
}
