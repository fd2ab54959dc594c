//! The promises of the frame codec.

use super::*;

fn peer() -> Address {
    "192.0.2.7:5062".parse::<SocketAddr>().unwrap().into()
}

#[test]
fn every_frame_up_reads_back_as_written() {
    let sip = SipUp {
        seq: 9,
        shard: 517,
        epoch: 3,
        flow: 4,
        transport: Transport::Wss,
        local: 2,
        remote: peer(),
        received_at: 77,
        message: b"BYE",
    };
    let mut out = Vec::new();
    push_up_hello(&mut out, 5, 6, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"h:1" }], 8);
    push_sip_up(&mut out, &sip);
    push_failed(&mut out, 11, Why::Tls);
    push_closed(&mut out, 12);
    push_stats(&mut out, b"{}");
    push_peer(&mut out, 13, &["sbc.example", &"x".repeat(256), "other.example"]);
    push_heard(&mut out, 14, 15);
    let mut rest = &out[..];
    let mut seen = Vec::new();
    while let Some((body, used)) = next(rest).unwrap() {
        seen.push(read_up(body).unwrap());
        rest = &rest[used..];
    }
    let Up::Hello(hello) = seen[0] else { panic!() };
    assert_eq!((5, 6, 8), (hello.edge, hello.incarnation, hello.epoch));
    assert_eq!(b"h:1", hello.locals().next().unwrap().advertised);
    assert_eq!(Up::Sip(sip), seen[1]);
    assert_eq!([Up::Failed { cookie: 11, why: Why::Tls }, Up::Closed { flow: 12 }, Up::Stats(b"{}")], seen[2..5]);
    let Up::Peer { flow: 13, names } = seen[5] else { panic!() };
    assert_eq!(vec![&b"sbc.example"[..], b"other.example"], names.iter().collect::<Vec<_>>());
    assert_eq!(Up::Heard { incarnation: 14, count: 15 }, seen[6]);
}

#[test]
fn every_frame_down_reads_back_as_written() {
    let sip = SipDown { shard: 1, epoch: 2, cookie: 3, flow: 0, transport: Transport::Udp, local: 0, remote: peer(), message: b"x" };
    let mut out = Vec::new();
    push_sip_down(&mut out, &sip);
    push_taken(&mut out, &[1, u64::MAX]);
    push_claim(&mut out, 4, &[(0, 1024)]);
    push_alive(&mut out);
    let (body, used) = next(&out).unwrap().unwrap();
    assert_eq!(Down::Sip(sip), read_down(body).unwrap());
    let (body, more) = next(&out[used..]).unwrap().unwrap();
    let Down::Taken(taken) = read_down(body).unwrap() else { panic!() };
    assert_eq!(vec![1, u64::MAX], taken.seqs().collect::<Vec<_>>());
    assert_eq!(Down::Alive, read_down(&out[out.len() - 1..]).unwrap());
    let (body, _) = next(&out[used + more..]).unwrap().unwrap();
    let Down::Claim { epoch: 4, shards } = read_down(body).unwrap() else { panic!() };
    assert_eq!(vec![(0, 1024)], shards.iter().collect::<Vec<_>>());
}

#[test]
fn a_frame_cut_anywhere_is_an_error_and_not_a_panic() {
    let mut out = Vec::new();
    push_up_hello(&mut out, 5, 6, &[Local { transport: Transport::Udp, bound: peer(), advertised: b"h:1" }], 8);
    for end in 5..out.len() {
        assert!(read_up(&out[4..end]).is_err(), "{end}");
    }
    out.clear();
    push_peer(&mut out, 13, &["sbc.example"]);
    for end in (5..out.len()).filter(|end| *end != 13) {
        assert!(read_up(&out[4..end]).is_err(), "{end}");
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_it_is_waited_for() {
    assert_eq!(Err(BadFrame::Length(MAX_FRAME + 1)), next(&(MAX_FRAME as u32 + 1).to_le_bytes()));
}
