"""A network namespace joined to ours by a pair of interfaces, for tests that touch the kernel's tables. Root only.

with Apart() as apart:
    apart.host           # the address inside
    apart.outside        # addresses of ours that reach it
    apart.pair           # our end of the pair of interfaces; the other one is "inside"
    apart.words          # what stands before a command that runs inside
"""

import os
import shutil
import subprocess
from types import TracebackType
from typing import Self

OUTSIDE = 3  # addresses of ours


def missing() -> str:
    """Why there can be none here; "" when there can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs ip (iproute2)"
    name = f"tandem-try-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "needs network namespaces"
    run("ip", "netns", "del", name)
    return ""


class Apart:
    def __init__(self) -> None:
        net = os.getpid() % 250
        self.name, self.pair = f"tandem-apart-{os.getpid()}", f"tapart{net}"
        self.words = ("ip", "netns", "exec", self.name)
        self.host = f"10.232.{net}.254"
        self.outside = [f"10.232.{net}.{n}" for n in range(1, OUTSIDE + 1)]

    def __enter__(self) -> Self:
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", self.pair, "type", "veth", "peer", "name", "inside", "netns", self.name)  # fmt: skip
            for address in self.outside:
                run("ip", "addr", "add", f"{address}/24", "dev", self.pair)
            run("ip", "link", "set", self.pair, "up")
            run(*self.words, "ip", "addr", "add", f"{self.host}/24", "dev", "inside")
            for link in ("inside", "lo"):
                run(*self.words, "ip", "link", "set", link, "up")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self.pair], capture_output=True, check=False)

    def run(self, *words: str) -> str:
        """What a command says that runs inside."""
        return run(*self.words, *words)


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
