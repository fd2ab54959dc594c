"""`tandem dns`: every step with its reason, on a real name server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.testing.nameserver import NameServer, installed

pytestmark = pytest.mark.skipif(not installed(), reason="no dnsmasq")


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(
        "naptr-record=carrier.example,10,10,S,SIPS+D2T,,_sips._tcp.carrier.example",
        "naptr-record=carrier.example,20,10,S,SIP+D2U,,_sip._udp.carrier.example",
        "srv-host=_sips._tcp.carrier.example,one.carrier.example,5061,10,50",
        "host-record=one.carrier.example,192.0.2.1",
        r"naptr-record=3.2.1.0.3.9.4.e164.arpa,1,1,u,E2U+sip,!^\+49(.*)$!sip:0\1@berlin.example!",
    ) as running:
        yield running


def tandem(base: Path, server: NameServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = "".join(f"{name} = {value}\n" for name, value in server.settings().items())
    (base / "tandem.toml").write_text(f"[dns]\n{settings}")
    return subprocess.run(
        [sys.executable, "-m", "tandem.cli", "dns", *arguments], capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ, "TANDEM_CONFIG": str(base / "tandem.toml")},
    )  # fmt: skip


def test_every_question_is_shown_with_its_answer_and_what_it_means(
    tmp_path: Path, server: NameServer
) -> None:
    done = tandem(tmp_path, server, "sip:alice@carrier.example")
    assert 0 == done.returncode, done.stderr
    for part in (
        '10 10 "S" "SIPS+D2T" _sips._tcp.carrier.example', "TTL 1 s", "passed over, a lower order has matched",
        "SRV _sips._tcp.carrier.example: 10 50 5061 one.carrier.example", "tls", "192.0.2.1:5061", "asked again in",
    ):  # fmt: skip
        assert part in done.stdout, part


def test_nowhere_is_an_exit_status_and_a_reason(tmp_path: Path, server: NameServer) -> None:
    lost = tandem(tmp_path, server, "lost.example", "--json")
    assert (1, "the name does not exist") == (lost.returncode, json.loads(lost.stdout)["error"])
    bad = tandem(tmp_path, server, "mailto:alice@carrier.example")
    assert (1, "tandem: mailto:alice@carrier.example: no sip or sips URI\n") == (
        bad.returncode,
        bad.stdout,
    )


def test_a_number_is_followed_too(tmp_path: Path, server: NameServer) -> None:
    done = tandem(tmp_path, server, "+4930123", "--json")
    told = json.loads(done.stdout)
    assert [{"try": 1, "uri": "sip:030123@berlin.example"}] == told["targets"]
    assert "NAPTR 3.2.1.0.3.9.4.e164.arpa" in told["steps"][0]
    assert 1 == tandem(tmp_path, server, "+4940123").returncode


def test_a_number_may_be_asked_for_by_name_and_written_as_people_do(
    tmp_path: Path, server: NameServer
) -> None:
    done = tandem(tmp_path, server, "enum", "+49 (30) 1-23")
    assert (0, True) == (done.returncode, "sip:030123@berlin.example" in done.stdout), done.stderr
    for words, why in [
        (("enum", "030123"), "030123: a number for ENUM begins with + and the country code"),
        (("enum",), "write `tandem dns enum NUMBER`"),
        (("a.example", "b.example"), "write `tandem dns enum NUMBER`"),
    ]:
        refused = tandem(tmp_path, server, *words)
        assert (2, True) == (refused.returncode, why in refused.stderr), refused.stderr
