//! Recording: frames become bytes of one WAV or Ogg/Opus file, and where in it they belong. Who writes them, and keeps what is written, is
//! the shell's matter. After a takeover the heir goes on in the same file, and the gap is silence.

mod ogg;
mod wav;

use super::codec::opus::Options;
use super::codec::CodecError;

/// Sound that is gathered before it is given out, milliseconds: what a crash loses at most.
pub const CHUNK_MS: u32 = 1_000;
/// A gap between owner and heir is filled up to so long, milliseconds: an hour.
pub const GAP_MS: u64 = 3_600_000;

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16-bit PCM, all legs mixed.
    Wav,
    /// 16-bit PCM, two channels: the first leg left, the others right.
    WavStereo,
    /// Ogg/Opus, all legs mixed.
    Opus(Options),
}

/// Bytes for the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where they belong. What lies between the file's end and a later place reads as zeros.
    pub offset: u64,
    /// Them.
    pub bytes: Vec<u8>,
}

/// Where a recording is: what an heir must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// When this was so, microseconds since 1970.
    pub at: u64,
    /// Nothing is recorded.
    pub paused: bool,
    /// Samples of each channel in the file, at the recorder's rate (Ogg: at 48 kHz).
    pub samples: u64,
    /// Ogg: bytes of the file, and number of the next page.
    pub bytes: u64,
    /// Ogg: number of the next page.
    pub page: u32,
    /// Ogg: serial number of the stream.
    pub serial: u32,
}

#[derive(Debug)]
enum File {
    Wav(wav::File),
    Ogg(Box<ogg::File>),
}

/// One recording.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    paused: bool,
}

impl Recorder {
    /// A recording that begins, of frames of `rate` Hz, one of [`super::RATES`]. `serial` is random.
    ///
    /// # Errors
    /// [`CodecError::Rate`], [`CodecError::Internal`].
    ///
    /// ```
    /// use tandem_rtp::audio::record::{Kind, Recorder};
    /// let mut recorder = Recorder::new(Kind::Wav, 8_000, 1).unwrap();
    /// recorder.frame(&[&[1; 160], &[2; 160]]);
    /// let writes = recorder.finish();
    /// assert_eq!((0, 44, 44, 320), (writes[0].offset, writes[0].bytes.len(), writes[1].offset, writes[1].bytes.len()));
    /// ```
    pub fn new(kind: Kind, rate: u32, serial: u32) -> Result<Recorder, CodecError> {
        let file = match kind {
            Kind::Wav => File::Wav(wav::File::new(rate, 1, 0)),
            Kind::WavStereo => File::Wav(wav::File::new(rate, 2, 0)),
            Kind::Opus(options) => File::Ogg(Box::new(ogg::File::new(rate, options, serial)?)),
        };
        Ok(Recorder { file, paused: false })
    }

    /// A recording that goes on at `now`. `tail` is what the file holds from [`State::bytes`] on (nothing, for WAV): what the dead owner
    /// wrote after its state is kept.
    ///
    /// # Errors
    /// Those of [`Recorder::new`].
    pub fn heir(kind: Kind, rate: u32, state: &State, now: u64, tail: &[u8]) -> Result<Recorder, CodecError> {
        let gap_ms = if state.paused { 0 } else { (now.saturating_sub(state.at) / 1_000).min(GAP_MS) };
        let file = match kind {
            Kind::Wav | Kind::WavStereo => {
                let channels = if kind == Kind::Wav { 1 } else { 2 };
                File::Wav(wav::File::new(rate, channels, state.samples.saturating_add(gap_ms * u64::from(rate) / 1_000)))
            }
            Kind::Opus(options) => File::Ogg(Box::new(ogg::File::heir(rate, options, state, gap_ms, tail)?)),
        };
        Ok(Recorder { file, paused: state.paused })
    }

    /// Where it is, as of `now`. What was not yet given out is not counted.
    pub fn state(&self, now: u64) -> State {
        let (samples, bytes, page, serial, waiting_us) = match &self.file {
            File::Wav(file) => (file.written(), 0, 0, 0, file.waiting_us()),
            File::Ogg(file) => file.state(),
        };
        State { at: now.saturating_sub(waiting_us), paused: self.paused, samples, bytes, page, serial }
    }

    /// Records nothing from now on, or again: a pause takes no time in the file.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether it is paused.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Milliseconds that were recorded.
    pub fn milliseconds(&self) -> u64 {
        match &self.file {
            File::Wav(file) => file.milliseconds(),
            File::Ogg(file) => file.milliseconds(),
        }
    }

    /// Takes what the legs said in one turn of 20 ms. A file that is as long as its kind can be takes no more.
    pub fn frame(&mut self, legs: &[&[i16]]) {
        if self.paused {
            return;
        }
        match &mut self.file {
            File::Wav(file) => file.frame(legs),
            File::Ogg(file) => file.frame(legs),
        }
    }

    /// What is to be written now, in order; usually nothing, and something each second.
    pub fn writes(&mut self) -> Vec<Write> {
        match &mut self.file {
            File::Wav(file) => file.writes(false),
            File::Ogg(file) => file.writes(false),
        }
    }

    /// What is still to be written; then the file is whole.
    pub fn finish(mut self) -> Vec<Write> {
        match &mut self.file {
            File::Wav(file) => file.writes(true),
            File::Ogg(file) => file.writes(true),
        }
    }
}

/// The sum of some legs' samples.
fn mix<'a>(legs: impl Iterator<Item = &'a [i16]>, out: &mut Vec<i16>) {
    out.clear();
    for leg in legs {
        if out.is_empty() {
            out.extend_from_slice(leg);
        } else {
            out.iter_mut().zip(leg).for_each(|(sum, &sample)| *sum = sum.saturating_add(sample));
        }
    }
}

#[cfg(test)]
mod tests;
