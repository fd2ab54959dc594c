//! What cuts a stream connection's bytes into messages: SIP's own framing, or a WebSocket's behind its upgrade. It sends nothing.

use crate::connection::End;
use std::sync::Arc;
use tandem_sip::framing::{Frame, Framer};
use tandem_sip::limits::Limits;
use tandem_sip::refusal::Refusal;
use tandem_sip::ws::upgrade::{self, Upgrade};
use tandem_sip::ws::{self, Opcode, WsFrame, WsFramer};

/// What a connection holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// One whole message.
    Message(&'a [u8]),
    /// Line ends between messages: answer with one CRLF (RFC 5626 4.4.1).
    KeepAlive,
    /// Bytes to send as they are; then ask again.
    Answer(Vec<u8>),
    /// Nothing, but ask again.
    Again,
    /// Nothing whole is here yet.
    NeedMore,
    /// It is no SIP: answer what is pending, then close.
    Broken(Refusal),
    /// Bytes to send as they are, then close.
    Ended(Vec<u8>, End),
}

/// One connection's.
pub enum Cutter {
    /// TCP and TLS.
    Sip(Framer),
    /// WebSocket.
    Ws(WebSocket),
}

/// A WebSocket connection's.
pub struct WebSocket {
    origins: Arc<[String]>,
    /// The request that asks for the upgrade, as far as it came; `None` behind it.
    request: Option<Vec<u8>>,
    framer: WsFramer,
    ended: bool,
}

impl Cutter {
    /// For a WebSocket to come, from pages of these origins.
    pub fn web_socket(origins: Arc<[String]>, limits: Limits) -> Cutter {
        let framer = WsFramer::new(limits.message_bytes);
        Cutter::Ws(WebSocket { origins, request: Some(Vec::new()), framer, ended: false })
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Cutter::Sip(framer) => framer.push(bytes),
            Cutter::Ws(socket) => match &mut socket.request {
                Some(request) => request.extend_from_slice(bytes),
                None => socket.framer.push(bytes),
            },
        }
    }

    /// Whether it is a WebSocket's, past its upgrade: what is sent is framed too.
    pub fn frames(&self) -> bool {
        matches!(self, Cutter::Ws(socket) if socket.request.is_none())
    }

    /// Whether no part of anything waits for its rest.
    pub fn is_whole(&self) -> bool {
        match self {
            Cutter::Sip(framer) => framer.pending().is_empty(),
            Cutter::Ws(socket) => socket.request.is_none() && socket.framer.is_idle(),
        }
    }

    /// The message that broke the framing.
    pub fn pending(&self) -> &[u8] {
        match self {
            Cutter::Sip(framer) => framer.pending(),
            Cutter::Ws(_) => &[],
        }
    }

    /// Gives up the buffers of one that `is_whole`: tens of thousands of idle phones.
    pub fn rest(&mut self, limits: Limits) {
        match self {
            Cutter::Sip(framer) => *framer = Framer::new(limits),
            Cutter::Ws(socket) => socket.framer = WsFramer::new(limits.message_bytes),
        }
    }

    /// The next thing.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Cut<'_> {
        match self {
            Cutter::Sip(framer) => match framer.next() {
                Frame::Message(message) => Cut::Message(message),
                Frame::KeepAlive => Cut::KeepAlive,
                Frame::NeedMore => Cut::NeedMore,
                Frame::Broken(refusal) => Cut::Broken(refusal),
            },
            Cutter::Ws(socket) => socket.next(),
        }
    }
}

impl WebSocket {
    fn next(&mut self) -> Cut<'_> {
        if self.ended {
            return Cut::NeedMore;
        }
        if let Some(request) = &self.request {
            return match upgrade::read(request, &self.origins) {
                Upgrade::NeedMore => Cut::NeedMore,
                Upgrade::Accepted { answer, used } => {
                    self.framer.push(request.get(used..).unwrap_or_default());
                    self.request = None;
                    Cut::Answer(answer)
                }
                Upgrade::Refused { answer, .. } => {
                    self.ended = true;
                    Cut::Ended(answer, End::Upgrade)
                }
            };
        }
        match self.framer.next() {
            WsFrame::NeedMore => Cut::NeedMore,
            WsFrame::Pong => Cut::Again,
            WsFrame::Ping(payload) => {
                let mut pong = Vec::new();
                ws::push_frame(&mut pong, true, Opcode::Pong, payload, None);
                Cut::Answer(pong)
            }
            // RFC 7118 has no keep-alive of its own; clients send TCP's in a message.
            WsFrame::Message(b"\r\n\r\n") => Cut::KeepAlive,
            WsFrame::Message(b"\r\n" | b"") => Cut::Again,
            WsFrame::Message(message) => Cut::Message(message),
            WsFrame::Close(code) => {
                self.ended = true;
                goodbye(code, End::Peer)
            }
            WsFrame::Broken(error) => {
                self.ended = true;
                goodbye(error.code(), End::WebSocket)
            }
        }
    }
}

fn goodbye(code: u16, end: End) -> Cut<'static> {
    let mut close = Vec::new();
    ws::push_close(&mut close, code);
    Cut::Ended(close, end)
}
