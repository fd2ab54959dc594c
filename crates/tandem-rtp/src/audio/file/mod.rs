//! Sound files in memory: WAV and Ogg/Opus, read and written as bytes. Who opens, caches and stores them is the shell's matter.

pub mod ogg;
pub mod opus;
pub mod wav;

/// Why bytes are no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It begins as no kind of file that is known here.
    #[error("neither WAV nor Ogg/Opus")]
    Kind,
    /// A part that must be there is missing or cannot be.
    #[error("damaged sound file: {0}")]
    Damaged(&'static str),
    /// It is good, and cannot be played: its encoding, channels or rate.
    #[error("sound file cannot be played: {0}")]
    Unsupported(&'static str),
    /// It has no sound at all.
    #[error("sound file is empty")]
    Empty,
}
