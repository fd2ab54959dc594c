//! What a message may weigh. Every limit is checked before anything is stored for it.

/// The bounds of one message. A message beyond them is refused with the limit's name ([`crate::refusal::Refusal`]).
///
/// ```
/// let limits = tandem_sip::limits::Limits { message_bytes: 8_192, ..Default::default() };
/// assert_eq!(200, limits.headers);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message. RFC 3261 18.1.1: all must take 65,535.
    pub message_bytes: usize,
    /// Header lines, a folded one counts once.
    pub headers: usize,
    /// Bytes of one header: name, value and folds.
    pub header_bytes: usize,
    /// Via values, over all Via lines.
    pub vias: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of a Request-URI.
    pub uri_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { message_bytes: 65_535, headers: 200, header_bytes: 8_192, vias: 64, body_bytes: 65_535, uri_bytes: 2_048 }
    }
}
