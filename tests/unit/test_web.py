"""The HTTP API against a real database and a real control socket: tables, live calls, records, and its refusals."""

import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tandem.web.app import HANDLERS
from tandem.web.bodies import NewCall, NewLogin, NewTenant, NewToken, NewTrunk, NewUser
from tandem.web.logging_in import check, ensure_admin
from tandem.web.routes.calls import hide

from .console import LIVE_A, LIVE_B, PASSWORD, PAST_A, PAST_B, Console, console

BODIES = (NewTenant, NewUser, NewTrunk, NewLogin, NewToken, NewCall)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Console]:
    with console(tmp_path) as made:
        yield made


def problem(said: Any, status: int) -> dict[str, Any]:
    assert status == said.status_code, said.text
    assert "application/problem+json" == said.headers["content-type"]
    told: dict[str, Any] = said.json()
    assert status == told["status"]
    assert told["title"]
    return told


def audit(desk: Console) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = desk.ask("root", "GET", "/api/audit").json()["items"]
    return lines


def test_a_user_is_added_changed_and_removed_and_the_node_hears_of_it(desk: Console) -> None:
    users = "/api/tenants/a/users"
    said = desk.ask(
        "root", "POST", users, json={"name": "Dora", "number": "104", "password": PASSWORD}
    )
    assert (201, "yes") == (said.status_code, said.headers["tandem-live"])
    assert "dora" == said.json()["name"]
    assert ("reload", {"what": "accounts"}) == desk.recorded.asked[-1]
    assert PASSWORD not in said.text and "ha1" not in said.text.lower()
    said = desk.ask("root", "PATCH", f"{users}/dora", json={"forward_busy": "bob"})
    assert ("bob", "104") == (said.json()["forward_busy"], said.json()["number"])
    problem(desk.ask("root", "POST", users, json={"name": "dora"}), 409)
    assert (
        204
        == desk.ask(
            "root", "PUT", f"{users}/dora/password", json={"password": PASSWORD + "9"}
        ).status_code
    )
    assert 204 == desk.ask("root", "DELETE", f"{users}/dora").status_code
    problem(desk.ask("root", "GET", f"{users}/dora"), 404)
    told = [(line["who"], line["what"], line["target"]) for line in audit(desk)][:5]
    assert ("root", "user removed", "a/dora") == told[0]
    assert {"user removed", "user password set", "user changed", "user added"} == {
        what for _, what, _ in told
    }
    changed = next(line for line in audit(desk) if line["what"] == "user changed")
    assert {"before": {"forward_busy": ""}, "after": {"forward_busy": "bob"}} == changed["detail"]
    assert PASSWORD not in desk.ask("root", "GET", "/api/audit").text


def test_a_failed_change_leaves_no_row_and_no_audit_line(desk: Console) -> None:
    before = len(audit(desk))
    body = {"name": "dora", "number": "104", "password": "short"}
    told = problem(desk.ask("root", "POST", "/api/tenants/a/users", json=body), 400)
    assert ("password", "at least 12 characters") == (told["field"], told["detail"])
    problem(desk.ask("root", "GET", "/api/tenants/a/users/dora"), 404)
    assert before == len(audit(desk))


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/tenants", {"id": "c", "domain": "c.example", "colour": "red"}, "colour"),
        ("POST", "/api/tenants", {"id": "c", "domain": 7}, "domain"),
        ("POST", "/api/tenants", {"id": "c", "domain": "not a domain"}, "domain"),
        ("POST", "/api/tenants/a/users", {"name": "x", "pasword": "y"}, "pasword"),
        ("PATCH", "/api/tenants/a/users/bob", {"ring_seconds": 100_000}, "ring_seconds"),
        ("PATCH", "/api/tenants/a/users/bob", {"name": "rob"}, "name"),
        ("POST", "/api/trunks", {"id": "t", "host": "127.0.0.1", "port": -1}, "port"),
        ("POST", "/api/trunks", {"id": "t", "host": "127.0.0.1", "cidrs": ["10.0.0.0/99"]}, "cidrs"),
        ("POST", "/api/routes", {"id": "r", "trunk": "nowhere"}, "trunk"),
        ("POST", "/api/routes", {"id": "r", "trunk": "line-b", "tenant": "a"}, "trunk"),
        ("GET", "/api/cdrs?limit=1001", None, "limit"),
        ("GET", "/api/cdrs?limit=none", None, "limit"),
        ("GET", "/api/cdrs?cursor=nonsense", None, "cursor"),
        ("POST", "/api/tokens", {"role": "emperor"}, "role"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field(
    desk: Console, method: str, path: str, body: Any, field: str
) -> None:
    args = {} if body is None else {"json": body}
    assert field == problem(desk.ask("root", method, path, **args), 400).get("field")


def test_everything_else_that_goes_wrong_is_a_problem_too(desk: Console) -> None:
    problem(desk.ask("root", "GET", "/api/nothing"), 404)
    problem(desk.ask("root", "PUT", "/api/tenants"), 405)
    problem(desk.ask("root", "POST", "/api/tenants", content=b"{"), 400)
    problem(desk.ask("root", "POST", "/api/tenants", content=b"x" * 2_000_000), 413)
    problem(desk.client.get("/api/tenants"), 401)
    problem(desk.client.get("/api/tenants", headers={"Authorization": "Bearer " + "x" * 40}), 401)
    problem(desk.client.get("/api/tenants", headers={"Authorization": "Basic cm9vdDp4"}), 401)


def test_a_trunks_password_is_written_and_never_read(desk: Console) -> None:
    said = desk.ask("root", "GET", "/api/trunks/line-a")
    assert said.json()["has_password"]
    said = desk.ask("root", "PATCH", "/api/trunks/line-a", json={"password": "another-secret"})
    assert 200 == said.status_code
    everything = (
        said.text
        + desk.ask("root", "GET", "/api/trunks").text
        + desk.ask("root", "GET", "/api/audit").text
    )
    plan = desk.ask("root", "GET", "/api/plan?caller=alice@a.example&to=%2B4930123456")
    assert plan.json()["goes"] and "line-a" == plan.json()["stages"][0][0]["trunk"]
    assert "secret" not in everything + plan.text
    with sqlite3.connect(desk.database.path) as file:
        assert ("another-secret",) == file.execute(
            "SELECT password FROM trunks WHERE id = 'line-a'"
        ).fetchone()
    file.close()


def test_lists_and_emergency_numbers(desk: Console) -> None:
    line = {"do": "deny", "kind": "prefix", "value": "+4990"}
    assert 200 == desk.ask("root", "PUT", "/api/tenants/a/lists", json=line).status_code
    assert ["+4990"] == [
        one["value"] for one in desk.ask("root", "GET", "/api/tenants/a/lists").json()["items"]
    ]
    plan = desk.ask("root", "GET", "/api/plan?caller=alice@a.example&to=%2B4990123456").json()
    assert not plan["goes"]
    gone = "/api/tenants/a/lists?kind=prefix&value=%2B4990"
    assert 204 == desk.ask("root", "DELETE", gone).status_code
    problem(desk.ask("root", "DELETE", gone), 404)
    rescue = {"number": "112", "trunk": "line-a"}
    assert 200 == desk.ask("root", "PUT", "/api/tenants/a/emergency", json=rescue).status_code
    assert desk.ask("root", "GET", "/api/plan?caller=alice@a.example&to=112").json()["emergency"]


def test_lists_come_in_pages(desk: Console) -> None:
    names: list[str] = []
    cursor = ""
    while True:
        said = desk.ask("root", "GET", f"/api/tenants/a/users?limit=2&cursor={cursor}").json()
        names += [user["name"] for user in said["items"]]
        cursor = said["next"]
        if not cursor:
            break
    assert ["alice", "bob", "carol"] == names
    first = desk.ask("root", "GET", "/api/tenants?limit=1").json()
    assert ("a", "a") == (first["items"][0]["id"], first["next"])
    assert "b" == desk.ask("root", "GET", "/api/tenants?limit=1&cursor=a").json()["items"][0]["id"]
    assert [PAST_B] == [
        c["id"] for c in desk.ask("root", "GET", "/api/cdrs?limit=1").json()["items"]
    ]


def test_live_calls_are_shown_moved_and_ended(desk: Console) -> None:
    said = desk.ask("root", "GET", "/api/calls").json()
    assert [LIVE_A, LIVE_B] == [call["id"] for call in said["items"]]
    assert "alice@a.example" == said["items"][0]["legs"][0]["who"]
    assert (
        202
        == desk.ask(
            "desk-a", "POST", f"/api/calls/{LIVE_A}/transfer", json={"to": "carol"}
        ).status_code
    )
    moved = dict(desk.recorded.asked)["calls.transfer"]
    assert {"id": LIVE_A, "to": "carol", "leg": "caller", "by": "desk-a"} == moved
    assert 204 == desk.ask("desk-a", "DELETE", f"/api/calls/{LIVE_A}").status_code
    problem(desk.ask("desk-a", "GET", f"/api/calls/{LIVE_A}"), 404)
    made = desk.ask("desk-a", "POST", "/api/calls", json={"from": "alice@a.example", "to": "102"})
    assert (201, LIVE_A) == (made.status_code, made.json()["id"])
    problem(
        desk.ask("desk-a", "POST", "/api/calls", json={"from": "alice@b.example", "to": "102"}), 404
    )
    whats = [line["what"] for line in audit(desk)]
    assert {"call originated", "call hung up", "call transferred"} <= set(whats)


def test_a_trace_never_carries_a_digest_response(desk: Console) -> None:
    said = desk.ask("root", "GET", f"/api/calls/{LIVE_A}/trace")
    assert 3 == len(said.json()["items"])
    assert "0123456789abcdef" not in said.text
    assert 'nonce="n"' in said.json()["items"][0]["text"]


@pytest.mark.parametrize(
    "line",
    [
        'Authorization: Digest username="a", response="SECRET", uri="x"',
        "PROXY-AUTHORIZATION : Digest response = SECRET, nc=1",
        'Authorization: Digest username="a",\r\n response="SECRET"',
        "Authorization: Basic SECRET",
        "authorization:Bearer SECRET",
    ],
)
def test_no_form_of_credentials_passes(line: str) -> None:
    message = f"REGISTER sip:a SIP/2.0\r\n{line}\r\nCSeq: 1 REGISTER\r\n\r\nresponse=of the body"
    hidden = hide(message)
    assert "SECRET" not in hidden
    assert hidden.endswith("\r\nCSeq: 1 REGISTER\r\n\r\nresponse=of the body")


def test_strange_input_is_refused_and_never_a_failure_of_ours(desk: Console) -> None:
    chance = random.Random(20)
    junk: list[Any] = [
        "",
        "x" * 300,
        "\x00",
        "\ud7ff",
        "../..",
        "%",
        "a b",
        -1,
        2**70,
        1.5,
        None,
        True,
        [],
        {},
        ["x"],
        {"x": 1},
    ]
    for handler in HANDLERS:
        method, path = next(iter(handler.http_methods)), next(iter(handler.paths))
        if handler.name in ("login", "logout", "me.password") or "remove" in handler.name:
            continue
        names = [field for kind in BODIES for field in kind.__struct_fields__]
        for _ in range(12):
            at = re.sub(
                r"\{\w+:\w+\}", lambda _: quote(str(chance.choice(junk)) or "x", safe=""), path
            )
            query = {
                n: str(chance.choice(junk))
                for n in ("limit", "cursor", "tenant", "since", "caller", "to", "party")
            }
            body = {n: chance.choice(junk) for n in chance.sample(names, 3)}
            args = {"json": body} if method in ("POST", "PUT", "PATCH") else {"params": query}
            said = desk.ask("root", method, at, **args)
            assert said.status_code < 500, (method, at, args, said.text)


def test_a_call_is_told_in_one_paragraph_live_and_past(desk: Console) -> None:
    assert "has not ended" in desk.ask("root", "GET", f"/api/calls/{LIVE_A}/why").json()["why"]
    assert (
        "They talked for 59.9 s"
        in desk.ask("root", "GET", f"/api/calls/{PAST_A}/why").json()["why"]
    )
    assert ["answered"] == [
        e["what"] for e in desk.ask("root", "GET", f"/api/calls/{PAST_A}/events").json()["items"]
    ]
    problem(desk.ask("root", "GET", "/api/calls/9abcdefghjkmn/why"), 404)


def test_cdrs_are_exported_whole(desk: Console) -> None:
    said = desk.ask("root", "GET", "/api/cdrs/export?format=csv")
    assert said.headers["content-type"].startswith("text/csv")
    rows = said.text.strip().split("\r\n")
    assert (3, True) == (len(rows), rows[0].startswith("id,tenant,caller"))
    assert 1 == desk.ask("desk-a", "GET", "/api/cdrs/export?format=jsonl").text.count("\n")


def test_without_a_node_tables_can_be_changed_and_calls_say_why_not(tmp_path: Path) -> None:
    with console(tmp_path, node=False) as desk:
        for path in (
            "/api/calls",
            "/api/registrations",
            "/api/nodes",
            f"/api/calls/{LIVE_A}/trace",
        ):
            told = problem(desk.ask("root", "GET", path), 503)
            assert "call node is not reachable" == told["title"]
        said = desk.ask("root", "POST", "/api/tenants/a/users", json={"name": "dora"})
        assert (201, "no") == (said.status_code, said.headers["tandem-live"])
        assert 200 == desk.ask("root", "GET", f"/api/calls/{PAST_A}/why").status_code
        assert 200 == desk.client.get("/healthz").status_code
        ready = desk.client.get("/readyz")
        assert (503, ["call node is not reachable"]) == (ready.status_code, ready.json()["reasons"])
        assert "tandem_node_up 0.0" in desk.client.get("/metrics").text


def test_readyz_gives_the_nodes_reasons(desk: Console) -> None:
    assert 200 == desk.client.get("/readyz").status_code
    desk.recorded.ping |= {"ready": False, "reasons": ["no edge is linked"]}
    ready = desk.client.get("/readyz")
    assert (503, ["no edge is linked"]) == (ready.status_code, ready.json()["reasons"])
    assert 200 == desk.client.get("/healthz").status_code


def test_metrics_are_what_prometheus_reads(desk: Console) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    said = desk.client.get("/metrics")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(said.text)
        for s in family.samples
    }
    assert 10.0 == samples["tandem_sip_received_total", (("edge", "1"), ("transport", "udp"))]
    assert 4.0 == samples["tandem_sip_refused_total", (("edge", "1"), ("reason", "rate"))]
    assert 5.0 == samples["tandem_edge_connections", (("edge", "1"),)]
    assert 2.0 == samples["tandem_calls", ()]
    assert 4096.0 == samples["tandem_journal_journal_bytes", ()]
    assert 1.0 == samples["tandem_node_ready", ()]
    own, gone = (("region", "eu"), ("relay", "own")), (("region", ""), ("relay", "gone"))
    assert (1.0, 1.0) == (samples["tandem_relay_up", own], samples["tandem_relay_draining", own])
    assert (3.0, 0.25) == (
        samples["tandem_relay_sessions", own], samples["tandem_relay_milliseconds", own],
    )  # fmt: skip
    assert (2.0, 1.0) == (samples["tandem_relay_calls", own], samples["tandem_relay_calls", gone])
    assert ("tandem_relay_up", gone) not in samples
    assert any(name == "tandem_web_process_resident_memory_bytes" for name, _ in samples)


def test_drain_names_the_node(desk: Console) -> None:
    problem(desk.ask("root", "POST", "/api/nodes/2/drain"), 404)
    assert 202 == desk.ask("root", "POST", "/api/nodes/1/drain").status_code
    assert "drain" == desk.recorded.asked[-1][0]


async def test_the_first_admin_is_made_once_and_can_log_in(tmp_path: Path) -> None:
    from tandem.adapters.sqlite import Database

    database = Database(tmp_path / "new.sqlite")
    password = await database.do(ensure_admin, 1)
    assert password
    assert await database.do(ensure_admin, 2) is None
    proven = await check(database, "admin", password)
    assert proven and ("admin", "admin", "") == (proven.login, proven.role, proven.tenant)
    assert await check(database, "admin", password + "x") is None
    database.close()


def test_every_route_of_the_openapi_document_says_what_it_does_and_how_it_fails(
    desk: Console,
) -> None:
    said = desk.client.get("/api/openapi.json")
    assert 200 == said.status_code
    operations = [op for path in said.json()["paths"].values() for op in path.values()]
    assert 50 < len(operations)
    for operation in operations:
        assert operation["summary"], operation["operationId"]
        if operation["operationId"] in ("healthz", "readyz", "metrics"):
            continue
        refusals = {code: r for code, r in operation["responses"].items() if int(code) >= 400}
        assert {"400", "401"} <= set(refusals), operation["operationId"]
        for refusal in refusals.values():
            content = refusal["content"]["application/problem+json"]
            assert "ProblemDetails" in str(content["schema"])
            assert content["examples"], operation["operationId"]
    for name, schema in said.json()["components"]["schemas"].items():
        assert schema.get("description"), name
    for name in (
        "User",
        "Trunk" + "Shown",
        "Route",
        "LiveCall",
        "Registration",
        "Cdr",
        "ProblemDetails",
    ):
        example = said.json()["components"]["schemas"][name]["examples"][0]
        assert set(example) <= set(said.json()["components"]["schemas"][name]["properties"]), name
