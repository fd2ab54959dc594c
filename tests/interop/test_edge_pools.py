"""A standalone edge in front of SIPp: calls go through while servers come, go and change by command, API and file; processes die."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tandem.testing.edge import RunningEdge
from tandem.testing.farm import Farm, wait
from tandem.testing.ports import free_port
from tandem.testing.sipp import ended

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")]
APPLIED_SECONDS = 1.0  # within which a changed list is in force
POLICY = """
import os, time
from tandem.edge.policy import Refuse, Request, To, on

@on("INVITE", by=("uri_user",), seconds=60)
def invite(request: Request):
    if request.uri_user == "slow":
        time.sleep(2)
    if request.uri_user == "broken":
        raise ZeroDivisionError("on purpose")
    if request.uri_user == "wrong":
        return request.source
    if request.uri_user.startswith("0900"):
        return Refuse(403, "Not from here")
    return To("b") if request.uri_user.startswith("+") else None
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    farms: list[Farm] = []

    def made(toml: Callable[[list[int]], str], count: int = 2, **more: Any) -> Farm:
        ports = [free_port() for _ in range(count)]
        edge = RunningEdge(tmp_path, toml(ports), **more)
        farm = Farm(edge, ports)
        farms.append(farm)
        edge.up()
        return farm

    yield made
    for farm in farms:
        farm.close()
        farm.edge.down()


def two(ports: list[int]) -> str:
    members = ", ".join(
        f'{{name = "fs{n}", address = "127.0.0.1:{port}"}}' for n, port in enumerate(ports, 1)
    )
    return f'[[pool]]\nname = "farm"\nalgorithm = "round_robin"\nmembers = [{members}]\n'


def test_calls_are_balanced_and_the_command_line_shows_it(make: Callable[..., Farm]) -> None:
    farm = make(two)
    farm.serve()
    farm.call(times=10)
    assert {"fs1": 5, "fs2": 5} == farm.answered()
    shown = farm.edge.tandem("edge", "pools").stdout
    assert "fs1" in shown and f"udp:127.0.0.1:{farm.ports[0]}" in shown
    top = farm.edge.tandem("top", "--once", "--seconds", "0.2")
    assert 0 == top.returncode, top.stderr
    for word in ("2/2 up", "fs1", "fs2", "p99", "via", "worker"):
        assert word in top.stdout
    times = farm.edge.ask("view")["pools"][0]["times"]
    assert [10, 10] == [sum(times[what]["counts"]) for what in ("answer", "final")]


def test_members_change_by_command_while_calls_run_and_outlive_the_edge(
    make: Callable[..., Farm],
) -> None:
    farm = make(two)
    farm.serve()
    edge = farm.edge
    talking = farm.caller(times=5, talk=3.0)
    wait(lambda: 5 == sum(farm.answered().values()), "five talk")
    assert 0 == edge.tandem("edge", "member", "drain", "farm", "fs1").returncode
    third = free_port()
    assert (
        0
        == edge.tandem(
            "edge", "member", "add", "farm", "fs3", f"address=127.0.0.1:{third}", "weight=10"
        ).returncode
    )
    farm.serve(third)
    assert 0 == edge.tandem("edge", "member", "remove", "farm", "fs2").returncode
    farm.call(times=4)
    ended(talking)  # calls at a draining and at a removed server went on to their ends
    for name in ("edge-1", "admin"):
        dead = edge.kill(name)
        edge.until(lambda name=name, dead=dead: edge.pid(name) != dead, "replaced")
    edge.until(lambda: not edge.ask("view")["missing"], "the worker answers")
    farm.call(times=3)
    assert {"fs1": 0, "fs3": 3} == farm.answered()
    assert 0 == edge.tandem("edge", "changes", "--forget").returncode
    assert {"fs1", "fs2"} == {m["name"] for m in edge.ask("pools.list")[0]["members"]}


def test_pools_and_members_change_by_http(make: Callable[..., Farm]) -> None:
    farm = make(two, http=True)
    farm.serve()
    with httpx.Client(
        base_url=farm.edge.url("/api/pools"), headers={"Authorization": f"Bearer {farm.edge.token}"}, timeout=20
    ) as client:  # fmt: skip
        assert {"name": "fs1", "weight": 7} == {
            k: v for k, v in client.patch("/farm/members/fs1", json={"weight": 7}).json().items() if k in ("name", "weight")
        }  # fmt: skip
        assert 204 == client.delete("/farm/members/fs2").status_code
        farm.call(times=3)
        assert {"fs1": 3} == farm.answered()
        assert (
            200
            == client.put(
                "/farm/members/fs2", json={"address": f"127.0.0.1:{farm.ports[1]}"}
            ).status_code
        )
        assert 200 == client.patch("/farm", json={"algorithm": "weighted"}).status_code
        whole = client.get("/farm").json()
        assert ("weighted", ["fs1", "fs2"]) == (
            whole["pool"]["algorithm"],
            [m["name"] for m in whole["live"]["members"]],
        )
        refused = client.patch("/farm/members/fs1", json={"weight": 70_000})
        assert 400 == refused.status_code and "weight" in refused.text
        assert 404 == client.patch("/farm/members/fs9", json={"weight": 7}).status_code
        put = client.put(
            "/other", json={"name": "other", "members": [{"address": "127.0.0.1:9", "name": "x"}]}
        )
        assert (200, "x") == (put.status_code, put.json()["members"][0]["name"])
        assert ["farm", "other"] == [pool["name"] for pool in client.get("").json()["items"]]
        assert 204 == client.delete("/other").status_code
        metrics = client.get(farm.edge.url("/metrics")).text
        assert 'tandem_member_replies_total{class="2xx",member="fs1",pool="farm"} 3.0' in metrics


def listed(ports: list[int]) -> str:
    return '[[pool]]\nname = "farm"\ndispatcher_list = "dispatcher.list"\n'


def test_a_dispatcher_list_is_in_force_within_a_second_and_a_bad_one_changes_nothing(
    make: Callable[..., Farm], tmp_path: Path
) -> None:
    ports = [free_port(), free_port()]
    path = tmp_path / "dispatcher.list"
    line = "1 sip:127.0.0.1:{port} 0 0 duid={name};weight=50\n"
    path.write_text("# from Kamailio\n" + line.format(port=ports[0], name="one"))
    farm = make(listed, count=0)
    farm.serve(*ports)
    farm.call(times=2)
    assert {"one": 2} == farm.answered()
    path.write_text(line.format(port=ports[1], name="two"))
    took = wait(lambda: "two" in farm.answered(), "the new list")
    assert APPLIED_SECONDS > took
    farm.call(times=2)
    assert 2 == farm.answered()["two"]
    path.write_text("1 nonsense:\n")
    farm.edge.until(lambda: farm.edge.ask("view")["problems"], "the bad list is told")
    assert "dispatcher.list: line 1" in farm.edge.ask("view")["problems"][0]
    farm.call(times=1)
    assert 3 == farm.answered()["two"]
    replaced = path.with_suffix(".new")
    replaced.write_text(line.format(port=ports[0], name="one"))
    replaced.rename(path)  # as editors and configuration tools write files
    took = wait(lambda: "one" in farm.answered(), "the file that took its place")
    assert APPLIED_SECONDS > took
    assert [] == farm.edge.ask("view")["problems"]
    assert 0 == farm.edge.tandem("edge", "member", "set", "farm", "one", "weight=7").returncode
    assert 7 == farm.edge.ask("pools.list")[0]["members"][0]["weight"]


def test_a_list_that_is_missing_is_refused_with_its_name(tmp_path: Path) -> None:
    edge = RunningEdge(tmp_path, listed([]))
    for words in (("check",), ("run",)):
        done = edge.tandem("edge", *words)
        assert 2 == done.returncode, words
        assert "dispatcher.list: there is no such file" in done.stderr
    (tmp_path / "dispatcher.list").write_text("2 sip:127.0.0.1:5080\n")
    assert "set 1: there is no such set; there are: 2" in edge.tandem("edge", "check").stderr


def by_policy(ports: list[int]) -> str:
    pools = "".join(
        f'[[pool]]\nname = "{name}"\nmembers = [{{name = "{name}1", address = "127.0.0.1:{port}"}}]\n'
        for name, port in zip("ab", ports, strict=True)
    )
    return f'[policy]\nfile = "policy.py"\nmilliseconds = 300\n{pools}[[route]]\npool = "a"\n'


def test_python_decides_and_its_verdicts_are_kept(
    make: Callable[..., Farm], tmp_path: Path
) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    farm = make(by_policy)
    edge = farm.edge
    farm.serve()
    edge.until(
        lambda: "policy in force" in (edge.config.log_dir / "edge-1.log").read_text(), "rules"
    )
    farm.call("+4930", times=5)
    farm.call("100", times=2)
    farm.call("0900123", final=403)
    assert {"a1": 2, "b1": 5} == farm.answered()
    counters = edge.ask("view")["counters"]
    assert 3 == counters["proxy_policy_asked"]
    # a function that is slow, fails, or says nonsense: as the routes say, and the log has the traceback
    for number in ("slow", "broken", "wrong"):
        farm.call(number)
    assert {"a1": 5, "b1": 5} == farm.answered()
    log = (edge.config.log_dir / "policy.log").read_text()
    assert "ZeroDivisionError: on purpose" in log
    assert "verdict on INVITE is kept by ('uri_user',): add 'source' to by=" in log
    counters = edge.ask("view")["counters"]
    assert (1, 2) == (counters["proxy_policy_late"], counters["proxy_policy_failed"])


def test_a_policy_process_that_dies_or_changes_costs_no_call(
    make: Callable[..., Farm], tmp_path: Path
) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    farm = make(by_policy)
    edge, log = farm.edge, farm.edge.config.log_dir / "edge-1.log"
    farm.serve()
    edge.until(lambda: "policy in force" in log.read_text(), "rules")
    dead = edge.kill("policy")
    farm.call("+1", times=1)  # by the routes or by the next process: it is answered
    edge.until(
        lambda: edge.pid("policy") != dead and 2 == log.read_text().count("policy in force"),
        "a new process",
    )
    farm.call("+4930", times=2)
    (tmp_path / "policy.py").write_text(POLICY.replace('To("b")', 'To("a")'))
    assert 0 == edge.tandem("edge", "reload").returncode
    edge.until(lambda: 3 == log.read_text().count("policy in force"), "the new file")
    before = farm.answered()["a1"]
    farm.call("+4930", times=2)  # what was kept is void
    assert before + 2 == farm.answered()["a1"]
    (tmp_path / "policy.py").write_text("def broken(:\n")
    refused = edge.tandem("edge", "reload")
    assert (2, True) == (refused.returncode, "policy.py: SyntaxError" in refused.stderr)
    os.kill(edge.state.supervisor.pid, signal.SIGHUP)  # what looks at nothing
    edge.until(
        lambda: "policy file not used" in (edge.config.log_dir / "policy.log").read_text(), "told"
    )
    farm.call("+4930")
    assert before + 3 == farm.answered()["a1"]


def test_a_supervisor_that_is_killed_costs_no_call(make: Callable[..., Farm]) -> None:
    farm = make(two)
    farm.serve()
    calls = farm.caller(times=30, talk=0.1)
    farm.edge.kill("supervisor")
    farm.edge.up()
    ended(calls)
    assert 30 == sum(farm.answered().values())
