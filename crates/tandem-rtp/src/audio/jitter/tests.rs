//! What holds for a buffer under any network.

use super::*;
use proptest::prelude::*;

/// Microseconds between two packets.
const STEP: u64 = 20_000;

fn packet(sequence: u64, payload: &[u8]) -> Arrival<'_> {
    Arrival {
        ssrc: 9,
        sequence: sequence as u16,
        timestamp: (sequence as u32).wrapping_mul(160),
        payload_type: 0,
        kind: Kind::Audio,
        units: 160,
        payload,
    }
}

/// Plays packets that arrive at these times (number, microseconds) turn by turn; each turn's outcome: the packet's number, or why there is none.
fn played(jitter: &mut Jitter, mut arrivals: Vec<(u64, u64)>, turns: u64) -> Vec<Result<u64, &'static str>> {
    arrivals.sort_by_key(|&(_, at)| at);
    let mut arrivals = arrivals.into_iter().peekable();
    (0..turns)
        .map(|turn| {
            let now = 1_000_000 + turn * STEP;
            while let Some((number, at)) = arrivals.next_if(|&(_, at)| at <= now) {
                jitter.put(at, packet(number, &number.to_be_bytes()));
            }
            match jitter.take(now) {
                Take::Audio { payload, .. } => Ok(u64::from_be_bytes(payload.try_into().unwrap())),
                Take::Lost { .. } => Err("lost"),
                Take::Pause => Err("pause"),
                Take::Noise { .. } => Err("noise"),
                Take::Idle => Err("idle"),
            }
        })
        .collect()
}

fn steady(first: u64, packets: u64, late: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
    (0..packets).map(|n| (first + n, 1_000_000 + n * STEP + late(n))).collect()
}

#[test]
fn a_steady_stream_is_played_in_order_one_packet_a_turn_over_the_wrap() {
    let mut jitter = Jitter::new(8_000);
    let out = played(&mut jitter, steady(65_500, 200, |_| 3_000), 210);
    let numbers: Vec<u64> = out.iter().flatten().copied().collect();
    assert_eq!((65_500..65_700).collect::<Vec<_>>(), numbers);
    assert_eq!(2, out.iter().position(Result::is_ok).unwrap());
    let statistics = jitter.statistics();
    assert_eq!((200, 0, 0, 20_000), (statistics.packets, statistics.lost, statistics.late, statistics.target_us));
}

#[test]
fn timestamps_may_wrap_too() {
    let mut jitter = Jitter::new(8_000);
    let first = u64::from(u32::MAX / 160) - 5;
    let out = played(&mut jitter, steady(first, 50, |_| 0), 55);
    assert_eq!(50, out.iter().flatten().count());
    assert_eq!(0, jitter.statistics().restarts);
}

#[test]
fn a_lost_packet_is_concealed_once_and_named_with_the_one_after_it() {
    let mut jitter = Jitter::new(48_000);
    jitter.bound(60_000, 100_000);
    let frame = |n: u64| Arrival { timestamp: n as u32 * 960, units: 960, ..packet(n, b"abc") };
    for n in [0, 1, 3] {
        jitter.put(n * STEP, frame(n));
    }
    assert!(matches!(jitter.take(3 * STEP), Take::Audio { .. }));
    assert!(matches!(jitter.take(4 * STEP), Take::Audio { .. }));
    assert_eq!(Take::Lost { units: 960, next: Some(b"abc") }, jitter.take(5 * STEP));
    assert!(matches!(jitter.take(6 * STEP), Take::Audio { .. }));
    assert_eq!(1, jitter.statistics().lost);
}

#[test]
fn jitter_raises_the_delay_until_next_to_nothing_is_late() {
    let mut jitter = Jitter::new(8_000);
    let out = played(&mut jitter, steady(0, 1_500, |n| n * 7_919 % 90_000), 1_500);
    let late = jitter.statistics().late;
    assert_eq!(90_000, jitter.statistics().target_us);
    assert!(out[500..].iter().filter(|turn| turn.is_err()).count() <= 5, "{late}");
    let numbers: Vec<u64> = out.into_iter().flatten().collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_network_that_becomes_slower_delays_and_loses_nothing() {
    let mut jitter = Jitter::new(8_000);
    let out = played(&mut jitter, steady(0, 300, |n| if n < 100 { 0 } else { 100_000 }), 305);
    assert_eq!((0..300).collect::<Vec<_>>(), out.iter().flatten().copied().collect::<Vec<_>>());
    assert_eq!((0, 4), (jitter.statistics().lost, out.iter().filter(|turn| **turn == Err("lost")).count() as u64));
}

#[test]
fn what_comes_twice_or_too_late_is_played_once_or_not() {
    let mut jitter = Jitter::new(8_000);
    let mut arrivals = steady(0, 50, |_| 0);
    arrivals.extend(steady(0, 50, |_| 5_000));
    arrivals.retain(|&(n, at)| n != 20 || at > 1_400_000);
    arrivals.push((20, 1_900_000));
    let out = played(&mut jitter, arrivals, 52);
    assert_eq!(50, out.iter().flatten().count());
    assert_eq!((50, 0), (jitter.statistics().duplicates, jitter.statistics().late));

    let mut jitter = Jitter::new(8_000);
    let mut arrivals = steady(0, 50, |_| 0);
    arrivals[20].1 += 300_000;
    assert_eq!(49, played(&mut jitter, arrivals, 52).iter().flatten().count());
    assert_eq!((1, 1), (jitter.statistics().late, jitter.statistics().lost));
}

#[test]
fn a_silent_sender_is_a_pause_and_talk_begins_again_at_the_target() {
    let mut jitter = Jitter::new(8_000);
    for (sequence, at, kind) in [(0, 0, Kind::Audio), (1, 1, Kind::Noise), (2, 50, Kind::Audio), (3, 51, Kind::Audio)] {
        let arrival = Arrival { timestamp: at * 160, kind, ..packet(sequence, &[1]) };
        jitter.put(u64::from(at) * STEP, arrival);
        if sequence == 1 {
            assert!(matches!(jitter.take(STEP), Take::Audio { .. }));
            assert!(matches!(jitter.take(2 * STEP), Take::Noise { .. }));
            assert!((3..50).all(|turn| jitter.take(turn * STEP) == Take::Pause));
        }
    }
    assert_eq!(Take::Pause, jitter.take(50 * STEP));
    assert!(matches!(jitter.take(51 * STEP), Take::Audio { .. }));
    assert!(matches!(jitter.take(52 * STEP), Take::Audio { .. }));
    assert_eq!((0, 0), (jitter.statistics().lost, jitter.statistics().restarts));
}

#[test]
fn a_stream_that_stops_is_concealed_for_200_ms_then_a_pause_then_nothing() {
    let mut jitter = Jitter::new(8_000);
    let out = played(&mut jitter, steady(0, 10, |_| 0), 600);
    assert_eq!([Ok(9), Err("lost")], out[10..12]);
    assert_eq!(10, out.iter().filter(|turn| **turn == Err("lost")).count());
    assert_eq!(Err("pause"), out[22]);
    assert_eq!(Err("idle"), out[599]);
}

#[test]
fn telephone_events_take_numbers_and_no_time() {
    let mut jitter = Jitter::new(8_000);
    for n in 0..10u64 {
        let event = (3..7).contains(&n);
        let payload = [n as u8];
        let arrival = packet(n, &payload);
        let arrival = Arrival {
            kind: if event { Kind::Other } else { Kind::Audio },
            timestamp: if event { 480 } else { arrival.timestamp },
            ..arrival
        };
        jitter.put(n * STEP, arrival);
        let expected = match n {
            0 => Take::Idle,
            1..=3 => Take::Audio { payload_type: 0, payload: &[n as u8 - 1], pace: Pace::Keep },
            4..=7 => Take::Pause,
            _ => Take::Audio { payload_type: 0, payload: &[n as u8 - 1], pace: Pace::Keep },
        };
        assert_eq!(expected, jitter.take(n * STEP), "{n}");
    }
    assert_eq!(0, jitter.statistics().lost);
}

#[test]
fn a_new_source_is_played_at_once_and_the_old_one_is_over() {
    let mut jitter = Jitter::new(8_000);
    for n in 0..5u64 {
        jitter.put(n * STEP, packet(n, &[0]));
        jitter.take(n * STEP);
    }
    let other = |n: u64| Arrival { ssrc: 10, sequence: 40_000 + n as u16, timestamp: 77 + n as u32 * 160, ..packet(n, &[1]) };
    assert_eq!(Put::Restarted, jitter.put(5 * STEP, other(0)));
    assert_eq!(Put::Stray, jitter.put(5 * STEP, packet(6, &[0])));
    assert_eq!(Take::Pause, jitter.take(5 * STEP));
    assert_eq!(Take::Audio { payload_type: 0, payload: &[1], pace: Pace::Keep }, jitter.take(6 * STEP));
    assert_eq!((Some(10), 1, 1), (jitter.ssrc(), jitter.statistics().restarts, jitter.statistics().strays));
    // Later it may come back.
    assert_eq!(Put::Restarted, jitter.put(100 * STEP, packet(7, &[0])));
}

#[test]
fn a_jump_of_timestamps_or_numbers_begins_anew() {
    let mut jitter = Jitter::new(8_000);
    jitter.put(0, packet(0, &[0]));
    jitter.take(STEP);
    assert_eq!(Put::Restarted, jitter.put(STEP, Arrival { timestamp: 1_000_000, ..packet(1, &[1]) }));
    assert!(matches!(jitter.take(2 * STEP), Take::Audio { payload: &[1], .. }));
    assert_eq!(Put::Restarted, jitter.put(2 * STEP, Arrival { timestamp: 999_000, ..packet(2, &[2]) }));
    assert!(matches!(jitter.take(3 * STEP), Take::Audio { payload: &[2], .. }));
    let far = |n: u16| Arrival { sequence: 30_000 + n, timestamp: 999_000 + 160 * u32::from(n), ..packet(0, &[3]) };
    assert_eq!([Put::Stray, Put::Restarted], [jitter.put(3 * STEP, far(0)), jitter.put(4 * STEP, far(1))]);
    assert!(matches!(jitter.take(5 * STEP), Take::Audio { payload: &[3], .. }));
}

/// What an heir of ours does after a takeover: it goes on in time, with numbers far ahead.
#[test]
fn a_jump_of_a_thousand_numbers_in_time_is_one_short_gap() {
    let mut jitter = Jitter::new(8_000);
    let mut arrivals = steady(0, 50, |_| 0);
    arrivals.extend((60..100u64).map(|n| (n + 100_000, 1_000_000 + n * STEP)));
    arrivals.sort_by_key(|&(_, at)| at);
    let mut heard = 0;
    for turn in 0..110u64 {
        let now = 1_000_000 + turn * STEP;
        for &(n, at) in arrivals.iter().filter(|&&(_, at)| at > now.saturating_sub(STEP) && at <= now) {
            let real = n % 100_000;
            jitter.put(at, Arrival { sequence: if n > 100_000 { real as u16 + 1_000 } else { n as u16 }, ..packet(real, &[0]) });
        }
        heard += u64::from(matches!(jitter.take(now), Take::Audio { .. }));
    }
    assert_eq!((90, 0), (heard, jitter.statistics().restarts));
}

#[test]
fn a_sender_with_a_fast_clock_is_shortened_and_a_slow_one_lengthened() {
    for (drift, hint) in [(-4i64, Pace::Shorten), (4, Pace::Lengthen)] {
        let (mut jitter, mut hints, mut turn) = (Jitter::new(8_000), 0, 0u64);
        let mut queued = 0i64;
        for n in 0..20_000u64 {
            let at = (1_000_000 + n as i64 * (STEP as i64 + drift)) as u64;
            while 1_000_000 + turn * STEP <= at {
                let now = 1_000_000 + turn * STEP;
                while queued < STEP as i64 {
                    match jitter.take(now) {
                        Take::Audio { pace, .. } => {
                            queued += STEP as i64;
                            if pace == hint {
                                hints += 1;
                                queued += if hint == Pace::Lengthen { 5_000 } else { -5_000 };
                            }
                        }
                        Take::Lost { .. } | Take::Pause => queued += STEP as i64,
                        _ => queued = STEP as i64,
                    }
                }
                queued -= STEP as i64;
                queued = queued.max(0);
                turn += 1;
            }
            jitter.put(at, packet(n, &[0]));
        }
        // 80 ms of drift in 400 s, by 5 ms each.
        assert!((5..=40).contains(&hints), "{drift}: {hints}");
        assert!(jitter.statistics().delay_us < 80_000, "{:?}", jitter.statistics());
    }
}

#[test]
fn a_flood_is_held_up_to_the_limit() {
    let mut jitter = Jitter::new(8_000);
    for n in 0..1_000 {
        jitter.put(0, packet(n, &[0; 1_000]));
    }
    assert_eq!(HELD_PACKETS, jitter.held.len());
    assert!(jitter.statistics().overflows > 0);
    assert_eq!(Put::Stray, jitter.put(0, packet(1_000, &[0; PAYLOAD_BYTES + 1])));
}

proptest! {
    #[test]
    fn packets_leave_in_order_once_and_unchanged_whatever_the_network_does(
        lates in prop::collection::vec((0u64..400_000, 0u8..10, any::<bool>()), 1..300),
        first in any::<u16>(),
    ) {
        let mut jitter = Jitter::new(8_000);
        let mut arrivals = Vec::new();
        for (n, &(late, lost, twice)) in lates.iter().enumerate() {
            let at = 1_000_000 + n as u64 * STEP;
            if lost > 0 {
                arrivals.push((u64::from(first) + n as u64, at + late));
            }
            if twice {
                arrivals.push((u64::from(first) + n as u64, at + late / 2));
            }
        }
        let count = arrivals.len() as u64;
        let out = played(&mut jitter, arrivals, lates.len() as u64 + 100);
        let numbers: Vec<u64> = out.iter().flatten().copied().collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        prop_assert!(jitter.held.is_empty());
        let s = jitter.statistics();
        prop_assert_eq!(count, s.packets);
        prop_assert_eq!(count, numbers.len() as u64 + s.duplicates + s.late + s.strays + s.overflows);
        prop_assert!(s.target_us <= TARGET_US.1);
    }

    #[test]
    fn anything_at_any_time_is_held_within_limits(
        events in prop::collection::vec((0u64..100_000, any::<u16>(), any::<u32>(), 0u32..3, 0u8..4, 0u32..5_000, 0usize..40), 0..400),
    ) {
        let mut jitter = Jitter::new(48_000);
        let mut now = 0;
        for (wait, sequence, timestamp, ssrc, kind, units, bytes) in events {
            now += wait;
            let kind = [Kind::Audio, Kind::Dtx, Kind::Noise, Kind::Other][usize::from(kind)];
            jitter.put(now, Arrival { ssrc, sequence, timestamp, payload_type: 1, kind, units, payload: &[7; 40][..bytes] });
            jitter.put(now, Arrival { ssrc, sequence: sequence.wrapping_add(1), timestamp, payload_type: 1, kind, units, payload: &[7; 40][..bytes] });
            if let Take::Lost { units, .. } = jitter.take(now) {
                prop_assert!(units > 0 && units <= 48_000);
            }
            prop_assert!(jitter.held.len() <= HELD_PACKETS && jitter.spare.len() <= SPARE);
        }
    }
}
