//! A compound packet cut into its packets. No state is kept from one to the next.

use super::{App, Bye, Feedback, ReceiverReport, RtcpError, Sdes, SenderReport, COMPOUND_PACKETS};

/// Bytes of the head that all packets have (RFC 3550 6.4.1).
const HEAD_BYTES: usize = 4;

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// SR (200).
    SenderReport(SenderReport<'a>),
    /// RR (201).
    ReceiverReport(ReceiverReport<'a>),
    /// SDES (202).
    Sdes(Sdes<'a>),
    /// BYE (203).
    Bye(Bye<'a>),
    /// APP (204).
    App(App<'a>),
    /// RTPFB (205) and PSFB (206), RFC 4585.
    Feedback(Feedback<'a>),
    /// Any other, such as XR (207).
    Unread(Unread<'a>),
}

/// A packet of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread<'a> {
    /// PT.
    pub packet_type: u8,
    /// The five bits before it.
    pub count: u8,
    /// All behind the head of 4 bytes, without padding.
    pub body: &'a [u8],
}

/// The packets of a compound one, in order; after an error there are no more.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
    left: usize,
}

/// Reads a compound packet, or one of reduced size (RFC 5506): no order of types is asked for.
pub fn read(bytes: &[u8]) -> Packets<'_> {
    Packets { rest: bytes, left: COMPOUND_PACKETS }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let packet = self.cut();
        if packet.is_err() {
            self.rest = &[];
        }
        Some(packet)
    }
}

impl<'a> Packets<'a> {
    fn cut(&mut self) -> Result<Packet<'a>, RtcpError> {
        self.left = self.left.checked_sub(1).ok_or(RtcpError::Packets)?;
        let [first, packet_type, high, low] = *self.rest.first_chunk::<HEAD_BYTES>().ok_or(RtcpError::Short)?;
        if first >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let bytes = HEAD_BYTES + 4 * usize::from(u16::from_be_bytes([high, low]));
        let (packet, rest) = self.rest.split_at_checked(bytes).ok_or(RtcpError::Short)?;
        self.rest = rest;
        let mut body = packet.get(HEAD_BYTES..).unwrap_or_default();
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
            let end = body.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtcpError::Padding)?;
            body = body.get(..end).unwrap_or_default();
        }
        Packet::of(packet_type, first & 31, body)
    }
}

impl<'a> Packet<'a> {
    fn of(packet_type: u8, count: u8, body: &'a [u8]) -> Result<Packet<'a>, RtcpError> {
        Ok(match packet_type {
            200 => Packet::SenderReport(SenderReport::read(count, body)?),
            201 => Packet::ReceiverReport(ReceiverReport::read(count, body)?),
            202 => Packet::Sdes(Sdes::read(count, body)?),
            203 => Packet::Bye(Bye::read(count, body)?),
            204 => Packet::App(App::read(count, body)?),
            205 | 206 => Packet::Feedback(Feedback::read(packet_type, count, body)?),
            _ => Packet::Unread(Unread { packet_type, count, body }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_ends_where_its_length_says() {
        let xr = [0x80, 207, 0, 1, 9, 9, 9, 9];
        let bytes = [&xr[..], &[0xa0, 207, 0, 2, 1, 2, 3, 4, 5, 6, 0, 2]].concat();
        let packets: Vec<_> = read(&bytes).collect();
        let unread = |body| Ok(Packet::Unread(Unread { packet_type: 207, count: 0, body }));
        assert_eq!(vec![unread([9, 9, 9, 9].as_slice()), unread(&[1, 2, 3, 4, 5, 6])], packets);
    }

    #[test]
    fn what_does_not_fit_ends_the_compound_packet() {
        for (bytes, error) in [
            (&[0x80, 207, 0][..], RtcpError::Short),
            (&[0x80, 207, 0, 1, 0, 0, 0], RtcpError::Short),
            (&[0x40, 207, 0, 0], RtcpError::Version),
            (&[0xa0, 207, 0, 0], RtcpError::Padding),
            (&[0xa0, 207, 0, 1, 0, 0, 0, 0], RtcpError::Padding),
            (&[0xa0, 207, 0, 1, 0, 0, 0, 5], RtcpError::Padding),
            (&[0x81, 201, 0, 1, 0, 0, 0, 1], RtcpError::Short),
            (&[0x80, 200, 0, 1, 0, 0, 0, 1], RtcpError::Short),
        ] {
            let all = [bytes, &[0x80, 207, 0, 0]].concat();
            assert_eq!(Some(Err(error)), read(bytes).next(), "{bytes:?}");
            assert!(read(&all).take_while(Result::is_ok).count() < 2, "{bytes:?}");
        }
        let many = [0x80, 207, 0, 0].repeat(COMPOUND_PACKETS + 5);
        assert_eq!(COMPOUND_PACKETS + 1, read(&many).count());
        assert_eq!(Some(Err(RtcpError::Packets)), read(&many).last());
        assert_eq!(None, read(&[]).next());
    }
}
