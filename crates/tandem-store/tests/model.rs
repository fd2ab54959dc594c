//! Compaction, rotation and replay against a model made of standard maps, with the store opened again at random points.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tandem_store::{Options, Outcome, Save, Store};

#[derive(Debug, Clone)]
enum Step {
    Save {
        key: u8,
        size: u16,
        delete: bool,
        logs: u8,
        stale: bool,
        expires: u8,
    },
    Batch {
        keys: Vec<u8>,
        size: u16,
    },
    Append {
        stream: u8,
        size: u16,
    },
    Trim {
        stream: u8,
        behind: u8,
    },
    Checkpoint {
        stream: u8,
        behind: u8,
    },
    Claim,
    Wait(u8),
    Reopen,
    /// The process dies in the step before: this share (of 256) of its write is in the file.
    Torn(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (any::<u8>(), 0..1500u16, prop::bool::weighted(0.2), 0..3u8, prop::bool::weighted(0.1), 0..40u8)
            .prop_map(|(key, size, delete, logs, stale, expires)| Step::Save { key, size, delete, logs, stale, expires }),
        5 => (prop::collection::vec(any::<u8>(), 1..12), 0..600u16).prop_map(|(keys, size)| Step::Batch { keys, size }),
        5 => (0..3u8, 0..800u16).prop_map(|(stream, size)| Step::Append { stream, size }),
        4 => (0..3u8, 0..20u8).prop_map(|(stream, behind)| Step::Trim { stream, behind }),
        1 => (0..3u8, 0..9u8).prop_map(|(stream, behind)| Step::Checkpoint { stream, behind }),
        1 => Just(Step::Claim),
        2 => (0..50u8).prop_map(Step::Wait),
        1 => Just(Step::Reopen),
        2 => any::<u8>().prop_map(Step::Torn),
    ]
}

#[derive(Default, Clone)]
struct Log {
    next: u64,
    records: BTreeMap<u64, Vec<u8>>,
    checkpoint: Option<u64>,
}

#[derive(Clone)]
struct Model {
    /// version, expires_at, bytes
    rows: HashMap<Vec<u8>, (u64, u64, Vec<u8>)>,
    logs: [Log; 3],
    epoch: u32,
    now: u64,
    count: u64,
}

const STREAMS: [&str; 3] = ["cdr", "audit", "x"];

impl Model {
    fn version(&mut self, key: &[u8]) -> u64 {
        self.expire();
        self.rows.get(key).map_or(0, |row| row.0)
    }

    fn expire(&mut self) {
        let now = self.now;
        self.rows.retain(|_, row| row.1 == 0 || row.1 > now);
    }

    fn log(&mut self, stream: usize, bytes: &[u8]) {
        let log = &mut self.logs[stream];
        log.next += 1;
        log.records.insert(log.next, bytes.to_vec());
    }

    fn bytes(&mut self, size: u16) -> Vec<u8> {
        self.count += 1;
        let mut bytes = self.count.to_le_bytes().to_vec();
        bytes.resize(8 + usize::from(size), self.count as u8);
        bytes
    }

    fn run(&mut self, store: &Store, step: &Step) {
        match step {
            Step::Save { key, size, delete, logs, stale, expires } => {
                let key = format!("key{}", key % 48).into_bytes();
                let row = self.bytes(*size);
                let version = self.version(&key) + 1 + u64::from(*stale);
                let is_stale = *stale && self.rows.contains_key(&key);
                let expires_at = if *expires < 10 { self.now + u64::from(*expires) + 1 } else { 0 };
                let records: Vec<(&str, &[u8])> = (0..*logs).map(|n| (STREAMS[usize::from(n)], &row[..8])).collect();
                let save = Save {
                    key: &key,
                    epoch: self.epoch,
                    version,
                    writer: self.count,
                    expires_at,
                    row: (!delete).then_some(&row),
                    logs: &records,
                };
                let outcome = store.save(&[save]).unwrap()[0];
                assert_eq!(if is_stale { Outcome::Stale } else { Outcome::Saved }, outcome);
                if is_stale {
                    return;
                }
                (0..usize::from(*logs)).for_each(|n| self.log(n, &row[..8]));
                match delete {
                    true => drop(self.rows.remove(&key)),
                    false => drop(self.rows.insert(key, (version, expires_at, row))),
                }
            }
            Step::Batch { keys, size } => {
                let puts: Vec<(Vec<u8>, Vec<u8>)> =
                    keys.iter().map(|key| (format!("key{}", key % 48).into_bytes(), self.bytes(*size))).collect();
                let borrowed: Vec<tandem_store::Put<'_>> = puts.iter().map(|(key, row)| (&key[..], Some(&row[..]), 0)).collect();
                store.put(&borrowed).unwrap();
                self.rows.extend(puts.into_iter().map(|(key, row)| (key, (0, 0, row))));
            }
            Step::Append { stream, size } => {
                let bytes = self.bytes(*size);
                let stream = usize::from(*stream);
                self.log(stream, &bytes);
                assert_eq!(self.logs[stream].next, store.append(STREAMS[stream], &[&bytes]).unwrap());
            }
            Step::Trim { stream, behind } => {
                let log = &mut self.logs[usize::from(*stream)];
                let upto = log.next.saturating_sub(u64::from(*behind));
                store.trim_log(STREAMS[usize::from(*stream)], upto).unwrap();
                let upto = upto.min(log.checkpoint.unwrap_or(upto));
                log.records.retain(|offset, _| *offset > upto);
            }
            Step::Checkpoint { stream, behind } => {
                let log = &mut self.logs[usize::from(*stream)];
                let offset = log.next.saturating_sub(u64::from(*behind));
                store.set_checkpoint(STREAMS[usize::from(*stream)], "reader", offset).unwrap();
                log.checkpoint = Some(offset);
            }
            Step::Claim => {
                self.epoch += 1;
                assert_eq!(self.epoch, store.claim(0).unwrap());
            }
            Step::Wait(ticks) => {
                self.now += u64::from(*ticks);
                store.advance(self.now);
            }
            Step::Reopen | Step::Torn(_) => unreachable!("done by the caller"),
        }
    }

    fn check(&mut self, store: &Store) {
        self.expire();
        let mut found = HashMap::new();
        store.scan(b"", |key, row| drop(found.insert(key.to_vec(), row.to_vec())));
        let expected: HashMap<_, _> = self.rows.iter().map(|(key, row)| (key.clone(), row.2.clone())).collect();
        assert_eq!(expected, found);
        for (key, row) in &self.rows {
            let loaded = store.load(key).unwrap();
            assert_eq!((row.0, row.1, &row.2), (loaded.version, loaded.expires_at, &loaded.bytes));
        }
        for (log, name) in self.logs.iter().zip(STREAMS) {
            let records: Vec<(u64, Vec<u8>)> = log.records.clone().into_iter().collect();
            assert_eq!(records, store.read_log(name, 0, usize::MAX).unwrap());
            assert_eq!(log.checkpoint.unwrap_or(0), store.checkpoint(name, "reader"));
        }
        assert_eq!(self.epoch, store.epoch());
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|ext| ext == "journal")).collect();
    found.sort();
    found
}

fn last_file(dir: &Path) -> (PathBuf, u64) {
    let path = files(dir).pop().unwrap();
    let bytes = path.metadata().unwrap().len();
    (path, bytes)
}

/// A copy of the journal's files from `first` on. The sync thread may unlink the oldest ones meanwhile, in order: copied
/// from the newest on, they have no gap.
fn copy(dir: &Path, first: &Path, into: &Path) {
    for file in files(dir).iter().rev().filter(|file| file.file_name() >= first.file_name()) {
        drop(fs::copy(file, into.join(file.file_name().unwrap())));
    }
}

/// Cuts in a copy what was written after `from` to a share of it; whether nothing is missing.
fn tear(copy: &Path, from: &(PathBuf, u64), share: u8) -> bool {
    let (path, bytes) = last_file(copy);
    let start = if path.file_name() == from.0.file_name() { from.1 } else { 0 };
    let end = start + (bytes - start) * u64::from(share) / 255;
    fs::File::options().write(true).open(path).unwrap().set_len(end).unwrap();
    end == bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_store_holds_what_the_model_holds(steps in prop::collection::vec(step(), 1..900)) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 4 << 10, ..Options::default() };
        let mut store = Store::open(dir.path(), options.clone(), 0).unwrap().0;
        let mut model = Model { rows: HashMap::new(), logs: Default::default(), epoch: 0, now: 1, count: 0 };
        store.advance(1);
        for (step, next) in steps.iter().zip(steps.iter().skip(1).chain([&Step::Reopen])) {
            match (step, next) {
                (Step::Torn(_), _) => {}
                (Step::Reopen, _) => {
                    drop(store);
                    store = Store::open(dir.path(), options.clone(), model.now).unwrap().0;
                    model.check(&store);
                }
                (Step::Save { .. }, Step::Torn(share)) => {
                    let (mut before, from) = (model.clone(), last_file(dir.path()));
                    let torn = tempfile::tempdir().unwrap();
                    // before the step too: its write may end a segment, but only once it is whole
                    copy(dir.path(), Path::new(""), torn.path());
                    model.run(&store, step);
                    copy(dir.path(), &from.0, torn.path());
                    let is_whole = tear(torn.path(), &from, *share);
                    let opened = Store::open(torn.path(), options.clone(), model.now).unwrap().0;
                    if is_whole { model.check(&opened) } else { before.check(&opened) }
                }
                _ => model.run(&store, step),
            }
        }
        model.check(&store);
        drop(store);
        model.check(&Store::open(dir.path(), options, model.now).unwrap().0);
    }
}

#[test]
fn the_journal_stays_near_twice_what_is_alive() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let store = Store::open(dir.path(), options.clone(), 0).unwrap().0;
    let row = [7; 1_000];
    // 500 rows that never change, and 50 that always do
    (0..500).for_each(|n| store.put(&[(format!("old{n}").as_bytes(), Some(&row), 0)]).unwrap());
    let mut most = 0;
    for n in 0..20_000 {
        store.put(&[(format!("new{}", n % 50).as_bytes(), Some(&row), 0)]).unwrap();
        most = most.max(store.stats().journal_bytes);
    }
    let stats = store.stats();
    assert!(most < 3 * stats.live_bytes + (256 << 10), "{most} {stats:?}");
    assert!(stats.copied_bytes > 0 && stats.copied_bytes < 2 * 20_500 * 1_100, "{stats:?}");
    assert_eq!(550, store.len());
    drop(store);
    assert_eq!(550, Store::open(dir.path(), options, 0).unwrap().1.rows);
}
