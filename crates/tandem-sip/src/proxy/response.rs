//! What becomes of a response (RFC 3261 16.7, 16.11): ours by its branch, it goes on to who stands in the next Via.

use super::branch::{self, At, NOBODY};
use super::edit;
use super::hop::{Hop, Source};
use super::identity::{answered_towards, identity};
use super::invite::Known;
use super::output::Output;
use super::{Proxy, Verdict, World};
use crate::frame::Transport;
use crate::message::Message;
use crate::via::Via;
use std::net::SocketAddr;

impl Proxy {
    pub(super) fn response(&mut self, message: &Message<'_>, _source: &Source, world: &World<'_>, out: &mut Output) -> Verdict {
        let top = message.top_via();
        if message.cseq().1 == b"CANCEL" {
            if let Some((slot, sum)) =
                top.branch.and_then(branch::read).and_then(|ours| Some((self.invites.cancelled(ours.sum)?, ours.sum)))
            {
                self.cancel_answered(slot, sum, world.now);
                return Verdict::Done;
            }
        }
        if let Some((edge, member, n)) = self.prober_of(message) {
            if edge == self.edge || world.alone {
                self.probe_answered(member, n, message.status(), world.now, out);
                return Verdict::Done;
            }
            return Verdict::Sibling(edge);
        }
        let found = top.branch.and_then(branch::read).and_then(|ours| {
            let next = edit::next_via(message)?;
            let towards = answered_towards(&next)?;
            let identity = identity(&self.keys, &next, towards, message);
            ours.verifies(&self.keys, identity).then_some((ours, next, towards, identity))
        });
        let Some((ours, next, towards, identity)) = found else {
            return Verdict::Pass;
        };
        let invite = message.cseq().1 == b"INVITE";
        if let Some(Known::Txn(slot)) = self.invites.find(identity).filter(|_| invite) {
            if let Some(verdict) = self.invite_answered(message, slot, ours.target, world, out) {
                return verdict;
            }
        }
        let at = branch::read_at(&self.keys, &top, identity);
        if let Some(edge) = at.map(|at| if invite && at.edge != 0 { at.edge } else { at.flow_edge }) {
            if edge != 0 && edge != self.edge && !world.alone {
                return Verdict::Sibling(edge);
            }
        }
        if invite && (200..300).contains(&message.status()) && ours.target != NOBODY {
            if let Some(pool) = self.pools.member(ours.target).map(|member| member.pool) {
                let call = self.pools.call_key(pool, message.call_id());
                self.pools.answered(call, world.now);
            }
        }
        let Some(hop) = self.hop_to_client(&next, towards, at) else { return Verdict::Silence("no_hop") };
        let start = out.bytes.len();
        if !edit::answer(&mut out.bytes, message) {
            return Verdict::Silence("no_via");
        }
        out.sent(start, hop, 0);
        self.counters.responses += 1;
        Verdict::Done
    }

    /// The way to a client, from the Via that it wrote and what we wrote beside ours.
    fn hop_to_client(&self, via: &Via<'_>, towards: SocketAddr, at: Option<At>) -> Option<Hop> {
        let transport = transport_of(via.transport)?;
        let at = at.unwrap_or_default();
        let marked = self.own.marked(at.local).filter(|local| self.own.get(*local).is_some_and(|own| own.transport == transport));
        let local = marked.or_else(|| self.own.leaving(0, transport, towards))?;
        if transport == Transport::Udp {
            return Some(Hop::to(transport, local, towards));
        }
        // RFC 3261 18.2.2: without its connection, to sent-by's port.
        let remote = SocketAddr::new(towards.ip(), via.port.unwrap_or(super::next::default_port(transport)));
        let edge = if at.flow_edge == self.edge { 0 } else { at.flow_edge };
        Some(Hop { transport, local, remote, flow: at.flow, edge, only: false })
    }
}

fn transport_of(text: &[u8]) -> Option<Transport> {
    (1..).map_while(Transport::read).find(|transport| transport.via().as_bytes().eq_ignore_ascii_case(text))
}
