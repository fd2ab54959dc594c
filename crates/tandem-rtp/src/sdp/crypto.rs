//! a=crypto: keys in a description (RFC 4568). It protects no packet.

use data_encoding::{BASE64, BASE64_NOPAD};

use crate::srtp::{Master, Suite};

/// Bytes of the longest key with its salt.
pub const MASTER_BYTES: usize = 44;

/// One crypto line that we can serve. It is kept as its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Crypto {
    /// 1 to 9 digits.
    pub tag: u32,
    /// The suite, the key and the salt.
    pub master: Master,
}

/// The suites that we have, with their names and bytes of key and salt.
const SUITES: [(Suite, &str, usize); 4] = [
    (Suite::AeadAes256Gcm, "AEAD_AES_256_GCM", 44),
    (Suite::AeadAes128Gcm, "AEAD_AES_128_GCM", 28),
    (Suite::AesCm128HmacSha1_80, "AES_CM_128_HMAC_SHA1_80", 30),
    (Suite::AesCm128HmacSha1_32, "AES_CM_128_HMAC_SHA1_32", 30),
];

impl Crypto {
    /// All suites, the one that we like best first.
    pub fn suites() -> impl Iterator<Item = Suite> {
        SUITES.iter().map(|(suite, ..)| *suite)
    }

    /// A suite by its name, in any case.
    pub fn suite(name: &str) -> Option<Suite> {
        SUITES.iter().find(|(_, other, _)| other.eq_ignore_ascii_case(name)).map(|(suite, ..)| *suite)
    }

    /// The name of a suite.
    pub fn name(suite: Suite) -> &'static str {
        SUITES.iter().find(|(other, ..)| *other == suite).map_or("", |(_, name, _)| name)
    }

    /// Bytes of key and salt of a suite.
    pub fn bytes(suite: Suite) -> usize {
        SUITES.iter().find(|(other, ..)| *other == suite).map_or(0, |(.., bytes)| *bytes)
    }

    /// Reads the value of a=crypto. `None`: a suite, a key with MKI, several keys, or a session parameter that we do not serve.
    pub fn parse(value: &[u8]) -> Option<Crypto> {
        let mut words = std::str::from_utf8(value).ok()?.split_ascii_whitespace();
        let tag = words.next().filter(|text| text.len() <= 9)?.parse().ok()?;
        let suite = Crypto::suite(words.next()?)?;
        let mut fields = words.next()?.strip_prefix("inline:")?.split('|');
        let key_salt = decode(fields.next()?).filter(|key_salt| key_salt.len() == Crypto::bytes(suite))?;
        // After the key: a lifetime, which needs nothing from us, and MKI:length, which has a colon.
        fields.all(|field| !field.contains([':', ';'])).then_some(())?;
        // WSH is a hint (RFC 4568 6.3.7); every other session parameter changes the packets.
        words.all(|parameter| parameter.starts_with("WSH=")).then_some(())?;
        Some(Crypto { tag, master: Master { suite, key_salt } })
    }

    /// The value of a=crypto. `padded`: with the `=` of base64, which RFC 4568 6.1 lets a reader discard and many phones want; `lifetime`: with 2^31.
    pub fn value(&self, padded: bool, lifetime: bool) -> String {
        let key = match padded {
            true => BASE64.encode(&self.master.key_salt),
            false => BASE64_NOPAD.encode(&self.master.key_salt),
        };
        format!("{} {} inline:{key}{}", self.tag, Crypto::name(self.master.suite), if lifetime { "|2^31" } else { "" })
    }
}

impl TryFrom<String> for Crypto {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Crypto, &'static str> {
        Crypto::parse(text.as_bytes()).ok_or("no crypto line")
    }
}

impl From<Crypto> for String {
    fn from(crypto: Crypto) -> String {
        crypto.value(false, false)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    // 44 bytes are 60 characters; nothing longer is a key.
    (text.len() <= MASTER_BYTES.div_ceil(3) * 4).then_some(())?;
    BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crypto_line_is_read_and_written() {
        let text = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let crypto = Crypto::parse(text.as_bytes()).unwrap();
        assert_eq!((1, Suite::AesCm128HmacSha1_80, 30), (crypto.tag, crypto.master.suite, crypto.master.key_salt.len()));
        assert_eq!(text, crypto.value(false, false));
        assert_eq!(format!("{text}|2^31"), crypto.value(true, true));
        let gcm = Crypto { tag: 2, master: Master { suite: Suite::AeadAes128Gcm, key_salt: vec![7; 28] } };
        assert!(gcm.value(true, false).ends_with("=="));
        for padded in [false, true] {
            assert_eq!(Some(gcm.clone()), Crypto::parse(gcm.value(padded, true).as_bytes()));
        }
    }

    #[test]
    fn what_we_do_not_serve_is_not_read() {
        let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        assert!(Crypto::parse(format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20 WSH=64").as_bytes()).is_some());
        for text in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key};inline:{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} UNENCRYPTED_SRTCP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} KDR=1"),
            format!("1 AEAD_AES_128_GCM inline:{key}"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", "A".repeat(100)),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
        ] {
            assert_eq!(None, Crypto::parse(text.as_bytes()), "{text}");
        }
    }
}
