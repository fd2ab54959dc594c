"""The nouns of the command line against a real database and a real control socket, as a user runs them."""

import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem.accounts.model.credentials import make_credentials
from tandem.adapters.sqlite import Database
from tandem.cli.main import build

from .console import LIVE_A, LIVE_B, PASSWORD, PAST_A, PAST_B, TRACE, Recorded, fill, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "tandem.toml"
    file.write_text('[sip]\nlisten = ["udp:127.0.0.1:20801"]\n')
    monkeypatch.setenv("TANDEM_CONFIG", str(file))
    (tmp_path / "var" / "run").mkdir(parents=True)
    database = Database(tmp_path / "var" / "tandem.sqlite")
    fill(database)
    database.close()
    return tmp_path / "var"


@pytest.fixture
def recorded(data: Path) -> Iterator[Recorded]:
    made = Recorded()
    with serving(data / "run" / "control.sock", made):
        yield made


@pytest.fixture
def tandem(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = 0
        try:
            result = build()(list(arguments))
            status = result if isinstance(result, int) else 0
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def rows(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_user_from_added_to_removed(tandem: Run, recorded: Recorded, data: Path) -> None:
    status, out, _ = tandem(
        "user", "add", "dora@a.example", "display_name=Dora", "--number", "104", "--json"
    )
    made = rows(out)[0]
    assert (0, "dora@a.example", "104") == (status, made["user"], made["number"])
    assert ("reload", {"what": "accounts"}) == recorded.asked[-1]
    with sqlite3.connect(data / "tandem.sqlite") as file:
        kept = file.execute("SELECT ha1_md5 FROM users WHERE name = 'dora'").fetchone()[0]
    file.close()
    assert make_credentials("dora", "a.example", str(made["password"])).md5 == kept
    status, out, _ = tandem(
        "user", "set", "dora@a.example", "forward_busy=bob", "enabled=no", "aliases=204,205"
    )
    assert 0 == status and "204, 205" in out
    shown = rows(tandem("user", "show", "dora", "--tenant", "a", "--json")[1])[0]
    assert (False, "bob", ["204", "205"]) == (
        shown["enabled"],
        shown["forward_busy"],
        shown["aliases"],
    )
    assert "password" in tandem("user", "password", "dora@a.example")[1]
    assert 0 == tandem("user", "remove", "dora@a.example")[0]
    assert (1, "") == tandem("user", "show", "dora@a.example")[:2]
    whats = [row["what"] for row in rows(tandem("audit", "list", "--json")[1])]
    assert [
        "user removed",
        "user password set",
        "user changed",
        "user password set",
        "user added",
    ] == whats


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("user", "list"), "tenant: say which: a, b"),
        (("user", "list", "--tenant", "c"), "tenant: there is no tenant c"),
        (("user", "add", "x y", "--tenant", "a"), "name: "),
        (("user", "set", "bob@a.example", "colour=red"), "colour: write field=value with one of "),
        (("user", "set", "bob@a.example", "enabled=maybe"), "enabled: yes or no"),
        (("user", "set", "bob@a.example", "max_calls=many"), "max_calls: "),
        (("trunk", "add", "t", "127.0.0.1", "cidrs=10.0.0.0/99"), "cidrs: "),
        (("cdr", "list", "--since", "yesterday"), "since: like 2026-11-21"),
        (("cdr", "list", "--limit", "2000"), "limit: from 1 to 1000"),
        (("tenant", "remove", "a"), "a has 3 users"),
        (("call", "show", "nothere"), "no such call: nothere"),
    ],
)
def test_a_refusal_names_the_field_and_ends_with_1(
    tandem: Run, recorded: Recorded, arguments: tuple[str, ...], why: str
) -> None:
    status, out, err = tandem(*arguments)
    assert (1, "") == (status, out)
    assert err.startswith(f"tandem: {why}"), err


def test_without_a_node_tables_change_and_live_things_say_why_not(tandem: Run) -> None:
    status, _, err = tandem("tenant", "set", "a", "max_calls=9")
    assert 0 == status and "not live yet" in err
    for arguments in (
        ("call", "list"),
        ("registration", "list"),
        ("node", "list"),
        ("call", "trace", LIVE_A),
    ):
        status, out, err = tandem(*arguments)
        assert (1, "") == (status, out)
        assert "does not answer" in err
    assert "They talked for 59.9 s" in tandem("call", "why", PAST_A)[1]


def test_a_trunks_password_comes_from_a_file_and_is_never_shown(
    tandem: Run, recorded: Recorded, data: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very-secret\n")
    out = tandem("trunk", "add", "t", "127.0.0.1", "username=me", "--password-file", str(secret))[1]
    out += (
        tandem("trunk", "show", "t", "--json")[1]
        + tandem("trunk", "list", "--json")[1]
        + tandem("audit", "list")[1]
    )
    assert "very-secret" not in out and "(set)" in out
    with sqlite3.connect(data / "tandem.sqlite") as file:
        assert ("very-secret",) == file.execute(
            "SELECT password FROM trunks WHERE id = 't'"
        ).fetchone()
    file.close()


def test_route_test_shows_stages_and_says_by_its_status_whether_a_call_goes(tandem: Run) -> None:
    status, out, _ = tandem("route", "test", "alice@a.example", "+4930123456")
    assert 0 == status and "line-a" in out and "world-a" in out
    assert (
        0
        == tandem(
            "route", "add", "bonn", "line-a", "--tenant", "a", "--prefix", "+49228", "priority=5"
        )[0]
    )
    plan = rows(tandem("route", "test", "alice@a.example", "+49228111111", "--json")[1])[0]
    assert "bonn" == plan["stages"][0][0]["route"]  # type: ignore[index]
    status, out, _ = tandem("route", "test", "alice@a.example", "nobody")
    assert (1, True) == (status, out.startswith("404"))


def test_cdrs_are_listed_filtered_and_exported(tandem: Run, tmp_path: Path) -> None:
    assert [PAST_B, PAST_A] == [row["id"] for row in rows(tandem("cdr", "list", "--json")[1])]
    assert [PAST_A] == [
        row["id"] for row in rows(tandem("cdr", "list", "--tenant", "a", "--json")[1])
    ]
    status, out, err = tandem("cdr", "list", "--limit", "1")
    assert (0, True) == (status, PAST_B in out) and "2 calls, 2 answered" in err
    cursor = err.split()[-1]
    assert PAST_A in tandem("cdr", "list", "--limit", "1", "--cursor", cursor)[1]
    lines = list(csv.DictReader(io.StringIO(tandem("cdr", "export")[1])))
    assert [PAST_B, PAST_A] == [line["id"] for line in lines]
    file = tmp_path / "out.jsonl"
    assert (0, "") == tandem("cdr", "export", "--format", "jsonl", "--out", str(file))[:2]
    assert 2 == len(file.read_text().splitlines())
    assert "hung up" in tandem("cdr", "show", PAST_A)[1]


def test_live_calls_are_shown_moved_ended_and_placed(tandem: Run, recorded: Recorded) -> None:
    assert [LIVE_A, LIVE_B] == [row["id"] for row in rows(tandem("call", "list", "--json")[1])]
    assert "alice@a.example" in tandem("call", "list")[1]
    assert "127.0.0.1:5071" in tandem("call", "show", LIVE_A)[1]
    assert 0 == tandem("call", "transfer", LIVE_A, "carol", "--leg", "callee")[0]
    assert ("carol", "callee") == (recorded.asked[-1][1]["to"], recorded.asked[-1][1]["leg"])
    assert 0 == tandem("call", "hangup", LIVE_A)[0]
    assert 1 == tandem("call", "hangup", LIVE_A)[0]
    assert LIVE_A in tandem("call", "originate", "alice@a.example", "102")[1]
    assert "alice@a.example" == recorded.asked[-1][1]["from"]


def test_registrations_nodes_and_events(tandem: Run, recorded: Recorded) -> None:
    aors = [row["aor"] for row in rows(tandem("registration", "list", "--json")[1])]
    assert ["alice@a.example", "bob@a.example", "alice@b.example"] == aors
    assert 0 == tandem("registration", "drop", "bob@a.example")[0]
    assert (True, 2) == (
        rows(tandem("node", "list", "--json")[1])[0]["ready"],
        rows(tandem("node", "list", "--json")[1])[0]["calls"],
    )
    assert 0 == tandem("node", "drain")[0]
    out = tandem("events", "tail", "--once")[1]
    assert ["invited", "tried", "answered"] == [line.split()[2] for line in out.splitlines()]


def test_a_call_is_a_ladder_or_whole_messages(tandem: Run, recorded: Recorded) -> None:
    status, out, _ = tandem("call", "trace", LIVE_A)
    assert 0 == status and "INVITE" in out and "180 Ringing" in out and "alice@a.example" in out
    raw = tandem("call", "trace", LIVE_A, "--raw")[1]
    assert 2 == raw.count("INVITE sip:bob@a.example SIP/2.0")
    assert TRACE == rows(tandem("call", "trace", LIVE_A, "--json")[1])
    assert "has not ended" in tandem("call", "why", LIVE_A)[1]


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="no tcpdump")
def test_tcpdump_reads_the_pcap_with_good_checksums(
    tandem: Run, recorded: Recorded, tmp_path: Path
) -> None:
    file = tmp_path / "call.pcap"
    assert 0 == tandem("call", "trace", LIVE_A, "--pcap", str(file))[0]
    read = subprocess.run(
        ["tcpdump", "-nn", "-tt", "-vv", "-r", str(file)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    heads = re.findall(
        r"(127\.0\.0\.1|::1)\.(\d+) > (?:127\.0\.0\.1|::1)\.(\d+): \[udp sum ok\]", read
    )
    assert [
        ("127.0.0.1", "5071", "5060"),
        ("127.0.0.1", "5060", "5071"),
        ("::1", "5060", "5072"),
    ] == heads, read
    assert "bad cksum" not in read
    assert "1790000000.001500" in read
    assert 2 == read.count("INVITE sip:bob@a.example SIP/2.0") and "SIP/2.0 180 Ringing" in read


def test_a_text_from_the_wire_cannot_drive_the_terminal(tandem: Run, recorded: Recorded) -> None:
    recorded.calls[LIVE_A]["callee"] = "bob\x1b[2J@a.example"
    for arguments in (("call", "list"), ("call", "show", LIVE_A)):
        assert "\x1b[2J" not in tandem(*arguments)[1]


def test_a_password_is_read_from_standard_input(
    tandem: Run, recorded: Recorded, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "-x\n"))
    status, out, _ = tandem("user", "password", "bob@a.example", "--password-file=-")
    assert 0 == status and PASSWORD not in out
    with sqlite3.connect(data / "tandem.sqlite") as file:
        kept = file.execute(
            "SELECT ha1_md5 FROM users WHERE tenant = 'a' AND name = 'bob'"
        ).fetchone()[0]
    file.close()
    assert make_credentials("bob", "a.example", PASSWORD + "-x").md5 == kept


def test_logins_and_tokens_are_made_and_taken_away(
    tandem: Run, recorded: Recorded, data: Path
) -> None:
    made = rows(tandem("login", "add", "eve", "operator", "--tenant", "a", "--json")[1])[0]
    assert len(str(made["password"])) >= 12
    assert "eve" in [row["name"] for row in rows(tandem("login", "list", "--json")[1])]
    again = rows(tandem("login", "password", "eve", "--json")[1])[0]
    assert made["password"] != again["password"]
    assert 0 == tandem("login", "remove", "eve")[0]
    status, _, err = tandem("login", "remove", "root")
    assert (1, True) == (status, "the last admin" in err)
    token = rows(tandem("token", "add", "operator", "--note", "wallboard", "--json")[1])[0]
    listed = tandem("token", "list", "--json")[1]
    assert "wallboard" in listed and str(token["token"]) not in listed and "hash" not in listed
    assert 0 == tandem("token", "revoke", str(token["id"]))[0]
    assert 1 == tandem("token", "revoke", str(token["id"]))[0]


def test_media_relays_are_listed_and_drained(tandem: Run, recorded: Recorded) -> None:
    status, out, _ = tandem("media", "status")
    own, gone = (line.split() for line in out.splitlines()[1:])
    assert (0, "own", "draining") == (status, own[0], own[1])
    assert ["1", "min", "1", "s", "eu", "1", "2", "3", "4", "2", "1.00", "%", "0.2"] == own[2:-1]
    assert ["gone", "not", "configured", "1"] == gone
    listed = rows(tandem("media", "status", "--json")[1])
    assert [("own", 0.25), ("gone", None)] == [
        (row["name"], row.get("milliseconds")) for row in listed
    ]
    status, out, _ = tandem("media", "drain", "own", "--move")
    assert (0, "own takes no new calls; 2 calls move\n") == (status, out)
    assert ("relays.drain", {"name": "own", "move": True}) == recorded.asked[-1]
