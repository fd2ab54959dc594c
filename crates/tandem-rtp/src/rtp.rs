//! RTP headers (RFC 3550 5.1), and which protocol a datagram on a media port is. Payloads are not understood here, and nothing is changed.

/// Bytes of a header without CSRCs and extension.
pub const HEADER_BYTES: usize = 12;
/// Packet types of RTCP, where it shares a port with RTP (RFC 5761 4): RTP has no payload types 64 to 95 with a marker there.
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 192..=223;

/// What the first bytes of a datagram on a media port say that it is (RFC 7983 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// STUN (RFC 8489), by the first byte alone.
    Stun,
    /// ZRTP (RFC 6189).
    Zrtp,
    /// DTLS.
    Dtls,
    /// TURN channel data (RFC 8656).
    TurnChannel,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP (RFC 5761 4).
    Rtcp,
    /// None of them, or nothing at all.
    Unknown,
}

impl Kind {
    /// The kind of a datagram. RTCP is told from RTP by its second byte.
    ///
    /// ```
    /// use tandem_rtp::rtp::Kind;
    /// assert_eq!(Kind::Rtcp, Kind::of(&[0x80, 200, 0, 6]));
    /// assert_eq!(Kind::Rtp, Kind::of(&[0x80, 0x80 | 96, 0, 6]));
    /// ```
    pub fn of(bytes: &[u8]) -> Kind {
        match *bytes {
            [0..=3, ..] => Kind::Stun,
            [16..=19, ..] => Kind::Zrtp,
            [20..=63, ..] => Kind::Dtls,
            [64..=79, ..] => Kind::TurnChannel,
            [128..=191, kind, ..] if RTCP_TYPES.contains(&kind) => Kind::Rtcp,
            [128..=191, _, ..] => Kind::Rtp,
            _ => Kind::Unknown,
        }
    }
}

/// Why bytes are no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// It ends before its header does.
    #[error("shorter than its RTP header")]
    Short,
    /// Its version is not 2.
    #[error("RTP version is not 2")]
    Version,
    /// The last byte asks for no padding, or more than there is.
    #[error("RTP padding is longer than the payload")]
    Padding,
}

/// The header of an RTP packet. It is in the clear in SRTP too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The payload ends with padding.
    pub padding: bool,
    /// M.
    pub marker: bool,
    /// PT, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Sampling instant, in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// CC, 0 to 15.
    pub csrcs: u8,
    /// X.
    pub extension: bool,
    /// Bytes of the whole header, with CSRCs and extension.
    pub bytes: usize,
}

impl Header {
    /// Reads the header that a packet begins with (RFC 3550 5.1, 5.3.1). Padding is not looked at: in SRTP it is encrypted.
    ///
    /// # Errors
    /// [`RtpError::Short`] and [`RtpError::Version`].
    ///
    /// ```
    /// let header = tandem_rtp::rtp::Header::read(&[0x80, 0x80, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 0xff]).unwrap();
    /// assert_eq!((true, 7, 160, 0x01020304, 12), (header.marker, header.sequence, header.timestamp, header.ssrc, header.bytes));
    /// ```
    #[inline]
    pub fn read(packet: &[u8]) -> Result<Header, RtpError> {
        let (fixed, rest) = packet.split_first_chunk::<HEADER_BYTES>().ok_or(RtpError::Short)?;
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let csrcs = first & 15;
        let extension = first & 0x10 != 0;
        let mut bytes = HEADER_BYTES + 4 * usize::from(csrcs);
        if extension {
            let Some([_, _, high, low]) = rest.get(4 * usize::from(csrcs)..).and_then(|rest| rest.first_chunk()) else {
                return Err(RtpError::Short);
            };
            bytes += 4 + 4 * usize::from(u16::from_be_bytes([*high, *low]));
        }
        if bytes > packet.len() {
            return Err(RtpError::Short);
        }
        Ok(Header {
            padding: first & 0x20 != 0,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            csrcs,
            extension,
            bytes,
        })
    }
}

/// A plain RTP packet, with its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// Contributing sources, four bytes each.
    pub csrcs: &'a [u8],
    /// Header extension (RFC 3550 5.3.1): its profile, and its words without that and the length.
    pub extension: Option<(u16, &'a [u8])>,
    /// Payload without padding.
    pub payload: &'a [u8],
    /// Bytes of padding, the counting one too.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// Reads a whole plain packet.
    ///
    /// # Errors
    /// All of [`RtpError`].
    ///
    /// ```
    /// let bytes = [0xb0, 0, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x10, 0x85, 0, 0, b'h', b'i', 0, 2];
    /// let packet = tandem_rtp::rtp::Packet::read(&bytes).unwrap();
    /// assert_eq!((b"hi".as_slice(), 2), (packet.payload, packet.padding));
    /// assert_eq!(Some((0xbede, [0x10, 0x85, 0, 0].as_slice())), packet.extension);
    /// ```
    pub fn read(bytes: &'a [u8]) -> Result<Packet<'a>, RtpError> {
        let header = Header::read(bytes)?;
        let (head, body) = bytes.split_at_checked(header.bytes).ok_or(RtpError::Short)?;
        let rest = head.get(HEADER_BYTES..).unwrap_or_default();
        let (csrcs, rest) = rest.split_at_checked(4 * usize::from(header.csrcs)).ok_or(RtpError::Short)?;
        let extension = match rest {
            [high, low, _, _, words @ ..] if header.extension => Some((u16::from_be_bytes([*high, *low]), words)),
            _ => None,
        };
        let padding = if header.padding { *body.last().ok_or(RtpError::Padding)? } else { 0 };
        if header.padding && padding == 0 {
            return Err(RtpError::Padding);
        }
        let end = body.len().checked_sub(usize::from(padding)).ok_or(RtpError::Padding)?;
        Ok(Packet { header, csrcs, extension, payload: body.get(..end).unwrap_or_default(), padding })
    }

    /// The contributing sources, mixers name them (RFC 3550 5.1).
    pub fn sources(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrcs.as_chunks::<4>().0.iter().map(|csrc| u32::from_be_bytes(*csrc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_protocols_apart() {
        let told = |first: u8, second: u8| Kind::of(&[first, second, 0, 0]);
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Kind::Stun,
                16..=19 => Kind::Zrtp,
                20..=63 => Kind::Dtls,
                64..=79 => Kind::TurnChannel,
                128..=191 => Kind::Rtp,
                _ => Kind::Unknown,
            };
            assert_eq!(expected, told(first, 0), "{first}");
        }
        for second in 0..=255u8 {
            assert_eq!(if (192..224).contains(&second) { Kind::Rtcp } else { Kind::Rtp }, told(0x81, second), "{second}");
        }
        assert_eq!([Kind::Unknown, Kind::Unknown, Kind::Stun], [Kind::of(&[]), Kind::of(&[0x80]), Kind::of(&[1])]);
    }

    #[test]
    fn sources_extension_and_padding_are_cut_off() {
        let head = [0xb2, 0x60, 0xff, 0xfe, 0, 0, 0, 1, 0, 0, 0, 2];
        let rest = [0, 0, 0, 3, 0, 0, 0, 4, 0x10, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 3];
        let bytes = [&head[..], &rest].concat();
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!(
            (0x60, false, 65534, 36 - 4),
            (packet.header.payload_type, packet.header.marker, packet.header.sequence, packet.header.bytes)
        );
        assert_eq!(vec![3, 4], packet.sources().collect::<Vec<_>>());
        assert_eq!(Some((0x1000, [1, 2, 3, 4, 5, 6, 7, 8].as_slice())), packet.extension);
        assert_eq!(([9].as_slice(), 3), (packet.payload, packet.padding));
        for end in 0..32 {
            assert_eq!(Err(RtpError::Short), Header::read(&bytes[..end]), "{end}");
        }
    }

    #[test]
    fn padding_that_cannot_be_is_refused() {
        let packet = |padding: &[u8]| [&[0xa0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2], padding].concat();
        for bad in [&[][..], &[0], &[2], &[1, 2, 4]] {
            assert_eq!(Err(RtpError::Padding), Packet::read(&packet(bad)), "{bad:?}");
        }
        assert_eq!(b"".as_slice(), Packet::read(&packet(&[0, 2])).unwrap().payload);
        assert_eq!(Err(RtpError::Version), Header::read(&[0x40; 12]));
    }
}
