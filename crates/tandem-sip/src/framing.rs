//! Messages cut from a byte stream (RFC 3261 18.3, RFC 5626 3.5.1). It reads no more of a message than where it ends.

use crate::index::line;
use crate::limits::Limits;
use crate::name::Name;
use crate::refusal::Refusal;
use crate::scan::{is_token, number};
use memchr::memmem;

/// What a stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// One whole message.
    Message(&'a [u8]),
    /// A double CRLF between messages: answer with one CRLF (RFC 5626 4.4.1). A run of them is told once.
    KeepAlive,
    /// Nothing whole is here yet.
    NeedMore,
    /// The stream cannot be cut any further: answer what `Framer::pending` holds, then close it.
    Broken(Refusal),
}

/// Cuts one connection's stream. After each `push`, call `next` until it says `NeedMore`: then at most one message is held.
///
/// ```
/// use tandem_sip::{framing::{Frame, Framer}, limits::Limits};
/// let mut framer = Framer::new(Limits::default());
/// framer.push(b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nl: 2\r\n\r\nhi");
/// assert_eq!(Frame::KeepAlive, framer.next());
/// assert_eq!(Frame::Message(b"OPTIONS sip:a SIP/2.0\r\nl: 2\r\n\r\nhi"), framer.next());
/// assert_eq!(Frame::NeedMore, framer.next());
/// ```
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buf: Vec<u8>,
    /// Bytes of `buf` that were given out.
    used: usize,
    /// Bytes after `used` in which no end of a head begins.
    searched: usize,
    /// Bytes of the message at `used`, once its head is whole.
    length: Option<usize>,
    /// A CRLF stood here and was no pair yet.
    half_pair: bool,
    broken: Option<Refusal>,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new(limits: Limits) -> Framer {
        Framer { limits, buf: Vec::new(), used: 0, searched: 0, length: None, half_pair: false, broken: None }
    }

    /// Adds bytes as they came. After `Broken` they are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        self.buf.drain(..self.used.min(self.buf.len()));
        self.used = 0;
        self.buf.extend_from_slice(bytes);
    }

    /// What has not been given out: after `Broken`, the message that is to blame.
    pub fn pending(&self) -> &[u8] {
        self.buf.get(self.used..).unwrap_or_default()
    }

    /// The next frame.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Frame<'_> {
        if let Some(refusal) = self.broken {
            return Frame::Broken(refusal);
        }
        if self.length.is_none() && self.searched == 0 && self.skip_line_ends() {
            return Frame::KeepAlive;
        }
        match self.end() {
            Ok(Some(length)) if length <= self.pending().len() => {
                let start = self.used;
                self.used += length;
                self.searched = 0;
                self.length = None;
                Frame::Message(self.buf.get(start..self.used).unwrap_or_default())
            }
            Ok(_) => Frame::NeedMore,
            Err(refusal) => {
                self.broken = Some(refusal);
                Frame::Broken(refusal)
            }
        }
    }

    /// Passes over line ends before a start line (RFC 3261 7.5); true when a pair of them was among them.
    fn skip_line_ends(&mut self) -> bool {
        let mut pair = false;
        while self.pending().starts_with(b"\r\n") {
            self.used += 2;
            pair |= self.half_pair;
            self.half_pair = !self.half_pair;
        }
        if self.pending().first().is_some_and(|&byte| byte != b'\r') {
            self.half_pair = false;
        }
        pair
    }

    /// Bytes of the message at `used`; None: its head is not whole.
    fn end(&mut self) -> Result<Option<usize>, Refusal> {
        if self.length.is_some() {
            return Ok(self.length);
        }
        let text = self.buf.get(self.used..).unwrap_or_default();
        // Not SIP at all (a TLS hello, HTTP/2): say so before a whole message's worth of it has come.
        if text.first().is_some_and(|&byte| !is_token(byte) && byte != b'\r')
            || (text.len() > 1 && text.first() == Some(&b'\r') && !text.starts_with(b"\r\n"))
        {
            return Err(Refusal::StartLine { why: "not a method" });
        }
        let limit = Refusal::MessageBytes { limit: self.limits.message_bytes };
        let Some(at) = memmem::find(text.get(self.searched..).unwrap_or_default(), b"\r\n\r\n") else {
            self.searched = text.len().saturating_sub(3);
            return if text.len() > self.limits.message_bytes { Err(limit) } else { Ok(None) };
        };
        let head = self.searched + at + 4;
        self.searched += at;
        let length = content_length(text.get(..head).unwrap_or_default())?;
        if length > self.limits.body_bytes {
            return Err(Refusal::BodyBytes { limit: self.limits.body_bytes });
        }
        if head + length > self.limits.message_bytes {
            return Err(limit);
        }
        self.length = Some(head + length);
        Ok(self.length)
    }
}

/// Content-Length of a head with its empty line. Lines that are no headers are passed over: `Message::parse` refuses them.
fn content_length(head: &[u8]) -> Result<usize, Refusal> {
    let field = "content-length";
    let mut found = None;
    let mut at = memchr::memchr(b'\n', head).map_or(head.len(), |end| end + 1);
    while let Some(rest) = head.get(at..).filter(|rest| !rest.is_empty()) {
        let Ok(line) = line(rest, at) else {
            at += memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            continue;
        };
        at = line.end as usize;
        if line.name == Name::ContentLength {
            let value = number(line.value.of(head), u64::from(u32::MAX / 2));
            let length = value.ok_or(Refusal::Value { field, why: "not a number of bytes" })? as usize;
            if found.replace(length).is_some() {
                return Err(Refusal::Twice { field });
            }
        }
    }
    found.ok_or(Refusal::Missing { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8], step: usize) -> Vec<String> {
        let mut framer = Framer::new(Limits { message_bytes: 100, body_bytes: 50, ..Limits::default() });
        let mut list = Vec::new();
        for part in bytes.chunks(step) {
            framer.push(part);
            loop {
                match framer.next() {
                    Frame::NeedMore => break,
                    Frame::Message(message) => list.push(String::from_utf8_lossy(message).into_owned()),
                    Frame::KeepAlive => list.push("keep-alive".into()),
                    Frame::Broken(refusal) => {
                        list.push(format!("{} {}", refusal.status(), refusal.field()));
                        return list;
                    }
                }
            }
        }
        list
    }

    #[test]
    fn a_stream_is_cut_alike_wherever_it_is_split() {
        let one = "A sip:a SIP/2.0\r\nContent-Length\t :\r\n 3\r\n\r\nabc";
        let two = "B sip:a SIP/2.0\r\nl:0\r\n\r\n";
        let all = format!("\r\n{one}{two}\r\n\r\n{one}");
        for step in 1..=all.len() {
            assert_eq!(vec![one, two, "keep-alive", one], frames(all.as_bytes(), step), "step {step}");
        }
    }

    #[test]
    fn what_cannot_be_cut_breaks_the_stream() {
        for (bytes, why) in [
            ("A a SIP/2.0\r\nX: 1\r\n\r\n", "400 content-length"),
            ("A a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\n", "400 content-length"),
            ("A a SIP/2.0\r\nl: -1\r\n\r\n", "400 content-length"),
            ("A a SIP/2.0\r\nl: 99999999999999999999\r\n\r\n", "400 content-length"),
            ("A a SIP/2.0\r\nl: 51\r\n\r\n", "513 body"),
            ("\x16\x03\x01", "400 start line"),
            (&"a".repeat(101), "513 message"),
            (&format!("A a SIP/2.0\r\nX: {}\r\nl: 50\r\n\r\n", "x".repeat(30)), "513 message"),
        ] {
            for step in [1, 7, 1000] {
                assert_eq!(vec![why.to_string()], frames(bytes.as_bytes(), step), "{bytes}");
            }
        }
    }

    #[test]
    fn a_flood_of_line_ends_is_answered_once_a_push_and_kept_nowhere() {
        let mut framer = Framer::new(Limits::default());
        framer.push(&b"\r\n".repeat(10_000));
        assert_eq!(Frame::KeepAlive, framer.next());
        assert_eq!(Frame::NeedMore, framer.next());
        assert!(framer.pending().is_empty());
    }
}
