"""Foreign servers around a real edge for tests: SIPp and Kamailio as servers, SIPp as callers, all on free ports. No test."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tandem.testing.edge import RunningEdge
from tandem.testing.ports import free_port
from tandem.testing.sipp import Phone, answering, calling_plainly, ended, listening

KAMAILIO = shutil.which("kamailio", path="/usr/sbin:/usr/bin:/usr/local/sbin")
# Requests in a dialog by its routes, REGISTER kept with its Path, known users to their phones, all else to NEXT.
CONFIG = """#!KAMAILIO
debug=0
log_stderror=yes
disable_tcp=yes
auto_aliases=no
children=1
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "path.so"
modparam("registrar", "use_path", 1)
modparam("registrar", "path_mode", 0)
request_route {
	if (!mf_process_maxfwd_header("70")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("OPTIONS") && $rU == $null) { sl_send_reply("200", "OK"); exit; }
	if (is_method("REGISTER")) { save("location"); exit; }
	if (has_totag()) { loose_route(); FORWARD; exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	RECORD
	if (!lookup("location")) $du = "sip:NEXT";
	FORWARD;
	exit;
}
"""


class Kamailio:
    """One at host:port. `records`: it stays in the route of calls, with transactions; else it passes on without state."""

    def __init__(self, port: int, next_port: int, *, records: bool = True) -> None:
        self.port = port
        self.directory = Path(tempfile.mkdtemp(prefix="kamailio-"))
        text = CONFIG.replace("NEXT", f"127.0.0.1:{next_port}")
        text = text.replace("RECORD\n", "record_route();\n" if records else "\n")
        (self.directory / "kamailio.cfg").write_text(
            text.replace("FORWARD", "t_relay()" if records else "forward()")
        )
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Starts it and waits until it answers."""
        assert KAMAILIO
        words = [KAMAILIO, "-f", "kamailio.cfg", "-l", f"udp:127.0.0.1:{self.port}", "-DD", "-E"]
        words += ["-m", "32", "-M", "8", "-w", str(self.directory), "-Y", str(self.directory)]
        words += ["-P", str(self.directory / "pid")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                words, cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        wait(self.answers, f"Kamailio serves: {(self.directory / 'log').read_text()[-2000:]}", 20)

    def answers(self) -> bool:
        assert self.process and self.process.poll() is None, (self.directory / "log").read_text()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            probe.settimeout(0.2)
            host = "{}:{}".format(*probe.getsockname())
            probe.sendto(
                f"OPTIONS sip:127.0.0.1:{self.port} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{time.monotonic_ns()}\r\n"
                f"Max-Forwards: 9\r\nFrom: <sip:t@{host}>;tag=t\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {time.monotonic_ns()}\r\n"
                "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode(),
                ("127.0.0.1", self.port),
            )
            try:
                return probe.recv(4096).startswith(b"SIP/2.0 200")
            except (TimeoutError, ConnectionRefusedError):
                return False

    def kill(self) -> None:
        """kill -9 of all its processes."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Farm:
    """SIPp servers and callers around one edge."""

    def __init__(self, edge: RunningEdge, ports: list[int]) -> None:
        self.edge, self.ports, self.phones = edge, ports, list[Phone]()
        self.proxies: list[Kamailio] = []

    def phone(self, port: int, name: str = "alice") -> Phone:
        host, at = self.edge.address()
        one = Phone(
            name, "", host="127.0.0.1", port=port, edge=f"{host}:{at}", domain="example.org"
        )
        self.phones.append(one)
        return one

    def serve(self, *ports: int, script: str = "") -> None:
        """SIPp servers that answer, or do what the script says."""
        for port in ports or self.ports:
            listening(
                self.phone(port).start(script or answering(0.05), seconds=100, times=10_000), port
            )

    def kamailio(self, port: int, next_port: int, *, records: bool = True) -> Kamailio:
        one = Kamailio(port, next_port, records=records)
        self.proxies.append(one)
        one.up()
        return one

    def call(self, number: str = "100", *, times: int = 1, final: int = 200) -> None:
        ended(self.caller(number, times=times, final=final))

    def caller(
        self,
        number: str = "100",
        *more: str,
        times: int,
        final: int = 200,
        talk: float = 0.05,
    ) -> subprocess.Popen[bytes]:
        script = calling_plainly(talk, final)
        return self.phone(free_port()).start(script, number, 40, *more, times=times)

    def answered(self) -> dict[str, int]:
        """2xx responses by member."""
        return {name: member["replies"][0] for name, member in self.members().items()}

    def members(self) -> dict[str, Any]:
        pools = self.edge.ask("view")["pools"]
        return {m["name"]: m for pool in pools for m in pool["members"]}

    def close(self) -> None:
        for one in self.phones:
            one.close()
        for proxy in self.proxies:
            proxy.kill()


def wait(fact: Callable[[], Any], sentence: str, seconds: float = 10.0) -> float:
    """How long it took."""
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds, sentence
        time.sleep(0.01)
    return time.monotonic() - began
