"""Starts the edge: reads its configuration and hands the process to Rust. It decides nothing and imports almost nothing."""

import os
import sys

from tandem import _core

# The configuration is JSON in TANDEM_EDGE, or a file named on the command line. Fields: README.md.
NOT_CONFIGURED = 78  # EX_CONFIG of sysexits.h


def main() -> int:
    if len(sys.argv) > 1:
        with open(sys.argv[1], "rb") as file:
            config = file.read()
    elif "TANDEM_EDGE" in os.environ:
        config = os.environ["TANDEM_EDGE"].encode()
    else:
        return refuse("usage: python -m tandem.edge CONFIG.json (or the JSON in TANDEM_EDGE)")
    try:
        _core.run_edge(config)
    except ValueError as error:
        return refuse(f"tandem-edge: {error}")
    except OSError as error:
        sys.stderr.write(f"tandem-edge: {error}\n")
        return 1
    return 0


def refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return NOT_CONFIGURED


if __name__ == "__main__":
    sys.exit(main())
