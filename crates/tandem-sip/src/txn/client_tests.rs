//! The promises of client transactions.

use super::server_tests::{flow, stream, Wire};
use super::*;
use crate::frame::Transport;

const MS: u64 = 1000;
const START: u64 = 1_000_000_000;
const KEY: u64 = 5;

fn asked(invite: bool, transport: Transport) -> Asked<'static> {
    Asked {
        call: NO_CALL,
        n: 3,
        invite,
        cancel: 0,
        cancel_of: 0,
        flow: flow(transport),
        shard: 1,
        message: b"request",
        quiet: false,
        age: 0,
        proceeding: false,
        fallback: None,
    }
}

fn made(invite: bool, transport: Transport) -> (Clients, Wire) {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire { now: START, ..Wire::default() });
    clients.ask(KEY, &asked(invite, transport), START, &mut wire);
    (clients, wire)
}

fn run(clients: &mut Clients, wire: &mut Wire, until: u64) {
    while clients.wake_at() != 0 && clients.wake_at() <= until {
        wire.now = clients.wake_at();
        clients.advance(wire.now, wire);
    }
}

fn answer(clients: &mut Clients, wire: &mut Wire, status: u16, tag: u64, at: u64) -> Final {
    clients.answered(KEY, status, tag, at, wire, |_| b"ack".to_vec())
}

fn after(wire: &Wire) -> Vec<u64> {
    wire.at.iter().map(|at| at.saturating_sub(START) / MS).collect()
}

const TELL: Final = Final::Tell { n: 3, ack_waits: false };

#[test]
fn an_invite_over_udp_is_repeated_by_timer_a_and_ends_by_timer_b() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    run(&mut clients, &mut wire, START + 33_000 * MS);
    assert_eq!(vec![0, 500, 1500, 3500, 7500, 15500, 31500], after(&wire));
    assert_eq!((vec![(3, false)], 0), (wire.late, clients.len()));
}

#[test]
fn a_request_over_udp_is_repeated_by_timer_e_and_ends_by_timer_f() {
    let (mut clients, mut wire) = made(false, Transport::Udp);
    run(&mut clients, &mut wire, START + 33_000 * MS);
    assert_eq!(vec![0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500], after(&wire));
    assert_eq!(vec![(3, false)], wire.late);
}

#[test]
fn nothing_is_repeated_over_a_stream() {
    for invite in [true, false] {
        let (mut clients, mut wire) = made(invite, Transport::Tls);
        run(&mut clients, &mut wire, START + 33_000 * MS);
        assert_eq!((1, vec![(3, false)]), (wire.sent.len(), wire.late));
    }
}

#[test]
fn a_provisional_ends_the_repeats_of_an_invite_and_its_deadline() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 100, 0, START + 10 * MS));
    assert_eq!(TELL, answer(&mut clients, &mut wire, 180, 1, START + 20 * MS));
    run(&mut clients, &mut wire, START + 300_000 * MS);
    assert_eq!((1, 0, 1), (wire.sent.len(), wire.late.len(), clients.len()));
}

#[test]
fn a_provisional_slows_a_request_down_to_t2() {
    let (mut clients, mut wire) = made(false, Transport::Udp);
    answer(&mut clients, &mut wire, 180, 1, START + 100 * MS);
    run(&mut clients, &mut wire, START + 10_000 * MS);
    assert_eq!(vec![0, 4100, 8100], after(&wire));
}

#[test]
fn the_ack_to_a_refusal_waits_until_its_event_is_taken() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    assert_eq!(Final::Tell { n: 3, ack_waits: true }, answer(&mut clients, &mut wire, 486, 1, START));
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 486, 1, START + 500 * MS));
    assert_eq!(1, wire.sent.len(), "only the INVITE so far");
    clients.taken(KEY, &mut wire);
    answer(&mut clients, &mut wire, 486, 1, START + 1500 * MS);
    assert_eq!([b"ack".to_vec(), b"ack".to_vec()], [wire.sent[1].1.clone(), wire.sent[2].1.clone()]);
    run(&mut clients, &mut wire, START + 32_000 * MS);
    assert_eq!((3, 0, 0), (wire.sent.len(), wire.late.len(), clients.len()));
}

#[test]
fn a_refusal_over_a_stream_is_forgotten_when_its_ack_is_sent() {
    let (mut clients, mut wire) = made(true, Transport::Tcp);
    answer(&mut clients, &mut wire, 486, 1, START);
    clients.taken(KEY, &mut wire);
    assert_eq!((2, 0), (wire.sent.len(), clients.len()));
}

#[test]
fn a_repeated_2xx_gets_its_own_ack_again() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    assert_eq!(TELL, answer(&mut clients, &mut wire, 200, 1, START));
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 200, 1, START + 500 * MS));
    assert_eq!(1, wire.sent.len(), "there is no ACK to repeat yet");
    clients.acknowledge(KEY, NO_CALL, 3, 1, 1, flow(Transport::Udp), b"ack1", 0, true, START, &mut wire);
    answer(&mut clients, &mut wire, 200, 1, START + 1500 * MS);
    assert_eq!([b"ack1".to_vec(), b"ack1".to_vec()], [wire.sent[1].1.clone(), wire.sent[2].1.clone()]);
}

#[test]
fn a_2xx_of_another_fork_is_an_event_up_to_the_limit() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    for tag in 0..MAX_FORKS as u64 {
        assert_eq!(TELL, answer(&mut clients, &mut wire, 200, tag, START));
    }
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 200, 99, START));
}

#[test]
fn a_late_provisional_is_dropped() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    answer(&mut clients, &mut wire, 200, 1, START);
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 180, 1, START));
}

#[test]
fn a_quiet_request_tells_only_that_it_was_never_answered() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire::default());
    clients.ask(KEY, &Asked { quiet: true, ..asked(false, Transport::Udp) }, START, &mut wire);
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 200, 1, START));
    clients.ask(KEY, &Asked { quiet: true, ..asked(false, Transport::Udp) }, START, &mut wire);
    run(&mut clients, &mut wire, START + 32_000 * MS);
    assert_eq!(vec![(3, false)], wire.late);
}

#[test]
fn an_invite_without_final_response_64_t1_after_its_cancel_is_over() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    answer(&mut clients, &mut wire, 180, 1, START);
    let cancel = Asked { n: 4, cancel: 50, cancel_of: KEY, ..asked(false, Transport::Udp) };
    clients.ask(6, &cancel, START + 90_000 * MS, &mut wire);
    assert_eq!((Some(6), None), (clients.key(50, true), clients.key(50, false)));
    assert_eq!(Final::Tell { n: 4, ack_waits: false }, clients.answered(6, 200, 1, START + 90_000 * MS, &mut wire, |_| Vec::new()));
    run(&mut clients, &mut wire, START + 122_000 * MS);
    assert_eq!((vec![(3, false)], 0), (wire.late, clients.len()));
    assert_eq!(None, clients.key(50, true));
}

fn cancel() -> Asked<'static> {
    Asked { n: 4, cancel: 50, cancel_of: KEY, message: b"cancel", quiet: true, ..asked(false, Transport::Udp) }
}

fn texts(wire: &Wire) -> Vec<&[u8]> {
    wire.sent.iter().map(|(_, bytes)| &bytes[..]).collect()
}

#[test]
fn a_cancel_waits_for_the_first_provisional_of_its_invite() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    clients.ask(6, &cancel(), START + 10 * MS, &mut wire);
    run(&mut clients, &mut wire, START + 1000 * MS);
    assert_eq!(vec![&b"request"[..], b"request"], texts(&wire), "the INVITE goes on, the CANCEL waits");
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 100, 0, START + 1100 * MS));
    assert_eq!(&b"cancel"[..], texts(&wire)[2]);
    run(&mut clients, &mut wire, START + 1700 * MS);
    assert_eq!(vec![&b"cancel"[..]; 2], texts(&wire)[2..], "it is repeated by timer E");
    assert_eq!(Final::Absorb, clients.answered(6, 200, 1, START + 1800 * MS, &mut wire, |_| Vec::new()));
    run(&mut clients, &mut wire, START + 60_000 * MS);
    assert_eq!((4, vec![(3, false)], 0), (wire.sent.len(), wire.late, clients.len()), "64*T1 after the CANCEL the INVITE is over");
}

#[test]
fn a_cancel_that_waits_is_dropped_by_the_end_of_its_invite() {
    for end in [200, 486, 0] {
        let (mut clients, mut wire) = made(true, Transport::Tcp);
        clients.ask(6, &cancel(), START, &mut wire);
        match end {
            0 => assert_eq!(Unsent::Over(NO_CALL, 3), clients.fail(KEY, START, &mut wire)),
            status => assert!(matches!(answer(&mut clients, &mut wire, status, 1, START), Final::Tell { .. })),
        }
        clients.taken(KEY, &mut wire);
        run(&mut clients, &mut wire, START + 64_000 * MS);
        assert!(!texts(&wire).contains(&&b"cancel"[..]), "{end}");
        assert_eq!((0, 0), (wire.late.len(), clients.len()), "{end}");
    }
    let (mut clients, mut wire) = made(true, Transport::Udp);
    clients.ask(6, &cancel(), START, &mut wire);
    run(&mut clients, &mut wire, START + 64_000 * MS);
    assert_eq!((7, vec![(3, false)], 0), (wire.sent.len(), wire.late, clients.len()), "timer B ends both, and tells of the INVITE");
}

#[test]
fn a_cancel_after_the_final_response_goes_nowhere() {
    let (mut clients, mut wire) = made(true, Transport::Udp);
    answer(&mut clients, &mut wire, 200, 1, START);
    clients.ask(6, &cancel(), START, &mut wire);
    assert_eq!(1, wire.sent.len());
}

#[test]
fn an_heir_holds_a_cancel_until_its_own_invite_has_a_provisional() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire { now: START, ..Wire::default() });
    clients.ask(KEY, &Asked { age: 200 * MS, ..asked(true, Transport::Tls) }, START, &mut wire);
    clients.ask(6, &Asked { age: 100 * MS, ..cancel() }, START, &mut wire);
    assert_eq!(vec![&b"request"[..]], texts(&wire), "a 100 that the dead owner absorbed comes again for this one");
    answer(&mut clients, &mut wire, 183, 1, START + MS);
    assert_eq!(vec![&b"request"[..], b"cancel"], texts(&wire));
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire { now: START, ..Wire::default() });
    clients.ask(KEY, &Asked { age: 200 * MS, proceeding: true, ..asked(true, Transport::Tls) }, START, &mut wire);
    clients.ask(6, &Asked { age: 100 * MS, ..cancel() }, START, &mut wire);
    assert_eq!(vec![&b"cancel"[..]], texts(&wire));
}

#[test]
fn an_heir_goes_on_where_the_dead_owner_was() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire { now: START, ..Wire::default() });
    clients.ask(KEY, &Asked { age: 600_000 * MS, proceeding: true, ..asked(true, Transport::Udp) }, START, &mut wire);
    assert_eq!((0, 1), (wire.sent.len(), clients.len()));
    clients.ask(7, &Asked { age: 31_000 * MS, ..asked(true, Transport::Udp) }, START, &mut wire);
    clients.ask(8, &Asked { age: 33_000 * MS, ..asked(true, Transport::Udp) }, START, &mut wire);
    assert_eq!((1, vec![(3, false)]), (wire.sent.len(), wire.late.clone()), "one goes on, one is too late");
    run(&mut clients, &mut wire, START + 1000 * MS);
    assert_eq!(2, wire.late.len());
}

#[test]
fn an_heir_repeats_the_ack_that_the_dead_owner_sent() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire::default());
    clients.acknowledge(KEY, NO_CALL, 3, 1, 1, flow(Transport::Udp), b"ack1", 5000 * MS, false, START, &mut wire);
    assert!(wire.sent.is_empty());
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 200, 1, START + MS));
    assert_eq!(b"ack1".to_vec(), wire.sent[0].1);
    run(&mut clients, &mut wire, START + 27_000 * MS);
    assert!(clients.is_empty());
}

#[test]
fn a_request_that_could_not_go_out_is_over_and_told_once() {
    let (mut clients, mut wire) = made(true, Transport::Tcp);
    assert_eq!(Unsent::Over(NO_CALL, 3), clients.fail(KEY, START, &mut wire));
    assert_eq!(Unsent::Unknown, clients.fail(KEY, START, &mut wire));
    run(&mut clients, &mut wire, START + 40_000 * MS);
    assert!(wire.late.is_empty());
}

#[test]
fn a_large_request_goes_over_udp_when_its_stream_does_not_open_and_its_cancel_with_it() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire { now: START, ..Wire::default() });
    let datagram = flow(Transport::Udp);
    clients.ask(KEY, &Asked { fallback: Some((datagram, b"request/UDP")), ..asked(true, Transport::Tcp) }, START, &mut wire);
    clients.ask(6, &Asked { fallback: Some((datagram, b"cancel/UDP")), flow: flow(Transport::Tcp), ..cancel() }, START, &mut wire);
    assert!(matches!(clients.towards(KEY), Some((Transport::Tcp, _, true))));
    assert_eq!(Unsent::FellBack(datagram), clients.fail(KEY, START + MS, &mut wire));
    run(&mut clients, &mut wire, START + 600 * MS);
    assert_eq!(vec![&b"request"[..], b"request/UDP", b"request/UDP"], texts(&wire), "timer A runs over UDP");
    answer(&mut clients, &mut wire, 100, 0, START + 700 * MS);
    assert_eq!(Some(&&b"cancel/UDP"[..]), texts(&wire).last());
    assert_eq!(Unsent::Over(NO_CALL, 3), clients.fail(KEY, START + 800 * MS, &mut wire), "it falls back once");
}

#[test]
fn a_large_request_that_was_heard_over_its_stream_stays_there() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire::default());
    clients.ask(KEY, &Asked { fallback: Some((flow(Transport::Udp), b"request/UDP")), ..asked(true, Transport::Tcp) }, START, &mut wire);
    answer(&mut clients, &mut wire, 180, 1, START);
    assert_eq!(Unsent::Over(NO_CALL, 3), clients.fail(KEY, START, &mut wire));
    assert_eq!(1, wire.sent.len());
}

#[test]
fn a_hundred_thousand_pending_transactions_end_on_time() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire::default());
    for key in 0..100_000u64 {
        clients.ask(key, &asked(false, Transport::Tcp), START + key, &mut wire);
    }
    run(&mut clients, &mut wire, START + 33_000 * MS);
    assert_eq!((100_000, 0, 0), (wire.late.len(), clients.len(), clients.wake_at()));
}

#[test]
fn our_ack_takes_the_connection_that_the_repeated_answer_came_on() {
    let (mut clients, mut wire) = (Clients::new(Intervals::default()), Wire::default());
    clients.ask(KEY, &Asked { flow: stream(1), ..asked(true, Transport::Tcp) }, START, &mut wire);
    answer(&mut clients, &mut wire, 200, 7, START);
    clients.acknowledge(KEY, NO_CALL, 3, 1, 7, stream(1), b"ack", 0, true, START, &mut wire);
    clients.heard_on(KEY, &stream(2));
    assert_eq!(Final::Absorb, answer(&mut clients, &mut wire, 200, 7, START + MS));
    assert_eq!(vec![1, 1, 2], wire.over);
}
