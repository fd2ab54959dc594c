//! What the supervisor tells an edge at its start: addresses, files and the link. It is not policy, which the owner sends.

use crate::hep::Hep;
use crate::links::OWNERS;
use crate::nets::Nets;
use crate::nft;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tandem_link::Place;
use tandem_sip::frame::Transport;
use tandem_sip::proxy::FrontConfig;

/// Most listening addresses of one edge: HELLO counts them in one byte, and wildcards are unfolded.
pub const LISTENERS: usize = 32;
/// Longest advertised `host:port`, in bytes.
pub const ADVERTISED_BYTES: usize = 255;
/// Certificates of one edge.
pub const CERTIFICATES: usize = 256;

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
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    #[serde(deserialize_with = "transport")]
    pub transport: Transport,
    /// A bound (and, for streams, listening) socket inherited from the supervisor.
    #[serde(default)]
    pub fd: Option<i32>,
    /// Where to listen, `address:port`, when there is no `fd`.
    #[serde(default)]
    pub bound: Option<SocketAddr>,
    /// What peers are told, `host:port`; by default the address that the peer asked.
    #[serde(default)]
    pub advertised: Option<String>,
    /// Balancers in front of a stream address: each connection comes from one of them, and begins with a PROXY header.
    #[serde(default)]
    pub proxy_protocol: Nets,
}

/// A certificate chain and its private key, PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The chain, ours first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Certificates and authorities; all are PEM files, an empty path is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    /// The certificate chain; needed when an address listens for TLS.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities for peers' certificates, those that call us and those that we call. When given, clients are asked for a certificate.
    pub ca: PathBuf,
    /// Authorities for client certificates only; by default `ca`.
    pub trust: PathBuf,
    /// Authorities for those that we call only; by default `ca`, without it the system's.
    pub roots: PathBuf,
    /// Whether those that we call must prove who they are.
    pub verify: bool,
    /// Certificates beside the first, for peers that ask for their names.
    pub more: Vec<Pair>,
    /// The least version spoken, `1.2` or `1.3`.
    pub min_version: String,
    /// Cipher suites by their IANA names; none: all that are good.
    pub suites: Vec<String>,
}

impl TlsFiles {
    /// All certificates with their keys, the usual one first; none without one.
    pub fn pairs(&self) -> Vec<Pair> {
        let (Some(certificate), Some(key)) = (named(&self.certificate), named(&self.key)) else { return Vec::new() };
        let first = Pair { certificate: certificate.into(), key: key.into() };
        std::iter::once(first).chain(self.more.iter().cloned()).collect()
    }
}

impl Default for TlsFiles {
    fn default() -> Self {
        let none = PathBuf::new;
        TlsFiles {
            certificate: none(),
            key: none(),
            ca: none(),
            trust: none(),
            roots: none(),
            verify: true,
            more: Vec::new(),
            min_version: "1.2".into(),
            suites: Vec::new(),
        }
    }
}

/// The configuration of one edge process, one JSON object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This edge's number towards owners.
    pub edge: u16,
    /// Path of the Unix socket of an owner on this machine.
    #[serde(default)]
    pub link: Option<PathBuf>,
    /// Further owners: `unix:/path`, `tcp:address:port`, `tls:address:port`. Without any, and without `link`, there is no call node of ours
    /// behind this edge.
    #[serde(default)]
    pub owners: Vec<String>,
    /// Certificates for owners by TLS.
    #[serde(default)]
    pub link_tls: Option<tandem_link::Files>,
    /// Whether plain TCP to owners may leave this machine.
    #[serde(default)]
    pub insecure: bool,
    /// Path of `keys.json`.
    pub keys: PathBuf,
    /// Where the last policy is kept, so that a restarted edge serves at once; by default `edge-policy.json` beside the keys.
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// Where bans are written for fail2ban; by default `bans.log` beside the keys.
    #[serde(default)]
    pub ban_log: Option<PathBuf>,
    /// The folder in which the edges of this host that share addresses meet: they hand each other what belongs there, and one probes.
    #[serde(default)]
    pub run: Option<PathBuf>,
    /// Pools of foreign servers that this edge is a proxy before.
    #[serde(default)]
    pub front: Option<FrontConfig>,
    /// Listening addresses, in the order of the link's `local` numbers.
    pub listen: Vec<Listen>,
    /// Certificates.
    #[serde(default)]
    pub tls: TlsFiles,
    /// Networks in which peers are told the address that they asked, whatever is advertised.
    #[serde(default)]
    pub local_net: Nets,
    /// Origins whose pages may open WebSockets, like `https://phone.example`; empty: any.
    #[serde(default)]
    pub ws_origins: Vec<String>,
    /// Limits of the policy (boundary.md, section 5) until an owner sends one.
    #[serde(default)]
    pub limits: Map<String, Value>,
    /// The realm until an owner sends a policy.
    #[serde(default)]
    pub default_domain: String,
    /// How host names of members and next hops are looked up.
    #[serde(default)]
    pub dns: tandem_dns::Settings,
    /// Path of the control socket; without one nobody asks.
    #[serde(default)]
    pub control: Option<PathBuf>,
    /// A file that is touched every second, so that a supervisor sees that the loop turns.
    #[serde(default)]
    pub pulse: Option<PathBuf>,
    /// Networks that are never limited nor banned, until an owner sends a policy.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Networks that are never heard, until an owner sends a policy.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Copies of messages for a Homer.
    #[serde(default)]
    pub hep: Option<Hep>,
    /// Whether bans go to the kernel's nf_tables.
    #[serde(default)]
    pub nft: nft::Mode,
    /// Read for the supervisor's sake; all lines of an edge are worth reading.
    #[serde(default)]
    pub log_level: String,
}

fn transport<'a, D: Deserializer<'a>>(from: D) -> Result<Transport, D::Error> {
    match String::deserialize(from)?.as_str() {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        "ws" => Ok(Transport::Ws),
        "wss" => Ok(Transport::Wss),
        other => Err(serde::de::Error::custom(format!("`transport` is `{other}`; udp, tcp, tls, ws and wss are known"))),
    }
}

impl Config {
    /// Reads and checks a configuration.
    pub fn read(json: &[u8]) -> Result<Self, EdgeError> {
        let mut config: Config = serde_json::from_slice(json).map_err(|error| EdgeError::Config(error.to_string()))?;
        config.check().map_err(EdgeError::Config)?;
        config.policy = config.policy.or_else(|| Some(config.keys.with_file_name("edge-policy.json")));
        config.ban_log = config.ban_log.or_else(|| Some(config.keys.with_file_name("bans.log")));
        Ok(config)
    }

    /// Where the owners are, in the order of their links.
    pub fn places(&self) -> Vec<Place> {
        let local = self.link.iter().map(|path| Place::Unix(path.clone()));
        local.chain(self.owners.iter().filter_map(|text| Place::read(text, self.insecure).ok())).collect()
    }

    fn check(&self) -> Result<(), String> {
        for (at, text) in self.owners.iter().enumerate() {
            let place = Place::read(text, self.insecure).map_err(|error| format!("`owners[{at}]`: {error}"))?;
            if matches!(place, Place::Tls(_)) && self.link_tls.is_none() {
                return Err(format!("`owners[{at}]` is {place} and there is no `link_tls`"));
            }
        }
        if self.places().len() > OWNERS {
            return Err(format!("`owners` and `link` name {} owners, at most {OWNERS} are allowed", self.places().len()));
        }
        if self.listen.is_empty() || self.listen.len() > LISTENERS {
            return Err(format!("`listen` has {} addresses, 1 to {LISTENERS} are allowed", self.listen.len()));
        }
        if self.run.is_some() && !(1..=crate::front::EDGES).contains(&self.edge) {
            return Err(format!("`edge` is {}; with `run` it is within 1..={}", self.edge, crate::front::EDGES));
        }
        for (at, listen) in self.listen.iter().enumerate() {
            if listen.bound.is_none() && listen.fd.is_none() {
                return Err(format!("`listen[{at}]` needs `fd` or `bound`"));
            }
            if listen.advertised.as_ref().is_some_and(|text| text.len() > ADVERTISED_BYTES) {
                return Err(format!("`listen[{at}].advertised` has more than {ADVERTISED_BYTES} bytes"));
            }
            if listen.transport == Transport::Udp && !listen.proxy_protocol.is_empty() {
                return Err(format!("`listen[{at}].proxy_protocol` is for tcp, tls, ws and wss"));
            }
        }
        if self.tls.more.len() >= CERTIFICATES {
            return Err(format!("`tls.more` has {} certificates, fewer than {CERTIFICATES} are allowed", self.tls.more.len()));
        }
        self.dns.check().map_err(|error| error.to_string())?;
        if let Some(hep) = &self.hep {
            hep.checked()?;
        }
        let (certificate, key) = (named(&self.tls.certificate), named(&self.tls.key));
        if certificate.is_some() != key.is_some() {
            return Err("`tls.certificate` and `tls.key` go together".into());
        }
        let serves_tls = self.listen.iter().any(|listen| matches!(listen.transport, Transport::Tls | Transport::Wss));
        if serves_tls && certificate.is_none() {
            return Err("`tls.certificate` is missing and `listen` names tls or wss".into());
        }
        Ok(())
    }
}

/// A path, unless it is empty.
pub fn named(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn what_is_wrong_is_named() {
        let with = |listen: &str| Config::read(format!(r#"{{"edge":1,"link":"l","keys":"d/k","listen":[{listen}]}}"#).as_bytes());
        let config = with(r#"{"transport":"udp","bound":"[::]:5060"}"#).unwrap();
        assert_eq!("d/edge-policy.json", config.policy.unwrap().to_str().unwrap());
        for (listen, named) in [
            ("", "`listen`"),
            (r#"{"transport":"udp"}"#, "listen[0]"),
            (r#"{"transport":"sctp","bound":"[::]:5060"}"#, "`transport`"),
            (r#"{"transport":"wss","bound":"[::]:5060"}"#, "`tls.certificate`"),
            (r#"{"transport":"udp","bound":"[::]:5060","proxy_protocol":["::1"]}"#, "listen[0].proxy_protocol"),
            (r#"{"transport":"tcp","bound":"[::]:5060","proxy_protocol":["::1/129"]}"#, "::1/129"),
            (r#"{"transport":"tls","bound":"[::]:5060"}"#, "`tls.certificate`"),
            (r#"{"transport":"udp","bound":"host:5060"}"#, "socket address"),
        ] {
            let error = with(listen).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
