//! One line of a description, as bytes without its line end. What an attribute means stands elsewhere.

use std::borrow::Cow;

/// A line: borrowed as it was read, or owned because it is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a>(Cow<'a, [u8]>);

impl<'a> Line<'a> {
    /// An attribute line; a flag without `value`.
    pub fn attribute_of(name: &str, value: Option<&str>) -> Line<'a> {
        Line::from(match value {
            Some(value) => format!("a={name}:{value}"),
            None => format!("a={name}"),
        })
    }

    /// The whole line.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its value, if it is of that type (`b'c'`).
    pub fn of_type(&self, kind: u8) -> Option<&[u8]> {
        match &self.0[..] {
            [first, b'=', value @ ..] if *first == kind => Some(value),
            _ => None,
        }
    }

    /// Name of an attribute: what stands before the colon. Names are case-sensitive (RFC 8866 5.13).
    pub fn name(&self) -> Option<&[u8]> {
        self.of_type(b'a').map(|value| value.split(|&byte| byte == b':').next().unwrap_or_default().trim_ascii())
    }

    /// The value of an attribute of that name; empty for a flag.
    pub fn attribute(&self, name: &str) -> Option<&[u8]> {
        let rest = self.of_type(b'a')?.strip_prefix(name.as_bytes())?;
        match rest.trim_ascii() {
            [] => Some(&[]),
            [b':', value @ ..] => Some(value.trim_ascii()),
            _ => None,
        }
    }

    /// Whether it is an attribute with one of these names.
    pub fn is_one_of(&self, names: &[&str]) -> bool {
        self.name().is_some_and(|name| names.iter().any(|other| other.as_bytes() == name))
    }
}

impl<'a> From<&'a [u8]> for Line<'a> {
    fn from(bytes: &'a [u8]) -> Line<'a> {
        Line(Cow::Borrowed(bytes))
    }
}

impl From<String> for Line<'_> {
    fn from(text: String) -> Self {
        Line(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Line<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Line(Cow::Owned(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_known_by_its_whole_name() {
        let line = |text: &'static str| Line::from(text.as_bytes());
        assert_eq!(Some(&b"5005 IN IP4 192.0.2.1"[..]), line("a=rtcp:5005 IN IP4 192.0.2.1").attribute("rtcp"));
        assert_eq!(None, line("a=rtcp-mux").attribute("rtcp"));
        assert_eq!(Some(&b""[..]), line("a=rtcp-mux ").attribute("rtcp-mux"));
        assert_eq!(None, line("b=rtcp").attribute("rtcp"));
        assert!(line("a=ice-lite").is_one_of(&["ice-ufrag", "ice-lite"]));
        assert_eq!("a=ptime:20", String::from_utf8_lossy(Line::attribute_of("ptime", Some("20")).bytes()));
    }
}
