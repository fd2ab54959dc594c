"""What routes share: parameters with their limits, the errors that they document, pages of short tables. No route of its own."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from litestar import Response
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from tandem.adapters.sqlite import Database
from tandem.web.auth import Who
from tandem.web.node import Node
from tandem.web.problems import AWAY, BAD, CLOSED, GONE, SLOW, TAKEN
from tandem.web.tries import Tries

PAGE_MOST = 1000  # rows of one answer
PAGE = 100
TEXT_MOST = 256  # characters of a parameter

Limit = Annotated[
    int, QueryParameter(ge=1, le=PAGE_MOST, description=f"Rows of one answer, at most {PAGE_MOST}.")
]
Cursor = Annotated[
    str,
    QueryParameter(
        max_length=TEXT_MOST, description="`next` of the page before; empty: the first."
    ),
]
Text = Annotated[str, QueryParameter(max_length=TEXT_MOST)]
TenantWish = Annotated[
    str,
    QueryParameter(
        max_length=TEXT_MOST, description="Only this tenant's; empty: all that you may see."
    ),
]

# the dependencies of a route
Asker = NamedDependency[Who]
Tables = NamedDependency[Database]
CallNode = NamedDependency[Node]
Guesses = NamedDependency[Tries]
InPath = FromPath[str]

READ: dict[int, Any] = {**BAD, **CLOSED}
ONE: dict[int, Any] = {**READ, **GONE}
ADD: dict[int, Any] = {**READ, **GONE, **TAKEN}
LIVE: dict[int, Any] = {**READ, **GONE, **AWAY}
ACT: dict[int, Any] = {**LIVE, **TAKEN}
LOGIN: dict[int, Any] = {**BAD, 401: CLOSED[401], **SLOW}

LIVE_HEADER = "Tandem-Live"
WRITTEN = [
    ResponseHeader(
        name=LIVE_HEADER, documentation_only=True,
        description='"yes": the call node has read the change; "no": it is not reachable and reads it when it starts.',
    )
]  # fmt: skip

R = TypeVar("R")
S = TypeVar("S", bound=Struct)


def written(content: R, *, live: bool, status: int = 200) -> Response[R]:
    """The answer to a change."""
    return Response(content, status_code=status, headers={LIVE_HEADER: "yes" if live else "no"})


def plain(type: type[S], body: Struct) -> S:
    """A room's own Struct from a body that has its fields and perhaps more, such as a password."""
    return type(**{name: getattr(body, name) for name in type.__struct_fields__})


def page(rows: Sequence[S], cursor: str, limit: int) -> tuple[list[S], str]:
    """A page of rows that have an id, and the cursor of the next one."""
    later = sorted((row for row in rows if _id(row) > cursor), key=_id)
    shown = later[:limit]
    return shown, _id(shown[-1]) if len(later) > limit else ""


def _id(row: Any) -> str:
    return str(row.id)
