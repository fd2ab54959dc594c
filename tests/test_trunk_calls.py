"""Calls from one Tandem to another by a trunk, over TCP and TLS, while either node is killed. Real processes, SIPp as phones."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.boundary import TCP, TLS, UDP
from tandem.routing.model.rows import Route, Trunk
from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.pair import NAMES, cdrs, machine, offer_md5, phone, put

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")]
DIALLED = "+4930123456"


def certificates(base: Path) -> dict[str, dict[str, str]]:
    """An authority, and a certificate of it for each machine: what stands in [sip]."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=base, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")
    authority = ("-subj", "/CN=test authority", "-out", "ca.pem", "-days", "2")
    openssl("req", "-x509", *key, "ca.key", *authority)
    found = {}
    for name in ("one", "two"):
        openssl("req", *key, f"{name}.key", "-subj", f"/CN={name}.test", "-out", f"{name}.csr")
        (base / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}.test\n")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem",
            "-days", "2", "-extfile", f"{name}.ext",
        )  # fmt: skip
        paths = {
            "certificate": f"{name}.pem",
            "key": f"{name}.key",
            "ca": "ca.pem",
            "client_ca": "ca.pem",
        }
        found[name] = {field: f'"{base / path}"' for field, path in paths.items()}
    return found


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    tls = certificates(tmp_path)
    with (
        machine(tmp_path / "one", "127.0.0.1", "one.test", sip=tls["one"]) as one,
        machine(tmp_path / "two", "127.0.0.2", "two.test", sip=tls["two"]) as two,
    ):
        for each in (one, two):
            each.up()
            offer_md5(each)
        yield one, two


@pytest.fixture
def phones() -> Iterator[list[sipp.Phone]]:
    made: list[sipp.Phone] = []
    yield made
    for one in made:
        one.close()


def trunk(id: str, to: Machine, host: str, transport: int, *tls_names: str) -> Trunk:
    port = int(to.address(NAMES[transport]).rpartition(":")[2])
    return Trunk(
        id,
        host,
        "demo",
        port,
        transport,
        cidrs=(f"{host}/32",),
        tls_names=tls_names,
        default_to="bob",
    )


def join(one: Machine, two: Machine, transport: int) -> None:
    put(one, trunk("two", two, "127.0.0.2", transport, "two.test"), Route("out", "two", "demo"))
    put(two, trunk("one", one, "127.0.0.1", transport, "one.test"))


@pytest.mark.parametrize("transport", [TCP, TLS], ids=NAMES.get)
@pytest.mark.parametrize(
    "killed",
    ["nobody", "one ringing", "two ringing", "one talking", "two talking", "one edge", "two edge"],
)
def test_a_call_over_a_trunk_outlives_either_node(
    pair: tuple[Machine, Machine], phones: list[sipp.Phone], transport: int, killed: str
) -> None:
    one, two = pair
    join(one, two, transport)
    alice, bob = phone(phones, one, "alice", "127.0.0.3"), phone(phones, two, "bob", "127.0.0.4")
    alice.register()
    bob.register()
    answering = bob.start(sipp.answering(2.0))
    calling = alice.start(sipp.calling(2.0), DIALLED)
    which, _, when = killed.partition(" ")
    if when:
        time.sleep(1.0 if when == "ringing" else 3.0)
        dying = one if which == "one" else two
        role = "edge" if when == "edge" else "node"
        pid = dying.kill(role)
        dying.until(lambda: dying.pid(role) != pid, "it is started again", 10)
        dying.wait_ready(not_pid=pid)
    sipp.ended(calling)
    sipp.ended(answering)
    one.until(lambda: len(cdrs(one)) == 1 and len(cdrs(two)) == 1, "both have a CDR", 5)
    (out,), (into,) = cdrs(one), cdrs(two)
    assert ("alice@one.test", DIALLED, "two", 200) == (
        out.caller,
        out.callee,
        out.trunk_out,
        out.status,
    )
    assert ("trunk:one", "bob@two.test", "one", 200) == (
        into.caller,
        into.callee,
        into.trunk_in,
        into.status,
    )
    if when != "edge":
        assert (int(which == "one"), int(which == "two")) == (out.takeovers, into.takeovers)
    assert "hung up" == out.why == into.why and 1.5 < out.seconds < 4
    counter = f"sent_{NAMES[transport]}"  # an edge tells its counters once a second
    one.until(lambda: one.ask("stats")["edges"]["1"].get(counter, 0) > 0, "it went this way", 3)


def test_a_trunk_whose_certificate_has_another_name_is_not_called(
    pair: tuple[Machine, Machine], phones: list[sipp.Phone]
) -> None:
    one, two = pair
    put(one, trunk("two", two, "127.0.0.2", TLS, "three.test"), Route("out", "two", "demo"))
    alice = phone(phones, one, "alice", "127.0.0.3")
    sipp.ended(alice.start(sipp.calling(final=500), DIALLED))
    assert not cdrs(two)


def test_a_name_without_an_address_fails_over_and_one_with_is_called(
    pair: tuple[Machine, Machine], phones: list[sipp.Phone]
) -> None:
    one, two = pair
    lost = Trunk("lost", "nowhere.invalid", "demo")
    routes = Route("first", "lost", "demo", priority=1), Route("second", "two", "demo", priority=2)
    good = trunk("two", two, "127.0.0.2", UDP)
    put(one, lost, good, *routes)
    put(two, trunk("one", one, "127.0.0.1", UDP))
    named = {t["id"]: t["address"] for t in one.ask("trunks.list")}
    assert {"lost": "", "two": "127.0.0.2"} == named
    alice, bob = phone(phones, one, "alice", "127.0.0.3"), phone(phones, two, "bob", "127.0.0.4")
    bob.register()
    answering = bob.start(sipp.answering())
    began = time.monotonic()
    sipp.ended(alice.start(sipp.calling(0.2), DIALLED))
    sipp.ended(answering)
    assert 5 > time.monotonic() - began
    one.until(lambda: len(cdrs(one)) == 1, "a CDR", 5)
    assert ("two", 2) == (cdrs(one)[0].trunk_out, len(cdrs(one)[0].tried))
