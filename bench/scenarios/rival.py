"""The peers: installs, starts and stops a tuned Kamailio (registrar, load balancer) and a quiet sippy B2BUA, pinned to the server's core."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.figure import Missing
from scenarios.machine import BENCH, SERVER_CORE, pinned, stop_group

PEERS = BENCH / "peers" / "sip"
VENV = BENCH / ".venv"
SIPPY = "sippy==2.5.0"
KAMAILIO_WAIT_SECONDS = 60.0
SIPPY_WAIT_SECONDS = 15.0
IDLE_US = 60_000  # of CPU in a second: it rests
# tlsf and touched memory: Debian's default q_malloc costs 3 to 5 times as much, and would be no opponent
KAMAILIO = "-x tlsf -X tlsf -A SHMTOUCH -DD -E -M 32 -b 4194304"
SHARED_MIB = 2048


@contextmanager
def kamailio() -> Iterator[int]:
    """A registrar with usrloc in memory and 100,000 users; its process id."""
    need("kamailio", "kamailio")
    with scratch() as run:
        yield from _kamailio("kamailio_reg.cfg", SHARED_MIB, run, [])


@contextmanager
def balancer(*defines: str, shared_mib: int = SHARED_MIB) -> Iterator[int]:
    """Kamailio's dispatcher before 127.0.0.1:7001 and 7002: t_relay, or forward() when STATELESS is defined."""
    need("kamailio", "kamailio")
    with scratch() as run:
        shutil.copy(PEERS / "dispatcher.list", run)
        yield from _kamailio("kamailio_lb.cfg", shared_mib, run, list(defines))


def _kamailio(config: str, shared_mib: int, run: str, defines: list[str]) -> Iterator[int]:
    words = ["kamailio", *KAMAILIO.split(), "-m", str(shared_mib), "-f", str(PEERS / config)]
    words += ["-w", run, "-P", f"{run}/pid", "-Y", run]
    for name in defines:
        words += ["-A", name]
    yield from _serve(words, run, {}, KAMAILIO_WAIT_SECONDS)


@contextmanager
def sippy() -> Iterator[int]:
    """sippy's b2bua_simple in front of 127.0.0.1:7001, its log switched off; its process id."""
    python = venv("sippy", SIPPY)
    with scratch() as run:
        words = [str(python), "-m", "sippy.b2bua_simple", "-f", "-l", "127.0.0.1", "-p", "5060"]
        words += ["-n", "127.0.0.1:7001", "-L", f"{run}/sip.log"]
        yield from _serve(words, run, {"SIPLOG_BEND": "none"}, SIPPY_WAIT_SECONDS)


def _serve(words: list[str], run: str, environ: dict[str, str], seconds: float) -> Iterator[int]:
    with open(f"{run}/out.log", "wb") as log:
        process = subprocess.Popen(
            words,
            cwd=run,
            stdout=log,
            stderr=log,
            env={**os.environ, **environ},
            preexec_fn=pinned(SERVER_CORE),
        )
    try:
        _wait(process, f"{run}/out.log", seconds)
        yield process.pid
    finally:
        stop_group(process)


def _wait(process: subprocess.Popen[bytes], log: str, seconds: float) -> None:
    """Until it listens and rests: it listens long before it is ready."""
    from peers import cpumeter

    deadline = time.monotonic() + seconds
    last = -1e9
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Missing(f"the peer does not start: {Path(log).read_text()[-600:]}")
        time.sleep(1.0)
        spent = cpumeter.cpu_us(cpumeter.children([process.pid]))
        if spent - last < IDLE_US and _listens():
            return
        last = spent
    raise Missing(f"the peer is not ready after {seconds:g} s")


def _listens() -> bool:
    """Whether anybody has 127.0.0.1:5060/udp (or 0.0.0.0)."""
    lines = Path("/proc/net/udp").read_text().splitlines()
    return any(f":{5060:04X}" in line.split()[1] for line in lines[1:])


def need(program: str, package: str) -> str:
    """The path of a program of a Debian package, installed if we are root."""
    if found := shutil.which(
        program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    ):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "-qq", "-y", "--no-remove", "--no-install-recommends", "install"]
        for words in (["apt-get", "-qq", "update"], [*install, package]):
            subprocess.run(words, capture_output=True, env=environ, check=False)
        # Debian starts it at once; the bench starts its own
        if shutil.which("systemctl"):
            subprocess.run(["systemctl", "stop", package], capture_output=True, check=False)
        if found := shutil.which(program):
            return found
    raise Missing(f"{program} is not here: apt-get install --no-install-recommends {package}")


def venv(module: str, requirement: str) -> Path:
    """The Python of the bench's own environment, with this package in it."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, check=False)
    test = [str(python), "-c", f"import {module}"]
    if not python.exists() or subprocess.run(test, capture_output=True, check=False).returncode:
        pip = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        done = subprocess.run([*pip, requirement], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"{requirement} is not here: pip install it into {VENV}")
    return python


@contextmanager
def scratch() -> Iterator[str]:
    """A directory on the checkout's own disk, gone afterwards."""
    root = BENCH.parent / "var" / "bench"
    root.mkdir(parents=True, exist_ok=True)
    path = tempfile.mkdtemp(prefix="b", dir=root)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
