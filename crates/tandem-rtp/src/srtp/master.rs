//! A master key with its salt and the suite that it is for. No packet is touched here.

/// How packets of one direction are protected; the names are those of RFC 4568 and RFC 7714.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// The master key and salt of one direction (RFC 3711 3.2.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Master {
    /// What the key is for.
    pub suite: Suite,
    /// 16 or 32 bytes of key, then 14 (AES-CM) or 12 (GCM) bytes of salt: the order of `inline:` in SDES and of the DTLS exporter.
    pub key_salt: Vec<u8>,
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Master({:?})", self.suite) // a key is never printed
    }
}
