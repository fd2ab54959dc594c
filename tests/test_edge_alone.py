"""A standalone edge as an operator has it: real processes, started, changed while they run, and killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tandem.cluster.processes import alive, read_state
from tandem.testing.edge import RunningEdge

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 5.0
OPTIONS = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bK{id};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:alice@demo.example>;tag=f\r\nTo: <sip:edge@127.0.0.1>\r\n"
    "Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {pad}\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[RunningEdge]:
    with RunningEdge(tmp_path, workers=2, http=True) as running:
        yield running


def asked(edge: RunningEdge, id: str, seconds: float = PATIENCE_SECONDS) -> bytes:
    """The edge's answer to an OPTIONS, b"" without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(seconds)
        phone.sendto(OPTIONS.format(id=id, pad="x" * 400).encode(), edge.address())
        try:
            return phone.recv(65_535)
        except TimeoutError:
            return b""


def api(edge: RunningEdge) -> httpx.Client:
    return httpx.Client(
        base_url=edge.url(""), headers={"Authorization": f"Bearer {edge.token}"}, timeout=20
    )


def test_two_workers_share_every_address(edge: RunningEdge) -> None:
    for n in range(64):
        assert asked(edge, f"shared{n}").startswith(b"SIP/2.0 200 ")
    counts = [worker["counters"]["received_udp"] for worker in edge.ask("view")["workers"]]
    assert 64 == sum(counts)
    assert all(counts)


def test_a_killed_worker_is_replaced_at_once_and_loses_no_datagram(edge: RunningEdge) -> None:
    for life in range(4):
        dead = edge.kill(f"edge-{1 + life % 2}")
        for n in range(8):
            assert asked(edge, f"life{life}n{n}").startswith(b"SIP/2.0 200 ")
        edge.until(
            lambda dead=dead: dead not in [edge.pid("edge-1"), edge.pid("edge-2")], "replaced"
        )
    log = (edge.config.log_dir / "supervisor.log").read_text()
    restarts = [
        float(line.rpartition("restart_ms=")[2])
        for line in log.splitlines()
        if "child died" in line
    ]
    assert 4 == len(restarts) and max(restarts) < 50.0


def test_the_next_supervisor_adopts_what_a_killed_one_left(edge: RunningEdge) -> None:
    listens, http = edge.state.listens, edge.state.http
    pids = {name: edge.pid(name) for name in ("edge-1", "edge-2", "admin")}
    edge.kill("supervisor")
    assert asked(edge, "orphan").startswith(b"SIP/2.0 200 ")
    assert edge.ask("ready")["ready"]
    edge.up()
    assert (listens, http) == (edge.state.listens, edge.state.http)
    assert pids == {name: edge.pid(name) for name in pids}
    dead = edge.kill("edge-2")  # the adopted one's socket is known to the new supervisor
    edge.until(lambda: edge.pid("edge-2") != dead, "replaced")
    assert listens == edge.state.listens


def test_limits_and_lists_change_live_and_outlive_every_process(edge: RunningEdge) -> None:
    assert asked(edge, "before").startswith(b"SIP/2.0 200 ")
    done = edge.tandem("edge", "limits", "deny=127.0.0.0/8", "source_rate=77")
    assert 0 == done.returncode, done.stderr
    assert "127.0.0.0/8" in done.stdout
    assert b"" == asked(edge, "denied", 0.3)
    for name in ("edge-1", "edge-2", "admin"):
        dead = edge.kill(name)
        edge.until(lambda name=name, dead=dead: edge.pid(name) != dead, "replaced")
    edge.until(lambda: not edge.ask("view")["missing"], "all workers answer")
    assert [b""] * 8 == [asked(edge, f"still{n}", 0.1) for n in range(8)]
    assert {"lists": {"deny": ["127.0.0.0/8"]}, "limits": {"source_rate": 77}} == json.loads(edge.tandem("edge", "changes").stdout)  # fmt: skip
    assert "{}" == edge.tandem("edge", "changes", "--forget").stdout.strip()
    assert asked(edge, "again").startswith(b"SIP/2.0 200 ")


def test_a_refused_change_names_the_field_and_changes_nothing(edge: RunningEdge) -> None:
    for words, why in [
        (("limits", "source_rate=0"), "limits.source_rate: 0: at least 1"),
        (("limits", "source_rte=5"), "did you mean `source_rate`?"),
        (("limits", "deny=10.0.0.0/99"), "lists.deny[0]: '10.0.0.0/99': write a network"),
        (("limits", "deny"), "write limit=value"),
        (("ban", "nobody"), "an IP address is needed"),
        (("ban", "192.0.2.1", "--for", "2w"), "for: '2w': a time like 90s, 15m, 1h, at most 1d"),
        (("ban", "192.0.2.1", "--reason", "x" * 121), "at most 120 characters"),
        (("abuse", "nobody"), "an IP address is needed"),
        (("member", "set", "farm", "fs1", "weight=1"), "no such pool: farm; there are: none"),
        (("member", "add", "farm", "fs1", "weight=x"), "weight: a whole number"),
    ]:
        done = edge.tandem("edge", *words)
        assert 1 == done.returncode, words
        assert why in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert {} == edge.ask("changes.show")


def test_a_source_is_banned_at_every_worker_and_heard_again(edge: RunningEdge) -> None:
    done = edge.tandem("edge", "ban", "127.0.0.1", "--for", "15m", "--reason", "toll fraud")
    assert (0, True) == (done.returncode, "(15 m)" in done.stdout), done.stderr
    assert [b""] * 8 == [asked(edge, f"banned{n}", 0.1) for n in range(8)]
    for name in ("edge-2", "admin"):  # a new worker is told, by a new admin process too
        dead = edge.kill(name)
        edge.until(lambda name=name, dead=dead: edge.pid(name) != dead, "replaced")
        edge.until(lambda: [1, 2] == edge.ask("abuse")["banned"][0]["workers"], "told again")
    assert [b""] * 8 == [asked(edge, f"still{n}", 0.1) for n in range(8)]
    (line,) = json.loads(edge.tandem("edge", "abuse", "--json").stdout)["banned"]
    assert ("127.0.0.1", "asked", "toll fraud") == (line["source"], line["why"], line["note"])
    assert 0 < line["seconds"] <= 900
    said = edge.tandem("edge", "abuse").stdout
    for word in ("banned now: 1", "somebody asked for it", "toll fraud", "127.0.0.1"):
        assert word in said, said
    assert "banned now: 0" in edge.tandem("edge", "abuse", "192.0.2.7").stdout
    ended = json.loads(edge.tandem("edge", "unban", "127.0.0.1", "--json").stdout)
    assert {"source": "127.0.0.1", "was_banned": True, "missing": {}} == ended
    assert asked(edge, "heard").startswith(b"SIP/2.0 200 ")
    assert "was not banned" in edge.tandem("edge", "unban", "127.0.0.1").stdout


def test_the_api_wants_the_token_and_speaks_in_problems(edge: RunningEdge) -> None:
    with httpx.Client(base_url=edge.url(""), timeout=20) as stranger:
        assert 200 == stranger.get("/healthz").status_code
        assert {"ready": True, "reasons": []} == stranger.get("/readyz").json()
        assert 'tandem_edge_up{edge="2"} 1.0' in stranger.get("/metrics").text
        assert 401 == stranger.get("/api/edge").status_code
        assert 401 == stranger.get("/api/edge", headers={"Authorization": "Bearer x"}).status_code
        document = stranger.get("/api/openapi.json").json()
        assert {"get", "put", "patch", "delete"} == set(document["paths"]["/api/pools/{pool}"])
    with api(edge) as client:
        assert [1, 2] == [
            worker["edge"] for worker in client.get("/api/edge").json()["view"]["workers"]
        ]
        assert (
            9
            == client.patch("/api/rules", json={"limits": {"source_rate": 9}}).json()["limits"][
                "source_rate"
            ]
        )
        assert (
            200
            == client.patch("/api/rules", json={"limits": {"source_rate": None}}).json()["limits"][
                "source_rate"
            ]
        )
        refused = client.patch("/api/rules", json={"limits": {"source_rate": 0}})
        assert (400, "application/problem+json") == (
            refused.status_code,
            refused.headers["content-type"],
        )
        assert "limits.source_rate: 0: at least 1" in refused.json()["detail"]
        assert 404 == client.get("/api/pools/farm").status_code
        assert 404 == client.get("/api/nothing").status_code
        order = {"source": "192.0.2.1", "seconds": 77, "note": "spam"}
        begun = client.post("/api/bans", json=order)
        assert (201, 77) == (begun.status_code, begun.json()["seconds"])
        (line,) = client.get("/api/abuse", params={"source": "192.0.2.1"}).json()["banned"]
        assert ("asked", "spam", [1, 2]) == (line["why"], line["note"], line["workers"])
        assert {"was_banned": True, "missing": {}} == client.delete("/api/bans/192.0.2.1").json()
        assert [] == client.get("/api/abuse").json()["banned"]
        edge.workers = 3
        edge.write("[limits]\nsource_rate = 31\n")
        assert 200 == client.post("/api/edge/reload").status_code
        edge.until(lambda: "edge-3" in edge.state.children, "a third worker")
        assert 31 == client.get("/api/rules").json()["limits"]["source_rate"]
        edge.write("[limits]\nsource_rate = 0\n")
        assert 400 == client.post("/api/edge/reload").status_code
        edge.write("")
        assert 400 == client.get("/api/abuse", params={"source": "nobody"}).status_code
        assert (
            400 == client.post("/api/bans", json={"source": "::1", "seconds": 86_401}).status_code
        )


def test_a_drained_edge_is_not_ready(edge: RunningEdge) -> None:
    assert 0 == edge.tandem("edge", "drain").returncode
    assert asked(edge, "drained").startswith(b"SIP/2.0 503 ")
    assert 503 == httpx.get(edge.url("/readyz"), timeout=20).status_code
    assert 0 == edge.tandem("edge", "undrain").returncode
    assert asked(edge, "taking").startswith(b"SIP/2.0 200 ")


def test_status_tells_processes_and_whether_calls_find_their_way(edge: RunningEdge) -> None:
    done = edge.tandem("edge", "status")
    assert 0 == done.returncode, done.stdout
    for word in (
        "supervisor",
        "edge-1",
        "edge-2",
        "admin",
        "ready       yes",
        edge.state.listens[0],
    ):
        assert word in done.stdout
    assert json.loads(edge.tandem("edge", "status", "--json").stdout)["up"]
    assert "received_udp" not in edge.tandem("edge", "view").stdout  # nothing came yet
    assert [] == json.loads(edge.tandem("edge", "view", "--json").stdout)["pools"]


def test_a_reload_changes_what_it_can_and_refuses_a_bad_file(edge: RunningEdge) -> None:
    pid = edge.pid("edge-1")
    edge.write("[limits]\nsource_rate = 31\n")
    assert 0 == edge.tandem("edge", "reload").returncode
    edge.until(lambda: 31 == edge.ask("rules.show")["limits"]["source_rate"], "the new limit")
    assert pid == edge.pid("edge-1")
    edge.write("[limits]\nsource_rate = 0\n")
    refused = edge.tandem("edge", "reload")
    assert (2, True) == (refused.returncode, "limits.source_rate: 0: at least 1" in refused.stderr)
    edge.workers = 3
    edge.write("")
    assert 0 == edge.tandem("edge", "reload").returncode
    edge.until(
        lambda: "edge-3" in edge.state.children and not edge.ask("view")["missing"],
        "a third worker",
    )
    assert 3 == len(edge.ask("view")["workers"])
    assert pid == edge.pid("edge-1")


def test_run_and_stop_from_the_command_line(tmp_path: Path) -> None:
    edge = RunningEdge(tmp_path)
    assert 3 == edge.tandem("edge", "status").returncode
    assert 1 == edge.tandem("edge", "pools").returncode
    try:
        done = edge.tandem("edge", "run", "--daemon")
        assert 0 == done.returncode, done.stderr + edge.logs()
        assert "listens  udp:127.0.0.1:" in done.stdout
        assert asked(edge, "daemon").startswith(b"SIP/2.0 200 ")
        assert "runs already" in edge.tandem("edge", "run").stdout
    finally:
        processes = edge.state.processes
        assert "the edge is down" in edge.tandem("edge", "stop").stdout
    assert not any(map(alive, processes))
    assert "does not run" in edge.tandem("edge", "stop").stdout


def test_an_address_that_another_program_has_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = f"udp:127.0.0.1:{other.getsockname()[1]}"
        done = RunningEdge(tmp_path, listen=(taken,)).tandem("edge", "run", "--daemon")
    assert 2 == done.returncode
    assert f"edge.listen: {taken}: Address already in use" in done.stderr


def test_a_first_edge_in_two_commands(tmp_path: Path) -> None:
    edge = RunningEdge(tmp_path)
    edge.file.unlink()
    assert 0 == edge.tandem("edge", "init", str(edge.file)).returncode
    said: Any = edge.tandem("edge", "check")
    assert (0, True) == (said.returncode, "Pool farm: 2 servers" in said.stdout)
    assert 2 == edge.tandem("edge", "init", str(edge.file)).returncode
    edge.file.write_text("[[pool]]\nname = 'farm'\nalgorithm = 'best'\n")
    bad = edge.tandem("edge", "check")
    assert (2, True) == (bad.returncode, "pool[0].algorithm: 'best': one of" in bad.stderr)


def test_a_stopped_admin_process_does_not_stop_calls(edge: RunningEdge) -> None:
    admin = edge.kill("admin", signal.SIGSTOP)
    try:
        assert asked(edge, "without").startswith(b"SIP/2.0 200 ")
    finally:
        os.kill(admin, signal.SIGCONT)


def test_copies_go_to_the_homer_that_the_file_names(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as homer:
        homer.bind(("127.0.0.1", 0))
        homer.settimeout(PATIENCE_SECONDS)
        hep = f'[hep]\nto = "udp:127.0.0.1:{homer.getsockname()[1]}"\nid = 77\n'
        with RunningEdge(tmp_path, hep) as edge:
            assert asked(edge, "copied").startswith(b"SIP/2.0 200 ")
            copy = homer.recv(65_535)
    assert copy.startswith(b"HEP3") and b"Call-ID: copied" in copy


def test_a_terminal_that_is_closed_takes_no_supervisor_with_it(tmp_path: Path) -> None:
    edge = RunningEdge(tmp_path)
    terminal, inside = os.openpty()
    environ = {**os.environ, "TANDEM_EDGE_CONFIG": str(edge.file)}
    run = subprocess.Popen(
        [sys.executable, "-m", "tandem.cli", "edge", "run"],
        env=environ, stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    try:
        edge.until(lambda: read_state(edge.config.run) is not None, "its state is there")
        edge.until(lambda: edge.state.supervisor.pid == run.pid, "it is up")
        edge.until(lambda: asked(edge, "before", 0.2), "it serves")
        os.close(terminal)
        for _ in range(2):  # each is told to a terminal that is gone
            dead = edge.kill("edge-1")
            edge.until(lambda dead=dead: edge.pid("edge-1") != dead, "replaced")
        assert asked(edge, "after").startswith(b"SIP/2.0 200 ")
        assert run.poll() is None
    finally:
        assert 0 == edge.tandem("edge", "stop").returncode
        run.wait(30)


def test_a_change_that_cannot_be_kept_is_told_as_that(edge: RunningEdge) -> None:
    edge.config.changes.with_suffix(".new").mkdir()  # where it would be written
    done = edge.tandem("edge", "limits", "source_rate=77")
    assert 1 == done.returncode
    assert "in force, but not kept for the next start" in done.stderr, done.stderr
    assert 77 == edge.ask("rules.show")["limits"]["source_rate"]
    assert any("not kept" in problem for problem in edge.ask("view")["problems"])
    edge.config.changes.with_suffix(".new").rmdir()
    assert 0 == edge.tandem("edge", "limits", "source_rate=78").returncode
    assert () == tuple(edge.ask("view")["problems"])
