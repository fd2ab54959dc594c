//! A packet's way through the relay: from whom, of what kind, opened, to whom, protected. It decides about no call.

use std::net::SocketAddr;

use super::{Component, Key, Out, Packet, Relay, Slot};
use crate::plan::Guard;

/// First bytes of RTP and RTCP: version 2 (RFC 7983).
const MEDIA: std::ops::RangeInclusive<u8> = 128..=191;
/// Payload types that are RTCP when both come on one port (RFC 5761 4).
const RTCP: std::ops::RangeInclusive<u8> = 192..=223;
/// Shortest RTP packet and shortest RTCP packet, in bytes.
const RTP_BYTES: usize = 12;
const RTCP_BYTES: usize = 8;

impl Relay {
    /// A datagram came to a port of the endpoint at `key`. What is in `packet` afterwards is of no use.
    pub fn receive(&mut self, now: u64, key: Key, component: Component, from: SocketAddr, packet: &mut Packet, out: &mut impl Out) {
        let Some(Some(slot)) = self.slots.get_mut(key as usize) else { return };
        let kind = match kind(packet.bytes(), component) {
            _ if slot.plan.raw => Component::Rtp,
            Some(kind) => kind,
            None => {
                slot.drops.alien += 1;
                return;
            }
        };
        if !slot.accept(now, component, from) {
            slot.drops.source += 1;
            return;
        }
        slot.received(component, packet);
        if slot.plan.blocked {
            slot.drops.blocked += 1;
            return;
        }
        let sinks = slot.sinks.len();
        if sinks == 0 {
            slot.drops.nowhere += 1;
            return;
        }
        let mut spare = std::mem::take(&mut self.spare);
        for at in 0..sinks {
            let Some(to) = self.sink(key, at) else { continue };
            let Some(Some(sink)) = self.slots.get_mut(to as usize) else { continue };
            if at + 1 < sinks {
                spare.copy(packet.bytes());
                sink.emit(kind, &mut spare, out);
            } else {
                sink.emit(kind, packet, out);
            }
        }
        self.spare = spare;
    }
}

impl Slot {
    fn received(&mut self, component: Component, packet: &Packet) {
        if let Some(counts) = self.counts.get_mut(component as usize) {
            counts.packets += 1;
            counts.bytes += packet.bytes().len() as u64;
        }
    }

    /// Sends to the peer what another endpoint received.
    fn emit(&mut self, kind: Component, packet: &mut Packet, out: &mut impl Out) {
        let component = if self.plan.mux { Component::Rtp } else { kind };
        let Some(to) = self.peers.get(component as usize).and_then(|peer| peer.to) else {
            self.drops.nowhere += 1;
            return;
        };
        if matches!(self.plan.guard, Guard::Sdes { .. } | Guard::Dtls { .. }) {
            self.drops.guard += 1;
            return;
        }
        if let Some(counts) = self.counts.get_mut(component as usize) {
            counts.sent += 1;
            counts.sent_bytes += packet.bytes().len() as u64;
        }
        out.send(self.token, component, to, packet.bytes());
    }
}

/// RTP or RTCP; `None` for anything else.
fn kind(bytes: &[u8], component: Component) -> Option<Component> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    if !MEDIA.contains(&first) {
        return None;
    }
    if component == Component::Rtcp || RTCP.contains(&second) {
        return (bytes.len() >= RTCP_BYTES).then_some(Component::Rtcp);
    }
    (bytes.len() >= RTP_BYTES).then_some(Component::Rtp)
}
