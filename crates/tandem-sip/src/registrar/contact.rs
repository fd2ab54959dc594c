//! Contact values of a REGISTER and the comparison of their URIs (RFC 3261 10.3, 19.1.4). It parses; it binds nothing.

use smallvec::SmallVec;

/// Bytes of one Contact URI.
pub const URI_BYTES: usize = 512;
/// Bytes of one `+sip.instance`.
pub const INSTANCE_BYTES: usize = 256;
/// Contacts of one REGISTER that are read; more is an error.
pub const CONTACTS_PER_REQUEST: usize = 32;

/// One Contact of a REGISTER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contact<'a> {
    /// The URI, without angle brackets.
    pub uri: &'a [u8],
    /// Preference in thousandths, 0..=1000.
    pub q: Option<u16>,
    /// Seconds; a malformed value is 3600 (RFC 3261 10.2.1.1).
    pub expires: Option<u32>,
    /// `+sip.instance` without quotes (RFC 5626); empty if absent.
    pub instance: &'a [u8],
    /// `reg-id` (RFC 5626), 1 or more.
    pub reg_id: Option<u32>,
}

/// What the Contact headers of a REGISTER say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contacts<'a> {
    /// These addresses; none: the bindings are asked for.
    Some(SmallVec<[Contact<'a>; 2]>),
    /// `*`: all of them are meant.
    All,
}

/// Why Contact headers are refused; the text names the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadContact {
    /// Neither name-addr nor addr-spec.
    #[error("Contact is malformed")]
    Syntax,
    /// The URI is too long or has characters that no URI has.
    #[error("Contact URI is malformed or longer than {URI_BYTES} bytes")]
    Uri,
    /// `+sip.instance` is too long or has a quote or control character.
    #[error("+sip.instance is malformed or longer than {INSTANCE_BYTES} bytes")]
    Instance,
    /// `q` is not 0..1 with at most three digits.
    #[error("q is not within 0..1")]
    Q,
    /// `*` beside others.
    #[error("Contact: * stands alone")]
    Star,
    /// More than `CONTACTS_PER_REQUEST`.
    #[error("more than {CONTACTS_PER_REQUEST} Contacts")]
    Many,
}

impl<'a> Contacts<'a> {
    /// Reads all Contact header values, each a comma separated list.
    pub fn parse(values: impl Iterator<Item = &'a [u8]>) -> Result<Contacts<'a>, BadContact> {
        let mut list = SmallVec::new();
        let mut star = false;
        for value in values {
            let mut rest = value.trim_ascii();
            while !rest.is_empty() {
                if let Some(after) = rest.strip_prefix(b"*") {
                    star = true;
                    rest = next(after)?;
                    continue;
                }
                let (contact, after) = one(rest)?;
                if list.len() == CONTACTS_PER_REQUEST {
                    return Err(BadContact::Many);
                }
                list.push(contact);
                rest = next(after)?;
            }
        }
        match star {
            true if list.is_empty() => Ok(Contacts::All),
            true => Err(BadContact::Star),
            false => Ok(Contacts::Some(list)),
        }
    }
}

/// What a fuzzer calls: parses the bytes as a Contact value and compares each URI with the others.
pub fn fuzz_contacts(bytes: &[u8]) {
    if let Ok(Contacts::Some(list)) = Contacts::parse(std::iter::once(bytes)) {
        for a in &list {
            for b in &list {
                assert_eq!(same_uri(a.uri, b.uri), same_uri(b.uri, a.uri));
            }
        }
    }
}

/// What follows a value: nothing, or a comma and the next.
fn next(rest: &[u8]) -> Result<&[u8], BadContact> {
    let rest = rest.trim_ascii_start();
    match rest.strip_prefix(b",") {
        Some(after) => Ok(after.trim_ascii_start()),
        None if rest.is_empty() => Ok(rest),
        None => Err(BadContact::Syntax),
    }
}

/// The URI of a name-addr or addr-spec, and what follows it: the header's parameters.
pub(crate) fn address(text: &[u8]) -> Option<(&[u8], &[u8])> {
    split(text.trim_ascii_start()).ok()
}

/// User, host (no port, no brackets) and parameters of a SIP URI.
#[allow(clippy::type_complexity)]
pub(crate) fn uri_parts(uri: &[u8]) -> Option<(Option<&[u8]>, &[u8], &[u8])> {
    let parts = Parts::of(uri)?;
    let host = match parts.host.strip_prefix(b"[") {
        Some(inside) => inside.get(..inside.iter().position(|&c| c == b']')?)?,
        None => parts.host.get(..parts.host.iter().position(|&c| c == b':').unwrap_or(parts.host.len()))?,
    };
    Some((parts.user, host, parts.parameters))
}

/// The port that a SIP URI names.
pub(crate) fn uri_port(uri: &[u8]) -> Option<u16> {
    let host = Parts::of(uri)?.host;
    let behind = host.iter().rposition(|&c| c == b']').map_or(host, |at| host.get(at + 1..).unwrap_or_default());
    let at = behind.iter().position(|&c| c == b':')?;
    std::str::from_utf8(behind.get(at + 1..)?).ok()?.parse().ok()
}

fn split(text: &[u8]) -> Result<(&[u8], &[u8]), BadContact> {
    match after_display(text)? {
        Some(inside) => {
            let end = inside.iter().position(|&c| c == b'>').ok_or(BadContact::Syntax)?;
            let (uri, rest) = inside.split_at(end);
            Ok((uri, rest.get(1..).unwrap_or_default()))
        }
        // RFC 3261 20: without brackets, what follows a semicolon are the header's parameters.
        None => Ok(text.split_at(text.iter().position(|c| b";, \t".contains(c)).unwrap_or(text.len()))),
    }
}

fn one(text: &[u8]) -> Result<(Contact<'_>, &[u8]), BadContact> {
    let (uri, rest) = split(text)?;
    let clean = uri.iter().all(|&c| c > b' ' && c != 0x7f && !b"<>\"".contains(&c));
    let scheme = uri.iter().position(|&c| c == b':').is_some_and(|at| at > 0 && at + 1 < uri.len());
    if !clean || !scheme || uri.len() > URI_BYTES {
        return Err(BadContact::Uri);
    }
    let mut contact = Contact { uri, q: None, expires: None, instance: b"", reg_id: None };
    let rest = parameters(rest, |name, value| contact.set(name, value))?;
    Ok((contact, rest))
}

/// What follows `<`, past a display name; `None`: there is no bracket in this value.
fn after_display(text: &[u8]) -> Result<Option<&[u8]>, BadContact> {
    let mut rest = text;
    if let Some(inside) = rest.strip_prefix(b"\"") {
        let (_, after) = quoted(inside).ok_or(BadContact::Syntax)?;
        rest = after.trim_ascii_start();
        return rest.strip_prefix(b"<").map(Some).ok_or(BadContact::Syntax);
    }
    let stop = rest.iter().position(|c| b"<,;:\"".contains(c)).unwrap_or(rest.len());
    Ok(rest.get(stop..).and_then(|rest| rest.strip_prefix(b"<")))
}

/// The inside of a quoted string (escapes left in) whose opening quote is gone, and what follows.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let end = text.iter().position(|&c| {
        let closes = c == b'"' && !escaped;
        escaped = c == b'\\' && !escaped;
        closes
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Reads `;name=value` until a comma or the end.
fn parameters<'a>(text: &'a [u8], mut set: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), BadContact>) -> Result<&'a [u8], BadContact> {
    let mut rest = text.trim_ascii_start();
    while let Some(after) = rest.strip_prefix(b";") {
        let after = after.trim_ascii_start();
        let (name, after) = after.split_at(after.iter().position(|c| b"=;,".contains(c)).unwrap_or(after.len()));
        let mut value = &b""[..];
        rest = after;
        if let Some(after) = after.strip_prefix(b"=") {
            let after = after.trim_ascii_start();
            (value, rest) = match after.strip_prefix(b"\"") {
                Some(inside) => quoted(inside).ok_or(BadContact::Syntax)?,
                None => after.split_at(after.iter().position(|c| b";,".contains(c)).unwrap_or(after.len())),
            };
        }
        set(name.trim_ascii_end(), value.trim_ascii())?;
        rest = rest.trim_ascii_start();
    }
    Ok(rest)
}

impl<'a> Contact<'a> {
    fn set(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), BadContact> {
        match name.len() {
            1 if name.eq_ignore_ascii_case(b"q") => self.q = Some(read_q(value).ok_or(BadContact::Q)?),
            7 if name.eq_ignore_ascii_case(b"expires") => self.expires = Some(read_expires(value)),
            6 if name.eq_ignore_ascii_case(b"reg-id") => self.reg_id = read_number(value).filter(|&id| id > 0),
            13 if name.eq_ignore_ascii_case(b"+sip.instance") => {
                let clean = value.len() <= INSTANCE_BYTES && value.iter().all(|&c| c > b' ' && c != 0x7f && c != b'"' && c != b'\\');
                self.instance = if clean { value } else { return Err(BadContact::Instance) };
            }
            _ => {}
        }
        Ok(())
    }
}

/// Seconds of an Expires header or parameter. RFC 3261 10.2.1.1: a malformed value is 3600; larger than 2^32-1 is that.
pub fn read_expires(text: &[u8]) -> u32 {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if digits {
        read_number(text).unwrap_or(u32::MAX)
    } else {
        3600
    }
}

fn read_number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u32, |sum, &c| sum.checked_mul(10)?.checked_add((c as char).to_digit(10)?))
}

/// RFC 3261 25.1 qvalue in thousandths.
fn read_q(text: &[u8]) -> Option<u16> {
    let (whole, part) = match text.iter().position(|&c| c == b'.') {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, &b""[..]),
    };
    let whole = if whole.is_empty() { 0 } else { read_number(whole)? };
    if part.len() > 3 || (text.len() == part.len()) {
        return None;
    }
    let mut thousandths = whole.checked_mul(1000)?;
    for (i, &c) in part.iter().enumerate() {
        thousandths += (c as char).to_digit(10)? * [100, 10, 1].get(i)?;
    }
    (thousandths <= 1000).then_some(thousandths as u16)
}

/// Whether two URIs are the same by RFC 3261 19.1.4 (for SIP URIs; others must be equal byte by byte).
pub fn same_uri(a: &[u8], b: &[u8]) -> bool {
    a == b || matches!((Parts::of(a), Parts::of(b)), (Some(a), Some(b)) if a.same(&b))
}

struct Parts<'a> {
    scheme: &'a [u8],
    user: Option<&'a [u8]>,
    host: &'a [u8],
    parameters: &'a [u8],
    headers: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(uri: &'a [u8]) -> Option<Parts<'a>> {
        let colon = uri.iter().position(|&c| c == b':')?;
        let (scheme, rest) = (uri.get(..colon)?, uri.get(colon + 1..)?);
        if !scheme.eq_ignore_ascii_case(b"sip") && !scheme.eq_ignore_ascii_case(b"sips") {
            return None;
        }
        let (user, rest) = match rest.iter().position(|&c| c == b'@') {
            Some(at) => (Some(rest.get(..at)?), rest.get(at + 1..)?),
            None => (None, rest),
        };
        let (rest, headers) = rest.split_at(rest.iter().position(|&c| c == b'?').unwrap_or(rest.len()));
        let (host, parameters) = rest.split_at(rest.iter().position(|&c| c == b';').unwrap_or(rest.len()));
        Some(Parts { scheme, user, host, parameters, headers })
    }

    fn same(&self, other: &Parts<'_>) -> bool {
        let users = match (self.user, other.user) {
            (None, None) => true,
            (Some(a), Some(b)) => unescaped(a).eq(unescaped(b)),
            _ => false,
        };
        users
            && self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host) // with the port: an explicit 5060 is not the same as none
            && self.headers == other.headers
            && self.holds(other)
            && other.holds(self)
    }

    /// Whether each parameter of ours is as the other has it; some may be in one only.
    fn holds(&self, other: &Parts<'_>) -> bool {
        const BOTH: [&[u8]; 5] = [b"transport", b"user", b"ttl", b"method", b"maddr"];
        pairs(self.parameters).all(|(name, value)| match pairs(other.parameters).find(|(theirs, _)| theirs.eq_ignore_ascii_case(name)) {
            Some((_, theirs)) => theirs.eq_ignore_ascii_case(value),
            None => !BOTH.iter().any(|both| both.eq_ignore_ascii_case(name)),
        })
    }
}

fn pairs(parameters: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    parameters.split(|&c| c == b';').filter(|part| !part.is_empty()).map(|part| {
        let at = part.iter().position(|&c| c == b'=').unwrap_or(part.len());
        (part.get(..at).unwrap_or_default(), part.get(at + 1..).unwrap_or_default())
    })
}

/// The characters with `%41` read as `A`: escaped and plain are the same.
pub(crate) fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&c, after) = rest.split_first()?;
        rest = after;
        if c == b'%' {
            if let (Some(high), Some(low)) = (hex(after.first()), hex(after.get(1))) {
                rest = after.get(2..).unwrap_or_default();
                return Some((high << 4) | low);
            }
        }
        Some(c)
    })
}

fn hex(c: Option<&u8>) -> Option<u8> {
    (*c? as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
#[path = "contact_tests.rs"]
mod tests;
