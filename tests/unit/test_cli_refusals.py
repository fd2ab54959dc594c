"""What goes wrong at a terminal is said in one line, never as a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.cli.demo_accounts import make_demo_accounts
from tandem.cluster import first
from tandem.config import load


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "tandem.toml").write_text('[sip]\nlisten = ["udp:127.0.0.1:0"]\n')
    config = load(tmp_path / "tandem.toml", {})
    first.make_data(config)
    make_demo_accounts(config)
    return tmp_path


def tandem(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "TANDEM_HOME": str(home)}
    environ.pop("TANDEM_CONFIG", None)
    command = [sys.executable, "-m", "tandem.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environ
    )


def test_a_file_that_is_not_there_is_named(home: Path) -> None:
    for arguments in (
        ("user", "add", "dora", "--password-file", "/no/such"),
        ("cdr", "export", "--out", "/no/such"),
    ):
        done = tandem(home, *arguments)
        assert (1, "tandem: /no/such: No such file or directory\n") == (
            done.returncode,
            done.stderr,
        )


def test_an_empty_password_file_makes_nobody(home: Path) -> None:
    (home / "empty").write_text("\n")
    done = tandem(home, "user", "add", "dora", "--password-file", str(home / "empty"))
    assert 1 == done.returncode
    assert "password: the first line of" in done.stderr
    assert "dora" not in tandem(home, "user", "list").stdout


def test_a_reader_that_has_read_enough_ends_it_quietly(home: Path) -> None:
    environ = {**os.environ, "TANDEM_HOME": str(home)}
    command = f"{sys.executable} -m tandem.cli user list --json | true"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert "" == done.stderr


def test_a_trunk_over_tls_is_named_by_word_and_has_the_port_that_dns_says(home: Path) -> None:
    done = tandem(home, "trunk", "add", "carrier", "192.0.2.9", "transport=tls", "--json")
    assert 0 == done.returncode
    assert '"port": 0' in done.stdout and '"transport": 3' in done.stdout
    listed = tandem(home, "trunk", "list").stdout
    assert "tls" in listed and "auto" in listed
    wrong = tandem(home, "trunk", "set", "carrier", "transport=sctp")
    assert (1, "tandem: transport: auto, udp, tcp or tls\n") == (wrong.returncode, wrong.stderr)


def test_a_national_number_without_a_country_says_so(home: Path) -> None:
    done = tandem(home, "route", "test", "alice@demo.tandem.test", "030123456")
    assert 1 == done.returncode
    assert "has no country_code" in done.stdout
