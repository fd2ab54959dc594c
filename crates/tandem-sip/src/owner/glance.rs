//! The header lines of a message that we made ourselves, to cut pieces out of it. It checks no grammar: a peer's go through `message`.

use memchr::{memchr, memmem};
use smallvec::SmallVec;

/// A message cut into start line and header lines.
pub struct Glance<'a> {
    /// The start line without its line end.
    pub start: &'a [u8],
    /// The header lines, folded ones as one.
    pub lines: SmallVec<[Line<'a>; 24]>,
}

/// One header line.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Lower case long name where it is one of those with a compact form, else as written.
    pub name: &'a [u8],
    /// Without white space around.
    pub value: &'a [u8],
    /// Name, value and line end.
    pub whole: &'a [u8],
}

impl<'a> Glance<'a> {
    /// Cuts a message; `None` when it has no header lines or no empty line.
    pub fn of(message: &'a [u8]) -> Option<Glance<'a>> {
        let end = memmem::find(message, b"\r\n\r\n")?;
        let head = message.get(..end + 2)?;
        let first = memmem::find(head, b"\r\n")?;
        let (start, mut rest) = (head.get(..first)?, head.get(first + 2..)?);
        let mut lines = SmallVec::new();
        while !rest.is_empty() {
            let mut length = memmem::find(rest, b"\r\n")? + 2;
            while matches!(rest.get(length), Some(b' ' | b'\t')) {
                length += memmem::find(rest.get(length..)?, b"\r\n")? + 2;
            }
            let (whole, more) = rest.split_at_checked(length)?;
            rest = more;
            let colon = memchr(b':', whole)?;
            let name = long(whole.get(..colon)?.trim_ascii());
            lines.push(Line { name, value: whole.get(colon + 1..)?.trim_ascii(), whole });
        }
        Some(Glance { start, lines })
    }

    /// The first value of a header, by its long name.
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.all(name).next().map(|line| line.value)
    }

    /// All lines of a header, by its long name.
    pub fn all<'n>(&'n self, name: &'n [u8]) -> impl Iterator<Item = Line<'a>> + 'n {
        self.lines.iter().filter(move |line| line.name.eq_ignore_ascii_case(name)).copied()
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &'a [u8])> {
        let value = self.value(b"CSeq")?;
        let space = value.iter().position(u8::is_ascii_whitespace)?;
        Some((std::str::from_utf8(value.get(..space)?).ok()?.parse().ok()?, value.get(space..)?.trim_ascii()))
    }
}

/// The tag of a From or To value; empty when it has none.
pub fn tag(value: &[u8]) -> &[u8] {
    param(value.get(after_address(value)..).unwrap_or_default(), b"tag")
}

/// A parameter's value in `;name=value` text; empty when it is not there.
pub fn param<'a>(text: &'a [u8], name: &[u8]) -> &'a [u8] {
    text.split(|c| *c == b';')
        .find_map(|part| {
            let at = memchr(b'=', part)?;
            part.get(..at)?.trim_ascii().eq_ignore_ascii_case(name).then(|| part.get(at + 1..).unwrap_or_default().trim_ascii())
        })
        .unwrap_or_default()
}

/// Where the header parameters of a name-addr begin: behind `>` that stands in no quotes, or at the first `;`.
fn after_address(value: &[u8]) -> usize {
    let (mut quoted, mut i) = (false, 0);
    let mut start = 0;
    while let Some(&c) = value.get(i) {
        match c {
            b'\\' if quoted => i += 1,
            b'"' => quoted = !quoted,
            b'>' if !quoted => start = i + 1,
            _ => {}
        }
        i += 1;
    }
    start
}

fn long(name: &[u8]) -> &[u8] {
    let &[c] = name else { return name };
    match c.to_ascii_lowercase() {
        b'v' => b"via",
        b'f' => b"from",
        b't' => b"to",
        b'i' => b"call-id",
        b'm' => b"contact",
        b'l' => b"content-length",
        b'c' => b"content-type",
        b'k' => b"supported",
        b's' => b"subject",
        b'e' => b"content-encoding",
        b'o' => b"event",
        b'r' => b"refer-to",
        b'b' => b"referred-by",
        b'u' => b"allow-events",
        b'x' => b"session-expires",
        b'a' => b"accept-contact",
        b'd' => b"request-disposition",
        b'j' => b"reject-contact",
        b'y' => b"identity",
        _ => name,
    }
}
