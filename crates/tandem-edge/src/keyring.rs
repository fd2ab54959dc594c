//! Where an edge has its keys from: its file, which is read again when it changes, and owners. It signs nothing.

use crate::config::EdgeError;
use crate::keys::EdgeKeys;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tandem_sip::ring::Ring;

/// Whose keys they are: the file's, those that an owner told an earlier life of this edge, or those of the owner at a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Source {
    File,
    Kept,
    Owner(usize),
}

/// All keys known, by source: what any of them knows verifies.
pub struct Keyring {
    file: PathBuf,
    kept: PathBuf,
    seen: Option<SystemTime>,
    sources: BTreeMap<Source, Ring>,
    changes_at: u64,
}

impl Keyring {
    /// Reads the file, and what an earlier life of this edge has kept of its owners' keys.
    pub fn open(file: &Path) -> Result<Keyring, EdgeError> {
        let bad = |why: String| EdgeError::File { path: file.into(), why };
        let json = fs::read(file).map_err(|error| bad(error.to_string()))?;
        let kept = file.with_file_name("edge-keys.json");
        let ring = Ring::read(&json).map_err(bad)?;
        if ring.nonces(0).is_empty() {
            return Err(bad("keys: `nonce` has no key".into()));
        }
        let mut sources = BTreeMap::from([(Source::File, ring)]);
        if let Some(ring) = fs::read(&kept).ok().and_then(|json| Ring::read(&json).ok()) {
            sources.insert(Source::Kept, ring);
        }
        Ok(Keyring { file: file.into(), kept, seen: changed_at(file), sources, changes_at: 0 })
    }

    /// The keys as they are now.
    pub fn keys(&mut self, at: u64) -> EdgeKeys {
        let mut all = Ring::default();
        // An owner's come first: where it is in another cluster than the file was, its hash places calls.
        for ring in self.sources.iter().rev().map(|(_, ring)| ring) {
            all.merge(ring);
        }
        self.changes_at = all.changes_at(at);
        EdgeKeys::of(&all, at)
    }

    /// Whether another key signs than when `keys` was asked.
    pub fn is_due(&self, at: u64) -> bool {
        self.changes_at != 0 && at >= self.changes_at
    }

    /// Reads the file again if it changed; true when it has other keys. What is not usable changes nothing.
    pub fn look(&mut self) -> Result<bool, String> {
        let now = changed_at(&self.file);
        if now == self.seen {
            return Ok(false);
        }
        self.seen = now;
        let ring = Ring::read(&fs::read(&self.file).map_err(|error| error.to_string())?)?;
        Ok(self.sources.insert(Source::File, ring.clone()).as_ref() != Some(&ring))
    }

    /// An owner told its keys; true when they are others than it told before. Those that the file does not have are kept for a restart.
    pub fn told(&mut self, link: usize, json: &[u8]) -> Result<bool, String> {
        let ring = Ring::read(json)?;
        let old = self.sources.insert(Source::Owner(link), ring.clone());
        if old.as_ref() == Some(&ring) {
            return Ok(false);
        }
        if self.sources.get(&Source::File) == Some(&ring) {
            self.sources.remove(&Source::Kept);
            let _ = fs::remove_file(&self.kept);
        } else if self.sources.insert(Source::Kept, ring.clone()).as_ref() != Some(&ring) {
            keep(&self.kept, json).map_err(|error| format!("{}: {error}", self.kept.display()))?;
        }
        Ok(true)
    }
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// Whole or not at all, and for this user only.
fn keep(path: &Path, json: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id())); // edges of one machine may share the path
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(json)?;
    file.sync_all()?;
    fs::rename(&new, path)
}
