"""Tandem's first process: holds the listening sockets and keeps edge, node and web alive. It knows nothing of SIP or calls.

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
from collections import deque
from pathlib import Path
from typing import IO

import msgspec

from tandem.cluster import sockets
from tandem.cluster.processes import (
    CHILDREN,
    Child,
    Process,
    State,
    alive,
    read_state,
    start_ticks,
    this_process,
    write_state,
)
from tandem.config import BadConfig, Config, Listen, load

BURST_DEATHS = 5  # so many deaths ...
BURST_SECONDS = 10.0  # ... in so long: the next start waits
BACKOFF_SECONDS = 1.0  # doubles with each further death
BACKOFF_MAX_SECONDS = 30.0
STOP_SECONDS = 10.0  # from SIGTERM to SIGKILL
LOG_BYTES = 16 * 1024 * 1024  # per log file; one older file is kept
HOUSEKEEPING_SECONDS = 30.0
COMMANDS = {name: [sys.executable, "-P", "-m", f"tandem.{name}"] for name in CHILDREN}


class Running:
    """One child: its process, and when it died lately."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: Process | None = None
        self.last_process = Process(0, 0)
        self.popen: subprocess.Popen[bytes] | None = (
            None  # None: adopted, so its exit status is its new parent's
        )
        self.pidfd = -1
        self.started_at = 0.0
        self.starts = 0
        self.fds: dict[str, int] = {}
        self.last_death = ""
        self.died_at = 0.0  # time.time
        self.deaths: deque[float] = deque(maxlen=BURST_DEATHS)
        self.backoff = BACKOFF_SECONDS
        self.start_at = 0.0  # monotonic; when it waits for its next start
        self.kill_at = 0.0  # monotonic; after SIGTERM
        self.wanted = True

    def delay(self, now: float) -> float:
        """Seconds to wait before the next start; `now` is the death's monotonic time."""
        self.deaths.append(now)
        if len(self.deaths) < BURST_DEATHS or now - self.deaths[0] > BURST_SECONDS:
            self.backoff = BACKOFF_SECONDS
            return 0.0
        wait, self.backoff = self.backoff, min(self.backoff * 2, BACKOFF_MAX_SECONDS)
        return wait


class Supervisor:
    """The whole loop; `run()` returns the exit status."""

    def __init__(
        self, config: Config, config_file: Path, log: IO[str], commands: dict[str, list[str]]
    ) -> None:
        self.config = config
        self.config_file = config_file
        self.log_file = log
        self.commands = commands
        self.me = this_process()
        self.started_at = time.time()
        self.children = {name: Running(name) for name in CHILDREN}
        self.sockets: dict[str, socket.socket] = {}  # "udp:0.0.0.0:5060", "link", "http"
        self.selector = selectors.DefaultSelector()
        self.stopping = False

    # --- start -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Adopts what lives, opens what is missing; raises BadConfig."""
        for directory in (self.config.data, self.config.run, self.config.log_dir):
            directory.mkdir(parents=True, exist_ok=True)
        self._lock()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        old = read_state(self.config.run)
        if old is not None:
            self._adopt(old)
        self._open_sockets()

    def _lock(self) -> None:
        self.lock = (self.config.run / "supervisor.lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadConfig(f"node.data: another Tandem runs on {self.config.data}") from None

    def _adopt(self, old: State) -> None:
        for name, child in old.children.items():
            running = self.children.get(name)
            if running is None or not alive(child.process):
                continue
            for key, fd in child.fds.items():
                found = sockets.take_back(child.process.pid, fd, self._expected(key))
                if found is not None:
                    self.sockets[key] = found
            if set(child.fds) == set(self._keys(name)) and set(child.fds) <= set(self.sockets):
                running.process, running.fds = child.process, child.fds
                running.started_at, running.starts = child.started_at, child.starts
                running.last_death = child.last_death
                self.log("child adopted", child=name, pid=child.process.pid)
            else:
                # its sockets are not what the configuration asks for, or we may not take them: replace it
                self.log("child not adopted", child=name, pid=child.process.pid)
                self._end(child.process)
            if running.process:
                self._watch(running)

    def _end(self, process: Process) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        os.kill(process.pid, signal.SIGTERM)
        while alive(process):
            if time.monotonic() > deadline:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.01)

    def _keys(self, name: str) -> tuple[str, ...]:
        match name:
            case "edge":
                return self.config.sip.listen
            case "node":
                return ("link",)
            case _:
                return ("http",)

    def _expected(self, key: str) -> Listen | Path:
        if key == "link":
            return self.config.link_socket
        if key == "http":
            return self.config.http_listen
        named = dict(zip(self.config.sip.listen, self.config.listens, strict=True))
        return named.get(key, Listen("", "", 0))  # no longer configured: matches nothing

    def _open_sockets(self) -> None:
        for key, listen in zip(self.config.sip.listen, self.config.listens, strict=True):
            if key not in self.sockets:
                self.sockets[key] = sockets.open_listen(listen, "sip.listen")
        if "http" not in self.sockets:
            self.sockets["http"] = sockets.open_listen(self.config.http_listen, "http.listen")
        if "link" not in self.sockets:
            self.sockets["link"] = sockets.open_unix(self.config.link_socket)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        wake_in, wake_out = socket.socketpair()
        wake_in.setblocking(False)
        wake_out.setblocking(False)
        signal.set_wakeup_fd(wake_out.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.selector.register(wake_in, selectors.EVENT_READ, None)
        for name in CHILDREN:
            if self.children[name].process is None:
                self._start(self.children[name])
        self._save()
        while not (self.stopping and all(c.process is None for c in self.children.values())):
            for key, _ in self.selector.select(self._timeout()):
                if key.data is None:
                    self._signals(wake_in.recv(64))
                else:
                    self._died(key.data)
            self._due()
        self.log("supervisor stopped")
        for path in (self.config.link_socket, self.config.run / "supervisor.json"):
            path.unlink(missing_ok=True)
        return 0

    def _timeout(self) -> float:
        now = time.monotonic()
        times = [t for c in self.children.values() for t in (c.start_at, c.kill_at) if t]
        return max(0.0, min([*(t - now for t in times), HOUSEKEEPING_SECONDS]))

    def _due(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if child.kill_at and child.kill_at <= now and child.process:
                self.log("child does not stop", child=child.name, after_seconds=STOP_SECONDS)
                child.kill_at = 0.0
                self._kill(child, signal.SIGKILL)
            if child.start_at and child.start_at <= now and not self.stopping:
                child.start_at = 0.0
                self._start(child)
                self._save()
        rotate(self.config.log_dir)

    def _signals(self, received: bytes) -> None:
        if signal.SIGTERM in received or signal.SIGINT in received:
            self.log("supervisor stopping")
            self.stopping = True
            self._stop_next()
        elif signal.SIGHUP in received:
            self._reload()

    def _stop_next(self) -> None:
        """Web and node first; the edge, which keeps frames for the node, when they are gone."""
        others = [c for c in self.children.values() if c.name != "edge" and c.process]
        for child in others or [c for c in self.children.values() if c.process]:
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
        old = self.config
        try:
            new = load(self.config_file)
            if new.data != old.data:
                raise BadConfig("node.data: cannot change while Tandem runs")
        except BadConfig as error:
            self.log("configuration refused", why=str(error))
            return
        gone = set(self.sockets) - {*new.sip.listen, "link", "http"}
        if new.http != old.http:
            gone.add("http")
        kept = {key: self.sockets.pop(key) for key in gone}
        self.config = new
        try:
            self._open_sockets()
        except BadConfig as error:
            self.config = old
            self.sockets = {**self.sockets, **kept}
            self.log("configuration refused", why=str(error))
            return
        for unused in kept.values():
            unused.close()
        changed = {
            "edge": (new.sip, new.limits, new.log) != (old.sip, old.limits, old.log),
            "node": msgspec.structs.replace(new, http=old.http) != old,
            "web": (new.http, new.log, new.node) != (old.http, old.log, old.node),
        }
        self.log("configuration read again", restarts=",".join(n for n, c in changed.items() if c))
        for name, is_changed in changed.items():
            if is_changed and self.children[name].process:
                self._stop(self.children[name])

    # --- children ----------------------------------------------------------------------------------------------------

    def _start(self, child: Running) -> None:
        child.fds = {key: self.sockets[key].fileno() for key in self._keys(child.name)}
        environ = dict(os.environ, TANDEM_CONFIG=str(self.config_file))
        if child.name == "edge":
            environ["TANDEM_EDGE"] = json.dumps(self._edge())
        else:
            environ["TANDEM_FDS"] = json.dumps(child.fds)
        if child.died_at:  # for the story of the calls that it takes over
            environ["TANDEM_DIED"] = json.dumps({"at": child.died_at, "why": child.last_death})
        with open(self.config.log_dir / f"{child.name}.log", "ab") as log:
            child.popen = subprocess.Popen(
                self.commands[child.name],
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

    def _edge(self) -> dict[str, object]:
        """What `python -m tandem.edge` needs: crates/tandem-edge/src/config.rs."""
        config, listen = self.config, []
        for key, configured in zip(config.sip.listen, config.listens, strict=True):
            at = sockets.bound(self.sockets[key], configured)
            one: dict[str, object] = {"transport": at.transport, "fd": self.sockets[key].fileno()}
            if config.sip.advertised:  # else the edge names the address that the peer talks to
                one["advertised"] = Listen(at.transport, config.sip.advertised, at.port).hostport
            listen.append(one)
        files = (config.sip.ca, config.sip.client_ca)
        roots, trust = (str(config.path(text)) if text else "" for text in files)
        has_tls = any(at.transport == "tls" for at in config.listens)
        limits = msgspec.to_builtins(config.limits)
        del limits["calls"]  # the node's
        return {
            "edge": config.node.id,
            "link": str(config.link_socket),
            "keys": str(config.keys),
            "policy": str(config.data / "edge-policy.json"),
            "ban_log": str(config.log_dir / "bans.log"),
            "listen": listen,
            "tls": {
                "certificate": str(config.certificate) if has_tls else "",
                "key": str(config.key) if has_tls else "",
                "roots": roots,
                "trust": trust,
                "verify": config.sip.verify,
            },
            "limits": limits,
            "default_domain": config.sip.default_domain,
            "log_level": config.log.level,
        }

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
        asked = bool(child.kill_at)
        child.last_process = child.process or child.last_process
        child.process, child.popen, child.pidfd, child.kill_at = None, None, -1, 0.0
        child.last_death, child.died_at = why, time.time()
        lived = round(time.time() - child.started_at, 3)
        if self.stopping:
            self.log("child stopped", child=child.name, pid=pid, why=why)
            self._stop_next()
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
        listens = tuple(
            str(sockets.bound(self.sockets[key], at))
            for key, at in zip(self.config.sip.listen, self.config.listens, strict=True)
        )
        http = sockets.bound(self.sockets["http"], self.config.http_listen).hostport
        write_state(
            self.config.run,
            State(self.me, self.started_at, str(self.config_file), children, listens, http),
        )

    def log(self, sentence: str, **fields: object) -> None:
        now = time.time()
        at = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        )
        rest = "".join(f" {key}={_value(value)}" for key, value in fields.items())
        self.log_file.write(f"{at} {sentence}{rest}\n")
        self.log_file.flush()


def _value(value: object) -> str:
    return repr(value) if isinstance(value, str) and (" " in value or not value) else str(value)


def reason(status: int) -> str:
    """Of a Popen return code."""
    if status >= 0:
        return f"exit {status}"
    return f"signal {-status} ({signal.Signals(-status).name})"


def rotate(directory: Path) -> None:
    """Children write to their files by O_APPEND: the file is copied and emptied, not moved."""
    for path in directory.glob("*.log"):
        if path.stat().st_size > LOG_BYTES:
            path.with_suffix(".log.1").write_bytes(path.read_bytes())
            os.truncate(path, 0)


def main() -> int:
    """`python -m tandem.cluster.supervisor [ready fd]`: tells the fd "ready" or the error, then stays."""
    told = os.fdopen(int(sys.argv[1]), "w") if len(sys.argv) > 1 else None
    try:
        config_file = Path(os.environ["TANDEM_CONFIG"])
        config = load(config_file)
        config.log_dir.mkdir(parents=True, exist_ok=True)
        log = (config.log_dir / "supervisor.log").open("a") if told else sys.stderr
        supervisor = Supervisor(config, config_file, log, COMMANDS)
        supervisor.open()
    except BadConfig as error:
        print(error, file=told or sys.stderr, flush=True)
        return 2
    supervisor.log("supervisor started", pid=os.getpid())
    if told:
        print("ready", file=told, flush=True)
        told.close()
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
