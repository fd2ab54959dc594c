//! What all handshakes of a relay share: the certificate, and the settings of `dimpl`. No peer is in it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dimpl::crypto::rust_crypto;
use dimpl::{Config, DtlsCertificate};

use super::{Certificate, DATAGRAMS_TO_SEND, DATAGRAMS_WAITING, FINISH_US, RETRANSMIT_US};

/// Times that a flight is sent again: the last of them comes before [`FINISH_US`] is over.
const RETRANSMISSIONS: usize = 5;

/// Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: Certificate,
    settings: OnceLock<Settings>,
    anchor: Instant,
}

struct Settings {
    /// The peer's address is not known to be its own: a cookie is asked for first (RFC 6347 4.2.1).
    cautious: Arc<Config>,
    /// ICE has shown that it is.
    trusting: Arc<Config>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.shared.certificate)
    }
}

impl Identity {
    /// `anchor`: any instant; it stands for 0 on the clock whose microseconds the handshakes get.
    pub fn new(certificate: Certificate, anchor: Instant) -> Identity {
        Identity { shared: Arc::new(Shared { certificate, settings: OnceLock::new(), anchor }) }
    }

    /// Does what the first handshake would wait for: `dimpl` tries its curves first, which takes some 10 ms.
    pub fn prepare(&self) {
        self.settings();
    }

    fn settings(&self) -> &Settings {
        let config = |cookie| {
            Config::builder()
                .with_crypto_provider(rust_crypto::default_provider())
                .use_server_cookie(cookie)
                .require_client_certificate(true)
                .max_queue_rx(DATAGRAMS_WAITING)
                .max_queue_tx(DATAGRAMS_TO_SEND)
                .flight_start_rto(Duration::from_micros(RETRANSMIT_US))
                .flight_retries(RETRANSMISSIONS)
                .handshake_timeout(Duration::from_micros(FINISH_US))
                .build()
                .map(Arc::new)
                .expect("dimpl takes the same settings in every process of a build")
        };
        self.shared.settings.get_or_init(|| Settings { cautious: config(true), trusting: config(false) })
    }

    /// What peers see.
    pub fn certificate(&self) -> &Certificate {
        &self.shared.certificate
    }

    pub(super) fn config(&self, trusting: bool) -> Arc<Config> {
        let settings = self.settings();
        if trusting { &settings.trusting } else { &settings.cautious }.clone()
    }

    pub(super) fn own(&self) -> DtlsCertificate {
        let certificate = &self.shared.certificate;
        DtlsCertificate { certificate: certificate.der().to_vec(), private_key: certificate.key_der().to_vec() }
    }

    pub(super) fn instant(&self, now: u64) -> Instant {
        self.shared.anchor.checked_add(Duration::from_micros(now)).unwrap_or(self.shared.anchor)
    }

    /// Rounded up: a timer is not asked before it is due.
    pub(super) fn microseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.shared.anchor).as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
    }
}
