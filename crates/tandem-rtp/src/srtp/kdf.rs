//! Session keys from a master key (RFC 3711 4.3, with a key derivation rate of 0). Nothing is kept.

use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes256Enc};

use super::{Master, SrtpError};

/// What a session key is for: the label of RFC 3711 4.3.2; RTCP's are three more.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// Which packets a session key is for.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Rtp = 0,
    Rtcp = 3,
}

/// Fills `out` with key bytes. A GCM salt of 12 bytes counts as one of 14 that ends with zeros (RFC 7714 11).
pub(super) fn derive(master: &Master, of: Of, label: Label, out: &mut [u8]) -> Result<(), SrtpError> {
    let (key, salt) = master.parts()?;
    let mut block = [0; 16];
    block.iter_mut().zip(salt).for_each(|(byte, salt)| *byte = *salt);
    let iv = u128::from_be_bytes(block) ^ (of as u128 + label as u128) << 64;
    let wrong = |_| SrtpError::Key("key and salt have another length than the suite's");
    if key.len() == 32 {
        keystream(&Aes256Enc::new_from_slice(key).map_err(wrong)?, iv, out);
    } else {
        keystream(&Aes128Enc::new_from_slice(key).map_err(wrong)?, iv, out);
    }
    Ok(())
}

fn keystream<C: BlockCipherEncrypt>(cipher: &C, mut counter: u128, out: &mut [u8]) {
    for part in out.chunks_mut(16) {
        let mut block = Block::<C>::default();
        block.iter_mut().zip(counter.to_be_bytes()).for_each(|(to, from)| *to = from);
        cipher.encrypt_block(&mut block);
        part.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        counter = counter.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::Suite;

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        let hex = |text: &str| data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap();
        let master =
            Master { suite: Suite::AesCm128HmacSha1_80, key_salt: hex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6") };
        let derived = |label, bytes| {
            let mut out = vec![0; bytes];
            derive(&master, Of::Rtp, label, &mut out).unwrap();
            out
        };
        assert_eq!(hex("C61E7A93744F39EE10734AFE3FF7A087"), derived(Label::Encryption, 16));
        assert_eq!(hex("30CBBC08863D8C85D49DB34A9AE1"), derived(Label::Salt, 14));
        let long = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098\
             6371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2");
        assert_eq!(long, derived(Label::Authentication, 94));
    }
}
