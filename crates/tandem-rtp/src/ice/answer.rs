//! What a request of the peer is answered (RFC 8445 7.3, RFC 8489 9.1.3). What follows from it for the endpoint is the agent's.

use std::net::SocketAddr;

use super::generation::Generation;
use crate::stun::{self, Class, IceRole, Message, Writer};

/// How a request is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Right: the sender's ufrag.
    Granted(&'a str),
    /// No credentials at all: it only asks for its address.
    Plain,
    /// Half of the credentials.
    BadRequest,
    /// Credentials of somebody else.
    Unauthenticated,
    /// Right, and has attributes that must be understood and are not.
    Unknown,
    /// Right, and has our role; we keep it.
    RoleConflict,
}

/// Judges a request by the credentials of a generation. `conflict`: whether we keep our role against that of the request.
pub(super) fn judge<'a>(request: &Message<'a>, generation: &Generation, conflict: impl Fn(IceRole) -> bool) -> Verdict<'a> {
    let username = match (request.username, request.has_integrity()) {
        (None, false) => return Verdict::Plain,
        (Some(username), true) => username,
        _ => return Verdict::BadRequest,
    };
    let Some((ours, theirs)) = std::str::from_utf8(username).ok().and_then(|username| username.split_once(':')) else {
        return Verdict::Unauthenticated;
    };
    let known = generation.remote.as_ref().is_none_or(|remote| remote.ufrag == theirs);
    if ours != generation.local.ufrag || !known || !request.is_from(generation.local.pwd.as_bytes()) {
        return Verdict::Unauthenticated;
    }
    if !request.unknown.kinds().is_empty() {
        return Verdict::Unknown;
    }
    if request.role.is_some_and(conflict) {
        return Verdict::RoleConflict;
    }
    Verdict::Granted(theirs)
}

/// Writes the answer into `out`; returns its error code, if it is one.
pub(super) fn write(verdict: Verdict<'_>, request: &Message<'_>, from: SocketAddr, password: &[u8], out: &mut Vec<u8>) -> Option<u16> {
    let success = |out| Writer::new(out, Class::Success, request.transaction).mapped(from);
    match verdict {
        Verdict::Plain => {
            stun::tell(request, from, out);
            None
        }
        Verdict::Granted(_) => {
            seal(success(out), request, password);
            None
        }
        Verdict::BadRequest => refuse(request, 400, "Bad Request", out),
        Verdict::Unauthenticated => refuse(request, 401, "Unauthenticated", out),
        Verdict::Unknown => {
            let writer = Writer::new(out, Class::Error, request.transaction).error(420, "Unknown Attribute");
            seal(writer.unknown(request.unknown.kinds()), request, password);
            Some(420)
        }
        Verdict::RoleConflict => {
            seal(Writer::new(out, Class::Error, request.transaction).error(487, "Role Conflict"), request, password);
            Some(487)
        }
    }
}

/// Without a MAC: no password is known to be the sender's (RFC 8489 9.1.3).
fn refuse(request: &Message<'_>, code: u16, reason: &str, out: &mut Vec<u8>) -> Option<u16> {
    Writer::new(out, Class::Error, request.transaction).error(code, reason).fingerprint();
    Some(code)
}

fn seal(writer: Writer<'_>, request: &Message<'_>, password: &[u8]) {
    // The answer has the MAC that the request had (RFC 8489 9.1.3).
    if request.is_sha256() {
        writer.integrity_sha256(password).fingerprint()
    } else {
        writer.integrity(password).fingerprint()
    }
}
