//! A leg of a call as the audio engine has it: RTP packets in and out on one side, frames of samples on the other. It has no socket, and
//! knows nothing of the other legs.

mod pace;
mod receive;
mod send;
mod stream;

use super::codec::{Codec, CodecError};
use crate::plan::Payload;

pub use self::receive::{Heard, Receiver};
pub use self::send::Sender;
pub use self::stream::{Numbers, Stream};

/// Codecs that a leg may receive at most; further payload types are unknown to it.
pub const CODECS: usize = 8;
/// Packet times that can be made, milliseconds.
pub const PTIMES_MS: [u32; 4] = [10, 20, 40, 60];

/// What a leg speaks: the payload types of its description.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Payload types that are decoded.
    pub receive: Vec<(u8, Codec)>,
    /// Payload type and codec that are sent.
    pub send: (u8, Codec),
    /// Payload type and RTP clock of telephone events; `None`: keys are tones in the sound.
    pub events: Option<(u8, u32)>,
    /// Payload type of comfort noise (RFC 3389), if the peer knows it.
    pub noise: Option<u8>,
    /// Milliseconds of a sent packet, one of [`PTIMES_MS`].
    pub ptime_ms: u32,
    /// While nobody speaks, comfort noise is sent instead of packets. Only where the peer knows it.
    pub suppress: bool,
}

impl Form {
    /// The form of a described list of payload types, the preferred one first, and the packet time that the peer wishes. `None`: none of
    /// them is a codec of ours.
    ///
    /// ```
    /// use tandem_rtp::{audio::leg::Form, plan::Payload};
    /// let payload = |number, name: &str| Payload { number, name: name.into(), clock: 8_000, channels: 1, fmtp: String::new() };
    /// let form = Form::of(&[payload(18, "G729"), payload(8, "PCMA"), payload(101, "TELEPHONE-EVENT")], 20).unwrap();
    /// assert_eq!((8, Some((101, 8_000))), (form.send.0, form.events));
    /// ```
    pub fn of(payloads: &[Payload], ptime_ms: u32) -> Option<Form> {
        let receive: Vec<(u8, Codec)> = payloads.iter().filter_map(|p| Some((p.number, Codec::of(p)?))).take(CODECS).collect();
        let send = *receive.first()?;
        let named = |name: &'static str| payloads.iter().filter(move |p| p.name.eq_ignore_ascii_case(name));
        // RFC 4733 2.1: events have the clock of the sound that they stand beside.
        let events = named("TELEPHONE-EVENT").find(|p| p.clock == send.1.clock()).or_else(|| named("TELEPHONE-EVENT").next());
        let noise = named("CN").find(|p| p.clock == send.1.clock());
        Some(Form {
            receive,
            send,
            events: events.map(|p| (p.number, p.clock.max(1_000))),
            noise: noise.map(|p| p.number),
            // Opus has no frame of 30 or 50 ms, and no phone asks for more than 60.
            ptime_ms: PTIMES_MS.into_iter().rev().find(|&ms| ms <= ptime_ms).unwrap_or(20),
            suppress: false,
        })
    }

    /// The form of a leg whose peer sends other payload types than it takes. `None`: it takes none that is a codec of ours.
    pub fn between(sends: &[Payload], takes: &[Payload], ptime_ms: u32) -> Option<Form> {
        // RFC 3264 6.1: of what a peer offered, it gets what was answered.
        let agreed = |p: &&Payload| {
            Codec::of(p).is_none() || sends.iter().any(|other| (&other.name, other.clock, other.channels) == (&p.name, p.clock, p.channels))
        };
        let both: Vec<Payload> = takes.iter().filter(agreed).cloned().collect();
        let mut form = Form::of(&both, ptime_ms).or_else(|| Form::of(takes, ptime_ms))?;
        if let Some(heard) = Form::of(sends, ptime_ms) {
            form.receive = heard.receive;
        }
        Some(form)
    }

    /// Hz that hold everything that is sent here.
    pub fn bandwidth(&self) -> u32 {
        self.send.1.bandwidth()
    }
}

/// What an heir of a leg must know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// The stream that is sent.
    pub numbers: Numbers,
    /// The last key that was received.
    pub keys: super::dtmf::receive::Last,
    /// Keys that were still to be sent.
    pub waiting: Vec<super::dtmf::Digit>,
}

/// Both halves of a leg.
#[derive(Debug)]
pub struct Leg {
    /// From the peer.
    pub receiver: Receiver,
    /// To the peer.
    pub sender: Sender,
    form: Form,
}

impl Leg {
    /// A leg that begins, in an engine of `rate` Hz (one of [`super::RATES`]).
    ///
    /// # Errors
    /// [`CodecError::Rate`], [`CodecError::Internal`].
    pub fn new(form: Form, rate: u32, numbers: Numbers) -> Result<Leg, CodecError> {
        let receiver = Receiver::new(&form, rate, numbers.ssrc)?;
        Ok(Leg { receiver, sender: Sender::new(&form, rate, Stream::new(numbers))?, form })
    }

    /// A leg that goes on after a takeover. `fresh` is used where the state is so old that receivers would not follow.
    ///
    /// # Errors
    /// Those of [`Leg::new`].
    pub fn heir(form: Form, rate: u32, state: &State, now: u64, fresh: Numbers) -> Result<Leg, CodecError> {
        let stream = Stream::heir(state.numbers, now, form.ptime_ms, form.send.1.clock(), fresh);
        let mut receiver = Receiver::new(&form, rate, fresh.ssrc)?;
        receiver.go_on(now, state.keys);
        let mut sender = Sender::new(&form, rate, stream)?;
        state.waiting.iter().for_each(|&digit| _ = sender.press(digit, super::dtmf::send::PRESS_MS.0 * 2));
        Ok(Leg { receiver, sender, form })
    }

    /// What an heir must know, as of `now` (microseconds since 1970: heirs may be on other machines).
    pub fn state(&self, now: u64) -> State {
        State { numbers: self.sender.numbers(now), keys: self.receiver.last_key(), waiting: self.sender.waiting().collect() }
    }

    /// What it speaks.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Speaks another form from now on, as after a re-INVITE: the stream goes on, codecs begin anew.
    ///
    /// # Errors
    /// Those of [`Leg::new`], with nothing changed.
    pub fn reform(&mut self, form: Form, rate: u32, now: u64) -> Result<(), CodecError> {
        let keys = self.receiver.last_key();
        let mut receiver = Receiver::new(&form, rate, self.sender.numbers(now).ssrc)?;
        receiver.go_on(now, keys);
        let sender = Sender::new(&form, rate, self.sender.stream())?;
        (self.receiver, self.sender, self.form) = (receiver, sender, form);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
