//! Where a message's headers stand in its bytes: offsets only, kept and used again for the next message. It holds no byte of the message.

use crate::address;
use crate::limits::Limits;
use crate::name::Name;
use crate::refusal::Refusal;
use crate::scan::{is_lws, is_token, near, number, trim, Span};
use crate::via;
use memchr::memchr2;

/// RFC 3261 7.5: line ends before the start line are passed over; so many bytes of them at most.
pub const LEADING_BYTES: usize = 16;

/// Bytes of a header's name with the white space before its colon. Without it, a head of bad lines would be searched for colons in squares.
pub const NAME_BYTES: usize = 512;

/// A reusable header index. Nothing is allocated for a message with no more lines than one before it.
///
/// ```
/// let mut index = tandem_sip::index::Index::default();
/// ```
#[derive(Debug, Default)]
pub struct Index {
    pub(crate) lines: Vec<Line>,
    pub(crate) first: First,
    pub(crate) start: Start,
    pub(crate) call_id: Span,
    pub(crate) cseq: u32,
    pub(crate) cseq_method: Span,
    pub(crate) from_tag: Option<Span>,
    pub(crate) to_tag: Option<Span>,
    /// Where the first Via value begins; the spans count from there.
    pub(crate) via_at: Span,
    pub(crate) via: via::Spans,
    via_lines: u32,
    pub(crate) length: Option<u32>,
    pub(crate) body: Span,
}

/// One header with its folds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) start: u32,
    pub(crate) name_end: u32,
    /// Trimmed.
    pub(crate) value: Span,
    /// After the CRLF.
    pub(crate) end: u32,
    pub(crate) name: Name,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Start {
    #[default]
    None,
    Request {
        method: Span,
        uri: Span,
    },
    Response {
        status: u16,
        reason: Span,
    },
}

/// The number of the first line of each name, plus one.
#[derive(Debug)]
pub(crate) struct First([u16; Name::COUNT]);

impl Default for First {
    fn default() -> Self {
        First([0; Name::COUNT])
    }
}

impl First {
    #[inline]
    pub(crate) fn get(&self, name: Name) -> Option<usize> {
        (self.0.get(name as usize).copied().unwrap_or(0) as usize).checked_sub(1)
    }
}

/// RFC 3261 8.1.1 and 20: headers that stand at most once, of those that decide where a message belongs and ends.
const ONCE: [Name; 6] = [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentLength];

impl Index {
    /// Indexes one datagram, or one message of a stream.
    pub(crate) fn read(&mut self, buf: &[u8], limits: &Limits) -> Result<(), Refusal> {
        self.clear();
        if buf.len() > limits.message_bytes.min(u32::MAX as usize / 2) {
            return Err(Refusal::MessageBytes { limit: limits.message_bytes });
        }
        let at = self.start_line(buf, limits)?;
        let body = self.headers(buf, at, limits)?;
        self.routing(buf, limits)?;
        self.sequence(buf)?;
        self.content(buf, body, limits)
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.first = First::default();
        self.start = Start::None;
        self.length = None;
        self.via_lines = 0;
        self.from_tag = None;
        self.to_tag = None;
    }

    pub(crate) fn start_line(&mut self, buf: &[u8], limits: &Limits) -> Result<usize, Refusal> {
        let mut at = 0;
        while let Some(b'\r' | b'\n') = buf.get(at) {
            at += 1;
            if at > LEADING_BYTES {
                return Err(Refusal::Empty);
            }
        }
        let text = buf.get(at..).unwrap_or_default();
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        let line = text.get(..memchr2(b'\r', b'\n', text).ok_or(Refusal::Line { why: "no end" })?).unwrap_or_default();
        let end = at + line.len();
        if !buf.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            return Err(Refusal::Line { why: "bare CR or LF" });
        }
        self.start = if line.get(..4).is_some_and(|four| four.eq_ignore_ascii_case(b"SIP/")) {
            response(buf, line)?
        } else {
            request(buf, line, limits)?
        };
        Ok(end + 2)
    }

    /// Reads header lines from `at` on; gives where the body begins.
    #[inline]
    fn headers(&mut self, buf: &[u8], mut at: usize, limits: &Limits) -> Result<usize, Refusal> {
        let headers = limits.headers.min(u16::MAX as usize - 1);
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            if let [b'\r', b'\n', ..] = rest {
                return Ok(at + 2);
            }
            if self.lines.len() >= headers {
                return Err(Refusal::Headers { limit: limits.headers });
            }
            let line = line(rest, at)?;
            if (line.end - line.start) as usize > limits.header_bytes {
                let field = if line.name == Name::Other { "header" } else { line.name.long() };
                return Err(Refusal::HeaderBytes { field, limit: limits.header_bytes });
            }
            at = line.end as usize;
            self.add(line)?;
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, line: Line) -> Result<(), Refusal> {
        if let Some(first) = self.first.0.get_mut(line.name as usize) {
            if *first == 0 {
                *first = self.lines.len() as u16 + 1;
            } else if ONCE.contains(&line.name) {
                return Err(Refusal::Twice { field: line.name.long() });
            }
        }
        self.via_lines += u32::from(line.name == Name::Via);
        self.lines.push(line);
        Ok(())
    }

    #[inline]
    pub(crate) fn span(&self, name: Name) -> Option<Span> {
        self.lines.get(self.first.get(name)?).map(|line| line.value)
    }

    /// Via, From, To and Call-ID: what says where a message belongs.
    #[inline]
    fn routing(&mut self, buf: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let need = |name: Name| self.span(name).ok_or(Refusal::Missing { field: name.long() });
        let (via, from, to, call_id) = (need(Name::Via)?, need(Name::From)?, need(Name::To)?, need(Name::CallId)?);
        let bad = |field| move |why| Refusal::Value { field, why };
        let (spans, more) = via::Spans::read(via.of(buf)).map_err(bad("via"))?;
        let one = more.is_empty() && self.via_lines == 1;
        if if one { 1 } else { self.vias(buf) } > limits.vias {
            return Err(Refusal::Vias { limit: limits.vias });
        }
        (self.via_at, self.via) = (via, spans);
        self.from_tag = one_tag(buf, from).map_err(bad("from"))?;
        self.to_tag = one_tag(buf, to).map_err(bad("to"))?;
        let id = call_id.of(buf);
        if id.is_empty() || id.iter().fold(false, |bad, &byte| bad | (byte <= b' ')) {
            return Err(bad("call-id")("empty or with white space"));
        }
        self.call_id = call_id;
        Ok(())
    }

    /// Via values; a comma in a quoted parameter counts too: no peer writes one.
    #[inline]
    fn vias(&self, buf: &[u8]) -> usize {
        let lines = self.first.get(Name::Via).and_then(|first| self.lines.get(first..)).unwrap_or_default();
        let vias = lines.iter().filter(|line| line.name == Name::Via);
        vias.map(|line| 1 + line.value.of(buf).iter().filter(|&&byte| byte == b',').count()).sum()
    }

    /// CSeq (RFC 3261 8.1.1.5: below 2^31, and the method of the request).
    #[inline]
    fn sequence(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        let bad = |why| Refusal::Value { field: "cseq", why };
        let value = self.span(Name::CSeq).ok_or(Refusal::Missing { field: "cseq" })?.of(buf);
        let at = value.iter().position(|&byte| is_lws(byte)).ok_or(bad("no method"))?;
        let (digits, method) = value.split_at_checked(at).ok_or(bad("no method"))?;
        self.cseq = number(digits, (1 << 31) - 1).ok_or(bad("not a number below 2^31"))? as u32;
        let method = trim(method);
        self.cseq_method = Span::within(buf, method);
        match self.start {
            Start::Request { method: asked, .. } if asked.of(buf) == method => Ok(()),
            Start::Request { .. } => Err(bad("not the request's method")),
            _ if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) => Err(bad("no method")),
            _ => Ok(()),
        }
    }

    /// Content-Length and the body (RFC 3261 18.3, datagrams: missing means to the end, what is beyond it is ignored).
    #[inline]
    fn content(&mut self, buf: &[u8], body: usize, limits: &Limits) -> Result<(), Refusal> {
        let have = buf.len().saturating_sub(body);
        let length = match self.span(Name::ContentLength) {
            None => have,
            Some(span) => {
                let most = u64::from(u32::MAX / 2);
                let length = number(span.of(buf), most).ok_or(Refusal::Value { field: "content-length", why: "not a number of bytes" })?;
                self.length = Some(length as u32);
                length as usize
            }
        };
        if length > limits.body_bytes {
            return Err(Refusal::BodyBytes { limit: limits.body_bytes });
        }
        if length > have {
            return Err(Refusal::Truncated { length, have });
        }
        self.body = Span::new(body, body + length);
        Ok(())
    }
}

/// Reads one header with its folds; `rest` begins at `at` of the message.
#[inline(always)] // measured: a `Line` handed back through memory costs as much as reading it
pub(crate) fn line(rest: &[u8], at: usize) -> Result<Line, Refusal> {
    let colon = near(rest.get(..NAME_BYTES).unwrap_or(rest), b':')
        .ok_or(Refusal::Line { why: if rest.is_empty() { "the head has no end" } else { "not name: value" } })?;
    let mut name_end = colon;
    while let Some(b' ' | b'\t') = name_end.checked_sub(1).and_then(|last| rest.get(last)) {
        name_end -= 1;
    }
    let raw_name = rest.get(..name_end).unwrap_or_default();
    let name = Name::parse(raw_name);
    if name == Name::Other && (raw_name.is_empty() || !raw_name.iter().all(|&byte| is_token(byte))) {
        return Err(Refusal::Line { why: "not name: value" });
    }
    let mut end = colon + 1;
    loop {
        let tail = rest.get(end..).unwrap_or_default();
        end += memchr2(b'\r', b'\n', tail).ok_or(Refusal::Line { why: "the head has no end" })?;
        match rest.get(end..).unwrap_or_default() {
            [b'\r', b'\n', b' ' | b'\t', ..] => end += 3, // RFC 3261 7.3.1: the header goes on
            [b'\r', b'\n', ..] => break,
            _ => return Err(Refusal::Line { why: "bare CR or LF" }),
        }
    }
    let (mut first, mut last) = (colon + 1, end);
    while first < last && rest.get(first).is_some_and(|&byte| is_lws(byte)) {
        first += 1;
    }
    while first < last && rest.get(last - 1).is_some_and(|&byte| is_lws(byte)) {
        last -= 1;
    }
    Ok(Line {
        start: at as u32,
        name_end: (at + name_end) as u32,
        value: Span::new(at + first, at + last),
        end: (at + end + 2) as u32,
        name,
    })
}

#[inline]
fn one_tag(buf: &[u8], value: Span) -> Result<Option<Span>, &'static str> {
    let first = address::read(value.of(buf))?;
    if !first.rest.is_empty() {
        return Err("more than one value");
    }
    Ok(first.tag.map(|tag| Span::within(buf, tag)))
}

/// `Method SP Request-URI SP SIP/2.0`, single spaces (RFC 3261 7.1).
#[inline]
fn request(buf: &[u8], line: &[u8], limits: &Limits) -> Result<Start, Refusal> {
    let bad = |why| Refusal::StartLine { why };
    let at = line.iter().position(|&byte| !is_token(byte)).ok_or(bad("no Request-URI"))?;
    let (method, rest) = line.split_at_checked(at).ok_or(bad("no method"))?;
    let rest = rest.strip_prefix(b" ").filter(|_| !method.is_empty()).ok_or(bad("no method"))?;
    let (uri, version) = rest.split_at_checked(memchr::memchr(b' ', rest).ok_or(bad("no version"))?).ok_or(bad("no version"))?;
    if uri.len() > limits.uri_bytes {
        return Err(Refusal::UriBytes { limit: limits.uri_bytes });
    }
    if uri.is_empty() {
        return Err(bad("more than one space"));
    }
    if !version.eq_ignore_ascii_case(b" SIP/2.0") {
        let other = version.get(1..5).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"));
        let digits = version.get(5..).unwrap_or_default();
        let other = other && !digits.is_empty() && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        return Err(if other { Refusal::Version } else { bad("white space or text after the Request-URI") });
    }
    if uri.iter().fold(false, |bad, &byte| bad | (byte <= b' ') | (byte == b'<') | (byte == b'>') | (byte == b'"') | (byte == 0x7f)) {
        return Err(Refusal::Value { field: "request-uri", why: "a character that no URI has" });
        // RFC 4475 3.1.2.7
    }
    Ok(Start::Request { method: Span::within(buf, method), uri: Span::within(buf, uri) })
}

/// `SIP/2.0 SP 3DIGIT SP Reason` (RFC 3261 7.2); the last space may be absent where the reason is empty.
fn response(buf: &[u8], line: &[u8]) -> Result<Start, Refusal> {
    let bad = |why| Refusal::StartLine { why };
    let rest = line.get(4..).unwrap_or_default();
    let Some(rest) = rest.strip_prefix(b"2.0 ") else { return Err(Refusal::Version) };
    let (digits, rest) = rest.split_at_checked(3).ok_or(bad("no status"))?;
    let status = number(digits, 699).filter(|status| *status >= 100).ok_or(bad("status is not 100..699"))?;
    let reason = if rest.is_empty() { rest } else { rest.strip_prefix(b" ").ok_or(bad("status has more than 3 digits"))? };
    Ok(Start::Response { status: status as u16, reason: Span::within(buf, reason) })
}
