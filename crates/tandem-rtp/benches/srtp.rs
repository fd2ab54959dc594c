//! `cargo bench -p tandem-rtp --bench srtp`: prints nanoseconds per packet of 172 bytes (20 ms of G.711), protected and opened, for each
//! suite; of one that is forged; and what the counting of a packet costs. Least and median of rounds: other work on the machine only adds.

use std::hint::black_box;
use std::time::Instant;

use tandem_rtp::quality::{Codec, Inbound};
use tandem_rtp::rtp::Header;
use tandem_rtp::srtp::{Master, Receiver, Sender, Suite};

const PACKET_BYTES: usize = 172;
const PACKETS: usize = 1_000;
const ROUNDS: usize = 200;

fn plain(sequence: u16, buffer: &mut [u8; 256]) {
    let [high, low] = sequence.to_be_bytes();
    buffer[..12].copy_from_slice(&[0x80, 0, high, low, 0, 0, high, low, 1, 2, 3, 4]);
}

/// Nanoseconds of one of `PACKETS` steps, least and median.
fn measured(mut round: impl FnMut()) -> String {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            round();
            begin.elapsed().as_nanos() as f64 / PACKETS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    format!("{:>4.0} ({:>4.0}) ns", times[0], times[ROUNDS / 2])
}

fn suite(suite: Suite) {
    let master = Master::new(suite, (0..suite.key_bytes() + suite.salt_bytes()).map(|n| n as u8).collect()).unwrap();
    let mut sender = Sender::new(&master).unwrap();
    let mut sequence = 0u16;
    let mut buffer = [0x55; 256];
    let protect = measured(|| {
        for _ in 0..PACKETS {
            plain(sequence, &mut buffer);
            black_box(sender.rtp(black_box(&mut buffer), PACKET_BYTES)).unwrap();
            sequence = sequence.wrapping_add(1);
        }
    });
    let mut sender = Sender::new(&master).unwrap();
    let mut wires = Vec::new();
    for n in 0..PACKETS * ROUNDS {
        plain(n as u16, &mut buffer);
        let len = sender.rtp(&mut buffer, PACKET_BYTES).unwrap();
        wires.push((buffer, len));
    }
    let mut receiver = Receiver::new(&master).unwrap();
    let mut rounds = wires.chunks_mut(PACKETS);
    let open = measured(|| {
        for (wire, len) in rounds.next().unwrap() {
            black_box(receiver.rtp(black_box(wire), *len)).unwrap();
        }
    });
    let (mut forged, len) = (buffer, PACKET_BYTES + suite.rtp_overhead());
    plain(sequence, &mut forged);
    let refuse = measured(|| {
        for _ in 0..PACKETS {
            assert!(black_box(receiver.rtp(black_box(&mut forged), len)).is_err());
        }
    });
    println!("{:<24} protect {protect}  open {open}  refuse {refuse}", suite.name());
}

fn main() {
    Suite::ALL.into_iter().for_each(suite);
    let mut stream = Inbound::new(1, 8_000, Codec::G711_PLC);
    let (mut buffer, mut number) = ([0; 256], 0u64);
    let count = measured(|| {
        for _ in 0..PACKETS {
            plain(number as u16, &mut buffer);
            let header = Header::read(black_box(&buffer)).unwrap();
            stream.packet(black_box(number * 20_000), &header, PACKET_BYTES);
            number += 1;
        }
    });
    println!("{:<24} {count}", "an inbound packet counted");
    black_box(&stream);
}
