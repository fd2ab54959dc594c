//! Certificates of a test's own authority, and TLS clients that trust it; no test stands here.

use super::{write, Place, PATIENCE};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// An authority and the certificates that it issues.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key as PEM.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        self.issue_for(names, Vec::new())
    }

    pub fn issue_for(&self, names: &[&str], uses: Vec<ExtendedKeyUsagePurpose>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = uses;
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// Writes the edge's certificate and this authority; the configuration that names them.
    pub fn config(&self, place: &Place, more: &str) -> String {
        let (certificate, key) = self.issue(&["edge.example", "127.0.0.1"]);
        write(&place.path("certificate.pem"), &certificate);
        write(&place.path("key.pem"), &key);
        write(&place.path("ca.pem"), &self.0.pem());
        let at = |name: &str| place.path(name).display().to_string();
        format!(r#", "tls": {{"certificate": "{}", "key": "{}", "ca": "{}"{more}}}"#, at("certificate.pem"), at("key.pem"), at("ca.pem"))
    }
}

pub fn chain(pem: &(String, String)) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificates = CertificateDer::pem_slice_iter(pem.0.as_bytes()).collect::<Result<_, _>>().unwrap();
    (certificates, PrivateKeyDer::from_pem_slice(pem.1.as_bytes()).unwrap())
}

pub type Client = StreamOwned<ClientConnection, TcpStream>;

pub fn client(authority: &Authority, identity: Option<&(String, String)>, at: SocketAddr) -> Client {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    client_on(authority, identity, stream)
}

pub fn client_on(authority: &Authority, identity: Option<&(String, String)>, stream: TcpStream) -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots());
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let (certificates, key) = chain(pem);
            builder.with_client_auth_cert(certificates, key).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), "edge.example".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, stream)
}
