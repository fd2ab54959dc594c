//! Real processes: one that saves is killed, one runs out of disk; what was acknowledged is there.
//!
//! The children are this test binary again, told by the environment which part to play.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use tandem_store::{Options, Outcome, Save, Store};

const DIR: &str = "TANDEM_STORE_TEST_DIR";

fn options() -> Options {
    Options { segment_bytes: 64 << 10, ..Options::default() }
}

/// Saves rows in turn as long as it lives, says each number that is safe.
#[test]
fn child_that_saves() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (store, _) = Store::open(dir, options(), 0).unwrap();
    let epoch = store.claim(0).unwrap();
    let mut out = std::io::stdout();
    let start = store.load(b"last").map_or(0, |row| u64::from_le_bytes(row.bytes.try_into().unwrap()));
    for n in start + 1.. {
        let key = format!("key{}", n % 200);
        let version = store.load(key.as_bytes()).map_or(1, |row| row.version + 1);
        let last = store.load(b"last").map_or(1, |row| row.version + 1);
        let number = n.to_le_bytes();
        let row = [&number[..], &vec![n as u8; (n % 900) as usize]].concat();
        let logs: &[(&str, &[u8])] = &[("cdr", &number)];
        let save = Save { key: key.as_bytes(), epoch, version, writer: n, expires_at: 0, row: Some(&row), logs };
        let last = Save { key: b"last", epoch, version: last, writer: n, expires_at: 0, row: Some(&number), logs: &[] };
        assert_eq!(vec![Outcome::Saved; 2], store.save(&[save, last]).unwrap());
        writeln!(out, "saved {n}").unwrap();
    }
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..8u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_saves", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("saved ")?.parse::<u64>().ok()).last()
        });
        std::thread::sleep(Duration::from_millis(60 + round * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = reader.join().unwrap();
        acknowledged = said.unwrap_or(acknowledged);
        let (store, _) = Store::open(dir.path(), options(), 0).unwrap();
        check(&store, acknowledged);
    }
    assert!(acknowledged > 1_000, "only {acknowledged} saves: nothing was tested");
}

/// Each key holds its newest acknowledged row or a later one, and no log record is missing or doubled.
fn check(store: &Store, acknowledged: u64) {
    let last = store.load(b"last").map_or(0, |row| u64::from_le_bytes(row.bytes.try_into().unwrap()));
    assert!(last >= acknowledged, "{acknowledged} was acknowledged, {last} is the last one");
    for n in (last.saturating_sub(199)).max(1)..=last {
        let row = store.load(format!("key{}", n % 200).as_bytes()).unwrap_or_else(|| panic!("{n} is gone"));
        let found = u64::from_le_bytes(row.bytes[..8].try_into().unwrap());
        assert!(found == n || found == last + 1, "{found} instead of {n}");
        assert_eq!((found % 900) as usize + 8, row.bytes.len());
    }
    let log = store.read_log("cdr", 0, usize::MAX).unwrap();
    assert!(log.len() as u64 == last || log.len() as u64 == last + 1, "{} records for {last} saves", log.len());
    for (index, (offset, record)) in log.iter().enumerate() {
        assert_eq!((index as u64 + 1, (index as u64 + 1).to_le_bytes().to_vec()), (*offset, record.clone()));
    }
}

/// Saves under a limit of the file size, which the kernel enforces like a full disk: a short write, then an error.
#[test]
fn child_that_fills_the_disk() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (store, _) = Store::open(&dir, Options::default(), 0).unwrap();
    let save = |n: u64, size: usize| {
        let (key, row) = (n.to_string(), vec![7; size]);
        store.save(&[Save { key: key.as_bytes(), epoch: 0, version: 1, writer: n, expires_at: 0, row: Some(&row), logs: &[("cdr", &row)] }])
    };
    let full = (0..).find(|n| save(*n, 5_000).is_err()).unwrap();
    assert!(full > 2);
    assert_eq!((full as usize, None), (store.len(), store.load(full.to_string().as_bytes())));
    assert_eq!(full as usize, store.read_log("cdr", 0, 1_000).unwrap().len());
    let file = std::path::Path::new(&dir).join("0000000001.journal");
    assert_eq!(store.stats().journal_bytes, file.metadata().unwrap().len(), "nothing is left of the failed write");
    assert_eq!(vec![Outcome::Saved], save(full, 10).unwrap());
    assert!(save(full + 1, 5_000).is_err());
    assert_eq!(vec![Outcome::Saved], save(full + 1, 10).unwrap());
    println!("filled {full}");
}

#[test]
fn a_full_disk_is_an_error_and_the_next_save_may_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"trap "" XFSZ; ulimit -f 128; exec "$0" --exact child_that_fills_the_disk --nocapture"#;
    let out = Command::new("sh").args(["-c", script]).arg(std::env::current_exe().unwrap()).env(DIR, dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    let full: usize = said.split("filled ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let (store, recovery) = Store::open(dir.path(), Options::default(), 0).unwrap();
    assert_eq!((full + 2, full + 2, 0), (recovery.rows, recovery.logs, recovery.cut_bytes));
    assert_eq!(10, store.load(full.to_string().as_bytes()).unwrap().bytes.len());
}
