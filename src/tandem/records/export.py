"""Writes CDRs as CSV or as lines of JSON, one by one. Pure: whoever calls it sends the lines."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from tandem.records.model import Cdr

COLUMNS = tuple(field.name for field in msgspec.structs.fields(Cdr) if field.name != "quality")


def csv_lines(cdrs: Iterable[Cdr]) -> Iterator[str]:
    """RFC 4180, with a header line. Times are ISO 8601 in UTC; empty where it never happened."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for cdr in cdrs:
        writer.writerow([_cell(name, getattr(cdr, name)) for name in COLUMNS])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def json_lines(cdrs: Iterable[Cdr]) -> Iterator[str]:
    """One JSON object a line; times stay microseconds since 1970."""
    for cdr in cdrs:
        yield msgspec.json.encode(cdr).decode() + "\n"


def iso(at: int) -> str:
    """2026-11-21T08:00:00.123Z of microseconds since 1970; "" of 0."""
    if not at:
        return ""
    seconds, micros = divmod(at, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros // 1000:03}Z"


def _cell(name: str, value: object) -> str:
    if name.endswith("_at") and isinstance(value, int):
        return iso(value)
    if isinstance(value, tuple):
        return "; ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    # a strange caller's number must not become a formula in somebody's spreadsheet
    formula = text[:1] in ("=", "@", "\t", "\r") or (
        text[:1] in ("+", "-") and not text[1:].replace(".", "").isdigit()
    )
    return "'" + text if formula else text
