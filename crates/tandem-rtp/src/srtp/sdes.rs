//! The key parameter of a=crypto (RFC 4568 6.1): read and written. The line around it belongs to the session description.

use data_encoding::{BASE64, BASE64_NOPAD};

use super::{Master, SrtpError, Suite};

const PREFIX: &str = "inline:";
/// Most packets that a key may be used for (RFC 4568 6.1): 2^48, as decimal digits it has 15.
const LIFETIME_LOG2: u32 = 48;
/// Longest key parameter that is looked at, in bytes.
const INLINE_BYTES: usize = 256;

impl Master {
    /// Reads `inline:BASE64`, with a lifetime behind a bar or without. The lifetime is checked and not kept: RFC 3711's own limits
    /// hold. Base64 may lack its padding.
    ///
    /// # Errors
    /// [`SrtpError::Key`] with the reason: no base64, another length than the suite's, a lifetime that is none, an MKI (RFC 4568
    /// 6.1, `|1:4`; packets would carry it) or several keys (which need one).
    ///
    /// ```
    /// use tandem_rtp::srtp::{Master, Suite};
    /// let text = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20";
    /// let master = Master::from_inline(Suite::AesCm128HmacSha1_80, text).unwrap();
    /// assert_eq!(text.split('|').next().unwrap(), master.to_inline());
    /// assert!(Master::from_inline(Suite::AesCm128HmacSha1_80, &format!("{text}|1:4")).unwrap_err().to_string().contains("MKI"));
    /// ```
    pub fn from_inline(suite: Suite, text: &str) -> Result<Master, SrtpError> {
        let prefix = text.get(..PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX) && text.len() <= INLINE_BYTES);
        let value = prefix.and_then(|_| text.get(PREFIX.len()..)).ok_or(SrtpError::Key("not inline:, or too long"))?;
        if value.contains(';') {
            return Err(SrtpError::Key("several keys are not supported"));
        }
        let mut parts = value.split('|');
        let key = parts.next().unwrap_or_default().trim_end_matches('=');
        for part in parts {
            if part.contains(':') {
                return Err(SrtpError::Key("an MKI is not supported"));
            }
            if !is_lifetime(part) {
                return Err(SrtpError::Key("the key's lifetime is no number of packets up to 2^48"));
            }
        }
        let key_salt = BASE64_NOPAD.decode(key.as_bytes()).map_err(|_| SrtpError::Key("the key is no base64"))?;
        Master::new(suite, key_salt)
    }

    /// Writes `inline:BASE64`.
    pub fn to_inline(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.key_salt))
    }
}

/// A number of packets, or `2^` and an exponent.
fn is_lifetime(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix("2^") {
        Some(power) => digits(power) && power.parse::<u32>().is_ok_and(|power| power <= LIFETIME_LOG2),
        None => digits(text) && text.parse::<u64>().is_ok_and(|count| (1..=1 << LIFETIME_LOG2).contains(&count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(suite: Suite, text: &str) -> String {
        Master::from_inline(suite, text).unwrap_err().to_string()
    }

    #[test]
    fn every_suite_is_read_as_it_is_written() {
        for suite in Suite::ALL {
            let master = Master::new(suite, (0..suite.key_bytes() + suite.salt_bytes()).map(|n| n as u8 * 5).collect()).unwrap();
            let text = master.to_inline();
            assert_eq!(Ok(master.clone()), Master::from_inline(suite, &text));
            assert_eq!(Ok(master.clone()), Master::from_inline(suite, &format!("{}|2^48", text.trim_end_matches('='))));
            assert_eq!(Ok(master), Master::from_inline(suite, &format!("{}|1048576", text.replace("inline", "INLINE"))));
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_reason() {
        let suite = Suite::AesCm128HmacSha1_80;
        let key = format!("inline:{}", "A".repeat(40));
        assert!(Master::from_inline(suite, &key).is_ok());
        for (text, reason) in [
            (key.replace("inline:", ""), "not inline"),
            (String::new(), "not inline"),
            ("inline\u{e9}".into(), "not inline"),
            (format!("{key}{}", "A".repeat(300)), "too long"),
            (format!("{key}|2^20|1:4"), "MKI"),
            (format!("{key}|1:4"), "MKI"),
            (format!("{key};{key}"), "several"),
            (format!("{key}|2^49"), "lifetime"),
            (format!("{key}|"), "lifetime"),
            (format!("{key}|0"), "lifetime"),
            (format!("{key}|+5"), "lifetime"),
            (format!("{key}|2^"), "lifetime"),
            (format!("{key}A"), "base64"),
            (format!("{key}!!!!"), "base64"),
            (format!("{key}AAAA"), "length"),
            ("inline:".into(), "length"),
        ] {
            assert!(why(suite, &text).contains(reason), "{text}: {}", why(suite, &text));
        }
        assert!(why(Suite::AeadAes128Gcm, &key).contains("length"));
    }
}
