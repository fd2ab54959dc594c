//! The hop that a URI or a token names.

use super::hop::Hop;
use super::identity::ip;
use super::token::Peer;
use super::Proxy;
use crate::frame::Transport;
use crate::message::Message;
use crate::pool::MemberId;
use crate::uri::Uri;
use std::net::SocketAddr;

/// The port of a URI that names none (RFC 3261 19.1.2).
pub(super) fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Tls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
        Transport::Udp | Transport::Tcp => 5060,
    }
}

/// The transport that a URI asks for.
pub(super) fn transport_of(uri: &Uri<'_>) -> Transport {
    let named = uri.param(b"transport").unwrap_or_default();
    let is = |name: &[u8]| named.eq_ignore_ascii_case(name);
    match () {
        () if is(b"ws") && uri.is_sips() => Transport::Wss,
        () if is(b"ws") => Transport::Ws,
        () if is(b"wss") => Transport::Wss,
        () if is(b"tls") || uri.is_sips() => Transport::Tls,
        () if is(b"tcp") => Transport::Tcp,
        () => Transport::Udp,
    }
}

impl Proxy {
    /// The hop that a URI names; None: nobody who can be reached, or a name that leads nowhere (yet).
    pub(super) fn hop_to(&self, bytes: &[u8], local: u8, message: &Message<'_>) -> Option<Hop> {
        let uri = Uri::parse(bytes).ok().filter(|uri| uri.is_sip())?;
        let transport = transport_of(&uri);
        let host = uri.param(b"maddr").filter(|maddr| !maddr.is_empty()).unwrap_or(uri.host);
        let Some(ip) = ip(host) else {
            return if self.own.is_ours(&uri) { None } else { self.hop_by_name(bytes, local, message) };
        };
        let remote = SocketAddr::new(ip, uri.port.unwrap_or(default_port(transport)));
        let nowhere = remote.ip().is_unspecified() || remote.ip().is_multicast() || remote.port() == 0;
        if nowhere || self.own.is_ours(&uri) {
            return None;
        }
        Some(Hop::to(transport, self.own.leaving(local, transport, remote)?, remote))
    }

    /// The hop to a member.
    pub(super) fn hop_of(&self, member: MemberId, local: u8) -> Option<Hop> {
        let to = self.pools.member(member)?;
        let chosen = self.leaving.get(usize::from(member)).copied().flatten();
        let local = chosen.or_else(|| self.own.leaving(local, to.transport, to.address))?;
        Some(Hop::to(to.transport, local, to.address))
    }

    /// The hop to the party outside that a token names.
    pub(super) fn hop_back(&self, peer: &Peer, edge: u16) -> Option<Hop> {
        let marked = self.own.marked(peer.local).filter(|local| self.own.get(*local).is_some_and(|at| at.transport == peer.transport));
        let local = marked.or_else(|| self.own.leaving(0, peer.transport, peer.remote))?;
        let edge = if edge == self.edge { 0 } else { edge };
        let only = peer.transport.is_reliable();
        Some(Hop { transport: peer.transport, local, remote: peer.remote, flow: peer.flow, edge, only })
    }
}
