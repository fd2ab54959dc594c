//! What makes a transaction the same on every edge and after every restart: a keyed hash of what request, CANCEL, ACK and response share.
//! It keeps nothing.

use crate::ids::Keys;
use crate::message::Message;
use crate::via::Via;
use std::net::{IpAddr, SocketAddr};

/// The port of a sent-by that names none (RFC 3261 18.2.2).
const SIP_PORT: u16 = 5060;

/// The identity of a transaction with its client (RFC 3261 17.2.3): the client's branch and sent-by, where its responses go, Call-ID and
/// CSeq number. `hash` of the keys never rotates, so a rotation loses no transaction.
pub(super) fn identity(keys: &Keys, via: &Via<'_>, towards: SocketAddr, message: &Message<'_>) -> u64 {
    let ip = match towards.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let mut numbers = [0; 24];
    let (port, rest) = numbers.split_at_mut(2);
    let (sent_by, rest) = rest.split_at_mut(2);
    let (cseq, rest) = rest.split_at_mut(4);
    port.copy_from_slice(&towards.port().to_le_bytes());
    sent_by.copy_from_slice(&via.port.unwrap_or(0).to_le_bytes());
    cseq.copy_from_slice(&message.cseq().0.to_le_bytes());
    rest.copy_from_slice(&ip.octets());
    // A client of RFC 2543 has no branch, or always the same: its From tag stands in.
    let tag = if via.is_rfc3261() { b"" } else { message.from_tag().unwrap_or_default() };
    keys.hash(&[via.branch.unwrap_or_default(), via.host, &numbers, message.call_id(), tag])
}

/// Where the responses to a request from `source` go (RFC 3261 18.2.2, RFC 3581 4; no `maddr`: it would name any third party).
pub(super) fn towards(via: &Via<'_>, source: SocketAddr) -> SocketAddr {
    let ip = source.ip().to_canonical();
    match via.params.get(b"rport") {
        Some(_) => SocketAddr::new(ip, source.port()),
        None => SocketAddr::new(ip, sent_by_port(via)),
    }
}

/// The same, from the Via of a response, in which `received` and `rport` stand as we wrote them. None: nobody to send it to.
pub(super) fn answered_towards(via: &Via<'_>) -> Option<SocketAddr> {
    let host = via.params.get(b"received").unwrap_or(via.host);
    let ip: IpAddr = ip(host)?;
    let rport = via.params.get(b"rport").and_then(|digits| crate::scan::number(digits, 65_535));
    Some(SocketAddr::new(ip, rport.map_or(sent_by_port(via), |port| port as u16)))
}

/// An IP address in text, IPv6 with or without brackets.
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    let bare = text.strip_prefix(b"[").and_then(|inside| inside.strip_suffix(b"]")).unwrap_or(text);
    std::str::from_utf8(bare).ok()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn sent_by_port(via: &Via<'_>) -> u16 {
    via.port.filter(|port| *port != 0).unwrap_or(SIP_PORT)
}
