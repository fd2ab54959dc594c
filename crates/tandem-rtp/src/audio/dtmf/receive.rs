//! Telephone events received (RFC 4733 2.5.2): each press is told once, whichever of its packets are lost, late, doubled or never sent.

use std::collections::VecDeque;

use super::event::Event;
use super::{Digit, Press};

/// A press of which nothing more is heard for so long is over, microseconds: several times the 50 ms between two packets.
pub const LOST_END_US: u64 = 250_000;
/// Presses that wait to be fetched at most; further ones are dropped.
pub const WAITING: usize = 16;
/// A packet with an older timestamp than the last press is a late one for so many seconds; then the sender's clock has jumped.
const LATE_SECONDS: i64 = 5;

/// What an heir must know, so that no press is told twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Last {
    /// Source and timestamp of the last press.
    pub press: Option<(u32, u32)>,
    /// The key that is down, and for how many units of the RTP clock.
    pub down: Option<(Digit, u32)>,
}

/// One stream's presses.
#[derive(Debug, Clone)]
pub struct Receiver {
    clock: u32,
    last: Option<(u32, u32)>,
    down: Option<Down>,
    told: VecDeque<Press>,
}

#[derive(Debug, Clone, Copy)]
struct Down {
    digit: Digit,
    /// Units of the segments that are over (RFC 4733 2.5.1.3), and of the one that is running.
    before: u32,
    duration: u32,
    heard: u64,
}

impl Receiver {
    /// Presses of a stream whose telephone events have an RTP clock of `clock` Hz.
    pub fn new(clock: u32) -> Receiver {
        Receiver { clock: clock.max(1), last: None, down: None, told: VecDeque::new() }
    }

    /// Goes on where another left off.
    pub fn heir(clock: u32, last: Last, now: u64) -> Receiver {
        let down = last.down.map(|(digit, duration)| Down { digit, before: 0, duration, heard: now });
        Receiver { last: last.press, down, ..Receiver::new(clock) }
    }

    /// RTP clock of its events, Hz.
    pub fn clock(&self) -> u32 {
        self.clock
    }

    /// What an heir must know.
    pub fn last(&self) -> Last {
        Last { press: self.last, down: self.down.map(|down| (down.digit, down.units())) }
    }

    /// The key that is down.
    pub fn down(&self) -> Option<Digit> {
        self.down.map(|down| down.digit)
    }

    /// Takes a packet in. Afterwards, `next` tells what it means.
    ///
    /// ```
    /// use tandem_rtp::audio::dtmf::{receive::Receiver, Digit, Press};
    /// let mut receiver = Receiver::new(8_000);
    /// receiver.heard(0, 1, 160, true, &[5, 0x8a, 3, 0x20]);
    /// let digit = Digit::of('5').unwrap();
    /// assert_eq!(Some(Press::Down(digit)), receiver.next(0));
    /// assert_eq!(Some(Press::Up { digit, milliseconds: 100 }), receiver.next(0));
    /// assert_eq!(None, receiver.next(0));
    /// ```
    pub fn heard(&mut self, now: u64, ssrc: u32, timestamp: u32, marker: bool, payload: &[u8]) {
        let Some(event) = Event::read(payload) else { return };
        let Some(digit) = Digit::of_event(event.code) else { return };
        let ahead = self.last.filter(|&(source, _)| source == ssrc).map(|(_, last)| i64::from(timestamp.wrapping_sub(last) as i32));
        match (ahead, &mut self.down) {
            (Some(ahead), _) if (-LATE_SECONDS * i64::from(self.clock)..0).contains(&ahead) => return,
            // One more end of a press that is over.
            (Some(0), None) => return,
            (Some(0), Some(down)) => {
                down.duration = down.duration.max(u32::from(event.duration));
                down.heard = now;
            }
            // RFC 4733 2.5.1.3: a press that is longer than 16 bits goes on in a new segment, without a marker.
            (Some(ahead), Some(down)) if !marker && down.digit == digit && ahead > i64::from(u16::MAX / 2) && down.near(now) => {
                down.before = down.before.saturating_add(ahead as u32);
                (down.duration, down.heard) = (u32::from(event.duration), now);
                self.last = Some((ssrc, timestamp));
            }
            _ => {
                self.release();
                self.last = Some((ssrc, timestamp));
                self.down = Some(Down { digit, before: 0, duration: u32::from(event.duration), heard: now });
                self.tell(Press::Down(digit));
            }
        }
        if event.end {
            self.release();
        }
    }

    /// What is to be told next; `now` finds out presses whose ends were lost.
    pub fn next(&mut self, now: u64) -> Option<Press> {
        if self.down.is_some_and(|down| !down.near(now)) {
            self.release();
        }
        self.told.pop_front()
    }

    fn release(&mut self) {
        let Some(down) = self.down.take() else { return };
        let milliseconds = u64::from(down.units()) * 1_000 / u64::from(self.clock);
        self.tell(Press::Up { digit: down.digit, milliseconds: milliseconds.min(u64::from(u32::MAX)) as u32 });
    }

    fn tell(&mut self, press: Press) {
        if self.told.len() < WAITING {
            self.told.push_back(press);
        }
    }
}

impl Down {
    fn units(&self) -> u32 {
        self.before.saturating_add(self.duration)
    }

    fn near(&self, now: u64) -> bool {
        now.saturating_sub(self.heard) < LOST_END_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digit(key: char) -> Digit {
        Digit::of(key).unwrap()
    }

    /// Packets of a press as a phone sends them: every 20 ms, and three ends.
    fn press(key: char, began: u64, timestamp: u32, updates: u16) -> Vec<(u64, u32, bool, [u8; 4])> {
        (1..=updates + 3)
            .map(|n| {
                let event = Event { code: digit(key).event(), end: n > updates, volume: 10, duration: 160 * n.min(updates + 1) };
                (began + u64::from(n) * 20_000, timestamp, n == 1, event.write())
            })
            .collect()
    }

    fn told(receiver: &mut Receiver, now: u64) -> Vec<Press> {
        std::iter::from_fn(|| receiver.next(now)).collect()
    }

    fn heard(receiver: &mut Receiver, packets: &[(u64, u32, bool, [u8; 4])]) -> Vec<Press> {
        let mut presses = Vec::new();
        for &(now, timestamp, marker, payload) in packets {
            presses.extend(told(receiver, now));
            receiver.heard(now, 1, timestamp, marker, &payload);
            presses.extend(told(receiver, now));
        }
        presses
    }

    #[test]
    fn a_press_is_told_once_with_its_duration() {
        let mut receiver = Receiver::new(8_000);
        let presses = heard(&mut receiver, &press('7', 0, 1_000, 4));
        assert_eq!(vec![Press::Down(digit('7')), Press::Up { digit: digit('7'), milliseconds: 100 }], presses);
        assert_eq!(None, receiver.down());
    }

    #[test]
    fn a_press_whose_ends_are_all_lost_is_over_after_250_ms_or_with_the_next_one() {
        let mut receiver = Receiver::new(8_000);
        let packets = press('7', 0, 1_000, 4);
        assert_eq!(vec![Press::Down(digit('7'))], heard(&mut receiver, &packets[..4]));
        assert!(told(&mut receiver, 80_000 + LOST_END_US - 1).is_empty());
        assert_eq!(vec![Press::Up { digit: digit('7'), milliseconds: 80 }], told(&mut receiver, 80_000 + LOST_END_US));
        // The end that comes after all is of no press any more.
        assert!(heard(&mut receiver, &packets[5..]).is_empty());

        let mut receiver = Receiver::new(8_000);
        let two = [&press('1', 0, 1_000, 4)[..4], &press('1', 100_000, 1_800, 4)[..]].concat();
        let up = |milliseconds| Press::Up { digit: digit('1'), milliseconds };
        assert_eq!(vec![Press::Down(digit('1')), up(80), Press::Down(digit('1')), up(100)], heard(&mut receiver, &two));
    }

    #[test]
    fn a_long_press_in_segments_is_one() {
        let mut receiver = Receiver::new(8_000);
        let mut packets = Vec::new();
        for n in 1..=1_000u32 {
            let (segment, units) = (n * 160 / 0xffff, n * 160 % 0xffff);
            let event = Event { code: 1, end: n == 1_000, volume: 10, duration: units as u16 };
            packets.push((u64::from(n) * 20_000, 500 + segment * 0xffff, n == 1, event.write()));
        }
        let expected = vec![Press::Down(digit('1')), Press::Up { digit: digit('1'), milliseconds: 20_000 }];
        assert_eq!(expected, heard(&mut receiver, &packets));
    }

    #[test]
    fn an_heir_tells_no_press_again() {
        let mut receiver = Receiver::new(8_000);
        let packets = press('#', 0, 1_000, 4);
        heard(&mut receiver, &packets[..2]);
        let mut heir = Receiver::heir(8_000, receiver.last(), 60_000);
        assert_eq!(vec![Press::Up { digit: digit('#'), milliseconds: 100 }], heard(&mut heir, &packets[3..]));
        let mut heir = Receiver::heir(8_000, heir.last(), 200_000);
        assert!(heard(&mut heir, &packets).is_empty());
    }

    #[test]
    fn flashes_and_odd_payloads_are_no_presses() {
        let mut receiver = Receiver::new(8_000);
        for payload in [&[16u8, 0x8a, 1, 0][..], &[255, 0, 0, 0], &[1, 2, 3], &[]] {
            receiver.heard(0, 1, 1, true, payload);
        }
        assert_eq!(None, receiver.next(0));
        for n in 0..1_000u32 {
            receiver.heard(0, 1, n * 100_000, true, &[1, 0x80, 1, 0]);
        }
        assert_eq!(WAITING, receiver.told.len());
    }

    proptest! {
        #[test]
        fn presses_are_told_once_each_and_in_order_under_any_loss_and_short_delay(
            keys in prop::collection::vec((0u8..16, 2u16..10, prop::collection::vec((0u64..60_000, 0u8..4), 20)), 1..20),
        ) {
            let mut receiver = Receiver::new(8_000);
            let (mut began, mut packets, mut expected) = (0u64, Vec::new(), Vec::new());
            for (code, updates, fates) in keys {
                let digit = Digit::of_event(code).unwrap();
                let mut sent = press(digit.key(), began, (began / 125) as u32, updates);
                let mut fates = fates.iter();
                sent.retain_mut(|packet| {
                    let (late, fate) = *fates.next().unwrap();
                    packet.0 += late;
                    fate > 0
                });
                if !sent.is_empty() {
                    expected.push(digit);
                }
                packets.extend(sent);
                // Presses are apart by more than a packet is late.
                began += u64::from(updates) * 20_000 + 140_000;
            }
            packets.sort_by_key(|&(at, ..)| at);
            let mut presses = heard(&mut receiver, &packets);
            presses.extend(told(&mut receiver, u64::MAX));
            let downs: Vec<Digit> = presses.iter().filter_map(|press| if let Press::Down(digit) = press { Some(*digit) } else { None }).collect();
            prop_assert_eq!(downs.len() * 2, presses.len());
            prop_assert_eq!(expected, downs);
        }
    }
}
