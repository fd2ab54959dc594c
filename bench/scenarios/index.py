"""How long the parser takes for an INVITE with SDP: the example `index_ns` of crates/tandem-sip, run several times."""

import json
import os
import subprocess

from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import HOME, SERVER_CORE, Budget, pinned

IDS = ("index_ns",)
EXAMPLE = HOME / "crates" / "tandem-sip" / "examples" / "index_ns.rs"
BUILD_SECONDS = 600
RUN_SECONDS = 60


def measure(budget: Budget) -> list[Figure]:
    """Median of the runs; each run reports its own median."""
    if not EXAMPLE.exists():
        raise Missing("crates/tandem-sip has no example index_ns yet")
    build = ["cargo", "build", "--release", "-q", "-p", "tandem-sip", "--example", "index_ns"]
    done = subprocess.run(
        build, cwd=HOME, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if done.returncode:
        raise Missing(f"the example index_ns does not build: {done.stderr[-400:]}")
    target = os.environ.get("CARGO_TARGET_DIR", str(HOME / "target"))
    program = [f"{target}/release/examples/index_ns"]
    said = [
        json.loads(
            subprocess.run(
                program,
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
                check=True,
                preexec_fn=pinned(SERVER_CORE),
            ).stdout
        )
        for _ in range(budget.repeats)
    ]
    ours = [float(one["ours_ns"]) for one in said]
    peer = middle([float(one["sipx_ns"]) for one in said]) if "sipx_ns" in said[0] else None
    method = (
        f"cargo example index_ns, an INVITE of {said[0].get('bytes')} bytes, one core, in the same process as the peer, the crate"
        f" sipx-parse; median of {len(ours)} runs, min/median/max {spread(ours)}"
    )
    return [Figure("index_ns", middle(ours), method, peer, tuple(ours))]
