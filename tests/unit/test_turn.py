"""TURN as it is configured: what coturn is told, whom it may reach, what browsers get, what is refused."""

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from tandem.cluster.first import add_turn
from tandem.config import BadConfig, Config, load, parse
from tandem.relay.model import Interface
from tandem.turn.model import Turn, TurnSection, conf, secret_of, urls

PLACES = [Interface("default", "192.0.2.7", "203.0.113.9"), Interface("default", "2001:db8::7")]


def lines(section: TurnSection, **more: Any) -> list[str]:
    return conf(section, PLACES, realm="demo.test", secret="s", **more).splitlines()


def test_coturn_reaches_the_relay_and_whom_the_configuration_adds_and_nobody_else() -> None:
    told = lines(TurnSection(peers=("198.51.100.0/30", "198.51.100.9")))
    peers = [line for line in told if "peer-ip" in line]
    assert [
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "allowed-peer-ip=192.0.2.7",
        "allowed-peer-ip=203.0.113.9",
        "allowed-peer-ip=2001:db8::7",
        "allowed-peer-ip=198.51.100.0-198.51.100.3",
        "allowed-peer-ip=198.51.100.9",
    ] == peers
    assert "allow-loopback-peers" not in told
    assert {"use-auth-secret", "no-cli", "no-tcp-relay", "no-tls", "realm=demo.test"} <= set(told)
    assert "external-ip=203.0.113.9/192.0.2.7" in told


def test_a_relay_on_loopback_may_be_reached_there() -> None:
    text = conf(TurnSection(), [Interface("default", "127.0.0.1")], realm="r", secret="s")
    assert "allow-loopback-peers" in text.splitlines()


def test_tls_has_the_certificate_of_the_edge() -> None:
    told = lines(TurnSection(tls_port=5349), certificate=("c.pem", "k.pem"), user="turnserver")
    assert {"tls-listening-port=5349", "cert=c.pem", "pkey=k.pem", "no-dtls"} <= set(told)
    assert {"proc-user=turnserver", "proc-group=turnserver"} <= set(told) and "no-tls" not in told


def test_a_credential_is_the_users_until_its_time() -> None:
    server = Turn(("turn:192.0.2.7:3478",), "north", 600).server("alice@a.example", 1_790_000_000)
    assert "1790000600:alice@a.example" == server.username
    proof = hmac.new(b"north", server.username.encode(), hashlib.sha1).digest()
    assert base64.b64encode(proof).decode() == server.credential


def test_the_secret_follows_from_the_keys_and_does_not_show_them() -> None:
    assert secret_of("00" * 16) == secret_of("00" * 16) != secret_of("01" + "00" * 15)
    assert 64 == len(secret_of("00" * 16))


def test_browsers_are_told_every_way() -> None:
    assert (
        "turn:203.0.113.9:3478?transport=udp",
        "turn:203.0.113.9:3478?transport=tcp",
        "turn:[2001:db8::7]:3478?transport=udp",
        "turn:[2001:db8::7]:3478?transport=tcp",
    ) == urls(TurnSection(), PLACES)
    named = urls(TurnSection(host="turn.example.com", tls_port=443), PLACES)
    assert "turns:turn.example.com:443?transport=tcp" == named[-1] and 3 == len(named)


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"ports": "50000"}, "turn.ports: '50000': write the first and the last"),
        ({"ports": "32000-33000"}, "turn.ports: '32000-33000': the media relay has 20000-32767"),
        ({"realm": "a b"}, "turn.realm: 'a b'"),
        ({"host": "x\nno-auth"}, "turn.host: 'x\\nno-auth'"),
        ({"peers": ["192.0.2.7/24"]}, "turn.peers: '192.0.2.7/24'"),
        ({"port": 0}, "turn.port"),
    ],
)
def test_what_cannot_be_is_refused_by_name(section: dict[str, Any], why: str) -> None:
    with pytest.raises(BadConfig, match="turn") as refused:
        parse({"turn": {"enabled": True, **section}}, {}, base=Path(), name="tandem.toml")
    assert why in str(refused.value)


def test_up_turn_writes_its_section_once_and_only_where_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / "tandem.toml"
    file.write_text("[node]\nid = 7\n")
    assert add_turn(file)
    config: Config = load(file, {})
    assert (7, True) == (config.node.id, config.turn.enabled)
    assert not add_turn(file)
    file.write_text("[turn]\nport = 3479\n")
    with pytest.raises(BadConfig, match="enabled = true"):
        add_turn(file)
