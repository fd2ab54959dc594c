//! Answers of the proxy's own: refusals and the 200 to an OPTIONS that ends here. No state: the ACK to one is known by its tag.

use super::hop::Source;
use super::output::Output;
use super::{Proxy, Verdict};
use crate::challenge::{fit, stateless_tag};
use crate::frame::Transport;
use crate::message::Message;
use crate::question::Question;

/// What we say that we do, to who asks us ourselves.
const OPTIONS: &[u8] = b"Accept: */*\r\nSupported: path, outbound\r\n";

impl Proxy {
    /// Answers a request. `headers` are complete lines, the first to be left out where the answer would be longer than the question
    /// (over UDP, to who is no member: a source there may be forged). False: an ACK, or not even the shortest fits.
    pub(super) fn refuse(&mut self, message: &Message<'_>, source: &Source, status: &str, headers: &[u8], out: &mut Output) -> bool {
        if message.method_bytes() == b"ACK" || !message.is_request() {
            return false;
        }
        let question = Question::of(message);
        let stranger = source.transport == Transport::Udp && self.pools.member_at(source.remote, source.transport).is_none();
        let most = if stranger { question.length } else { usize::MAX };
        let tag = stateless_tag(&self.keys, &question);
        let mut answer = Vec::new();
        if !fit(&mut answer, &question, source.remote, most, &tag, status, &[(headers, false), (headers, true), (b"", false), (b"", true)])
        {
            return false;
        }
        let start = out.bytes.len();
        out.bytes.extend_from_slice(&answer);
        let remote = super::identity::towards(&message.top_via(), source.remote);
        let back = source.back();
        let hop = if source.transport == Transport::Udp { super::Hop { remote, ..back } } else { back };
        out.sent(start, hop, 0);
        true
    }

    /// Answers an OPTIONS that goes no further (RFC 3261 11.2, 16.3).
    pub(super) fn answer_options(&mut self, message: &Message<'_>, source: &Source, out: &mut Output) -> bool {
        self.refuse(message, source, "200 OK", OPTIONS, out)
    }
}

/// What became of a request that we wanted to answer.
pub(super) fn said(answered: bool, why: &'static str) -> Verdict {
    if answered {
        Verdict::Answered(why)
    } else {
        Verdict::Silence(why)
    }
}

/// `403 Forbidden`, for statuses that an operator chose.
pub(super) fn status_line(status: u16) -> String {
    let reason = match status {
        302 => "Moved Temporarily",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Refused",
    };
    format!("{status} {reason}")
}
