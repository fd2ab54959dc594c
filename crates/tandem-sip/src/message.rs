//! A SIP message as a view over its bytes: what was indexed, by name. It owns nothing and changes nothing.

use crate::index::{line, Index, Line, Start};
use crate::limits::Limits;
use crate::name::Name;
use crate::refusal::Refusal;
use crate::scan::{is_token, number, Span, Values};
use crate::via::{self, Via};

/// A method (RFC 3261 7.1: case counts). `Other` holds one that is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method<'a> {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Info,
    Refer,
    Subscribe,
    Notify,
    Message,
    Publish,
    Other(&'a [u8]),
}

impl<'a> Method<'a> {
    /// The method of these bytes.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Method<'a> {
        match bytes {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"REGISTER" => Method::Register,
            b"PRACK" => Method::Prack,
            b"UPDATE" => Method::Update,
            b"INFO" => Method::Info,
            b"REFER" => Method::Refer,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"MESSAGE" => Method::Message,
            b"PUBLISH" => Method::Publish,
            other => Method::Other(other),
        }
    }
}

/// One message: a request or a response.
#[derive(Clone, Copy, Debug)]
pub struct Message<'b> {
    pub(crate) buf: &'b [u8],
    pub(crate) index: &'b Index,
}

/// One header as it stands in the message.
#[derive(Clone, Copy, Debug)]
pub struct Header<'b> {
    /// Its name, `Name::Other` if Tandem does not know it.
    pub name: Name,
    /// The name as written.
    pub raw_name: &'b [u8],
    /// The value, trimmed; folds inside are kept.
    pub value: &'b [u8],
    /// The whole line with its folds and its last CRLF.
    pub line: &'b [u8],
}

impl<'b> Message<'b> {
    /// Reads one datagram, or one message that `framing` cut from a stream. RFC 3261 18.3: without Content-Length the body goes to
    /// the end of the datagram, and what is beyond Content-Length is ignored.
    ///
    /// Checked here: start line, header lines, limits, Via (the first), From, To, Call-ID, CSeq, Content-Length. Everything else is
    /// checked by whoever reads it, or by [`Message::check`].
    ///
    /// ```
    /// use tandem_sip::{index::Index, limits::Limits, message::{Message, Method}};
    /// let bytes = b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni: x\r\nCSeq: 7 BYE\r\n\r\n";
    /// let mut index = Index::default();
    /// let message = Message::parse(bytes, &Limits::default(), &mut index).unwrap();
    /// assert_eq!((Method::Bye, 7), (message.method(), message.cseq().0));
    /// ```
    ///
    /// # Errors
    /// What is wrong; [`Message::salvage`] then gives what is needed to say so.
    #[inline]
    pub fn parse(buf: &'b [u8], limits: &Limits, index: &'b mut Index) -> Result<Message<'b>, Refusal> {
        index.read(buf, limits)?;
        Ok(Message { buf, index })
    }

    /// What can be read of a request that `parse` refused: enough to answer it with `build::response`. None: there is nobody to
    /// answer (a response, an ACK, no readable Via).
    pub fn salvage(buf: &'b [u8], limits: &Limits, index: &'b mut Index) -> Option<Message<'b>> {
        index.clear();
        let head = buf.get(..limits.message_bytes).unwrap_or(buf);
        let text = crate::scan::trim_start(head);
        let method = text.get(..text.iter().position(|&byte| !is_token(byte))?).filter(|method| !method.is_empty())?;
        if method == b"ACK" || text.get(..4).is_some_and(|four| four.eq_ignore_ascii_case(b"SIP/")) {
            return None;
        }
        index.start = Start::Request { method: Span::within(buf, method), uri: Span::default() };
        index.cseq_method = Span::within(buf, method);
        index.body = Span::default();
        let mut at = Span::within(buf, text).start as usize;
        while let Some(end) = memchr::memchr(b'\n', head.get(at..)?) {
            at += end + 1;
            let rest = head.get(at..)?;
            if rest.starts_with(b"\r\n") || index.lines.len() >= limits.headers.min(u16::MAX as usize - 1) {
                break;
            }
            if let Ok(line) = line(rest, at) {
                at = line.end as usize - 1;
                let _ = index.add(line); // a repeated one: the first counts
            }
        }
        index.via_at = index.span(Name::Via)?;
        index.via = via::Spans::salvage(index.via_at.of(buf))?;
        index.call_id = index.span(Name::CallId).unwrap_or_default();
        index.cseq = 0;
        index.to_tag = index.span(Name::To).and_then(|to| {
            let at = to.of(buf).windows(4).position(|four| four.eq_ignore_ascii_case(b"tag="))?;
            Some(Span::new(to.start as usize + at + 4, to.end as usize))
        });
        Some(Message { buf, index })
    }

    /// The bytes of the whole message; what a datagram has beyond Content-Length is cut.
    pub fn bytes(&self) -> &'b [u8] {
        self.buf.get(..self.index.body.end as usize).unwrap_or(self.buf)
    }

    /// Whether it is a request.
    #[inline]
    pub fn is_request(&self) -> bool {
        matches!(self.index.start, Start::Request { .. })
    }

    /// The method: of the request, or of the request that is answered.
    #[inline]
    pub fn method(&self) -> Method<'b> {
        Method::parse(self.method_bytes())
    }

    /// The method's bytes.
    #[inline]
    pub fn method_bytes(&self) -> &'b [u8] {
        match self.index.start {
            Start::Request { method, .. } => method.of(self.buf),
            _ => self.index.cseq_method.of(self.buf),
        }
    }

    /// The Request-URI; empty for a response.
    #[inline]
    pub fn uri(&self) -> &'b [u8] {
        match self.index.start {
            Start::Request { uri, .. } => uri.of(self.buf),
            _ => &[],
        }
    }

    /// The status, 100..=699; 0 for a request.
    #[inline]
    pub fn status(&self) -> u16 {
        match self.index.start {
            Start::Response { status, .. } => status,
            _ => 0,
        }
    }

    /// The reason phrase; may be empty.
    #[inline]
    pub fn reason(&self) -> &'b [u8] {
        match self.index.start {
            Start::Response { reason, .. } => reason.of(self.buf),
            _ => &[],
        }
    }

    /// The value of the first header of this name, trimmed; folds inside are kept.
    #[inline]
    pub fn first(&self, name: Name) -> Option<&'b [u8]> {
        Some(self.index.span(name)?.of(self.buf))
    }

    /// The values of all header lines of this name, in order.
    #[inline]
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'b [u8]> + Clone + 'b {
        self.headers_named(name).map(|header| header.value)
    }

    /// The values of this name over all its lines, split at commas. Not for headers whose grammar has other commas
    /// (Authorization and its like, Date).
    pub fn values(&self, name: Name) -> impl Iterator<Item = &'b [u8]> + Clone + 'b {
        self.all(name).flat_map(Values::new)
    }

    /// Every header, in order.
    #[inline]
    pub fn headers(&self) -> impl Iterator<Item = Header<'b>> + Clone + 'b {
        let buf = self.buf;
        self.index.lines.iter().map(move |line| header(buf, line))
    }

    /// The headers of one name, in order.
    #[inline]
    pub fn headers_named(&self, name: Name) -> impl Iterator<Item = Header<'b>> + Clone + 'b {
        let buf = self.buf;
        let from = self.index.first.get(name).unwrap_or(self.index.lines.len());
        let lines = self.index.lines.get(from..).unwrap_or_default();
        lines.iter().filter(move |line| line.name == name).map(move |line| header(buf, line))
    }

    /// The Call-ID.
    #[inline]
    pub fn call_id(&self) -> &'b [u8] {
        self.index.call_id.of(self.buf)
    }

    /// The CSeq: number and method.
    #[inline]
    pub fn cseq(&self) -> (u32, &'b [u8]) {
        (self.index.cseq, self.index.cseq_method.of(self.buf))
    }

    /// The tag of From; None for an RFC 2543 peer.
    #[inline]
    pub fn from_tag(&self) -> Option<&'b [u8]> {
        Some(self.index.from_tag?.of(self.buf))
    }

    /// The tag of To; None outside dialogs.
    #[inline]
    pub fn to_tag(&self) -> Option<&'b [u8]> {
        Some(self.index.to_tag?.of(self.buf))
    }

    /// The first Via value.
    #[inline]
    pub fn top_via(&self) -> Via<'b> {
        self.index.via.of(self.index.via_at.of(self.buf))
    }

    /// The body.
    #[inline]
    pub fn body(&self) -> &'b [u8] {
        self.index.body.of(self.buf)
    }

    /// What Content-Length says; None if it is absent.
    #[inline]
    pub fn content_length(&self) -> Option<u32> {
        self.index.length
    }

    /// Max-Forwards: None if it is absent.
    ///
    /// # Errors
    /// It is not a number of 0..=255 (RFC 3261 20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>, Refusal> {
        let bad = Refusal::Value { field: "max-forwards", why: "not 0..255" };
        self.first(Name::MaxForwards).map(|value| number(value, 255).map(|hops| hops as u8).ok_or(bad)).transpose()
    }
}

#[inline]
fn header<'b>(buf: &'b [u8], line: &Line) -> Header<'b> {
    Header {
        name: line.name,
        raw_name: Span { start: line.start, end: line.name_end }.of(buf),
        value: line.value.of(buf),
        line: Span { start: line.start, end: line.end }.of(buf),
    }
}
