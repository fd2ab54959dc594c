//! Feedback packets (RFC 4585 6.1): who asks, about whose stream, of what kind. What is asked stays bytes; the relay passes it on.

use super::RtcpError;

/// Kinds of feedback that a relay counts or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedbackKind {
    /// Packets are missing (RFC 4585 6.2.1).
    Nack,
    /// Arrival times, draft-holmer-rmcat-transport-wide-cc-extensions-01.
    TransportCc,
    /// A picture is lost (RFC 4585 6.3.1).
    Pli,
    /// A whole picture is wanted (RFC 5104 4.3.1); whose, is in the body.
    Fir,
    /// Bandwidth estimate, draft-alvestrand-rmcat-remb-03.
    Remb,
    /// Another one of RTPFB, by FMT.
    Transport(u8),
    /// Another one of PSFB, by FMT.
    Payload(u8),
}

/// RTPFB or PSFB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// What for.
    pub kind: FeedbackKind,
    /// Who asks.
    pub sender: u32,
    /// About whose stream; 0 with FIR and REMB.
    pub media: u32,
    /// FCI: the rest.
    pub body: &'a [u8],
}

impl<'a> Feedback<'a> {
    pub(super) fn read(packet_type: u8, format: u8, body: &'a [u8]) -> Result<Feedback<'a>, RtcpError> {
        let (sender, rest) = body.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
        let (media, body) = rest.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
        let kind = match (packet_type, format) {
            (205, 1) => FeedbackKind::Nack,
            (205, 15) => FeedbackKind::TransportCc,
            (205, other) => FeedbackKind::Transport(other),
            (_, 1) => FeedbackKind::Pli,
            (_, 4) => FeedbackKind::Fir,
            (_, 15) if body.starts_with(b"REMB") => FeedbackKind::Remb,
            (_, other) => FeedbackKind::Payload(other),
        };
        Ok(Feedback { kind, sender: u32::from_be_bytes(*sender), media: u32::from_be_bytes(*media), body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_type_and_format() {
        let body = |rest: &[u8]| [&[0, 0, 0, 1, 0, 0, 0, 2], rest].concat();
        for (packet_type, format, rest, kind) in [
            (205, 1, &[0, 1, 0, 0][..], FeedbackKind::Nack),
            (205, 15, &[0; 8], FeedbackKind::TransportCc),
            (205, 3, &[0; 8], FeedbackKind::Transport(3)),
            (206, 1, &[], FeedbackKind::Pli),
            (206, 4, &[0; 8], FeedbackKind::Fir),
            (206, 15, b"REMB\x01\0\0\0", FeedbackKind::Remb),
            (206, 15, b"ABCD", FeedbackKind::Payload(15)),
            (206, 2, &[], FeedbackKind::Payload(2)),
        ] {
            let expected = Feedback { kind, sender: 1, media: 2, body: rest };
            assert_eq!(Ok(expected), Feedback::read(packet_type, format, &body(rest)), "{packet_type} {format}");
        }
        assert_eq!(Err(RtcpError::Short), Feedback::read(205, 1, &[0; 7]));
    }
}
