"""Rotation of keys: what signs when, what verifies how long, and the file that holds them."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tandem.cli.main import build
from tandem.cluster.first import make_keys
from tandem.cluster.keys import read_keys, sole_writer, write_keys
from tandem.cluster.model.keys import KEYS_MOST, Full, rotate, shown
from tandem.config import BadConfig

SECOND = 1_000_000
HOUR = 3_600 * SECOND
FIRST: dict[str, Any] = {
    "hash": "h",
    "signing": [{"id": "a", "secret": "s0"}],
    "nonce": [{"id": "a", "secret": "n0"}],
}


def turned(keys: dict[str, Any], now: int, **more: int) -> dict[str, Any]:
    return rotate(keys, now=now, signing=f"s{now}", nonce=f"n{now}", **more)


def ids(keys: dict[str, Any], use: str = "signing") -> str:
    return "".join(key["id"] for key in keys[use])


def test_a_new_key_signs_ten_seconds_later_and_the_old_one_verifies() -> None:
    keys = turned(FIRST, 100 * SECOND)
    assert ("ba", "ba", "h") == (ids(keys), ids(keys, "nonce"), keys["hash"])
    states = {time: [k.state for k in shown(keys, time * SECOND)][:2] for time in (109, 110)}
    assert {109: ["waits", "signs"], 110: ["signs", "verifies"]} == states


def test_a_key_leaves_when_the_longest_call_that_carries_it_is_over() -> None:
    keys = turned(FIRST, 0)
    keys = turned(keys, 2 * HOUR, kept_seconds=3_600)
    assert "cb" == ids(keys), "the first one signed its last two hours ago"
    keys = turned(keys, 2 * HOUR + SECOND, kept_seconds=3_600)
    assert "dcb" == ids(keys)


def test_keys_made_in_haste_all_verify() -> None:
    keys = FIRST
    for second in range(KEYS_MOST - 1):
        keys = turned(keys, second * SECOND)
    assert KEYS_MOST == len(set(ids(keys)))


def test_a_full_list_says_when_there_is_room_again() -> None:
    keys = FIRST
    for _ in range(KEYS_MOST - 1):
        keys = turned(keys, 0, kept_seconds=3_600)
    with pytest.raises(Full, match="signing: 16 keys") as full:
        turned(keys, SECOND, kept_seconds=3_600)
    assert HOUR + 10 * SECOND == full.value.free_at
    assert len(turned(keys, full.value.free_at, kept_seconds=3_600)["signing"]) <= KEYS_MOST


def test_an_id_is_never_in_use_twice() -> None:
    keys = FIRST
    for day in range(60):
        keys = turned(keys, day * 24 * HOUR)
        assert len(set(ids(keys))) == len(ids(keys)) <= 9


def test_two_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    make_keys(path)
    first = read_keys(path)["signing"][0]

    def change() -> None:
        with sole_writer(path):
            write_keys(path, turned(read_keys(path), 0))

    threads = [threading.Thread(target=change) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (6, first) == (len(read_keys(path)["signing"]), read_keys(path)["signing"][-1])
    assert 0o600 == path.stat().st_mode & 0o777


def test_the_command_rotates_lists_and_names_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tandem.toml").write_text('[sip]\nlisten = ["udp:127.0.0.1:0"]\n')
    monkeypatch.setenv("TANDEM_CONFIG", str(tmp_path / "tandem.toml"))
    (tmp_path / "var").mkdir()
    path = tmp_path / "var" / "keys.json"
    with pytest.raises(BadConfig, match=r"keys\.json"):
        build()(["keys", "list"], result_action="return_value")
    make_keys(path)
    secret = json.loads(path.read_text())["signing"][0]["secret"]
    build()(["keys", "rotate"], result_action="return_value")
    out, err = capsys.readouterr()
    assert out.startswith("key b signs in 10 s; 1 older ones verify")
    assert "not live yet" in err  # no node runs
    build()(["keys", "list", "--json"], result_action="return_value")
    out, _ = capsys.readouterr()
    assert ["b", "a", "b", "a"] == [json.loads(line)["id"] for line in out.splitlines()]
    assert secret not in out
