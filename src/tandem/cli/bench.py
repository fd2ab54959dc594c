"""`./tandem bench sip|rtp`: starts bench/run.py in the checkout. What is measured, and how, is there."""

import os
import subprocess
import sys

from tandem.cli.steps import checkout

BENCHES = ("sip", "rtp")


def bench(what: str = "sip", *, json: bool = False, only: str = "", quick: bool = False) -> int:
    """Measure Tandem, side by side with tuned peers; prints each figure with its method.

    Parameters
    ----------
    what: sip or rtp.
    json: one JSON object on stdout, progress on stderr.
    only: ids, comma separated.
    quick: shorter measurements.
    """
    if what not in BENCHES:
        print(f"tandem: no bench {what!r}: there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    home = checkout()
    words = [sys.executable, str(home / "bench" / "run.py"), what]
    words += [flag for flag, on in (("--json", json), ("--quick", quick)) if on]
    words += ["--only", only] if only else []
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONSAFEPATH"}
    return subprocess.run(words, cwd=home, env=environ, check=False).returncode
