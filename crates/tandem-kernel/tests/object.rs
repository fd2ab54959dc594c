//! The committed object is what its source gives.

use std::path::Path;
use std::process::Command;

/// Debian 12's; another one makes other instructions.
const CLANG: &str = "clang version 14.";

#[test]
fn the_committed_object_is_what_clang_makes_of_its_source() {
    let said =
        |name: &str| Command::new(name).arg("--version").output().ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !said("clang-14").or_else(|| said("clang")).is_some_and(|said| said.contains(CLANG)) {
        eprintln!("skipped: needs clang 14 (apt-get install clang)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (made, bpf) = (directory.path().join("relay.o"), Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf"));
    let built = Command::new(bpf.join("build.sh")).arg(&made).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert!(std::fs::read(made).unwrap() == std::fs::read(bpf.join("relay.o")).unwrap(), "bpf/build.sh has to be run again");
}
