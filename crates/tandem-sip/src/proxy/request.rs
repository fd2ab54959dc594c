//! What becomes of a request (RFC 3261 16.3 to 16.6): refused, passed on without state, or made an INVITE transaction.

use super::ahead::Ahead;
use super::branch::NOBODY;
use super::hop::{Hop, Source};
use super::identity::{identity, ip, towards};
use super::output::Output;
use super::routes::{Asked, Way};
use super::send::Leaving;
use super::text::push_address;
use super::token::{self, Kind, Peer, Token};
use super::{Proxy, Verdict, World};
use crate::address::Address;
use crate::challenge::gave;
use crate::frame::Transport;
use crate::message::Message;
use crate::name::Name;
use crate::pool::{Ask, Candidates, HashOn, MemberId, PoolId, UriMode};
use crate::question::Question;
use crate::uri::Uri;
use std::net::IpAddr;

impl Proxy {
    pub(super) fn request(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        member: Option<MemberId>,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let method = message.method_bytes();
        let Ok(hops) = message.max_forwards() else { return self.bad(message, source, "400 Bad Max-Forwards", out) };
        let Ok(ahead) = Ahead::of(message, &self.own, &self.keys) else { return self.bad(message, source, "400 Bad Route", out) };
        if hops == Some(0) {
            self.counters.no_hops += 1;
            let answered = match method {
                b"OPTIONS" => self.answer_options(message, source, out), // RFC 3261 16.3, 3: as if it were for us
                _ => self.refuse(message, source, "483 Too Many Hops", b"", out),
            };
            return said(answered, "no_hops");
        }
        if let Some(required) = message.first(Name::ProxyRequire).filter(|_| !matches!(method, b"ACK" | b"CANCEL")) {
            let header = [b"Unsupported: ", required, b"\r\n"].concat();
            self.counters.bad_requests += 1;
            return said(self.refuse(message, source, "420 Bad Extension", &header, out), "bad_extension");
        }
        if ahead.forged {
            self.counters.forged_tokens += 1;
            return said(self.refuse(message, source, "403 Forbidden", b"", out), "forged");
        }
        match ahead.token {
            Some(token) if token.kind == Kind::Dialog && message.to_tag().is_some() => {
                self.within(message, source, &ahead, &token, world, out)
            }
            Some(token) if token.kind == Kind::Path => self.along_path(message, source, &ahead, &token, world, out),
            _ if message.to_tag().is_some() => self.strayed(message, source, member, &ahead, world, out),
            _ => self.begins(message, source, member, &ahead, world, out),
        }
    }

    /// A request in a dialog whose Record-Route is ours.
    fn within(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        ahead: &Ahead<'_>,
        token: &Token,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let from_caller = token::tag_mark(&self.keys, message.from_tag().unwrap_or_default()) == token.tag;
        let peer = token.peer.filter(|_| from_caller == token.callee);
        let member = token.member.and_then(|mark| self.marked(mark));
        let (next, _) = ahead.next();
        let by_uri = || self.hop_to(next, source.local);
        let hop = match &peer {
            Some(peer) => {
                let flow = self.hop_back(peer, token.edge);
                let lost = flow.is_some_and(|hop| self.is_lost(&hop, world));
                // A peer that tells its own address can be called anew.
                let again = || by_uri().filter(|hop| lost && hop.remote.ip() == peer.remote.ip());
                if token.firm {
                    again().or(flow)
                } else {
                    by_uri().or(flow)
                }
            }
            None => by_uri().or_else(|| self.hop_of(member?, source.local)),
        };
        let Some(hop) = hop else { return self.unreachable(message, source, out) };
        let call = member.and_then(|id| self.pools.member(id)).map(|member| self.pools.call_key(member.pool, message.call_id()));
        if let Some(verdict) = self.flow_verdict(message, source, &hop, world, out) {
            return verdict;
        }
        match (message.method_bytes(), call) {
            (b"BYE", Some(call)) => self.end_call(call, token.edge, out),
            (b"INVITE" | b"UPDATE", Some(call)) => self.pools.answered(call, world.now),
            _ => {}
        }
        let target = if peer.is_some() { NOBODY } else { member.unwrap_or(NOBODY) };
        self.pass_on(message, source, ahead, hop, target, out);
        Verdict::Done
    }

    /// A request along a Path of ours (RFC 5626 5.3): to the flow that its token names.
    fn along_path(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        ahead: &Ahead<'_>,
        token: &Token,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let Some((peer, hop)) = token.peer.and_then(|peer| Some((peer, self.hop_back(&peer, token.edge)?))) else {
            return self.unreachable(message, source, out);
        };
        if let Some(verdict) = self.flow_verdict(message, source, &hop, world, out) {
            return verdict;
        }
        let record = records(message).then(|| Token {
            kind: Kind::Dialog,
            peer: Some(peer),
            callee: true,
            firm: true,
            member: None,
            tag: token::tag_mark(&self.keys, message.from_tag().unwrap_or_default()),
            edge: if self.siblings || hop.flow != 0 { self.edge } else { 0 },
        });
        self.pass_with(message, source, ahead, &Leaving { hop, target: NOBODY, uri: None, record, path: None, cookie: 0 }, out);
        Verdict::Done
    }

    /// A request in a dialog that we are not in: an ACK to what is no 2xx, or of a phone that sends us everything.
    fn strayed(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        member: Option<MemberId>,
        ahead: &Ahead<'_>,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let ack = message.method_bytes() == b"ACK";
        if ack && gave(&self.keys, &Question::of(message)) {
            self.counters.own_acks += 1;
            return Verdict::Silence("acked");
        }
        let hop = self.hop_to(ahead.next().0, source.local);
        let known = hop.and_then(|hop| self.pools.member_at(hop.remote, hop.transport));
        match hop {
            Some(hop) if member.is_some() || known.is_some() => {
                self.pass_on(message, source, ahead, hop, known.unwrap_or(NOBODY), out);
                Verdict::Done
            }
            _ if ack => self.begins(message, source, member, ahead, world, out), // it goes where its INVITE went
            _ => Verdict::Pass,
        }
    }

    /// What becomes of a message that we passed and nobody else is there for.
    pub fn nobody(&mut self, message: &Message<'_>, source: &Source, out: &mut Output) -> Verdict {
        if !message.is_request() {
            self.counters.foreign_responses += 1;
            return Verdict::Silence("foreign_branch");
        }
        if message.to_tag().is_some() {
            self.counters.no_dialog += 1;
            return said(self.refuse(message, source, "481 Call/Transaction Does Not Exist", b"", out), "no_dialog");
        }
        self.counters.no_route += 1;
        said(self.refuse(message, source, "404 Not Found", b"", out), "no_route")
    }

    /// A request that begins something.
    fn begins(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        member: Option<MemberId>,
        ahead: &Ahead<'_>,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let Ok(uri) = Uri::parse(ahead.uri) else { return self.bad(message, source, "400 Bad Request-URI", out) };
        let method = message.method_bytes();
        if !served(&uri) {
            return self.bad(message, source, "416 Unsupported URI Scheme", out);
        }
        let for_us = uri.user.is_none() && ahead.routes.is_empty() && self.own.is_ours(&uri);
        if method == b"OPTIONS" && for_us {
            return said(self.answer_options(message, source, out), "options");
        }
        let asked = Asked {
            listen: self.own.get(source.local).map_or(0, |own| own.listen),
            source: source.remote.ip(),
            from_pool: member.and_then(|id| self.pools.member(id)).map(|member| member.pool),
            method,
            uri: &uri,
        };
        match self.routes.find(&asked) {
            Some(Way::Pool(pool, cost)) => {
                let need = self.pools.need(pool, method, cost);
                self.pooled(message, source, member, ahead, pool, need, world, out)
            }
            Some(Way::Refuse(status)) => {
                self.counters.refused += 1;
                said(self.refuse(message, source, &status_line(status), b"", out), "refused")
            }
            // Members may go where they want.
            None => match self.hop_to(ahead.next().0, source.local).filter(|_| member.is_some()) {
                Some(hop) => {
                    self.pass_on(message, source, ahead, hop, NOBODY, out);
                    Verdict::Done
                }
                None => Verdict::Pass,
            },
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn pooled(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        member: Option<MemberId>,
        ahead: &Ahead<'_>,
        pool: PoolId,
        need: crate::pool::Need,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let octets = crate::frame::Address::from(source.remote).ip;
        let settings = self.pools.settings(pool);
        let key = key_of(&settings.hash_on, message, &octets);
        let (mode, record, path, retry_after) = (settings.uri, settings.record_route, settings.path, settings.retry_after_seconds);
        let (full, none) = (settings.full_status, settings.none_status);
        let chosen = match self.pools.candidates(pool, &Ask { key, need }, world.now) {
            Candidates::Try(list) => list.into_iter().find_map(|id| Some((id, self.hop_of(id, source.local)?))),
            Candidates::Full => return self.unavailable(message, source, full, retry_after, out),
            Candidates::NoneUp => return self.unavailable(message, source, none, retry_after, out),
        };
        let Some((id, hop)) = chosen else { return self.unreachable(message, source, out) };
        let mut uri = std::mem::take(&mut self.uri);
        uri.clear();
        if mode == UriMode::Member {
            push_member_uri(&mut uri, ahead.uri, &hop);
        }
        let leaving = Leaving {
            hop,
            target: id,
            uri: Some(&uri[..]).filter(|uri| !uri.is_empty()),
            record: (record && records(message)).then(|| self.dialog_token(message, source, member, id)),
            path: (path && message.method_bytes() == b"REGISTER").then(|| self.path_token(message, source)),
            cookie: 0,
        };
        self.pass_with(message, source, ahead, &leaving, out);
        self.uri = uri;
        Verdict::Done
    }

    /// Passes a request on without state.
    fn pass_on(&mut self, message: &Message<'_>, source: &Source, ahead: &Ahead<'_>, hop: Hop, target: u16, out: &mut Output) {
        self.pass_with(message, source, ahead, &Leaving { hop, target, uri: None, record: None, path: None, cookie: 0 }, out);
    }

    fn pass_with(&mut self, message: &Message<'_>, source: &Source, ahead: &Ahead<'_>, leaving: &Leaving<'_>, out: &mut Output) {
        let via = message.top_via();
        let identity = identity(&self.keys, &via, towards(&via, source.remote), message);
        self.send_on(message, source, identity, ahead, leaving, out);
    }

    /// What our Record-Route says of a call to a member. The party outside is its caller, unless that is a member itself.
    pub(super) fn dialog_token(&self, message: &Message<'_>, source: &Source, from: Option<MemberId>, to: MemberId) -> Token {
        let peer = from.is_none().then(|| self.peer(source));
        Token {
            kind: Kind::Dialog,
            firm: peer.is_some() && firm(message, source),
            peer,
            callee: false,
            member: self.pools.member(to).map(|to| token::member_mark(&self.keys, to.transport, to.address)),
            tag: token::tag_mark(&self.keys, message.from_tag().unwrap_or_default()),
            edge: if self.siblings || source.flow != 0 { self.holder(source) } else { 0 },
        }
    }

    /// What our Path says, and whether the phone knows flows (RFC 5626 5.1).
    fn path_token(&self, message: &Message<'_>, source: &Source) -> (Token, bool) {
        let outbound = message.values(Name::Supported).any(|tag| tag.eq_ignore_ascii_case(b"outbound"));
        let edge = if source.flow != 0 { self.holder(source) } else { 0 };
        (Token { kind: Kind::Path, peer: Some(self.peer(source)), callee: true, firm: true, member: None, tag: 0, edge }, outbound)
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

    fn is_lost(&self, hop: &Hop, world: &World<'_>) -> bool {
        hop.only && if hop.edge == 0 { !(world.alive)(hop.flow) } else { world.alone }
    }

    /// What becomes of a request to a connection that is another edge's, or gone.
    fn flow_verdict(&mut self, message: &Message<'_>, source: &Source, hop: &Hop, world: &World<'_>, out: &mut Output) -> Option<Verdict> {
        if hop.edge != 0 && !world.alone {
            return Some(Verdict::Sibling(hop.edge));
        }
        self.is_lost(hop, world).then(|| {
            self.counters.flows_gone += 1;
            said(self.refuse(message, source, "430 Flow Failed", b"", out), "flow_gone")
        })
    }

    pub(super) fn end_call(&mut self, call: u64, edge: u16, out: &mut Output) {
        self.pools.ended(call);
        if edge != 0 && edge != self.edge {
            out.ended.push((edge, call));
        }
    }

    fn unavailable(&mut self, message: &Message<'_>, source: &Source, status: u16, retry_after: u32, out: &mut Output) -> Verdict {
        self.counters.no_member += 1;
        let header = if retry_after > 0 { format!("Retry-After: {retry_after}\r\n") } else { String::new() };
        said(self.refuse(message, source, &status_line(status), header.as_bytes(), out), "no_member")
    }

    fn unreachable(&mut self, message: &Message<'_>, source: &Source, out: &mut Output) -> Verdict {
        self.counters.no_hop += 1;
        said(self.refuse(message, source, "404 Not Found", b"", out), "no_hop")
    }

    fn bad(&mut self, message: &Message<'_>, source: &Source, status: &str, out: &mut Output) -> Verdict {
        self.counters.bad_requests += 1;
        said(self.refuse(message, source, status, b"", out), "bad_request")
    }
}

fn said(answered: bool, why: &'static str) -> Verdict {
    if answered {
        Verdict::Answered(why)
    } else {
        Verdict::Silence(why)
    }
}

/// Methods whose dialogs we stay in the path of.
fn records(message: &Message<'_>) -> bool {
    message.to_tag().is_none() && matches!(message.method_bytes(), b"INVITE" | b"SUBSCRIBE" | b"REFER")
}

fn served(uri: &Uri<'_>) -> bool {
    let is = |scheme: &[u8]| uri.scheme.eq_ignore_ascii_case(scheme);
    uri.is_sip() || is(b"tel") || (is(b"urn") && uri.opaque.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"service:")))
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
            v6.is_loopback()
                || v6.is_unspecified()
                || matches!(v6.segments(), [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
    }
}

fn key_of<'a>(on: &HashOn, message: &Message<'a>, source: &'a [u8; 16]) -> &'a [u8] {
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
fn push_member_uri(out: &mut Vec<u8>, uri: &[u8], hop: &Hop) {
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
