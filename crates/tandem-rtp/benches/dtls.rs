//! `cargo bench -p tandem-rtp --bench dtls`: prints what a DTLS handshake costs, microseconds of one end on one core.

use std::net::SocketAddr;
use std::time::Instant;

use tandem_rtp::dtls::{Certificate, Fingerprint, Handshake, Identity, Output, Setup, State};

const HANDSHAKES: u32 = 200;
const ROUNDS: usize = 5;

fn main() {
    let identity = |seed: u8| {
        let random = std::array::from_fn(|at| seed.wrapping_add(at as u8));
        Identity::new(Certificate::fresh(random, 1_780_000_000).unwrap(), Instant::now())
    };
    let (left, right) = (identity(1), identity(2));
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(&left, &right)).collect();
    rounds.sort_by(f64::total_cmp);
    println!("DTLS 1.3 handshake, one end: min {:.0}, median {:.0}, max {:.0} us", rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
}

fn round(left: &Identity, right: &Identity) -> f64 {
    let began = Instant::now();
    for _ in 0..HANDSHAKES {
        let fingerprint = |of: &Identity| Fingerprint::new("sha-256", &of.certificate().fingerprint()).ok();
        let mut ends = [
            Handshake::new(0, left, Setup { active: true, ice: true }, fingerprint(right)),
            Handshake::new(0, right, Setup { active: false, ice: true }, fingerprint(left)),
        ];
        let (mut out, from) = (Vec::new(), SocketAddr::from(([127, 0, 0, 1], 1)));
        while ends.iter().any(|end| end.state() != State::Established) {
            for end in 0..2 {
                while let Some(output) = ends[end].poll(0, &mut out) {
                    if matches!(output, Output::Send(_)) {
                        ends[1 - end].handle(0, from, &out);
                    }
                }
            }
        }
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(2 * HANDSHAKES)
}
