#!/bin/sh
# Builds every target without cargo-fuzz: the coverage flags that libfuzzer needs, no sanitizer (the crates have no unsafe code).
set -e
cd "$(dirname "$0")"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"
exec cargo +nightly build --release --target x86_64-unknown-linux-gnu "$@"
