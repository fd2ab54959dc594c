//! A STUN message read from a datagram, without allocation. What it asks for is not judged here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::Mac;

use super::{attribute, checksum, IceRole, Transaction, BINDING, COOKIE, HEAD_BYTES, MESSAGE_BYTES, UNKNOWN_ATTRIBUTES};

/// The two bits that say what a message is for (RFC 8489 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// Answers a request that was granted.
    Success,
    /// Answers a request that was not.
    Error,
}

/// Why bytes are no message. None of these is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Another protocol.
    #[error("not STUN")]
    NotStun,
    /// More than [`MESSAGE_BYTES`].
    #[error("more than {MESSAGE_BYTES} bytes")]
    TooLong,
    /// The head's length is not what came, or no multiple of 4.
    #[error("length of the head")]
    Length,
    /// Another method than Binding.
    #[error("method {0:#x}")]
    Method(u16),
    /// An attribute ends after the message, or its value has not the form that its kind has.
    #[error("attribute {0:#06x}")]
    Attribute(u16),
    /// FINGERPRINT is not that of these bytes.
    #[error("fingerprint")]
    Fingerprint,
}

/// Attributes that had to be understood and were not (RFC 8489 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unknown {
    kinds: [u16; UNKNOWN_ATTRIBUTES],
    count: usize,
}

impl Unknown {
    /// Their numbers, in order, each once.
    pub fn kinds(&self) -> &[u16] {
        self.kinds.get(..self.count).unwrap_or_default()
    }

    fn add(&mut self, kind: u16) {
        if self.kinds().contains(&kind) {
            return;
        }
        if let Some(free) = self.kinds.get_mut(self.count) {
            *free = kind;
            self.count += 1;
        }
    }
}

/// A Binding message. Of an attribute that stands twice the first counts (RFC 8489 14).
///
/// ```
/// let bytes = b"\x01\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43";
/// let message = tandem_rtp::stun::Message::read(bytes).unwrap();
/// assert_eq!(Some("192.0.2.1:32853".parse().unwrap()), message.mapped);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Request, indication, success or error.
    pub class: Class,
    /// Of the request and its answers.
    pub transaction: Transaction,
    /// USERNAME, bytes as they came; in ICE the receiver's ufrag, ":", the sender's.
    pub username: Option<&'a [u8]>,
    /// PRIORITY: of the candidate that the receiver would learn (RFC 8445 7.1.1).
    pub priority: Option<u32>,
    /// USE-CANDIDATE: the sender nominates (RFC 8445 7.1.2).
    pub use_candidate: bool,
    /// ICE-CONTROLLING or ICE-CONTROLLED.
    pub role: Option<IceRole>,
    /// XOR-MAPPED-ADDRESS: where the request came from.
    pub mapped: Option<SocketAddr>,
    /// ERROR-CODE, 300 to 699.
    pub error: Option<u16>,
    /// FINGERPRINT stands there and is right.
    pub fingerprint: bool,
    /// What was not understood and should have been.
    pub unknown: Unknown,
    sha1: Option<(usize, &'a [u8])>,
    sha256: Option<(usize, &'a [u8])>,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram.
    ///
    /// # Errors
    /// It is no Binding message, or is not whole.
    pub fn read(bytes: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let [first, second, long, short, c0, c1, c2, c3, id @ ..] = bytes.get(..HEAD_BYTES).ok_or(Malformed::NotStun)? else {
            return Err(Malformed::NotStun);
        };
        if *first > 3 || [*c0, *c1, *c2, *c3] != COOKIE {
            return Err(Malformed::NotStun);
        }
        if bytes.len() > MESSAGE_BYTES {
            return Err(Malformed::TooLong);
        }
        let length = usize::from(u16::from_be_bytes([*long, *short]));
        if HEAD_BYTES + length != bytes.len() || !length.is_multiple_of(4) {
            return Err(Malformed::Length);
        }
        let kind = u16::from_be_bytes([*first, *second]);
        let method = kind & 0x000f | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2;
        if method != BINDING {
            return Err(Malformed::Method(method));
        }
        let class = match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let mut message = Message {
            bytes,
            class,
            transaction: id.try_into().map_err(|_| Malformed::NotStun)?,
            username: None,
            priority: None,
            use_candidate: false,
            role: None,
            mapped: None,
            error: None,
            fingerprint: false,
            unknown: Unknown::default(),
            sha1: None,
            sha256: None,
        };
        message.attributes()?;
        Ok(message)
    }

    /// Whether a MAC stands there at all.
    pub fn has_integrity(&self) -> bool {
        self.sha1.is_some() || self.sha256.is_some()
    }

    /// Whether its MAC is that of this password; compared in constant time. Where both MACs stand SHA-256 decides (RFC 8489 9.1.3).
    pub fn is_from(&self, password: &[u8]) -> bool {
        if let Some((at, value)) = self.sha256 {
            return checksum::sha256(self.bytes, at, value.len(), password).is_some_and(|mac| mac.verify_truncated_left(value).is_ok());
        }
        self.sha1.is_some_and(|(at, value)| checksum::sha1(self.bytes, at, password).is_some_and(|mac| mac.verify_slice(value).is_ok()))
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 guards it: the answer has to have the same (RFC 8489 9.1.3).
    pub fn is_sha256(&self) -> bool {
        self.sha256.is_some()
    }

    fn attributes(&mut self) -> Result<(), Malformed> {
        let mut at = HEAD_BYTES;
        while let Some([high, low, long, short]) = self.bytes.get(at..at + 4) {
            let kind = u16::from_be_bytes([*high, *low]);
            let length = usize::from(u16::from_be_bytes([*long, *short]));
            let value = self.bytes.get(at + 4..at + 4 + length).ok_or(Malformed::Attribute(kind))?;
            if self.fingerprint {
                return Err(Malformed::Attribute(kind)); // nothing follows it (RFC 8489 14.7)
            }
            self.attribute(kind, value, at)?;
            at += 4 + length.next_multiple_of(4);
        }
        if at == self.bytes.len() {
            Ok(())
        } else {
            Err(Malformed::Length)
        }
    }

    fn attribute(&mut self, kind: u16, value: &'a [u8], at: usize) -> Result<(), Malformed> {
        let bad = Malformed::Attribute(kind);
        if kind == attribute::FINGERPRINT {
            let value = u32::from_be_bytes(value.try_into().map_err(|_| bad)?);
            self.fingerprint = value == checksum::fingerprint(self.bytes.get(..at).unwrap_or_default());
            return if self.fingerprint { Ok(()) } else { Err(Malformed::Fingerprint) };
        }
        if kind == attribute::MESSAGE_INTEGRITY_SHA256 {
            if value.len() > checksum::SHA256_BYTES || value.len() < 16 || !value.len().is_multiple_of(4) {
                return Err(bad);
            }
            self.sha256.get_or_insert((at, value));
            return Ok(());
        }
        if self.has_integrity() {
            return Ok(()); // not guarded by the MAC, so not read (RFC 8489 14.5)
        }
        match kind {
            attribute::MESSAGE_INTEGRITY if value.len() == checksum::SHA1_BYTES => self.sha1 = Some((at, value)),
            attribute::USERNAME => _ = self.username.get_or_insert(value),
            attribute::PRIORITY => _ = self.priority.get_or_insert(u32::from_be_bytes(value.try_into().map_err(|_| bad)?)),
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLING => {
                _ = self.role.get_or_insert(IceRole::Controlling(u64::from_be_bytes(value.try_into().map_err(|_| bad)?)))
            }
            attribute::ICE_CONTROLLED => {
                _ = self.role.get_or_insert(IceRole::Controlled(u64::from_be_bytes(value.try_into().map_err(|_| bad)?)))
            }
            attribute::XOR_MAPPED_ADDRESS => _ = self.mapped.get_or_insert(unmasked(value, &self.transaction).ok_or(bad)?),
            attribute::ERROR_CODE => {
                let [_, _, class @ 3..=6, number @ 0..=99, ..] = value else { return Err(bad) };
                self.error.get_or_insert(u16::from(*class) * 100 + u16::from(*number));
            }
            attribute::MAPPED_ADDRESS | attribute::UNKNOWN_ATTRIBUTES => {}
            attribute::MESSAGE_INTEGRITY => return Err(bad),
            0x8000.. => {}
            _ => self.unknown.add(kind),
        }
        Ok(())
    }
}

/// The address in an XOR-MAPPED-ADDRESS (RFC 8489 14.2).
fn unmasked(value: &[u8], transaction: &Transaction) -> Option<SocketAddr> {
    let [_, family, high, low, address @ ..] = value else { return None };
    let port = u16::from_be_bytes([*high, *low]) ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let mask = || COOKIE.iter().chain(transaction);
    let ip = match (family, address.len()) {
        (1, 4) => {
            let mut octets: [u8; 4] = address.try_into().ok()?;
            octets.iter_mut().zip(mask()).for_each(|(byte, mask)| *byte ^= mask);
            IpAddr::V4(Ipv4Addr::from(octets))
        }
        (2, 16) => {
            let mut octets: [u8; 16] = address.try_into().ok()?;
            octets.iter_mut().zip(mask()).for_each(|(byte, mask)| *byte ^= mask);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}
