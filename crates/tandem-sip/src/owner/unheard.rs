//! SIP frames that an edge may not have heard: said again when its link comes back, given up when it does not. It sends nothing.

use super::outbox::{Micros, OUTPUT_BYTES};
use crate::frame::{next, read_down, Down, SipDown};
use std::collections::VecDeque;

/// How long an edge whose link is gone may come back: until then messages for it wait. An edge that is dead or cut off for longer has
/// lost its connections, or its phones have given up.
pub const EDGE_GRACE: Micros = 4_000_000;

/// What was said to one edge and not yet heard by it, oldest first.
#[derive(Debug, Default)]
pub struct Unheard {
    parts: VecDeque<Part>,
    /// SIP frames of this owner that the edge has heard, over all its links.
    heard: u64,
    bytes: usize,
}

/// What went out in one turn.
#[derive(Debug)]
struct Part {
    bytes: Vec<u8>,
    /// SIP frames in it.
    frames: u64,
    /// The number of the turn.
    turn: u64,
}

impl Unheard {
    /// Notes what goes out in one turn; false when so much is unheard that this is not kept.
    pub fn said(&mut self, bytes: &[u8], frames: u64, turn: u64) -> bool {
        if frames == 0 {
            return true;
        }
        let room = self.bytes + bytes.len() <= OUTPUT_BYTES;
        let bytes = if room { bytes.to_vec() } else { Vec::new() };
        self.bytes += bytes.len();
        self.parts.push_back(Part { bytes, frames, turn });
        room
    }

    /// The edge has heard so many frames of this owner.
    pub fn heard(&mut self, count: u64) {
        while let Some(part) = self.parts.front().filter(|part| self.heard + part.frames <= count) {
            (self.heard, self.bytes) = (self.heard + part.frames, self.bytes - part.bytes.len());
            self.parts.pop_front();
        }
    }

    /// A link begins, and the edge has heard `count` frames over the earlier ones: those beyond them, with their length words. From now on
    /// they count as said.
    pub fn again(&mut self, count: u64) -> Vec<u8> {
        let (mut out, mut frames, mut number) = (Vec::new(), 0, self.heard);
        let turn = self.oldest().unwrap_or(0);
        for part in std::mem::take(&mut self.parts) {
            let mut of_part = 0;
            each(&part.bytes, |whole, _| {
                of_part += 1;
                if number + of_part > count {
                    frames += 1;
                    out.extend_from_slice(whole);
                }
            });
            number += part.frames;
        }
        (self.heard, self.bytes) = (count, 0);
        self.said(&out, frames, turn);
        out
    }

    /// Gives everything up: each frame that nobody heard.
    pub fn lose(&mut self, mut with: impl FnMut(&SipDown<'_>)) {
        for part in std::mem::take(&mut self.parts) {
            each(&part.bytes, |_, sip| with(sip));
        }
        self.bytes = 0;
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The oldest turn of which something is unheard.
    pub fn oldest(&self) -> Option<u64> {
        self.parts.front().map(|part| part.turn)
    }

    /// Bytes unheard.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Calls `with` for each SIP frame: with its length word, and read.
fn each(bytes: &[u8], mut with: impl FnMut(&[u8], &SipDown<'_>)) {
    let mut rest = bytes;
    while let Ok(Some((body, used))) = next(rest) {
        let (whole, more) = rest.split_at(used);
        if let Ok(Down::Sip(sip)) = read_down(body) {
            with(whole, &sip);
        }
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{push_close, push_sip_down, Address, Transport};

    fn frames(cookies: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        for &cookie in cookies {
            let sip = SipDown {
                shard: 1,
                epoch: 1,
                cookie,
                flow: 0,
                transport: Transport::Udp,
                local: 0,
                remote: Address::default(),
                message: b"x",
            };
            push_sip_down(&mut out, &sip);
            push_close(&mut out, 7);
        }
        out
    }

    fn cookies(bytes: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        each(bytes, |_, sip| found.push(sip.cookie));
        found
    }

    #[test]
    fn what_was_not_heard_is_said_again_in_order_and_nothing_else() {
        let mut unheard = Unheard::default();
        assert!(unheard.said(&frames(&[1, 2]), 2, 1));
        assert!(unheard.said(&frames(&[3]), 1, 2));
        assert!(unheard.said(&frames(&[4, 5, 6]), 3, 3));
        unheard.heard(1);
        assert_eq!(Some(1), unheard.oldest());
        unheard.heard(2);
        assert_eq!(Some(2), unheard.oldest());
        assert_eq!(vec![5, 6], cookies(&unheard.again(4)));
        assert!(unheard.said(&frames(&[7]), 1, 4));
        assert_eq!(vec![6, 7], cookies(&unheard.again(5)));
        unheard.heard(6);
        assert_eq!(vec![7], cookies(&unheard.again(6)));
        unheard.heard(7);
        assert_eq!((0, None), (unheard.bytes(), unheard.oldest()));
    }

    #[test]
    fn what_was_given_up_is_not_counted_when_the_edge_comes_back_after_all() {
        let mut unheard = Unheard::default();
        unheard.said(&frames(&[1, 2, 3]), 3, 1);
        unheard.heard(1);
        let mut lost = Vec::new();
        unheard.lose(|sip| lost.push(sip.cookie));
        assert_eq!(vec![1, 2, 3], lost, "which of them came is not known");
        assert!(unheard.again(2).is_empty());
        unheard.said(&frames(&[4]), 1, 2);
        unheard.heard(3);
        assert!(unheard.is_empty());
    }

    #[test]
    fn what_has_no_room_is_counted_but_not_kept() {
        let mut unheard = Unheard::default();
        let large = vec![0; OUTPUT_BYTES];
        assert!(unheard.said(&large, 1, 1));
        assert!(!unheard.said(&frames(&[2]), 1, 2));
        assert!(unheard.again(1).is_empty(), "the second one is lost");
        assert!(unheard.said(&frames(&[3]), 1, 3));
        assert_eq!(vec![3], cookies(&unheard.again(1)));
    }
}
