//! Calls that are tapped, and were a moment ago: their files, until when, what came of them. It copies no packet.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::Arc;

use tandem_rtp::ng::{count, Value};

use crate::sounds::file_name;
use crate::tap::{Count, Tap};

/// Calls that are tapped at one time, and whose files wait to be fetched, in all.
pub const TAPS: usize = 4;
/// How long the file of an ended tap is there, in microseconds.
pub const KEPT_US: u64 = 600_000_000;

/// All taps, by call.
pub struct Taps {
    directory: Option<PathBuf>,
    taps: BTreeMap<String, Known>,
}

struct Known {
    path: PathBuf,
    count: Arc<Count>,
    /// `None`: it has ended.
    tap: Option<Tap>,
    until: u64,
    ended: u64,
}

impl Taps {
    /// None. What a predecessor left in the directory goes.
    pub fn open(directory: Option<PathBuf>) -> io::Result<Taps> {
        if let Some(directory) = &directory {
            emptied(directory)?;
        }
        Ok(Taps { directory, taps: BTreeMap::new() })
    }

    /// Taps a call. The error is a reason for whoever asked.
    pub fn begin(&mut self, now: u64, call: &str, seconds: u32) -> Result<(), String> {
        let directory = self.directory.clone().ok_or("tap: no directory for taps is configured")?;
        if self.of(call).is_some() {
            return Err(format!("call-id: '{call}' is tapped already"));
        }
        self.forget(call);
        if self.taps.len() >= TAPS {
            let oldest = self.taps.iter().filter(|(_, known)| known.tap.is_none()).min_by_key(|(_, known)| known.ended);
            let oldest = oldest.map(|(call, _)| call.clone()).ok_or_else(|| format!("tap: no more than {TAPS} calls at one time"))?;
            self.forget(&oldest);
        }
        let path = directory.join(format!("{}-{now}.pcap", file_name(call)));
        let (tap, count) = Tap::begin(&path).map_err(|why| format!("tap: {}: {why}", path.display()))?;
        let until = now + u64::from(seconds) * 1_000_000;
        self.taps.insert(call.to_owned(), Known { path, count, tap: Some(tap), until, ended: 0 });
        Ok(())
    }

    /// Ends the tap of a call. False: it has none that runs.
    pub fn end(&mut self, now: u64, call: &str) -> bool {
        let Some(known) = self.taps.get_mut(call).filter(|known| known.tap.is_some()) else { return false };
        known.tap = None;
        known.ended = now;
        known.count.close(None);
        true
    }

    /// Where packets of a call are copied to.
    pub fn of(&self, call: &str) -> Option<Tap> {
        self.taps.get(call).and_then(|known| known.tap.clone())
    }

    /// Ends what is over, forgets what nobody fetched. Calls that have just ended to be tapped. To be called once a second.
    pub fn tick(&mut self, now: u64, lives: impl Fn(&str) -> bool) -> Vec<String> {
        let over = |call: &str, known: &Known| now >= known.until || known.count.is_closed() || !lives(call);
        let mut ended: Vec<_> =
            self.taps.iter().filter(|(call, known)| known.tap.is_some() && over(call, known)).map(|(call, _)| call.clone()).collect();
        ended.retain(|call| self.end(now, call));
        let stale = |known: &Known| known.tap.is_none() && now.saturating_sub(known.ended) >= KEPT_US;
        let old: Vec<_> = self.taps.iter().filter(|(_, known)| stale(known)).map(|(call, _)| call.clone()).collect();
        old.iter().for_each(|call| self.forget(call));
        ended
    }

    /// What is told of the tap of a call.
    pub fn told(&self, call: &str) -> Option<Value> {
        let Known { path, count: counted, tap, .. } = self.taps.get(call)?;
        let state = match (tap, counted.is_written(), path.exists()) {
            (Some(_), false, _) => "running",
            (None, false, _) => "writing",
            (_, true, true) => "written",
            (_, true, false) => "failed",
        };
        let number = |number: &std::sync::atomic::AtomicU64| count(number.load(Ordering::Relaxed));
        let told = Value::dict()
            .with("state", Value::text(state))
            .with("file", Value::text(&*path.to_string_lossy()))
            .with("packets", number(&counted.packets))
            .with("bytes", number(&counted.bytes))
            .with("lost", number(&counted.lost));
        Some(counted.why().map_or(told.clone(), |why| told.with("why", Value::text(why))))
    }

    fn forget(&mut self, call: &str) {
        if let Some(known) = self.taps.remove(call) {
            known.count.close(None);
            let _ = std::fs::remove_file(&known.path); // whoever fetched it may have taken it away
        }
    }
}

fn emptied(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "pcap" || ending == "part") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(taps: &Taps, call: &str) -> Option<String> {
        taps.told(call).and_then(|told| told.get("state").and_then(Value::as_str).map(str::to_owned))
    }

    fn settled(taps: &Taps, call: &str) -> Option<String> {
        for _ in 0..500 {
            if state(taps, call).is_none_or(|state| state != "writing") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        state(taps, call)
    }

    #[test]
    fn a_tap_that_nobody_stops_ends_by_itself_and_its_file_is_not_kept_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("old.pcap"), b"").unwrap();
        let mut taps = Taps::open(Some(directory.path().to_owned())).unwrap();
        taps.begin(0, "c", 2).unwrap();
        assert!(taps.begin(1, "c", 2).unwrap_err().contains("already"));
        assert_eq!(Some("running".into()), state(&taps, "c"));
        assert!(taps.tick(1_999_999, |_| true).is_empty());
        assert_eq!(["c"], taps.tick(2_000_000, |_| true)[..]);
        assert!(taps.of("c").is_none());
        assert_eq!(Some("written".into()), settled(&taps, "c"));
        assert_eq!(1, std::fs::read_dir(directory.path()).unwrap().count());
        taps.tick(2_000_000 + KEPT_US, |_| true);
        assert_eq!((None, 0), (state(&taps, "c"), std::fs::read_dir(directory.path()).unwrap().count()));
    }

    #[test]
    fn a_tap_ends_with_its_call_and_an_ended_one_makes_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut taps = Taps::open(Some(directory.path().to_owned())).unwrap();
        for call in 0..TAPS {
            taps.begin(0, &call.to_string(), 60).unwrap();
        }
        assert!(taps.begin(1, "more", 60).unwrap_err().contains("no more than 4"));
        assert_eq!(["1"], taps.tick(1, |call| call != "1")[..]);
        settled(&taps, "1");
        taps.begin(2, "more", 60).unwrap();
        assert_eq!(None, state(&taps, "1"));
    }

    #[test]
    fn without_a_directory_nothing_is_tapped() {
        assert!(Taps::open(None).unwrap().begin(0, "c", 1).unwrap_err().contains("no directory"));
    }
}
