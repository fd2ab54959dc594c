//! What our Record-Route and Path say of a request: the party outside and its flow, the member, the caller's tag.

use super::ahead::Ahead;
use super::hop::Source;
use super::identity::ip;
use super::request::records;
use super::token::{self, Kind, Peer, Token};
use super::Proxy;
use crate::address::Address;
use crate::frame::Transport;
use crate::message::Message;
use crate::name::Name;
use crate::pool::MemberId;
use crate::uri::Uri;
use std::net::IpAddr;

impl Proxy {
    /// Of a call to a member. The party outside is its caller, unless that is a member itself.
    pub(super) fn dialog_token(&self, message: &Message<'_>, source: &Source, from: Option<MemberId>, to: MemberId) -> Token {
        let peer = from.is_none().then(|| self.peer(source));
        Token {
            kind: Kind::Dialog,
            firm: peer.is_some() && firm(message, source),
            peer,
            callee: false,
            member: self.mark_of(to),
            tag: token::tag_mark(&self.keys, message.from_tag().unwrap_or_default()),
            edge: if self.siblings || source.flow != 0 { self.holder(source) } else { 0 },
        }
    }

    /// Of a request that leaves us for who is no member: along a Path of ours its flow is known, else its address will do.
    pub(super) fn outward_record(&self, message: &Message<'_>, ahead: &Ahead<'_>, from: Option<MemberId>) -> Option<Token> {
        let path = ahead.token.filter(|token| token.kind == Kind::Path);
        records(message).then(|| Token {
            kind: Kind::Dialog,
            peer: path.and_then(|path| path.peer),
            callee: true,
            firm: path.is_some(),
            member: from.and_then(|from| self.mark_of(from)),
            tag: token::tag_mark(&self.keys, message.from_tag().unwrap_or_default()),
            edge: path.map_or(0, |path| path.edge),
        })
    }

    /// Of a REGISTER, and whether the phone knows flows (RFC 5626 5.1).
    pub(super) fn path_token(&self, message: &Message<'_>, source: &Source) -> (Token, bool) {
        let outbound = message.values(Name::Supported).any(|tag| tag.eq_ignore_ascii_case(b"outbound"));
        let edge = if source.flow != 0 { self.holder(source) } else { 0 };
        (Token { kind: Kind::Path, peer: Some(self.peer(source)), callee: true, firm: true, member: None, tag: 0, edge }, outbound)
    }

    fn mark_of(&self, member: MemberId) -> Option<u16> {
        self.pools.member(member).map(|member| token::member_mark(&self.keys, member.transport, member.address))
    }

    fn peer(&self, source: &Source) -> Peer {
        let local = self.own.get(source.local).map_or(0, |own| own.mark);
        Peer { transport: source.transport, local, remote: source.remote, flow: source.flow }
    }

    fn holder(&self, source: &Source) -> u16 {
        if source.edge == 0 {
            self.edge
        } else {
            source.edge
        }
    }
}

/// Whether requests to who sent this must go to where it came from: a stream, a sent-by or Contact that is not the source, or a name.
fn firm(message: &Message<'_>, source: &Source) -> bool {
    let from = source.remote.ip().to_canonical();
    if source.transport != Transport::Udp || ip(message.top_via().host) != Some(from) {
        return true;
    }
    let contact = message.values(Name::Contact).next().and_then(|value| Address::parse(value).ok());
    match contact.and_then(|contact| Uri::parse(contact.uri).ok()).and_then(|uri| ip(uri.host)) {
        Some(host) => host != from && is_private(host),
        None => true,
    }
}

/// RFC 1918, RFC 6598, RFC 4193, and addresses of one link or host.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            v6.is_loopback() || v6.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}
