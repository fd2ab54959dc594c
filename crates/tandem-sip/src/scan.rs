//! Small steps over bytes that several parsers share: tokens, white space, quotes, parameters. It knows no header.

/// A stretch of a message, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub(crate) fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The stretch of `buf` that `part`, a slice of it, covers.
    #[inline]
    pub(crate) fn within(buf: &[u8], part: &[u8]) -> Span {
        let start = (part.as_ptr() as usize).wrapping_sub(buf.as_ptr() as usize);
        Span::new(start, start.wrapping_add(part.len()))
    }
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        table[i] =
            (i as u8).is_ascii_alphanumeric() || matches!(i as u8, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        i += 1;
    }
    table
};

static VALUE_END: [bool; 256] = among(b";,\"<> \t\r\n");

/// A table of the bytes that are among these.
pub(crate) const fn among(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
}

/// RFC 3261 25.1 `token`.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// White space inside a header: CR and LF only stand in folds there.
#[inline]
pub(crate) fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    bytes = trim_start(bytes);
    while let [rest @ .., last] = bytes {
        if !is_lws(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

#[inline]
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_lws(*first) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// Where `needle` first stands, for a needle that is near: eight bytes a step, without a call.
#[inline]
pub(crate) fn near(bytes: &[u8], needle: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let zero = u64::from_le_bytes(*word) ^ (ONES * needle as u64);
        let found = zero.wrapping_sub(ONES) & !zero & (ONES << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        (at, rest) = (at + 8, after);
    }
    rest.iter().position(|&byte| byte == needle).map(|i| at + i)
}

/// Splits before the first byte for which `stop` holds.
#[inline]
pub(crate) fn split_at(bytes: &[u8], stop: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|&byte| stop(byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// Splits after a quoted string: `bytes` begins with its quote. None: it has no end.
#[inline]
pub(crate) fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut i = 1;
    loop {
        match bytes.get(i)? {
            b'"' => return bytes.split_at_checked(i + 1),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

/// A decimal number without sign; None when it is empty, has another byte or is above `most`.
#[inline]
pub(crate) fn number(bytes: &[u8], most: u64) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for &byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        if value > most {
            return None;
        }
    }
    Some(value)
}

/// Header parameters, `;name=value;name`, in order. It ends at the first byte that is no parameter: ask `rest` for what is left.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a> {
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads from the first `;` on; white space and folds may stand around `;` and `=`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Params<'a> {
        Params { rest: bytes }
    }

    /// What was not read: white space only, a comma and what follows, or the first fault.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The value of the first parameter of this name (case does not count); empty where it has none. Quotes are kept.
    pub fn get(self, name: &[u8]) -> Option<&'a [u8]> {
        let mut params = self;
        params.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let [b';', rest @ ..] = trim_start(self.rest) else { return None };
        let (name, mut rest) = split_at(trim_start(rest), |byte| !is_token(byte));
        if name.is_empty() {
            return None;
        }
        if rest.first().is_some_and(|&byte| is_lws(byte)) {
            rest = trim_start(rest);
        }
        let [b'=', after @ ..] = rest else {
            self.rest = rest;
            return Some((name, None));
        };
        let after = trim_start(after);
        let (value, rest) = match after.first() {
            Some(b'"') => quoted(after)?,
            // Wider than `token / host`: peers put URIs and IPv6 addresses without brackets here (RFC 5118 4.5).
            _ => split_at(after, |byte| VALUE_END[byte as usize]),
        };
        if value.is_empty() {
            return None;
        }
        self.rest = rest;
        Some((name, Some(value)))
    }
}

/// The values of a header, split at commas outside quotes and angle brackets; white space around them is cut, empty ones are left out.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
    /// False once a quote or bracket without end was seen: there is no other end further on, and looking again costs squares.
    quotes: bool,
    brackets: bool,
}

impl<'a> Values<'a> {
    /// Of one header's value.
    pub fn new(bytes: &'a [u8]) -> Values<'a> {
        Values { rest: bytes, quotes: true, brackets: true }
    }

    /// Where the first comma outside quotes and brackets stands, or the end. A quote or bracket that never closes hides nothing.
    fn comma(&mut self) -> usize {
        let mut i = 0;
        while let Some(&byte) = self.rest.get(i) {
            let rest = self.rest.get(i..).unwrap_or_default();
            i += match byte {
                b',' => return i,
                b'"' if self.quotes => quoted(rest).map_or_else(
                    || {
                        self.quotes = false;
                        1
                    },
                    |(string, _)| string.len(),
                ),
                b'<' if self.brackets => memchr::memchr(b'>', rest).unwrap_or_else(|| {
                    self.brackets = false;
                    1
                }),
                _ => 1,
            };
        }
        self.rest.len()
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let at = self.comma();
            let (value, rest) = self.rest.split_at_checked(at).unwrap_or((self.rest, &[]));
            self.rest = rest.get(1..).unwrap_or_default();
            let value = trim(value);
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_at_commas_outside_quotes_and_brackets() {
        let values: Vec<_> = Values::new(b"\"a,\\\"b\" <sip:x,y@z>;q=1 ,\r\n <sip:c>, ,d").collect();
        assert_eq!(vec![&b"\"a,\\\"b\" <sip:x,y@z>;q=1"[..], b"<sip:c>", b"d"], values);
    }

    #[test]
    fn a_quote_without_end_hides_no_comma_and_costs_no_square() {
        assert_eq!(2, Values::new(b"\"a,b").count());
        assert_eq!(65_537, Values::new(&b"\"\\,\\".repeat(65_536)).count());
        assert_eq!(65_537, Values::new(&b"<,".repeat(65_537)).count());
    }

    #[test]
    fn parameters_end_at_the_first_fault() {
        let mut params = Params::new(b" ; a = 1;b;c=\"x;\\\"y\" ;; d");
        let names: Vec<_> = params.by_ref().collect();
        assert_eq!(vec![(&b"a"[..], Some(&b"1"[..])), (b"b", None), (b"c", Some(b"\"x;\\\"y\""))], names);
        assert_eq!(b" ;; d", params.rest());
        assert_eq!(Some(&b"1"[..]), Params::new(b";x=0;A=1").get(b"a"));
    }
}
