"""The command line as a user runs it: real processes, exit statuses, and what is printed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

import pytest

from tandem.cli.main import COMMANDS, build
from tandem.cluster.processes import read_state
from tandem.config import load

HERE = Path(__file__).parent


class Terminal:
    """A checkout's terminal with a configuration of its own; Tandem's children only hold their sockets."""

    def __init__(self, base: Path) -> None:
        self.file = base / "tandem.toml"
        self.file.write_text(
            '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[http]\nlisten = "127.0.0.1:0"\n'
        )
        self.environ = {**os.environ, "TANDEM_CONFIG": str(self.file)}
        self.supervisor: subprocess.Popen[bytes] | None = None

    def tandem(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tandem.cli", *arguments],
            env={**self.environ, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self) -> None:
        config = load(self.file, {})
        config.log_dir.mkdir(parents=True, exist_ok=True)
        with (config.log_dir / "supervisor.log").open("ab") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, str(HERE / "supervised.py")], env=self.environ, stderr=log
            )
        deadline = time.monotonic() + 10
        while (state := read_state(config.run)) is None or len(state.children) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    if made.supervisor is not None and made.supervisor.poll() is None:
        made.supervisor.terminate()
        made.supervisor.wait(30)


def test_every_command_of_the_table_exists_and_has_help() -> None:
    app = build()
    for name, _, text in COMMANDS:
        assert app[name] is not None  # imports it
        assert text.endswith(".")


def test_status_and_down_say_that_nothing_runs(terminal: Terminal) -> None:
    assert 3 == terminal.tandem("status").returncode
    assert {"up": False} == json.loads(terminal.tandem("status", "--as-json").stdout)
    assert "does not run" in terminal.tandem("down").stdout


def test_status_shows_each_process_and_why_it_is_not_complete(terminal: Terminal) -> None:
    terminal.start()
    done = terminal.tandem("status")
    assert 1 == done.returncode  # no call node answers
    for word in ("supervisor", "edge", "relay", "node", "web", "udp:127.0.0.1:", "control.sock"):
        assert word in done.stdout
    shown = json.loads(terminal.tandem("status", "--as-json").stdout)
    assert not shown["up"]
    assert 5 == sum(process["alive"] for process in shown["processes"])


def test_a_second_up_says_so_and_starts_nothing(terminal: Terminal) -> None:
    terminal.start()
    before = read_state(load(terminal.file, {}).run)
    done = terminal.tandem("up")
    assert 0 == done.returncode
    assert "up already" in done.stdout
    assert before == read_state(load(terminal.file, {}).run)


def test_reload_says_what_it_restarts_and_why_a_file_is_refused(terminal: Terminal) -> None:
    assert 3 == terminal.tandem("reload").returncode
    terminal.start()
    same = terminal.tandem("reload")
    assert (0, "read again; no restarts\n") == (same.returncode, same.stdout)
    text = terminal.file.read_text()
    terminal.file.write_text(text.replace("udp:127.0.0.1:0", "udp:127.0.0.2:0"))
    done = terminal.tandem("reload")
    assert 0 == done.returncode and "edge" in done.stdout and "web" not in done.stdout
    state = read_state(load(terminal.file, {}).run)
    assert state is not None and state.listens[0].startswith("udp:127.0.0.2:")
    with socket(AF_INET, SOCK_DGRAM) as other:
        other.bind(("127.0.0.3", 0))
        terminal.file.write_text(
            text.replace("127.0.0.1:0", f"127.0.0.3:{other.getsockname()[1]}", 1)
        )
        refused = terminal.tandem("reload")
    assert 2 == refused.returncode
    assert "in use" in refused.stderr and "nothing has changed" in refused.stderr
    assert state.listens == read_state(load(terminal.file, {}).run).listens  # type: ignore[union-attr]


def test_down_stops_everything(terminal: Terminal) -> None:
    terminal.start()
    done = terminal.tandem("down")
    assert 0 == done.returncode
    assert "is down" in done.stdout
    assert terminal.supervisor is not None
    assert 0 == terminal.supervisor.wait(10)
    assert 3 == terminal.tandem("status").returncode


def test_down_stops_children_whose_supervisor_was_killed(terminal: Terminal) -> None:
    terminal.start()
    assert terminal.supervisor is not None
    terminal.supervisor.kill()
    terminal.supervisor.wait()
    assert 0 == terminal.tandem("down").returncode
    assert 3 == terminal.tandem("status").returncode


def test_logs_show_the_last_lines_and_refuse_unknown_names(terminal: Terminal) -> None:
    terminal.start()
    directory = load(terminal.file, {}).log_dir
    (directory / "node.log").write_text("".join(f"line {n}\n" for n in range(100)))
    done = terminal.tandem("logs", "node", "-n", "2")
    assert ["node       line 98", "node       line 99"] == done.stdout.splitlines()
    bad = terminal.tandem("logs", "nose")
    assert 2 == bad.returncode
    assert "'nose' is not one of supervisor, edge, relay, node, web" in bad.stderr


def test_a_bad_configuration_is_one_line_without_a_traceback(terminal: Terminal) -> None:
    terminal.file.write_text('[sip]\nlisten = ["udp:127.0.0.1:99999"]\n')
    for command in (["up"], ["status"], ["down"], ["logs"]):
        done = terminal.tandem(*command)
        assert 2 == done.returncode
        assert "sip.listen" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_address_in_use_is_named(terminal: Terminal, tmp_path: Path) -> None:
    terminal.start()
    taken = read_state(load(terminal.file, {}).run)
    assert taken is not None
    other = tmp_path / "other"
    other.mkdir()
    (other / "tandem.toml").write_text(
        f'[sip]\nlisten = ["{taken.listens[0]}"]\n[http]\nlisten = "127.0.0.1:0"\n'
    )
    done = terminal.tandem("up", TANDEM_CONFIG=str(other / "tandem.toml"))
    assert 2 == done.returncode
    assert f"sip.listen: {taken.listens[0]}: Address already in use" in done.stderr


def test_the_demo_call_says_that_tandem_does_not_run(terminal: Terminal) -> None:
    done = terminal.tandem("call", "demo")
    assert 3 == done.returncode
    assert "tandem up" in done.stderr


def test_test_and_check_need_a_checkout(terminal: Terminal) -> None:
    for command in ("test", "check"):
        done = terminal.tandem(command, TANDEM_HOME="")
        assert 2 == done.returncode
        assert "checkout" in done.stderr
