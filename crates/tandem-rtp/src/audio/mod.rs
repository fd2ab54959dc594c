//! Audio of the relay: what it decodes, conceals, mixes, plays, records and makes. Samples are 16 bits, one channel; the shell turns the
//! engine once each [`FRAME_MS`] and owns every socket, clock and file.

pub mod clean;
pub mod codec;
pub mod comfort;
pub mod denoise;
pub mod dtmf;
pub mod echo;
pub mod file;
pub mod gather;
pub mod jitter;
pub mod leg;
pub mod mixer;
pub mod play;
pub mod plc;
pub mod record;
pub mod resample;
pub mod room;
pub mod vad;

/// Sample rates that the engine can resample to and from, Hz.
pub const RATES: [u32; 6] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000];
/// Milliseconds of one turn of the engine.
pub const FRAME_MS: u32 = 20;
/// The same in microseconds.
pub const FRAME_US: u64 = FRAME_MS as u64 * 1_000;

/// The lowest rate of the engine that holds a bandwidth, Hz.
pub fn rate_for(bandwidth: u32) -> u32 {
    // 44.1 kHz has no whole frames in Opus, and nobody speaks it but L16.
    RATES.into_iter().filter(|&rate| rate != 44_100).find(|&rate| rate >= bandwidth).unwrap_or(48_000)
}

/// Samples of one turn at `rate` Hz.
pub fn frame_samples(rate: u32) -> usize {
    (rate * FRAME_MS / 1_000) as usize
}
