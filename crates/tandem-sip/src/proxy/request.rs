//! What becomes of a request (RFC 3261 16.3 to 16.6): refused, passed on without state, or made an INVITE transaction.

use super::ahead::Ahead;
use super::branch::NOBODY;
use super::hop::{Hop, Source};
use super::invite::Known;
use super::inviting::Beginning;
use super::names::Sought;
use super::output::Output;
use super::policy::Judged;
use super::refuse::{said, status_line};
use super::routes::{Asked, Way};
use super::send::Leaving;
use super::token::{self, Kind, Token};
use super::uris::{key_of, push_member_uri, served};
use super::{Proxy, Verdict, World};
use crate::challenge::gave;
use crate::message::Message;
use crate::name::Name;
use crate::pool::{Ask, Candidates, MemberId, PoolId, UriMode};
use crate::question::Question;
use crate::uri::Uri;
use smallvec::SmallVec;

/// What is told with the 503 for a name that nobody can say now.
const NAME_RETRY: &[u8] = b"Retry-After: 10\r\n";

/// A request with what was found out about it.
pub(super) struct Request<'a> {
    pub(super) message: &'a Message<'a>,
    pub(super) source: &'a Source,
    /// The member that it came from.
    pub(super) member: Option<MemberId>,
    pub(super) ahead: Ahead<'a>,
    pub(super) identity: u64,
    /// The method that routes ask for: CANCEL and ACK go where their INVITE went.
    pub(super) method: &'a [u8],
    /// The member that answered its INVITE.
    pub(super) answered_by: Option<MemberId>,
}

impl Proxy {
    pub(super) fn request(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        member: Option<MemberId>,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        self.sought(); // of the message before
        let method = message.method_bytes();
        let (identity, known) = self.known(message, source);
        let begins = message.to_tag().is_none();
        let answered_by = match (method, known) {
            (b"INVITE", Some(Known::Txn(slot))) if begins => return self.repeated(slot, out),
            (b"INVITE", Some(Known::Accepted(_))) if begins => {
                self.counters.repeated += 1;
                return Verdict::Done; // RFC 6026 7.1: its 2xx is repeated by who gave it
            }
            (b"CANCEL", Some(Known::Txn(slot))) => return self.cancelled(message, source, slot, world, out),
            (b"ACK", Some(Known::Txn(slot))) if self.acked(slot, world.now) => return Verdict::Done,
            (b"CANCEL", None) if self.policy.asking.waits(identity) => {
                self.policy.asking.cancel(identity, source, message.bytes());
                return Verdict::Done;
            }
            (_, None) if self.policy.asking.waits(identity) => return Verdict::Done, // it waits already
            (_, Some(Known::Accepted(target))) => Some(target).filter(|target| *target != NOBODY),
            _ => None,
        };
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
        let token = ahead.token;
        let method = if matches!(method, b"CANCEL" | b"ACK") { b"INVITE" } else { method };
        let request = Request { message, source, member, ahead, identity, method, answered_by };
        match token {
            Some(token) if token.kind == Kind::Dialog && !begins => self.within(&request, &token, world, out),
            Some(token) if token.kind == Kind::Path => self.along_path(&request, &token, world, out),
            _ if !begins => self.strayed(&request, world, out),
            _ => self.begins(&request, world, out),
        }
    }

    /// A request in a dialog whose Record-Route is ours.
    fn within(&mut self, request: &Request<'_>, token: &Token, world: &World<'_>, out: &mut Output) -> Verdict {
        let (message, source) = (request.message, request.source);
        let from_caller = token::tag_mark(&self.keys, message.from_tag().unwrap_or_default()) == token.tag;
        let outwards = from_caller == token.callee;
        let member = token.member.and_then(|mark| self.marked(mark));
        let (next, _) = request.ahead.next();
        let by_uri = || self.hop_to(next, source.local, message);
        let hop = match token.peer.filter(|_| outwards) {
            Some(peer) => {
                let flow = self.hop_back(&peer, token.edge);
                let lost = flow.is_some_and(|hop| self.is_lost(&hop, world));
                // A peer that tells its own address can be called anew.
                let again = || by_uri().filter(|hop| lost && hop.remote.ip() == peer.remote.ip());
                if token.firm {
                    again().or(flow)
                } else {
                    by_uri().or(flow)
                }
            }
            None if outwards => by_uri(),
            // A name that is not known yet is no reason to go elsewhere: one dialog, one place.
            None => by_uri().or_else(|| if self.seeks() { None } else { self.hop_of(member?, source.local) }),
        };
        let Some(hop) = hop else { return self.unreachable(message, source, out) };
        if let Some(verdict) = self.flow_verdict(message, source, &hop, world, out) {
            return verdict;
        }
        let call = member.and_then(|id| self.pools.member(id)).map(|member| self.pools.call_key(member.pool, message.call_id()));
        match (message.method_bytes(), call) {
            (b"BYE", Some(call)) => self.end_call(call, token.edge, out),
            (b"INVITE" | b"UPDATE", Some(call)) => self.pools.answered(call, world.now),
            _ => {}
        }
        let target = member.filter(|_| !outwards).unwrap_or(NOBODY);
        self.pass_on(request, hop, target, out)
    }

    /// A request along a Path of ours (RFC 5626 5.3): to the flow that its token names.
    fn along_path(&mut self, request: &Request<'_>, token: &Token, world: &World<'_>, out: &mut Output) -> Verdict {
        let (message, source) = (request.message, request.source);
        let Some(hop) = token.peer.and_then(|peer| self.hop_back(&peer, token.edge)) else {
            return self.unreachable(message, source, out);
        };
        if let Some(verdict) = self.flow_verdict(message, source, &hop, world, out) {
            return verdict;
        }
        let record = self.outward_record(message, &request.ahead, request.member);
        self.pass_out(request, hop, record, world, out)
    }

    /// A request in a dialog that we are not in: an ACK to what is no 2xx, or of a phone that sends us everything.
    fn strayed(&mut self, request: &Request<'_>, world: &World<'_>, out: &mut Output) -> Verdict {
        let ack = request.message.method_bytes() == b"ACK";
        if ack && gave(&self.keys, &Question::of(request.message)) {
            self.counters.own_acks += 1;
            return Verdict::Silence("acked");
        }
        let hop = self.hop_to(request.ahead.next().0, request.source.local, request.message);
        let known = hop.and_then(|hop| self.pools.member_at(hop.remote, hop.transport));
        match hop {
            Some(hop) if request.member.is_some() || known.is_some() => self.pass_on(request, hop, known.unwrap_or(NOBODY), out),
            None if request.member.is_some() && self.sought() == Sought::Unknown => Verdict::Look,
            _ if ack => self.begins(request, world, out),
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
    fn begins(&mut self, request: &Request<'_>, world: &World<'_>, out: &mut Output) -> Verdict {
        let (message, source, ahead) = (request.message, request.source, &request.ahead);
        let Ok(uri) = Uri::parse(ahead.uri) else { return self.bad(message, source, "400 Bad Request-URI", out) };
        if !served(&uri) {
            return self.bad(message, source, "416 Unsupported URI Scheme", out);
        }
        let for_us = uri.user.is_none() && ahead.routes.is_empty() && self.own.is_ours(&uri);
        if request.method == b"OPTIONS" && for_us {
            return said(self.answer_options(message, source, out), "options");
        }
        let pools = request.member.map(|_| self.pools.pools_of(source.remote, source.transport)).unwrap_or_default();
        let asked = Asked {
            listen: self.own.get(source.local).map_or(0, |own| own.listen),
            source: source.remote.ip(),
            member: request.member.is_some(),
            pools: &pools,
            method: request.method,
            uri: &uri,
        };
        match self.judged(request, &asked, world.now, out) {
            Judged::AsRouted => {}
            Judged::Given(given) => return self.obey(request, &given, world, out),
            Judged::Waits => return Verdict::Done,
        }
        match self.routes.find(&asked) {
            Some(Way::Pool(pool, cost)) => {
                // A CANCEL and an ACK take nothing, and are nobody's turn.
                let need = self.pools.need(pool, message.method_bytes(), cost);
                self.pooled(request, pool, need, world, out)
            }
            Some(Way::Refuse(status)) => {
                self.counters.refused += 1;
                said(self.refuse(message, source, &status_line(status), b"", out), "refused")
            }
            // Members may go where they want.
            None if request.member.is_some() => match self.hop_to(ahead.next().0, source.local, message) {
                Some(hop) => {
                    let record = self.outward_record(message, ahead, request.member);
                    self.pass_out(request, hop, record, world, out)
                }
                None => match self.sought() {
                    Sought::None => Verdict::Pass,
                    Sought::Unknown => Verdict::Look,
                    Sought::NotNow => self.not_now(message, source, out),
                },
            },
            None => Verdict::Pass,
        }
    }

    pub(super) fn pooled(
        &mut self,
        request: &Request<'_>,
        pool: PoolId,
        need: crate::pool::Need,
        world: &World<'_>,
        out: &mut Output,
    ) -> Verdict {
        let (message, source) = (request.message, request.source);
        let invite = message.method_bytes() == b"INVITE" && message.to_tag().is_none();
        let octets = crate::frame::Address::from(source.remote).ip;
        let settings = self.pools.settings(pool);
        let (mode, record, path, retry_after) = (settings.uri, settings.record_route, settings.path, settings.retry_after_seconds);
        let (full, none) = (settings.full_status, settings.none_status);
        if invite && !self.invites.has_room() {
            self.counters.no_room += 1;
            return self.unavailable(message, source, 503, retry_after.max(1), out);
        }
        let key = key_of(&settings.hash_on, message, &octets);
        let candidates = match self.pools.candidates(pool, &Ask { key, need }, world.now) {
            Candidates::Try(list) => list,
            Candidates::Full => return self.unavailable(message, source, full, retry_after, out),
            Candidates::NoneUp => return self.unavailable(message, source, none, retry_after, out),
        };
        if invite {
            let beginning =
                Beginning { from: request.member, pool: Some(pool), need, candidates, hop: None, record: None, ahead: &request.ahead };
            return match self.begin(message, source, request.identity, beginning, world, out) {
                true => Verdict::Done,
                false => self.unavailable(message, source, full, retry_after, out),
            };
        }
        let mut members = request.answered_by.into_iter().chain(candidates);
        let chosen = members.find_map(|id| Some((id, self.hop_of(id, source.local)?)));
        let Some((id, hop)) = chosen else { return self.unreachable(message, source, out) };
        let mut uri = std::mem::take(&mut self.uri);
        uri.clear();
        if mode == UriMode::Member {
            push_member_uri(&mut uri, request.ahead.uri, &hop);
        }
        let leaving = Leaving {
            hop,
            target: id,
            key: 0,
            uri: Some(&uri[..]).filter(|uri| !uri.is_empty()),
            record: (record && records(message)).then(|| self.dialog_token(message, source, request.member, id)),
            path: (path && message.method_bytes() == b"REGISTER").then(|| self.path_token(message, source)),
            cookie: 0,
        };
        self.send_on(message, source, request.identity, &request.ahead, &leaving, out);
        self.uri = uri;
        Verdict::Done
    }

    /// Passes a request on without state.
    fn pass_on(&mut self, request: &Request<'_>, hop: Hop, target: u16, out: &mut Output) -> Verdict {
        let leaving = Leaving { hop, target, key: 0, uri: None, record: None, path: None, cookie: 0 };
        self.send_on(request.message, request.source, request.identity, &request.ahead, &leaving, out);
        Verdict::Done
    }

    /// Passes a request to who is no member: an INVITE in a transaction, others without state.
    fn pass_out(&mut self, request: &Request<'_>, hop: Hop, record: Option<Token>, world: &World<'_>, out: &mut Output) -> Verdict {
        let (message, source) = (request.message, request.source);
        if message.method_bytes() == b"INVITE" && message.to_tag().is_none() {
            if !self.invites.has_room() {
                self.counters.no_room += 1;
                return self.unavailable(message, source, 503, 1, out);
            }
            let beginning = Beginning {
                from: request.member,
                pool: None,
                need: crate::pool::Need::default(),
                candidates: SmallVec::new(),
                hop: Some(hop),
                record,
                ahead: &request.ahead,
            };
            self.begin(message, source, request.identity, beginning, world, out);
            return Verdict::Done;
        }
        let leaving = Leaving { hop, target: NOBODY, key: 0, uri: None, record, path: None, cookie: 0 };
        self.send_on(message, source, request.identity, &request.ahead, &leaving, out);
        Verdict::Done
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

    fn end_call(&mut self, call: u64, edge: u16, out: &mut Output) {
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
        match self.sought() {
            Sought::None => {}
            Sought::Unknown => return Verdict::Look,
            Sought::NotNow => return self.not_now(message, source, out),
        }
        self.counters.no_hop += 1;
        said(self.refuse(message, source, "404 Not Found", b"", out), "no_hop")
    }

    /// A name is not known and nobody can say it now: later perhaps (RFC 3261 21.5.4).
    pub fn not_now(&mut self, message: &Message<'_>, source: &Source, out: &mut Output) -> Verdict {
        self.counters.no_name += 1;
        said(self.refuse(message, source, "503 Service Unavailable", NAME_RETRY, out), "no_name")
    }

    pub(super) fn bad(&mut self, message: &Message<'_>, source: &Source, status: &str, out: &mut Output) -> Verdict {
        self.counters.bad_requests += 1;
        said(self.refuse(message, source, status, b"", out), "bad_request")
    }
}

/// Methods whose dialogs we stay in the path of.
pub(super) fn records(message: &Message<'_>) -> bool {
    message.to_tag().is_none() && matches!(message.method_bytes(), b"INVITE" | b"SUBSCRIBE" | b"REFER")
}
