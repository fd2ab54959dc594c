//! The policy that owner and edge share (boundary.md, 5): read, checked and compiled for look-up. It decides nothing.

use crate::cidr::{is_address, Cidr, Cidrs};
use crate::digest::Algorithm;
use crate::emergency::{Emergency, Unproven, NUMBERS, NUMBER_CHARS};
use crate::keepalive::Keepalive;
use crate::scanners::Scanners;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;

/// Trunks of one policy.
pub const TRUNKS: usize = 10_000;
/// SIP domains of one policy.
pub const DOMAINS: usize = 100_000;
/// CIDRs of one list.
pub const CIDRS: usize = 100_000;
/// Characters of a domain (RFC 1035 2.3.4).
pub const DOMAIN_CHARS: usize = 253;

/// Why a policy cannot be used; the text names the field.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadPolicy {
    /// Not JSON, or of another shape; serde's text has the field and the place.
    #[error("policy: {0}")]
    Shape(#[from] serde_json::Error),
    /// A field's value cannot be.
    #[error("policy: {field}: {why}")]
    Value {
        /// The field with its path, as `trunks[0].cidrs[1]`.
        field: String,
        /// What is wrong, and the limit.
        why: String,
    },
}

/// The policy's JSON. Unknown fields are ignored: during an upgrade an older edge reads a newer owner's policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Text {
    version: u64,
    default_domain: String,
    domains: HashMap<String, String>,
    trunks: Vec<TrunkText>,
    allow: Vec<String>,
    deny: Vec<String>,
    algorithms: Option<Vec<String>>,
    nonce_seconds: Option<u32>,
    limits: Limits,
    keepalive: Keepalive,
    draining: bool,
    userhash: bool,
    scanners: Option<Vec<String>>,
    emergency: HashMap<String, EmergencyText>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct EmergencyText {
    numbers: Vec<String>,
    unproven: Unproven,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TrunkText {
    id: String,
    tenant: String,
    cidrs: Vec<String>,
    tls_names: Vec<String>,
}

/// Limits of the edge; every one has its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// New requests per second from one source.
    pub source_rate: u32,
    /// New requests at once from one source.
    pub source_burst: u32,
    /// Requests per second of one account.
    pub account_rate: u32,
    /// Requests at once of one account.
    pub account_burst: u32,
    /// How long a ban lasts, seconds.
    pub ban_seconds: u32,
    /// Malformed messages per minute that ban a source.
    pub malformed_per_minute: u32,
    /// Connections of one edge.
    pub connections: u32,
    /// Connections of one source.
    pub connections_per_source: u32,
    /// Bytes of one message.
    pub message_bytes: u32,
    /// Seconds of silence after which a connection is closed.
    pub idle_seconds: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            source_rate: 200,
            source_burst: 400,
            account_rate: 50,
            account_burst: 100,
            ban_seconds: 300,
            malformed_per_minute: 60,
            connections: 20_000,
            connections_per_source: 100,
            message_bytes: 65_535,
            idle_seconds: 900,
        }
    }
}

/// A peer trusted by address or certificate name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// Its name; its trust is `trunk:<id>`.
    pub id: Box<str>,
    /// Whose it is.
    pub tenant: Box<str>,
}

/// A policy ready for look-ups.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Counts up with every change.
    pub version: u64,
    /// The realm of those who name no domain of ours; lower case.
    pub default_domain: Box<str>,
    /// What is offered, first best.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce lives, seconds.
    pub nonce_seconds: u32,
    /// The limits.
    pub limits: Limits,
    /// How flows to phones are kept open.
    pub keepalive: Keepalive,
    /// The owner takes no new work: OPTIONS and REGISTER get 503.
    pub draining: bool,
    /// Challenges offer to hide the user's name (RFC 7616 3.4.4).
    pub userhash: bool,
    /// Tools whose source is banned at once.
    pub scanners: Scanners,
    emergency: HashMap<Box<str>, Emergency>,
    common_emergency: Emergency,
    spared: Cidrs,
    domains: HashMap<Box<[u8]>, Domain>,
    trunks: Vec<Trunk>,
    trunk_cidrs: Cidrs,
    trunk_names: HashMap<Box<[u8]>, u32>,
    allow: Cidrs,
    deny: Cidrs,
}

#[derive(Clone, Debug)]
struct Domain {
    name: Box<str>,
    tenant: Box<str>,
}

impl Policy {
    /// Reads and checks the JSON of boundary.md, section 5. Missing fields have the defaults that stand there.
    ///
    /// ```
    /// use tandem_sip::policy::Policy;
    /// let policy = Policy::from_json(br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}}"#).unwrap();
    /// assert_eq!(Some("demo"), policy.tenant(b"DEMO.example"));
    /// assert_eq!(300, policy.nonce_seconds);
    /// ```
    pub fn from_json(json: &[u8]) -> Result<Policy, BadPolicy> {
        let text: Text = serde_json::from_slice(json)?;
        text.keepalive.check().map_err(|(field, why)| bad(format!("keepalive.{field}"), why))?;
        let mut emergencies = emergency(text.emergency)?;
        let mut policy = Policy {
            version: text.version,
            default_domain: text.default_domain.to_ascii_lowercase().into(),
            algorithms: algorithms(text.algorithms.as_deref())?,
            nonce_seconds: within("nonce_seconds", text.nonce_seconds.unwrap_or(300), 10, 86_400)?,
            limits: checked(text.limits)?,
            keepalive: text.keepalive,
            draining: text.draining,
            userhash: text.userhash,
            scanners: scanners(text.scanners.as_deref())?,
            common_emergency: emergencies.remove("").unwrap_or_default(),
            emergency: emergencies,
            spared: Cidrs::default(),
            domains: domains(&text.domains)?,
            trunks: Vec::new(),
            trunk_cidrs: Cidrs::default(),
            trunk_names: HashMap::new(),
            allow: cidrs("allow", &text.allow)?,
            deny: cidrs("deny", &text.deny)?,
        };
        if !policy.domains.is_empty() && policy.tenant(text.default_domain.as_bytes()).is_none() {
            return Err(bad("default_domain", format!("{:?} is not one of domains", text.default_domain)));
        }
        policy.add_trunks(&text.trunks)?;
        Ok(policy)
    }

    /// Our own spelling of a SIP domain of ours; an IP address and `localhost` stand for the default domain, since phones are
    /// often told only where we are. `host` has no brackets and no port.
    pub fn domain(&self, host: &[u8]) -> Option<&str> {
        match self.known(host) {
            Some(domain) => Some(&domain.name),
            None if is_address(host) => Some(&self.default_domain),
            None => None,
        }
    }

    /// The tenant that a domain belongs to.
    pub fn tenant(&self, host: &[u8]) -> Option<&str> {
        self.known(host).map(|domain| &*domain.tenant)
    }

    /// The trunk of a source address, by the longest prefix.
    pub fn trunk_at(&self, source: IpAddr) -> Option<&Trunk> {
        self.trunks.get(self.trunk_cidrs.find(source)? as usize)
    }

    /// The trunk of a name in a verified TLS certificate.
    pub fn trunk_named(&self, name: &[u8]) -> Option<&Trunk> {
        self.trunks.get(*self.trunk_names.get(&*name.to_ascii_lowercase())? as usize)
    }

    /// Whether a source is refused everything. The allow list and trunks are stronger.
    pub fn denies(&self, source: IpAddr) -> bool {
        self.deny.find(source).is_some() && !self.exempts(source)
    }

    /// Whether a source has no limits: the allow list and trunks. It still needs its password where it is no trunk.
    pub fn exempts(&self, source: IpAddr) -> bool {
        self.allow.find(source).is_some() || self.trunk_cidrs.find(source).is_some()
    }

    /// Whether a source is never banned: who is exempt, and our servers' addresses, which others may share.
    pub fn spares(&self, source: IpAddr) -> bool {
        self.exempts(source) || self.spared.find(source).is_some()
    }

    /// Whether a ban of this source would reach somebody who is spared: an IPv6 source is counted by its /64.
    pub fn spares_near(&self, source: IpAddr) -> bool {
        [&self.allow, &self.trunk_cidrs, &self.spared].into_iter().any(|list| list.touches(source))
    }

    /// Spares these sources, and no others that were before: the servers that we stand in front of.
    pub fn spare(&mut self, sources: impl IntoIterator<Item = IpAddr>) {
        self.spared = Cidrs::default();
        sources.into_iter().for_each(|source| self.spared.add(Cidr::from(source), 0));
    }

    /// Spares whom another policy spared: a new policy does not change our servers.
    pub fn spare_as(&mut self, other: &mut Policy) {
        self.spared = std::mem::take(&mut other.spared);
    }

    /// What counts as an emergency call in a domain of ours.
    pub fn emergency(&self, domain: &str) -> &Emergency {
        self.tenant(domain.as_bytes()).and_then(|tenant| self.emergency.get(tenant)).unwrap_or(&self.common_emergency)
    }

    /// Takes over the limits and the lists of another policy; domains and trunks stay.
    pub fn take_lists(&mut self, from: Policy) {
        (self.limits, self.allow, self.deny, self.scanners) = (from.limits, from.allow, from.deny, from.scanners);
    }

    fn known(&self, host: &[u8]) -> Option<&Domain> {
        let mut lower = [0; DOMAIN_CHARS];
        let lower = lower.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        self.domains.get(&*lower)
    }

    fn add_trunks(&mut self, texts: &[TrunkText]) -> Result<(), BadPolicy> {
        if texts.len() > TRUNKS {
            return Err(bad("trunks", format!("at most {TRUNKS}")));
        }
        for (i, text) in texts.iter().enumerate() {
            let field = |name: &str| format!("trunks[{i}].{name}");
            if text.id.is_empty() || self.trunks.iter().any(|trunk| *trunk.id == *text.id) {
                return Err(bad(field("id"), "must be given and unique"));
            }
            for (j, cidr) in text.cidrs.iter().enumerate() {
                let at = cidr.parse().map_err(|why: &str| bad(field(&format!("cidrs[{j}]")), why))?;
                self.trunk_cidrs.add(at, i as u32);
            }
            for (j, name) in text.tls_names.iter().enumerate() {
                let name = name.to_ascii_lowercase().into_bytes();
                if name.is_empty() || self.trunk_names.insert(name.into(), i as u32).is_some() {
                    return Err(bad(field(&format!("tls_names[{j}]")), "must be given and belong to one trunk"));
                }
            }
            self.trunks.push(Trunk { id: text.id.as_str().into(), tenant: text.tenant.as_str().into() });
        }
        Ok(())
    }
}

fn algorithms(names: Option<&[String]>) -> Result<Vec<Algorithm>, BadPolicy> {
    let Some(names) = names else { return Ok(vec![Algorithm::Sha256, Algorithm::Md5]) };
    let mut list = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let Some(algorithm) = Algorithm::parse(name.as_bytes()).filter(|algorithm| !list.contains(algorithm)) else {
            return Err(bad(
                format!("algorithms[{i}]"),
                format!("{name:?} is not one of MD5, SHA-256, SHA-512-256, each also with -sess, once each"),
            ));
        };
        list.push(algorithm);
    }
    if list.is_empty() {
        Err(bad("algorithms", "at least one"))
    } else {
        Ok(list)
    }
}

fn scanners(names: Option<&[String]>) -> Result<Scanners, BadPolicy> {
    names.map_or(Ok(Scanners::default()), Scanners::of).map_err(|(at, why)| bad(format!("scanners[{at}]"), why))
}

fn emergency(texts: HashMap<String, EmergencyText>) -> Result<HashMap<Box<str>, Emergency>, BadPolicy> {
    let one = |(tenant, text): (String, EmergencyText)| {
        if text.numbers.len() > NUMBERS || text.numbers.iter().any(|number| !(1..=NUMBER_CHARS).contains(&number.len())) {
            let why = format!("at most {NUMBERS} of 1 to {NUMBER_CHARS} characters");
            return Err(bad(format!("emergency.{tenant}.numbers"), why));
        }
        let numbers = text.numbers.iter().map(|number| number.trim_start_matches('+').as_bytes().into()).collect();
        Ok((tenant.into(), Emergency { numbers, unproven: text.unproven }))
    };
    texts.into_iter().map(one).collect()
}

fn domains(texts: &HashMap<String, String>) -> Result<HashMap<Box<[u8]>, Domain>, BadPolicy> {
    if texts.len() > DOMAINS {
        return Err(bad("domains", format!("at most {DOMAINS}")));
    }
    let mut map = HashMap::with_capacity(texts.len());
    for (name, tenant) in texts {
        let lower = name.to_ascii_lowercase();
        let good =
            !lower.is_empty() && lower.len() <= DOMAIN_CHARS && lower.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_".contains(&c));
        if !good {
            return Err(bad(format!("domains.{name}"), format!("not a host name of at most {DOMAIN_CHARS} characters")));
        }
        let domain = Domain { name: lower.as_str().into(), tenant: tenant.as_str().into() };
        if map.insert(lower.into_bytes().into(), domain).is_some() {
            return Err(bad(format!("domains.{name}"), "stands twice (case does not count)"));
        }
    }
    Ok(map)
}

fn cidrs(field: &str, texts: &[String]) -> Result<Cidrs, BadPolicy> {
    if texts.len() > CIDRS {
        return Err(bad(field, format!("at most {CIDRS}")));
    }
    let mut set = Cidrs::default();
    for (i, text) in texts.iter().enumerate() {
        let cidr: Cidr = text.parse().map_err(|why: &str| bad(format!("{field}[{i}]"), why))?;
        set.add(cidr, 0);
    }
    Ok(set)
}

fn checked(limits: Limits) -> Result<Limits, BadPolicy> {
    let million = 1_000_000;
    within("limits.source_rate", limits.source_rate, 1, million)?;
    within("limits.source_burst", limits.source_burst, 1, million)?;
    within("limits.account_rate", limits.account_rate, 1, million)?;
    within("limits.account_burst", limits.account_burst, 1, million)?;
    within("limits.ban_seconds", limits.ban_seconds, 0, 31_536_000)?;
    within("limits.malformed_per_minute", limits.malformed_per_minute, 1, 65_535)?;
    within("limits.connections", limits.connections, 1, 10 * million)?;
    within("limits.connections_per_source", limits.connections_per_source, 1, 10 * million)?;
    within("limits.message_bytes", limits.message_bytes, 1_300, 65_535)?; // RFC 3261 18.1.1: all must take 65,535; a UDP path 1,300
    within("limits.idle_seconds", limits.idle_seconds, 1, 86_400)?;
    Ok(limits)
}

fn within(field: &str, value: u32, low: u32, high: u32) -> Result<u32, BadPolicy> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(bad(field, format!("{value} is not within {low}..={high}")))
    }
}

fn bad(field: impl Into<String>, why: impl Into<String>) -> BadPolicy {
    BadPolicy::Value { field: field.into(), why: why.into() }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
