//! Files that end too early or have turned bad: the torn tail is cut, everything else is an error that says where.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tandem_store::{Options, Save, Store, StoreError};

fn options() -> Options {
    Options { segment_bytes: 4 << 10, ..Options::default() }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|ext| ext == "journal")).collect();
    found.sort();
    found
}

/// Ten rows with a log record each; where the last frame begins, and the file's bytes.
fn ten(dir: &Path) -> (usize, Vec<u8>) {
    let store = Store::open(dir, options(), 0).unwrap().0;
    let file = files(dir).pop().unwrap();
    let mut last = 0;
    for n in 0..10u64 {
        last = fs::metadata(&file).unwrap().len() as usize;
        save(&store, n);
    }
    drop(store);
    (last, fs::read(file).unwrap())
}

fn save(store: &Store, n: u64) {
    let (key, row) = (n.to_string(), [n as u8; 40]);
    store
        .save(&[Save {
            key: key.as_bytes(),
            epoch: 0,
            version: 1,
            writer: n,
            expires_at: 0,
            row: Some(&row),
            logs: &[("cdr", key.as_bytes())],
        }])
        .unwrap();
}

fn write(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("0000000001.journal"), bytes).unwrap();
    dir
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (last, bytes) = ten(dir.path());
    assert!(bytes.len() - last > 60);
    for end in last..bytes.len() {
        let dir = write(&bytes[..end]);
        let (store, recovery) = Store::open(dir.path(), options(), 0).unwrap();
        assert_eq!((9, 9, (end - last) as u64), (recovery.rows, recovery.logs, recovery.cut_bytes), "cut at {end}");
        assert_eq!((None, true), (store.load(b"9"), store.load(b"8").is_some()));
        save(&store, 9);
        drop(store);
        let (_, recovery) = Store::open(dir.path(), options(), 0).unwrap();
        assert_eq!((10, 10, 0), (recovery.rows, recovery.logs, recovery.cut_bytes));
    }
}

#[test]
fn a_last_frame_with_any_bad_byte_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (last, bytes) = ten(dir.path());
    for at in last..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        let dir = write(&bytes);
        let (_, recovery) = Store::open(dir.path(), options(), 0).unwrap();
        assert_eq!((9, (bytes.len() - last) as u64), (recovery.rows, recovery.cut_bytes), "byte {at}");
    }
}

#[test]
fn zeros_after_the_last_frame_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut bytes) = ten(dir.path());
    bytes.extend([0; 5000]);
    let (_, recovery) = Store::open(write(&bytes).path(), options(), 0).unwrap();
    assert_eq!((10, 5000), (recovery.rows, recovery.cut_bytes));
}

#[test]
fn a_bad_byte_before_a_good_frame_is_an_error_that_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let (last, bytes) = ten(dir.path());
    let size = bytes.len() - last;
    let begin = last - size;
    for at in begin..last {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        let dir = write(&bytes);
        let Err(StoreError::Damaged { path, offset, .. }) = Store::open(dir.path(), options(), 0) else {
            panic!("opened with bad byte {at}")
        };
        assert_eq!((begin as u64, dir.path().join("0000000001.journal")), (offset, path));
        assert_eq!(bytes, fs::read(dir.path().join("0000000001.journal")).unwrap(), "left as it was");
    }
}

#[test]
fn a_frame_of_another_segment_inside_a_row_does_not_count_as_a_good_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (last, bytes) = ten(dir.path());
    let other = tempfile::tempdir().unwrap();
    let store = Store::open(other.path(), options(), 0).unwrap().0;
    store.put(&[(b"k", Some(&bytes[last..]), 0)]).unwrap();
    drop(store);
    let path = files(other.path()).pop().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff], 16 + 21 + 9).unwrap();
    drop(file);
    let (_, recovery) = Store::open(other.path(), options(), 0).unwrap();
    assert!(recovery.cut_bytes > 0);
    assert_eq!(0, recovery.rows);
}

#[test]
fn an_earlier_segment_that_is_short_bad_or_missing_is_an_error() {
    let make = || {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), options(), 0).unwrap().0;
        (0..150).for_each(|n| save(&store, n));
        drop(store);
        assert!(files(dir.path()).len() >= 3);
        dir
    };
    let fails = |dir: &tempfile::TempDir| matches!(Store::open(dir.path(), options(), 0), Err(StoreError::Damaged { .. }));
    let short = make();
    let file = OpenOptions::new().write(true).open(&files(short.path())[1]).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    assert!(fails(&short));
    let headless = make();
    OpenOptions::new().write(true).open(&files(headless.path())[1]).unwrap().set_len(3).unwrap();
    assert!(fails(&headless));
    let missing = make();
    fs::remove_file(&files(missing.path())[1]).unwrap();
    assert!(fails(&missing));
    let bad = make();
    OpenOptions::new().write(true).open(&files(bad.path())[0]).unwrap().write_all_at(b"?", 9).unwrap();
    assert!(fails(&bad));
}

#[test]
fn a_segment_whose_head_was_torn_while_it_was_made_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    ten(dir.path());
    fs::write(dir.path().join("0000000002.journal"), b"TANDEM").unwrap();
    let (store, recovery) = Store::open(dir.path(), options(), 0).unwrap();
    assert_eq!((10, 6), (recovery.rows, recovery.cut_bytes));
    (10..200).for_each(|n| save(&store, n));
    drop(store);
    assert_eq!(200, Store::open(dir.path(), options(), 0).unwrap().1.rows);
}
