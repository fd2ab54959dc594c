"""Starts the relay: reads its configuration and hands the process to Rust. It decides nothing and imports almost nothing."""

import os
import sys

from tandem import _core

# The configuration is JSON in TANDEM_RELAY, or a file named on the command line. Fields: crates/tandem-media/src/config.rs.
NOT_CONFIGURED = 78  # EX_CONFIG of sysexits.h


def main() -> int:
    if len(sys.argv) > 1:
        with open(sys.argv[1], "rb") as file:
            config = file.read()
    elif "TANDEM_RELAY" in os.environ:
        config = os.environ["TANDEM_RELAY"].encode()
    else:
        return refuse("usage: python -m tandem.relay CONFIG.json (or the JSON in TANDEM_RELAY)")
    try:
        _core.run_relay(config)
    except ValueError as error:
        return refuse(f"tandem-relay: {error}")
    except OSError as error:
        sys.stderr.write(f"tandem-relay: {error}\n")
        return 1
    return 0


def refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return NOT_CONFIGURED


if __name__ == "__main__":
    sys.exit(main())
