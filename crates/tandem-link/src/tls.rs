//! TLS of the link: 1.3 only, both ends proven by the cluster's own authority, certificates read again when their files change.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name, Resumption};
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The domain of names in link certificates; it is nobody's on the Internet.
pub const DOMAIN: &str = "tandem.internal";

/// The name that an edge's certificate must have.
pub fn edge_name(edge: u16) -> String {
    format!("edge-{edge}.{DOMAIN}")
}

/// The name that a node's certificate must have.
pub fn node_name(node: u16) -> String {
    format!("node-{node}.{DOMAIN}")
}

/// PEM files of one end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The certificate (and its chain).
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The cluster's authority.
    pub ca: PathBuf,
}

/// Why TLS cannot be set up; the text names the file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct BadTls {
    path: String,
    why: String,
}

/// What links are made with.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    seen: [Option<SystemTime>; 3],
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file is missing, or not what it must be.
    pub fn open(files: Files) -> Result<Tls, BadTls> {
        let seen = changed_at(&files);
        let (server, client) = load(&files)?;
        Ok(Tls { files, seen, server, client })
    }

    /// Reads the files again if they changed; true when new ones are in force, for links that begin from now on.
    ///
    /// # Errors
    /// They are not usable: the old ones stay.
    pub fn reload(&mut self) -> Result<bool, BadTls> {
        let now = changed_at(&self.files);
        if now == self.seen {
            return Ok(false);
        }
        self.seen = now;
        (self.server, self.client) = load(&self.files)?;
        Ok(true)
    }

    /// The owner's end of a connection.
    pub(crate) fn accept(&self) -> Result<Connection, Error> {
        ServerConnection::new(self.server.clone()).map(Connection::Server)
    }

    /// The edge's end. Whom it has reached is told by the certificate's name, when that one has said who it is.
    pub(crate) fn connect(&self, to: SocketAddr) -> Result<Connection, Error> {
        ClientConnection::new(self.client.clone(), to.ip().into()).map(Connection::Client)
    }
}

/// Whether the other end's verified certificate has this name.
pub(crate) fn proves(session: &Connection, name: &str) -> bool {
    let Some(leaf) = session.peer_certificates().and_then(|chain| chain.first()) else { return false };
    let Ok(name) = ServerName::try_from(name) else { return false };
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
}

fn load(files: &Files) -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), BadTls> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| bad(&files.key, error))?;
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.ca)? {
        roots.add(authority).map_err(|error| bad(&files.ca, error))?;
    }
    let roots = Arc::new(roots);
    let own = |error: Error| bad(&files.certificate, error);
    let clients =
        WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build().map_err(|error| bad(&files.ca, error))?;
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(own)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(own)?;
    server.send_tls13_tickets = 0; // a ticket would spare the other end the check of its certificate
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(own)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OfTheCluster { roots, provider }))
        .with_client_auth_cert(chain, key)
        .map_err(own)?;
    client.resumption = Resumption::disabled();
    Ok((Arc::new(server), Arc::new(client)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| bad(path, error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| bad(path, error))?;
    if found.is_empty() {
        Err(bad(path, "no certificate in it"))
    } else {
        Ok(found)
    }
}

fn changed_at(files: &Files) -> [Option<SystemTime>; 3] {
    [&files.certificate, &files.key, &files.ca].map(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok())
}

fn bad(path: &Path, why: impl std::fmt::Display) -> BadTls {
    BadTls { path: path.display().to_string(), why: why.to_string() }
}

/// Trusts whoever has a certificate of the cluster's authority: its name must fit the number in its HELLO, which comes later.
#[derive(Debug)]
struct OfTheCluster {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OfTheCluster {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, chain, now, self.provider.signature_verification_algorithms.all)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
