//! A Binding message written into a buffer, attribute by attribute. What belongs into it is not decided here.

use std::net::{IpAddr, SocketAddr};

use hmac::Mac;

use super::{attribute, checksum, Class, IceRole, Transaction, COOKIE, HEAD_BYTES};

/// Writes one message. `integrity` comes after all that it guards, `fingerprint` last.
///
/// ```
/// use tandem_rtp::stun::{Class, Message, Writer};
/// let mut out = Vec::new();
/// Writer::new(&mut out, Class::Request, *b"abcdefghijkl").username(b"them", b"us").integrity(b"password").fingerprint();
/// let message = Message::read(&out).unwrap();
/// assert_eq!(Some(&b"them:us"[..]), message.username);
/// assert!(message.is_from(b"password") && message.fingerprint);
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Begins a message in `out`, which is cleared.
    pub fn new(out: &'a mut Vec<u8>, class: Class, transaction: Transaction) -> Writer<'a> {
        let kind: u16 = match class {
            Class::Request => 0x0001,
            Class::Indication => 0x0011,
            Class::Success => 0x0101,
            Class::Error => 0x0111,
        };
        out.clear();
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&transaction);
        Writer { out }
    }

    /// USERNAME of ICE: the receiver's ufrag, ":", the sender's (RFC 8445 7.2.2).
    pub fn username(mut self, theirs: &[u8], ours: &[u8]) -> Writer<'a> {
        let at = self.begin(attribute::USERNAME);
        self.out.extend_from_slice(theirs);
        self.out.push(b':');
        self.out.extend_from_slice(ours);
        self.end(at)
    }

    /// PRIORITY.
    pub fn priority(self, priority: u32) -> Writer<'a> {
        self.attribute(attribute::PRIORITY, &priority.to_be_bytes())
    }

    /// USE-CANDIDATE.
    pub fn use_candidate(self) -> Writer<'a> {
        self.attribute(attribute::USE_CANDIDATE, &[])
    }

    /// ICE-CONTROLLING or ICE-CONTROLLED.
    pub fn role(self, role: IceRole) -> Writer<'a> {
        match role {
            IceRole::Controlling(tie_breaker) => self.attribute(attribute::ICE_CONTROLLING, &tie_breaker.to_be_bytes()),
            IceRole::Controlled(tie_breaker) => self.attribute(attribute::ICE_CONTROLLED, &tie_breaker.to_be_bytes()),
        }
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 14.2); an IPv4 address mapped into IPv6 is written as IPv4.
    pub fn mapped(mut self, address: SocketAddr) -> Writer<'a> {
        let at = self.begin(attribute::XOR_MAPPED_ADDRESS);
        let family = if address.ip().to_canonical().is_ipv4() { 1 } else { 2 };
        self.out.extend_from_slice(&[0, family]);
        self.out.extend_from_slice(&(address.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]])).to_be_bytes());
        let masked = self.out.len();
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => self.out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => self.out.extend_from_slice(&ip.octets()),
        }
        // The mask is the head from the cookie on.
        let (head, tail) = self.out.split_at_mut(masked);
        let mask = head.get(4..HEAD_BYTES).unwrap_or_default();
        tail.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        self.end(at)
    }

    /// ERROR-CODE, 300 to 699, with its reason (RFC 8489 14.8).
    pub fn error(mut self, code: u16, reason: &str) -> Writer<'a> {
        let at = self.begin(attribute::ERROR_CODE);
        self.out.extend_from_slice(&[0, 0, (code / 100) as u8, (code % 100) as u8]);
        self.out.extend_from_slice(reason.as_bytes());
        self.end(at)
    }

    /// UNKNOWN-ATTRIBUTES (RFC 8489 14.13).
    pub fn unknown(mut self, kinds: &[u16]) -> Writer<'a> {
        let at = self.begin(attribute::UNKNOWN_ATTRIBUTES);
        kinds.iter().for_each(|kind| self.out.extend_from_slice(&kind.to_be_bytes()));
        self.end(at)
    }

    /// MESSAGE-INTEGRITY (RFC 8489 14.5) by a password of ICE, which is plain ASCII.
    pub fn integrity(self, password: &[u8]) -> Writer<'a> {
        let mac = checksum::sha1(self.out, self.out.len(), password).map(|mac| mac.finalize().into_bytes());
        self.attribute(attribute::MESSAGE_INTEGRITY, mac.as_deref().unwrap_or_default())
    }

    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 14.6), whole.
    pub fn integrity_sha256(self, password: &[u8]) -> Writer<'a> {
        let mac = checksum::sha256(self.out, self.out.len(), checksum::SHA256_BYTES, password).map(|mac| mac.finalize().into_bytes());
        self.attribute(attribute::MESSAGE_INTEGRITY_SHA256, mac.as_deref().unwrap_or_default())
    }

    /// FINGERPRINT (RFC 8489 14.7).
    pub fn fingerprint(mut self) {
        let at = self.begin(attribute::FINGERPRINT);
        self.out.extend_from_slice(&[0; 4]);
        let out = self.end(at).out; // the checksum counts the length that it makes
        let value = checksum::fingerprint(out.get(..at).unwrap_or_default());
        out.truncate(at + 4);
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Writer<'a> {
        let at = self.begin(kind);
        self.out.extend_from_slice(value);
        self.end(at)
    }

    /// Writes an attribute's head, its length to come; returns where it stands.
    fn begin(&mut self, kind: u16) -> usize {
        let at = self.out.len();
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&[0, 0]);
        at
    }

    /// Pads the attribute that begins at `at`, and writes its length and the message's.
    fn end(self, at: usize) -> Writer<'a> {
        let value = self.out.len().saturating_sub(at + 4) as u16;
        self.out.resize(self.out.len().next_multiple_of(4), 0);
        let message = self.out.len().saturating_sub(HEAD_BYTES) as u16;
        for (place, length) in [(at + 2, value), (2, message)] {
            if let Some(bytes) = self.out.get_mut(place..place + 2) {
                bytes.copy_from_slice(&length.to_be_bytes());
            }
        }
        self
    }

    #[cfg(test)]
    pub(crate) fn attribute_for_test(self, kind: u16, value: &[u8]) -> Writer<'a> {
        self.attribute(kind, value)
    }
}
