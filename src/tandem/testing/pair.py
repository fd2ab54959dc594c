"""Two Tandems on one machine, on addresses of their own, as each other's carrier; their phones are SIPp. For tests."""

from pathlib import Path
from typing import Any

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import each_cdr
from tandem.adapters.sqlite_routing import put_route, put_setting, put_trunk
from tandem.boundary import TCP, TLS, UDP
from tandem.records.model import Cdr
from tandem.records.query import CdrQuery
from tandem.routing.model.rows import Route, Trunk
from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.ports import free_port

NAMES = {UDP: "udp", TCP: "tcp", TLS: "tls"}


def machine(base: Path, host: str, domain: str, **sections: dict[str, str]) -> Machine:
    base.mkdir()
    listen = ", ".join(f'"{transport}:{host}:0"' for transport in NAMES.values())
    own = {"listen": f"[{listen}]", "default_domain": f'"{domain}"', **sections.pop("sip", {})}
    return Machine(base, {"sip": own, **sections})


def put(at: Machine, *rows: Trunk | Route) -> None:
    connection = open_database(at.config.database)
    for row in rows:
        if isinstance(row, Trunk):
            put_trunk(connection, row)
        else:
            put_route(connection, row)
    connection.close()
    at.ask("reload", what="all")


def offer_md5(at: Machine) -> None:
    """SIPp knows nothing else."""
    connection = open_database(at.config.database)
    put_setting(connection, "algorithms", ["MD5"])
    connection.close()
    at.ask("reload", what="all")


def status(at: Machine, id: str = "carrier") -> dict[str, Any]:
    return next((t for t in at.ask("trunks.list") if t["id"] == id), {"state": "gone"})


def cdrs(at: Machine) -> list[Cdr]:
    connection = open_database(at.config.database)
    try:
        return list(each_cdr(connection, CdrQuery()))
    finally:
        connection.close()


def phone(made: list[sipp.Phone], at: Machine, name: str, host: str) -> sipp.Phone:
    user = at.users[name]
    made.append(
        sipp.Phone(name, user.password, host=host, port=free_port(host), edge=at.address(), domain=user.domain)
    )  # fmt: skip
    return made[-1]
