"""How many users sipvicious' svwar names among 100 that exist and 900 that do not. It calls itself a phone: its own name is banned at once."""

import os
import re
import socket
import statistics
import subprocess
import time
from pathlib import Path

from scenarios import rival
from scenarios.figure import Figure, Missing
from scenarios.machine import LOAD_CORE, Budget, pinned
from scenarios.product import Wanted, tandem

IDS = ("svwar_found",)
FIRST, LAST = 1000, 1999  # asked
REAL = range(FIRST, LAST + 1, 10)  # exist
SCAN_SECONDS = 60
COMPARED = 500  # requests for numbers of each kind
COMPARED_PAUSE = 0.006  # seconds between two: below the rate of one source
METHODS = ("REGISTER", "INVITE", "OPTIONS")
# So long that a challenge over UDP is no longer than the question: what is compared are challenges, not the short 403.
AGENT = f"Quiet Phone 1.0 ({'x' * 400})"
SYSTEM = Path("/usr/share/sipvicious")  # Debian's
# svwar has no word for it: the name is a default value of the function that writes its requests. And it gives up when the first number that it
# asks for is answered like one that does not exist: here it asks for all.
RENAMED = f"""
import sys
from sipvicious.libs import svhelper
make = svhelper.makeRequest
assert "friendly-scanner" in make.__defaults__, "its name stands elsewhere"
make.__defaults__ = tuple({AGENT!r} if value == "friendly-scanner" else value for value in make.__defaults__)
from sipvicious import svwar
def told(self, value):  # to stop: by the end of its list alone
    self.ends = value and sys._getframe(1).f_code.co_name == "start"
svwar.TakeASip.nomore = property(lambda self: self.ends, told)
sys.argv[0] = "svwar"
svwar.main()
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
            if method == METHODS[0]:
                print(f"  {compared()}", flush=True)
            bans = sum(edge.get("bans", 0) for edge in product.ask("stats")["edges"].values())
        named |= found
        said.append(f"{method}: {len(found)} named, {bans} bans{text}")
        print(f"  {said[-1]}", flush=True)
    method_text = (
        f"sipvicious svwar -e {FIRST}-{LAST} as User-Agent {AGENT[:15]!r} and 400 characters more against 127.0.0.1, {len(REAL)} of the numbers exist; users named by any of {', '.join(METHODS)}"
        f" ({'; '.join(said)})"
    )
    return [Figure(IDS[0], float(len(named)), method_text)]


def compared() -> str:
    """How long answers for numbers that exist and that do not take, by turns: a hint, of which nothing is made."""
    took: dict[bool, list[float]] = {True: [], False: []}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.settimeout(1)
        for n in range(2 * COMPARED):
            exists = n % 2 == 0
            number = REAL[n // 2 % len(REAL)] + (0 if exists else 5)
            text = request(number, n, probe.getsockname()[1])
            begin = time.perf_counter()
            probe.sendto(text.encode(), ("127.0.0.1", 5060))
            answer = probe.recv(4096)
            took[exists].append((time.perf_counter() - begin) * 1e6)
            assert answer.startswith(b"SIP/2.0 401 "), answer
            time.sleep(COMPARED_PAUSE)
    known, unknown = (statistics.median(took[exists]) for exists in (True, False))
    return f"REGISTER answered after {known:.0f} us where the number exists, {unknown:.0f} us where not (medians of {COMPARED})"


def request(number: int, n: int, port: int) -> str:
    return (
        f"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKc{n};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:{number}@127.0.0.1>;tag={n}\r\nTo: <sip:{number}@127.0.0.1>\r\nCall-ID: compared-{n:05}\r\nCSeq: 1 REGISTER\r\n"
        f"User-Agent: {AGENT}\r\nContent-Length: 0\r\n\r\n"
    )


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
