//! The fingerprint of a certificate as a description has it (RFC 8122). The certificate itself is not judged.

use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// The hash is not known, or the value has not its length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fingerprint {name:?} of {bytes} bytes")]
pub struct UnknownHash {
    /// As it was given.
    pub name: String,
    /// Of the value.
    pub bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// What the peer's certificate must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: Hash,
    value: Vec<u8>,
}

impl Fingerprint {
    /// From the hash's name ("sha-256", any case) and the value.
    ///
    /// ```
    /// use tandem_rtp::dtls::Fingerprint;
    /// assert!(Fingerprint::new("SHA-256", &[0; 32]).is_ok());
    /// assert!(Fingerprint::new("md5", &[0; 16]).is_err());
    /// ```
    ///
    /// # Errors
    /// Another hash than SHA-1 and SHA-2 (RFC 8122 5), or a value of another length.
    pub fn new(name: &str, value: &[u8]) -> Result<Fingerprint, UnknownHash> {
        let hash = match (name.to_ascii_lowercase().as_str(), value.len()) {
            ("sha-1", 20) => Hash::Sha1,
            ("sha-224", 28) => Hash::Sha224,
            ("sha-256", 32) => Hash::Sha256,
            ("sha-384", 48) => Hash::Sha384,
            ("sha-512", 64) => Hash::Sha512,
            _ => return Err(UnknownHash { name: name.into(), bytes: value.len() }),
        };
        Ok(Fingerprint { hash, value: value.into() })
    }

    /// Whether it is that of this certificate (DER).
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        let value = self.value.as_slice();
        match self.hash {
            Hash::Sha1 => Sha1::digest(certificate)[..] == *value,
            Hash::Sha224 => Sha224::digest(certificate)[..] == *value,
            Hash::Sha256 => Sha256::digest(certificate)[..] == *value,
            Hash::Sha384 => Sha384::digest(certificate)[..] == *value,
            Hash::Sha512 => Sha512::digest(certificate)[..] == *value,
        }
    }
}

/// SHA-256 of a certificate: what our descriptions have.
pub(super) fn sha256(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_of_rfc_8122_tells_a_certificate_from_another() {
        for (name, value) in [
            ("sha-1", Sha1::digest(b"certificate").to_vec()),
            ("sha-224", Sha224::digest(b"certificate").to_vec()),
            ("SHA-256", sha256(b"certificate").to_vec()),
            ("sha-384", Sha384::digest(b"certificate").to_vec()),
            ("Sha-512", Sha512::digest(b"certificate").to_vec()),
        ] {
            let fingerprint = Fingerprint::new(name, &value).unwrap();
            assert!(fingerprint.is_of(b"certificate") && !fingerprint.is_of(b"another"), "{name}");
            assert!(Fingerprint::new(name, &value[1..]).is_err());
        }
        assert!(Fingerprint::new("md5", &[0; 16]).is_err());
    }
}
