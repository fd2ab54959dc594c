"""Programs of this workspace's crates, built for a scenario. It runs none."""

import json
import subprocess

from scenarios.figure import Missing
from scenarios.machine import HOME

BUILD_SECONDS = 900


def built(kind: str, name: str) -> str:
    """Path of the optimised program of a `bench` or an `example` of tandem-rtp."""
    command = ["bench", "--no-run"] if kind == "bench" else ["build", "--release"]
    words = ["cargo", *command, "--locked", "-q", "-p", "tandem-rtp", f"--{kind}", name]
    done = subprocess.run(
        [*words, "--message-format=json"],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for one in said:
        if one.get("executable") and one["target"]["name"] == name:
            return str(one["executable"])
    raise Missing(f"the {kind} {name} does not build: {done.stderr[-400:]}")
