//! The receiving half of a leg: packets in any order become one frame a turn, and the keys that were pressed.

use super::super::codec::{Codec, CodecError, Decoder};
use super::super::comfort::{Background, Comfort};
use super::super::dtmf::receive::{Last, Receiver as Keys};
use super::super::dtmf::Press;
use super::super::jitter::{self, Arrival, Jitter, Kind, Pace, Put, Take};
use super::super::resample::Resampler;
use super::super::vad::Vad;
use super::super::{codec, frame_samples, FRAME_MS};
use super::{pace, Form};
use crate::rtp::Packet;

/// Payloads that are taken for one turn at most: 20 ms of packets of 2.5 ms, and what was shortened.
const TAKES: usize = 16;

/// What was heard in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// There is a stream: false is silence because nothing comes.
    pub stream: bool,
    /// Somebody speaks.
    pub speech: bool,
}

/// What a receiver has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    /// Of the jitter buffer.
    pub jitter: jitter::Statistics,
    /// Payloads of types that are not in the form.
    pub unknown: u64,
    /// Payloads that could not be decoded.
    pub undecodable: u64,
    /// Payloads that were made up.
    pub concealed: u64,
    /// Turns without anything to play.
    pub empty: u64,
}

/// From a peer's packets to frames.
#[derive(Debug)]
pub struct Receiver {
    payloads: Vec<(u8, Codec)>,
    events: Option<u8>,
    noise: Option<u8>,
    rate: u32,
    jitter: Jitter,
    decoder: Decoder,
    payload_type: u8,
    resampler: Option<Resampler>,
    comfort: Comfort,
    /// The peer has described its background: a pause sounds like it.
    described: bool,
    keys: Keys,
    vad: Vad,
    decoded: Vec<i16>,
    /// Samples at the engine's rate that wait for the next turn.
    ready: Vec<i16>,
    statistics: Statistics,
}

impl Receiver {
    /// A receiver for an engine of `rate` Hz; `seed` is that of its comfort noise.
    ///
    /// # Errors
    /// [`CodecError::Rate`], [`CodecError::Internal`].
    pub fn new(form: &Form, rate: u32, seed: u32) -> Result<Receiver, CodecError> {
        let (payload_type, codec) = form.receive.first().copied().unwrap_or(form.send);
        let (decoder, resampler) = listen(codec, rate)?;
        Ok(Receiver {
            payloads: form.receive.clone(),
            events: form.events.map(|(number, _)| number),
            noise: form.noise,
            rate,
            jitter: Jitter::new(codec.clock()),
            decoder,
            payload_type,
            resampler,
            comfort: Comfort::new(seed),
            described: false,
            keys: Keys::new(form.events.map_or(codec::g711::RATE, |(_, clock)| clock)),
            vad: Vad::default(),
            decoded: Vec::new(),
            ready: Vec::new(),
            statistics: Statistics::default(),
        })
    }

    /// Goes on with the keys of another.
    pub(super) fn go_on(&mut self, now: u64, keys: Last) {
        let clock = self.keys.clock();
        self.keys = Keys::heir(clock, keys, now);
    }

    /// The last key, for an heir.
    pub fn last_key(&self) -> Last {
        self.keys.last()
    }

    /// What it has done.
    pub fn statistics(&self) -> Statistics {
        Statistics { jitter: self.jitter.statistics(), ..self.statistics }
    }

    /// Keeps the jitter buffer's delay between `least` and `most`, microseconds.
    pub fn bound(&mut self, least: u64, most: u64) {
        self.jitter.bound(least, most);
    }

    /// Takes a packet in that arrived at `now`.
    pub fn packet(&mut self, now: u64, packet: &Packet<'_>) {
        let header = packet.header;
        let number = header.payload_type;
        let codec = self.payloads.iter().find(|&&(known, _)| known == number).map(|&(_, codec)| codec);
        let (kind, units) = match codec {
            _ if self.events == Some(number) => {
                self.keys.heard(now, header.ssrc, header.timestamp, header.marker, packet.payload);
                (Kind::Other, 0)
            }
            _ if self.noise == Some(number) => (Kind::Noise, self.decoder.codec().clock() * FRAME_MS / 1_000),
            Some(codec) => match codec.units(packet.payload) {
                Some(units) if matches!(codec, Codec::Opus(_)) && packet.payload.len() <= codec::opus::DTX_BYTES => (Kind::Dtx, units),
                Some(units) => (Kind::Audio, units),
                None => {
                    self.statistics.undecodable += 1;
                    return;
                }
            },
            None => {
                self.statistics.unknown += 1;
                return;
            }
        };
        let (ssrc, sequence, timestamp, payload) = (header.ssrc, header.sequence, header.timestamp, packet.payload);
        let arrival = Arrival { ssrc, sequence, timestamp, payload_type: number, kind, units, payload };
        if self.jitter.put(now, arrival) == Put::Restarted {
            self.described = false;
        }
    }

    /// The next key that goes down or up.
    pub fn key(&mut self, now: u64) -> Option<Press> {
        self.keys.next(now)
    }

    /// Overwrites `frame`, which has the samples of one turn, with what is heard at `now`.
    pub fn frame(&mut self, now: u64, frame: &mut [i16]) -> Heard {
        let mut stream = true;
        for _ in 0..TAKES {
            if self.ready.len() >= frame.len() {
                break;
            }
            stream = self.take(now);
            if !stream {
                break;
            }
        }
        let have = self.ready.len().min(frame.len());
        let (filled, empty) = frame.split_at_mut(have);
        filled.copy_from_slice(self.ready.get(..have).unwrap_or_default());
        empty.fill(0);
        self.ready.drain(..have);
        self.statistics.empty += u64::from(have == 0);
        let stream = stream || have > 0;
        Heard { stream, speech: stream && self.vad.hears(frame) }
    }

    /// Level of the last frame, dBov.
    pub fn level(&self) -> f32 {
        self.vad.level()
    }

    /// Decodes, conceals or makes one payload; false: there is no stream.
    fn take(&mut self, now: u64) -> bool {
        self.decoded.clear();
        let rate = self.decoder.rate();
        let pause = frame_samples(rate);
        let mut change = Pace::Keep;
        match self.jitter.take(now) {
            Take::Idle => return false,
            Take::Audio { payload_type, payload, pace } => {
                if payload_type != self.payload_type {
                    let codec = self.payloads.iter().find(|&&(known, _)| known == payload_type).map(|&(_, codec)| codec);
                    if let Some(Ok((decoder, resampler))) = codec.map(|codec| listen(codec, self.rate)) {
                        (self.decoder, self.resampler, self.payload_type) = (decoder, resampler, payload_type);
                    }
                }
                change = pace;
                if self.decoder.decode(payload, &mut self.decoded).is_err() {
                    self.statistics.undecodable += 1;
                    self.decoded.resize(pause, 0);
                }
            }
            Take::Lost { units, next } => {
                self.statistics.concealed += 1;
                conceal(&mut self.decoder, next, units, pause, &mut self.decoded);
            }
            Take::Noise { payload } => {
                if let Some(background) = Background::read(payload) {
                    self.comfort.follow(background);
                    self.described = true;
                }
                self.comfort.make(pause, &mut self.decoded);
            }
            Take::Pause if self.described => self.comfort.make(pause, &mut self.decoded),
            Take::Pause => {
                let units = self.decoder.codec().clock() * FRAME_MS / 1_000;
                conceal(&mut self.decoder, None, units, pause, &mut self.decoded);
            }
        }
        let rate = self.decoder.rate();
        let quiet = || super::super::vad::level_dbov(&self.decoded) < self.vad.floor() + 6.0;
        match change {
            Pace::Shorten if quiet() => pace::shorten(&mut self.decoded, rate),
            Pace::Lengthen if quiet() => pace::lengthen(&mut self.decoded, rate),
            Pace::Hurry => pace::hurry(&mut self.decoded, rate),
            _ => {}
        }
        match &mut self.resampler {
            Some(resampler) => resampler.run(&self.decoded, &mut self.ready),
            None => self.ready.extend_from_slice(&self.decoded),
        }
        true
    }
}

fn conceal(decoder: &mut Decoder, next: Option<&[u8]>, units: u32, pause: usize, out: &mut Vec<i16>) {
    if decoder.conceal(next, units, out).is_err() || out.is_empty() {
        out.resize(pause, 0);
    }
}

fn listen(codec: Codec, rate: u32) -> Result<(Decoder, Option<Resampler>), CodecError> {
    let decoder = Decoder::new(codec, rate)?;
    let resampler = match decoder.rate() == rate {
        true => None,
        false => Some(Resampler::new(decoder.rate(), rate).ok_or(CodecError::Rate(rate))?),
    };
    Ok((decoder, resampler))
}
