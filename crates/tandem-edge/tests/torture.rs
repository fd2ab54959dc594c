//! RFC 4475's messages, and damaged ones, at a running edge: it lives, and panics at none.

mod common;

use common::{open_policy, phone, request, trunk_policy, Owner, Place, Running};
use std::io::Write;
use std::net::TcpStream;

fn golden() -> Vec<Vec<u8>> {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/torture");
    let files = std::fs::read_dir(place).unwrap().map(|file| file.unwrap().path());
    let messages: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "dat")).map(|path| std::fs::read(path).unwrap()).collect();
    assert!(messages.len() > 40);
    messages
}

/// A fixed sequence: a failure can be seen again (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }
}

#[test]
fn no_message_makes_an_edge_panic() {
    for policy in [open_policy(""), trunk_policy("")] {
        let policy = policy.replacen('{', r#"{"allow": ["127.0.0.0/8"], "#, 1);
        let place = Place::new();
        let owner = Owner::listen(&place);
        let edge = Running::start(&place, &policy, &["udp", "tcp"], "");
        let mut link = owner.accept(1);
        let (mallory, mut dice) = (phone(), Dice(7));
        for message in golden() {
            mallory.send_to(&message, edge.locals[0]).unwrap();
            let _ = TcpStream::connect(edge.locals[1]).unwrap().write_all(&message);
            for _ in 0..40 {
                let mut damaged = message.clone();
                for _ in 0..=dice.roll(4) {
                    let at = dice.roll(damaged.len());
                    match dice.roll(3) {
                        0 => damaged[at] = dice.roll(256) as u8,
                        1 => damaged.truncate(at + 1),
                        _ => damaged.insert(at, b" \r\n,;=<>\"@:%\0"[dice.roll(13)]),
                    }
                }
                mallory.send_to(&damaged, edge.locals[0]).unwrap();
            }
            // The socket's buffer is not to overflow: every message is to be read.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        mallory.send_to(&request("INVITE", "UDP", "alive"), edge.locals[0]).unwrap();
        let stats = link.counter("malformed", 100);
        assert_eq!((0, 0), (stats["panics"].as_u64().unwrap(), stats["bans"].as_u64().unwrap()));
    }
}
