//! The bytes that the program in `bpf/relay.c` and this side share. It reads and writes values, and touches no map.

use std::net::{IpAddr, SocketAddr};

use crate::flow::{Counters, Flow, Kind};
use crate::route::Route;

/// `struct place`, in bytes.
pub const PLACE_BYTES: usize = 36;
/// `struct flow`, in bytes.
pub const FLOW_BYTES: usize = 128;
/// `struct state`, in bytes.
pub const STATE_BYTES: usize = 64;

/// The key of a flow.
pub type Place = [u8; PLACE_BYTES];

/// The key of packets from `remote` to `local`.
pub fn place(local: SocketAddr, remote: SocketAddr) -> Place {
    let mut bytes = [0; PLACE_BYTES];
    let parts: [&[u8]; 4] = [&address(local.ip()), &address(remote.ip()), &local.port().to_be_bytes(), &remote.port().to_be_bytes()];
    fill(&mut bytes, &parts);
    bytes
}

/// What the program has to know of a flow; `state` is where it counts.
pub fn flow(flow: &Flow, route: &Route, state: u32) -> [u64; FLOW_BYTES / 8] {
    let (tick, rtp) = match flow.kind {
        Kind::Rtp(clock) => ((256_000_000_000u64 / u64::from(clock.max(1))).min(u64::from(u32::MAX)) as u32, 1),
        Kind::Any => (0, 0),
    };
    let (hop, family) = match route.hop {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            fill(&mut bytes, &[&ip.octets()]);
            (bytes, libc::AF_INET)
        }
        IpAddr::V6(ip) => (ip.octets(), libc::AF_INET6),
    };
    let mut bytes = [0; FLOW_BYTES];
    fill(
        &mut bytes,
        &[
            &place(flow.local, flow.remote),
            &address(flow.new_source.ip()),
            &address(flow.new_destination.ip()),
            &hop,
            &flow.new_source.port().to_be_bytes(),
            &flow.new_destination.port().to_be_bytes(),
            &route.interface.to_ne_bytes(),
            &tick.to_ne_bytes(),
            &state.to_ne_bytes(),
            &(family as u32).to_ne_bytes(),
            &[flow.tos, rtp],
        ],
    );
    let mut longs = [0; FLOW_BYTES / 8];
    for (long, bytes) in longs.iter_mut().zip(bytes.chunks_exact(8)) {
        *long = bytes.try_into().map_or(0, u64::from_ne_bytes);
    }
    longs
}

/// What the program has counted. `now`: the kernel's steady clock, in nanoseconds.
pub fn counters(state: &[u64; STATE_BYTES / 8], now: u64) -> Counters {
    let [packets, bytes, last_ns, jitter_ns, rest @ ..] = state;
    let [(ssrc, highest), (base, before), (timestamp, late), (twice, beginnings)] = rest.map(words);
    let current = if beginnings == 0 { 0 } else { u64::from(highest.wrapping_sub(base)) + 1 };
    Counters {
        packets: *packets,
        bytes: *bytes,
        idle_us: (*packets > 0).then(|| now.saturating_sub(*last_ns) / 1_000),
        expected: u64::from(before) + current,
        late: late.into(),
        twice: twice.into(),
        jitter_ns: *jitter_ns,
        ssrc: u32::from_be(ssrc),
        highest,
        timestamp,
        beginnings,
    }
}

fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn fill(to: &mut [u8], parts: &[&[u8]]) {
    let all = parts.iter().copied().flatten();
    to.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
}

fn words(long: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = long.to_ne_bytes();
    (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::{counters, flow, place};
    use crate::flow::{Flow, Kind};
    use crate::route::Route;

    #[test]
    fn a_place_is_both_ends_in_network_order() {
        let key = place("192.0.2.1:4000".parse().unwrap(), "[2001:db8::7]:5000".parse().unwrap());
        assert_eq!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1], key[..16]);
        assert_eq!([0x0f, 0xa0, 0x13, 0x88], key[32..]);
    }

    #[test]
    fn a_flow_ends_with_its_type_of_service() {
        let at = |text: &str| text.parse().unwrap();
        let put = Flow {
            local: at("10.0.0.1:4000"),
            remote: at("10.0.0.2:4000"),
            new_source: at("10.0.1.1:5000"),
            new_destination: at("10.0.1.2:5000"),
            tos: 184,
            kind: Kind::Rtp(8_000),
        };
        let bytes: Vec<u8> = flow(&put, &Route { interface: 7, here: false, hop: at("10.0.1.9:0").ip() }, 3)
            .iter()
            .flat_map(|long| long.to_ne_bytes())
            .collect();
        assert_eq!([10, 0, 1, 9], bytes[68..72]);
        assert_eq!([7u32, 32_000_000, 3, 2].map(u32::to_ne_bytes).concat(), bytes[88..104]);
        assert_eq!([184, 1], bytes[104..106]);
    }

    #[test]
    fn counted_is_what_was_expected_of_all_beginnings() {
        let two = |a: u32, b: u32| u64::from_ne_bytes([a.to_ne_bytes(), b.to_ne_bytes()].concat().try_into().unwrap());
        let state = [9, 1_500, 5_000_000, 12, two(1u32.to_be(), 65_540), two(65_530, 4), two(160, 1), two(2, 2)];
        let found = counters(&state, 8_000_999);
        assert_eq!((Some(3_000), 15, 6), (found.idle_us, found.expected, found.lost()));
        assert_eq!((1, 160, 1, 2), (found.ssrc, found.timestamp, found.late, found.twice));
        assert_eq!(None, counters(&[0; 8], 1).idle_us);
    }
}
