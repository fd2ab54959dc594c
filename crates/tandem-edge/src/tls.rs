//! TLS: certificates that are read again when their files change, peers' verified names, and who is trusted. It moves no bytes.

use crate::config::{named, Config, TlsFiles};
use crate::verifiers::{AnyName, Anyone, EitherUse};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{ring, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names taken from one certificate.
pub const NAMES: usize = 64;

/// Why TLS cannot be set up; the text names the file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct BadTls {
    path: String,
    why: String,
}

/// What connections are made with.
pub struct Tls {
    provider: Arc<CryptoProvider>,
    files: TlsFiles,
    seen: Vec<Option<SystemTime>>,
    server: Option<Arc<ServerConfig>>,
    client: Option<Arc<ClientConfig>>,
    roots: Option<Arc<RootCertStore>>,
}

impl Tls {
    /// Reads the files that the configuration names.
    pub fn open(config: &Config) -> Result<Self, BadTls> {
        let mut tls = Tls {
            provider: Arc::new(ring::default_provider()),
            files: config.tls.clone(),
            seen: Vec::new(),
            server: None,
            client: None,
            roots: None,
        };
        tls.seen = changed_at(&tls.files);
        tls.load()?;
        Ok(tls)
    }

    /// Reads the files again if they changed, or if `anyway`; true when new ones are in force. An error keeps the old ones.
    pub fn reload(&mut self, anyway: bool) -> Result<bool, BadTls> {
        let now = changed_at(&self.files);
        if now == self.seen && !anyway {
            return Ok(false);
        }
        self.seen = now;
        self.load().map(|()| true)
    }

    /// Whether those that we call have proven their names.
    pub fn verifies(&self) -> bool {
        self.files.verify
    }

    /// The answering side of a connection; `None` without a certificate.
    pub fn accept(&self) -> Option<rustls::Connection> {
        let connection = ServerConnection::new(self.server.clone()?).ok()?;
        Some(rustls::Connection::Server(connection))
    }

    /// The calling side of a connection to `remote`, which must prove one of `names`, or its address when there are none.
    pub fn connect(&mut self, remote: IpAddr, names: &[String]) -> Result<rustls::Connection, BadTls> {
        let mut config = (*self.client_config()?).clone();
        let names: Vec<ServerName<'static>> = names.iter().filter_map(|name| name.clone().try_into().ok()).collect();
        let name = names.first().cloned().unwrap_or_else(|| remote.into());
        let verifier: Arc<dyn ServerCertVerifier> = if self.files.verify {
            let names = if names.is_empty() { vec![name.clone()] } else { names };
            Arc::new(AnyName { roots: self.roots()?, names, provider: self.provider.clone() })
        } else {
            Arc::new(Anyone { provider: self.provider.clone() })
        };
        config.dangerous().set_certificate_verifier(verifier);
        let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| bad(Path::new("outgoing TLS"), error))?;
        Ok(rustls::Connection::Client(connection))
    }

    fn load(&mut self) -> Result<(), BadTls> {
        let files = &self.files;
        let (Some(certificate), Some(key)) = (named(&files.certificate), named(&files.key)) else { return Ok(()) };
        let chain = certificates(certificate)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error))?;
        let verifier = match named(&files.trust).or(named(&files.ca)) {
            None => Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>,
            Some(trust) => {
                let roots = roots_of(trust)?;
                let strict = WebPkiClientVerifier::builder_with_provider(roots.clone(), self.provider.clone());
                let strict = strict.allow_unauthenticated().build().map_err(|error| bad(trust, error))?;
                Arc::new(EitherUse { strict, roots, provider: self.provider.clone() })
            }
        };
        let mut server = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(certificate, error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), secret.clone_key())
            .map_err(|error| bad(certificate, error))?;
        // New tickets with each certificate or authority: an old one would spare a peer the new check.
        server.ticketer = ring::Ticketer::new().map_err(|error| bad(certificate, error))?;
        let client = self.client_of(Some((chain, secret))).map_err(|error| bad(certificate, error))?;
        (self.server, self.client, self.roots) = (Some(Arc::new(server)), Some(Arc::new(client)), None);
        Ok(())
    }

    fn client_config(&mut self) -> Result<Arc<ClientConfig>, BadTls> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = Arc::new(self.client_of(None).map_err(|error| bad(Path::new("outgoing TLS"), error))?);
        self.client = Some(client.clone());
        Ok(client)
    }

    fn client_of(&self, identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone { provider: self.provider.clone() }));
        match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key),
            None => Ok(builder.with_no_client_auth()),
        }
    }

    // The system's roots are read at the first call out: they cost 20 ms that a restarted edge does not have.
    fn roots(&mut self) -> Result<Arc<RootCertStore>, BadTls> {
        if let Some(roots) = &self.roots {
            return Ok(roots.clone());
        }
        let roots = match named(&self.files.roots).or(named(&self.files.ca)) {
            Some(path) => roots_of(path)?,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                Arc::new(roots)
            }
        };
        self.roots = Some(roots.clone());
        Ok(roots)
    }
}

fn changed_at(files: &TlsFiles) -> Vec<Option<SystemTime>> {
    [&files.certificate, &files.key, &files.ca, &files.trust, &files.roots]
        .into_iter()
        .map(|path| std::fs::metadata(named(path)?).and_then(|data| data.modified()).ok())
        .collect()
}

/// The names in a verified certificate, as RFC 5922 7.1 orders them: `sip:` URIs and DNS names, the common name only without them.
/// Lower case.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.as_ref()) else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    for extension in parsed.extensions() {
        let ParsedExtension::SubjectAlternativeName(subject) = extension.parsed_extension() else { continue };
        names.extend(subject.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::URI(uri) => uri.strip_prefix("sip:").filter(|host| !host.contains('@')).map(str::to_ascii_lowercase),
            _ => None,
        }));
    }
    if names.is_empty() {
        names.extend(parsed.subject().iter_common_name().filter_map(|name| Some(name.as_str().ok()?.to_ascii_lowercase())));
    }
    names.truncate(NAMES);
    names
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

fn roots_of(path: &Path) -> Result<Arc<RootCertStore>, BadTls> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| bad(path, error))?;
    }
    Ok(Arc::new(roots))
}

fn bad(path: &Path, why: impl std::fmt::Display) -> BadTls {
    BadTls { path: path.display().to_string(), why: why.to_string() }
}
