//! The promises of server transactions.

use super::*;
use crate::frame::Transport;

#[derive(Default)]
pub struct Wire {
    pub sent: Vec<(u64, Vec<u8>)>,
    pub late: Vec<(u64, bool)>,
    pub now: u64,
    pub at: Vec<u64>,
    pub over: Vec<u64>,
}

impl Sink for Wire {
    fn send(&mut self, flow: &Flow, _shard: u16, cookie: u64, message: &[u8]) {
        self.over.push(flow.connection);
        self.sent.push((cookie, message.to_vec()));
        self.at.push(self.now);
    }

    fn timed_out(&mut self, _call: &CallId, txn: u64, server: bool) {
        self.late.push((txn, server));
    }
}

pub fn flow(transport: Transport) -> Flow {
    Flow { edge: 1, connection: 0, transport, local: 0, remote: crate::frame::Address { ip: [1; 16], port: 5060 } }
}

const MS: u64 = 1000;
const START: u64 = 1_000_000_000;

/// The same peer on its connection of this number.
pub fn stream(connection: u64) -> Flow {
    Flow { connection, ..flow(Transport::Tcp) }
}

fn response(status: u16, invite: bool, transport: Transport) -> Responding<'static> {
    Responding {
        status,
        invite,
        flow: flow(transport),
        shard: 1,
        call: NO_CALL,
        message: b"answer",
        reliable: false,
        age: 0,
        acked: false,
        ack: 77,
        silent: false,
    }
}

fn run(servers: &mut Servers, wire: &mut Wire, until: u64) {
    while servers.wake_at() != 0 && servers.wake_at() <= until {
        wire.now = servers.wake_at();
        servers.advance(wire.now, wire);
    }
}

fn received(transport: Transport, invite: bool) -> (Servers, Wire) {
    let (mut servers, mut wire) = (Servers::new(Intervals::default()), Wire::default());
    assert!(servers.receive(9, invite, NO_CALL, 1, &flow(transport), START, &mut wire));
    (servers, wire)
}

fn after(wire: &Wire) -> Vec<u64> {
    wire.at.iter().map(|at| at.saturating_sub(START) / MS).collect()
}

#[test]
fn a_repeat_before_any_answer_is_absorbed_in_silence() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    assert!(!servers.receive(9, true, NO_CALL, 1, &flow(Transport::Udp), START + 500 * MS, &mut wire));
    assert!(wire.sent.is_empty());
}

#[test]
fn a_repeat_gets_the_last_response_again() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    servers.respond(9, &Responding { message: b"100", ..response(100, true, Transport::Udp) }, START, &mut wire);
    servers.respond(9, &Responding { message: b"180", ..response(180, true, Transport::Udp) }, START, &mut wire);
    servers.receive(9, true, NO_CALL, 1, &flow(Transport::Udp), START + 500 * MS, &mut wire);
    assert_eq!(b"180".to_vec(), wire.sent[2].1);
}

#[test]
fn a_refused_invite_is_repeated_until_its_ack_by_timer_g() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    wire.now = START;
    servers.respond(9, &response(486, true, Transport::Udp), START, &mut wire);
    run(&mut servers, &mut wire, START + 8000 * MS);
    assert_eq!(vec![0, 500, 1500, 3500, 7500], after(&wire));
    assert!(servers.refusal_acked(9, START + 8000 * MS));
    run(&mut servers, &mut wire, START + 12_999 * MS);
    assert!(servers.refusal_acked(9, START + 12_999 * MS), "timer I absorbs repeats of the ACK");
    run(&mut servers, &mut wire, START + 13_000 * MS);
    assert_eq!((5, 0, 0), (wire.sent.len(), servers.len(), wire.late.len()));
}

#[test]
fn a_refusal_without_ack_times_out_after_64_t1() {
    let (mut servers, mut wire) = received(Transport::Tcp, true);
    servers.respond(9, &response(486, true, Transport::Tcp), START, &mut wire);
    run(&mut servers, &mut wire, START + 31_999 * MS);
    assert_eq!((1, 0), (wire.sent.len(), wire.late.len()));
    run(&mut servers, &mut wire, START + 32_000 * MS);
    assert_eq!((vec![(9, true)], 0), (wire.late, servers.len()));
}

#[test]
fn a_2xx_is_repeated_until_its_ack_on_any_transport() {
    for transport in [Transport::Udp, Transport::Wss] {
        let (mut servers, mut wire) = received(transport, true);
        wire.now = START;
        servers.respond(9, &response(200, true, transport), START, &mut wire);
        run(&mut servers, &mut wire, START + 12_000 * MS);
        assert_eq!(vec![0, 500, 1500, 3500, 7500, 11500], after(&wire));
        assert_eq!(AckIs::First, servers.accepted_acked(77));
        assert_eq!(AckIs::Again, servers.accepted_acked(77));
        assert!(!servers.receive(9, true, NO_CALL, 1, &flow(transport), START + 13_000 * MS, &mut wire), "RFC 6026 7.1");
        run(&mut servers, &mut wire, START + 32_000 * MS);
        assert_eq!((6, 0, 0), (wire.sent.len(), wire.late.len(), servers.len()));
        assert_eq!(AckIs::Unknown, servers.accepted_acked(77));
    }
}

#[test]
fn a_2xx_whose_ack_never_comes_times_out_once() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    servers.respond(9, &response(200, true, Transport::Udp), START, &mut wire);
    run(&mut servers, &mut wire, START + 40_000 * MS);
    assert_eq!((vec![(9, true)], 0), (wire.late, servers.len()));
}

#[test]
fn a_reliable_provisional_is_repeated_until_stop() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    wire.now = START;
    servers.respond(9, &Responding { reliable: true, ..response(183, true, Transport::Udp) }, START, &mut wire);
    run(&mut servers, &mut wire, START + 2000 * MS);
    servers.stop(9, START + 2000 * MS);
    run(&mut servers, &mut wire, START + 60_000 * MS);
    assert_eq!(vec![0, 500, 1500], after(&wire));
    assert_eq!((0, 1), (wire.late.len(), servers.len()));
}

#[test]
fn a_reliable_provisional_without_prack_times_out_and_the_invite_stays_answerable() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    servers.respond(9, &Responding { reliable: true, ..response(183, true, Transport::Udp) }, START, &mut wire);
    run(&mut servers, &mut wire, START + 33_000 * MS);
    assert_eq!((vec![(9, true)], 1), (std::mem::take(&mut wire.late), servers.len()));
    servers.respond(9, &Responding { message: b"500", ..response(500, true, Transport::Udp) }, START + 33_000 * MS, &mut wire);
    assert_eq!(b"500".to_vec(), wire.sent.last().unwrap().1);
}

#[test]
fn an_answered_request_is_remembered_for_64_t1_over_udp_and_not_at_all_over_tcp() {
    let (mut servers, mut wire) = received(Transport::Udp, false);
    servers.respond(9, &response(200, false, Transport::Udp), START, &mut wire);
    servers.receive(9, false, NO_CALL, 1, &flow(Transport::Udp), START + 31_000 * MS, &mut wire);
    assert_eq!(2, wire.sent.len());
    run(&mut servers, &mut wire, START + 32_000 * MS);
    assert!(servers.is_empty());
    let (mut servers, mut wire) = received(Transport::Tcp, false);
    servers.respond(9, &response(200, false, Transport::Tcp), START, &mut wire);
    assert!(servers.is_empty());
}

#[test]
fn a_second_final_response_is_ignored() {
    let (mut servers, mut wire) = received(Transport::Udp, true);
    servers.respond(9, &response(200, true, Transport::Udp), START, &mut wire);
    servers.respond(9, &response(486, true, Transport::Udp), START, &mut wire);
    assert_eq!(1, wire.sent.len());
}

#[test]
fn an_heir_repeats_an_unacknowledged_2xx_for_what_is_left_of_64_t1() {
    let (mut servers, mut wire) = (Servers::new(Intervals::default()), Wire::default());
    servers.respond(9, &Responding { age: 31_000 * MS, ..response(200, true, Transport::Udp) }, START, &mut wire);
    assert_eq!(1, wire.sent.len());
    run(&mut servers, &mut wire, START + 1000 * MS);
    assert_eq!(vec![(9, true)], wire.late);
}

#[test]
fn an_heir_sends_nothing_for_what_was_acknowledged_or_is_too_old() {
    let (mut servers, mut wire) = (Servers::new(Intervals::default()), Wire::default());
    servers.respond(9, &Responding { age: 1000 * MS, acked: true, ..response(200, true, Transport::Udp) }, START, &mut wire);
    assert!(!servers.receive(9, true, NO_CALL, 1, &flow(Transport::Udp), START, &mut Wire::default()));
    assert_eq!(AckIs::Again, servers.accepted_acked(77));
    servers.respond(10, &Responding { age: 2_400_000 * MS, ..response(200, false, Transport::Udp) }, START, &mut wire);
    assert!(wire.sent.is_empty());
    run(&mut servers, &mut wire, START + 31_000 * MS);
    assert_eq!((0, 0), (wire.sent.len(), servers.len()));
}

#[test]
fn a_gone_connection_is_told_once_and_ends_the_repeats_but_not_the_wait_for_the_ack() {
    let (mut servers, mut wire) = received(Transport::Tls, true);
    servers.respond(9, &response(200, true, Transport::Tls), START, &mut wire);
    assert_eq!(Some(NO_CALL), servers.fail(9));
    assert_eq!(None, servers.fail(9));
    run(&mut servers, &mut wire, START + 31_999 * MS);
    assert!(wire.late.is_empty());
    run(&mut servers, &mut wire, START + 40_000 * MS);
    assert_eq!((1, vec![(9, true)], 0), (wire.sent.len(), wire.late, servers.len()));
}

#[test]
fn an_answer_follows_its_peer_to_the_next_connection() {
    let (mut servers, mut wire) = (Servers::new(Intervals::default()), Wire::default());
    servers.receive(9, true, NO_CALL, 1, &stream(1), START, &mut wire);
    servers.respond(9, &Responding { flow: stream(1), ..response(200, true, Transport::Tcp) }, START, &mut wire);
    servers.fail(9);
    servers.receive(9, true, NO_CALL, 1, &stream(2), START, &mut wire);
    servers.respond(9, &Responding { flow: stream(3), ..response(200, true, Transport::Tcp) }, START, &mut wire);
    run(&mut servers, &mut wire, START + 600 * MS);
    assert_eq!(vec![1, 2, 3, 3], wire.over); // the last one by the timer, which runs again
}

#[test]
fn a_stranger_with_a_known_branch_gets_no_answer() {
    let (mut servers, mut wire) = (Servers::new(Intervals::default()), Wire::default());
    servers.receive(9, true, NO_CALL, 1, &stream(1), START, &mut wire);
    servers.respond(9, &Responding { flow: stream(1), ..response(180, true, Transport::Tcp) }, START, &mut wire);
    let stranger = Flow { remote: crate::frame::Address { ip: [2; 16], port: 5060 }, ..stream(2) };
    servers.receive(9, true, NO_CALL, 1, &stranger, START, &mut wire);
    assert_eq!(vec![1, 1], wire.over);
}
