//! What names led to, kept in a file: an edge that starts while no name server answers has the members of its last life. It asks nobody.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tandem_dns::model::{Choice, Found, Outcome, Wish};
use tandem_sip::frame::Transport;

/// How long it counts, in seconds: longer than a name server is away, shorter than a server's address becomes another's.
pub const KEPT_SECONDS: u64 = 86_400;
/// Longest file that is read, in bytes.
const FILE_BYTES: u64 = 1 << 20;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Place {
    rank: u16,
    weight: u16,
    transport: u8,
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Entry {
    /// Seconds since 1970.
    at: u64,
    name: String,
    places: Vec<Place>,
}

/// The file and what stands in it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    /// Names that a server has told in this life: the file is no longer asked about them.
    told: HashSet<Wish>,
}

impl Kept {
    /// A file that is not there or cannot be read is an empty one.
    pub(super) fn read(path: PathBuf) -> Kept {
        let small = fs::metadata(&path).is_ok_and(|known| known.len() <= FILE_BYTES);
        let text = if small { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        Kept { entries: serde_json::from_slice(&text).unwrap_or_default(), path, told: HashSet::new() }
    }

    /// What is known of a name: what the resolver knows, and while it knows nothing yet what the last life knew.
    pub(super) fn known(&self, wish: &Wish, resolved: Option<Outcome>, at: u64) -> Option<Outcome> {
        match resolved {
            Some(Ok(found)) => Some(Ok(found)),
            Some(Err(why)) if !why.is_temporary() || self.told.contains(wish) => Some(Err(why)),
            _ => self.entries.get(&wish.to_string()).filter(|entry| entry.at + KEPT_SECONDS > at).map(found).or(resolved),
        }
    }

    /// Keeps what is known of these names, and nothing of others.
    pub(super) fn keep<'a>(&mut self, known: impl Iterator<Item = (&'a Wish, Option<Outcome>)>, at: u64) {
        let mut entries = BTreeMap::new();
        for (wish, outcome) in known {
            let name = wish.to_string();
            if let Some(Ok(found)) = outcome {
                self.told.insert(wish.clone());
                entries.insert(name, entry(&found, at));
            } else if let Some(old) = self.entries.remove(&name) {
                entries.insert(name, old);
            }
        }
        let places = |entries: &BTreeMap<String, Entry>| {
            entries.iter().map(|(name, entry)| (name.clone(), entry.places.clone())).collect::<Vec<_>>()
        };
        let changed = places(&entries) != places(&self.entries);
        self.entries = entries;
        if changed {
            self.write();
        }
    }

    /// Whole or not at all; a disk that is full costs only this memory.
    fn write(&self) {
        let fresh = self.path.with_extension(format!("{}.new", std::process::id()));
        if let Ok(text) = serde_json::to_vec(&self.entries) {
            if fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.path)).is_err() {
                let _ = fs::remove_file(&fresh);
            }
        }
    }
}

fn entry(found: &Found, at: u64) -> Entry {
    let place = |choice: &Choice| Place {
        rank: choice.rank,
        weight: choice.weight,
        transport: choice.transport as u8,
        host: choice.host.to_string(),
        port: choice.port,
        addresses: choice.addresses.clone(),
    };
    Entry { at, name: found.name.to_string(), places: found.choices.iter().map(place).collect() }
}

fn found(entry: &Entry) -> Outcome {
    let choice = |place: &Place| {
        Some(Choice {
            rank: place.rank,
            weight: place.weight,
            transport: Transport::read(place.transport)?,
            host: place.host.as_str().into(),
            port: place.port,
            addresses: place.addresses.clone(),
        })
    };
    let choices = entry.places.iter().filter_map(choice).collect();
    Ok(Arc::new(Found { choices, name: entry.name.as_str().into(), ttl_seconds: 1, stale: true }))
}
