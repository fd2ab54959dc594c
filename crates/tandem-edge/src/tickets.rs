//! Session tickets that every edge with the same keys reads, also one that was started since (RFC 5077, RFC 8446 4.6.1). It keeps none.

use crate::keys::EdgeKeys;
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, CHACHA20_POLY1305, NONCE_LEN};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long tickets are made with one key, in seconds. They are read for as long again.
pub const PERIOD_SECONDS: u64 = 12 * 3600;
/// Bytes by which a ticket names its key.
const NAME: usize = 8;

/// Makes and reads tickets.
pub struct Tickets {
    secrets: Vec<hmac::Key>,
    context: [u8; 32],
    random: SystemRandom,
    /// Seconds since 1970.
    clock: fn() -> u64,
}

impl Tickets {
    /// With keys made from the signing ones; tickets of another `context` (certificates, authorities) are not read.
    pub fn new(keys: &EdgeKeys, context: [u8; 32]) -> Tickets {
        let secrets = keys.keys.signing.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key.secret)).collect();
        Tickets { secrets, context, random: SystemRandom::new(), clock: now }
    }

    fn key(&self, secret: &hmac::Key, period: u64) -> Option<(LessSafeKey, [u8; NAME])> {
        let made = |what: &[u8]| hmac::sign(secret, &[what, &self.context, &period.to_be_bytes()].concat());
        let key = UnboundKey::new(&CHACHA20_POLY1305, made(b"tandem TLS ticket key").as_ref()).ok()?;
        let name = *made(b"tandem TLS ticket name").as_ref().first_chunk::<NAME>()?;
        Some((LessSafeKey::new(key), name))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        !self.secrets.is_empty()
    }

    fn lifetime(&self) -> u32 {
        PERIOD_SECONDS as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let (key, name) = self.key(self.secrets.first()?, (self.clock)() / PERIOD_SECONDS)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut sealed).ok()?;
        Some([&name[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let period = (self.clock)() / PERIOD_SECONDS;
        // The next one too: clocks of two machines differ.
        let periods = [period, period.saturating_sub(1), period + 1];
        let made = self.secrets.iter().flat_map(|secret| periods.iter().filter_map(|period| self.key(secret, *period)));
        let (key, _) = made.into_iter().find(|(_, found)| found == name)?;
        let mut sealed = sealed.to_vec();
        let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(*name), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tickets")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sip::ring::Ring;

    fn tickets(secrets: &[u8], context: u8, clock: fn() -> u64) -> Tickets {
        let hex = |n: &u8| format!("{n:02x}").repeat(16);
        let signing: Vec<String> = secrets.iter().map(|n| format!(r#"{{"id":"{n}","secret":"{}"}}"#, hex(n))).collect();
        let json = format!(r#"{{"hash":"{0}","signing":[{1}],"nonce":[{{"id":"a","secret":"{0}"}}]}}"#, hex(&0), signing.join(","));
        Tickets { clock, ..Tickets::new(&EdgeKeys::of(&Ring::read(json.as_bytes()).unwrap(), 0), [context; 32]) }
    }

    #[test]
    fn a_ticket_is_read_by_others_with_the_same_keys_for_one_period_more() {
        let ticket = tickets(&[1], 0, || 10 * PERIOD_SECONDS + 5).encrypt(b"secret").unwrap();
        let read = |secrets: &[u8], context, clock| tickets(secrets, context, clock).decrypt(&ticket);
        assert_eq!(Some(&b"secret"[..]), read(&[1], 0, || 10 * PERIOD_SECONDS).as_deref());
        assert_eq!(Some(&b"secret"[..]), read(&[1], 0, || 12 * PERIOD_SECONDS - 1).as_deref());
        assert_eq!(Some(&b"secret"[..]), read(&[1], 0, || 10 * PERIOD_SECONDS - 1).as_deref());
        assert_eq!(Some(&b"secret"[..]), read(&[2, 1], 0, || 10 * PERIOD_SECONDS).as_deref());
        assert_eq!(None, read(&[1], 0, || 12 * PERIOD_SECONDS));
        assert_eq!(None, read(&[2], 0, || 10 * PERIOD_SECONDS));
        assert_eq!(None, read(&[1], 9, || 10 * PERIOD_SECONDS));
        for at in 0..ticket.len() {
            let mut spoilt = ticket.clone();
            spoilt[at] ^= 1;
            assert_eq!(None, tickets(&[1], 0, || 10 * PERIOD_SECONDS).decrypt(&spoilt));
            assert_eq!(None, tickets(&[1], 0, || 10 * PERIOD_SECONDS).decrypt(&ticket[..at]));
        }
    }
}
