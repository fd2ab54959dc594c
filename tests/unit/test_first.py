"""The first `up`: what it makes works, is secret where it must be, and is never replaced."""

import json
import ssl
import stat
from pathlib import Path

import pytest

from tandem.accounts.model.credentials import make_credentials
from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_accounts import all_credentials, list_tenants
from tandem.cli.demo_accounts import demo_file, make_demo_accounts, read_demo_users
from tandem.cluster.first import make_config, make_data
from tandem.config import BadConfig, Config, load


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("TANDEM_CONFIG", str(tmp_path / "tandem.toml"))
    return load(make_config(), {})


def test_the_first_configuration_is_readable_and_stays(config: Config) -> None:
    path = Path(config.base, "tandem.toml")
    assert {"udp", "tcp", "tls", "wss"} == {listen.transport for listen in config.listens}
    assert Path(config.base, "var") == config.data
    path.write_text("[node]\nid = 7\n")
    make_config()
    assert 7 == load(path, {}).node.id


def test_keys_are_random_secret_and_never_replaced(config: Config) -> None:
    make_data(config)
    before = config.keys.read_text()
    make_data(config)
    assert before == config.keys.read_text()
    assert 0o600 == stat.S_IMODE(config.keys.stat().st_mode)
    keys = json.loads(before)
    secrets = [keys["hash"], keys["signing"][0]["secret"], keys["nonce"][0]["secret"]]
    assert 3 == len(set(secrets))
    assert all(16 == len(bytes.fromhex(secret)) for secret in secrets)


def test_the_first_certificate_fits_its_key_and_names_this_machine(config: Config) -> None:
    make_data(config)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.certificate, config.key)  # raises if they do not fit
    assert 0o600 == stat.S_IMODE(config.key.stat().st_mode)
    before = config.certificate.read_bytes()
    make_data(config)
    assert before == config.certificate.read_bytes()


def test_a_configured_certificate_that_is_not_there_is_an_error_that_names_the_field(
    config: Config,
) -> None:
    Path(config.base, "tandem.toml").write_text('[sip]\ncertificate = "mine.pem"\nkey = "k.pem"\n')
    with pytest.raises(BadConfig, match=r"sip\.certificate.*mine\.pem"):
        make_data(load(Path(config.base, "tandem.toml"), {}))


def test_demo_users_get_random_passwords_once_and_are_found_again(config: Config) -> None:
    make_data(config)
    assert 3 == make_demo_accounts(config)
    users = read_demo_users(config)
    assert ["alice", "bob", "carol"] == [user.name for user in users]
    assert 3 == len({user.password for user in users})
    assert 0o600 == stat.S_IMODE(demo_file(config).stat().st_mode)
    assert 0 == make_demo_accounts(config)
    assert users == read_demo_users(config)


def test_the_written_password_is_the_one_that_authenticates(config: Config) -> None:
    make_data(config)
    make_demo_accounts(config)
    alice = read_demo_users(config)[0]
    connection = open_database(config.database)
    try:
        assert ["demo.tandem.test"] == [tenant.domain for tenant in list_tenants(connection)]
        kept = repr(list(all_credentials(connection)))
    finally:
        connection.close()
    expected = make_credentials("alice", "demo.tandem.test", alice.password)
    assert repr(expected.sha256) in kept or expected.sha256.hex() in kept
