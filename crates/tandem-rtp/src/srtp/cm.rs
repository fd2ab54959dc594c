//! AES counter mode with HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1): one direction's keys for RTP or for RTCP. Indices come from outside.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use subtle::ConstantTimeEq;

use super::kdf::{derive, Label, Of};
use super::mac::HmacSha1;
use super::{Master, SrtpError, Suite};

/// Blocks of key stream made at a time: 20 ms of G.711 are ten, and the cipher works on several at once.
const BLOCKS: usize = 16;
/// Head of an RTCP packet that stays in the clear (RFC 3711 3.4).
const RTCP_CLEAR_BYTES: usize = 8;
/// E of SRTCP: the packet is encrypted (RFC 3711 3.4).
const ENCRYPTED: u32 = 1 << 31;

/// Keys of AES_CM_128_HMAC_SHA1.
pub(super) struct Cm {
    cipher: Aes128Enc,
    /// Session salt, two bytes further to the left.
    salt: u128,
    mac: HmacSha1,
    tag: usize,
}

impl Cm {
    pub fn new(master: &Master, of: Of) -> Result<Cm, SrtpError> {
        let (mut key, mut salt, mut auth) = ([0; 16], [0; 16], [0; 20]);
        derive(master, of, Label::Encryption, &mut key)?;
        if let Some(salt) = salt.first_chunk_mut::<14>() {
            derive(master, of, Label::Salt, salt)?;
        }
        derive(master, of, Label::Authentication, &mut auth)?;
        // RFC 4568 6.2.2: the short tag is RTP's alone.
        let short = matches!(of, Of::Rtp) && master.suite == Suite::AesCm128HmacSha1_32;
        let salt = u128::from_be_bytes(salt);
        Ok(Cm { cipher: Aes128Enc::new(&key.into()), salt, mac: HmacSha1::new(&auth), tag: if short { 4 } else { 10 } })
    }

    /// Encrypts `head..len` and writes the tag behind; the length with it.
    #[inline]
    pub fn protect_rtp(&self, buffer: &mut [u8], head: usize, len: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Room)?;
        let room = room.get_mut(..self.tag).ok_or(SrtpError::Room)?;
        self.apply(packet.get_mut(head..).ok_or(SrtpError::Short)?, ssrc, index);
        room.iter_mut().zip(self.mac.value(packet, &roc(index))).for_each(|(to, from)| *to = from);
        Ok(len + self.tag)
    }

    /// Checks the tag, then decrypts; the length without it.
    #[inline]
    pub fn open_rtp(&self, packet: &mut [u8], head: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        let len = packet.len().checked_sub(self.tag).ok_or(SrtpError::Short)?;
        let (packet, tag) = packet.split_at_mut_checked(len).ok_or(SrtpError::Short)?;
        self.check(packet, &roc(index), tag)?;
        self.apply(packet.get_mut(head..).ok_or(SrtpError::Short)?, ssrc, index);
        Ok(len)
    }

    /// Encrypts all but the first 8 bytes and writes index and tag behind.
    pub fn protect_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let (authentic, room) = buffer.split_at_mut_checked(len + 4).ok_or(SrtpError::Room)?;
        let room = room.get_mut(..self.tag).ok_or(SrtpError::Room)?;
        let (packet, word) = authentic.split_at_mut_checked(len).ok_or(SrtpError::Room)?;
        self.apply(packet.get_mut(RTCP_CLEAR_BYTES..).ok_or(SrtpError::Short)?, ssrc, index.into());
        word.copy_from_slice(&(ENCRYPTED | index).to_be_bytes());
        room.iter_mut().zip(self.mac.value(authentic, &[])).for_each(|(to, from)| *to = from);
        Ok(len + 4 + self.tag)
    }

    /// What the packet says its index to be.
    pub fn rtcp_index(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let end = packet.len().checked_sub(self.tag).ok_or(SrtpError::Short)?;
        let word = packet.get(RTCP_CLEAR_BYTES..end).and_then(|rest| rest.last_chunk::<4>()).ok_or(SrtpError::Short)?;
        index_of(*word)
    }

    /// Checks the tag, then decrypts; the length without index and tag.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let end = packet.len().checked_sub(self.tag).ok_or(SrtpError::Short)?;
        let (authentic, tag) = packet.split_at_mut_checked(end).ok_or(SrtpError::Short)?;
        let len = end.checked_sub(4).ok_or(SrtpError::Short)?;
        self.check(authentic, &[], tag)?;
        self.apply(authentic.get_mut(RTCP_CLEAR_BYTES..len).ok_or(SrtpError::Short)?, ssrc, index.into());
        Ok(len)
    }

    fn check(&self, message: &[u8], suffix: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
        let value = self.mac.value(message, suffix);
        let same = value.get(..self.tag).is_some_and(|value| bool::from(value.ct_eq(tag)));
        same.then_some(()).ok_or(SrtpError::Unauthentic)
    }

    /// Adds the key stream of a packet (RFC 3711 4.1.1).
    #[inline]
    fn apply(&self, data: &mut [u8], ssrc: u32, index: u64) {
        let mut counter = self.salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        for part in data.chunks_mut(16 * BLOCKS) {
            let mut stream = [Block::default(); BLOCKS];
            let Some(stream) = stream.get_mut(..part.len().div_ceil(16)) else { return };
            for block in stream.iter_mut() {
                *block = counter.to_be_bytes().into();
                counter = counter.wrapping_add(1);
            }
            self.cipher.encrypt_blocks(stream);
            let (whole, rest) = part.as_chunks_mut::<16>();
            for (data, key) in whole.iter_mut().zip(stream.iter()) {
                *data = (u128::from_ne_bytes(*data) ^ u128::from_ne_bytes((*key).into())).to_ne_bytes();
            }
            if let Some(key) = stream.last() {
                rest.iter_mut().zip(key.iter()).for_each(|(data, key)| *data ^= key);
            }
        }
    }
}

/// The upper 32 bits of an index, as the tag covers them.
fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// The index in SRTCP's last word but the tag.
pub(super) fn index_of(word: [u8; 4]) -> Result<u32, SrtpError> {
    let word = u32::from_be_bytes(word);
    if word & ENCRYPTED == 0 {
        return Err(SrtpError::Clear);
    }
    Ok(word & !ENCRYPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stream_is_that_of_rfc_3711_b_2() {
        let hex = |text: &str| data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap();
        let cm = Cm {
            cipher: Aes128Enc::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap(),
            salt: u128::from_be_bytes(hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap()),
            mac: HmacSha1::new(&[]),
            tag: 10,
        };
        let mut stream = vec![0; 1_044_512];
        cm.apply(&mut stream, 0, 0);
        let begin = "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0";
        let end = "EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE6A2CC3787889374FBEB4C81B17BA6C44";
        assert_eq!(hex(begin), stream[..48]);
        assert_eq!(hex(end), stream[1_044_512 - 48..]);
        for length in 0..600 {
            let mut part = vec![0; length];
            cm.apply(&mut part, 0, 0);
            assert_eq!(stream[..length], part, "{length}");
        }
    }
}
