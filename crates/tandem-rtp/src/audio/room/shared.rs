//! Encodings that listeners share: whoever hears the same in the same codec gets the same payload. It keeps no members.

use super::super::codec::{Codec, Encoder};
use super::super::leg::Form;
use super::super::resample::Resampler;
use super::super::FRAME_MS;

/// Codecs, with their options, that are shared at most; listeners beyond them have an encoder each.
const SHARED: usize = 16;

/// One codec's encoding of the sum.
#[derive(Debug)]
pub(super) struct Shared {
    codec: Codec,
    encoder: Encoder,
    resampler: Option<Resampler>,
    samples: Vec<i16>,
    payload: Vec<u8>,
    /// The payload is that of this turn.
    made: bool,
}

impl Shared {
    fn new(codec: Codec, rate: u32) -> Option<Shared> {
        let encoder = Encoder::new(codec, rate).ok()?;
        let resampler = if encoder.rate() == rate { None } else { Some(Resampler::new(rate, encoder.rate())?) };
        Some(Shared { codec, encoder, resampler, samples: Vec::new(), payload: Vec::new(), made: false })
    }

    /// Another turn.
    pub(super) fn begin(&mut self) {
        self.made = false;
    }

    fn make(&mut self, mixed: &[i16]) {
        self.made = true;
        self.payload.clear();
        let samples = match &mut self.resampler {
            Some(resampler) => {
                self.samples.clear();
                resampler.run(mixed, &mut self.samples);
                self.samples.as_slice()
            }
            None => mixed,
        };
        let encoded = self.encoder.encode(samples, &mut self.payload);
        let nothing = matches!(self.codec, Codec::Opus(_)) && self.payload.len() <= super::super::codec::opus::DTX_BYTES;
        if encoded.is_err() || nothing {
            self.payload.clear();
        }
    }
}

/// The turn's payload for a leg of this form: empty where nothing needs to be sent. `None`: the leg has to encode for itself.
pub(super) fn payload<'a>(all: &'a mut Vec<Shared>, form: &Form, rate: u32, mixed: &[i16]) -> Option<&'a [u8]> {
    let codec = form.send.1;
    if form.ptime_ms != FRAME_MS || form.suppress {
        return None;
    }
    let place = match all.iter().position(|shared| shared.codec == codec) {
        Some(place) => place,
        None if all.len() < SHARED => {
            all.push(Shared::new(codec, rate)?);
            all.len() - 1
        }
        None => return None,
    };
    let shared = all.get_mut(place)?;
    if !shared.made {
        shared.make(mixed);
    }
    Some(&shared.payload)
}
