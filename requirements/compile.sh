#!/bin/sh
# Writes the hashed lock files from the .in files: dev first; phones and run are parts of it, bench holds run.
set -eu
cd "$(dirname "$0")"
uv="${UV:-../.venv/bin/uv}"
lock() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command requirements/compile.sh "$@"; }
lock dev.in -o dev.txt
lock phones.in -c dev.txt -o phones.txt
lock run.in -c dev.txt -o run.txt
lock bench.in -c dev.txt -o bench.txt
lock uv.in -o uv.txt
