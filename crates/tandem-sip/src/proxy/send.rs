//! A request written for its next hop: our Via on top, our Record-Route and Path, what is left of Route. It chooses no hop.

use super::ahead::Ahead;
use super::branch::{self, At};
use super::edit::{self, Forward};
use super::hop::{Hop, Source};
use super::output::Output;
use super::token::{self, Token};
use super::Proxy;
use crate::frame::Transport;
use crate::message::Message;

/// How a request leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving<'a> {
    /// Where it goes.
    pub(super) hop: Hop,
    /// The member, or [`branch::NOBODY`].
    pub(super) target: u16,
    /// Its new Request-URI.
    pub(super) uri: Option<&'a [u8]>,
    /// What our Record-Route says.
    pub(super) record: Option<Token>,
    /// What our Path says, and whether it is a flow for RFC 5626.
    pub(super) path: Option<(Token, bool)>,
    /// The name of the key that signs its branch; 0: the newest.
    pub(super) key: u8,
    /// For `failed`.
    pub(super) cookie: u64,
}

impl Proxy {
    /// Appends the request and sends it.
    pub(super) fn send_on(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        identity: u64,
        ahead: &Ahead<'_>,
        leaving: &Leaving<'_>,
        out: &mut Output,
    ) {
        let start = out.bytes.len();
        self.write_on(message, source, identity, ahead, leaving, &mut out.bytes);
        out.sent(start, leaving.hop, leaving.cookie);
        self.counters.requests += 1;
    }

    /// Appends the request.
    pub(super) fn write_on(
        &mut self,
        message: &Message<'_>,
        source: &Source,
        identity: u64,
        ahead: &Ahead<'_>,
        leaving: &Leaving<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut top = std::mem::take(&mut self.top);
        top.clear();
        self.push_via(&mut top, leaving, identity, self.at(message, source));
        if let Some(token) = &leaving.record {
            self.push_record(&mut top, token, source, &leaving.hop, message.call_id());
        }
        if let Some((token, outbound)) = &leaving.path {
            top.extend_from_slice(b"Path: <");
            self.push_own(&mut top, token, source.local, message.call_id());
            top.extend_from_slice(if *outbound { b";lr;ob>\r\n" } else { b";lr>\r\n" });
        }
        let (next, strict) = ahead.next();
        // RFC 3261 16.6, 6: a strict router wants to be the Request-URI, and ours as the last Route value.
        let strict = strict && leaving.uri.is_none();
        let uri = if strict { Some(next) } else { leaving.uri.or(ahead.replaced.then_some(ahead.uri)) };
        if ahead.popped || strict {
            for value in ahead.routes.iter().skip(usize::from(strict)) {
                line(&mut top, &[b"Route: ", value]);
            }
            if strict {
                line(&mut top, &[b"Route: <", ahead.uri, b">"]);
            }
        }
        let hops = message.max_forwards().ok().flatten().map_or(edit::MAX_FORWARDS, |hops| hops.saturating_sub(1));
        let drop_routes = ahead.popped || strict;
        edit::forward(out, message, &Forward { uri, top: &top, drop_routes, hops, source: Some(source.remote) });
        self.top = top;
    }

    fn push_via(&self, top: &mut Vec<u8>, leaving: &Leaving<'_>, identity: u64, at: Option<At>) {
        let Some(own) = self.own.get(leaving.hop.local) else { return };
        if own.transport == leaving.hop.transport {
            top.extend_from_slice(&own.via);
        } else {
            for part in [b"Via: SIP/2.0/", leaving.hop.transport.via().as_bytes(), b" ", &own.advertised, b";branch="] {
                top.extend_from_slice(part);
            }
        }
        branch::push(top, &self.keys, leaving.key, identity, leaving.target);
        if let Some(at) = at {
            branch::push_at(top, &self.keys, identity, &at);
        }
        top.extend_from_slice(b"\r\n");
    }

    /// What a response cannot say by itself, if there is anything.
    fn at(&self, message: &Message<'_>, source: &Source) -> Option<At> {
        let invite = self.siblings && message.method_bytes() == b"INVITE";
        let datagram = source.transport == Transport::Udp;
        if !invite && datagram && !self.own.several(source.local) {
            return None;
        }
        let flow_edge = if source.edge == 0 { self.edge } else { source.edge };
        Some(At {
            edge: if invite { self.edge } else { 0 },
            local: self.own.get(source.local).map_or(0, |own| own.mark),
            flow: source.flow,
            flow_edge: if datagram { 0 } else { flow_edge },
        })
    }

    /// Two where the sides differ, each with the address that its side can reach (RFC 5658): that of the next hop on top.
    fn push_record(&self, top: &mut Vec<u8>, token: &Token, source: &Source, hop: &Hop, call_id: &[u8]) {
        let mut one = |local: u8| {
            top.extend_from_slice(b"Record-Route: <");
            self.push_own(top, token, local, call_id);
            top.extend_from_slice(b";lr>\r\n");
        };
        one(hop.local);
        if self.own.differ(hop.local, source.local) {
            one(source.local);
        }
    }

    /// `sip:TOKEN@host:port;transport=tcp`
    fn push_own(&self, top: &mut Vec<u8>, token: &Token, local: u8, call_id: &[u8]) {
        let Some(own) = self.own.get(local) else { return };
        top.extend_from_slice(b"sip:");
        token::push(top, &self.keys, token, call_id);
        top.push(b'@');
        top.extend_from_slice(&own.advertised);
        top.extend_from_slice(match own.transport {
            Transport::Udp => b"",
            Transport::Tcp => b";transport=tcp",
            Transport::Tls => b";transport=tls",
            Transport::Ws | Transport::Wss => b";transport=ws", // RFC 7118 5.2.2: no other name
        });
    }
}

fn line(top: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| top.extend_from_slice(part));
    top.extend_from_slice(b"\r\n");
}
