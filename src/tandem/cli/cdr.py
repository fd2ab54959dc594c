"""`tandem cdr`: past calls."""

import sqlite3
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from msgspec import to_builtins

from tandem.adapters.sqlite_records import count_cdrs, each_cdr, get_cdr, list_cdrs
from tandem.cli.desk import Json, desk, moment, show_one, show_rows, tenant_of
from tandem.records.export import csv_lines, json_lines
from tandem.records.query import CdrQuery
from tandem.web.changes import no_such

app = App(name="cdr", help="CDRs: past calls.")
COLUMNS = (
    "id",
    "invited_at",
    "caller",
    "callee",
    "answered_by",
    "seconds",
    "status",
    "why",
    "takeovers",
)
Party = Annotated[str, Parameter(help="Caller, callee or who answered.")]
Since = Annotated[str, Parameter(help="2026-11-21 or 2026-11-21T08:00, local time.")]


@app.command(name="list")
def list_(
    *, tenant: str = "", party: Party = "", trunk: str = "", why: str = "", since: Since = "", until: Since = "",
    answered: bool | None = None, limit: int = 50, cursor: str = "", json: Json = False,
) -> None:  # fmt: skip
    """List past calls, newest first."""
    with desk() as (_, connection):
        query = _query(connection, tenant, party, trunk, why, since, until, answered)
        page = list_cdrs(connection, query, cursor, limit)
        show_rows([to_builtins(cdr) for cdr in page.cdrs], COLUMNS, as_json=json)
        if page.cursor:
            calls, answers, seconds = count_cdrs(connection, query)
            print(
                f"{calls} calls, {answers} answered, {seconds / 60:.1f} minutes; more: --cursor {page.cursor}",
                file=sys.stderr,
            )


@app.command
def show(id: str, *, json: Json = False) -> None:
    """Show a past call."""
    with desk() as (_, connection):
        cdr = get_cdr(connection, id)
        if cdr is None:
            raise no_such("past call", id)
        show_one(to_builtins(cdr), as_json=json)


@app.command
def export(
    *, format: Literal["csv", "jsonl"] = "csv", out: Path | None = None, tenant: str = "", party: Party = "", trunk: str = "",
    why: str = "", since: Since = "", until: Since = "", answered: bool | None = None,
) -> None:  # fmt: skip
    """Write all CDRs of a selection, newest first.

    Parameters
    ----------
    out: a file; without it, standard output.
    """
    with desk() as (_, connection):
        query = _query(connection, tenant, party, trunk, why, since, until, answered)
        lines = (csv_lines if format == "csv" else json_lines)(each_cdr(connection, query))
        if out is None:
            for line in lines:
                sys.stdout.write(line)
            return
        with out.open("w", newline="", encoding="utf-8") as file:
            file.writelines(lines)


def _query(
    connection: sqlite3.Connection, tenant: str, party: str, trunk: str, why: str, since: str, until: str, answered: bool | None,
) -> CdrQuery:  # fmt: skip
    return CdrQuery(
        tenant=tenant_of(connection, tenant) if tenant else "", party=party, trunk=trunk, why=why,
        since=moment(since, "since"), until=moment(until, "until"), answered=answered,
    )  # fmt: skip
