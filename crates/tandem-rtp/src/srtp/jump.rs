//! By how much the numbers of a stream of our own must jump when an heir goes on with it. It knows no stream.

use super::SRTCP_JUMP;

/// Least jump of a sequence number. Receivers take a jump of 3,000 and more as a new beginning (RFC 3550 A.1), not as so many losses.
const LEAST_SEQUENCE: u64 = 4096;
/// Largest jump: well below half of the numbers, or a receiver takes it for a step back (RFC 3711 3.3.1).
const MOST_SEQUENCE: u64 = 32_000;

/// Jumps past everything that the predecessor may have sent after its last saved state. Without them the same key and index
/// protect two different packets, and their contents can be read (RFC 3711 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Added to the last saved sequence number; the packet that has it should carry a marker.
    pub sequence: u16,
    /// Added to the last saved timestamp: the time that has passed, one packet more, in units of the payload's clock.
    pub timestamp: u32,
    /// How far SRTCP's index jumps: [`super::Sender::heir`] does it.
    pub srtcp: u32,
}

impl Jump {
    /// The jumps for a state that is `lag_us` microseconds old, a packet every `packet_us` microseconds and a clock of `clock_hz`.
    /// The jump has room for twice as many packets as the lag can have had. `None`: the lag is too long for a jump that receivers
    /// follow (5 minutes at 20 ms), the stream needs a new SSRC.
    ///
    /// ```
    /// use tandem_rtp::srtp::Jump;
    /// let jump = Jump::past(5_000_000, 20_000, 8_000).unwrap();
    /// assert_eq!((4096, 40_160, 1 << 16), (jump.sequence, jump.timestamp, jump.srtcp));
    /// assert_eq!(None, Jump::past(600_000_000, 20_000, 8_000));
    /// ```
    pub fn past(lag_us: u64, packet_us: u64, clock_hz: u32) -> Option<Jump> {
        let packet_us = packet_us.max(1);
        let sequence = lag_us.div_ceil(packet_us).saturating_mul(2).max(LEAST_SEQUENCE);
        if sequence > MOST_SEQUENCE {
            return None;
        }
        let timestamp = u128::from(lag_us.saturating_add(packet_us)) * u128::from(clock_hz) / 1_000_000;
        Some(Jump { sequence: sequence as u16, timestamp: timestamp as u32, srtcp: SRTCP_JUMP })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_clears_twice_the_lag_and_never_half_the_numbers() {
        for (lag_us, packet_us, expected) in [
            (0, 20_000, Some(4096)),
            (60_000_000, 20_000, Some(6000)),
            (320_000_000, 20_000, Some(32_000)),
            (320_000_001, 20_000, None),
            (1_000_000, 0, None),
            (u64::MAX, 1, None),
        ] {
            assert_eq!(expected, Jump::past(lag_us, packet_us, 48_000).map(|jump| jump.sequence), "{lag_us} {packet_us}");
        }
    }
}
