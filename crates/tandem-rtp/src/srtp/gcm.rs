//! AES-GCM (RFC 7714): one direction's keys for RTP or for RTCP. Indices come from outside.

use ring::aead::{Aad, LessSafeKey, Nonce, Tag, UnboundKey, AES_128_GCM, AES_256_GCM, NONCE_LEN};
use smallvec::SmallVec;

use super::cm::index_of;
use super::kdf::{derive, Label, Of};
use super::{Master, SrtpError, Suite};

/// Bytes of tag (RFC 7714 13.1).
const TAG_BYTES: usize = 16;
/// Head of an RTCP packet that stays in the clear (RFC 7714 9.2).
const RTCP_CLEAR_BYTES: usize = 8;
const ENCRYPTED: u32 = 1 << 31;
/// Bytes that are kept on the stack while a packet is opened, so that it is whole when that fails. A longer one costs an allocation.
const KEPT_BYTES: usize = 2048;

/// Keys of AEAD_AES_128_GCM or AEAD_AES_256_GCM.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: u128,
}

impl Gcm {
    pub fn new(master: &Master, of: Of) -> Result<Gcm, SrtpError> {
        let (mut key, mut salt) = ([0; 32], [0; NONCE_LEN]);
        let key = key.get_mut(..master.suite.key_bytes()).unwrap_or_default();
        derive(master, of, Label::Encryption, key)?;
        derive(master, of, Label::Salt, &mut salt)?;
        Gcm::with(master.suite, key, salt)
    }

    fn with(suite: Suite, key: &[u8], salt: [u8; NONCE_LEN]) -> Result<Gcm, SrtpError> {
        let algorithm = if suite == Suite::AeadAes256Gcm { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| SrtpError::Key("no key of AES-GCM"))?;
        let mut wide = [0; 16];
        wide.iter_mut().skip(16 - NONCE_LEN).zip(salt).for_each(|(to, from)| *to = from);
        Ok(Gcm { key: LessSafeKey::new(key), salt: u128::from_be_bytes(wide) })
    }

    /// Encrypts `head..len` and writes the tag behind; the length with it.
    #[inline]
    pub fn protect_rtp(&self, buffer: &mut [u8], head: usize, len: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Room)?;
        let room = room.get_mut(..TAG_BYTES).ok_or(SrtpError::Room)?;
        let (head, payload) = packet.split_at_mut_checked(head).ok_or(SrtpError::Short)?;
        room.copy_from_slice(self.seal(head, payload, ssrc, index)?.as_ref());
        Ok(len + TAG_BYTES)
    }

    /// Opens; the length without the tag. On failure the packet is as it was.
    #[inline]
    pub fn open_rtp(&self, packet: &mut [u8], head: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        let len = packet.len().checked_sub(TAG_BYTES).ok_or(SrtpError::Short)?;
        let (head, sealed) = packet.split_at_mut_checked(head).ok_or(SrtpError::Short)?;
        self.open(head, sealed, ssrc, index)?;
        Ok(len)
    }

    /// Encrypts all but the first 8 bytes and writes tag and index behind (RFC 7714 9.2).
    pub fn protect_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Room)?;
        let (tag, room) = room.split_first_chunk_mut::<TAG_BYTES>().ok_or(SrtpError::Room)?;
        let word = room.first_chunk_mut::<4>().ok_or(SrtpError::Room)?;
        let (head, payload) = packet.split_at_mut_checked(RTCP_CLEAR_BYTES).ok_or(SrtpError::Short)?;
        *word = (ENCRYPTED | index).to_be_bytes();
        let sealed = self.seal(&rtcp_aad(head, *word), payload, ssrc, index.into())?;
        tag.copy_from_slice(sealed.as_ref());
        Ok(len + TAG_BYTES + 4)
    }

    /// What the packet says its index to be.
    pub fn rtcp_index(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let rest = packet.get(RTCP_CLEAR_BYTES + TAG_BYTES..).ok_or(SrtpError::Short)?;
        index_of(*rest.last_chunk::<4>().ok_or(SrtpError::Short)?)
    }

    /// Opens; the length without tag and index. On failure the packet is as it was.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let (packet, word) = packet.split_last_chunk_mut::<4>().ok_or(SrtpError::Short)?;
        let len = packet.len().checked_sub(TAG_BYTES).ok_or(SrtpError::Short)?;
        let (head, sealed) = packet.split_at_mut_checked(RTCP_CLEAR_BYTES).ok_or(SrtpError::Short)?;
        self.open(&rtcp_aad(head, *word), sealed, ssrc, index.into())?;
        Ok(len)
    }

    fn seal(&self, aad: &[u8], payload: &mut [u8], ssrc: u32, index: u64) -> Result<Tag, SrtpError> {
        self.key.seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), payload).map_err(|_| SrtpError::Room)
    }

    fn open(&self, aad: &[u8], sealed: &mut [u8], ssrc: u32, index: u64) -> Result<(), SrtpError> {
        if sealed.len() < TAG_BYTES {
            return Err(SrtpError::Short);
        }
        // The primitive decrypts while it authenticates; another roll-over counter may be tried after this one.
        let kept = SmallVec::<[u8; KEPT_BYTES]>::from_slice(sealed);
        if self.key.open_in_place(self.nonce(ssrc, index), Aad::from(aad), sealed).is_err() {
            sealed.copy_from_slice(&kept);
            return Err(SrtpError::Unauthentic);
        }
        Ok(())
    }

    /// RFC 7714 8.1 and 9.1: two zeros, SSRC, 48 bits of index, and the salt over it.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let [_, _, _, _, nonce @ ..] = (self.salt ^ u128::from(ssrc) << 48 ^ u128::from(index)).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What SRTCP authenticates without encrypting it (RFC 7714 9.2): the head, then the index.
fn rtcp_aad(head: &[u8], word: [u8; 4]) -> [u8; RTCP_CLEAR_BYTES + 4] {
    let mut aad = [0; RTCP_CLEAR_BYTES + 4];
    aad.iter_mut().zip(head.iter().chain(&word)).for_each(|(to, from)| *to = *from);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn packets_are_those_of_rfc_7714_16_and_17() {
        for (suite, rtp, rtcp) in [
            (
                Suite::AeadAes128Gcm,
                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
                 899d7f27beb16a9152cf765ee4390cce",
                "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9\
                 275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
            ),
            (
                Suite::AeadAes256Gcm,
                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
                 7aa3db36dfffd6b0f9bb7878d7a76c13",
                "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b\
                 6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
            ),
        ] {
            let key: Vec<u8> = (0..suite.key_bytes()).map(|n| n as u8).collect();
            let gcm = Gcm::with(suite, &key, *b"Quid pro quo").unwrap();
            let mut buffer = [hex(RTP), vec![0; 20]].concat();
            let len = gcm.protect_rtp(&mut buffer, 12, 50, 0x5501_a0b2, 0xf17b).unwrap();
            assert_eq!(hex(rtp), buffer[..len], "{suite:?}");
            assert_eq!(Err(SrtpError::Unauthentic), gcm.open_rtp(&mut buffer[..len], 12, 0x5501_a0b2, 0x1_f17b));
            assert_eq!(hex(rtp), buffer[..len], "a packet that failed is whole");
            assert_eq!(Ok(50), gcm.open_rtp(&mut buffer[..len], 12, 0x5501_a0b2, 0xf17b));
            assert_eq!(hex(RTP), buffer[..50]);

            let (ssrc, index) = (0x4d61_7273, 0x5d4);
            let mut buffer = [hex(RTCP), vec![0; 20]].concat();
            let len = gcm.protect_rtcp(&mut buffer, 52, ssrc, index).unwrap();
            assert_eq!(hex(rtcp), buffer[..len], "{suite:?}");
            assert_eq!(Ok(index), gcm.rtcp_index(&buffer[..len]));
            assert_eq!(Ok(52), gcm.open_rtcp(&mut buffer[..len], ssrc, index));
            assert_eq!(hex(RTCP), buffer[..52]);
        }
    }

    #[test]
    fn a_packet_longer_than_what_is_kept_is_whole_too() {
        let gcm = Gcm::with(Suite::AeadAes128Gcm, &[1; 16], [2; 12]).unwrap();
        let mut packet: Vec<u8> = (0..5000).map(|n| n as u8).collect();
        let before = packet.clone();
        assert_eq!(Err(SrtpError::Unauthentic), gcm.open_rtp(&mut packet, 12, 1, 2));
        assert_eq!(before, packet);
    }
}
