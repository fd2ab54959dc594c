//! The edge's files: keys, the last policy, bans for fail2ban. It interprets none of them.

use crate::config::Config;
use crate::trunks::Trunks;
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use tandem_sip::policy::Policy;
use tandem_sys::log::{stamp, Log};

/// The policy that was kept; without a usable one, that of an edge with one domain, which challenges everybody.
pub fn policy(config: &Config, at: u64, log: &mut Log) -> (Policy, Trunks) {
    if let Some(json) = config.policy.as_ref().and_then(|path| fs::read(path).ok()) {
        match Policy::from_json(&json) {
            Ok(policy) => return (policy, Trunks::read(&json)),
            Err(error) => log.say(at, "kept policy not usable", &[("why", &error)]),
        }
    }
    let domain = if config.default_domain.is_empty() { "localhost" } else { &config.default_domain };
    let first = json!({
        "default_domain": domain, "domains": {domain: "default"},
        "limits": config.limits, "allow": config.allow, "deny": config.deny,
    });
    let policy = match Policy::from_json(first.to_string().as_bytes()) {
        Ok(policy) => policy,
        Err(error) => {
            log.say(at, "configured limits not usable", &[("why", &error)]);
            Policy::from_json(br#"{"default_domain": "localhost", "domains": {"localhost": "default"}}"#)
                .unwrap_or_else(|error| unreachable!("the built-in policy: {error}"))
        }
    };
    (policy, Trunks::default())
}

/// Keeps a policy, whole or not at all.
pub fn keep_policy(path: &Path, json: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(json)?;
    fs::rename(&new, path)
}

/// Appends one line that fail2ban reads. The file is opened each time, so that it can be rotated.
pub fn note_ban(path: &Path, at: u64, source: IpAddr, reason: &str, seconds: u32) -> io::Result<()> {
    append(path, &format!("{} tandem-edge ban source={source} reason={reason} seconds={seconds}\n", stamp(at)))
}

/// Likewise, for credentials that proved nothing.
pub fn note_failure(path: &Path, at: u64, source: IpAddr) -> io::Result<()> {
    append(path, &format!("{} tandem-edge failed source={source} reason=credentials\n", stamp(at)))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}
