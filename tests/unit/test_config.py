"""The configuration's promises: defaults work, the environment wins, errors name the field and the limit."""

from pathlib import Path

import pytest

from tandem.config import BadConfig, Listen, load, parse, parse_listen


def read(raw: dict[str, object], **environ: str) -> object:
    return parse(raw, environ, base=Path("/base"), name="tandem.toml")


def test_an_empty_file_is_a_working_configuration() -> None:
    config = parse({}, {}, base=Path("/base"), name="tandem.toml")
    assert Path("/base/var") == config.data
    assert Listen("udp", "0.0.0.0", 5060) == config.listens[0]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "tandem.toml").write_text(
        '[sip]\nlisten = ["udp:127.0.0.1:5070"]\n[node]\nid = 2\n'
    )
    config = load(
        tmp_path / "tandem.toml", {"TANDEM_SIP_LISTEN": "udp:127.0.0.1:5080, tcp:[::1]:5081"}
    )
    assert ("udp:127.0.0.1:5080", "tcp:[::1]:5081") == tuple(map(str, config.listens))
    assert 2 == config.node.id


@pytest.mark.parametrize(
    ("raw", "environ", "says"),
    [
        ({"node": {"id": 70_000}}, {}, ("node.id", "65535")),
        ({"sip": {"listn": []}}, {}, ("listn", "sip")),
        ({"sip": {"listen": []}}, {}, ("sip.listen", "1")),
        ({"sip": {"listen": ["sctp:0.0.0.0:1"]}}, {}, ("sip.listen", "udp, tcp, tls")),
        ({"journal": {"sync": "never"}}, {}, ("journal.sync", "never")),
        ({"phones": {}}, {}, ("phones",)),
        ({"emergency": {"unproven": "some"}}, {}, ("emergency.unproven", "some")),
        ({"emergency": {"tenants": ["demo"]}}, {}, ("emergency.tenants", "demo", "anybody")),
        ({"emergency": {"tenants": ["demo all"]}}, {}, ("emergency.tenants", "demo all")),
        ({"sip": 7}, {}, ("sip",)),
        ({}, {"TANDEM_NODE_ID": "many"}, ("TANDEM_NODE_ID",)),
        ({}, {"TANDEM_SIP_PORT": "5060"}, ("TANDEM_SIP_PORT", "TANDEM_SIP_LISTEN")),
        ({}, {"TANDEM_HTTP_LISTEN": "localhost:80"}, ("http.listen", "localhost")),
        ({"hep": {"to": "homer:9060"}}, {}, ("hep.to", "homer:9060", "udp:host:port")),
        ({"hep": {"sample_percent": 101}}, {}, ("hep.sample_percent", "100")),
        ({"nft": {"mode": "maybe"}}, {}, ("nft.mode", "maybe")),
        ({}, {"TANDEM_HEP_PER_SECOND": "0"}, ("TANDEM_HEP_PER_SECOND", "1")),
    ],
)
def test_a_bad_value_is_an_error_that_names_field_and_limit(
    raw: dict[str, object], environ: dict[str, str], says: tuple[str, ...]
) -> None:
    with pytest.raises(BadConfig) as caught:
        read(raw, **environ)
    for word in says:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text", ["udp:0.0.0.0", "udp:0.0.0.0:70000", "udp:::5060", "udp:host:1", "udp:1.2.3.4:-1", ""]
)
def test_a_bad_listening_address_is_refused(text: str) -> None:
    with pytest.raises(BadConfig):
        parse_listen(text, "sip.listen")
