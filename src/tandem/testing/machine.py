"""A real Tandem in a directory of its own, on free ports, for tests that kill processes. Real sockets, real processes, loopback.

with Machine(tmp_path) as machine:
    machine.up()
    machine.kill("node")
    machine.wait_ready()
"""

import contextlib
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
from tandem.cli.demo_accounts import DemoUser, make_demo_accounts, read_demo_users
from tandem.cluster import first
from tandem.cluster.processes import State, alive, read_state
from tandem.config import Config, load, parse_listen

READY_SECONDS = 20.0
DOWN_SECONDS = 25.0
TRANSPORTS = ("udp", "tcp", "tls")
ROLES = ("supervisor", "edge", "node", "web")


class Machine:
    """One machine of Tandem. `settings` are sections of tandem.toml: {"journal": {"sync": '"before"'}} (values are TOML)."""

    def __init__(
        self,
        base: Path,
        settings: dict[str, dict[str, str]] | None = None,
        *,
        before: tuple[str, ...] = (),
    ) -> None:
        """`before`: words before the supervisor's command, which become it: `ip netns exec apart`."""
        self.base, self.before = base, before
        self.file = base / "tandem.toml"
        listen = ", ".join(f'"{transport}:127.0.0.1:0"' for transport in TRANSPORTS)
        sections: dict[str, dict[str, str]] = {
            "sip": {"listen": f"[{listen}]"},
            "http": {"listen": '"127.0.0.1:0"'},
        }
        for name, values in (settings or {}).items():
            sections[name] = {**sections.get(name, {}), **values}
        self.file.write_text(
            "".join(
                f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
                for name, values in sections.items()
            )
        )
        self._supervisors: list[subprocess.Popen[bytes]] = []

    @property
    def config(self) -> Config:
        return load(self.file, {})

    def up(self, *, wait: bool = True) -> None:
        """Starts a supervisor (the first time with keys, certificate and demo users); waits for the call node."""
        config = self.config
        first.make_data(config)
        make_demo_accounts(config)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")}
        with (config.log_dir / "supervisor.log").open("ab") as log:
            started = subprocess.Popen(
                [*self.before, sys.executable, "-P", "-m", "tandem.cluster.supervisor"],
                env={**clean, "TANDEM_CONFIG": str(self.file)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._supervisors.append(started)
        self.until(lambda: self._state_or_none(started.pid) is not None, "the supervisor is up")
        if wait:
            self.wait_ready()

    def _state_or_none(self, supervisor: int) -> State | None:
        state = read_state(self.config.run)
        return state if state is not None and state.supervisor.pid == supervisor else None

    @property
    def state(self) -> State:
        state = read_state(self.config.run)
        assert state is not None, "Tandem is not up"
        return state

    @property
    def users(self) -> dict[str, DemoUser]:
        """alice, bob, carol."""
        return {user.name: user for user in read_demo_users(self.config)}

    def address(self, transport: str = "udp") -> str:
        """host:port of the edge."""
        listens = [parse_listen(text, "sip.listen") for text in self.state.listens]
        return next(listen.hostport for listen in listens if listen.transport == transport)

    @property
    def http(self) -> str:
        return self.state.http

    def ask(self, do: str, **arguments: Any) -> Any:
        """The call node's answer. Raises NoNode, Problem."""
        return ask(self.config.control_socket, do, **arguments)

    def pid(self, role: str) -> int:
        return (
            self.state.supervisor.pid
            if role == "supervisor"
            else self.state.children[role].process.pid
        )

    def kill(self, role: str, number: signal.Signals = signal.SIGKILL) -> int:
        """kill -9 of supervisor, edge, node or web; returns its pid."""
        pid = self.pid(role)
        os.kill(pid, number)
        return pid

    def wait_ready(self, *, not_pid: int = 0, seconds: float = READY_SECONDS) -> None:
        """Until a call node is ready; not_pid: and it is another one than this."""
        self.until(
            lambda: self.pid("node") != not_pid and self._ready(), "the call node is ready", seconds
        )

    def _ready(self) -> bool:
        with contextlib.suppress(NoNode, Problem):
            return bool(self.ask("ping", patience=1.0).get("ready"))
        return False

    def until(
        self, fact: Callable[[], bool], sentence: str, seconds: float = READY_SECONDS
    ) -> None:
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
        """As `tandem down` does; what does not stop is killed, and that is an error."""
        state = read_state(self.config.run)
        processes = state.processes if state else []
        for started in self._supervisors:
            if started.poll() is None:
                started.terminate()
        late = []
        for started in self._supervisors:
            try:
                started.wait(DOWN_SECONDS)
            except subprocess.TimeoutExpired:
                late.append(started.pid)
                started.kill()
                started.wait()
        for process in processes:
            if alive(process):
                os.kill(process.pid, signal.SIGKILL)
        self._supervisors.clear()
        if late:
            raise TimeoutError(f"supervisors {late} did not stop\n{self.logs()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()
