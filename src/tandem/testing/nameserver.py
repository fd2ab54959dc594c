"""A real name server on loopback (dnsmasq) for tests. It knows the records that it is given and nothing else, and asks nobody.

with NameServer("host-record=fs1.example,127.0.0.1", "srv-host=_sip._udp.farm.example,fs1.example,5070,0,10") as server:
    settings = server.settings()
"""

import contextlib
import shutil
import socket
import subprocess
import time
from types import TracebackType
from typing import Self

from tandem.testing.ports import free_port

PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
READY_SECONDS = 5.0


def installed() -> bool:
    return shutil.which("dnsmasq", path=PATH) is not None


class NameServer:
    """Records are dnsmasq's options without dashes."""

    def __init__(self, *records: str, port: int = 0) -> None:
        self.records = records
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        command = shutil.which("dnsmasq", path=PATH) or "dnsmasq"
        self.process = subprocess.Popen(
            [
                command, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
                "--pid-file=", "--user=", "--local=/#/", "--local-ttl=1", "--neg-ttl=1", "--listen-address=127.0.0.1",
                f"--port={self.port}", *(f"--{record}" for record in self.records),
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise TimeoutError("dnsmasq does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def settings(self) -> dict[str, str]:
        """The section [dns] that asks this server alone; values are TOML."""
        return {"servers": f'["{self.address}"]', "hosts": '""', "ttl_floor": "0"}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
