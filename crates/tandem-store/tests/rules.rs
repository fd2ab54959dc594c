//! What a save promises: compare-and-set, epochs, expiry, logs, limits. One process, no faults.

use tandem_store::{Options, Outcome, Row, Save, Store, StoreError};

fn open(dir: &std::path::Path) -> Store {
    Store::open(dir, Options::default(), 0).unwrap().0
}

fn save(key: &str, epoch: u32, version: u64, writer: u64) -> Save<'_> {
    Save { key: key.as_bytes(), epoch, version, writer, expires_at: 0, row: Some(b"row"), logs: &[] }
}

#[test]
fn a_save_needs_the_next_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let outcomes =
        [(1, 7), (3, 7), (1, 8), (2, 7), (2, 8), (3, 8)].map(|(version, writer)| store.save(&[save("k", 0, version, writer)]).unwrap()[0]);
    use Outcome::{Saved, Stale};
    assert_eq!([Saved, Stale, Stale, Saved, Stale, Saved], outcomes);
    assert_eq!((3, 8), store.load(b"k").map(|row| (row.version, row.writer)).unwrap());
}

#[test]
fn a_save_that_is_there_already_has_succeeded_and_writes_no_log_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let once = Save { logs: &[("cdr", b"bill")], ..save("k", 0, 1, 7) };
    assert_eq!(vec![Outcome::Saved; 2], store.save(&[once, once]).unwrap());
    assert_eq!(vec![Outcome::Saved], store.save(&[once]).unwrap());
    assert_eq!(vec![(1, b"bill".to_vec())], store.read_log("cdr", 0, 10).unwrap());
}

#[test]
fn saves_of_one_key_in_a_batch_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let batch = [save("k", 0, 1, 7), save("k", 0, 1, 8), save("k", 0, 2, 7), Save { row: None, ..save("k", 0, 3, 7) }, save("k", 0, 1, 9)];
    use Outcome::{Saved, Stale};
    assert_eq!(vec![Saved, Stale, Saved, Saved, Saved], store.save(&batch).unwrap());
    assert_eq!((1, 9), store.load(b"k").map(|row| (row.version, row.writer)).unwrap());
}

#[test]
fn a_claim_ends_the_saves_of_lower_epochs_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!((1, 8), (store.claim(0).unwrap(), store.claim(7).unwrap()));
    drop(store);
    let store = open(dir.path());
    assert_eq!(8, store.epoch());
    let outcomes = store.save(&[save("k", 7, 1, 1), save("k", 8, 1, 1), save("l", 7, 1, 1)]).unwrap();
    assert_eq!(vec![Outcome::Stale, Outcome::Saved, Outcome::Stale], outcomes);
    assert_eq!(9, store.claim(3).unwrap());
}

#[test]
fn a_row_of_a_higher_epoch_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let outcomes = store.save(&[save("k", 5, 1, 1), save("k", 4, 2, 2), save("k", 6, 2, 2)]).unwrap();
    assert_eq!(vec![Outcome::Saved, Outcome::Stale, Outcome::Saved], outcomes);
}

#[test]
fn an_expired_row_is_gone_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(&[(b"k", Some(b"never"), 0)]).unwrap();
    store.put(&[(b"k", Some(b"soon"), 1_000), (b"l", Some(b"later"), 2_000)]).unwrap();
    store.advance(999);
    assert_eq!(b"soon".to_vec(), store.load(b"k").unwrap().bytes);
    store.advance(1_000);
    assert_eq!(None, store.load(b"k"));
    let mut seen = Vec::new();
    store.scan(b"", |key, _| seen.push(key.to_vec()));
    assert_eq!(vec![b"l".to_vec()], seen);
    drop(store);
    let (store, recovery) = Store::open(dir.path(), Options::default(), 1_500).unwrap();
    assert_eq!(1, recovery.rows);
    assert_eq!(None, store.load(b"k"));
    (1..=64).for_each(|turn| store.advance(2_000 + turn * 250_000));
    assert!(store.is_empty());
}

#[test]
fn a_row_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let save = Save { key: b"k", epoch: 3, version: 9, writer: u64::MAX, expires_at: u64::MAX, row: Some(b""), logs: &[] };
    store.save(&[save]).unwrap();
    drop(store);
    let row = Row { epoch: 3, version: 9, writer: u64::MAX, expires_at: u64::MAX, bytes: Vec::new() };
    assert_eq!(Some(row), open(dir.path()).load(b"k"));
}

#[test]
fn a_log_is_trimmed_no_further_than_its_slowest_consumer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(3, store.append("cdr", &[b"a", b"b", b"c"]).unwrap());
    store.set_checkpoint("cdr", "files", 3).unwrap();
    store.set_checkpoint("cdr", "hooks", 1).unwrap();
    store.trim_log("cdr", 3).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(vec![(2, b"b".to_vec()), (3, b"c".to_vec())], store.read_log("cdr", 0, 10).unwrap());
    assert_eq!((3, 1, 0), (store.checkpoint("cdr", "files"), store.checkpoint("cdr", "hooks"), store.checkpoint("cdr", "x")));
    store.set_checkpoint("cdr", "hooks", 3).unwrap();
    store.trim_log("cdr", 9).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(4, store.append("cdr", &[b"d"]).unwrap());
    assert_eq!(vec![(4, b"d".to_vec())], store.read_log("cdr", 0, 10).unwrap());
    assert!(store.read_log("cdr", 4, 10).unwrap().is_empty());
}

#[test]
fn a_bounded_stream_loses_its_oldest_records_and_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 8 << 10, bounded: vec![("events".into(), 64 << 10)], ..Options::default() };
    let store = Store::open(dir.path(), options.clone(), 0).unwrap().0;
    for _ in 0..2_000 {
        store.append("events", &[&[7; 1000]]).unwrap();
    }
    let before = store.read_log("events", 0, 1_000).unwrap();
    assert!((40..=70).contains(&before.len()), "{}", before.len());
    assert_eq!(2_000, before.last().unwrap().0);
    assert!(store.stats().journal_bytes < 100 << 10, "{:?}", store.stats());
    drop(store);
    let store = Store::open(dir.path(), options, 0).unwrap().0;
    assert_eq!(before, store.read_log("events", 0, 1_000).unwrap());
}

#[test]
fn a_second_open_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let Err(StoreError::Locked { holder, .. }) = Store::open(dir.path(), Options::default(), 0) else { panic!("opened twice") };
    assert!(holder.starts_with(&format!("process {}", std::process::id())), "{holder}");
}

#[test]
fn what_is_over_a_limit_is_refused_and_nothing_of_its_batch_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (key, row) = (vec![b'k'; tandem_store::KEY_BYTES + 1], vec![0; tandem_store::ROW_BYTES + 1]);
    let good = save("k", 0, 1, 1);
    let bad = [
        Save { key: &key, ..good },
        Save { row: Some(&row), ..good },
        Save { logs: &[("cdr", &row)], ..good },
        Save { logs: &[("a name of a stream that is longer than anybody would write, really", b"")], ..good },
    ];
    for bad in bad {
        assert!(matches!(store.save(&[good, bad]), Err(StoreError::TooLarge { .. })));
    }
    assert!(store.is_empty());
    let names: Vec<String> = (0..=tandem_store::STREAMS).map(|n| n.to_string()).collect();
    let logs: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    assert!(matches!(store.save(&[Save { logs: &logs, ..good }]), Err(StoreError::TooLarge { what: "streams", .. })));
}

#[test]
fn the_largest_save_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let name = "n".repeat(tandem_store::NAME_BYTES);
    let logs = vec![(name.as_str(), &b""[..]); 43_000];
    store.save(&[Save { logs: &logs, ..save("k", 0, 1, 1) }]).unwrap();
    assert!(store.save(&[Save { logs: &vec![logs[0]; 44_000], ..save("k", 0, 2, 1) }]).is_err());
    drop(store);
    assert_eq!(43_000, open(dir.path()).read_log(&name, 0, usize::MAX).unwrap().len());
}
