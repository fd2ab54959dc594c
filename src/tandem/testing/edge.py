"""A real standalone edge in a directory of its own, on free ports, for tests that change it and kill its processes.

with RunningEdge(tmp_path, '[[pool]]\\nname = "farm"\\nmembers = ["127.0.0.1:5080"]') as edge:
    edge.tandem("edge", "member", "set", "farm", "fs1", "weight=10")
    edge.kill("edge-1")
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cluster.processes import State, alive, read_state
from tandem.edge.config import EdgeConfig, load
from tandem.edge.first import make_data

READY_SECONDS = 20.0
DOWN_SECONDS = 25.0


class RunningEdge:
    """One edge. `toml` stands behind a first section [edge] that listens on loopback."""

    def __init__(
        self,
        base: Path,
        toml: str = "",
        *,
        workers: int = 1,
        listen: tuple[str, ...] = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0"),
        http: bool = False,
    ) -> None:
        self.base, self.workers, self.listen, self.http = base, workers, listen, http
        self.file = base / "edge.toml"
        self.write(toml)
        self._supervisors: list[subprocess.Popen[bytes]] = []

    def write(self, toml: str) -> None:
        listen = ", ".join(f'"{text}"' for text in self.listen)
        head = f"[edge]\nworkers = {self.workers}\nlisten = [{listen}]\n"
        self.file.write_text(
            head + ('[http]\nlisten = "127.0.0.1:0"\n' if self.http else "") + toml
        )

    @property
    def config(self) -> EdgeConfig:
        return load(self.file)

    @property
    def state(self) -> State:
        state = read_state(self.config.run)
        assert state is not None, "the edge is not up"
        return state

    def up(self) -> None:
        """Starts a supervisor and waits until every worker answers."""
        make_data(self.config)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")}
        with (self.config.log_dir / "supervisor.log").open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, "-P", "-m", "tandem.edge.supervisor", str(self.file)],
                env=clean, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._supervisors.append(started)
        self.until(lambda: self._serves(started), "the edge serves")

    def _serves(self, started: subprocess.Popen[bytes]) -> bool:
        if started.poll() is not None:
            raise AssertionError(f"the supervisor ended with {started.returncode}\n{self.logs()}")
        state = read_state(self.config.run)
        if state is None or state.supervisor.pid != started.pid:
            return False
        try:
            return not self.ask("view")["missing"]
        except (NoNode, Problem):
            return False

    def ask(self, do: str, **arguments: Any) -> Any:
        """The admin process's answer. Raises NoNode, Problem."""
        return ask(self.config.admin_socket, do, **arguments)

    def tandem(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line, with this edge as its edge."""
        return subprocess.run(
            [sys.executable, "-m", "tandem.cli", *words],
            env={**os.environ, "TANDEM_EDGE_CONFIG": str(self.file)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def address(self, transport: str = "udp") -> tuple[str, int]:
        text = next(t for t in self.state.listens if t.startswith(transport + ":"))
        host, _, port = text.removeprefix(transport + ":").rpartition(":")
        return host.strip("[]"), int(port)

    def url(self, path: str) -> str:
        return f"http://{self.state.http}{path}"

    @property
    def token(self) -> str:
        return self.config.http_token.read_text().strip()

    def pid(self, name: str) -> int:
        """Of supervisor, edge-1, edge-2 ..., admin, policy."""
        state = self.state
        return state.supervisor.pid if name == "supervisor" else state.children[name].process.pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        pid = self.pid(name)
        os.kill(pid, number)
        if name == "supervisor":
            self._supervisors[-1].wait(DOWN_SECONDS)
        return pid

    def until(self, fact: Callable[[], Any], sentence: str, seconds: float = READY_SECONDS) -> None:
        """Raises TimeoutError with the sentence and the logs' ends."""
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:g} s: {sentence}\n{self.logs()}")
            time.sleep(0.01)

    def logs(self, lines: int = 15) -> str:
        paths = sorted(self.config.log_dir.glob("*.log"))
        tails = {p.stem: p.read_text(errors="replace").splitlines()[-lines:] for p in paths}
        return "\n".join(f"{name}: {line}" for name, tail in tails.items() for line in tail)

    def down(self) -> None:
        state = read_state(self.config.run)
        for started in self._supervisors:
            if started.poll() is None:
                started.terminate()
        for started in self._supervisors:
            try:
                started.wait(DOWN_SECONDS)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
                raise
        for process in state.processes if state else []:
            if alive(process):
                os.kill(process.pid, signal.SIGKILL)
        self._supervisors.clear()

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()
