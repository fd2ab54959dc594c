//! TLS: certificates that are read again when their files change, peers' verified names, who is trusted, what is spoken. It moves no bytes.

use crate::certificates::{chain, Certificates};
use crate::config::{named, Config, TlsFiles};
use crate::keys::EdgeKeys;
use crate::tickets::Tickets;
use crate::verifiers::{AnyName, Anyone, EitherUse};
use ring::digest::{digest, SHA256};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{ring as provider, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
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
    versions: &'static [&'static SupportedProtocolVersion],
    keys: EdgeKeys,
    /// What tickets are bound to: certificates and authorities.
    context: [u8; 32],
    files: TlsFiles,
    seen: Vec<Option<SystemTime>>,
    server: Option<Arc<ServerConfig>>,
    client: Option<Arc<ClientConfig>>,
    roots: Option<Arc<RootCertStore>>,
}

impl Tls {
    /// Reads the files that the configuration names.
    pub fn open(config: &Config, keys: &EdgeKeys) -> Result<Self, BadTls> {
        let mut tls = Tls {
            provider: Arc::new(chosen(&config.tls.suites)?),
            versions: versions(&config.tls.min_version)?,
            keys: keys.clone(),
            context: [0; 32],
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

    /// Makes tickets with other keys; those of the old ones that are still among them stay good.
    pub fn rekey(&mut self, keys: &EdgeKeys) {
        self.keys = keys.clone();
        if let Some(server) = &mut self.server {
            Arc::make_mut(server).ticketer = Arc::new(Tickets::new(keys, self.context));
        }
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
        let certificates = Certificates::read(&files.pairs(), &self.provider)?;
        let identity = (chain(certificate)?, PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error))?);
        let mut seen: Vec<u8> = certificates.der().flat_map(|der| der.iter().copied()).collect();
        let verifier = match named(&files.trust).or(named(&files.ca)) {
            None => Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>,
            Some(trust) => {
                seen.extend(chain(trust)?.iter().flat_map(|der| der.iter().copied()));
                let roots = roots_of(trust)?;
                let strict = WebPkiClientVerifier::builder_with_provider(roots.clone(), self.provider.clone());
                let strict = strict.allow_unauthenticated().build().map_err(|error| bad(trust, error))?;
                Arc::new(EitherUse { strict, roots, provider: self.provider.clone() })
            }
        };
        let mut server = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.versions)
            .map_err(|error| bad(certificate, error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificates));
        // Other tickets with each certificate or authority: an old one would spare a peer the new check.
        self.context = digest(&SHA256, &seen).as_ref().try_into().unwrap_or([0; 32]);
        server.ticketer = Arc::new(Tickets::new(&self.keys, self.context));
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 1; // a phone has one connection
        let client = self.client_of(Some(identity)).map_err(|error| bad(certificate, error))?;
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
            .with_protocol_versions(self.versions)?
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

/// The suites by these names, all good ones without any. All that this library has are AEAD with forward secrecy.
fn chosen(names: &[String]) -> Result<CryptoProvider, BadTls> {
    let mut provider = provider::default_provider();
    let known: Vec<String> = provider.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
    // RFC 8446 names them without what the library's names begin with.
    let same =
        |known: &str, name: &str| known == name || known.strip_prefix("TLS13_").is_some_and(|rest| name.strip_prefix("TLS_") == Some(rest));
    if let Some(name) = names.iter().find(|name| !known.iter().any(|known| same(known, name))) {
        return Err(BadTls { path: "tls.suites".into(), why: format!("`{name}` is not one of {}", known.join(", ")) });
    }
    if !names.is_empty() {
        provider.cipher_suites.retain(|suite| names.iter().any(|name| same(&format!("{:?}", suite.suite()), name)));
    }
    Ok(provider)
}

static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static FROM_13: [&SupportedProtocolVersion; 1] = [&TLS13];

fn versions(least: &str) -> Result<&'static [&'static SupportedProtocolVersion], BadTls> {
    match least {
        "1.2" => Ok(&FROM_12),
        "1.3" => Ok(&FROM_13),
        other => Err(BadTls { path: "tls.min_version".into(), why: format!("`{other}` is not one of 1.2, 1.3") }),
    }
}

fn changed_at(files: &TlsFiles) -> Vec<Option<SystemTime>> {
    let more = files.more.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
    [&files.certificate, &files.key, &files.ca, &files.trust, &files.roots]
        .into_iter()
        .chain(more)
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

fn roots_of(path: &Path) -> Result<Arc<RootCertStore>, BadTls> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|error| bad(path, error))?;
    }
    Ok(Arc::new(roots))
}

/// The error of a file.
pub fn bad(path: &Path, why: impl std::fmt::Display) -> BadTls {
    BadTls { path: path.display().to_string(), why: why.to_string() }
}
