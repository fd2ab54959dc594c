//! Codecs: payloads to samples of one channel and back, and what stands in for lost ones. No packets, no order, no time.

pub mod g711;
pub mod g722;
pub mod l16;
pub mod opus;

use self::g711::Law;
use super::plc::Plc;
use crate::plan::Payload;

/// Longest payload that is decoded, in milliseconds of audio: the longest Opus packet.
pub const FRAME_MS_LIMIT: usize = 120;

/// Why a codec did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The codec cannot work at this sample rate.
    #[error("no such sample rate: {0} Hz")]
    Rate(u32),
    /// The payload is none of this codec.
    #[error("payload cannot be decoded")]
    Payload,
    /// The frame has a length that the codec does not know, or lasts longer than 120 ms.
    #[error("length of the frame is not possible")]
    Frame,
    /// The codec's library failed, for want of memory.
    #[error("codec failed")]
    Internal,
}

/// An encoding that we can decode and make. iLBC, iSAC, G.729 and the rest are passed on by name and never reach this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.711 mu-law, 8 kHz.
    Pcmu,
    /// G.722 at 64 kbit/s, 16 kHz.
    G722,
    /// Linear, 16 bits in network order (RFC 3551 4.5.11).
    L16(l16::Form),
    /// Opus, with what our encoder is asked for.
    Opus(opus::Options),
}

impl Codec {
    /// The codec of a payload type; `None`: it can only be passed on.
    ///
    /// ```
    /// use tandem_rtp::{audio::codec::Codec, plan::Payload};
    /// let payload = |name: &str, clock| Payload { number: 96, name: name.into(), clock, channels: 1, fmtp: String::new() };
    /// assert_eq!(Some(Codec::G722), Codec::of(&payload("G722", 8_000)));
    /// assert_eq!(None, Codec::of(&payload("ILBC", 8_000)));
    /// ```
    pub fn of(payload: &Payload) -> Option<Codec> {
        let name = |name: &str| payload.name.eq_ignore_ascii_case(name);
        match payload.clock {
            8_000 if name("PCMA") => Some(Codec::Pcma),
            8_000 if name("PCMU") => Some(Codec::Pcmu),
            8_000 if name("G722") => Some(Codec::G722),
            opus::CLOCK if name("opus") => Some(Codec::Opus(opus::Options::read(&payload.fmtp))),
            rate if name("L16") => l16::Form::new(rate, payload.channels).map(Codec::L16),
            _ => None,
        }
    }

    /// RTP clock, Hz.
    pub fn clock(self) -> u32 {
        match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 => g711::RATE,
            Codec::L16(form) => form.rate(),
            Codec::Opus(_) => opus::CLOCK,
        }
    }

    /// Hz of its samples, where the rest of the engine works at `engine` Hz. Only Opus can choose.
    pub fn rate(self, engine: u32) -> u32 {
        match self {
            Codec::Pcma | Codec::Pcmu => g711::RATE,
            Codec::G722 => g722::RATE,
            Codec::L16(form) => form.rate(),
            Codec::Opus(_) => opus::rate_for(engine),
        }
    }

    /// Highest rate of anything that is heard, Hz: what a mixer has to be made for.
    pub fn bandwidth(self) -> u32 {
        match self {
            Codec::Opus(options) => options.playback,
            other => other.rate(opus::CLOCK),
        }
    }

    /// Units of the RTP clock that a payload lasts; `None`: it is none of this codec, or longer than 120 ms.
    pub fn units(self, payload: &[u8]) -> Option<u32> {
        let units = match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 => u32::try_from(payload.len()).ok(),
            Codec::L16(form) => form.units(payload),
            Codec::Opus(_) => opus::units(payload),
        };
        units.filter(|&units| units > 0 && units as usize <= self.clock() as usize * FRAME_MS_LIMIT / 1_000)
    }
}

#[derive(Debug)]
enum Decoding {
    G711(Law, Plc),
    G722(Box<g722::Decoder>, Plc),
    L16(l16::Form, Plc),
    Opus(opus::Decoder),
}

/// Decodes one stream, lost packets included.
#[derive(Debug)]
pub struct Decoder {
    decoding: Decoding,
    codec: Codec,
    rate: u32,
}

impl Decoder {
    /// A decoder of `codec` for an engine that works at `engine` Hz: it gives samples of [`Codec::rate`].
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    ///
    /// ```
    /// use tandem_rtp::audio::codec::{Codec, Decoder};
    /// let (mut decoder, mut samples) = (Decoder::new(Codec::Pcmu, 8_000).unwrap(), Vec::new());
    /// decoder.decode(&[0xff; 160], &mut samples).unwrap();
    /// decoder.conceal(None, 160, &mut samples).unwrap();
    /// assert_eq!(vec![0; 320], samples);
    /// ```
    pub fn new(codec: Codec, engine: u32) -> Result<Decoder, CodecError> {
        let rate = codec.rate(engine);
        let decoding = match codec {
            Codec::Pcma => Decoding::G711(Law::A, Plc::new(rate)),
            Codec::Pcmu => Decoding::G711(Law::Mu, Plc::new(rate)),
            Codec::G722 => Decoding::G722(Box::default(), Plc::new(rate)),
            Codec::L16(form) => Decoding::L16(form, Plc::new(rate)),
            Codec::Opus(_) => Decoding::Opus(opus::Decoder::new(rate)?),
        };
        Ok(Decoder { decoding, codec, rate })
    }

    /// What it decodes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Hz of what it gives.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends the samples of a payload.
    ///
    /// # Errors
    /// [`CodecError::Payload`] and [`CodecError::Frame`], with nothing appended.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        self.codec.units(payload).ok_or(CodecError::Payload)?;
        let start = out.len();
        let plc = match &mut self.decoding {
            Decoding::Opus(decoder) => return decoder.decode(payload, out),
            Decoding::G711(law, plc) => {
                law.decode(payload, out);
                plc
            }
            Decoding::G722(decoder, plc) => {
                decoder.decode(payload, out);
                plc
            }
            Decoding::L16(form, plc) => {
                form.decode(payload, out);
                plc
            }
        };
        plc.heard(out.get_mut(start..).unwrap_or_default());
        Ok(())
    }

    /// Appends what stands in for a lost packet of `units` of the RTP clock (at most 120 ms). `next` is the packet after it, if it is there.
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn conceal(&mut self, next: Option<&[u8]>, units: u32, out: &mut Vec<i16>) -> Result<(), CodecError> {
        let units = (units as usize).min(self.codec.clock() as usize * FRAME_MS_LIMIT / 1_000);
        let samples = units * self.rate as usize / self.codec.clock() as usize;
        match &mut self.decoding {
            Decoding::G711(_, plc) | Decoding::G722(_, plc) | Decoding::L16(_, plc) => plc.conceal(samples, out),
            Decoding::Opus(decoder) => return decoder.conceal(next, units as u32, out),
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Encoding {
    G711(Law),
    G722(Box<g722::Encoder>),
    L16(l16::Form),
    Opus(opus::Encoder),
}

/// Encodes one stream.
#[derive(Debug)]
pub struct Encoder {
    encoding: Encoding,
    codec: Codec,
    rate: u32,
}

impl Encoder {
    /// An encoder of `codec` for an engine that works at `engine` Hz: it takes samples of [`Codec::rate`].
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn new(codec: Codec, engine: u32) -> Result<Encoder, CodecError> {
        let rate = codec.rate(engine);
        let encoding = match codec {
            Codec::Pcma => Encoding::G711(Law::A),
            Codec::Pcmu => Encoding::G711(Law::Mu),
            Codec::G722 => Encoding::G722(Box::default()),
            Codec::L16(form) => Encoding::L16(form),
            Codec::Opus(options) => Encoding::Opus(opus::Encoder::new(rate, options)?),
        };
        Ok(Encoder { encoding, codec, rate })
    }

    /// What it makes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Hz of what it takes.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends the payload of a frame of 10 to 60 ms.
    ///
    /// # Errors
    /// [`CodecError::Frame`]: Opus knows 10, 20, 40 and 60 ms. [`CodecError::Internal`].
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        match &mut self.encoding {
            Encoding::G711(law) => law.encode(samples, out),
            Encoding::G722(encoder) => encoder.encode(samples, out),
            Encoding::L16(form) => form.encode(samples, out),
            Encoding::Opus(encoder) => return encoder.encode(samples, out),
        }
        Ok(())
    }

    /// Makes Opus' FEC for a loss of `percent`, as the receiver's reports have it; nothing with other codecs.
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn expect_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        match &mut self.encoding {
            Encoding::Opus(encoder) => encoder.expect_loss(percent),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
