//! What an inbound stream counts, told as sequences of packets.

use super::*;

/// A packet every 20 ms of 8 kHz, number and time in step.
fn packet(stream: &mut Inbound, number: u32) {
    packet_at(stream, number, u64::from(number) * 20_000);
}

fn packet_at(stream: &mut Inbound, number: u32, at_us: u64) {
    let mut bytes = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
    bytes[4..8].copy_from_slice(&number.wrapping_mul(160).to_be_bytes());
    stream.packet(at_us, &Header::read(&bytes).unwrap(), 172);
}

fn heard(numbers: impl IntoIterator<Item = u32>) -> Inbound {
    let mut stream = Inbound::new(7, 8_000, Codec::G711_PLC);
    numbers.into_iter().for_each(|number| packet(&mut stream, number));
    stream
}

#[test]
fn a_clean_stream_misses_nothing_across_wraps() {
    for begin in [0, 1, 65_000, 65_535] {
        let stream = heard(begin..begin + 140_000);
        assert_eq!((140_000, 140_000, 0), (stream.expected(), stream.packets, stream.missing()));
        assert_eq!((0, 0, 0, 0), (stream.duplicates, stream.reordered, stream.strays, stream.restarts));
        assert_eq!((140_000 * 172, 0), (stream.bytes, stream.jitter()));
        assert_eq!(140_000 - 64, stream.bursts.received);
    }
}

#[test]
fn losses_duplicates_and_order_are_told_apart() {
    let stream = heard([10, 11, 13, 12, 12, 16, 11, 9]);
    assert_eq!((8, 8), (stream.expected(), stream.packets)); // 9 to 16
    assert_eq!((2, 2, 2), (stream.missing(), stream.duplicates, stream.reordered));
    let stream = heard([0, 65_535, 1]);
    assert_eq!((3, 0, 1), (stream.expected(), stream.missing(), stream.reordered));
}

#[test]
fn losses_reach_the_bursts_in_order_and_once() {
    let lost = |number: &u32| (number / 7) % 5 == 3 && number % 7 < 3 || (2000..2200).contains(number);
    let mut stream = heard((0..10_000).filter(|number| !lost(number)));
    let mut expected = Bursts::default();
    for number in 0..10_000 {
        if lost(&number) {
            expected.missed(1);
        } else {
            expected.arrived();
        }
    }
    stream.end_run();
    assert_eq!(expected.closed(), stream.bursts.closed());
    assert_eq!(stream.bursts.lost, stream.missing());
}

#[test]
fn late_packets_are_no_losses_of_a_burst() {
    let order = (0..1000u32).map(|n| {
        if n % 10 == 3 {
            n + 5
        } else if n % 10 == 8 {
            n - 5
        } else {
            n
        }
    });
    let mut stream = heard(order);
    stream.end_run();
    assert_eq!((1000, 0, 0), (stream.bursts.received, stream.bursts.lost, stream.missing()));
}

#[test]
fn a_jump_of_numbers_is_a_new_beginning_when_the_next_packet_follows() {
    let stream = heard((100..200).chain([9_000]).chain(200..300));
    assert_eq!((200, 0, 1, 0), (stream.expected(), stream.missing(), stream.strays, stream.restarts));
    let stream = heard((100..200).chain(9_000..9_100));
    assert_eq!((199, 0, 1, 1), (stream.expected(), stream.missing(), stream.strays, stream.restarts));
    let stream = heard((9_000..9_100).chain(100..200));
    assert_eq!((199, 0, 1, 1), (stream.expected(), stream.missing(), stream.strays, stream.restarts));
}

#[test]
fn jitter_is_that_of_rfc_3550_a_8() {
    // Every other packet 10 ms late: |D| is 80 units, and J goes to it.
    let mut stream = Inbound::new(7, 8_000, Codec::G711_PLC);
    for number in 0..1000 {
        packet_at(&mut stream, number, u64::from(number) * 20_000 + u64::from(number % 2) * 10_000);
    }
    assert!((79..=80).contains(&stream.jitter()), "{}", stream.jitter());
    assert!((9_800..=10_000).contains(&stream.jitter_us()), "{}", stream.jitter_us());
    // A source that pauses for a minute, or another clock, is no jitter.
    let before = stream.jitter_16;
    packet_at(&mut stream, 1000, 90_000_000);
    assert_eq!(before, stream.jitter_16);
}

#[test]
fn packets_of_one_timestamp_are_no_jitter() {
    let mut stream = Inbound::new(7, 90_000, Codec::G711_PLC);
    for number in 0..600u32 {
        let mut bytes = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        bytes[4..8].copy_from_slice(&(number / 3 * 3000).to_be_bytes());
        stream.packet(u64::from(number / 3 * 100_000 + number % 3 * 5_000) / 3, &Header::read(&bytes).unwrap(), 1000);
    }
    assert_eq!(0, stream.jitter());
}

#[test]
fn a_report_block_tells_of_what_came_since_the_last() {
    let mut stream = heard((65_530..65_631).filter(|number| number % 4 != 1));
    let block = stream.block(0);
    assert_eq!((7, 63, 25, 0x1_0000 + 94), (block.ssrc, block.fraction_lost, block.lost, block.highest));
    assert_eq!((0, 0), (block.last_sr, block.since_sr));
    (65_631..65_731).for_each(|number| packet(&mut stream, number));
    packet(&mut stream, 65_730);
    stream.sender_report(1_000_000, 0x0000_1234_5678_0000);
    let block = stream.block(2_500_000);
    assert_eq!((0, 24, 0x1234_5678, 98_304), (block.fraction_lost, block.lost, block.last_sr, block.since_sr));
    assert_eq!(0, stream.block(2_500_000).fraction_lost);
}

#[test]
fn a_call_that_is_shorter_than_a_window_is_scored_too() {
    assert_eq!(None, heard(0..20).score());
    let short = heard((0..100).filter(|number| number % 5 != 2));
    assert_eq!(0, short.scores.windows);
    let bad = crate::quality::mos(crate::quality::rating(Codec::G711_PLC, 20.0, 1.0, 0.0));
    assert!(short.score().is_some_and(|score| (score - bad).abs() < 0.2), "{:?} {bad}", short.score());
}

#[test]
fn windows_are_scored_and_the_worst_is_kept() {
    let mut stream = heard((0..3000).filter(|number| !(1000..1500).contains(number) || number % 5 != 0));
    let best = crate::quality::mos(93.2);
    assert_eq!(11, stream.scores.windows);
    assert!((best - stream.scores.last).abs() < 0.01);
    let bad = crate::quality::mos(crate::quality::rating(Codec::G711_PLC, 20.0, 1.0, 0.0));
    assert!((bad - stream.scores.worst).abs() < 0.15, "{} {bad}", stream.scores.worst);
    let average = stream.scores.average().unwrap();
    assert!(average < best && average > stream.scores.worst, "{average}");
    // On hold: no packets are due, no window is scored.
    packet_at(&mut stream, 3000, 120_000_000);
    assert_eq!(12, stream.scores.windows);
    packet_at(&mut stream, 3001, 180_000_000);
    assert_eq!(12, stream.scores.windows);
}

#[test]
fn an_heir_goes_on_counting_and_calls_nothing_lost_that_it_cannot_know() {
    let mut before = heard((0..1000).filter(|number| number % 100 != 50));
    let mut heir = before.clone().heir();
    assert_eq!((1000, 10), (heir.expected(), heir.missing()));
    (1000..1250).for_each(|number| packet(&mut before, number)); // received by the one that died, after it stored its state
    (1260..2000).for_each(|number| packet(&mut heir, number));
    assert_eq!((1740, 10, 1730), (heir.expected(), heir.missing(), heir.packets));
    assert_eq!(1999, heir.block(0).highest);
    assert_eq!(1, heir.restarts);
}

#[test]
fn no_order_of_packets_makes_counts_contradict() {
    let mut state = 99u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below) as u32
    };
    for _ in 0..200 {
        let mut stream = Inbound::new(7, 48_000, Codec::OPUS);
        let mut number = random(70_000);
        for _ in 0..500 {
            number = match random(20) {
                0 => random(70_000),
                1 => number.wrapping_sub(random(120)),
                2 => number.wrapping_add(random(3_100)),
                _ => number.wrapping_add(random(3)),
            };
            let at = u64::from(random(u64::from(u32::MAX)));
            packet_at(&mut stream, number, at);
            let (expected, block) = (stream.expected(), stream.block(at));
            assert!(stream.packets >= stream.duplicates + stream.reordered);
            assert!(expected >= stream.bursts.received.max(stream.missing()), "{stream:?}");
            assert!(block.lost as i64 <= expected as i64);
        }
    }
}
