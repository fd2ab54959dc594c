//! A master key with its salt and the suite that it is for. No packet is touched here.

use super::SrtpError;

/// How packets of one direction are protected; the names are those of RFC 4568 and RFC 7714.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80.
    AesCm128HmacSha1_80,
    /// AES_CM_128_HMAC_SHA1_32: RTP has a tag of 32 bits, RTCP one of 80.
    AesCm128HmacSha1_32,
    /// AEAD_AES_128_GCM.
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM.
    AeadAes256Gcm,
}

impl Suite {
    /// All of them, the ones that cost least first.
    pub const ALL: [Suite; 4] = [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

    /// The name in a=crypto (RFC 4568 6.2, RFC 7714 14.1).
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of that name, in any case.
    ///
    /// ```
    /// use tandem_rtp::srtp::Suite;
    /// assert_eq!(Some(Suite::AeadAes256Gcm), Suite::from_name("AEAD_AES_256_GCM"));
    /// assert_eq!(None, Suite::from_name("F8_128_HMAC_SHA1_80"));
    /// ```
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// The protection profile in use_srtp (RFC 5764 4.1.2, RFC 7714 14.2).
    pub fn profile(self) -> u16 {
        match self {
            Suite::AesCm128HmacSha1_80 => 1,
            Suite::AesCm128HmacSha1_32 => 2,
            Suite::AeadAes128Gcm => 7,
            Suite::AeadAes256Gcm => 8,
        }
    }

    /// The suite of a protection profile.
    pub fn from_profile(profile: u16) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.profile() == profile)
    }

    /// Bytes of master key.
    pub fn key_bytes(self) -> usize {
        if self == Suite::AeadAes256Gcm {
            32
        } else {
            16
        }
    }

    /// Bytes of master salt.
    pub fn salt_bytes(self) -> usize {
        if self.is_aead() {
            12
        } else {
            14
        }
    }

    /// Bytes that protection adds to RTP.
    pub fn rtp_overhead(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 => 4,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 16,
        }
    }

    /// Bytes that protection adds to RTCP: a tag, which is never the short one (RFC 4568 6.2.2), and the index.
    pub fn rtcp_overhead(self) -> usize {
        4 + if self.is_aead() { 16 } else { 10 }
    }

    pub(super) fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm)
    }
}

/// The master key and salt of one direction (RFC 3711 3.2.1).
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Master {
    /// What the key is for.
    pub suite: Suite,
    /// 16 or 32 bytes of key, then 14 (AES-CM) or 12 (GCM) bytes of salt: the order of `inline:` in SDES.
    pub key_salt: Vec<u8>,
}

impl Master {
    /// A master key from key and salt in one piece, such as random bytes of a caller who makes an offer.
    ///
    /// # Errors
    /// [`SrtpError::Key`] when the length is not the suite's.
    pub fn new(suite: Suite, key_salt: Vec<u8>) -> Result<Master, SrtpError> {
        let master = Master { suite, key_salt };
        master.parts()?;
        Ok(master)
    }

    /// The keys of what the DTLS client writes and of what the server writes, from what the exporter labelled
    /// "EXTRACTOR-dtls_srtp" gives (RFC 5764 4.2): client key, server key, client salt, server salt.
    ///
    /// # Errors
    /// [`SrtpError::Key`] when there are less than twice [`Suite::key_bytes`] and [`Suite::salt_bytes`].
    ///
    /// ```
    /// use tandem_rtp::srtp::{Master, Suite};
    /// let exported: Vec<u8> = (0..60).collect();
    /// let (client, server) = Master::from_exporter(Suite::AesCm128HmacSha1_80, &exported).unwrap();
    /// assert_eq!((0..16).chain(32..46).collect::<Vec<u8>>(), client.key_salt);
    /// assert_eq!((16..32).chain(46..60).collect::<Vec<u8>>(), server.key_salt);
    /// ```
    pub fn from_exporter(suite: Suite, exported: &[u8]) -> Result<(Master, Master), SrtpError> {
        let (key, salt) = (suite.key_bytes(), suite.salt_bytes());
        let cut = |at: usize, length: usize| exported.get(at..at + length).ok_or(SrtpError::Key("too little key material from DTLS"));
        let client = [cut(0, key)?, cut(2 * key, salt)?].concat();
        let server = [cut(key, key)?, cut(2 * key + salt, salt)?].concat();
        Ok((Master { suite, key_salt: client }, Master { suite, key_salt: server }))
    }

    /// Key and salt.
    pub(super) fn parts(&self) -> Result<(&[u8], &[u8]), SrtpError> {
        let parts = self.key_salt.split_at_checked(self.suite.key_bytes());
        parts
            .filter(|(_, salt)| salt.len() == self.suite.salt_bytes())
            .ok_or(SrtpError::Key("key and salt have another length than the suite's"))
    }
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Master({:?})", self.suite) // a key is never printed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_profiles_lead_back_to_their_suite() {
        for suite in Suite::ALL {
            assert_eq!(Some(suite), Suite::from_name(&suite.name().to_lowercase()));
            assert_eq!(Some(suite), Suite::from_profile(suite.profile()));
            let length = suite.key_bytes() + suite.salt_bytes();
            assert!(Master::new(suite, vec![0; length]).is_ok());
            assert!(Master::new(suite, vec![0; length - 1]).is_err() && Master::new(suite, vec![0; length + 1]).is_err());
            assert!(Master::from_exporter(suite, &vec![0; 2 * length - 1]).is_err());
        }
        assert_eq!((None, None), (Suite::from_profile(5), Suite::from_name("")));
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!("Master(AeadAes128Gcm)", format!("{:?}", Master { suite: Suite::AeadAes128Gcm, key_salt: vec![7; 28] }));
    }
}
