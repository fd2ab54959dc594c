//! The relay's DTLS certificate: made once, kept with the state, so that its fingerprint outlives the process. It shakes no hands.

use std::time::Instant;

use tandem_rtp::dtls::{Certificate, Identity};

use crate::config::RelayError;
use crate::state::State;

/// The kept certificate, or a fresh one that is kept from now on. `at`: microseconds since 1970, the instant that stands for 0 on the
/// clock of handshakes.
pub fn of(state: Option<&State>, at: u64) -> Result<Identity, RelayError> {
    let failed = |why: String| RelayError::Store(format!("certificate: {why}"));
    let kept = state.and_then(State::certificate).and_then(|bytes| read(&bytes));
    let certificate = match kept {
        Some(certificate) => certificate,
        None => {
            let mut random = [0; 48];
            getrandom::fill(&mut random).map_err(|why| failed(why.to_string()))?;
            let fresh = Certificate::fresh(random, at / 1_000_000).map_err(|why| failed(why.to_string()))?;
            if let Some(state) = state {
                state.keep_certificate(&written(&fresh))?;
            }
            fresh
        }
    };
    Ok(Identity::new(certificate, Instant::now()))
}

/// Length of the certificate, certificate, key.
fn written(certificate: &Certificate) -> Vec<u8> {
    let (der, key) = (certificate.der(), certificate.key_der());
    [&(der.len() as u32).to_be_bytes()[..], der, key].concat()
}

fn read(bytes: &[u8]) -> Option<Certificate> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (der, key) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Certificate::read(der, key).ok()
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::state::State;

    #[test]
    fn a_successor_has_the_same_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let at = 1_700_000_000_000_000;
        let first = of(Some(&State::open(directory.path(), at).unwrap()), at).unwrap();
        let second = of(Some(&State::open(directory.path(), at).unwrap()), at).unwrap();
        assert_eq!(first.certificate().fingerprint(), second.certificate().fingerprint());
    }
}
