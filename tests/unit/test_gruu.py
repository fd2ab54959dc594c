"""GRUUs where calls are routed: one phone of a user, whatever forwards there are; a void one names nobody (RFC 5627 5.4)."""

import pytest
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User
from tandem.node.directory import Directory
from tandem.routing.model import gruu
from tandem.routing.model.plan import Asked, Plan, Refusal
from tandem.routing.model.tables import tables_from

INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"


@pytest.mark.parametrize(
    ("uri", "instance", "temporary"),
    [
        ("sip:bob@demo.example", "", None),
        (f"sip:bob@demo.example;gr={INSTANCE}", INSTANCE, None),
        ("sip:bob@demo.example;transport=tcp;gr=urn%3Auuid%3A1", "urn:uuid:1", None),
        ("sip:tgruu-a1@demo.example;gr", "", "tgruu-a1"),
        ("SIP:tgruu-a1@demo.example;GR;x=y", "", "tgruu-a1"),
        ("sip:bob@demo.example;group=x", "", None),
        ("tel:+4930;gr", "", None),
    ],
)
def test_forms_are_told_apart(uri: str, instance: str, temporary: str | None) -> None:
    assert (instance, temporary) == (gruu.instance_of(uri), gruu.temporary_of(uri))


class Registrar:
    """bob has two phones."""

    def lookup(self, aor: str) -> list[object]:
        flow = (1, 0, 1, 0, "192.0.2.1", 5060)
        ids = [f"<{INSTANCE}>", "<urn:uuid:2>"] if aor == "bob@demo.example" else []
        return [
            (f"sip:bob@192.0.2.{n}", 1.0, flow, one, "", 0, 0, True) for n, one in enumerate(ids)
        ]

    def temporary(self, user: str) -> tuple[str, str] | None:
        return ("bob@demo.example", f"<{INSTANCE}>") if user == "tgruu-good" else None


def directory(**bob: object) -> Directory:
    users = [User("demo", "alice"), replace(User("demo", "bob"), **bob)]
    tables = tables_from([Tenant("demo", "demo.example")], users)
    return Directory(tables=tables, registrar=Registrar(), now=lambda: 0)  # type: ignore[arg-type]


def asks(uri: str, **bob: object) -> Plan | Refusal:
    return directory(**bob).ask(
        Asked("user:alice@demo.example", uri, "<sip:alice@demo.example>", ""), 0
    )[0]


@pytest.mark.parametrize(
    "uri", [f"sip:bob@demo.example;gr={INSTANCE}", "sip:tgruu-good@demo.example;gr"]
)
def test_a_gruu_is_one_phone_and_no_forward(uri: str) -> None:
    plan = asks(uri, forward_always="alice", forward_busy="alice")
    assert isinstance(plan, Plan)
    ((target,),) = plan.stages
    assert ("bob@demo.example", INSTANCE) == (target.aor, target.instance)


def test_a_void_temporary_gruu_is_404() -> None:
    plan = asks("sip:tgruu-void@demo.example;gr")
    assert isinstance(plan, Refusal) and 404 == plan.status
