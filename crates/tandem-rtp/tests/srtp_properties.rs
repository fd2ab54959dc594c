//! SRTP under loss, disorder and repetition at every wrap, with heirs at any point: what is sent arrives once, and no key stream is
//! used twice.

use std::collections::HashMap;

use proptest::prelude::*;
use tandem_rtp::srtp::{Jump, Master, Receiver, Sender, SrtpError, State, StreamState, Suite, SSRCS};

/// Indices near which sequence numbers, roll-over counters and their own counters wrap.
const WRAPS: [u64; 6] = [40, 1 << 16, 1 << 17, 0x8000, 1 << 32, (1 << 48) - 4_000];

fn master(suite: Suite) -> Master {
    let bytes = suite.key_bytes() + suite.salt_bytes();
    Master::new(suite, (0..bytes).map(|n| n as u8 ^ 0x5a).collect()).unwrap()
}

fn suites() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL.to_vec())
}

fn packet(ssrc: u32, index: u64, fill: u8) -> Vec<u8> {
    let length = (index % 40) as usize;
    [&[0x80, 8][..], &(index as u16).to_be_bytes(), &(index as u32).to_be_bytes(), &ssrc.to_be_bytes(), &vec![fill; length]].concat()
}

fn report(ssrc: u32, fill: u8) -> Vec<u8> {
    [&[0x80, 200, 0, 6][..], &ssrc.to_be_bytes(), &[fill; 20]].concat()
}

fn protect(sender: &mut Sender, plain: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = [plain, &[0; 20]].concat();
    let len = sender.rtp(&mut buffer, plain.len())?;
    buffer.truncate(len);
    Ok(buffer)
}

fn open(receiver: &mut Receiver, protected: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = protected.to_vec();
    let opened = receiver.rtp(&mut buffer, protected.len());
    match opened {
        Ok(len) => buffer.truncate(len),
        Err(_) => assert_eq!(protected, buffer, "a refused packet is as it was"),
    }
    opened.map(|_| buffer)
}

/// A state in which `index` was the last one.
fn at(suite: Suite, ssrc: u32, index: u64) -> State {
    State { master: master(suite), takeovers: 0, streams: vec![StreamState { ssrc, rtp: Some(index), rtcp: None }] }
}

/// What a network does to packet `n`: how much later it comes, and how often.
fn fates(packets: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..40usize, prop::sample::select(vec![0, 1, 1, 1, 1, 1, 2])), packets)
}

/// The order in which packets arrive.
fn arrivals(fates: &[(usize, usize)]) -> Vec<usize> {
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (n, (delay, copies)) in fates.iter().enumerate() {
        (0..*copies).for_each(|copy| order.push((n + delay + 7 * copy, n)));
    }
    order.sort();
    order.into_iter().map(|(_, n)| n).collect()
}

/// Remembers what each (key, SSRC, index) was used for, by its bytes on the wire.
#[derive(Default)]
struct KeyStream(HashMap<(u32, u64), Vec<u8>>);

impl KeyStream {
    fn used(&mut self, ssrc: u32, index: u64, wire: &[u8]) {
        if let Some(before) = self.0.insert((ssrc, index), wire.to_vec()) {
            assert_eq!(before, wire, "key stream of {index:x} used twice");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_arrives_once_at_every_wrap(suite in suites(), wrap in 0..WRAPS.len(), before in 1..40u64, fates in fates(120)) {
        let begin = WRAPS[wrap] - before;
        let state = at(suite, 9, begin - 1);
        let (mut sender, mut receiver) = (Sender::heir(&state).unwrap(), Receiver::heir(&state).unwrap());
        let sent: Vec<(Vec<u8>, Vec<u8>)> = (begin..begin + 120)
            .map(|index| {
                let plain = packet(9, index, index as u8);
                let wire = protect(&mut sender, &plain).unwrap();
                prop_assert_eq!(Err(SrtpError::Repeated), protect(&mut sender, &plain));
                Ok((plain, wire))
            })
            .collect::<Result<_, TestCaseError>>()?;
        let mut seen = std::collections::HashSet::new();
        for n in arrivals(&fates) {
            let (plain, wire) = &sent[n];
            let expected = if seen.insert(n) { Ok(plain.clone()) } else { Err(SrtpError::Repeated) };
            prop_assert_eq!(expected, open(&mut receiver, wire));
        }
    }

    #[test]
    fn a_sender_passes_disorder_on_and_repeats_no_index(suite in suites(), wrap in 0..WRAPS.len(), before in 1..40u64, fates in fates(120)) {
        let begin = WRAPS[wrap] - before;
        let state = at(suite, 9, begin - 1);
        let (mut sender, mut receiver) = (Sender::heir(&state).unwrap(), Receiver::heir(&state).unwrap());
        let (mut stream, mut first, mut seen) = (KeyStream::default(), None, std::collections::HashSet::new());
        for (turn, n) in arrivals(&fates).into_iter().enumerate() {
            let index = begin + n as u64;
            // Other bytes each time: the same index must never be used for two of them.
            let plain = packet(9, index, turn as u8);
            let fits = *first.get_or_insert(index) <= index && seen.insert(index);
            match protect(&mut sender, &plain) {
                Ok(wire) => {
                    prop_assert!(fits);
                    stream.used(9, index, &wire);
                    prop_assert_eq!(Ok(plain), open(&mut receiver, &wire));
                }
                Err(error) => prop_assert!(!fits && matches!(error, SrtpError::Repeated | SrtpError::Old), "{error:?}"),
            }
        }
    }

    #[test]
    fn heirs_at_any_point_go_on(
        suite in suites(),
        wrap in 0..WRAPS.len(),
        before in 1..200u64,
        takeovers in prop::collection::vec((1..60u64, 0..50u64, 0..20u64), 1..6),
    ) {
        // Sequence numbers are the source's: the sender's heir estimates, the receiver's tries.
        let begin = WRAPS[wrap] - before.min(WRAPS[wrap] - 1);
        let state = at(suite, 9, begin.saturating_sub(1));
        let (mut sender, mut receiver) = (Sender::heir(&state).unwrap(), Receiver::heir(&state).unwrap());
        let (mut index, mut stream) = (begin, KeyStream::default());
        for (packets, unsaved, lost) in takeovers {
            for _ in 0..packets {
                let plain = packet(9, index, index as u8);
                let wire = protect(&mut sender, &plain).unwrap();
                stream.used(9, index, &wire);
                prop_assert_eq!(Ok(plain), open(&mut receiver, &wire));
                index += 1;
            }
            let states = (sender.state(), receiver.state());
            for _ in 0..unsaved {
                let wire = protect(&mut sender, &packet(9, index, 0xaa)).unwrap();
                stream.used(9, index, &wire);
                open(&mut receiver, &wire).unwrap();
                index += 1;
            }
            index += lost;
            sender = Sender::heir(&states.0).unwrap();
            receiver = Receiver::heir(&states.1).unwrap();
        }
        let plain = packet(9, index, 1);
        let wire = protect(&mut sender, &plain).unwrap();
        stream.used(9, index, &wire);
        prop_assert_eq!(Ok(plain), open(&mut receiver, &wire));
    }

    #[test]
    fn a_stream_of_our_own_jumps_past_what_a_predecessor_sent(
        suite in suites(),
        wrap in 0..4usize,
        takeovers in prop::collection::vec((1..50u64, 0..250u64), 1..8),
    ) {
        let mut state = at(suite, 9, WRAPS[wrap] - 1);
        let (mut sender, mut receiver) = (Sender::heir(&state).unwrap(), Receiver::heir(&state).unwrap());
        let (mut next, mut stream) = (WRAPS[wrap], KeyStream::default());
        let mut reports = std::collections::HashSet::new();
        for (turn, (packets, unsaved)) in takeovers.into_iter().enumerate() {
            for n in 0..packets + unsaved {
                if n == packets {
                    state = sender.state();
                }
                let plain = packet(9, next, turn as u8);
                let wire = protect(&mut sender, &plain).unwrap();
                stream.used(9, next, &wire);
                prop_assert_eq!(Ok(plain), open(&mut receiver, &wire));
                next += 1;
                let mut buffer = [report(9, turn as u8), vec![0; 20]].concat();
                let len = sender.rtcp(&mut buffer, 28).unwrap();
                prop_assert!(reports.insert(buffer[len - suite.rtcp_overhead()..len].to_vec()), "SRTCP index used twice");
                receiver.rtcp(&mut buffer, len).unwrap();
            }
            if unsaved == 0 {
                state = sender.state();
            }
            let jump = Jump::past(unsaved * 20_000, 20_000, 8_000).unwrap();
            sender = Sender::heir(&state).unwrap();
            next = state.streams[0].rtp.unwrap() + u64::from(jump.sequence);
        }
    }

    #[test]
    fn an_heir_opens_what_is_half_the_numbers_away(suite in suites(), last in 0x4_0000..0x8_0000u64, jump in -0x8000..0x8000i64) {
        let index = last.wrapping_add_signed(jump);
        let mut sender = Sender::heir(&at(suite, 9, index - 1)).unwrap();
        let plain = packet(9, index, 3);
        let wire = protect(&mut sender, &plain).unwrap();
        for roc in [-0x1_0000, 0, 0x1_0000] {
            let mut receiver = Receiver::heir(&at(suite, 9, last.wrapping_add_signed(roc))).unwrap();
            prop_assert_eq!(Ok(plain.clone()), open(&mut receiver, &wire), "{}", roc);
        }
    }

    #[test]
    fn a_replayed_packet_does_not_mislead_an_heir(suite in suites(), last in 0x4_0000..0x8_0000u64, back in 0..0x8000u64, lag in 1..0x7000u64) {
        let old = protect(&mut Sender::heir(&at(suite, 9, last - back - 1)).unwrap(), &packet(9, last - back, 1)).unwrap();
        let mut sender = Sender::heir(&at(suite, 9, last + lag - 1)).unwrap();
        let mut receiver = Receiver::heir(&at(suite, 9, last)).unwrap();
        open(&mut receiver, &old).unwrap();
        for index in last + lag..last + lag + 3 {
            let plain = packet(9, index, 2);
            let wire = protect(&mut sender, &plain).unwrap();
            prop_assert_eq!(Ok(plain), open(&mut receiver, &wire));
            prop_assert_eq!(Err(SrtpError::Repeated), open(&mut receiver, &wire));
        }
    }

    #[test]
    fn changed_bytes_are_refused_and_left_alone(suite in suites(), at_byte in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut wire = protect(&mut Sender::new(&master(suite)).unwrap(), &packet(9, 77, 1)).unwrap();
        let at_byte = at_byte.index(wire.len());
        wire[at_byte] ^= 1 << bit;
        let mut receiver = Receiver::new(&master(suite)).unwrap();
        prop_assert!(open(&mut receiver, &wire).is_err());
        prop_assert!(receiver.state().streams.is_empty());
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(suite in suites(), bytes in prop::collection::vec(any::<u8>(), 0..120), head in 0..4usize) {
        let heads: [&[u8]; 4] = [&[], &[0x80, 0], &[0x9f, 0x80], &[0x80, 200]];
        let bytes = [heads[head], &bytes].concat();
        let (mut sender, mut receiver) = (Sender::new(&master(suite)).unwrap(), Receiver::new(&master(suite)).unwrap());
        for len in [bytes.len(), bytes.len() + 1, usize::MAX, 0] {
            for room in [0, 3, 20] {
                let mut buffer = [&bytes[..], &vec![0; room]].concat();
                let _ = receiver.rtp(&mut buffer, len);
                let _ = receiver.rtcp(&mut buffer, len);
                let _ = sender.rtp(&mut buffer.clone(), len);
                let _ = sender.rtcp(&mut buffer, len);
            }
        }
        prop_assert!(receiver.state().streams.is_empty());
    }

    #[test]
    fn no_number_of_ssrcs_makes_a_sender_forget_an_index(picks in prop::collection::vec(0..60u32, 1..400)) {
        let mut sender = Sender::new(&master(Suite::AeadAes128Gcm)).unwrap();
        let (mut next, mut stream) = (HashMap::new(), KeyStream::default());
        for ssrc in picks {
            let index = next.entry(ssrc).or_insert(65_530u64);
            let wire = protect(&mut sender, &packet(ssrc, *index, 1)).unwrap();
            stream.used(ssrc, *index, &wire);
            prop_assert!(protect(&mut sender, &packet(ssrc, *index, 2)).is_err());
            *index += 1;
        }
    }
}

#[test]
fn reports_arrive_once_whatever_their_order() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = (Sender::new(&master(suite)).unwrap(), Receiver::new(&master(suite)).unwrap());
        let wires: Vec<Vec<u8>> = (0..20)
            .map(|n| {
                let mut buffer = [report(9, n), vec![0; 20]].concat();
                let len = sender.rtcp(&mut buffer, 28).unwrap();
                assert_eq!(28 + suite.rtcp_overhead(), len);
                buffer.truncate(len);
                buffer
            })
            .collect();
        for n in [3, 1, 2, 19, 0, 18] {
            let mut buffer = wires[n].clone();
            assert_eq!(Ok(28), receiver.rtcp(&mut buffer, wires[n].len()));
            assert_eq!(report(9, n as u8), buffer[..28]);
            assert_eq!(Err(SrtpError::Repeated), receiver.rtcp(&mut wires[n].clone(), wires[n].len()));
        }
        // An heir takes nothing that its predecessor may have taken.
        let mut heir = Receiver::heir(&receiver.state()).unwrap();
        assert_eq!(Err(SrtpError::Repeated), heir.rtcp(&mut wires[5].clone(), wires[5].len()));
        let mut clear = wires[6].clone();
        let at = clear.len() - if suite.name().starts_with("AEAD") { 4 } else { 14 };
        clear[at] &= 0x7f;
        assert_eq!(Err(SrtpError::Clear), heir.rtcp(&mut clear.clone(), clear.len()));
    }
}

#[test]
fn a_receiver_keeps_the_ssrcs_that_authenticated_last() {
    let master = master(Suite::AesCm128HmacSha1_80);
    let (mut sender, mut receiver) = (Sender::new(&master).unwrap(), Receiver::new(&master).unwrap());
    for ssrc in 0..SSRCS as u32 + 3 {
        open(&mut receiver, &protect(&mut sender, &packet(ssrc, 5, 0)).unwrap()).unwrap();
        open(&mut receiver, &protect(&mut sender, &packet(0, u64::from(ssrc) + 10, 0)).unwrap()).unwrap();
    }
    let kept: Vec<u32> = receiver.state().streams.iter().map(|stream| stream.ssrc).collect();
    assert_eq!(SSRCS, kept.len());
    assert!(kept.contains(&0) && !kept.contains(&1) && kept.contains(&(SSRCS as u32 + 2)));
    assert_eq!(kept, Receiver::heir(&receiver.state()).unwrap().state().streams.iter().map(|stream| stream.ssrc).collect::<Vec<_>>());
}

#[test]
fn a_sender_refuses_what_it_could_not_remember() {
    let mut sender = Sender::new(&master(Suite::AesCm128HmacSha1_80)).unwrap();
    let most = (tandem_rtp::srtp::SSRCS + tandem_rtp::srtp::PAST_SSRCS) as u32;
    for ssrc in 0..most {
        protect(&mut sender, &packet(ssrc, 5, 0)).unwrap();
    }
    assert_eq!(Err(SrtpError::Streams), protect(&mut sender, &packet(most, 5, 0)));
    let mut heir = Sender::heir(&sender.state()).unwrap();
    assert_eq!(Err(SrtpError::Streams), protect(&mut heir, &packet(most, 5, 0)));
    assert_eq!(
        sender.state().streams.iter().map(|s| (s.ssrc, s.rtp)).collect::<Vec<_>>(),
        heir.state().streams.iter().map(|s| (s.ssrc, s.rtp)).collect::<Vec<_>>()
    );
    for ssrc in 0..most {
        assert_eq!(Err(SrtpError::Old), protect(&mut heir, &packet(ssrc, 5, 1)), "{ssrc}");
        protect(&mut heir, &packet(ssrc, 6, 1)).unwrap();
    }
}

#[test]
fn a_worn_out_key_protects_nothing_more() {
    for suite in Suite::ALL {
        let mut sender = Sender::heir(&at(suite, 9, (1 << 48) - 2)).unwrap();
        protect(&mut sender, &packet(9, (1 << 48) - 1, 0)).unwrap();
        assert_eq!(Err(SrtpError::Exhausted), protect(&mut sender, &packet(9, 0, 0)));
        let mut state = at(suite, 9, 5);
        state.streams[0].rtcp = Some((1 << 31) - 1 - (1 << 16));
        let mut sender = Sender::heir(&state).unwrap();
        let mut buffer = [report(9, 0), vec![0; 20]].concat();
        sender.rtcp(&mut buffer.clone(), 28).unwrap();
        assert_eq!(Err(SrtpError::Exhausted), sender.rtcp(&mut buffer, 28));
    }
}

#[test]
fn a_late_packet_from_before_the_first_is_refused_and_a_source_that_jumps_is_followed() {
    let mut sender = Sender::new(&master(Suite::AesCm128HmacSha1_80)).unwrap();
    protect(&mut sender, &packet(9, 3, 0)).unwrap();
    assert_eq!(Err(SrtpError::Old), protect(&mut sender, &packet(9, 65_534, 0)));
    protect(&mut sender, &packet(9, 4, 0)).unwrap();
    protect(&mut sender, &packet(9, 2, 0)).unwrap();
    protect(&mut sender, &packet(9, 50_000, 0)).unwrap();
    assert_eq!(Some(50_000), sender.state().streams[0].rtp);
}
