"""Audit lines of what is done to live things: calls, registrations, nodes. Changes of tables write their own."""

from typing import Any

from tandem.adapters.sqlite import Database
from tandem.adapters.sqlite_records import add_audit
from tandem.web.auth import Who, now


async def noted(
    database: Database, who: Who, what: str, target: str, tenant: str = "", **detail: Any
) -> None:
    """tenant: whose thing it was; that of the login when it is not known."""
    of = tenant or who.tenant
    await database.do(add_audit, now(), who.name, what, target, tenant=of, detail=detail)
