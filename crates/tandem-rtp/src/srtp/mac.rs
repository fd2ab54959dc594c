//! HMAC-SHA1 (RFC 2104) whose key is hashed once: a packet costs its own blocks and one more. Nothing else is authenticated by it.

use sha1::digest::generic_array::{typenum::U64, GenericArray};

/// Bytes of a SHA-1 block.
const BLOCK_BYTES: usize = 64;
/// Bytes of a SHA-1 value.
const HASH_BYTES: usize = 20;
/// SHA-1's state before its first block (FIPS 180-4 5.3.1).
const BEGIN: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The states of both hashes after the block that the key is in.
pub(super) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl HmacSha1 {
    /// A key of up to 64 bytes; what is beyond does not count. SRTP's have 20.
    pub fn new(key: &[u8]) -> HmacSha1 {
        let state = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            let mut state = BEGIN;
            compress(&mut state, &block);
            state
        };
        HmacSha1 { inner: state(0x36), outer: state(0x5c) }
    }

    /// The value of `message` with `suffix` behind it: a roll-over counter of 4 bytes, or nothing.
    #[inline]
    pub fn value(&self, message: &[u8], suffix: &[u8]) -> [u8; HASH_BYTES] {
        let (blocks, rest) = message.as_chunks::<BLOCK_BYTES>();
        let mut inner = self.inner;
        blocks.iter().for_each(|block| compress(&mut inner, block));
        let mut tail = [0; 2 * BLOCK_BYTES];
        if let Some((to, behind)) = tail.split_at_mut_checked(rest.len()) {
            to.copy_from_slice(rest);
            behind.iter_mut().zip(suffix).for_each(|(to, from)| *to = *from);
        }
        let bits = 8 * (BLOCK_BYTES + message.len() + suffix.len()) as u64;
        finish(&mut inner, &mut tail, rest.len() + suffix.len(), bits);
        let mut outer = self.outer;
        let mut block = [0; 2 * BLOCK_BYTES];
        block.as_chunks_mut::<4>().0.iter_mut().zip(inner).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        finish(&mut outer, &mut block, HASH_BYTES, 8 * (BLOCK_BYTES + HASH_BYTES) as u64);
        let mut value = [0; HASH_BYTES];
        value.as_chunks_mut::<4>().0.iter_mut().zip(outer).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        value
    }
}

/// Hashes the last bytes, `end` of them, with SHA-1's padding (FIPS 180-4 5.1.1): one block, or two when the length has no room.
#[inline]
fn finish(state: &mut [u32; 5], tail: &mut [u8; 2 * BLOCK_BYTES], end: usize, bits: u64) {
    if let Some(byte) = tail.get_mut(end) {
        *byte = 0x80;
    }
    let (first, second) = tail.split_at_mut(BLOCK_BYTES);
    let (Some(first), Some(second)) = (first.first_chunk_mut::<BLOCK_BYTES>(), second.first_chunk_mut::<BLOCK_BYTES>()) else { return };
    let two = end + 1 + 8 > BLOCK_BYTES;
    let last = if two { &mut *second } else { &mut *first };
    if let Some(length) = last.last_chunk_mut::<8>() {
        *length = bits.to_be_bytes();
    }
    compress(state, first);
    if two {
        compress(state, second);
    }
}

#[inline]
fn compress(state: &mut [u32; 5], block: &[u8; BLOCK_BYTES]) {
    sha1::compress(state, std::slice::from_ref(GenericArray::<u8, U64>::from_slice(block)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_rfc_2202() {
        let hex = |value: [u8; 20]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mac = HmacSha1::new(&[0x0b; 20]);
        assert_eq!("b617318655057264e28bc0b6fb378c8ef146be00", hex(mac.value(b"Hi There", &[])));
        let mac = HmacSha1::new(b"Jefe");
        assert_eq!("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", hex(mac.value(b"what do ya want for nothing?", &[])));
        assert_eq!("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", hex(mac.value(b"what do ya want for noth", b"ing?")));
        let mac = HmacSha1::new(&[0xaa; 20]);
        assert_eq!("125d7342b9ac11cd91a39af48aa17b4f63f175d3", hex(mac.value(&[0xdd; 50], &[])));
    }

    #[test]
    fn every_length_is_hashed_like_the_hash_crate_does() {
        use hmac::Mac;
        let key = [7; 20];
        let mac = HmacSha1::new(&key);
        for length in 0..300 {
            let message: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let expected = |suffix: &[u8]| {
                let mut hash = hmac::Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
                hash.update(&message);
                hash.update(suffix);
                <[u8; 20]>::from(hash.finalize().into_bytes())
            };
            assert_eq!(expected(&[1, 2, 3, 4]), mac.value(&message, &[1, 2, 3, 4]), "{length}");
            assert_eq!(expected(&[]), mac.value(&message, &[]), "{length}");
        }
    }
}
