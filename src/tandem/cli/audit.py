"""`tandem audit`: who changed what."""

import msgspec
from cyclopts import App

from tandem.adapters.sqlite_records import list_audit
from tandem.cli.desk import Json, desk, show_rows, tenant_of

app = App(name="audit", help="The audit log: who changed what.")
COLUMNS = ("id", "at", "who", "tenant", "what", "target", "detail")


@app.command(name="list")
def list_(*, tenant: str = "", limit: int = 50, before: int = 0, json: Json = False) -> None:
    """List changes, newest first.

    Parameters
    ----------
    before: only lines older than this id.
    """
    with desk() as (_, connection):
        of = tenant_of(connection, tenant) if tenant else ""
        rows = list_audit(connection, of, before, max(1, limit))
        if not json:
            rows = [{**row, "detail": msgspec.json.encode(row["detail"]).decode()} for row in rows]
        show_rows(rows, COLUMNS, as_json=json)
