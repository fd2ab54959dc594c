//! Messages cut from what a WebSocket client sends (RFC 6455 5 to 7): fragments joined, masks off. It answers nothing itself.

use super::frame::{unmask, Head, Opcode};

/// Frames that one message may have.
pub const FRAGMENTS: u32 = 1024;

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum WsFrame<'a> {
    /// One whole message.
    Message(&'a [u8]),
    /// To be answered with a pong that carries the same.
    Ping(&'a [u8]),
    /// A ping's answer, or a sign of life.
    Pong,
    /// The peer says goodbye with this code, 1005 for none: answer with the same, then close.
    Close(u16),
    /// Nothing whole is here yet.
    NeedMore,
    /// The stream cannot be read any further: say goodbye with the error's code, then close.
    Broken(WsError),
}

/// Why a stream ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// RFC 6455 is broken.
    #[error("WebSocket: {0}")]
    Protocol(&'static str),
    /// Text that is not UTF-8.
    #[error("WebSocket: text is not UTF-8")]
    Utf8,
    /// More bytes in one message than are allowed.
    #[error("WebSocket: message too large")]
    TooLarge,
    /// More than [`FRAGMENTS`] frames in one message.
    #[error("WebSocket: a message of more than {FRAGMENTS} frames")]
    Fragments,
}

impl WsError {
    /// The code to say goodbye with (RFC 6455 7.4.1).
    pub fn code(self) -> u16 {
        match self {
            WsError::Protocol(_) => 1002,
            WsError::Utf8 => 1007,
            WsError::Fragments => 1008,
            WsError::TooLarge => 1009,
        }
    }
}

/// Cuts one connection's stream. After each `push`, call `next` until it says `NeedMore`: then at most one message is held.
///
/// ```
/// use tandem_sip::ws::{push_frame, Opcode, WsFrame, WsFramer};
/// let mut bytes = Vec::new();
/// push_frame(&mut bytes, false, Opcode::Text, b"OPTIONS sip:a", Some([1, 2, 3, 4]));
/// push_frame(&mut bytes, true, Opcode::Continuation, b" SIP/2.0", Some([5, 6, 7, 8]));
/// let mut framer = WsFramer::new(65_535);
/// framer.push(&bytes);
/// assert_eq!(WsFrame::Message(b"OPTIONS sip:a SIP/2.0"), framer.next());
/// assert_eq!(WsFrame::NeedMore, framer.next());
/// ```
#[derive(Debug)]
pub struct WsFramer {
    message_bytes: usize,
    buf: Vec<u8>,
    /// Bytes of `buf` that were given out.
    used: usize,
    /// The message whose end has not come.
    parts: Vec<u8>,
    /// What kind of message that is, and of how many frames.
    joining: Option<(Opcode, u32)>,
    ended: Option<Result<u16, WsError>>,
}

impl WsFramer {
    /// A framer for a new connection, whose messages may have this many bytes.
    pub fn new(message_bytes: usize) -> WsFramer {
        WsFramer { message_bytes, buf: Vec::new(), used: 0, parts: Vec::new(), joining: None, ended: None }
    }

    /// Adds bytes as they came. After the end they are dropped.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.ended.is_some() {
            return;
        }
        self.buf.drain(..self.used.min(self.buf.len()));
        self.used = 0;
        self.buf.extend_from_slice(bytes);
    }

    /// Whether nothing is held: no part of a frame, no part of a message.
    pub fn is_idle(&self) -> bool {
        self.joining.is_none() && self.used >= self.buf.len()
    }

    /// The next frame.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> WsFrame<'_> {
        match self.step() {
            Ok(Some(range)) => self.given(range),
            Ok(None) => WsFrame::NeedMore,
            Err(end) => {
                self.ended = Some(end);
                (self.buf, self.parts, self.joining) = (Vec::new(), Vec::new(), None);
                end.map_or_else(WsFrame::Broken, WsFrame::Close)
            }
        }
    }

    fn given(&mut self, given: Given) -> WsFrame<'_> {
        let of = |bytes: &'_ Vec<u8>, start: usize, end: usize| -> std::ops::Range<usize> { start..end.min(bytes.len()) };
        match given {
            Given::Joined => WsFrame::Message(&self.parts),
            Given::Message(start, end) => WsFrame::Message(self.buf.get(of(&self.buf, start, end)).unwrap_or_default()),
            Given::Ping(start, end) => WsFrame::Ping(self.buf.get(of(&self.buf, start, end)).unwrap_or_default()),
            Given::Pong => WsFrame::Pong,
        }
    }

    /// Reads frames until one has something to tell. `Err`: the end.
    fn step(&mut self) -> Result<Option<Given>, Result<u16, WsError>> {
        if let Some(end) = self.ended {
            return Err(end);
        }
        loop {
            if self.joining.is_none() && !self.parts.is_empty() {
                self.parts = Vec::new(); // given out in the last turn
            }
            let most = self.message_bytes - self.parts.len().min(self.message_bytes);
            let head = Head::read(self.buf.get(self.used..).unwrap_or_default(), most).map_err(Err)?;
            let Some(head) = head else { return Ok(None) };
            let start = self.used + head.bytes;
            let end = start + head.payload;
            let Some(payload) = self.buf.get_mut(start..end) else { return Ok(None) };
            unmask(payload, head.mask);
            self.used = end;
            match head.opcode {
                Opcode::Ping => return Ok(Some(Given::Ping(start, end))),
                Opcode::Pong => return Ok(Some(Given::Pong)),
                Opcode::Close => return Err(closing(payload)),
                opcode => {
                    if let Some(given) = self.data(head.fin, opcode, start, end).map_err(Err)? {
                        return Ok(Some(given));
                    }
                }
            }
        }
    }

    fn data(&mut self, fin: bool, opcode: Opcode, start: usize, end: usize) -> Result<Option<Given>, WsError> {
        let payload = self.buf.get(start..end).unwrap_or_default();
        let (kind, frames) = match (self.joining, opcode) {
            (None, Opcode::Continuation) => return Err(WsError::Protocol("a continuation of nothing")),
            (Some(joining), Opcode::Continuation) => joining,
            (Some(_), _) => return Err(WsError::Protocol("a message within a message")),
            (None, kind) if fin => {
                if kind == Opcode::Text && std::str::from_utf8(payload).is_err() {
                    return Err(WsError::Utf8);
                }
                return Ok(Some(Given::Message(start, end)));
            }
            (None, kind) => (kind, 0),
        };
        if frames >= FRAGMENTS {
            return Err(WsError::Fragments);
        }
        self.parts.extend_from_slice(payload);
        self.joining = (!fin).then_some((kind, frames + 1));
        if !fin {
            return Ok(None);
        }
        if kind == Opcode::Text && std::str::from_utf8(&self.parts).is_err() {
            return Err(WsError::Utf8);
        }
        Ok(Some(Given::Joined))
    }
}

/// What a step found, by place in the buffer.
enum Given {
    Message(usize, usize),
    Joined,
    Ping(usize, usize),
    Pong,
}

/// The code of a Close, or why it is none (RFC 6455 5.5.1, 7.4).
fn closing(payload: &[u8]) -> Result<u16, WsError> {
    let (code, reason) = match payload {
        [] => return Ok(1005),
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
        [_] => return Err(WsError::Protocol("a close code of one byte")),
    };
    if std::str::from_utf8(reason).is_err() {
        return Err(WsError::Utf8);
    }
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(code),
        _ => Err(WsError::Protocol("a close code that nobody may send")),
    }
}

#[cfg(test)]
#[path = "framer_tests.rs"]
mod tests;
