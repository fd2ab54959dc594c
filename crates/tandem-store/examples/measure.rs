//! Prints the store's figures: saves per second, time to open, memory per row. Run it with `--release`.

use std::time::Instant;

use tandem_store::{Options, Save, Store, Sync};

fn main() {
    if let [_, open, dir] = &std::env::args().collect::<Vec<_>>()[..] {
        assert_eq!("open", open);
        return open_once(dir);
    }
    let dir = std::env::temp_dir().join(format!("tandem-measure-{}", std::process::id()));
    reading(&dir);
    for sync in [Sync::Batch, Sync::Before] {
        for (batch, seconds) in [(1, 2.0), (100, 2.0)] {
            saves(&dir, sync, batch, seconds);
        }
    }
    opening(&dir);
    let _ = std::fs::remove_dir_all(&dir);
}

/// Rows of 1 KiB, each with a log record of 100 bytes, over 1,000 keys.
fn saves(dir: &std::path::Path, sync: Sync, batch: usize, seconds: f64) {
    let _ = std::fs::remove_dir_all(dir);
    let (store, _) = Store::open(dir, Options { sync, ..Options::default() }, 0).expect("opened");
    let (row, log) = ([7; 1024], [("events", &[8; 100][..])]);
    let mut versions = vec![0u64; 1_000];
    let keys: Vec<String> = (0..1_000).map(|n| format!("0123456789a{n:03}")).collect();
    let mut took = Vec::new();
    let begun = Instant::now();
    let mut at = 0;
    while begun.elapsed().as_secs_f64() < seconds {
        let mut rows = Vec::with_capacity(batch);
        for _ in 0..batch {
            at = (at + 1) % keys.len();
            versions[at] += 1;
            rows.push(Save {
                key: keys[at].as_bytes(),
                epoch: 0,
                version: versions[at],
                writer: 1,
                expires_at: 0,
                row: Some(&row),
                logs: &log,
            });
        }
        let start = Instant::now();
        store.save(&rows).expect("saved");
        took.push(start.elapsed().as_micros());
    }
    let rate = (took.len() * batch) as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{sync:?}, {batch} per call: {rate:.0} saves/s; us per call: min {} median {} p95 {} p99 {} max {}; {:?}",
        at(0.0),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        store.stats()
    );
}

/// 100,000 rows of 350 bytes and 10,000 of 2 KiB.
fn opening(dir: &std::path::Path) {
    let _ = std::fs::remove_dir_all(dir);
    let (store, _) = Store::open(dir, Options::default(), 0).expect("opened");
    for n in 0..110_000u32 {
        let row = vec![n as u8; if n < 100_000 { 350 } else { 2048 }];
        store.put(&[(format!("key{n:010}").as_bytes(), Some(&row), 0)]).expect("put");
    }
    let journal = store.stats().journal_bytes;
    drop(store);
    println!("a journal of {journal} bytes:");
    for _ in 0..5 {
        // a fresh process: the memory of this one is already there
        let this = std::env::current_exe().expect("named");
        std::process::Command::new(this).args(["open".as_ref(), dir.as_os_str()]).status().expect("run");
    }
}

fn open_once(dir: &str) {
    let before = resident();
    let start = Instant::now();
    let (_store, recovery) = Store::open(dir, Options::default(), 0).expect("opened");
    let millis = start.elapsed().as_secs_f64() * 1e3;
    let grown = resident().saturating_sub(before);
    let payload = 100_000.0 * 363.0 + 10_000.0 * 2061.0;
    let rows = recovery.rows;
    println!(
        "open: {rows} rows in {millis:.1} ms; {:.1} bytes of memory per row beyond key and row",
        (grown as f64 - payload) / rows as f64
    );
}

/// A million log records of 300 bytes: memory while nobody reads, and reading them.
fn reading(dir: &std::path::Path) {
    let records = vec![&[7; 300][..]; 1_000];
    let _ = std::fs::remove_dir_all(dir);
    let (store, _) = Store::open(dir, Options::default(), 0).expect("opened");
    let before = resident();
    for _ in 0..1_000 {
        store.append("cdr", &records).expect("appended");
    }
    println!("log: 1000000 records of 300 bytes unread: memory +{} bytes", resident().saturating_sub(before));
    let (start, mut after) = (Instant::now(), 0);
    while let Some((offset, _)) = store.read_log("cdr", after, 1_000).expect("read").last() {
        after = *offset;
    }
    println!("log: read {after} records in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
