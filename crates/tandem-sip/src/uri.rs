//! SIP and SIPS URIs (RFC 3261 19.1), and the opaque rest of others. It resolves nothing.

use std::borrow::Cow;

/// A URI in parts, as written: nothing is unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// Before the first colon.
    pub scheme: &'a [u8],
    /// The user part; None if there is no `@`.
    pub user: Option<&'a [u8]>,
    /// The password, deprecated.
    pub password: Option<&'a [u8]>,
    /// The host, an IPv6 address with its brackets; empty unless the scheme is sip or sips.
    pub host: &'a [u8],
    /// The port.
    pub port: Option<u16>,
    /// After the first `;` behind the host, without it; of other schemes (tel) behind their first `;`.
    pub params: &'a [u8],
    /// After the `?`, without it.
    pub headers: &'a [u8],
    /// Of other schemes than sip and sips: what stands between the colon and the first `;`.
    pub opaque: &'a [u8],
}

/// A URI that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("URI: {0}")]
pub struct BadUri(pub &'static str);

impl<'a> Uri<'a> {
    /// Reads a URI without brackets.
    ///
    /// ```
    /// let uri = tandem_sip::uri::Uri::parse(b"sip:alice:pw@demo.example:5070;transport=tcp?Subject=hi").unwrap();
    /// assert_eq!((Some(&b"alice"[..]), &b"demo.example"[..], Some(5070)), (uri.user, uri.host, uri.port));
    /// assert_eq!(Some(&b"tcp"[..]), uri.param(b"transport"));
    /// ```
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Uri<'a>, BadUri> {
        let at = bytes
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'))
            .ok_or(BadUri("no scheme"))?;
        let (scheme, rest) = bytes.split_at_checked(at).ok_or(BadUri("no scheme"))?;
        let rest = rest.strip_prefix(b":").ok_or(BadUri("no scheme"))?;
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(BadUri("no scheme"));
        }
        if rest.iter().any(|byte| matches!(byte, b'<' | b'>' | b'"' | 0..=b' ' | 0x7f)) {
            return Err(BadUri("a character that no URI has"));
        }
        let mut uri = Uri { scheme, user: None, password: None, host: b"", port: None, params: b"", headers: b"", opaque: b"" };
        if !uri.is_sip() {
            (uri.opaque, uri.params) = cut(rest, b';');
            return if uri.opaque.is_empty() { Err(BadUri("empty")) } else { Ok(uri) };
        }
        let mut rest = rest;
        if let Some(at) = memchr::memchr(b'@', rest) {
            uri.userinfo(rest.get(..at).unwrap_or_default())?;
            rest = rest.get(at + 1..).unwrap_or_default();
            if memchr::memchr(b'@', rest).is_some() {
                return Err(BadUri("more than one @"));
            }
        }
        (rest, uri.headers) = cut(rest, b'?');
        (rest, uri.params) = cut(rest, b';');
        uri.sent_to(rest)?;
        Ok(uri)
    }

    /// Whether the scheme is sip or sips.
    pub fn is_sip(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"sip") || self.is_sips()
    }

    /// Whether the scheme is sips.
    pub fn is_sips(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"sips")
    }

    /// The value of a parameter (case does not count); empty where it has none.
    pub fn param(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.params
            .split(|&byte| byte == b';')
            .map(|param| cut(param, b'='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The host without the brackets of an IPv6 address.
    pub fn bare_host(&self) -> &'a [u8] {
        self.host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(self.host)
    }

    /// The address of record, `user@host`: host in lower case, escapes that say nothing undone (RFC 3261 10.3, 19.1.4). Port,
    /// password and parameters do not belong to it. None without a user, or for other schemes.
    ///
    /// ```
    /// use tandem_sip::uri::Uri;
    /// assert_eq!(b"alice@demo.example".to_vec(), Uri::parse(b"sip:%61lice@Demo.Example:5060;lr").unwrap().aor().unwrap());
    /// ```
    pub fn aor(&self) -> Option<Vec<u8>> {
        let user = self.user.filter(|_| self.is_sip())?;
        let mut key = plain(user).into_owned();
        key.push(b'@');
        key.extend(self.host.iter().map(u8::to_ascii_lowercase));
        Some(key)
    }

    fn userinfo(&mut self, bytes: &'a [u8]) -> Result<(), BadUri> {
        let (user, password) = match memchr::memchr(b':', bytes) {
            Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..)),
            None => (bytes, None),
        };
        if user.is_empty() {
            return Err(BadUri("empty user"));
        }
        (self.user, self.password) = (Some(user), password);
        Ok(())
    }

    fn sent_to(&mut self, bytes: &'a [u8]) -> Result<(), BadUri> {
        let at = match bytes.first() {
            Some(b'[') => memchr::memchr(b']', bytes).ok_or(BadUri("bracket without end"))? + 1,
            _ => memchr::memchr(b':', bytes).unwrap_or(bytes.len()),
        };
        let (host, port) = bytes.split_at_checked(at).ok_or(BadUri("no host"))?;
        let good = match host {
            [b'[', inside @ .., b']'] => std::str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()),
            name => !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
        };
        if !good {
            return Err(BadUri("no host"));
        }
        self.host = host;
        self.port = match port {
            [] => None,
            [b':', digits @ ..] => Some(crate::scan::number(digits, 65_535).ok_or(BadUri("port is not 0..65535"))? as u16),
            _ => return Err(BadUri("text after the host")),
        };
        Ok(())
    }
}

/// Undoes `%HH` of characters that never need it (RFC 3261 25.1 `unreserved`), so that two spellings of one text are equal.
/// Others stay, with their digits in upper case; a `%` that begins no escape becomes one.
pub fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, escaped(after)) {
            (b'%', Some(value)) => {
                if value.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&value) {
                    out.push(value);
                } else {
                    out.push(b'%');
                    out.extend(after.iter().take(2).map(u8::to_ascii_uppercase));
                }
                rest = after.get(2..).unwrap_or_default();
            }
            (b'%', None) => out.extend_from_slice(b"%25"), // or `%%341` would become an escape
            _ => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

/// Undoes every `%HH`, for showing; a `%` that begins no escape stays.
pub fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        let value = escaped(after).filter(|_| *byte == b'%');
        out.push(value.unwrap_or(*byte));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    Cow::Owned(out)
}

fn escaped(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|&byte| (byte as char).to_digit(16));
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

/// What stands before the first `at` and behind it.
fn cut(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(at, bytes) {
        Some(i) => (bytes.get(..i).unwrap_or_default(), bytes.get(i + 1..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_hard_uris_are_found() {
        let uri =
            Uri::parse(b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com")
                .unwrap();
        assert_eq!(Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]), uri.user);
        assert_eq!((Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]), &b"example.com"[..]), (uri.password, uri.host));
        let uri = Uri::parse(b"sip:user;par=u%40example.net@example.com").unwrap();
        assert_eq!((Some(&b"user;par=u%40example.net"[..]), &b""[..]), (uri.user, uri.params));
        let uri = Uri::parse(b"SIPS:[2001:db8::1]:5061;lr?a=b").unwrap();
        assert_eq!(
            (&b"[2001:db8::1]"[..], &b"2001:db8::1"[..], Some(5061), &b"a=b"[..]),
            (uri.host, uri.bare_host(), uri.port, uri.headers)
        );
        assert_eq!((Some(&b""[..]), true, None), (uri.param(b"LR"), uri.is_sips(), uri.aor()));
        let tel = Uri::parse(b"tel:+4930123;phone-context=x").unwrap();
        assert_eq!((&b"+4930123"[..], Some(&b"x"[..]), None), (tel.opaque, tel.param(b"phone-context"), tel.aor()));
    }

    #[test]
    fn spellings_of_one_address_of_record_are_equal() {
        let aor = |bytes: &'static [u8]| Uri::parse(bytes).unwrap().aor().unwrap();
        assert_eq!(aor(b"sip:null-%00-null@Example.com"), b"null-%00-null@example.com");
        assert_eq!(aor(b"sip:%75se%72@example.com:5060"), aor(b"sips:user:x@EXAMPLE.com;a=b"));
        assert_eq!(aor(b"sip:a%2fb@x"), aor(b"sip:a%2Fb@x"));
        assert_eq!(aor(b"sip:%%341@x"), b"%2541@x");
        assert_ne!(aor(b"sip:a%40b@x"), aor(b"sip:a@x"));
        assert_ne!(aor(b"sip:Alice@x"), aor(b"sip:alice@x"));
        assert_eq!(&b"a b%4"[..], &*unescape(b"a%20b%4"));
    }

    #[test]
    fn a_bad_uri_is_refused() {
        for bytes in [
            &b""[..],
            b"alice",
            b":x",
            b"sip:",
            b"sip:@b",
            b"sip:a@",
            b"sip:a@b@c",
            b"sip:a@b:99999",
            b"sip:a@[::1",
            b"sip:a@[x]",
            b"sip:a b@c",
            b"sip:a@b<",
            b"tel:",
            b"1a:b",
            b"sip:a@[::1]x",
        ] {
            assert!(Uri::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
