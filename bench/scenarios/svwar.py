"""How many users sipvicious' svwar names among 100 that exist and 900 that do not."""

import re
import shutil
import subprocess

from scenarios import rival
from scenarios.figure import Figure, Missing
from scenarios.machine import LOAD_CORE, Budget, pinned
from scenarios.product import Wanted, tandem

IDS = ("svwar_found",)
FIRST, LAST = 1000, 1999  # asked
REAL = range(FIRST, LAST + 1, 10)  # exist
SCAN_SECONDS = 60
METHODS = ("REGISTER", "INVITE", "OPTIONS")
WANTED = Wanted(numbers=tuple(str(number) for number in REAL))


def measure(budget: Budget) -> list[Figure]:
    """svwar as it comes, by each method; a fresh Tandem for each, since the first scan is banned."""
    del budget
    program = shutil.which("svwar") or shutil.which("sipvicious_svwar") or from_pip()
    named: set[str] = set()
    said: list[str] = []
    for method in METHODS:
        with tandem(WANTED) as product:
            found, text = scan(program, method)
            bans = sum(edge.get("bans", 0) for edge in product.ask("stats")["edges"].values())
        named |= found
        said.append(f"{method}: {len(found)} named, {bans} bans{text}")
        print(f"  {said[-1]}", flush=True)
    method_text = (
        f"sipvicious svwar -e {FIRST}-{LAST} against 127.0.0.1, {len(REAL)} of the numbers exist; users named by any of {', '.join(METHODS)}"
        f" ({'; '.join(said)})"
    )
    return [Figure(IDS[0], float(len(named)), method_text)]


def scan(program: str, method: str) -> tuple[set[str], str]:
    """The numbers of svwar's closing table."""
    words = [program, "-e", f"{FIRST}-{LAST}", "-m", method, "127.0.0.1", "--force"]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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
    """In the bench's own environment."""
    try:
        rival.venv("sipvicious", "sipvicious==0.3.4")
    except Missing as missing:
        raise Missing(f"{missing}; or apt-get install sipvicious") from None
    for name in ("sipvicious_svwar", "svwar"):
        if (path := rival.VENV / "bin" / name).exists():
            return str(path)
    raise Missing("no svwar: apt-get install sipvicious")
