"""The demo tenant and its users: made by the first `up` in an empty database, found again by later ones and by `call demo`."""

import os
from pathlib import Path

from msgspec import Struct

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.credentials import make_credentials
from tandem.accounts.service import random_password
from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_accounts import list_tenants, put_tenant, put_user
from tandem.config import Config

TENANT = "demo"
NAMES = ("alice", "bob", "carol")
FIRST_NUMBER = 101

HEAD = "# user  password  number  domain: made by the first `tandem up`; delete this file when your phones are set up\n"


class DemoUser(Struct, frozen=True):
    """A line of demo-users.txt."""

    name: str
    password: str
    number: str
    domain: str


def demo_file(config: Config) -> Path:
    return config.data / "demo-users.txt"


def make_demo_accounts(config: Config) -> int:
    """How many users were made: 0 when the database has a tenant already."""
    connection = open_database(config.database)
    try:
        if list_tenants(connection):
            return 0
        domain = config.sip.default_domain
        users = [
            DemoUser(name, random_password(name), str(FIRST_NUMBER + n), domain)
            for n, name in enumerate(NAMES)
        ]
        _write(demo_file(config), users)  # first: passwords cannot be read back from the database
        put_tenant(connection, Tenant(TENANT, domain, "Demo"))
        for user in users:
            credentials = make_credentials(user.name, domain, user.password)
            put_user(
                connection, User(TENANT, user.name, user.name.title(), user.number), credentials
            )
        return len(users)
    finally:
        connection.close()


def read_demo_users(config: Config) -> list[DemoUser]:
    """Empty when the file is gone."""
    try:
        lines = demo_file(config).read_text().splitlines()
    except FileNotFoundError:
        return []
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return [DemoUser(*four) for four in fields if len(four) == 4]


def _write(path: Path, users: list[DemoUser]) -> None:
    width = max(len(user.name) for user in users)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(HEAD)
        for user in users:
            out.write(f"{user.name:<{width}}  {user.password}  {user.number}  {user.domain}\n")
