//! What an answer says of streams that have ended, in whole numbers with their units. Nothing is measured here.

use tandem_rtp::ng::{count, Value};
use tandem_rtp::quality::{Inbound, Outbound};
use tandem_rtp::relay::Live;

/// Two dictionaries for one endpoint of the leg `tag`: of what its peer sent ("in"), and of what it got ("out"). Empty ones are left out.
pub fn quality(tag: &str, live: &Live) -> Vec<Value> {
    let trip = live.sent.iter().filter_map(|stream| stream.trip.last_us).max().unwrap_or_default();
    let heard = Sums {
        packets: live.heard.iter().map(|stream| stream.packets).sum(),
        lost: live.heard.iter().map(Inbound::missing).sum(),
        jitter_us: live.heard.iter().map(Inbound::jitter_us).max().unwrap_or_default(),
        mos: worst(live.heard.iter().filter_map(Inbound::score)),
    };
    let sent = Sums {
        packets: live.sent.iter().map(|stream| stream.packets).sum(),
        lost: live.sent.iter().filter_map(reported_lost).sum(),
        jitter_us: live.sent.iter().filter_map(reported_jitter_us).max().unwrap_or_default(),
        mos: worst(live.sent.iter().filter_map(|stream| stream.scores.average())),
    };
    [("in", heard), ("out", sent)]
        .into_iter()
        .filter(|(_, sums)| sums.packets > 0)
        .map(|(direction, sums)| {
            Value::dict()
                .with("leg", Value::text(tag))
                .with("direction", Value::text(direction))
                .with("packets", count(sums.packets))
                .with("lost", count(sums.lost))
                .with("jitter_us", count(sums.jitter_us))
                .with("rtt_us", count(trip))
                .with("mos_hundredths", count(sums.mos))
        })
        .collect()
}

struct Sums {
    packets: u64,
    lost: u64,
    jitter_us: u64,
    mos: u64,
}

/// The lowest score in hundredths; 0: there is none.
fn worst(scores: impl Iterator<Item = f32>) -> u64 {
    scores.reduce(f32::min).map_or(0, |score| (score * 100.0).round() as u64)
}

/// What the receiver says that it missed (RFC 3550 6.4.1); duplicates may make it negative.
fn reported_lost(stream: &Outbound) -> Option<u64> {
    stream.remote.map(|remote| u64::try_from(remote.block.lost).unwrap_or_default())
}

fn reported_jitter_us(stream: &Outbound) -> Option<u64> {
    stream.remote.map(|remote| u64::from(remote.block.jitter) * 1_000_000 / u64::from(stream.clock_hz.max(1)))
}
