//! Where copies go and which: the field `hep` of an edge's configuration. It opens nothing.

use serde::Deserialize;

/// Methods that one configuration may name.
pub const METHODS: usize = 32;

/// Copies for a Homer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hep {
    /// `udp:host:port` or `tcp:host:port`.
    pub to: String,
    /// Homer's capture id of this edge.
    #[serde(default = "id")]
    pub id: u32,
    /// Homer's password; empty: none is sent.
    #[serde(default)]
    pub password: String,
    /// Of a hundred calls, so many are copied whole.
    #[serde(default = "all")]
    pub sample_percent: f64,
    /// Calls that fail are copied whole too, from a memory of the last messages.
    #[serde(default = "yes")]
    pub errors: bool,
    /// Statuses above 399 that are no failure: every call that needs a password begins with one.
    #[serde(default = "except")]
    pub errors_except: Vec<u16>,
    /// Only of these methods, with their responses; empty: of all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Packets a second, at most.
    #[serde(default = "per_second")]
    pub per_second: u32,
}

fn id() -> u32 {
    2001
}
fn all() -> f64 {
    100.0
}
fn yes() -> bool {
    true
}
fn except() -> Vec<u16> {
    vec![401, 407]
}
fn per_second() -> u32 {
    5_000
}

impl Hep {
    /// `(datagrams, host:port)`, or what is wrong with a field.
    pub fn checked(&self) -> Result<(bool, &str), String> {
        if !(0.0..=100.0).contains(&self.sample_percent) {
            return Err(format!("`hep.sample_percent` is {}, 0 to 100 are allowed", self.sample_percent));
        }
        if self.methods.len() > METHODS {
            return Err(format!("`hep.methods` has {} names, at most {METHODS} are allowed", self.methods.len()));
        }
        if self.per_second == 0 {
            return Err("`hep.per_second` is 0, at least 1 is needed".into());
        }
        let (kind, host) = self.to.split_once(':').unwrap_or_default();
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        match (kind, port) {
            ("udp", Some(_)) => Ok((true, host)),
            ("tcp", Some(_)) => Ok((false, host)),
            _ => Err(format!("`hep.to` is `{}`; write udp:host:port or tcp:host:port", self.to)),
        }
    }
}
