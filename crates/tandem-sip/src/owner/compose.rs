//! Completes messages of ours: Via, Contact and Content-Length; makes the ACK to a refusal. It sends nothing.

use super::glance::Glance;
use crate::decimal;
use crate::frame::Transport;
use crate::ids::Keys;
use memchr::memmem;

/// The Contact to write, if any.
pub struct ContactOf<'a> {
    /// `""`, or a dialog name with options: boundary.md, 3.
    pub text: &'a [u8],
    /// Shard of the call.
    pub shard: u16,
    /// Call-ID of the dialog: the token's MAC covers it.
    pub call_id: &'a [u8],
    /// `host:port` that the peer talks to.
    pub advertised: &'a [u8],
    /// Transport that the peer talks.
    pub transport: Transport,
}

/// Appends `message` with `vias` and Contact behind the start line and Content-Length at the end of the header.
/// False, and nothing appended, when the message has no start line or no empty line.
pub fn complete(out: &mut Vec<u8>, message: &[u8], vias: &[u8], contact: Option<(&ContactOf<'_>, &Keys)>) -> bool {
    let (Some(first), Some(end)) = (memmem::find(message, b"\r\n"), memmem::find(message, b"\r\n\r\n")) else { return false };
    let (start, headers, body) = (&message[..first + 2], &message[first + 2..end.max(first) + 2], &message[end + 4..]);
    out.reserve(message.len() + vias.len() + 160);
    out.extend_from_slice(start);
    out.extend_from_slice(vias);
    if let Some((contact, keys)) = contact {
        push_contact(out, contact, keys);
    }
    out.extend_from_slice(headers);
    push_length(out, body.len());
    out.extend_from_slice(body);
    true
}

/// Appends the Via line of a request of ours.
pub fn push_via(out: &mut Vec<u8>, transport: Transport, advertised: &[u8], keys: &Keys, call: &[u8], n: u32) {
    out.extend_from_slice(b"Via: SIP/2.0/");
    out.extend_from_slice(transport.via().as_bytes());
    out.push(b' ');
    out.extend_from_slice(advertised);
    out.extend_from_slice(b";branch=");
    keys.push_branch(out, call, n);
    out.extend_from_slice(b";rport\r\n");
}

fn push_contact(out: &mut Vec<u8>, contact: &ContactOf<'_>, keys: &Keys) {
    let mut parts = contact.text.split(|c| *c == b';');
    let Some(Ok(dialog)) = parts.next().map(<[u8; 2]>::try_from) else { return };
    let user = parts.find_map(|part| part.strip_prefix(b"user="));
    out.extend_from_slice(b"Contact: <sip:");
    match user {
        Some(user) => out.extend_from_slice(user),
        None => keys.push_token(out, contact.shard, dialog, contact.call_id),
    }
    out.push(b'@');
    out.extend_from_slice(contact.advertised);
    out.extend_from_slice(match contact.transport {
        Transport::Udp => b"",
        Transport::Tcp => b";transport=tcp",
        Transport::Tls => b";transport=tls",
        Transport::Ws | Transport::Wss => b";transport=ws", // RFC 7118 5.2.4: "ws" for both
    });
    if user.is_some() {
        out.extend_from_slice(b";tandem=");
        keys.push_token(out, contact.shard, dialog, contact.call_id);
    }
    out.extend_from_slice(b">\r\n");
}

/// The ACK to a non-2xx, from the INVITE's bytes and the response's To (RFC 3261 17.1.1.3).
pub fn refusal_ack(invite: &[u8], to: &[u8]) -> Vec<u8> {
    let Some(invite) = Glance::of(invite) else { return Vec::new() };
    let uri = invite.start.split(|c| *c == b' ').nth(1).unwrap_or_default();
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"ACK ");
    out.extend_from_slice(uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
    for line in &invite.lines {
        let copied = [&b"via"[..], b"max-forwards", b"route", b"from", b"call-id"].iter().any(|name| line.name.eq_ignore_ascii_case(name));
        if copied {
            out.extend_from_slice(line.whole);
        }
    }
    out.extend_from_slice(b"To: ");
    out.extend_from_slice(to);
    let number = invite.cseq().map_or(0, |(number, _)| number);
    out.extend_from_slice(format!("\r\nCSeq: {number} ACK\r\n").as_bytes());
    push_length(&mut out, 0);
    out
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(b"Content-Length: ");
    decimal::push(out, length);
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Key;

    fn keys() -> Keys {
        Keys { hash: [1; 16], signing: vec![Key { id: b'a', secret: [2; 16] }] }
    }

    #[test]
    fn a_request_gets_via_contact_and_length() {
        let contact = ContactOf { text: b"b0;user=+49", shard: 3, call_id: b"x", advertised: b"[::1]:5060", transport: Transport::Tcp };
        let mut out = Vec::new();
        assert!(complete(&mut out, b"BYE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\nbody", b"Via: v\r\n", Some((&contact, &keys()))));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("BYE sip:a SIP/2.0\r\nVia: v\r\nContact: <sip:+49@[::1]:5060;transport=tcp;tandem=a03b0"), "{text}");
        assert!(text.ends_with(">\r\nTo: <sip:a>\r\nContent-Length: 4\r\n\r\nbody"), "{text}");
    }

    #[test]
    fn a_message_without_headers_is_completed_too_and_one_without_end_is_not() {
        let mut out = Vec::new();
        assert!(complete(&mut out, b"SIP/2.0 100 Trying\r\n\r\n", b"Via: v\r\n", None));
        assert_eq!(&b"SIP/2.0 100 Trying\r\nVia: v\r\nContent-Length: 0\r\n\r\n"[..], &out[..]);
        assert!(!complete(&mut out, b"SIP/2.0 100 Trying\r\n", b"", None));
    }

    #[test]
    fn the_ack_to_a_refusal_has_the_invites_branch_and_the_responses_to() {
        let invite = b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\nRoute: <sip:p;lr>\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 9 INVITE\r\nContact: x\r\n\r\n";
        let text = String::from_utf8(refusal_ack(invite, b"<sip:b>;tag=2")).unwrap();
        assert_eq!("ACK sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\nRoute: <sip:p;lr>\r\nFrom: <sip:a>;tag=1\r\nCall-ID: c\r\nTo: <sip:b>;tag=2\r\nCSeq: 9 ACK\r\nContent-Length: 0\r\n\r\n", text);
    }
}
