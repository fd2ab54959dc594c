"""Policy functions: what they may look at, what they may say, and a server that no function and no worker can break."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tandem.edge.policy import Refuse, Request, Rule, To, enum
from tandem.edge.policy.enum import use
from tandem.edge.policy.model import Answer, BadVerdict
from tandem.edge.policy.rules import BadPolicyFile, read_file
from tandem.edge.policy.server import PolicyServer
from tandem.names.model import DnsSection
from tandem.testing.nameserver import NameServer, installed

ROOT = Path(__file__).parent.parent.parent
FILE = """
import asyncio
from tandem.edge.policy import Refuse, Request, To, on
@on("INVITE", by=("uri_user", "header:X-Tenant"), seconds=5)
def invite(request: Request):
    match request.uri_user:
        case "boom": raise ValueError("on purpose")
        case "odd": return 7
        case "no": return Refuse(480, retry_after=9)
        case "none": return None
    return To(request.header("X-Tenant") or "farm", add={"X-A": "1"})
@on("MESSAGE", by=["from_host"])
async def message(request):
    await asyncio.sleep(0)
    return To("chat", cost="text")
"""


def test_a_request_shows_what_by_names_and_nothing_else() -> None:
    request = Request(Rule("INVITE", ("source", "header:X-Tenant"), 60), ("192.0.2.1", "acme"))
    assert ("192.0.2.1", "acme", "INVITE") == (
        request.source,
        request.header("X-Tenant"),
        request.method,
    )
    with pytest.raises(AttributeError, match="add 'call_id' to by= to look at it"):
        _ = request.call_id
    with pytest.raises(AttributeError, match="add 'header:Subject' to by="):
        request.header("Subject")
    with pytest.raises(AttributeError, match="a request has no colour; there are: method, source"):
        _ = request.colour


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: Rule("invite", (), 60), "written in capitals"),
        (lambda: Rule("INVITE", ("colour",), 60), "'colour' is none of method, source"),
        (lambda: Rule("INVITE", ("source",) * 9, 60), "at most 8 fields"),
        (lambda: Rule("INVITE", (), -1), "seconds: 0 to 86400"),
        (lambda: Refuse(200), "status 200: 300 to 699"),
        (lambda: Refuse(403, "two\r\nlines"), "one line of at most 128"),
        (lambda: To("a", add={"Via": "x"}), "'Via' is not a verdict's to change"),
        (lambda: To("a", remove=("Contact",)), "'Contact' is not a verdict's to change"),
        (lambda: To("a", add={"X-A": "1\r\nX-B: 2"}), "X-A: one line of at most 512"),
        (lambda: To("a", uri="sip:a@b\r\nX: y"), "uri: a sip, sips or tel URI of at most 512"),
        (lambda: To("a", uri="mailto:a@b"), "uri: a sip, sips or tel URI"),
        (lambda: To("a", add={f"X-{n}": "" for n in range(17)}), "at most 16 headers"),
    ],
)
def test_what_no_edge_could_follow_is_refused_where_it_is_written(made: Any, why: str) -> None:
    with pytest.raises((BadVerdict, ValueError), match=why):
        made()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def broken(:", "SyntaxError"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("x = 1", "no function has @on"),
        ("raise SystemExit(3)", "SystemExit"),
        ('from tandem.edge.policy import on\n@on("INVITE", by=("x",))\ndef f(r): ...', "'x' is none of"),
        ('from tandem.edge.policy import on\n@on("INVITE")\ndef f(r): ...\n@on("INVITE")\ndef g(r): ...', "there is a function for it already"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "policy.py").write_text(text)
    with pytest.raises(BadPolicyFile, match=r"policy\.py") as refused:
        read_file(tmp_path / "policy.py")
    assert why in str(refused.value)
    with pytest.raises(BadPolicyFile, match="there is no such file"):
        read_file(tmp_path / "other.py")


def test_the_example_is_a_policy_and_short() -> None:
    path = ROOT / "examples" / "edge" / "policy.py"
    (written,) = read_file(path)
    ask = lambda source, user: written.function(Request(written.rule, (source, user)))  # noqa: E731
    assert Refuse(403, "Not from here") == ask("10.1.0.1", "0900123")
    assert ("carriers", "farm", None) == (
        ask("x", "+49").pool,
        ask("10.1.0.1", "100").pool,
        ask("x", "100"),
    )
    assert 30 > len(path.read_text().splitlines())


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[tuple[PolicyServer, Path]]:
    (tmp_path / "policy.py").write_text(FILE)
    path, ended = tmp_path / "p.sock", asyncio.Event()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen()
    listening.setblocking(False)
    server = PolicyServer(tmp_path / "policy.py")
    assert server.load()
    task = asyncio.create_task(server.serve(listening, ended))
    yield server, path
    ended.set()
    await task


async def test_a_worker_gets_rules_then_verdicts(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, path):
        reader, writer = await asyncio.open_unix_connection(path)
        rules = json.loads(await reader.readline())["rules"]
        assert [
            ("INVITE", ["uri_user", "header:X-Tenant"], 5.0),
            ("MESSAGE", ["from_host"], 60.0),
        ] == [(rule["method"], rule["by"], rule["seconds"]) for rule in rules]

        async def ask(rule: int, *values: str) -> Any:
            writer.write(json.dumps({"id": 7, "rule": rule, "values": values}).encode() + b"\n")
            return json.loads(await asyncio.wait_for(reader.readline(), 5))

        assert {
            "type": "to",
            "pool": "acme",
            "add": {"X-A": "1"},
            "remove": [],
            "cost": "",
            "uri": "",
        } == (await ask(0, "100", "acme"))["verdict"]
        assert {"type": "refuse", "status": 480, "reason": "", "retry_after": 9} == (
            await ask(0, "no", "")
        )["verdict"]
        assert {"id": 7} == await ask(0, "none", "")
        assert "chat" == (await ask(1, "a.example"))["verdict"]["pool"]
        for rule, *values in ((0, "boom", ""), (0, "odd", ""), (9, "x"), (0, "too few")):
            assert {"id": 7, "failed": True} == await ask(rule, *values)
        writer.write(b"nonsense\n")
        assert "chat" == (await ask(1, "a.example"))["verdict"]["pool"]
        writer.close()


async def test_a_new_file_is_told_to_workers_and_a_bad_one_is_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, path):
        reader, writer = await asyncio.open_unix_connection(path)
        assert 1 == json.loads(await reader.readline())["version"]
        server.file.write_text(FILE.replace('"MESSAGE"', '"OPTIONS"'))
        assert server.load()
        told = json.loads(await asyncio.wait_for(reader.readline(), 5))
        assert (2, "OPTIONS") == (told["version"], told["rules"][1]["method"])
        server.file.write_text("nonsense")
        assert not server.load()
        assert 2 == server.version and len(server.written) == 2
        writer.close()


ENUM = """
from tandem.edge.policy import Request, To, enum, on
@on("INVITE", by=("uri_user",), seconds=300)
async def invite(request: Request):
    uris = await enum(request.uri_user, "numbers.example")
    return To("peers", uri=uris[0]) if uris else None
"""


@pytest.mark.skipif(not installed(), reason="no dnsmasq")
async def test_a_function_may_ask_where_a_number_leads(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(ENUM)
    server = PolicyServer(tmp_path / "policy.py")
    assert server.load()

    async def ask(number: str) -> Any:
        question = json.dumps({"id": 1, "rule": 0, "values": [number]}).encode()
        return await asyncio.wait_for(server.answer(question), 10)

    with NameServer(
        r"naptr-record=3.2.1.0.3.9.4.numbers.example,10,20,u,E2U+sip,!^(.*)$!sip:\1@second.example!",
        r"naptr-record=3.2.1.0.3.9.4.numbers.example,10,10,u,E2U+sip,!^\+49(.*)$!sip:0\1@first.example!",
        r"naptr-record=4.2.1.0.3.9.4.numbers.example,10,10,u,E2U+email:mailto,!^.*$!mailto:a@b.example!",
    ) as names:
        use(DnsSection(servers=(names.address,), hosts="", ttl_floor=0))
        try:
            assert Answer(1, To("peers", uri="sip:030123@first.example")) == await ask("+4930123")
            assert ("sip:030123@first.example", "sip:+4930123@second.example") == await enum(
                "+4930123", "numbers.example"
            )
            for nobody in ("+4930124", "+4940", "alice", ""):
                assert Answer(1) == await ask(nobody)
        finally:
            use(DnsSection())
