//! Stateless nonces: any edge makes one, any verifies it, also after a restart. It counts no uses (that is `Nonces`).
//!
//! Text: key id (1), time in microseconds (11), salt (5), MAC (13): 30 characters of `base32`. The MAC is SipHash-2-4 (64 bits) over
//! realm, time and salt. HMAC-SHA256 would cost twenty times as much and win nothing: a forged nonce only spares its sender the
//! challenge, it still has to prove the password, and guessing 64 bits takes 2^63 packets on line. Short matters more: an answer
//! may not be longer than its question.

use crate::base32;
use crate::ids::{mac, Key};

/// Characters of a nonce.
pub const NONCE: usize = 30;
/// How far another edge's clock may be ahead of ours, in microseconds.
pub const SKEW_US: u64 = 30_000_000;

/// What a nonce is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nonce {
    /// Ours and young enough.
    Fresh {
        /// When it was made, microseconds since 1970.
        issued_at: u64,
        /// Its name in `Nonces`: the MAC.
        sum: u64,
    },
    /// Ours, and too old: challenge again with `stale=true`.
    Stale,
    /// Not ours, or for another realm.
    Foreign,
}

/// Appends a nonce for `realm`. `salt` keeps two phones of one batch apart: a hash of the request's Call-ID and source. 25 bits of it
/// stand as they are; 17 more make the time up to 0.13 s early, else two phones of thousands a second would share a nonce now and then,
/// and the second one's answer would be a replay. Nothing is appended when there is no key.
pub fn push(out: &mut impl Extend<u8>, keys: &[Key], realm: &[u8], salt: u64, now_us: u64) {
    let Some(key) = keys.first() else { return };
    let issued_at = now_us.saturating_sub((salt >> 25) & 0x1_ffff) & 0x7f_ffff_ffff_ffff;
    let salt = salt & 0x1ff_ffff;
    out.extend([key.id]);
    base32::push(out, issued_at, 11);
    base32::push(out, salt, 5);
    base32::push(out, sum(key, realm, salt, issued_at), 13);
}

/// Reads a nonce that came back with `realm`; `seconds` is how long one lives.
pub fn read(text: &[u8], keys: &[Key], realm: &[u8], seconds: u32, now_us: u64) -> Nonce {
    match parts(text) {
        Some((id, issued_at, salt, given)) => {
            let good = keys.iter().any(|key| key.id == id && sum(key, realm, salt, issued_at) == given);
            match good {
                false => Nonce::Foreign,
                true if issued_at > now_us.saturating_add(SKEW_US) => Nonce::Stale,
                true if now_us.saturating_sub(issued_at) > u64::from(seconds) * 1_000_000 => Nonce::Stale,
                true => Nonce::Fresh { issued_at, sum: given },
            }
        }
        None => Nonce::Foreign,
    }
}

fn parts(text: &[u8]) -> Option<(u8, u64, u64, u64)> {
    let text: &[u8; NONCE] = text.try_into().ok()?;
    let time = base32::read(text.get(1..12)?)?;
    let salt = base32::read(text.get(12..17)?)?;
    Some((text[0], time, salt, base32::read(text.get(17..)?)?))
}

fn sum(key: &Key, realm: &[u8], salt: u64, issued_at: u64) -> u64 {
    mac(&key.secret, &[b"nonce", realm, &issued_at.to_le_bytes(), &salt.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Key = Key { id: b'a', secret: [1; 16] };
    const B: Key = Key { id: b'b', secret: [2; 16] };
    const NOW: u64 = 1_795_000_000_000_000;

    #[test]
    fn phones_whose_short_salts_are_the_same_get_different_nonces() {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        push(&mut one, &[A], b"demo.example", 5 << 25 | 7, NOW);
        push(&mut other, &[A], b"demo.example", 6 << 25 | 7, NOW);
        assert_ne!(one, other);
        assert!(matches!(read(&one, &[A], b"demo.example", 60, NOW), Nonce::Fresh { issued_at, .. } if NOW - issued_at == 5));
    }

    fn made(keys: &[Key]) -> Vec<u8> {
        let mut text = Vec::new();
        push(&mut text, keys, b"demo.example", 7, NOW);
        text
    }

    fn fresh(nonce: Nonce) -> bool {
        matches!(nonce, Nonce::Fresh { issued_at: NOW, .. })
    }

    #[test]
    fn any_holder_of_the_keys_verifies_a_nonce_also_after_rotation() {
        assert_eq!(NONCE, made(&[A]).len());
        assert!(fresh(read(&made(&[A]), &[A], b"demo.example", 300, NOW + 1)));
        assert!(fresh(read(&made(&[A]), &[B, A], b"demo.example", 300, NOW + 1)));
        assert_eq!(Nonce::Foreign, read(&made(&[A]), &[B], b"demo.example", 300, NOW + 1));
    }

    #[test]
    fn a_nonce_lives_its_seconds_and_is_then_stale() {
        assert!(fresh(read(&made(&[A]), &[A], b"demo.example", 300, NOW + 300_000_000)));
        assert_eq!(Nonce::Stale, read(&made(&[A]), &[A], b"demo.example", 300, NOW + 300_000_001));
    }

    #[test]
    fn a_clock_ahead_is_borne_for_half_a_minute() {
        assert!(fresh(read(&made(&[A]), &[A], b"demo.example", 300, NOW - SKEW_US)));
        assert_eq!(Nonce::Stale, read(&made(&[A]), &[A], b"demo.example", 300, NOW - SKEW_US - 1));
    }

    #[test]
    fn a_nonce_is_bound_to_its_realm_and_to_every_character() {
        assert_eq!(Nonce::Foreign, read(&made(&[A]), &[A], b"other.example", 300, NOW));
        for i in 0..NONCE {
            let mut text = made(&[A]);
            text[i] = if text[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(Nonce::Foreign, read(&text, &[A], b"demo.example", 300, NOW), "character {i}");
        }
        assert_eq!(Nonce::Foreign, read(b"", &[A], b"demo.example", 300, NOW));
    }

    #[test]
    fn two_phones_of_the_same_microsecond_get_two_nonces() {
        let mut other = Vec::new();
        push(&mut other, &[A], b"demo.example", 8, NOW);
        assert_ne!(made(&[A]), other);
    }
}
