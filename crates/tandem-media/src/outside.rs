//! What the call table sees of this process: ports, randomness, the certificate's hash, what threads have counted. It decides nothing.

use std::collections::HashMap;
use std::net::SocketAddr;

use tandem_rtp::plan::{EndpointId, Local, Streams};
use tandem_rtp::relay::{Counts, Live};
use tandem_rtp::sdp::{Family, Fingerprint};
use tandem_rtp::session::{Counters, Order, Outside, Traffic};

use crate::hands::Hands;
use crate::ports::{Pair, PortPool};

/// Ports, threads and what waits to be done.
pub struct House {
    /// Of all interfaces.
    pub ports: PortPool,
    /// The threads.
    pub hands: Hands,
    /// Sockets that were bound for endpoints whose plans are still to come.
    pub bound: HashMap<Local, Pair>,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// What the last command asked for.
    pub orders: Vec<Order>,
}

impl Outside for House {
    fn take(&mut self, interface: &str, family: Family) -> Option<Local> {
        let (local, pair) = self.ports.take(interface, family == Family::Ip6)?;
        self.bound.insert(local, pair);
        Some(local)
    }

    fn free(&mut self, local: Local) {
        self.bound.remove(&local);
        self.ports.free(local);
    }

    fn random(&mut self, bytes: &mut [u8]) {
        // A kernel without randomness has not finished to start; nothing can be secret then.
        getrandom::fill(bytes).expect("the kernel has randomness");
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn order(&mut self, order: Order) {
        self.orders.push(order);
    }

    fn counters(&self, id: EndpointId) -> Option<Counters> {
        self.hands.ask(&[id]).first().map(counters)
    }

    fn streams(&self) -> Streams {
        self.hands.streams()
    }
}

/// What a thread told, as the call table counts: the sums of all streams from the peer, the worst of their times.
pub fn counters(live: &Live) -> Counters {
    let [rtp, rtcp] = live.counts;
    let [to_rtp, to_rtcp] = live.learned;
    let trips = live.sent.iter().filter_map(|stream| stream.trip.last_us);
    let scores = live.heard.iter().filter_map(|stream| stream.score());
    Counters {
        rtp: Traffic { kernel: live.passes, ..traffic(rtp, to_rtp, live.drops.all()) },
        rtcp: traffic(rtcp, to_rtcp, 0),
        lost: live.heard.iter().map(|stream| stream.missing()).sum(),
        jitter_us: live.heard.iter().map(|stream| stream.jitter_us()).max().unwrap_or_default() as u32,
        rtt_us: trips.max().unwrap_or_default() as u32,
        mos_hundredths: scores.fold(f32::NAN, f32::min).max(0.0).mul_add(100.0, 0.5) as u16,
    }
}

fn traffic(counts: Counts, peer: Option<SocketAddr>, errors: u64) -> Traffic {
    Traffic { packets: counts.packets, bytes: counts.bytes, errors, last_at: counts.last_at, peer, kernel: false }
}
