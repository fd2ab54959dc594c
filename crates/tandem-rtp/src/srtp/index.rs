//! Packet indices of one stream: how they follow from sequence numbers (RFC 3711 3.3.1), and which of them were seen (3.3.2).

use super::SrtpError;

const WORD_BITS: u64 = 64;
const WORDS: usize = 16;
/// Indices below the highest one that can still be told seen from unseen. RFC 3711 asks for 64, audio for some dozens; video that is
/// sent again after a round trip needs hundreds.
pub(super) const WINDOW_PACKETS: u64 = WORD_BITS * (WORDS as u64 - 1);
/// Indices of RTP under one key (RFC 3711 9.2).
pub(super) const RTP_INDICES: u64 = 1 << 48;
/// Indices of RTCP under one key.
pub(super) const RTCP_INDICES: u32 = 1 << 31;

/// The index of a sequence number next to the highest index so far (RFC 3711 3.3.1). Before the first roll-over nothing lies behind: a
/// number far behind is taken as one far ahead.
#[inline]
pub(super) fn estimate(highest: u64, sequence: u16) -> u64 {
    let (roc, last) = (highest >> 16, highest as u16);
    let ahead = i32::from(sequence) - i32::from(last);
    let roc = if last < 0x8000 {
        if ahead > 0x8000 {
            roc.saturating_sub(1)
        } else {
            roc
        }
    } else if ahead < -0x8000 {
        roc + 1
    } else {
        roc
    };
    roc << 16 | u64::from(sequence)
}

/// Which indices were seen: the highest, and those up to [`WINDOW_PACKETS`] below it. A ring of bits, as RFC 6479 has it.
#[derive(Debug, Clone)]
pub(super) struct Window {
    highest: u64,
    seen: [u64; WORDS],
}

impl Window {
    /// Only `index` was seen.
    pub fn with(index: u64) -> Window {
        let mut window = Window { highest: index, seen: [0; WORDS] };
        window.mark(index);
        window
    }

    /// `index` and all below it were seen.
    pub fn filled_to(index: u64) -> Window {
        let mut window = Window { highest: index, seen: [u64::MAX; WORDS] };
        // Bits above the highest index are those of a round before, and must read as unseen.
        *window.word(index) = u64::MAX >> (WORD_BITS - 1 - index % WORD_BITS);
        window
    }

    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether `index` may still come.
    ///
    /// # Errors
    /// [`SrtpError::Repeated`] and [`SrtpError::Old`].
    #[inline]
    pub fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > self.highest {
            return Ok(());
        }
        if self.highest - index >= WINDOW_PACKETS {
            return Err(SrtpError::Old);
        }
        if self.seen[(index / WORD_BITS) as usize % WORDS] >> (index % WORD_BITS) & 1 == 1 {
            return Err(SrtpError::Repeated);
        }
        Ok(())
    }

    /// `index`, which has passed [`Window::check`], was seen.
    #[inline]
    pub fn mark(&mut self, index: u64) {
        if index > self.highest {
            let (from, to) = (self.highest / WORD_BITS, index / WORD_BITS);
            for word in from + 1..=to.min(from + WORDS as u64) {
                *self.word(word * WORD_BITS) = 0;
            }
            self.highest = index;
        }
        *self.word(index) |= 1 << (index % WORD_BITS);
    }

    #[inline]
    fn word(&mut self, index: u64) -> &mut u64 {
        &mut self.seen[(index / WORD_BITS) as usize % WORDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_estimated_across_every_wrap() {
        for (highest, sequence, expected) in [
            (0, 0, 0),
            (10, 9, 9),
            (0xffff, 0, 0x1_0000),
            (0x1_0000, 0xffff, 0xffff),
            (0x1_0005, 0xfff0, 0xfff0),
            (0x1_7fff, 0xffff, 0x1_ffff),
            (0x1_7fff, 0xfffe, 0x1_fffe),
            (0x1_7ffe, 0xffff, 0xffff),
            (0x1_8000, 0, 0x1_0000),
            (0x1_8001, 0, 0x2_0000),
            (0xffff_ffff, 0, 0x1_0000_0000),
            (0x1_0000_0001, 0xffff, 0xffff_ffff),
            // Nothing lies before the first packet.
            (5, 0xffff, 0xffff),
            (0xffff_ffff_ffff, 0, 0x1_0000_0000_0000),
        ] {
            assert_eq!(expected, estimate(highest, sequence), "{highest:x} {sequence:x}");
        }
    }

    #[test]
    fn a_window_remembers_what_a_set_remembers() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for start in [0, 1, 63, 64, 65_535, (1 << 32) - 3, RTP_INDICES - 5_000_000] {
            let mut seen = std::collections::HashSet::from([start]);
            let (mut window, mut highest) = (Window::with(start), start);
            for _ in 0..20_000 {
                let index = match random(10) {
                    0 => highest + random(3000),
                    1 => highest.saturating_sub(random(1200)),
                    _ => (highest + random(4)).saturating_sub(random(70)),
                };
                let expected = if index + WINDOW_PACKETS <= highest {
                    Err(SrtpError::Old)
                } else if seen.contains(&index) {
                    Err(SrtpError::Repeated)
                } else {
                    Ok(())
                };
                assert_eq!(expected, window.check(index), "{index} {highest}");
                if expected.is_ok() {
                    window.mark(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
                assert_eq!(highest, window.highest());
            }
        }
    }

    #[test]
    fn a_filled_window_has_seen_all_below_and_nothing_above() {
        for index in [0, 62, 63, 64, 65, 1023, 1024, 123_456] {
            let mut window = Window::filled_to(index);
            for below in index.saturating_sub(WINDOW_PACKETS - 1)..=index {
                assert_eq!(Err(SrtpError::Repeated), window.check(below), "{index} {below}");
            }
            window.mark(index + 200);
            for between in index + 1..index + 200 {
                assert_eq!(Ok(()), window.check(between), "{index} {between}");
            }
            assert_eq!(Err(SrtpError::Repeated), window.check(index));
        }
    }
}
