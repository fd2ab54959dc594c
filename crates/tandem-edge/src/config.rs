//! What the supervisor tells an edge at its start: addresses, files and the link. It is not policy, which the owner sends.

use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;
use tandem_sip::frame::Transport;

/// Most listening addresses of one edge: HELLO counts them in one byte, and wildcards are unfolded.
pub const LISTENERS: usize = 32;
/// Longest advertised `host:port`, in bytes.
pub const ADVERTISED_BYTES: usize = 255;

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// A field of the configuration is wrong; the text names it.
    #[error("edge configuration: {0}")]
    Config(String),
    /// A file that the configuration names cannot be used.
    #[error("edge file {path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A socket could not be opened or used.
    #[error("edge socket {what}: {why}")]
    Socket {
        /// Transport and address.
        what: String,
        /// What the system said.
        why: std::io::Error,
    },
}

/// One listening address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// `udp`, `tcp` or `tls`.
    #[serde(deserialize_with = "transport")]
    pub transport: Transport,
    /// Where to listen, `host:port`; with `fd` it may be left out.
    #[serde(default)]
    pub address: Option<SocketAddr>,
    /// A bound (and, for streams, listening) socket inherited from the supervisor.
    #[serde(default)]
    pub fd: Option<i32>,
    /// What peers are told, `host:port`; by default the address that the peer asked.
    #[serde(default)]
    pub advertised: Option<String>,
}

/// The configuration of one edge process, one JSON object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This edge's number towards owners.
    pub edge_id: u16,
    /// Path of the owner's Unix socket.
    pub link: PathBuf,
    /// Path of `keys.json`.
    pub keys: PathBuf,
    /// Where the last policy is kept, so that a restarted edge serves at once.
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// Where bans are written for fail2ban.
    #[serde(default)]
    pub ban_log: Option<PathBuf>,
    /// Listening addresses, in the order of the link's `local` numbers.
    pub listen: Vec<Listen>,
    /// PEM file of the certificate chain; needed when an address listens for TLS.
    #[serde(default)]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// PEM file of authorities for client certificates; when given, clients are asked for one.
    #[serde(default)]
    pub tls_trust: Option<PathBuf>,
    /// PEM file of authorities for outgoing TLS; by default the system's.
    #[serde(default)]
    pub tls_roots: Option<PathBuf>,
    /// Whether outgoing TLS verifies the peer.
    #[serde(default = "yes")]
    pub tls_verify: bool,
}

fn transport<'a, D: Deserializer<'a>>(from: D) -> Result<Transport, D::Error> {
    match String::deserialize(from)?.as_str() {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        other => Err(serde::de::Error::custom(format!("`transport` is `{other}`; udp, tcp and tls are known"))),
    }
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads and checks a configuration.
    pub fn read(json: &[u8]) -> Result<Self, EdgeError> {
        let config: Config = serde_json::from_slice(json).map_err(|error| EdgeError::Config(error.to_string()))?;
        config.check().map_err(EdgeError::Config)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.listen.is_empty() || self.listen.len() > LISTENERS {
            return Err(format!("`listen` has {} addresses, 1 to {LISTENERS} are allowed", self.listen.len()));
        }
        for (at, listen) in self.listen.iter().enumerate() {
            if listen.address.is_none() && listen.fd.is_none() {
                return Err(format!("`listen[{at}]` needs `address` or `fd`"));
            }
            if listen.advertised.as_ref().is_some_and(|text| text.is_empty() || text.len() > ADVERTISED_BYTES) {
                return Err(format!("`listen[{at}].advertised` must have 1 to {ADVERTISED_BYTES} bytes"));
            }
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err("`tls_certificate` and `tls_key` go together".into());
        }
        let serves_tls = self.listen.iter().any(|listen| listen.transport == Transport::Tls);
        if serves_tls && self.tls_certificate.is_none() {
            return Err("`tls_certificate` is missing and `listen` names tls".into());
        }
        Ok(())
    }
}
