"""What the relay's audio engine costs: a call between two codecs, a room of 100. The benches of crates/tandem-rtp, on the server's core.

They turn the relay or its rooms from the packets that come to the packets that go; sockets are in the figures of `relay`.
"""

import json
import subprocess
from typing import Any

from scenarios.cargo import built
from scenarios.figure import Figure, middle, spread
from scenarios.machine import SERVER_CORE, Budget, pinned

IDS = ("transcode_calls", "mix_core_percent")
RUN_SECONDS = 300
CALL = "Opus 16 kHz <-> G.711"
JOINED = "Opus 8 kHz <-> G.711 (as joined)"
ROOM = "one room of 100 on G.711, 3 talking"


def measure(_: Budget) -> list[Figure]:
    """Medians of the benches' rounds (five); each counts the CPU time of its own thread."""
    transcode, mix = built("bench", "transcode"), built("bench", "mix")
    milliseconds = rounds(transcode, CALL)[0]["runs"]
    joined = rounds(transcode, JOINED)[0]["runs"]
    calls = [1_000 / each for each in milliseconds]
    narrow, wide = (one["runs"] for one in rounds(mix, ROOM))
    return [
        Figure(
            "transcode_calls",
            middle(calls),
            "cargo bench transcode: the relay's own table and engine with 40 calls of 5 s beside each other, Opus at 16 kHz, 24 kbit/s, 20 ms,"
            " complexity 5, no FEC, to G.711 and back, a voice in both directions; source, statistics, parse, jitter buffer, decode, resample,"
            " mix, encode, packet; no sockets. A third leg on G.722, which says nothing, keeps the engine at 16 kHz. 1 s over the thread's CPU"
            f" time for a second of a call, {spread(milliseconds)} ms; median of {len(calls)} rounds. Two legs alone are joined at 8 kHz,"
            f" since G.711 holds no more: {spread(joined)} ms",
            runs=tuple(calls),
        ),
        Figure(
            "mix_core_percent",
            middle(narrow),
            "cargo bench mix: rooms of 100 members on G.711, all send, 3 talk, each hears the others without itself, engine at 8 kHz, 40"
            " rooms of 10 s beside each other; from packets to packets, no sockets. The thread's CPU time for a second of one room,"
            f" {spread(narrow)} %; median of {len(narrow)} rounds. With the engine at 16 kHz {spread(wide)} %",
            runs=tuple(narrow),
        ),
    ]


def rounds(program: str, name: str) -> list[dict[str, Any]]:
    """The cases whose name begins so."""
    done = subprocess.run(
        [program, "--bench", "--json", name],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
        preexec_fn=pinned(SERVER_CORE),
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
