//! Two legs joined whose codecs differ: what one hears the other sends, keys included. It knows no third.

use super::codec::CodecError;
use super::dtmf::detect::Detector;
use super::dtmf::{Digit, Press};
use super::leg::{Form, Leg};
use super::{frame_samples, RATES};

/// Which of two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// What happened in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed on a side, as an event or as a tone. It has been passed on.
    Key(Side, Digit),
}

/// From one leg to the other.
#[derive(Debug)]
struct Way {
    /// Finds tones, where the sender knows no telephone events.
    detector: Option<Detector>,
    frame: Vec<i16>,
    presses: Vec<Press>,
}

/// Two legs, which the caller keeps in `a` and `b` and feeds with packets.
#[derive(Debug)]
pub struct Transcoder {
    /// One side.
    pub a: Leg,
    /// The other.
    pub b: Leg,
    to_b: Way,
    to_a: Way,
}

/// Hz at which two legs are best joined: what both can carry, so that neither resamples for nothing.
pub fn rate(a: &Form, b: &Form) -> u32 {
    let needed = a.bandwidth().min(b.bandwidth());
    // 44.1 kHz has no whole frames in Opus, and nobody speaks it but L16.
    RATES.into_iter().filter(|&rate| rate != 44_100).find(|&rate| rate >= needed).unwrap_or(48_000)
}

impl Transcoder {
    /// Joins two legs that were made for an engine of `rate` Hz.
    ///
    /// # Errors
    /// [`CodecError::Rate`].
    pub fn new(a: Leg, b: Leg, rate: u32) -> Result<Transcoder, CodecError> {
        if !RATES.contains(&rate) {
            return Err(CodecError::Rate(rate));
        }
        let way = |from: &Leg| Way {
            detector: from.form().events.is_none().then(|| Detector::new(rate)),
            frame: vec![0; frame_samples(rate)],
            presses: Vec::new(),
        };
        Ok(Transcoder { to_b: way(&a), to_a: way(&b), a, b })
    }

    /// One turn of 20 ms at `now`: gives every packet to `send` and every event to `tell`. Nothing is sent to a side whose other side
    /// has no stream.
    pub fn turn(&mut self, now: u64, packet: &mut Vec<u8>, mut send: impl FnMut(Side, &[u8]), mut tell: impl FnMut(Event)) {
        self.to_b.carry(now, &mut self.a, &mut self.b, packet, |packet| send(Side::B, packet), |digit| tell(Event::Key(Side::A, digit)));
        self.to_a.carry(now, &mut self.b, &mut self.a, packet, |packet| send(Side::A, packet), |digit| tell(Event::Key(Side::B, digit)));
    }
}

impl Way {
    fn carry(
        &mut self,
        now: u64,
        from: &mut Leg,
        to: &mut Leg,
        packet: &mut Vec<u8>,
        mut send: impl FnMut(&[u8]),
        mut tell: impl FnMut(Digit),
    ) {
        let heard = from.receiver.frame(now, &mut self.frame);
        while let Some(press) = from.receiver.key(now) {
            pass(press, to, &mut tell);
        }
        if let Some(detector) = &mut self.detector {
            detector.hears(&self.frame, &mut self.presses);
            for press in self.presses.drain(..) {
                pass(press, to, &mut tell);
            }
            // The tone itself is left out from its first block on, or the far end would hear the key twice.
            if detector.suspects() {
                self.frame.fill(0);
            }
        }
        if heard.stream || to.sender.busy() {
            to.sender.frame(&self.frame);
            while to.sender.next(packet) {
                send(packet);
            }
        } else {
            to.sender.silent();
        }
    }
}

fn pass(press: Press, to: &mut Leg, tell: &mut impl FnMut(Digit)) {
    match press {
        Press::Down(digit) => {
            tell(digit);
            to.sender.hold(digit);
        }
        Press::Up { .. } => to.sender.release(),
    }
}

#[cfg(test)]
mod tests;
