"""The first process: holds the listening sockets and keeps the children of a house alive. It knows nothing of SIP or calls.

A dead child is started again at once. When the supervisor itself is killed its children go on; the next supervisor
adopts them and takes the sockets back from them. docs/concepts/processes.md has the contract with the children.
"""

import contextlib
import fcntl
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tandem.cluster import sockets
from tandem.cluster.house import House, Wanted
from tandem.cluster.processes import (
    Child,
    Process,
    Reload,
    State,
    alive,
    read_state,
    start_ticks,
    state_path,
    this_process,
    write_state,
)
from tandem.cluster.pulse import LOOK_SECONDS, VARIABLE, pulse_path
from tandem.cluster.running import Running, reason
from tandem.config import BadConfig, Listen

STOP_SECONDS = 10.0  # from SIGTERM to SIGKILL
ABORT_SECONDS = 1.0  # from SIGABRT, at which a child that hangs says where, to SIGKILL
LOG_BYTES = 16 * 1024 * 1024  # per log file; one older file is kept
HOUSEKEEPING_SECONDS = 30.0


class Supervisor:
    """The whole loop; `run()` returns the exit status."""

    def __init__(self, house: House, log: IO[str]) -> None:
        self.house = house
        self.log_file = log
        self.me = this_process()
        self.started_at = time.time()
        self.reload = Reload()
        self.children = {name: Running(name) for name in house.names}
        self.sockets: dict[str, socket.socket] = {}  # by the keys of house.wanted
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.look_at = 0.0  # monotonic; for children that hang

    # --- start -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Adopts what lives, opens what is missing; raises BadConfig."""
        for directory in (self.house.data, self.house.run, self.house.log_dir):
            directory.mkdir(parents=True, exist_ok=True)
        self._lock()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        old = read_state(self.house.run)
        if old is not None:
            self._adopt(old)
        self._open_sockets()

    def _lock(self) -> None:
        self.lock = (self.house.run / "supervisor.lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadConfig(f"node.data: another Tandem runs on {self.house.data}") from None

    def _adopt(self, old: State) -> None:
        for name, child in old.children.items():
            running = self.children.get(name)
            if not alive(child.process):
                continue
            for key, fd in child.fds.items():
                wanted = self.house.wanted.get(key)
                if wanted is None:
                    continue
                found = sockets.take_back(child.process.pid, fd, wanted.at)
                if found is not None:
                    self.sockets[key] = found
            keys = set(self.house.keys(name)) if running is not None else None
            if running is not None and set(child.fds) == keys and keys <= set(self.sockets):
                running.process, running.fds = child.process, child.fds
                running.started_at, running.starts = child.started_at, child.starts
                running.last_death = child.last_death
                self.log("child adopted", child=name, pid=child.process.pid)
                self._watch(running)
            else:
                # its sockets are not what the configuration asks for, or we may not take them: replace it
                self.log("child not adopted", child=name, pid=child.process.pid)
                self._end(child.process)

    def _end(self, process: Process) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        os.kill(process.pid, signal.SIGTERM)
        while alive(process):
            if time.monotonic() > deadline:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.01)

    def _open_sockets(self) -> None:
        for key, wanted in self.house.wanted.items():
            if key in self.sockets:
                continue
            if isinstance(wanted.at, Path):
                self.sockets[key] = sockets.open_unix(wanted.at)
            elif not wanted.group:
                self.sockets[key] = sockets.open_listen(wanted.at, wanted.field)
            else:
                at, first = self._shared(wanted, wanted.at)
                self.sockets[key] = sockets.open_shared(at, wanted.field, first=first)

    def _shared(self, wanted: Wanted, at: Listen) -> tuple[Listen, bool]:
        """The address that the others of its group have; and whether it is the group's first."""
        for key, held in self.sockets.items():
            other = self.house.wanted.get(key)
            if other is not None and other.group == wanted.group:
                return sockets.bound(held, at), False
        return at, True

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        wake_in, wake_out = socket.socketpair()
        wake_in.setblocking(False)
        wake_out.setblocking(False)
        signal.set_wakeup_fd(wake_out.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.selector.register(wake_in, selectors.EVENT_READ, None)
        for child in self.children.values():
            if child.process is None:
                self._start(child)
        self._save()
        while not (self.stopping and all(c.process is None for c in self.children.values())):
            for key, _ in self.selector.select(self._timeout()):
                if key.data is None:
                    self._signals(wake_in.recv(64))
                else:
                    self._died(key.data)
            self._due()
        self.log("supervisor stopped")
        for wanted in self.house.wanted.values():
            if isinstance(wanted.at, Path):
                wanted.at.unlink(missing_ok=True)
        state_path(self.house.run).unlink(missing_ok=True)
        return 0

    def _timeout(self) -> float:
        now = time.monotonic()
        times = [t for c in self.children.values() for t in (c.start_at, c.kill_at) if t]
        return max(0.0, min([*(t - now for t in times), self.look_at - now, HOUSEKEEPING_SECONDS]))

    def _due(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if child.kill_at and child.kill_at <= now and child.process:
                if not child.hangs:
                    self.log("child does not stop", child=child.name, after_seconds=STOP_SECONDS)
                child.kill_at = 0.0
                self._kill(child, signal.SIGKILL)
            if child.start_at and child.start_at <= now and not self.stopping:
                child.start_at = 0.0
                self._start(child)
                self._save()
        if self.look_at <= now:
            self.look_at = now + LOOK_SECONDS
            self._look()
        rotate(self.house.log_dir)

    def _look(self) -> None:
        """A child whose loop no longer turns is ended: the next one does better."""
        for child in self.children.values():
            if not child.process or child.kill_at:
                continue
            if child.pulse.hangs(pulse_path(self.house.run, child.name)):
                self.log("child hangs", child=child.name, pid=child.process.pid)
                child.hangs = True
                child.kill_at = time.monotonic() + ABORT_SECONDS
                self._kill(child, signal.SIGABRT)

    def _signals(self, received: bytes) -> None:
        if signal.SIGTERM in received or signal.SIGINT in received:
            self.log("supervisor stopping")
            self.stopping = True
            self._stop_next()
        elif signal.SIGHUP in received:
            self._reload()

    def _stop_next(self) -> None:
        """The house's last ones when all others are gone."""
        living = [c for c in self.children.values() if c.process]
        others = [c for c in living if c.name not in self.house.last]
        for child in others or living:
            if not child.kill_at:
                self._stop(child)

    def _stop(self, child: Running) -> None:
        child.kill_at = time.monotonic() + STOP_SECONDS
        self._kill(child, signal.SIGTERM)

    def _kill(self, child: Running, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(child.pidfd, number)

    def _reload(self) -> None:
        """A child whose part of the configuration changed is restarted; unchanged sockets stay open."""
        old = self.house
        try:
            asked = old.reload()
        except BadConfig as error:
            self._refused(str(error))
            return
        new = asked.house
        gone = {key for key in self.sockets if new.wanted.get(key) != old.wanted.get(key)}
        kept = {key: self.sockets.pop(key) for key in gone}
        self.house = new
        try:
            self._open_sockets()
        except BadConfig as error:
            for key in set(self.sockets) - set(old.wanted):
                self.sockets.pop(key).close()
            self.house = old
            self.sockets = {**self.sockets, **kept}
            self._refused(str(error))
            return
        for unused in kept.values():
            unused.close()
        restarts = tuple(sorted(asked.restart))
        self.log("configuration read again", restarts=",".join(restarts))
        self.reload = Reload(self.reload.count + 1, restarts)
        self._move_to(set(new.names), asked.restart, asked.tell)

    def _refused(self, why: str) -> None:
        self.log("configuration refused", why=why)
        self.reload = Reload(self.reload.count + 1, refused=why)
        self._save()

    def _move_to(self, names: set[str], restart: frozenset[str], tell: frozenset[str]) -> None:
        for name in names - set(self.children):
            self.children[name] = Running(name)
            self._start(self.children[name])
        for name, child in list(self.children.items()):
            child.wanted = name in names
            if not child.wanted and not child.process:
                del self.children[name]
            elif child.process and (not child.wanted or name in restart):
                self._stop(child)
            elif child.process and name in tell:
                self._kill(child, signal.SIGHUP)
        self._save()

    # --- children ----------------------------------------------------------------------------------------------------

    def _start(self, child: Running) -> None:
        child.fds = {key: self.sockets[key].fileno() for key in self.house.keys(child.name)}
        environ = {**os.environ, **self.house.environ(child.name, self.sockets)}
        pulse = pulse_path(self.house.run, child.name)
        child.pulse.begins(pulse)
        environ[VARIABLE] = str(pulse)
        if child.died_at:  # for the story of the calls that it takes over
            environ["TANDEM_DIED"] = json.dumps({"at": child.died_at, "why": child.last_death})
        with open(self.house.log_dir / f"{child.name}.log", "ab") as log:
            child.popen = subprocess.Popen(
                self.house.command(child.name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=tuple(child.fds.values()),
                env=environ,
            )
        child.process = Process(child.popen.pid, start_ticks(child.popen.pid) or 0)
        child.started_at = time.time()
        child.starts += 1
        self._watch(child)

    def _watch(self, child: Running) -> None:
        assert child.process
        child.pidfd = os.pidfd_open(child.process.pid)
        self.selector.register(child.pidfd, selectors.EVENT_READ, child)

    def _died(self, child: Running) -> None:
        seen = time.monotonic()
        self.selector.unregister(child.pidfd)
        os.close(child.pidfd)
        pid = child.process.pid if child.process else 0
        why = reason(child.popen.wait()) if child.popen else "unknown (adopted)"
        asked = bool(child.kill_at) and not child.hangs
        why, child.hangs = f"it hung, {why}" if child.hangs else why, False
        child.last_process = child.process or child.last_process
        child.process, child.popen, child.pidfd, child.kill_at = None, None, -1, 0.0
        child.last_death, child.died_at = why, time.time()
        lived = round(time.time() - child.started_at, 3)
        if self.stopping or not child.wanted:
            self.log("child stopped", child=child.name, pid=pid, why=why)
            if self.stopping:
                self._stop_next()
            else:
                del self.children[child.name]
                self._save()
            return
        wait = 0.0 if asked else child.delay(seen)
        if wait:
            child.start_at = seen + wait
        else:
            self._start(child)
        restart_ms = round((time.monotonic() - seen) * 1000, 1)
        self.log(
            "child died",
            child=child.name,
            pid=pid,
            why=why,
            lived_seconds=lived,
            wait_seconds=wait,
            restart_ms=restart_ms,
        )
        self._save()

    # --- what others see ---------------------------------------------------------------------------------------------

    def _save(self) -> None:
        children = {
            c.name: Child(c.process or c.last_process, c.started_at, c.starts, c.fds, c.last_death)
            for c in self.children.values()
        }
        listens = tuple(str(self.bound(key)) for key in self.house.listens)
        http = self.bound(self.house.http).hostport if self.house.http else ""
        write_state(
            self.house.run,
            State(
                self.me, self.started_at, str(self.house.file), children, listens, http, self.reload
            ),
        )

    def bound(self, key: str) -> Listen:
        at = self.house.wanted[key].at
        assert isinstance(at, Listen)
        return sockets.bound(self.sockets[key], at)

    def log(self, sentence: str, **fields: object) -> None:
        now = time.time()
        at = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        )
        rest = "".join(f" {key}={_value(value)}" for key, value in fields.items())
        # a terminal that is gone, a full disk: no reason to leave the children alone
        with contextlib.suppress(OSError):
            self.log_file.write(f"{at} {sentence}{rest}\n")
            self.log_file.flush()


def _value(value: object) -> str:
    return repr(value) if isinstance(value, str) and (" " in value or not value) else str(value)


def rotate(directory: Path) -> None:
    """Children write to their files by O_APPEND: the file is copied and emptied, not moved."""
    for path in directory.glob("*.log"):
        if path.stat().st_size > LOG_BYTES:
            path.with_suffix(".log.1").write_bytes(path.read_bytes())
            os.truncate(path, 0)


def serve(
    house: Callable[[], House],
    ready_fd: int | None,
    begun: Callable[["Supervisor"], None] = lambda _: None,
) -> int:
    """Supervises a house until SIGTERM. `ready_fd` is told "ready" or the error; `begun` is called when sockets are open."""
    told = None if ready_fd is None else os.fdopen(ready_fd, "w")
    try:
        built = house()
        built.log_dir.mkdir(parents=True, exist_ok=True)
        log = (built.log_dir / "supervisor.log").open("a") if told else sys.stderr
        supervisor = Supervisor(built, log)
        supervisor.open()
    except BadConfig as error:
        print(error, file=told or sys.stderr, flush=True)
        return 2
    begun(supervisor)
    supervisor.log("supervisor started", pid=os.getpid())
    if told:
        print("ready", file=told, flush=True)
        told.close()
    return supervisor.run()


def main() -> int:
    """`python -m tandem.cluster.supervisor [ready fd]`: the supervisor of `tandem up`."""
    from tandem.cluster.product import Product
    from tandem.config import load

    def house() -> House:
        file = Path(os.environ["TANDEM_CONFIG"])
        return Product(load(file), file)

    return serve(house, int(sys.argv[1]) if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    sys.exit(main())
