//! One Via value (RFC 3261 20.42): read from bytes that stay where they are. It writes nothing.

use crate::scan::{is_lws, is_token, number, split_at, trim_start, Params, Span};

/// A Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or another token, as written.
    pub transport: &'a [u8],
    /// The host of sent-by, an IPv6 address with its brackets.
    pub host: &'a [u8],
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The branch; None for an RFC 2543 peer.
    pub branch: Option<&'a [u8]>,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value: `bytes` must hold nothing after it.
    ///
    /// ```
    /// let via = tandem_sip::via::Via::parse(b"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport").unwrap();
    /// assert_eq!((&b"192.0.2.1"[..], Some(5070)), (via.host, via.port));
    /// ```
    ///
    /// # Errors
    /// What is wrong, in a few words.
    pub fn parse(bytes: &'a [u8]) -> Result<Via<'a>, &'static str> {
        let (spans, rest) = Spans::read(bytes)?;
        if rest.is_empty() {
            Ok(spans.of(bytes))
        } else {
            Err("something follows the value")
        }
    }

    /// Reads the first value of a header that may have several; `None` when it cannot be read.
    pub fn first(bytes: &'a [u8]) -> Option<Via<'a>> {
        Spans::read(bytes).ok().map(|(spans, _)| spans.of(bytes))
    }

    /// Whether the branch begins with the magic cookie of RFC 3261 8.1.1.7 and has more than it.
    pub fn is_rfc3261(&self) -> bool {
        self.branch.is_some_and(|branch| branch.len() > 7 && branch.get(..7).is_some_and(|cookie| cookie.eq_ignore_ascii_case(b"z9hG4bK")))
    }
}

/// Where the parts of a value stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spans {
    transport: Span,
    host: Span,
    branch: Span,
    /// Where the value ends, from the start of the header's value.
    pub(crate) params: Span,
    port: u16,
    flags: u8,
}

const PORT: u8 = 1;
const BRANCH: u8 = 2;

impl Spans {
    /// Reads the first value of a Via header; what is left begins with the comma, or is empty.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Result<(Spans, &[u8]), &'static str> {
        let (spans, rest) = Spans::after(bytes, protocol(bytes).ok_or("not SIP/2.0/transport")?)?;
        match rest.first() {
            None | Some(b',') => Ok((spans, rest)),
            Some(_) => Err("bad parameter"),
        }
    }

    /// As much of a bad value as an answer to a refused request needs: any version, parameters up to the first fault.
    pub(crate) fn salvage(bytes: &[u8]) -> Option<Spans> {
        let version = bytes.iter().position(|&byte| byte == b'/')? + 1;
        let transport = version + bytes.get(version..)?.iter().position(|&byte| byte == b'/')? + 1;
        Some(Spans::after(bytes, protocol(bytes).or(bytes.get(transport..))?).ok()?.0)
    }

    /// Reads what follows the protocol's name and version.
    #[inline]
    fn after<'a>(bytes: &'a [u8], rest: &'a [u8]) -> Result<(Spans, &'a [u8]), &'static str> {
        let mut spans = Spans::default();
        let (transport, rest) = split_at(rest, |byte| !is_token(byte));
        if transport.is_empty() || !rest.first().is_some_and(|&byte| is_lws(byte)) {
            return Err("no transport");
        }
        spans.transport = Span::within(bytes, transport);
        let rest = trim_start(rest);
        let (host, rest) = match rest.first() {
            Some(b'[') => rest.split_at_checked(memchr::memchr(b']', rest).ok_or("bracket without end")? + 1).ok_or("no host")?,
            _ => split_at(rest, |byte| !is_host(byte)),
        };
        if host.is_empty() {
            return Err("no host");
        }
        spans.host = Span::within(bytes, host);
        let mut rest = trim_start(rest);
        if let [b':', after @ ..] = rest {
            let (port, after) = split_at(trim_start(after), |byte| !byte.is_ascii_digit());
            spans.port = number(port, 65_535).ok_or("port is not 0..65535")? as u16;
            spans.flags |= PORT;
            rest = after;
        }
        let start = Span::within(bytes, rest).start as usize;
        let mut params = Params::new(rest);
        for (name, value) in params.by_ref() {
            if name.len() == 6 && name.eq_ignore_ascii_case(b"branch") && spans.flags & BRANCH == 0 {
                spans.branch = Span::within(bytes, value.unwrap_or_default());
                spans.flags |= if value.is_some() { BRANCH } else { 0 };
            }
        }
        spans.params = Span::new(start, Span::within(bytes, params.rest()).start as usize);
        Ok((spans, trim_start(params.rest())))
    }

    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> Via<'_> {
        Via {
            transport: self.transport.of(bytes),
            host: self.host.of(bytes),
            port: (self.flags & PORT != 0).then_some(self.port),
            branch: (self.flags & BRANCH != 0).then(|| self.branch.of(bytes)),
            params: Params::new(self.params.of(bytes)),
        }
    }
}

#[inline]
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// `SIP / 2.0 /`, white space allowed around each part; gives what follows.
#[inline]
fn protocol(bytes: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(b"SIP/2.0/") {
        return Some(trim_start(rest));
    }
    let (name, rest) = trim_start(bytes).split_at_checked(3)?;
    let rest = trim_start(trim_start(rest).strip_prefix(b"/")?);
    let rest = trim_start(rest.strip_prefix(b"2.0")?).strip_prefix(b"/")?;
    name.eq_ignore_ascii_case(b"SIP").then(|| trim_start(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_folds_may_stand_between_all_parts() {
        let via = Via::parse(b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5061 ; branch\r\n = 390skdjuw ;rport").unwrap();
        assert_eq!((&b"UDP"[..], &b"192.0.2.2"[..], Some(5061)), (via.transport, via.host, via.port));
        assert_eq!(Some(&b"390skdjuw"[..]), via.branch);
        assert_eq!(Some(&b""[..]), via.params.get(b"RPORT"));
        assert!(!via.is_rfc3261());
    }

    #[test]
    fn ipv6_hosts_keep_their_brackets() {
        let via = Via::parse(b"SIP/2.0/TCP [2001:db8::1]:5062;received=2001:db8::9;branch=z9hG4bKx").unwrap();
        assert_eq!((&b"[2001:db8::1]"[..], Some(5062)), (via.host, via.port));
        assert_eq!(Some(&b"2001:db8::9"[..]), via.params.get(b"received"));
        assert!(via.is_rfc3261());
    }

    #[test]
    fn a_bad_value_is_named() {
        for bytes in [
            &b""[..],
            b"SIP/2.0/UDP",
            b"SIP/3.0/UDP a",
            b"SIP/2.0/UDP a:99999",
            b"SIP/2.0/UDP a;;",
            b"SIP/2.0/UDP a;b=",
            b"SIP/2.0/UDP [::1",
            b"SIP/2.0/UDP a b",
            b"SIP/2.0/UDP a, ",
        ] {
            assert!(Via::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
