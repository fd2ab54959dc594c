//! Our certificates, one of which is shown to each peer: the one with the name that it asked for (RFC 6066 3). It reads files once.

use crate::config::Pair;
use crate::tls::{bad, names, BadTls};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;

/// All of them; the first is for those who ask for none that we have.
#[derive(Debug)]
pub struct Certificates(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl Certificates {
    /// Reads pairs of files; the error names the file.
    pub fn read(pairs: &[Pair], provider: &CryptoProvider) -> Result<Certificates, BadTls> {
        let one = |pair: &Pair| {
            let chain = chain(&pair.certificate)?;
            let names = chain.first().map(names).unwrap_or_default();
            let secret = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| bad(&pair.key, error))?;
            let key = CertifiedKey::from_der(chain, secret, provider).map_err(|error| bad(&pair.certificate, error))?;
            Ok((names, Arc::new(key)))
        };
        pairs.iter().map(one).collect::<Result<_, _>>().map(Certificates)
    }

    /// Every certificate's bytes.
    pub fn der(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter().flat_map(|(_, key)| key.cert.iter())
    }

    fn of(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let fits = |names: &[String]| name.is_some_and(|name| names.iter().any(|have| matches(have, name)));
        let (_, key) = self.0.iter().find(|(names, _)| fits(names)).or(self.0.first())?;
        Some(key)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of(hello.server_name()).cloned()
    }
}

// RFC 6125 6.4.3: a star stands for one label, the first.
fn matches(have: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match have.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, after)| after.eq_ignore_ascii_case(rest)),
        None => have.eq_ignore_ascii_case(name),
    }
}

/// The certificates of a PEM file, at least one.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| bad(path, error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| bad(path, error))?;
    if found.is_empty() {
        Err(bad(path, "no certificate in it"))
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_label() {
        for (have, name, expected) in [
            ("sip.example", "SIP.example.", true),
            ("*.example", "sip.example", true),
            ("*.example", "a.sip.example", false),
            ("*.example", "example", false),
            ("sip.example", "example", false),
        ] {
            assert_eq!(expected, matches(have, name), "{have} {name}");
        }
    }
}
