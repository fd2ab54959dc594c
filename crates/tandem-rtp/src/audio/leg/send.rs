//! The sending half of a leg: one frame a turn becomes packets, and keys become telephone events or tones.

use super::super::codec::{self, Codec, CodecError, Encoder};
use super::super::comfort::Background;
use super::super::dtmf::tone::Keypad;
use super::super::dtmf::{send, Digit};
use super::super::resample::Resampler;
use super::super::vad::Vad;
use super::super::FRAME_MS;
use super::stream::{Numbers, Stream};
use super::Form;

/// Comfort noise is described again after so long, milliseconds.
const DESCRIBE_MS: u32 = 400;

/// What a sender has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Packets of telephone events among them.
    pub events: u64,
    /// Packet times in which nothing was sent, because nobody spoke.
    pub suppressed: u64,
}

#[derive(Debug)]
enum Keys {
    Events(u8, send::Sender),
    Tones(Keypad),
}

/// From frames to packets.
#[derive(Debug)]
pub struct Sender {
    payload_type: u8,
    codec: Codec,
    encoder: Encoder,
    resampler: Option<Resampler>,
    stream: Stream,
    keys: Keys,
    ptime_ms: u32,
    /// Samples at the encoder's rate that wait for a whole packet.
    waiting: Vec<i16>,
    payload: Vec<u8>,
    frame: Vec<i16>,
    noise: Option<u8>,
    vad: Vad,
    /// Milliseconds since comfort noise was described; `None`: somebody speaks.
    silent_ms: Option<u32>,
    statistics: Statistics,
}

impl Sender {
    /// A sender for an engine of `rate` Hz.
    ///
    /// # Errors
    /// [`CodecError::Rate`], [`CodecError::Internal`].
    pub fn new(form: &Form, rate: u32, stream: Stream) -> Result<Sender, CodecError> {
        let (payload_type, codec) = form.send;
        let encoder = Encoder::new(codec, rate)?;
        let resampler = match encoder.rate() == rate {
            true => None,
            false => Some(Resampler::new(rate, encoder.rate()).ok_or(CodecError::Rate(rate))?),
        };
        let keys = match form.events {
            Some((number, clock)) => Keys::Events(number, send::Sender::new(clock)),
            None => Keys::Tones(Keypad::new(rate)),
        };
        Ok(Sender {
            payload_type,
            codec,
            encoder,
            resampler,
            stream,
            keys,
            ptime_ms: form.ptime_ms,
            waiting: Vec::new(),
            payload: Vec::new(),
            frame: Vec::new(),
            noise: form.noise.filter(|_| form.suppress),
            vad: Vad::default(),
            silent_ms: None,
            statistics: Statistics::default(),
        })
    }

    /// What it has made.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Where its stream is, as of `now`.
    pub fn numbers(&self, now: u64) -> Numbers {
        Numbers { at: now, ..self.stream.numbers() }
    }

    pub(super) fn stream(&self) -> Stream {
        let mut stream = self.stream.clone();
        stream.mark();
        stream
    }

    /// Queues a press of a key, milliseconds. False: too many wait.
    pub fn press(&mut self, digit: Digit, milliseconds: u32) -> bool {
        match &mut self.keys {
            Keys::Events(_, events) => events.press(digit, milliseconds),
            Keys::Tones(keypad) => keypad.press(digit, milliseconds),
        }
    }

    /// A key goes down, until [`Sender::release`]. False: too many wait.
    pub fn hold(&mut self, digit: Digit) -> bool {
        match &mut self.keys {
            Keys::Events(_, events) => events.hold(digit),
            Keys::Tones(keypad) => keypad.hold(digit),
        }
    }

    /// The key that is held is let go.
    pub fn release(&mut self) {
        match &mut self.keys {
            Keys::Events(_, events) => events.release(),
            Keys::Tones(keypad) => keypad.release(),
        }
    }

    /// Keys that are still to be sent, the one going on first.
    pub fn waiting(&self) -> impl Iterator<Item = Digit> + '_ {
        let (events, tones) = match &self.keys {
            Keys::Events(_, events) => (Some(events.waiting()), None),
            Keys::Tones(keypad) => (None, Some(keypad.waiting())),
        };
        events.into_iter().flatten().chain(tones.into_iter().flatten())
    }

    /// Makes Opus' FEC for a loss of `percent`, as the peer's reports have it.
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn expect_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        self.encoder.expect_loss(percent)
    }

    /// Takes the frame of one turn; `next` gives the packets that it fills.
    pub fn frame(&mut self, frame: &[i16]) {
        let frame = match &mut self.keys {
            Keys::Tones(keypad) if keypad.busy() => {
                self.frame.clear();
                self.frame.extend_from_slice(frame);
                keypad.make(&mut self.frame);
                self.frame.as_slice()
            }
            _ => frame,
        };
        if self.noise.is_some() {
            let speaks = self.vad.hears(frame);
            self.silent_ms = if speaks { None } else { Some(self.silent_ms.map_or(DESCRIBE_MS, |ms| ms.saturating_add(FRAME_MS))) };
        }
        match &mut self.resampler {
            Some(resampler) => resampler.run(frame, &mut self.waiting),
            None => self.waiting.extend_from_slice(frame),
        }
    }

    /// A turn in which nothing is to be sent: time passes all the same.
    pub fn silent(&mut self) {
        self.waiting.clear();
        self.stream.pass(self.codec.clock() * FRAME_MS / 1_000);
        self.stream.mark();
    }

    /// Overwrites `packet` with the next packet; false: there is none in this turn.
    pub fn next(&mut self, packet: &mut Vec<u8>) -> bool {
        let samples = (self.encoder.rate() * self.ptime_ms / 1_000) as usize;
        let units = self.units();
        while self.waiting.len() >= samples {
            let made = self.make(samples, units, packet);
            self.waiting.drain(..samples);
            if made {
                self.statistics.packets += 1;
                return true;
            }
        }
        false
    }

    /// The packet of the next packet time.
    fn make(&mut self, samples: usize, units: u32, packet: &mut Vec<u8>) -> bool {
        if let Keys::Events(number, events) = &mut self.keys {
            if let Some(made) = events.next(self.stream.numbers().timestamp, units) {
                self.stream.event(*number, made.marker, made.timestamp, &made.payload, packet);
                self.stream.pass(units);
                self.statistics.events += 1;
                self.statistics.bytes += made.payload.len() as u64;
                return true;
            }
        }
        self.payload.clear();
        let frame = self.waiting.get(..samples).unwrap_or_default();
        if let (Some(number), Some(silent_ms)) = (self.noise, self.silent_ms) {
            if silent_ms < DESCRIBE_MS {
                return self.suppress(units);
            }
            self.silent_ms = Some(0);
            Background::of(frame).write(&mut self.payload);
            self.stream.packet(number, &self.payload, units, packet);
            self.stream.mark();
            self.statistics.bytes += self.payload.len() as u64;
            return true;
        }
        let encoded = self.encoder.encode(frame, &mut self.payload);
        // RFC 7587 3.1.3: in DTX a frame of one or two bytes need not be sent.
        if encoded.is_err() || (matches!(self.codec, Codec::Opus(_)) && self.payload.len() <= codec::opus::DTX_BYTES) {
            return self.suppress(units);
        }
        self.stream.packet(self.payload_type, &self.payload, units, packet);
        self.statistics.bytes += self.payload.len() as u64;
        true
    }

    /// Whether it has keys to send, or samples of an unfinished packet: then only its own `frame` will do.
    pub fn busy(&self) -> bool {
        let keys = match &self.keys {
            Keys::Events(_, events) => events.busy(),
            Keys::Tones(keypad) => keypad.busy(),
        };
        keys || !self.waiting.is_empty()
    }

    /// Overwrites `packet` with one that carries a payload of one packet time, which another sender of the same codec has encoded.
    pub fn encoded(&mut self, payload: &[u8], packet: &mut Vec<u8>) {
        let units = self.units();
        self.stream.packet(self.payload_type, payload, units, packet);
        self.statistics.packets += 1;
        self.statistics.bytes += payload.len() as u64;
    }

    /// Units of the RTP clock that a packet lasts.
    fn units(&self) -> u32 {
        self.codec.clock() * self.ptime_ms / 1_000
    }

    fn suppress(&mut self, units: u32) -> bool {
        self.stream.pass(units);
        self.stream.mark();
        self.statistics.suppressed += 1;
        false
    }
}
