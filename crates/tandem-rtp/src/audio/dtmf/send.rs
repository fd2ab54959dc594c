//! Telephone events made (RFC 4733 2.5.1): keys in a queue become payloads, one a packet interval, with three ends each.

use std::collections::VecDeque;

use super::event::{Event, VOLUME};
use super::Digit;

/// Keys that wait at most.
pub const WAITING: usize = 64;
/// Shortest and longest press that we make, milliseconds: ITU-T Q.24 asks for 40.
pub const PRESS_MS: (u32, u32) = (40, 8_000);
/// Pause between two presses, milliseconds.
pub const PAUSE_MS: u32 = 60;
/// Ends of each press (RFC 4733 2.5.1.4).
const ENDS: u8 = 3;

/// What an event's packet is made of; the rest of its header is that of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Timestamp of the press: the same in all of its packets.
    pub timestamp: u32,
    /// Set in its first packet only.
    pub marker: bool,
    /// Its payload.
    pub payload: [u8; 4],
}

/// One stream's keys.
#[derive(Debug, Clone)]
pub struct Sender {
    clock: u32,
    waiting: VecDeque<(Digit, u32)>,
    going: Option<Going>,
    /// Units of the RTP clock until the next press may begin.
    pause: u32,
}

#[derive(Debug, Clone, Copy)]
struct Going {
    digit: Digit,
    timestamp: u32,
    /// Units made so far, and to be made.
    units: u32,
    goal: u32,
    ends: u8,
    /// A key held until it is let go.
    held: bool,
}

impl Sender {
    /// Events with an RTP clock of `clock` Hz.
    pub fn new(clock: u32) -> Sender {
        Sender { clock: clock.max(1), waiting: VecDeque::new(), going: None, pause: 0 }
    }

    /// Queues a press of `milliseconds`, which are brought inside [`PRESS_MS`]. False: too many wait.
    ///
    /// ```
    /// use tandem_rtp::audio::dtmf::{send::Sender, Digit};
    /// let mut sender = Sender::new(8_000);
    /// assert!(sender.press(Digit::of('1').unwrap(), 100));
    /// let made = sender.next(4_000, 160).unwrap();
    /// assert_eq!((4_000, true, [1, 10, 0, 160]), (made.timestamp, made.marker, made.payload));
    /// ```
    pub fn press(&mut self, digit: Digit, milliseconds: u32) -> bool {
        if self.waiting.len() >= WAITING {
            return false;
        }
        let milliseconds = milliseconds.clamp(PRESS_MS.0, PRESS_MS.1);
        self.waiting.push_back((digit, milliseconds * (self.clock / 1_000)));
        true
    }

    /// A key goes down, until [`Sender::release`]: the other side is still pressing it. False: too many wait.
    pub fn hold(&mut self, digit: Digit) -> bool {
        if self.waiting.len() >= WAITING {
            return false;
        }
        self.waiting.push_back((digit, u32::MAX));
        true
    }

    /// The key that is held is let go; a held one that still waits becomes a shortest press.
    pub fn release(&mut self) {
        let shortest = PRESS_MS.0 * (self.clock / 1_000);
        if let Some((_, units)) = self.waiting.iter_mut().find(|(_, units)| *units == u32::MAX) {
            *units = shortest;
        } else if let Some(going) = self.going.as_mut().filter(|going| going.held) {
            going.goal = going.units.max(shortest);
            going.held = false;
        }
    }

    /// Whether a press is going on or waits: sound is left out meanwhile.
    pub fn busy(&self) -> bool {
        self.going.is_some() || !self.waiting.is_empty()
    }

    /// Keys that wait, the one going on first.
    pub fn waiting(&self) -> impl Iterator<Item = Digit> + '_ {
        self.going.iter().map(|going| going.digit).chain(self.waiting.iter().map(|&(digit, _)| digit))
    }

    /// The event of the packet interval that begins at `timestamp` and lasts `units`; `None`: sound may be sent.
    pub fn next(&mut self, timestamp: u32, units: u32) -> Option<Made> {
        if self.going.is_none() {
            self.pause = self.pause.saturating_sub(units);
            if self.pause > 0 {
                return None;
            }
            let (digit, goal) = self.waiting.pop_front()?;
            let held = goal == u32::MAX;
            let goal = if held { PRESS_MS.1 * (self.clock / 1_000) } else { goal };
            self.going = Some(Going { digit, timestamp, units: 0, goal, ends: 0, held });
        }
        let going = self.going.as_mut()?;
        let marker = going.units == 0;
        // RFC 4733 2.5.1.3: segments of longer presses are not made; a press ends before 16 bits are full.
        let most = u32::from(u16::MAX) - units.min(u32::from(u16::MAX));
        if going.ends == 0 {
            going.units = going.units.saturating_add(units).min(most.max(units));
        }
        let end = going.ends > 0 || going.units >= going.goal.min(most);
        going.ends += u8::from(end);
        let event = Event { code: going.digit.event(), end, volume: VOLUME, duration: going.units.min(u32::from(u16::MAX)) as u16 };
        let made = Made { timestamp: going.timestamp, marker, payload: event.write() };
        if going.ends == ENDS {
            self.going = None;
            self.pause = PAUSE_MS * (self.clock / 1_000);
        }
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::super::receive::Receiver;
    use super::super::Press;
    use super::*;

    fn digit(key: char) -> Digit {
        Digit::of(key).unwrap()
    }

    fn made(sender: &mut Sender, units: u32, turns: u32) -> Vec<Option<Made>> {
        (0..turns).map(|turn| sender.next(turn.wrapping_mul(units), units)).collect()
    }

    #[test]
    fn a_press_has_one_timestamp_growing_durations_and_three_equal_ends() {
        let mut sender = Sender::new(8_000);
        sender.press(digit('5'), 100);
        let packets: Vec<Made> = made(&mut sender, 160, 20).into_iter().flatten().collect();
        let events: Vec<(bool, u16)> = packets.iter().map(|p| Event::read(&p.payload).unwrap()).map(|e| (e.end, e.duration)).collect();
        let expected = vec![(false, 160), (false, 320), (false, 480), (false, 640), (true, 800), (true, 800), (true, 800)];
        assert_eq!(expected, events);
        assert!(packets.iter().all(|p| p.timestamp == 0));
        assert_eq!(vec![true, false, false, false, false, false, false], packets.iter().map(|p| p.marker).collect::<Vec<_>>());
        assert!(!sender.busy());
    }

    #[test]
    fn keys_in_a_queue_are_apart_and_a_receiver_tells_them_all() {
        for (clock, units) in [(8_000, 160), (48_000, 960), (8_000, 80), (16_000, 960)] {
            let (mut sender, mut receiver) = (Sender::new(clock), Receiver::new(clock));
            "123#".chars().for_each(|key| assert!(sender.press(digit(key), 1)));
            let mut presses = Vec::new();
            for turn in 0..400u32 {
                let now = u64::from(turn) * u64::from(units) * 1_000_000 / u64::from(clock);
                if let Some(made) = sender.next(turn * units, units) {
                    receiver.heard(now, 1, made.timestamp, made.marker, &made.payload);
                }
                presses.extend(std::iter::from_fn(|| receiver.next(now)));
            }
            let downs: String = presses.iter().filter_map(|p| if let Press::Down(digit) = p { Some(digit.key()) } else { None }).collect();
            assert_eq!(("123#", 8), (downs.as_str(), presses.len()), "{clock} {units}");
            let long = presses.iter().filter(|p| matches!(p, Press::Up { milliseconds, .. } if *milliseconds >= 40)).count();
            assert_eq!(4, long);
        }
    }

    #[test]
    fn a_held_key_lasts_until_it_is_let_go_and_never_past_16_bits() {
        let mut sender = Sender::new(8_000);
        assert!(sender.hold(digit('9')));
        assert!(made(&mut sender, 160, 20).iter().flatten().all(|p| !Event::read(&p.payload).unwrap().end));
        sender.release();
        assert_eq!(3, made(&mut sender, 160, 20).iter().flatten().count());

        let mut sender = Sender::new(48_000);
        sender.hold(digit('9'));
        let packets: Vec<Made> = made(&mut sender, 960, 1_000).into_iter().flatten().collect();
        assert!(packets.len() < 80 && Event::read(&packets[packets.len() - 1].payload).unwrap().end);
        sender.release();
    }

    #[test]
    fn a_flood_of_keys_is_refused() {
        let mut sender = Sender::new(8_000);
        assert_eq!(WAITING, (0..1_000).filter(|_| sender.press(digit('1'), 100)).count());
        assert_eq!(WAITING, sender.waiting().count());
    }
}
