//! Who is trusted in a TLS handshake: servers by any of a trunk's names, clients whatever use their certificate names. It reads no file.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Handshake signatures always hold, whoever is trusted.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
}

/// Trusts a chain to our roots whose leaf has one of several names: a trunk may have a farm behind one address.
#[derive(Debug)]
pub struct AnyName {
    /// Whom we trust.
    pub roots: Arc<RootCertStore>,
    /// Any of them will do.
    pub names: Vec<ServerName<'static>>,
    /// Algorithms.
    pub provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, chain, now, algorithms)?;
        let mut result = Err(rustls::CertificateError::NotValidForName.into());
        for name in &self.names {
            result = verify_server_name(&parsed, name);
            if result.is_ok() {
                break;
            }
        }
        result.map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

/// Trusts whoever answers, for `tls_verify = false`; the handshake's signatures still hold.
#[derive(Debug)]
pub struct Anyone {
    /// Algorithms.
    pub provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

/// Trusts a client whose certificate is for clients, or for servers: public authorities issue no others, and a trunk's SBC is both.
#[derive(Debug)]
pub struct EitherUse {
    /// Asks for the use of a client.
    pub strict: Arc<dyn ClientCertVerifier>,
    /// Whom we trust.
    pub roots: Arc<RootCertStore>,
    /// Algorithms.
    pub provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for EitherUse {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.strict.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.strict.verify_client_cert(leaf, chain, now).or_else(|error| {
            let parsed = ParsedCertificate::try_from(leaf)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, chain, now, algorithms)
                .map(|()| ClientCertVerified::assertion())
                .map_err(|_| error)
        })
    }

    signatures!();
}
