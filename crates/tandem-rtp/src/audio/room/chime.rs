//! The tones by which a room tells that somebody has come or gone: two short notes, up or down.

use super::super::mixer::Mixer;

/// The two notes, Hz.
const NOTES: (f32, f32) = (440.0, 660.0);
/// Length of a note, milliseconds.
const NOTE_MS: u32 = 90;
/// Loudness at the peak.
const PEAK: f32 = 2_500.0;
/// Chimes that wait at most: a crowd that comes at once is told by few.
const WAITING: u8 = 2;

/// The chimes of one room.
#[derive(Debug, Clone)]
pub(super) struct Chime {
    rate: u32,
    /// Chimes of those who came and of those who went, still to be played.
    entered: u8,
    left: u8,
    /// Samples that have been played of one, and whether it goes up.
    playing: Option<(usize, bool)>,
    frame: Vec<i16>,
}

impl Chime {
    pub(super) fn new(rate: u32) -> Chime {
        Chime { rate, entered: 0, left: 0, playing: None, frame: Vec::new() }
    }

    pub(super) fn entered(&mut self) {
        self.entered = (self.entered + 1).min(WAITING);
    }

    pub(super) fn left(&mut self) {
        self.left = (self.left + 1).min(WAITING);
    }

    /// Adds the turn's part of a chime.
    pub(super) fn add(&mut self, mixer: &mut Mixer) {
        if self.playing.is_none() {
            let up = self.entered > 0;
            if !up && self.left == 0 {
                return;
            }
            let waiting = if up { &mut self.entered } else { &mut self.left };
            *waiting -= 1;
            self.playing = Some((0, up));
        }
        let Some((played, up)) = self.playing else { return };
        let note = (self.rate * NOTE_MS / 1_000) as usize;
        let samples = super::frame_samples(self.rate);
        self.frame.clear();
        self.frame.extend((played..played + samples).map(|n| sample(n, note, up, self.rate)));
        mixer.add(&self.frame);
        self.playing = (played + samples < 2 * note).then_some((played + samples, up));
    }
}

fn sample(n: usize, note: usize, up: bool, rate: u32) -> i16 {
    if n >= 2 * note {
        return 0;
    }
    let hertz = if (n < note) == up { NOTES.0 } else { NOTES.1 };
    let part = (n % note) as f32 / note as f32;
    // Each note swells and fades.
    let loud = (part * std::f32::consts::PI).sin();
    (PEAK * loud * (n as f32 / rate as f32 * hertz * std::f32::consts::TAU).sin()) as i16
}
