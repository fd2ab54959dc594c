//! The numbers of a stream that we send: SSRC, sequence, timestamp, and how an heir goes on with them. It makes headers, no payloads.

use crate::rtp::HEADER_BYTES;

/// Least jump of an heir's sequence numbers: what a stream sends in 10 s at the shortest packet time.
pub const LEAST_JUMP: u64 = 1_000;
/// Largest jump. At 3,000 a receiver after RFC 3550 A.1 (MAX_DROPOUT) no longer takes the stream for the same, and throws its first packet
/// away; below it the jump is a gap like any other.
pub const MOST_JUMP: u64 = 2_900;

/// Where a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Numbers {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number of the next packet.
    pub sequence: u16,
    /// Timestamp of the next packet.
    pub timestamp: u32,
    /// When this was so, microseconds since 1970.
    pub at: u64,
}

/// A stream being sent.
#[derive(Debug, Clone)]
pub struct Stream {
    numbers: Numbers,
    /// The next packet is the first of a talk spurt (RFC 3551 4.1).
    marker: bool,
}

impl Stream {
    /// A stream that begins with these numbers, which are random (RFC 3550 5.1).
    pub fn new(numbers: Numbers) -> Stream {
        Stream { numbers, marker: true }
    }

    /// The stream of an heir: the timestamp goes on as time did, so that receivers see a gap and no jump in time; the sequence jumps past
    /// twice what may have been sent since the state was saved, so that SRTP never protects two packets under one index (RFC 3711 9.1). A
    /// state that is older than [`MOST_JUMP`] allows, or from a clock ahead of ours, is left: the `fresh` numbers begin a new source.
    ///
    /// ```
    /// use tandem_rtp::audio::leg::{Numbers, Stream};
    /// let old = Numbers { ssrc: 1, sequence: 65_000, timestamp: 160, at: 1_000_000 };
    /// let heir = Stream::heir(old, 3_000_000, 20, 8_000, Numbers::default()).numbers();
    /// assert_eq!((1, 464, 160 + 16_160), (heir.ssrc, heir.sequence, heir.timestamp));
    /// ```
    pub fn heir(old: Numbers, now: u64, ptime_ms: u32, clock: u32, fresh: Numbers) -> Stream {
        let packet_us = u64::from(ptime_ms.max(1)) * 1_000;
        let Some(lag) = now.checked_sub(old.at) else { return Stream::new(fresh) };
        let jump = (lag.div_ceil(packet_us).saturating_mul(2)).max(LEAST_JUMP);
        if jump > MOST_JUMP {
            return Stream::new(fresh);
        }
        let units = (lag + packet_us) * u64::from(clock) / 1_000_000;
        let sequence = old.sequence.wrapping_add(jump as u16);
        Stream::new(Numbers { sequence, timestamp: old.timestamp.wrapping_add(units as u32), at: now, ..old })
    }

    /// Where it is.
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// The next packet begins a talk spurt.
    pub fn mark(&mut self) {
        self.marker = true;
    }

    /// Time passes without a packet.
    pub fn pass(&mut self, units: u32) {
        self.numbers.timestamp = self.numbers.timestamp.wrapping_add(units);
    }

    /// Overwrites `packet` with a header of the next packet and a payload that lasts `units`.
    pub fn packet(&mut self, payload_type: u8, payload: &[u8], units: u32, packet: &mut Vec<u8>) {
        let marker = std::mem::take(&mut self.marker);
        self.write(payload_type, marker, self.numbers.timestamp, payload, packet);
        self.pass(units);
    }

    /// The same for a packet that does not last, and stands at a time of its own: a telephone event. Sound after it begins a spurt.
    pub fn event(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8], packet: &mut Vec<u8>) {
        self.write(payload_type, marker, timestamp, payload, packet);
        self.marker = true;
    }

    fn write(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8], packet: &mut Vec<u8>) {
        packet.clear();
        packet.reserve(HEADER_BYTES + payload.len());
        packet.extend_from_slice(&[0x80, u8::from(marker) << 7 | payload_type & 0x7f]);
        packet.extend_from_slice(&self.numbers.sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&self.numbers.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        self.numbers.sequence = self.numbers.sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Packet;

    #[test]
    fn numbers_go_on_and_wrap() {
        let mut stream = Stream::new(Numbers { ssrc: 7, sequence: 65_535, timestamp: u32::MAX - 100, at: 0 });
        let mut bytes = Vec::new();
        stream.packet(8, &[1, 2], 160, &mut bytes);
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!((true, 8, 65_535, u32::MAX - 100, 7), {
            let h = packet.header;
            (h.marker, h.payload_type, h.sequence, h.timestamp, h.ssrc)
        });
        assert_eq!([1, 2], packet.payload);
        stream.packet(8, &[], 160, &mut bytes);
        let header = Packet::read(&bytes).unwrap().header;
        assert_eq!((false, 0, 59), (header.marker, header.sequence, header.timestamp));
    }

    #[test]
    fn no_heir_repeats_a_number_and_no_receiver_takes_it_for_another_stream() {
        let fresh = Numbers { ssrc: 99, ..Numbers::default() };
        for ptime_ms in [10, 20, 60] {
            for lag_ms in [0u64, 1, 100, 1_000, 5_000, 10_000, 20_000, 60_000] {
                let old = Numbers { ssrc: 7, sequence: 64_000, timestamp: 1, at: 1_000_000 };
                let heir = Stream::heir(old, 1_000_000 + lag_ms * 1_000, ptime_ms, 8_000, fresh).numbers();
                if heir.ssrc == 99 {
                    assert!(lag_ms * 2 / u64::from(ptime_ms) > MOST_JUMP);
                    continue;
                }
                let jump = u64::from(heir.sequence.wrapping_sub(64_000));
                assert!((LEAST_JUMP..3_000).contains(&jump) && jump >= 2 * lag_ms / u64::from(ptime_ms));
                assert_eq!((lag_ms as u32 + ptime_ms) * 8 + 1, heir.timestamp);
            }
        }
        assert_eq!(99, Stream::heir(Numbers { at: 2, ..fresh }, 1, 20, 8_000, fresh).numbers().ssrc);
    }
}
