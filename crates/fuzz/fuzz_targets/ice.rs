//! Whatever strangers and the peer send to an ICE agent: only the peer's nominations move it, answers go to requests only and are small,
//! and it asks for no time that has passed without something to say.
#![no_main]

use std::net::SocketAddr;

use tandem_rtp::ice::{Agent, Component, Destination, Outcome};
use tandem_rtp::plan::{Credentials, Ice, IcePeer};
use tandem_rtp::sdp::{Candidate, CandidateKind};
use tandem_rtp::stun::{Class, IceRole, Message, Writer};

const ANSWER_BYTES: usize = 200;
const POLLS: usize = 200;

fn plan(generation: u8, remote: bool) -> Ice {
    let credentials = |ufrag: &str| Credentials { ufrag: format!("{ufrag}{generation}"), pwd: format!("{ufrag}'s password") };
    Ice { local: credentials("ours"), remote: remote.then(|| credentials("them")) }
}

fn peer(controlling: bool) -> IcePeer {
    let candidate = |port| Candidate {
        foundation: "1".into(),
        component: 1,
        priority: u32::from(port),
        address: SocketAddr::from(([10, 0, 0, 1], port)),
        kind: CandidateKind::Host,
    };
    IcePeer { lite: controlling, controlling, candidates: vec![candidate(1), candidate(2)] }
}

fn check(generation: u8, bits: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let writer = Writer::new(&mut out, Class::Request, [bits; 12])
        .username(format!("ours{generation}").as_bytes(), format!("them{generation}").as_bytes())
        .priority(bits.into())
        .role(if bits & 1 == 0 { IceRole::Controlling(bits.into()) } else { IceRole::Controlled(bits.into()) });
    let writer = if bits & 2 == 0 { writer.use_candidate() } else { writer };
    if bits & 4 == 0 { writer.integrity(b"ours's password").fingerprint() } else { writer.integrity_sha256(b"ours's password").fingerprint() }
    out
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [first, mut rest @ ..] = input else { return };
    let (controlling, mux) = (first & 1 == 1, first & 2 == 2);
    let mut agent = Agent::new(&plan(0, first & 4 == 4), Some(&peer(controlling)), mux, [7; 32]);
    let (mut now, mut generation, mut out, mut asked) = (0_u64, 0_u8, Vec::new(), Vec::new());
    let mut proved = vec![SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 1], 2))];
    while let [what, bits, later, length, more @ ..] = rest {
        let (bytes, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        now += u64::from(*later).pow(3) * 4;
        let from = SocketAddr::from(([192, 0, 2, bits >> 4], u16::from(what >> 4)));
        let component = if what & 8 == 0 { Component::Rtp } else { Component::Rtcp };
        let datagram = match what & 7 {
            0 => check(generation, *bits),
            1 => check(generation.wrapping_sub(1), *bits),
            2 => {
                generation += u8::from(generation < 200);
                agent.update(&plan(generation, true), Some(&peer(controlling)), mux);
                continue;
            }
            3 => {
                agent = Agent::heir(now, &agent.state(now), [*bits; 32]);
                continue;
            }
            4 => {
                let Some(request) = asked.pop() else { continue };
                let (to, transaction) = request;
                let mut answer = Vec::new();
                Writer::new(&mut answer, Class::Success, transaction).mapped(from).integrity(b"them's password").fingerprint();
                agent.handle(now, component, to, &answer, &mut out);
                continue;
            }
            _ => bytes.to_vec(),
        };
        let handled = agent.handle(now, component, from, &datagram, &mut out);
        assert_eq!(handled.reply, !out.is_empty());
        if handled.outcome == Outcome::Granted {
            proved.push(from);
        }
        if handled.reply {
            let (request, answer) = (Message::read(&datagram).unwrap(), Message::read(&out).unwrap());
            assert!(request.class == Class::Request && answer.transaction == request.transaction && out.len() <= ANSWER_BYTES);
        }
        let mut polls = 0;
        while let Some(output) = agent.poll(now, &mut out) {
            if let tandem_rtp::ice::Output::Send { to, .. } = output {
                asked.push((to, Message::read(&out).unwrap().transaction));
            }
            polls += 1;
            assert!(polls < POLLS);
        }
        assert!(agent.wants().is_none_or(|wants| wants > now), "nothing is due that was not done");
        for component in [Component::Rtp, Component::Rtcp] {
            if let Destination::Selected(to) = agent.destination(component) {
                assert!(proved.contains(&to));
            }
        }
    }
});
