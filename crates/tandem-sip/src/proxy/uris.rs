//! What a URI says to a proxy and what it is made to say: schemes, the key of a pool, the member's address. It parses with `uri`.

use super::hop::Hop;
use super::text::push_address;
use crate::address::Address;
use crate::frame::Transport;
use crate::message::Message;
use crate::name::Name;
use crate::pool::HashOn;
use crate::uri::Uri;

/// Whether the scheme is one that we route by: sip, sips, tel, and the service URNs of RFC 5031.
pub(super) fn served(uri: &Uri<'_>) -> bool {
    let is = |scheme: &[u8]| uri.scheme.eq_ignore_ascii_case(scheme);
    uri.is_sip() || is(b"tel") || (is(b"urn") && uri.opaque.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"service:")))
}

/// What a pool hashes on.
pub(super) fn key_of<'a>(on: &HashOn, message: &Message<'a>, source: &'a [u8; 16]) -> &'a [u8] {
    let uri_in = |name| message.first(name).and_then(|value| Address::parse(value).ok()).map(|address| address.uri).unwrap_or_default();
    match on {
        HashOn::CallId => message.call_id(),
        HashOn::From => uri_in(Name::From),
        HashOn::To => uri_in(Name::To),
        HashOn::UriUser => Uri::parse(message.uri()).ok().and_then(|uri| uri.user.or(Some(uri.opaque))).unwrap_or_default(),
        HashOn::Source => source,
        HashOn::Header(name) => {
            let wanted = message.headers().find(|header| header.raw_name.eq_ignore_ascii_case(name.as_bytes()));
            wanted.map(|header| header.value).unwrap_or_default()
        }
    }
}

/// The Request-URI with the member's host and port; other schemes than sip and sips stay.
pub(super) fn push_member_uri(out: &mut Vec<u8>, uri: &[u8], hop: &Hop) {
    let Ok(parts) = Uri::parse(uri) else { return };
    if !parts.is_sip() {
        return;
    }
    out.extend_from_slice(parts.scheme);
    out.push(b':');
    if let Some(user) = parts.user {
        out.extend_from_slice(user);
        if let Some(password) = parts.password {
            out.push(b':');
            out.extend_from_slice(password);
        }
        out.push(b'@');
    }
    push_address(out, hop.remote);
    for param in parts.params.split(|&byte| byte == b';').filter(|param| !param.is_empty()) {
        let name = param.split(|&byte| byte == b'=').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"transport") && !name.eq_ignore_ascii_case(b"maddr") {
            out.push(b';');
            out.extend_from_slice(param);
        }
    }
    if hop.transport != Transport::Udp {
        out.extend_from_slice(b";transport=");
        out.extend_from_slice(hop.transport.via().to_ascii_lowercase().as_bytes());
    }
}
