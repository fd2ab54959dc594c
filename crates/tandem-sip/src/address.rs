//! One address of From, To, Contact and their like: name-addr or addr-spec with header parameters (RFC 3261 20.10). The URI is not looked into.

use crate::scan::{among, near, quoted, split_at, trim, trim_start, Params, Span, Values};

/// An address with its header parameters.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The display name as written, quotes and escapes kept; empty if there is none.
    pub display: &'a [u8],
    /// The URI without its brackets.
    pub uri: &'a [u8],
    /// The parameters of the header (not of the URI).
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads one value: `bytes` must hold nothing after it.
    ///
    /// ```
    /// let from = tandem_sip::address::Address::parse(b"\"Alice\" <sip:alice@demo.example>;tag=1").unwrap();
    /// assert_eq!((&b"sip:alice@demo.example"[..], Some(&b"1"[..])), (from.uri, from.tag()));
    /// ```
    ///
    /// # Errors
    /// What is wrong, in a few words.
    pub fn parse(bytes: &'a [u8]) -> Result<Address<'a>, &'static str> {
        let first = read(bytes)?;
        if first.rest.is_empty() {
            Ok(first.address)
        } else {
            Err("more than one value")
        }
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get(b"tag")
    }
}

/// The addresses of a header with several, such as Contact; it ends after the first error.
pub fn addresses(bytes: &[u8]) -> impl Iterator<Item = Result<Address<'_>, &'static str>> {
    let mut values = Values::new(bytes);
    let mut broken = false;
    std::iter::from_fn(move || {
        let address = values.next().filter(|_| !broken).map(Address::parse)?;
        broken = address.is_err();
        Some(address)
    })
}

/// The first address of a header.
pub(crate) struct First<'a> {
    pub(crate) address: Address<'a>,
    pub(crate) tag: Option<&'a [u8]>,
    /// What is left: begins with a comma or is empty.
    pub(crate) rest: &'a [u8],
}

/// Display name, URI, and what follows.
type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Reads the first address.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Result<First<'_>, &'static str> {
    let bytes = trim_start(bytes);
    let (display, uri, rest) = match bytes.first() {
        Some(b'"') => {
            let (display, rest) = quoted(bytes).ok_or("quote without end")?;
            let (uri, rest) = bracketed(trim_start(rest).strip_prefix(b"<").ok_or("no < after the display name")?)?;
            (display, uri, rest)
        }
        Some(b'<') => {
            let (uri, rest) = bracketed(bytes.get(1..).unwrap_or_default())?;
            (&b""[..], uri, rest)
        }
        _ => unquoted(bytes)?,
    };
    scheme(uri)?;
    let (tag, rest_of_params) = tag(rest)?;
    let params = Span::new(0, Span::within(rest, rest_of_params).start as usize).of(rest);
    Ok(First { address: Address { display, uri, params: Params::new(params) }, tag, rest: rest_of_params })
}

/// The URI up to `>`, and what follows.
#[inline]
fn bracketed(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let at = near(bytes, b'>').ok_or("< without >")?;
    let (uri, rest) = bytes.split_at_checked(at).ok_or("< without >")?;
    if uri.iter().fold(false, |bad, &byte| bad | (byte <= b' ') | (byte == b'<')) {
        return Err("white space, control or < inside <>"); // RFC 4475 3.1.2.14
    }
    Ok((uri, rest.get(1..).unwrap_or_default()))
}

static ADDRESS_END: [bool; 256] = among(b"<;,\"?");

/// A display name of tokens before `<`, or an addr-spec: there `;` begins header parameters, `?` and `,` are not allowed (20.10).
#[inline]
fn unquoted(bytes: &[u8]) -> Result<Parts<'_>, &'static str> {
    let (before, rest) = split_at(bytes, |byte| ADDRESS_END[byte as usize]);
    match rest.first() {
        Some(b'<') => {
            let (uri, rest) = bracketed(rest.get(1..).unwrap_or_default())?;
            return Ok((trim(before), uri, rest));
        }
        Some(b'"') => return Err("quote inside the display name"),
        Some(b'?') => return Err("? in a URI without <>"), // RFC 4475 3.1.2.13
        _ => {}
    }
    let uri = trim(before);
    if uri.iter().fold(false, |bad, &byte| bad | (byte <= b' ') | (byte == b'>')) {
        return Err("white space, control or > inside the URI");
    }
    Ok((&[], uri, rest))
}

/// RFC 3986 3.1: a letter, then letters, digits, `+`, `-`, `.`, then a colon.
#[inline]
fn scheme(uri: &[u8]) -> Result<(), &'static str> {
    if uri.starts_with(b"sip:") || uri.starts_with(b"sips:") {
        return Ok(());
    }
    let at = uri.iter().position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'));
    match (uri.first(), at.and_then(|at| uri.get(at))) {
        (Some(first), Some(b':')) if first.is_ascii_alphabetic() => Ok(()),
        _ => Err("no URI"),
    }
}

/// Checks the parameters and finds the first tag; what is left begins with a comma or is empty.
#[inline]
fn tag(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), &'static str> {
    let mut params = Params::new(bytes);
    let mut tag = None;
    for (name, value) in params.by_ref() {
        if name.len() == 3 && tag.is_none() && name.eq_ignore_ascii_case(b"tag") {
            tag = Some(value.ok_or("tag without value")?);
        }
    }
    let rest = trim_start(params.rest());
    match rest.first() {
        None | Some(b',') => Ok((tag, rest)),
        Some(_) => Err("bad parameter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_address_are_read_alike() {
        for bytes in [
            &b"sip:a@b;tag=1"[..],
            b"<sip:a@b>;tag=1",
            b"A <sip:a@b>;tag=1",
            b"A B<sip:a@b> ; tag = 1 ",
            b"\"A, \\\"B\\\" <x\" <sip:a@b>;x=\"y;tag=2\";TAG=1",
        ] {
            let address = Address::parse(bytes).unwrap();
            assert_eq!((&b"sip:a@b"[..], Some(&b"1"[..])), (address.uri, address.tag()), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_bad_address_is_refused() {
        for bytes in [
            &b""[..],
            b"<>",
            b"<sip:a@b",
            b"\"A <sip:a@b>",
            b"A, B <sip:a@b>",
            b"< sip:a@b >",
            b"sip:a@b?x=y",
            b"sip:a@b;;",
            b"sip:a\x01@b",
            b"<sip:a\x01@b>",
            b"<sip:a@b>;tag=",
            b"<sip:a@b> x",
            b"alice",
            b"<alice>",
            b"<sip:a@b>;tag",
            b"sip:a@b, sip:c@d",
        ] {
            assert!(Address::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn several_contacts_are_read_in_order() {
        let uris: Vec<_> = addresses(b"\"A,B\" <sip:a@b;x=1,2>;q=0.5, sip:c@d ,<sip:e@f>").map(|address| address.unwrap().uri).collect();
        assert_eq!(vec![&b"sip:a@b;x=1,2"[..], b"sip:c@d", b"sip:e@f"], uris);
        assert_eq!(2, addresses(b"<sip:a@b>, bad, <sip:c@d>").count());
    }
}
