//! What a relay is told at its start: addresses, ports, where it is asked and where it keeps its state. Nothing here changes later.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

/// Most interfaces of one relay.
pub const INTERFACES: usize = 16;
/// Most threads that carry packets.
pub const THREADS: usize = 64;
/// Default first and last port for media.
pub const PORTS: (u16, u16) = (30_000, 39_999);
/// Default longest silence of a peer that should send, in seconds; 0: never too long.
pub const TIMEOUT_SECONDS: u32 = 60;
/// Default seconds between a delete and its effect, rtpengine's.
pub const DELETE_DELAY_SECONDS: u32 = 30;
/// Default longest silence of a call on hold, in seconds.
pub const SILENT_TIMEOUT_SECONDS: u32 = 3_600;

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// A field of the configuration is wrong; the text names it.
    #[error("relay configuration: {0}")]
    Config(String),
    /// A socket could not be opened or used.
    #[error("relay socket {what}: {why}")]
    Socket {
        /// Which one.
        what: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The journal of its state.
    #[error("relay state: {0}")]
    Store(String),
    /// The kernel takes no streams, and it should.
    #[error("relay kernel: {0}")]
    Kernel(String),
}

/// An address on which media comes and goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// What commands call it; several may have one name, for both families.
    #[serde(default = "default_name")]
    pub name: String,
    /// Bound here.
    pub address: IpAddr,
    /// Told to peers; by default `address`.
    #[serde(default)]
    pub advertised: Option<IpAddr>,
}

/// A range of ports, both ends in it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// At least 1024.
    pub min: u16,
    /// More than `min`.
    pub max: u16,
}

/// Where ng commands are taken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ng {
    /// Addresses for datagrams.
    pub udp: Vec<SocketAddr>,
    /// Addresses for connections.
    pub tcp: Vec<SocketAddr>,
    /// Path of a Unix datagram socket, for our own call nodes.
    pub unix: Option<PathBuf>,
    /// An inherited, bound Unix datagram socket in place of `unix`.
    pub unix_fd: Option<i32>,
    /// Inherited, bound UDP sockets.
    pub udp_fds: Vec<i32>,
}

/// Whether established plain streams pass in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelPath {
    /// Where it is possible.
    #[default]
    Auto,
    /// Never.
    Off,
    /// A relay that cannot ends, and says why.
    On,
}

/// What recordings are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// 16-bit PCM.
    #[default]
    Wav,
    /// Ogg/Opus, about a tenth of it.
    Ogg,
}

/// Where recordings go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recordings {
    /// Whole ones; those that run are in `.spool` below it.
    pub directory: PathBuf,
    /// As what.
    #[serde(default)]
    pub format: Format,
    /// Each side on a channel of its own (WAV only), else mixed.
    #[serde(default)]
    pub stereo: bool,
}

/// The configuration of one relay process, one JSON object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where media comes and goes; the first one is the default.
    pub interfaces: Vec<Interface>,
    /// For media.
    #[serde(default = "default_ports")]
    pub ports: Ports,
    /// Who may ask, and where.
    #[serde(default)]
    pub ng: Ng,
    /// Directory of the journal; without it a restart forgets all calls.
    #[serde(default)]
    pub state: Option<PathBuf>,
    /// Threads that carry packets; 0: one for each core.
    #[serde(default)]
    pub threads: usize,
    /// DSCP and ECN byte of media, by default 184 (EF, RFC 4594).
    #[serde(default = "default_tos")]
    pub tos: u8,
    /// Seconds of silence after which a call's media counts as gone.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// The same for calls on hold.
    #[serde(default = "default_silent_timeout")]
    pub silent_timeout: u32,
    /// Seconds between a delete and its effect, where the command says nothing: late packets still find their way.
    #[serde(default = "default_delete_delay")]
    pub delete_delay: u32,
    /// Whether established plain streams pass in the kernel (an eBPF program; root, or CAP_BPF and CAP_NET_ADMIN).
    #[serde(default)]
    pub kernel: KernelPath,
    /// Where relative names of sound files begin.
    #[serde(default)]
    pub sounds: Option<PathBuf>,
    /// A program that speaks, with its arguments: `--` and the text follow, a WAV file comes out of it.
    #[serde(default)]
    pub speech: Vec<String>,
    /// Where recordings go; without it nothing can be recorded.
    #[serde(default)]
    pub recordings: Option<Recordings>,
    /// Where packets of tapped calls go; it is emptied at the start. Without it no call can be tapped.
    #[serde(default)]
    pub taps: Option<PathBuf>,
    /// A file to touch each second, the sign that the relay turns.
    #[serde(default)]
    pub pulse: Option<PathBuf>,
}

impl Config {
    /// Reads and checks it; the error names the field and the limit.
    pub fn read(json: &[u8]) -> Result<Config, RelayError> {
        let config: Config = serde_json::from_slice(json).map_err(|why| RelayError::Config(why.to_string()))?;
        let refuse = |text: String| Err(RelayError::Config(text));
        if config.interfaces.is_empty() || config.interfaces.len() > INTERFACES {
            return refuse(format!("interfaces: 1 to {INTERFACES}, not {}", config.interfaces.len()));
        }
        let Ports { min, max } = config.ports;
        if min < 1024 || max <= min {
            return refuse(format!("ports: min {min}, max {max}: min is at least 1024 and below max"));
        }
        if config.threads > THREADS {
            return refuse(format!("threads: at most {THREADS}, not {}", config.threads));
        }
        Ok(config)
    }

    /// Threads that carry packets, at least one.
    pub fn workers(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS),
            some => some,
        }
    }
}

fn default_name() -> String {
    "default".into()
}

fn default_ports() -> Ports {
    Ports { min: PORTS.0, max: PORTS.1 }
}

fn default_tos() -> u8 {
    184
}

fn default_delete_delay() -> u32 {
    DELETE_DELAY_SECONDS
}

fn default_timeout() -> u32 {
    TIMEOUT_SECONDS
}

fn default_silent_timeout() -> u32 {
    SILENT_TIMEOUT_SECONDS
}
