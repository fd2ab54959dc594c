//! Requests that a proxy makes itself for an INVITE that it forwarded: its CANCEL and the ACK to a refusal (RFC 3261 9.1, 17.1.1.3).
//! It sends nothing.

use super::edit::MAX_FORWARDS;
use crate::decimal;
use crate::message::Message;
use crate::name::Name;

/// Appends the CANCEL of a forwarded INVITE.
pub(super) fn cancel(out: &mut Vec<u8>, invite: &Message<'_>) {
    hop_request(out, invite, b"CANCEL", invite);
}

/// Appends the ACK to a final response of a forwarded INVITE; the To is the response's, which has the tag.
pub(super) fn ack(out: &mut Vec<u8>, invite: &Message<'_>, response: &Message<'_>) {
    hop_request(out, invite, b"ACK", response);
}

fn hop_request(out: &mut Vec<u8>, invite: &Message<'_>, method: &[u8], to: &Message<'_>) {
    for part in [method, b" ", invite.uri(), b" SIP/2.0\r\n"] {
        out.extend_from_slice(part);
    }
    let line_of = |message: &Message<'_>, name| message.headers_named(name).next().map(|header| header.line.to_owned());
    // Ours stands alone in its line.
    for line in [line_of(invite, Name::Via), line_of(invite, Name::From), line_of(to, Name::To), line_of(invite, Name::CallId)] {
        out.extend_from_slice(&line.unwrap_or_default());
    }
    invite.headers_named(Name::Route).for_each(|header| out.extend_from_slice(header.line));
    out.extend_from_slice(b"CSeq: ");
    decimal::push(out, invite.cseq().0);
    for part in [b" ", method, b"\r\nMax-Forwards: "] {
        out.extend_from_slice(part);
    }
    decimal::push(out, MAX_FORWARDS);
    out.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
}
