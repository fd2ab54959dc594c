//! The payload of a telephone event (RFC 4733 2.3): four bytes, read and written.

/// Volume of events that we make, -dBm0: what phones send, and PBXs expect.
pub const VOLUME: u8 = 10;
/// Bytes of an event.
pub const BYTES: usize = 4;
/// Event code of a hook flash (RFC 4733 3.2 and its registry).
pub const FLASH: u8 = 16;

/// One payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 0 to 15 are keys, 16 is a hook flash.
    pub code: u8,
    /// E: the event is over.
    pub end: bool,
    /// Power, -dBm0, 0 to 63.
    pub volume: u8,
    /// Units of the RTP clock since the timestamp.
    pub duration: u16,
}

impl Event {
    /// Reads a payload; of several events in it the first. `None`: too short.
    ///
    /// ```
    /// let event = tandem_rtp::audio::dtmf::event::Event::read(&[5, 0x8a, 0x03, 0x20]).unwrap();
    /// assert_eq!((5, true, 10, 800), (event.code, event.end, event.volume, event.duration));
    /// ```
    pub fn read(payload: &[u8]) -> Option<Event> {
        let [code, flags, high, low] = *payload.first_chunk()?;
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([high, low]) })
    }

    /// The payload.
    pub fn write(self) -> [u8; BYTES] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for end in [false, true] {
            let event = Event { code: 11, end, volume: 63, duration: 65_535 };
            assert_eq!(Some(event), Event::read(&event.write()));
        }
        assert_eq!(None, Event::read(&[1, 2, 3]));
    }
}
