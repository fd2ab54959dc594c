//! What is known of a call, in the shape that rtpengine's query has. It reads counters and changes nothing.

use std::net::{IpAddr, SocketAddr};

use super::call::{Call, Leg};
use super::medium::Medium;
use super::outside::{Counters, Outside, Traffic};
use super::security::guard;
use super::Calls;
use crate::ng::{count, ok, Failure, Query, Value};
use crate::plan::Guard;
use crate::sdp::Crypto;

const SECOND: u64 = 1_000_000;

impl Calls {
    pub(super) fn query(&self, query: &Query, outside: &dyn Outside) -> Result<Value, Failure> {
        let call = self.calls.get(&query.call).ok_or_else(|| Failure::Call(query.call.chars().take(64).collect()))?;
        let tags: Vec<&String> = query.from_tag.iter().chain(&query.to_tag).collect();
        if let (Some(tag), None) = (tags.first(), tags.iter().find(|tag| call.by_tag(tag).is_some())) {
            return Err(Failure::Party { field: "from-tag", value: tag.chars().take(64).collect() });
        }
        let wanted = |leg: &Leg| tags.is_empty() || tags.iter().any(|tag| leg.has_tag(tag));
        let told = self.told(call, &wanted, outside);
        Ok(told.entries().iter().fold(ok(&[]), |value, (key, entry)| value.with(key, entry.clone())))
    }

    /// All about the legs that are wanted and their peers.
    pub(super) fn told(&self, call: &Call, wanted: &dyn Fn(&Leg) -> bool, outside: &dyn Outside) -> Value {
        let (mut tags, mut quality) = (Value::dict(), Vec::new());
        let mut totals = [Traffic::default(); 2];
        for leg in call.legs.iter().filter(|leg| wanted(leg) || call.peer(leg).is_some_and(wanted)) {
            let tag = leg.tag.clone().unwrap_or_default();
            let counters: Vec<Counters> =
                leg.media.iter().map(|medium| medium.endpoint.and_then(|id| outside.counters(id)).unwrap_or_default()).collect();
            for (total, sum) in
                totals.iter_mut().zip([counters.iter().map(|c| c.rtp).collect::<Vec<_>>(), counters.iter().map(|c| c.rtcp).collect()])
            {
                sum.iter().for_each(|traffic| {
                    total.packets += traffic.packets;
                    total.bytes += traffic.bytes;
                    total.errors += traffic.errors;
                });
            }
            quality.extend(
                leg.media
                    .iter()
                    .zip(&counters)
                    .filter(|(medium, _)| medium.endpoint.is_some())
                    .map(|(medium, counters)| quality_of(&tag, medium, counters)),
            );
            let name = leg.tag.clone().unwrap_or_else(|| format!("<untagged {}>", leg.number));
            tags.put(name, self.leg(call, leg, &counters));
        }
        Value::dict()
            .with("created", count(call.created / SECOND))
            .with("created_us", count(call.created % SECOND))
            .with("last signal", count(call.signalled / SECOND))
            .with("SSRC", Value::dict())
            .with("tags", tags)
            .with("totals", Value::dict().with("RTP", stats(&totals[0])).with("RTCP", stats(&totals[1])))
            .with("quality", Value::List(quality))
    }

    fn leg(&self, call: &Call, leg: &Leg, counters: &[Counters]) -> Value {
        let media = leg
            .media
            .iter()
            .enumerate()
            .zip(counters)
            .map(|((index, medium), counters)| self.medium(leg, index, medium, counters))
            .collect();
        let mut value = Value::dict()
            .with("tag", leg.tag.clone().unwrap_or_default().into())
            .with("created", count(leg.created / SECOND))
            .with("medias", Value::List(media));
        if let Some(branch) = &leg.branch {
            value.put("via-branch", branch.clone().into());
        }
        if let Some(label) = &leg.label {
            value.put("label", label.clone().into());
        }
        if let Some(peer) = call.legs.iter().find(|other| Some(other.number) == leg.peer) {
            value.put("in dialogue with", peer.tag.clone().unwrap_or_default().into());
        }
        let pairs = |all: Vec<(&Leg, &str)>| {
            Value::List(
                all.iter()
                    .map(|(leg, kind)| Value::dict().with("tag", leg.tag.clone().unwrap_or_default().into()).with("type", (*kind).into()))
                    .collect(),
            )
        };
        let heard = call.legs.iter().filter(|other| leg.hears.iter().any(|(number, _)| *number == other.number));
        let hearing = call.legs.iter().filter(|other| other.hears.iter().any(|(number, _)| *number == leg.number));
        let peer = call.peer(leg).map(|peer| (peer, "offer/answer"));
        value.put("subscriptions", pairs(peer.into_iter().chain(heard.map(|leg| (leg, "pub/sub"))).collect()));
        value.put("subscribers", pairs(peer.into_iter().chain(hearing.map(|leg| (leg, "pub/sub"))).collect()));
        value
    }

    fn medium(&self, leg: &Leg, index: usize, medium: &Medium, counters: &Counters) -> Value {
        let guard = guard(medium);
        let flags: [(&str, bool); 9] = [
            ("initialized", medium.theirs.is_some()),
            ("send", medium.receives()),
            ("recv", medium.sends()),
            ("rtcp-mux", medium.mux()),
            ("DTLS-SRTP", matches!(guard, Guard::Dtls { .. })),
            ("SDES", matches!(guard, Guard::Sdes { .. })),
            ("passthrough", guard == Guard::Opaque),
            ("ICE", medium.ice().is_some()),
            ("carried", medium.carrier.is_some()),
        ];
        let flags = flags.iter().filter(|(_, set)| *set).map(|(name, _)| Value::text(name)).collect();
        let mut streams = Vec::new();
        if let Some(local) = leg.carried(index).and_then(|medium| medium.local) {
            let remote = medium.remote();
            let rtp = stream("RTP", local.advertised, local.rtp, remote.map(|remote| remote.rtp), &counters.rtp, &guard);
            let rtcp = stream("RTCP", local.advertised, local.rtcp, remote.map(|remote| remote.rtcp), &counters.rtcp, &guard);
            streams = vec![rtp, rtcp];
        }
        Value::dict()
            .with("index", count(index as u64 + 1))
            .with("type", medium.kind.clone().into())
            .with("protocol", medium.protocol.as_str().into())
            .with("flags", Value::List(flags))
            .with("streams", Value::List(streams))
    }
}

fn stream(kind: &str, local: IpAddr, port: u16, told: Option<SocketAddr>, traffic: &Traffic, guard: &Guard) -> Value {
    let mut flags = vec![Value::text(kind)];
    let endpoint = traffic.peer.or(told);
    flags.extend(endpoint.map(|_| Value::text("filled")));
    flags.extend(traffic.peer.map(|_| Value::text("confirmed")));
    flags.extend(traffic.kernel.then(|| Value::text("kernelized")));
    let mut value = Value::dict()
        .with("local address", local.to_string().into())
        .with("local port", count(port.into()))
        .with("family", family(local).into())
        .with("flags", Value::List(flags))
        .with("last packet", count(traffic.last_at / SECOND))
        .with("stats", stats(traffic));
    if let Some(endpoint) = endpoint {
        value.put("endpoint", address(endpoint));
    }
    if let Some(told) = told {
        value.put("advertised endpoint", address(told));
    }
    if let Guard::Sdes { send, .. } = guard {
        value.put("crypto suite", Crypto::name(send.suite).into());
    }
    value
}

fn stats(traffic: &Traffic) -> Value {
    Value::dict().with("packets", count(traffic.packets)).with("bytes", count(traffic.bytes)).with("errors", count(traffic.errors))
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    }
}

fn address(at: SocketAddr) -> Value {
    Value::dict().with("family", family(at.ip()).into()).with("address", at.ip().to_string().into()).with("port", count(at.port().into()))
}

/// What came from a leg's peer in one section, for its record. Ours: not in rtpengine.
fn quality_of(tag: &str, medium: &Medium, counters: &Counters) -> Value {
    let mut value = Value::dict()
        .with("leg", tag.into())
        .with("direction", "in".into())
        .with("type", medium.kind.clone().into())
        .with("packets", count(counters.rtp.packets))
        .with("lost", count(counters.lost))
        .with("jitter_ms", Value::Hundredths((counters.jitter_us / 10).into()));
    if counters.rtt_us > 0 {
        value.put("rtt_ms", Value::Hundredths((counters.rtt_us / 10).into()));
    }
    if counters.mos_hundredths > 0 {
        value.put("mos", Value::Hundredths(counters.mos_hundredths.into()));
    }
    value
}
