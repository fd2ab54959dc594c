//! What the proxy wants done: messages to send, and what became of members. A buffer that is used again; it sends nothing.

use super::hop::{Hop, Source};
use super::policy::Question;
use crate::frame::Transport;
use crate::pool::Change;
use std::net::SocketAddr;

/// One message to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send {
    /// Where it stands in [`Output::bytes`].
    pub start: u32,
    /// Where it ends there.
    pub end: u32,
    /// Where it goes.
    pub hop: Hop,
    /// Told to [`super::Proxy::failed`] when it could not be sent; 0: nobody asks.
    pub cookie: u64,
}

/// Filled by one call, emptied by the caller.
#[derive(Debug, Default)]
pub struct Output {
    /// The messages' bytes, one behind the other.
    pub bytes: Vec<u8>,
    /// What to send, in order.
    pub sends: Vec<Send>,
    /// What became of members: for the log and for siblings.
    pub changes: Vec<Change>,
    /// Calls that ended and that another edge counts: the edge and the call.
    pub ended: Vec<(u16, u64)>,
    /// What the operator's functions are to be asked.
    pub questions: Vec<Question>,
    /// Messages that waited and have no route: as [`super::Verdict::Pass`].
    pub passed: Vec<(Source, Vec<u8>)>,
    /// Who is no member and refused with 503, said nothing, or could not be reached (RFC 3263 4.3).
    pub unwell: Vec<(Transport, SocketAddr)>,
}

impl Output {
    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
        self.changes.clear();
        self.ended.clear();
        self.questions.clear();
        self.passed.clear();
        self.unwell.clear();
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        let quiet = self.changes.is_empty() && self.ended.is_empty() && self.questions.is_empty();
        quiet && self.sends.is_empty() && self.passed.is_empty() && self.unwell.is_empty()
    }

    /// The bytes of one message.
    pub fn of(&self, send: &Send) -> &[u8] {
        self.bytes.get(send.start as usize..send.end as usize).unwrap_or_default()
    }

    /// What was appended since `start` goes to `hop`.
    pub(super) fn sent(&mut self, start: usize, hop: Hop, cookie: u64) {
        self.sends.push(Send { start: start as u32, end: self.bytes.len() as u32, hop, cookie });
    }
}
