"""Countries by a database in MaxMind's format, written here by hand, and by what is none."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from tandem.adapters.geo import countries
from tandem.config import BadConfig, parse
from tandem.wiring import country_of

EMPTY = -1


def text(value: str) -> bytes:
    return bytes([2 << 5 | len(value)]) + value.encode()


def number(value: int, octets: int = 2) -> bytes:
    """Of 16 or 32 bits; one of 64 is of the further kinds."""
    kind = {2: bytes([5 << 5 | 2]), 4: bytes([6 << 5 | 4]), 8: bytes([8, 2])}[octets]
    return kind + value.to_bytes(octets, "big")


def table(**fields: bytes) -> bytes:
    return bytes([7 << 5 | len(fields)]) + b"".join(text(k) + v for k, v in fields.items())


def database(nets: dict[str, bytes]) -> bytes:
    """Of IPv4 networks, each with its record; 24 bits a branch."""
    nodes: list[list[int | bytes]] = [[EMPTY, EMPTY]]
    for net, data in nets.items():
        found, at = ip_network(net), 0
        bits = f"{int(found.network_address):032b}"[: found.prefixlen]
        for bit in map(int, bits[:-1]):
            branch = nodes[at][bit]
            if branch == EMPTY:
                nodes.append([EMPTY, EMPTY])
                branch = nodes[at][bit] = len(nodes) - 1
            assert isinstance(branch, int)
            at = branch
        nodes[at][int(bits[-1])] = data
    tree, records = b"", b""
    for node in nodes:
        for branch in node:
            if isinstance(branch, bytes):
                value = len(nodes) + 16 + len(records)
                records += branch
            else:
                value = len(nodes) if branch == EMPTY else branch
            tree += value.to_bytes(3, "big")
    about = table(
        binary_format_major_version=number(2),
        binary_format_minor_version=number(0),
        build_epoch=number(1_700_000_000, 8),
        database_type=text("countries"),
        description=table(en=text("for a test")),
        ip_version=number(4),
        languages=bytes([1, 4]) + text("en"),
        node_count=number(len(nodes), 4),
        record_size=number(24),
    )
    return tree + bytes(16) + records + b"\xab\xcd\xefMaxMind.com" + about


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "countries.mmdb"
    path.write_bytes(
        database(
            {
                "192.0.2.0/24": table(country=table(iso_code=text("DE"))),
                "198.51.100.0/25": table(country=table(iso_code=text("SG"))),
                "203.0.113.0/24": table(continent=table(code=text("EU"))),
                "100.64.0.0/10": text("nonsense"),
            }
        )
    )
    return path


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("192.0.2.77", "DE"),
        ("198.51.100.1", "SG"),
        ("198.51.100.200", ""),
        ("203.0.113.9", ""),
        ("100.64.0.1", ""),
        ("2001:db8::1", ""),
        ("phone.example", ""),
        ("", ""),
    ],
)
def test_the_country_of_an_address(file: Path, address: str, code: str) -> None:
    assert code == countries(file)(address)


def test_a_database_that_is_none_is_refused_with_its_field(tmp_path: Path, file: Path) -> None:
    (tmp_path / "bad.mmdb").write_bytes(file.read_bytes()[:100])
    for name in ("bad.mmdb", "missing.mmdb"):
        config = parse({"media": {"geo": name}}, {}, base=tmp_path, name="tandem.toml")
        with pytest.raises(BadConfig, match=rf"media\.geo: '{name}'"):
            country_of(config)
