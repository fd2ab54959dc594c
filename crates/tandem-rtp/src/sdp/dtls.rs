//! What descriptions say of DTLS: the hash of a certificate (RFC 8122 5) and who begins (RFC 4145 4). No handshake is made here.

use serde::{Deserialize, Serialize};

/// Bytes of the longest hash.
const HASH_BYTES: usize = 64;

/// a=fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Name of the hash in lower case: "sha-256".
    pub hash: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Fingerprint {
    /// Reads the value of a=fingerprint. `None` also when the length does not fit the hash.
    pub fn parse(value: &[u8]) -> Option<Fingerprint> {
        let (hash, hex) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        let hash = hash.to_ascii_lowercase();
        let bytes: Vec<u8> = hex
            .trim()
            .split(':')
            .take(HASH_BYTES + 1)
            .map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2))
            .collect::<Option<_>>()?;
        let length = match &hash[..] {
            "sha-1" => 20,
            "sha-224" => 28,
            "sha-256" => 32,
            "sha-384" => 48,
            "sha-512" => 64,
            _ => return None,
        };
        (bytes.len() == length).then_some(Fingerprint { hash, bytes })
    }

    /// The value of a=fingerprint.
    pub fn value(&self) -> String {
        let pairs: Vec<_> = self.bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{} {}", self.hash, pairs.join(":"))
    }
}

/// a=setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setup {
    /// The writer sends the ClientHello.
    Active,
    /// The writer waits for it.
    Passive,
    /// The other side may choose.
    ActPass,
    /// No association for now.
    HoldConn,
}

impl Setup {
    /// Reads the value of a=setup.
    pub fn parse(value: &[u8]) -> Option<Setup> {
        match value {
            b"active" => Some(Setup::Active),
            b"passive" => Some(Setup::Passive),
            b"actpass" => Some(Setup::ActPass),
            b"holdconn" => Some(Setup::HoldConn),
            _ => None,
        }
    }

    /// The value of a=setup.
    pub fn as_str(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
            Setup::HoldConn => "holdconn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_the_length_of_its_hash() {
        let text = format!("SHA-1 {}", ["ab"; 20].join(":"));
        let fingerprint = Fingerprint::parse(text.as_bytes()).unwrap();
        assert_eq!(("sha-1", vec![0xab; 20]), (&fingerprint.hash[..], fingerprint.bytes.clone()));
        assert_eq!(format!("sha-1 {}", ["AB"; 20].join(":")), fingerprint.value());
        for text in ["sha-256 AB", "md5 AB", "sha-1", "sha-1 +a:bb", ""] {
            assert_eq!(None, Fingerprint::parse(text.as_bytes()), "{text}");
        }
    }
}
