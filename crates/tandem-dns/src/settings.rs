//! What a resolver is told: servers, files, times. Every field has a default.

use crate::model::cache::Times;
use crate::model::{clean, How, Kind};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tandem_sip::frame::Transport;

/// Most name servers.
pub const SERVERS: usize = 8;
/// Most suffixes for names with few dots.
pub const SUFFIXES: usize = 6;
const DNS_PORT: u16 = 53;

/// A setting that cannot be used; the text names field and limit.
#[derive(Debug, thiserror::Error)]
#[error("dns.{field}: {why}")]
pub struct BadSettings {
    /// Which one.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// As JSON.
///
/// ```
/// let settings = tandem_dns::Settings::read(br#"{"servers": ["127.0.0.1:5353"], "stale_seconds": 60}"#).unwrap();
/// assert_eq!(4000, settings.question_ms);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `address` or `address:port`; none: those of `resolv_conf`.
    pub servers: Vec<String>,
    /// Read again when it changes.
    pub resolv_conf: PathBuf,
    /// Read again when it changes; an empty path is none.
    pub hosts: PathBuf,
    /// Names with fewer dots get the suffixes; by default what `resolv_conf` says, else 1.
    pub ndots: Option<u8>,
    /// By default what `resolv_conf` says.
    pub search: Option<Vec<String>>,
    /// For one server's answer.
    pub server_ms: u64,
    /// Rounds over all servers.
    pub attempts: u8,
    /// For one question with all its servers and rounds.
    pub question_ms: u64,
    /// For all questions that one name leads to.
    pub lookup_ms: u64,
    /// An answer counts at least so long,
    pub ttl_floor_seconds: u32,
    /// and at most so long;
    pub ttl_ceiling_seconds: u32,
    /// that there is nothing, at most so long;
    pub negative_seconds: u32,
    /// that servers failed, so long;
    pub failed_seconds: u32,
    /// and what was known is used so much longer while they fail.
    pub stale_seconds: u32,
    /// A target that failed is tried last for so long.
    pub ill_seconds: u32,
    /// `udp`, `tcp`, `tls`: what can be spoken from here, the preferred one first.
    pub transports: Vec<String>,
    /// `ipv6`, `ipv4`, the preferred one first; none: IPv6 first where this machine has a global IPv6 address.
    pub families: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let times = Times::default();
        Settings {
            servers: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            ndots: None,
            search: None,
            server_ms: 1_500,
            attempts: 2,
            question_ms: 4_000,
            lookup_ms: 4_000,
            ttl_floor_seconds: times.floor,
            ttl_ceiling_seconds: times.ceiling,
            negative_seconds: times.nothing,
            failed_seconds: times.failed,
            stale_seconds: times.stale,
            ill_seconds: 30,
            transports: ["udp", "tcp", "tls"].map(String::from).to_vec(),
            families: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads and checks JSON.
    ///
    /// # Errors
    /// The field and its limit.
    pub fn read(json: &[u8]) -> Result<Settings, BadSettings> {
        let settings: Settings = serde_json::from_slice(json).map_err(|why| bad("json", why.to_string()))?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The field and its limit.
    pub fn check(&self) -> Result<(), BadSettings> {
        self.addresses()?;
        self.how()?;
        let between = |field, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(bad(field, format!("{least} to {most}, not {value}")))
            }
        };
        between("server_ms", self.server_ms, 50, 30_000)?;
        between("question_ms", self.question_ms, 50, 60_000)?;
        between("lookup_ms", self.lookup_ms, 50, 120_000)?;
        between("attempts", self.attempts.into(), 1, 5)?;
        between("ttl_floor_seconds", self.ttl_floor_seconds.into(), 0, 3_600)?;
        between("ttl_ceiling_seconds", self.ttl_ceiling_seconds.into(), 1, 604_800)?;
        between("negative_seconds", self.negative_seconds.into(), 0, 10_800)?;
        between("failed_seconds", self.failed_seconds.into(), 1, 300)?;
        between("stale_seconds", self.stale_seconds.into(), 0, 604_800)?;
        between("ill_seconds", self.ill_seconds.into(), 0, 3_600)?;
        between("ndots", self.ndots.unwrap_or(1).into(), 0, 15)?;
        let suffixes = self.search.as_deref().unwrap_or_default();
        between("search", suffixes.len() as u64, 0, SUFFIXES as u64)?;
        match suffixes.iter().find(|suffix| clean(suffix).is_none()) {
            Some(suffix) => Err(bad("search", format!("{suffix:?} is no domain name"))),
            None => Ok(()),
        }
    }

    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>, BadSettings> {
        if self.servers.len() > SERVERS {
            return Err(bad("servers", format!("at most {SERVERS}")));
        }
        let read = |text: &String| {
            let bare = text.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
            text.parse()
                .or(bare)
                .map_err(|_| bad("servers", format!("{text:?} is not address or address:port, like 192.0.2.53 or [2001:db8::53]:53")))
        };
        self.servers.iter().map(read).collect()
    }

    pub(crate) fn times(&self) -> Times {
        Times {
            floor: self.ttl_floor_seconds,
            ceiling: self.ttl_ceiling_seconds,
            nothing: self.negative_seconds,
            failed: self.failed_seconds,
            stale: self.stale_seconds,
        }
    }

    pub(crate) fn server_time(&self) -> Duration {
        Duration::from_millis(self.server_ms)
    }

    pub(crate) fn question_time(&self) -> Duration {
        Duration::from_millis(self.question_ms)
    }

    pub(crate) fn lookup_time(&self) -> Duration {
        Duration::from_millis(self.lookup_ms)
    }

    pub(crate) fn how(&self) -> Result<How, BadSettings> {
        let transport = |name: &String| match name.as_str() {
            "udp" => Ok(Transport::Udp),
            "tcp" => Ok(Transport::Tcp),
            "tls" => Ok(Transport::Tls),
            "ws" => Ok(Transport::Ws),
            "wss" => Ok(Transport::Wss),
            _ => Err(bad("transports", format!("udp, tcp, tls, not {name:?}"))),
        };
        let family = |name: &String| match name.as_str() {
            "ipv6" => Ok(Kind::Aaaa),
            "ipv4" => Ok(Kind::A),
            _ => Err(bad("families", format!("ipv6, ipv4, not {name:?}"))),
        };
        let transports = self.transports.iter().map(transport).collect::<Result<Vec<_>, _>>()?;
        if transports.is_empty() {
            return Err(bad("transports", "at least one".into()));
        }
        let families = self.families.iter().map(family).collect::<Result<Vec<_>, _>>()?;
        let families = match families.is_empty() {
            false => families,
            true if has_ipv6() => vec![Kind::Aaaa, Kind::A],
            true => vec![Kind::A, Kind::Aaaa],
        };
        Ok(How { transports, families })
    }
}

/// Whether this machine has an address of global scope (RFC 6724: without one, IPv6 cannot be preferred).
fn has_ipv6() -> bool {
    let text = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    // address, interface, prefix length, scope (00: global), ...; fc00::/7 reaches no stranger
    text.lines().any(|line| line.split_whitespace().nth(3) == Some("00") && !line.starts_with(['f', 'F']))
}

fn bad(field: &'static str, why: String) -> BadSettings {
    BadSettings { field, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_setting_is_named_with_its_limit() {
        for (json, told) in [
            (r#"{"servers": ["dns.example"]}"#, "dns.servers: \"dns.example\" is not address"),
            (r#"{"server_ms": 1}"#, "dns.server_ms: 50 to 30000, not 1"),
            (r#"{"transports": []}"#, "dns.transports: at least one"),
            (r#"{"families": ["ipx"]}"#, "dns.families: ipv6, ipv4, not \"ipx\""),
            (r#"{"search": ["a b"]}"#, "dns.search: \"a b\" is no domain name"),
            (r#"{"nonsense": 1}"#, "dns.json: unknown field `nonsense`"),
        ] {
            let why = Settings::read(json.as_bytes()).unwrap_err().to_string();
            assert!(why.starts_with(told), "{why}");
        }
        let good = Settings::read(br#"{"servers": ["192.0.2.1", "[2001:db8::1]:5353", "2001:db8::2", "192.0.2.2:54"]}"#).unwrap();
        let ports: Vec<u16> = good.addresses().unwrap().iter().map(SocketAddr::port).collect();
        assert_eq!(vec![53, 5353, 53, 54], ports);
    }
}
