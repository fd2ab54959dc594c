"""`tandem registration`: where phones are."""

from typing import Any

from cyclopts import App

from tandem.cli.ask import ask
from tandem.cli.desk import Json, desk, refusals, show_rows, tenant_of
from tandem.config import load

app = App(name="registration", help="Registrations: where phones are.")
COLUMNS = ("aor", "uri", "transport", "remote", "q", "reachable", "expires_at")
PAGE = 1000


@app.command(name="list")
def list_(*, tenant: str = "", aor: str = "", limit: int = 1000, json: Json = False) -> None:
    """List registered phones, one line each."""
    with desk() as (config, connection):
        asked: dict[str, Any] = {"tenant": tenant_of(connection, tenant)} if tenant else {}
        if aor:
            asked["aor"] = aor
        rows: list[dict[str, Any]] = []
        offset = 0
        while offset < limit:
            page = ask(
                config.control_socket,
                "registrations.list",
                offset=offset,
                limit=min(PAGE, limit - offset),
                **asked,
            )
            rows += [{"aor": one["aor"], **contact} for one in page for contact in one["contacts"]]
            offset += len(page)
            if len(page) < PAGE:
                break
        show_rows(rows, COLUMNS, as_json=json)


@app.command
def drop(aor: str) -> None:
    """Forget somebody's phones until they register again."""
    with refusals():
        ask(load().control_socket, "registrations.drop", aor=aor)
