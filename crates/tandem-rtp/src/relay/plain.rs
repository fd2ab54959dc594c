//! Streams of which nothing is changed but their addresses: they may pass in the kernel. It does not know how.

use std::net::SocketAddr;

use super::{Component, Key, Relay, Share, Slot};
use crate::plan::{Endpoint, Guard, Payload, Streams};
use crate::quality::Passed;

/// A stream without a packet for so long does not run, in microseconds.
pub const RUNS_US: u64 = 5_000_000;

/// One direction of such a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// Ours, where the packets come.
    pub local: SocketAddr,
    /// The peer that sends them, which is settled.
    pub remote: SocketAddr,
    /// Ours, where they leave.
    pub new_source: SocketAddr,
    /// The peer that gets them.
    pub new_destination: SocketAddr,
    /// DSCP and ECN byte of what leaves.
    pub tos: u8,
    /// RTP clock; `None`: it is no RTP.
    pub clock_hz: Option<u32>,
}

impl Relay {
    /// The stream that comes to the endpoint at `key`, and the place of the endpoint that it goes to. `None`: packets have to be seen.
    pub fn plain(&mut self, now: u64, key: Key) -> Option<(Plain, Key)> {
        let to = self.sink(key, 0)?;
        let (from, sink) = (self.slot(key)?, self.slot(to)?);
        if from.listened || sink.made || from.tapped || sink.tapped || !untouched(&from.plan, &sink.plan) {
            return None;
        }
        let [rtp, _] = &from.ways;
        let clock = from.plan.payloads.first().map_or(super::watch::CLOCK_HZ, |payload| payload.clock.max(1));
        let plain = Plain {
            local: at(&from.plan)?,
            remote: rtp.learner.settled(now)?,
            new_source: at(&sink.plan)?,
            new_destination: sink.ways[Component::Rtp as usize].to?,
            tos: sink.plan.tos,
            clock_hz: (!from.plan.raw).then_some(clock),
        };
        Some((plain, to))
    }

    /// Where packets to the endpoint's peer go now.
    pub fn peer(&self, key: Key) -> Option<SocketAddr> {
        self.slot(key).and_then(|slot| slot.ways[Component::Rtp as usize].to)
    }

    /// Says whether the stream that comes to the endpoint passes elsewhere.
    pub fn set_passes(&mut self, key: Key, passes: bool) {
        if let Some(Some(slot)) = self.slots.get_mut(key as usize) {
            slot.passes = passes;
        }
    }

    /// Says whether every packet of the endpoint has to be seen: then nothing of it passes elsewhere.
    pub fn set_tapped(&mut self, key: Key, tapped: bool) {
        if let Some(Some(slot)) = self.slots.get_mut(key as usize) {
            slot.tapped = tapped;
        }
    }

    /// Streams that run, by the way in which they are forwarded: those of which a packet came in the last [`RUNS_US`].
    pub fn streams(&mut self, now: u64, share: Share) -> Streams {
        let mut streams = Streams::default();
        for slot in share.of(&mut self.slots) {
            let [rtp, _] = &slot.ways;
            let runs = now.saturating_sub(rtp.counts.last_at) < RUNS_US;
            streams.kernel += u64::from(runs && slot.passes);
            streams.userspace += u64::from(runs && !slot.passes);
            for stream in slot.watch.heard.iter().filter(|_| runs) {
                streams.packets += stream.packets;
                streams.lost += stream.missing();
            }
        }
        streams
    }

    /// Packets of the stream that comes to the endpoint at `key` passed to the one at `to`.
    pub fn passed(&mut self, now: u64, key: Key, to: Key, passed: &Passed) {
        if passed.packets == 0 {
            return;
        }
        let payloads = self.slot(key).map(|slot| slot.plan.payloads.clone());
        if let Some(Some(slot)) = self.slots.get_mut(key as usize) {
            slot.took(now, passed);
        }
        if let (Some(payloads), Some(Some(slot))) = (payloads, self.slots.get_mut(to as usize)) {
            slot.gave(passed, &payloads);
        }
    }

    /// The places of a share.
    pub fn keys(&self, share: Share) -> impl Iterator<Item = Key> + use<> {
        (share.first as Key..self.slots.len() as Key).step_by(share.of.max(1))
    }
}

impl Slot {
    fn took(&mut self, now: u64, passed: &Passed) {
        let [rtp, _] = &mut self.ways;
        rtp.learner.passed(passed.last_us);
        rtp.counts.last_at = rtp.counts.last_at.max(passed.last_us);
        rtp.counts.packets += passed.packets;
        rtp.counts.bytes += passed.bytes;
        if !self.plan.raw && self.plan.guard == Guard::Plain {
            self.watch.passed_in(now, passed, &self.plan.payloads);
        }
    }

    fn gave(&mut self, passed: &Passed, payloads: &[Payload]) {
        let [rtp, _] = &mut self.ways;
        rtp.counts.sent += passed.packets;
        rtp.counts.sent_bytes += passed.bytes;
        if !self.plan.raw && self.plan.guard == Guard::Plain {
            self.watch.passed_out(passed, payloads);
        }
    }
}

/// Whether packets from one endpoint may go to the other as they are. It names every field: whoever adds one decides.
fn untouched(from: &Endpoint, to: &Endpoint) -> bool {
    let Endpoint { id: _, call: _, leg: _, section: _, local: _, remote: _, mux: _, learning: _, strict: _, handover: _, .. } = from;
    let Endpoint { ice_peer: _, association: _, accepts: _, ptime_ms: _, sends: _, hears: _, timeout_seconds: _, tos: _, room: _, .. } =
        from;
    let Endpoint { guard, ice, payloads, sinks, blocked, silenced, dtmf_blocked, inject_dtmf, clean, raw, .. } = from;
    let alone = sinks.len() == 1 && ice.is_none() && to.ice.is_none();
    let open = !blocked && !silenced && !dtmf_blocked && !inject_dtmf && !clean.any() && !to.inject_dtmf;
    let same = *raw == to.raw && matches!((guard, &to.guard), (Guard::Plain, Guard::Plain) | (Guard::Opaque, Guard::Opaque));
    alone && open && same && (to.accepts.is_empty() || payloads.iter().all(|payload| to.takes(payload)))
}

fn at(plan: &Endpoint) -> Option<SocketAddr> {
    let local = plan.local;
    (!local.address.is_unspecified()).then(|| SocketAddr::new(local.address, local.rtp))
}
