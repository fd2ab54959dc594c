//! UDP peers that are registered, as far as this process knows: to them an answer may be longer than the question. It holds no names.

use std::collections::HashSet;

/// Peers remembered in one generation; further ones are not.
const PEERS: usize = 65_536;
/// How long a generation lasts, in microseconds: a peer is forgotten one to two of them after it was last seen.
const GENERATION_US: u64 = 3_600_000_000;

/// Two generations of keyed hashes of addresses.
#[derive(Default)]
pub struct Acquainted {
    young: HashSet<u64>,
    old: HashSet<u64>,
    turns_at: u64,
}

impl Acquainted {
    /// A peer has registered, or was seen again.
    pub fn meet(&mut self, peer: u64, now: u64) {
        if now >= self.turns_at {
            self.old = std::mem::take(&mut self.young);
            self.turns_at = now + GENERATION_US;
        }
        if self.young.len() < PEERS {
            self.young.insert(peer);
        }
    }

    /// Whether it is known.
    pub fn knows(&self, peer: u64) -> bool {
        self.young.contains(&peer) || self.old.contains(&peer)
    }
}

/// Whether a message tells somebody that he is registered.
pub fn welcomes(message: &[u8]) -> bool {
    message.starts_with(b"SIP/2.0 200 ")
        && memchr::memmem::find_iter(message, b" REGISTER\r\n")
            .any(|at| at.checked_sub(1).and_then(|before| message.get(before)).is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_forgotten_when_it_was_not_seen_for_two_generations() {
        let mut acquainted = Acquainted::default();
        acquainted.meet(1, 0);
        acquainted.meet(2, GENERATION_US);
        assert!(acquainted.knows(1) && acquainted.knows(2) && !acquainted.knows(3));
        acquainted.meet(2, 2 * GENERATION_US);
        assert!(!acquainted.knows(1) && acquainted.knows(2));
        (0..PEERS as u64 + 9).for_each(|peer| acquainted.meet(peer, 2 * GENERATION_US + 1));
        assert!(!acquainted.knows(PEERS as u64 + 8));
    }

    #[test]
    fn a_200_to_a_register_is_a_welcome_and_no_other_message_is() {
        assert!(welcomes(b"SIP/2.0 200 OK\r\nCSeq: 7 REGISTER\r\n\r\n"));
        assert!(!welcomes(b"SIP/2.0 200 OK\r\nAllow: INVITE, REGISTER\r\nCSeq: 7 OPTIONS\r\n\r\n"));
        assert!(!welcomes(b"SIP/2.0 401 Unauthorized\r\nCSeq: 7 REGISTER\r\n\r\n"));
    }
}
