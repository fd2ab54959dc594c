//! A packet's way through the relay: from whom, of what kind, opened, to whom, protected. It decides about no call.

use std::net::SocketAddr;

use super::{Component, Key, Out, Packet, Relay, Slot};
use crate::plan::Guard;
use crate::rtp::{self, Kind, HEADER_BYTES};

/// Shortest RTCP packet, in bytes (RFC 3550 6.4.2: a receiver report about nobody).
const RTCP_BYTES: usize = 8;

impl Relay {
    /// A datagram came to a port of the endpoint at `key`. What is in `packet` afterwards is of no use.
    pub fn receive(&mut self, now: u64, key: Key, component: Component, from: SocketAddr, packet: &mut Packet, out: &mut impl Out) {
        let Some(Some(slot)) = self.slots.get_mut(key as usize) else { return };
        let kind = match Kind::of(packet.bytes()) {
            _ if slot.plan.raw => Component::Rtp,
            Kind::Rtp if component == Component::Rtp && packet.bytes().len() >= HEADER_BYTES => Component::Rtp,
            Kind::Rtcp if packet.bytes().len() >= RTCP_BYTES => Component::Rtcp,
            Kind::Stun => return slot.stun(now, component, from, packet.bytes(), &mut self.common, out),
            Kind::Dtls => return slot.dtls(now, from, packet.bytes(), &mut self.common, out),
            _ => {
                slot.drops.alien += 1;
                return;
            }
        };
        if !slot.take(now, component, kind, from, packet) {
            return;
        }
        if slot.listened && kind == Component::Rtp {
            if let Ok(packet) = rtp::Packet::read(packet.bytes()) {
                self.sound.packet(now, slot.at, slot.plan.id, &packet);
            }
        }
        let sinks = slot.sinks.len();
        if sinks == 0 {
            slot.drops.nowhere += u64::from(!slot.listened);
            return;
        }
        let random = if kind == Component::Rtcp { self.common.number() } else { 0 };
        let mut spare = std::mem::take(&mut self.spare);
        for at in 0..sinks {
            let Some(to) = self.sink(key, at) else { continue };
            let Some(Some(sink)) = self.slots.get_mut(to as usize) else { continue };
            if sink.made {
                continue;
            }
            if at + 1 < sinks {
                spare.copy(packet.bytes());
                sink.give(now, kind, &mut spare, random, out);
            } else {
                sink.give(now, kind, packet, random, out);
            }
        }
        self.spare = spare;
    }
}

impl Slot {
    /// Checks, opens and counts a packet of the peer; false: it goes no further.
    fn take(&mut self, now: u64, component: Component, kind: Component, from: SocketAddr, packet: &mut Packet) -> bool {
        // Whoever can protect its packets is the peer, and only then is its address worth learning.
        if let Some(lock) = &mut self.lock {
            let (buffer, len) = packet.whole();
            let Some(len) = lock.open(kind, buffer, len) else {
                self.drops.guard += 1;
                return false;
            };
            packet.filled(len);
        }
        if !self.accept(now, component, from) {
            self.drops.source += 1;
            return false;
        }
        let counts = &mut self.ways[component as usize].counts;
        counts.last_at = now;
        counts.packets += 1;
        counts.bytes += packet.bytes().len() as u64;
        match kind {
            _ if self.plan.raw || self.plan.guard == Guard::Opaque => {}
            Component::Rtp => self.watch.heard(now, packet.bytes(), &self.plan),
            Component::Rtcp => self.watch.told(now, packet.bytes()),
        }
        let blocked = self.plan.blocked || self.plan.dtmf_blocked && kind == Component::Rtp && self.is_key(packet.bytes());
        if blocked {
            self.drops.blocked += 1;
        }
        !blocked
    }

    /// Whether a packet of the peer is a telephone event.
    fn is_key(&self, bytes: &[u8]) -> bool {
        let number = bytes.get(1).map(|byte| byte & 0x7f);
        self.plan.payloads.iter().any(|payload| Some(payload.number) == number && payload.name == "TELEPHONE-EVENT")
    }

    /// Sends to the peer what another endpoint received.
    pub(super) fn give(&mut self, now: u64, kind: Component, packet: &mut Packet, random: u32, out: &mut impl Out) {
        let component = if self.plan.mux { Component::Rtp } else { kind };
        let way = &mut self.ways[component as usize];
        let Some(to) = way.to else {
            self.drops.nowhere += 1;
            return;
        };
        match kind {
            _ if self.plan.raw || self.plan.guard == Guard::Opaque => {}
            Component::Rtp => self.watch.sent(now, packet.bytes(), &self.plan),
            Component::Rtcp => self.watch.tell(now, packet.bytes(), random),
        }
        match &mut self.lock {
            Some(lock) => {
                let (buffer, len) = packet.whole();
                let Some(len) = lock.close(kind, buffer, len) else {
                    self.drops.guard += 1;
                    return;
                };
                packet.filled(len);
            }
            // Nothing leaves in the clear that should not.
            None if !matches!(self.plan.guard, Guard::Plain | Guard::Opaque) => {
                self.drops.guard += 1;
                return;
            }
            None => {}
        }
        way.counts.sent += 1;
        way.counts.sent_bytes += packet.bytes().len() as u64;
        out.send(self.token, component, to, packet.bytes());
    }
}
