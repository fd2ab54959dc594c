"""How many users sipvicious' svwar names among 100 that exist and 900 that do not. It calls itself a phone: its own name is banned at once."""

import os
import re
import subprocess
from pathlib import Path

from scenarios import rival
from scenarios.figure import Figure, Missing
from scenarios.machine import LOAD_CORE, Budget, pinned
from scenarios.product import Wanted, tandem

IDS = ("svwar_found",)
FIRST, LAST = 1000, 1999  # asked
REAL = range(FIRST, LAST + 1, 10)  # exist
SCAN_SECONDS = 60
METHODS = ("REGISTER", "INVITE", "OPTIONS")
AGENT = "Quiet Phone 1.0"
SYSTEM = Path("/usr/share/sipvicious")  # Debian's
# svwar has no word for it: the name is a default value of the function that writes its requests.
RENAMED = f"""
import sys
from sipvicious.libs import svhelper
make = svhelper.makeRequest
assert "friendly-scanner" in make.__defaults__, "its name stands elsewhere"
make.__defaults__ = tuple({AGENT!r} if value == "friendly-scanner" else value for value in make.__defaults__)
from sipvicious.svwar import main
sys.argv[0] = "svwar"
main()
"""
WANTED = Wanted(numbers=tuple(str(number) for number in REAL))


def measure(budget: Budget) -> list[Figure]:
    """svwar under another name, by each method; a fresh Tandem for each, since a scan may be banned."""
    del budget
    python, where = ("/usr/bin/python3", str(SYSTEM)) if SYSTEM.is_dir() else (from_pip(), "")
    named: set[str] = set()
    said: list[str] = []
    for method in METHODS:
        with tandem(WANTED) as product:
            found, text = scan(python, where, method)
            bans = sum(edge.get("bans", 0) for edge in product.ask("stats")["edges"].values())
        named |= found
        said.append(f"{method}: {len(found)} named, {bans} bans{text}")
        print(f"  {said[-1]}", flush=True)
    method_text = (
        f"sipvicious svwar -e {FIRST}-{LAST} as User-Agent {AGENT!r} against 127.0.0.1, {len(REAL)} of the numbers exist; users named by any of {', '.join(METHODS)}"
        f" ({'; '.join(said)})"
    )
    return [Figure(IDS[0], float(len(named)), method_text)]


def scan(python: str, where: str, method: str) -> tuple[set[str], str]:
    """The numbers of svwar's closing table."""
    words = [python, "-c", RENAMED, "-e", f"{FIRST}-{LAST}", "-m", method, "127.0.0.1", "--force"]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": where},
        preexec_fn=pinned(LOAD_CORE),
    )
    try:
        out, _ = process.communicate(timeout=SCAN_SECONDS)
        ended = ""
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        ended = f" (ended after {SCAN_SECONDS} s)"
    if "Traceback" in out:
        raise Missing(f"svwar failed: {out[-300:]}")
    found = {number for number in re.findall(r"[|\u2502]\s*(\d{4})\s*[|\u2502]", out)}
    return found, ended


def from_pip() -> str:
    """The bench's own environment's Python."""
    try:
        rival.venv("sipvicious", "sipvicious==0.3.4")
    except Missing as missing:
        raise Missing(f"{missing}; or apt-get install sipvicious") from None
    return str(rival.VENV / "bin" / "python")
