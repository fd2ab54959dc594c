//! Recordings that run: which file each has, what an heir needs, and what is told beside the file. It records and writes nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tandem_rtp::audio::codec::opus::Options;
use tandem_rtp::audio::record::{Kind, State};
use tandem_rtp::ng::RecordingTarget;
use tandem_rtp::studio::Reel;

use crate::config::{Format, Recordings};
use crate::sounds::{file_name, inside};
use crate::spool::TapeName;

/// What is kept of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tape {
    /// Of a room, or of a call.
    pub name: TapeName,
    /// The file while it runs.
    pub spooled: PathBuf,
    /// Its place afterwards.
    pub place: PathBuf,
    /// Ogg/Opus, or WAV.
    pub ogg: bool,
    /// Each side on its own channel.
    pub stereo: bool,
    /// When it began, microseconds since 1970.
    pub began: u64,
    /// What the command told.
    pub metadata: Option<String>,
    /// Nothing is recorded.
    pub paused: bool,
    /// Where it is, and its rate in Hz.
    pub state: Option<(State, u32)>,
}

impl Tape {
    /// A recording that begins.
    pub fn new(recordings: &Recordings, name: TapeName, now: u64, target: &RecordingTarget, metadata: Option<String>) -> Tape {
        let usual = format!("{}-{}", file_name(&name.1), now / 1_000);
        let folder = target.folder.as_deref().map_or_else(|| recordings.directory.clone(), |folder| inside(&recordings.directory, folder));
        let told = target.file.as_deref().or(target.destination.as_deref());
        let place = inside(&folder, told.unwrap_or(&usual));
        let ending = target.file.as_ref().and_then(|_| place.extension()).and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let ogg = match ending.as_deref() {
            Some("ogg" | "opus") => true,
            Some("wav") => false,
            _ => recordings.format == Format::Ogg,
        };
        let place = if ending.is_some() { place } else { ended(&place, if ogg { "ogg" } else { "wav" }) };
        let spooled = recordings.directory.join(".spool").join(format!("{}{usual}", if name.0 { "room-" } else { "call-" }));
        Tape { name, spooled, place, ogg, stereo: recordings.stereo && !ogg, began: now, metadata, paused: false, state: None }
    }

    /// How it begins, or goes on behind what its file holds.
    pub fn reel(&self, serial: u32) -> Reel {
        let kind = match (self.ogg, self.stereo) {
            (true, _) => Kind::Opus(Options::default()),
            (false, true) => Kind::WavStereo,
            (false, false) => Kind::Wav,
        };
        let left = self.state.map(|(state, _)| (state, if self.ogg { tail(&self.spooled, state.bytes) } else { Vec::new() }));
        Reel { kind, serial, paused: self.paused, left, rate: self.state.map(|(_, rate)| rate) }
    }

    /// What is told beside the file, as JSON.
    pub fn about(&self, now: u64) -> String {
        let (room, name) = &self.name;
        let kind = if *room { "room" } else { "call" };
        serde_json::json!({ kind: name, "began_us": self.began, "ended_us": now, "metadata": self.metadata }).to_string()
    }
}

/// All that run.
pub type Tapes = HashMap<TapeName, Tape>;

fn ended(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// What a file holds from a place on; a file that cannot be read holds nothing.
fn tail(path: &Path, from: u64) -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)
    });
    read.map_or_else(|_| Vec::new(), |_| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_the_place_that_was_told_or_one_of_its_own() {
        let recordings = Recordings { directory: "/r".into(), format: Format::Wav, stereo: true };
        let place = |target: RecordingTarget| {
            let tape = Tape::new(&recordings, (false, "a/b".into()), 7_000, &target, None);
            (tape.place.display().to_string(), tape.ogg, tape.stereo)
        };
        let told = |file: &str| RecordingTarget { file: Some(file.into()), ..RecordingTarget::default() };
        assert_eq!(("/r/a_b-7.wav".into(), false, true), place(RecordingTarget::default()));
        assert_eq!(("/r/x.ogg".into(), true, false), place(told("x.ogg")));
        assert_eq!(("/elsewhere/x.wav".into(), false, true), place(told("/elsewhere/x.wav")));
        let destination = RecordingTarget { destination: Some("y".into()), folder: Some("day".into()), ..RecordingTarget::default() };
        assert_eq!(("/r/day/y.wav".into(), false, true), place(destination));
    }
}
