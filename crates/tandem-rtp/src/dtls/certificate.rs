//! The certificate that a relay shows to all its peers, with its key: self-signed, P-256. Peers know it by its fingerprint only, so it must
//! outlive the process.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use p256::SecretKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData, SignatureAlgorithm};
use time::{Duration, OffsetDateTime};

use super::fingerprint;

/// Days that a fresh certificate is valid. Its fingerprint is what peers trust; some look at the dates all the same.
const VALID_DAYS: i64 = 3_650;
/// A clock may be behind ours by so many days.
const EARLIER_DAYS: i64 = 1;

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// One number in 2^32 is no key, and some times are no dates.
    #[error("no key from these random bytes, or no date from this time")]
    Input,
    /// No PKCS#8 key of P-256.
    #[error("not a P-256 key in PKCS#8")]
    Key,
    /// The certificate is not of this key.
    #[error("the certificate has another key")]
    Foreign,
}

/// A certificate and its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} bytes)", self.der.len()) // a key is never printed
    }
}

impl Certificate {
    /// Makes one from random bytes (32 for the key, 16 for the serial number) and the time, seconds since 1970. The same arguments
    /// make the same certificate.
    ///
    /// ```
    /// let random = std::array::from_fn(|at| at as u8);
    /// let certificate = tandem_rtp::dtls::Certificate::fresh(random, 1_780_000_000).unwrap();
    /// assert_eq!(32, certificate.fingerprint().len());
    /// ```
    ///
    /// # Errors
    /// [`BadCertificate::Input`]: try other bytes.
    pub fn fresh(random: [u8; 48], unix_seconds: u64) -> Result<Certificate, BadCertificate> {
        let bad = BadCertificate::Input;
        let (key, serial) = random.split_first_chunk::<32>().ok_or(bad)?;
        let secret = SecretKey::from_slice(key).map_err(|_| bad)?;
        let now = OffsetDateTime::from_unix_timestamp(i64::try_from(unix_seconds).map_err(|_| bad)?).map_err(|_| bad)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "tandem");
        params.not_before = now.checked_sub(Duration::days(EARLIER_DAYS)).ok_or(bad)?;
        params.not_after = now.checked_add(Duration::days(VALID_DAYS)).ok_or(bad)?;
        // Firefox knows certificates by issuer and serial number: two relays must differ in it.
        params.serial_number = Some(serial.to_vec().into());
        let signed = params.self_signed(&Own::new(&secret)).map_err(|_| bad)?;
        let key = secret.to_pkcs8_der().map_err(|_| bad)?.as_bytes().to_vec();
        Ok(Certificate { der: signed.der().to_vec(), key })
    }

    /// From what [`Certificate::der`] and [`Certificate::key_der`] gave.
    ///
    /// # Errors
    /// The bytes are no key, or the certificate's key is another one.
    pub fn read(der: &[u8], key: &[u8]) -> Result<Certificate, BadCertificate> {
        let secret = SecretKey::from_pkcs8_der(key).map_err(|_| BadCertificate::Key)?;
        let own = Own::new(&secret);
        if !der.windows(own.point.len()).any(|bytes| bytes == own.point) {
            return Err(BadCertificate::Foreign);
        }
        Ok(Certificate { der: der.into(), key: key.into() })
    }

    /// X.509, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PKCS#8, DER: as secret as the calls are.
    pub fn key_der(&self) -> &[u8] {
        &self.key
    }

    /// SHA-256, for a=fingerprint (RFC 8122 5).
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint::sha256(&self.der)
    }
}

/// The key as `rcgen` wants it.
struct Own {
    key: SigningKey,
    point: Vec<u8>,
}

impl Own {
    fn new(secret: &SecretKey) -> Own {
        let key = SigningKey::from(secret);
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Own { key, point }
    }
}

impl PublicKeyData for Own {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Own {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.key.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u8) -> [u8; 48] {
        std::array::from_fn(|at| seed.wrapping_add(at as u8))
    }

    #[test]
    fn a_certificate_survives_as_bytes_and_keeps_its_fingerprint() {
        let certificate = Certificate::fresh(random(1), 1_780_000_000).unwrap();
        let read = Certificate::read(certificate.der(), certificate.key_der()).unwrap();
        assert_eq!((certificate.fingerprint(), &certificate), (read.fingerprint(), &read));
        assert_eq!(certificate, Certificate::fresh(random(1), 1_780_000_000).unwrap());
        assert_ne!(certificate.fingerprint(), Certificate::fresh(random(2), 1_780_000_000).unwrap().fingerprint());
    }

    #[test]
    fn what_is_no_certificate_of_ours_is_refused_with_a_reason() {
        let (ours, other) = (Certificate::fresh(random(1), 0).unwrap(), Certificate::fresh(random(2), 0).unwrap());
        assert_eq!(Err(BadCertificate::Foreign), Certificate::read(other.der(), ours.key_der()));
        assert_eq!(Err(BadCertificate::Foreign), Certificate::read(b"", ours.key_der()));
        assert_eq!(Err(BadCertificate::Key), Certificate::read(ours.der(), b"key"));
        assert_eq!(Err(BadCertificate::Input), Certificate::fresh([0; 48], 0));
        assert_eq!(Err(BadCertificate::Input), Certificate::fresh(random(1), u64::MAX));
    }
}
