"""Tandem's edge alone, before a farm of two: worker processes on the server's core, their sockets held here as the supervisor holds them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenarios.figure import Missing
from scenarios.load import FARM
from scenarios.machine import HOME, SERVER_CORE, pinned, stop_group
from scenarios.rival import need, scratch

HOST, PORT, TLS_PORT = "127.0.0.1", 5060, 5061
READY_SECONDS = 10.0
RECEIVE_BYTES = 4 << 20  # as Kamailio's -b
# The load comes from one or two addresses, which are no strangers; every other protection is on.
OPEN = {"allow": ["127.0.0.0/30"], "limits": {"connections_per_source": 20_000}}


class Front:
    """Workers that share an address."""

    def __init__(
        self, directory: Path, port: int, *, tls: bool = False, siblings: bool = False
    ) -> None:
        self.directory, self.port = directory, port
        self.sockets: dict[int, socket.socket] = {}  # by edge
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.tls, self.siblings = tls, siblings
        _keys(directory / "keys.json")
        if tls:
            _certificate(directory)

    @property
    def pid(self) -> int:
        """Of the first worker."""
        return next(iter(self.workers.values())).pid

    def start(self, edge: int = 1) -> float:
        """Starts a worker, also after its death; the time (time.monotonic) just before."""
        if edge not in self.sockets:
            self.sockets[edge] = _bound(self.port)
        held = self.sockets[edge]
        listen: list[dict[str, Any]] = [{"transport": "udp", "fd": held.fileno()}]
        config: dict[str, Any] = {"edge": edge, "keys": str(self.directory / "keys.json"), **OPEN}
        if self.tls:
            listen.append({"transport": "tls", "bound": f"{HOST}:{TLS_PORT}"})
            config["tls"] = {
                name: str(self.directory / f"{name}.pem") for name in ("certificate", "key")
            }
        if self.siblings:  # as the supervisor does for several workers
            config["run"] = str(self.directory)
        members = [{"name": f"m{n}", "address": address} for n, address in enumerate(FARM)]
        config |= {
            "policy": str(self.directory / f"policy-{edge}.json"),
            "ban_log": str(self.directory / f"bans-{edge}.log"),
            "listen": listen,
            "front": {
                "pools": [{"name": "farm", "members": members}],
                "routes": [{"pool": "farm"}],
            },
        }
        file = self.directory / f"edge-{edge}.json"
        file.write_text(json.dumps(config))
        environ = {**os.environ, "PYTHONPATH": str(HOME / "src")}
        with open(self.directory / f"edge-{edge}.log", "ab") as log:
            at = time.monotonic()
            self.workers[edge] = subprocess.Popen(
                [sys.executable, "-P", "-m", "tandem.edge", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                pass_fds=[held.fileno()],
                preexec_fn=pinned(SERVER_CORE),
            )
        return at

    def wait_ready(self, edge: int = 1) -> None:
        """Until the edge answers an OPTIONS to itself."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            probe.settimeout(0.05)
            deadline = time.monotonic() + READY_SECONDS
            while time.monotonic() < deadline and self.workers[edge].poll() is None:
                probe.sendto(options(probe, f"sip:{HOST}:{self.port}"), (HOST, self.port))
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                    if probe.recv(4096).startswith(b"SIP/2.0 200"):
                        return
        raise Missing(f"the edge is not ready: {self.last_lines(edge)}")

    def kill(self, edge: int) -> float:
        """kill -9; the time (time.monotonic) just before. Its socket stays open."""
        at = time.monotonic()
        self.workers[edge].send_signal(signal.SIGKILL)
        self.workers[edge].wait()
        return at

    def last_lines(self, edge: int) -> str:
        with contextlib.suppress(OSError):
            return (self.directory / f"edge-{edge}.log").read_text()[-500:].strip()
        return ""

    def stop(self) -> None:
        for worker in self.workers.values():
            stop_group(worker)
        for held in self.sockets.values():
            held.close()


@contextmanager
def front(port: int = PORT, *, workers: int = 1, tls: bool = False) -> Iterator[Front]:
    """Started and ready, and gone afterwards."""
    with scratch() as directory:
        one = Front(Path(directory), port, tls=tls, siblings=workers > 1)
        try:
            for edge in range(1, workers + 1):
                one.start(edge)
            for edge in range(1, workers + 1):
                one.wait_ready(edge)
            yield one
        finally:
            one.stop()


_count = 0


def options(probe: socket.socket, uri: str) -> bytes:
    """A new transaction each time."""
    global _count
    _count += 1
    host, port = probe.getsockname()
    return (
        f"OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKp{port}x{_count}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:probe@{host}>;tag=p{_count}\r\nTo: <{uri}>\r\nCall-ID: p{_count}-{port}\r\nCSeq: {_count} OPTIONS\r\n"
        f"Contact: <sip:probe@{host}:{port}>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    held.bind((HOST, port))
    held.setblocking(False)
    held.set_inheritable(True)
    return held


def _keys(path: Path) -> None:
    from tandem.cluster.first import make_keys

    make_keys(path)


def _certificate(directory: Path) -> None:
    """Self-signed, P-256 as Tandem's own."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench.local"
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "certificate.pem")]
    name = ["-addext", f"subjectAltName=IP:{HOST}"]
    command = [need("openssl", "openssl"), *words.split(), *name, *files]
    subprocess.run(command, capture_output=True, check=True)
