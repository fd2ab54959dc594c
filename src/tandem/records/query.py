"""What one may ask of the kept records: filters, pages and their cursors. Pure; the answers come from the adapter."""

from msgspec import Struct

from tandem.accounts.model.fields import BadField
from tandem.records.model import Cdr

PAGE_MOST = 1000


class CdrQuery(Struct, frozen=True):
    """Every field narrows; "" and 0 do not. Times are microseconds since 1970, of the INVITE."""

    tenant: str = ""
    party: str = ""  # caller or callee or who answered: address of record, number or trunk:id
    caller: str = ""
    callee: str = ""
    trunk: str = ""  # in or out
    since: int = 0
    until: int = 0  # not included
    answered: bool | None = None
    why: str = ""
    status: int = 0
    call_id: str = ""  # the caller's Call-ID


class Page(Struct, frozen=True):
    """Newest first. cursor: for the next page; "" at the end."""

    cdrs: list[Cdr]
    cursor: str


def write_cursor(cdr: Cdr) -> str:
    return f"{cdr.invited_at}.{cdr.id}"


def read_cursor(text: str) -> tuple[int, str] | None:
    """The place after which a page begins. Raises BadField for a text that no page gave."""
    if not text:
        return None
    at, _, id = text.partition(".")
    if not (at.isascii() and at.isdigit() and len(at) < 19 and 0 < len(id) < 65):
        raise BadField("cursor", "not one that a page gave")
    return int(at), id


def check_page(limit: int) -> int:
    if not 1 <= limit <= PAGE_MOST:
        raise BadField("limit", f"from 1 to {PAGE_MOST}, not {limit}")
    return limit
