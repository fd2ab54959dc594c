"""What the nouns of the command line share: the database, the reload after a change, tables on the terminal. No command."""

import getpass
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import msgspec
from cyclopts import Parameter
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tandem.accounts.model.fields import BadField
from tandem.adapters.sqlite import BadDatabase, open_database
from tandem.adapters.sqlite_accounts import get_tenant, list_tenants
from tandem.boundary import AUTO, TCP, TLS, UDP
from tandem.cli.ask import NoNode, ask
from tandem.cli.ask import Problem as Refused
from tandem.cluster.control import Problem
from tandem.config import Config, load
from tandem.web.changes import By

Json = Annotated[bool, Parameter(name="--json", negative="", help="For programs: JSON lines.")]
Fields = Annotated[tuple[str, ...], Parameter(help="field=value; lists are comma separated.")]
PIPE_WIDTH = 250  # columns of a table that is no terminal's
TRANSPORTS = {"auto": AUTO, "udp": UDP, "tcp": TCP, "tls": TLS}
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


@contextmanager
def desk() -> Iterator[tuple[Config, sqlite3.Connection]]:
    """Configuration and database; a refusal inside is printed, and the exit status is 1."""
    config = load()
    with refusals():
        if not config.database.parent.is_dir():
            fail(f"there is no data in {config.data}: `tandem up` makes it")
        connection = open_database(config.database)
        try:
            yield config, connection
        finally:
            connection.close()


@contextmanager
def refusals() -> Iterator[None]:
    try:
        yield
    except (BadField, Problem, Refused, NoNode, BadDatabase) as error:
        fail(str(error))
    except sqlite3.OperationalError as error:
        fail(f"the database: {error}")


def fail(why: str) -> NoReturn:
    print(f"tandem: {why}", file=sys.stderr)
    sys.exit(1)


def by() -> By:
    """Whoever runs the command: a person with access to the data is an admin."""
    return By(f"{getpass.getuser()} (command line)", now())


def now() -> int:
    return time.time_ns() // 1000


def reload(config: Config, what: str) -> None:
    """Makes a change live; without a node it is when one starts."""
    try:
        ask(config.control_socket, "reload", what=what)
    except (NoNode, Refused) as error:
        print(f"kept; not live yet: {error}", file=sys.stderr)


def tenant_of(connection: sqlite3.Connection, named: str) -> str:
    """The tenant as named (id or domain), or the only one. Raises BadField."""
    tenants = list_tenants(connection)
    if named:
        found = get_tenant(connection, named)
        found = found or next((t for t in tenants if t.domain == named), None)
        if found is None:
            raise BadField("tenant", f"there is no tenant {named}")
        return found.id
    if len(tenants) == 1:
        return tenants[0].id
    raise BadField("tenant", "say which: " + (", ".join(t.id for t in tenants) or "there is none"))


def user_of(connection: sqlite3.Connection, text: str, tenant: str) -> tuple[str, str]:
    """(tenant, name) of `name` or `name@domain`. Raises BadField."""
    name, at, domain = text.strip().lower().partition("@")
    return tenant_of(connection, domain if at else tenant), name


def fields(type: type[Struct], texts: Iterable[str]) -> dict[str, Any]:
    """`field=value` as the fields of a Struct. Raises BadField."""
    known = {field.name: field for field in msgspec.structs.fields(type)}
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in known:
            raise BadField(name[:64], f"write field=value with one of {', '.join(known)}")
        found[name] = _value(name, known[name].type, value.strip())
    return found


def _value(name: str, type: Any, text: str) -> Any:
    if type is bool:
        if text.lower() not in YES + NO:
            raise BadField(name, f"yes or no, not {text[:20]!r}")
        return text.lower() in YES
    plain: Any = TRANSPORTS.get(text.lower(), text) if name == "transport" else text
    if text.startswith("["):
        try:
            plain = json.loads(text)
        except ValueError:
            raise BadField(name, "not JSON") from None
    elif type not in (str, int):
        plain = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(plain, type, strict=False)
    except msgspec.ValidationError as error:
        why = "auto, udp, tcp or tls" if name == "transport" else str(error)
        raise BadField(name, why) from None


def show_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """A table with these columns, or every row as a line of JSON with all that it has."""
    if as_json:
        for row in rows:
            print(json.dumps(row, default=str))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(column, row.get(column))) for column in columns))
    terminal().print(table)


def show_one(row: dict[str, Any], *, as_json: bool) -> None:
    """One thing, a line a field; what is empty is left out."""
    if as_json:
        print(json.dumps(row, default=str))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in row.items():
        if value not in ("", None, [], ()):
            table.add_row(Text(name.replace("_", " "), style="bold"), Text(cell(name, value)))
    terminal().print(table)


def terminal() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def cell(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case 0 if name == "port":
            return "auto"
        case int() if name == "transport":
            return next((n for n, number in TRANSPORTS.items() if number == value), str(value))
        case int() if name == "at" or name.endswith("_at"):
            return clock(value)
        case float():
            return f"{value:.1f}"
        case list() | tuple():
            return ", ".join(
                json.dumps(v) if isinstance(v, dict | list | tuple) else str(v) for v in value
            )
        case dict():
            return json.dumps(value)
    # what a phone sent must not move the terminal's cursor
    return "".join(c if c.isprintable() else "?" for c in str(value))


def clock(at: int) -> str:
    """Local time of microseconds since 1970; "" of 0."""
    if not at:
        return ""
    return f"{datetime.fromtimestamp(at / 1e6).astimezone():%Y-%m-%d %H:%M:%S}"


def moment(text: str, field: str) -> int:
    """Microseconds since 1970 of 2026-11-21 or 2026-11-21T08:00 (local time, unless it says otherwise); 0 of "". Raises BadField."""
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000_000)
    except ValueError:
        raise BadField(field, f"like 2026-11-21 or 2026-11-21T08:00, not {text[:32]!r}") from None
