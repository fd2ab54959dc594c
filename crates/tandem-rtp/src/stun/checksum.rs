//! What guards a message: its MAC (RFC 8489 14.5, 14.6) and the checksum that tells it from other protocols (14.7).

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

use super::HEAD_BYTES;

/// Bytes of MESSAGE-INTEGRITY's value.
pub(super) const SHA1_BYTES: usize = 20;
/// Bytes of MESSAGE-INTEGRITY-SHA256's value when it is whole; at least 16 in steps of 4 otherwise.
pub(super) const SHA256_BYTES: usize = 32;
/// What FINGERPRINT's value is XORed with.
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// HMAC-SHA1 of the first `at` bytes of a message, as if it ended after MESSAGE-INTEGRITY.
pub(super) fn sha1(message: &[u8], at: usize, key: &[u8]) -> Option<Hmac<Sha1>> {
    fed(Hmac::<Sha1>::new_from_slice(key).ok()?, message, at, 4 + SHA1_BYTES)
}

/// HMAC-SHA256 of the first `at` bytes, as if the message ended after a MESSAGE-INTEGRITY-SHA256 of `bytes` bytes.
pub(super) fn sha256(message: &[u8], at: usize, bytes: usize, key: &[u8]) -> Option<Hmac<Sha256>> {
    fed(Hmac::<Sha256>::new_from_slice(key).ok()?, message, at, 4 + bytes)
}

/// The length in the head counts as if nothing followed the MAC (RFC 8489 14.5).
fn fed<M: Mac>(mut mac: M, message: &[u8], at: usize, attribute: usize) -> Option<M> {
    let length = u16::try_from((at + attribute).checked_sub(HEAD_BYTES)?).ok()?;
    mac.update(message.get(..2)?);
    mac.update(&length.to_be_bytes());
    mac.update(message.get(4..at)?);
    Some(mac)
}

/// The value of a FINGERPRINT that follows these bytes; their head's length counts it already.
pub(super) fn fingerprint(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        TABLE.get(index as usize).copied().unwrap_or_default() ^ (crc >> 8)
    });
    !crc ^ FINGERPRINT_MASK
}

/// CRC-32 of ITU V.42, bits reflected.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
