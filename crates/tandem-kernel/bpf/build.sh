#!/bin/sh
# Makes relay.o from relay.c and relay.h (or what is named as the first argument): needs clang 14 and linux-libc-dev, as in Debian 12.
# Another clang makes other instructions; the committed object is the one that was tried.
set -eu
cd "$(dirname "$0")"
clang=$(command -v clang-14 || command -v clang)
exec "$clang" -target bpf -mcpu=v3 -O2 -Wall -Wextra -Werror -Wno-sign-compare -I"/usr/include/$(uname -m)-linux-gnu" \
    -c relay.c -o "${1:-relay.o}"
