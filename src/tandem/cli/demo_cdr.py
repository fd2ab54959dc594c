"""Finds the demo call's CDR in the database and says it in rows. Reads only."""

import time

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import get_cdr, list_cdrs
from tandem.config import Config
from tandem.records.model import Cdr, Quality
from tandem.records.query import CdrQuery

PARTIES = {"a": "the caller", "b0": "the callee"}


def find_cdr(config: Config, call_id: str) -> Cdr | None:
    """By the caller's Call-ID; None while it is not there yet."""
    connection = open_database(config.database)
    try:
        found = list_cdrs(connection, CdrQuery(call_id=call_id), limit=1).cdrs
    finally:
        connection.close()
    return found[0] if found else None


def find_quality(config: Config, id: str) -> tuple[Quality, ...]:
    """What the relay measured of a call; () while it has not told, or where none carried it."""
    connection = open_database(config.database)
    try:
        found = get_cdr(connection, id)
    finally:
        connection.close()
    return tuple(getattr(found, "quality", ()))


def quality_rows(streams: tuple[Quality, ...]) -> list[tuple[str, str]]:
    return [
        (
            f"heard of {PARTIES.get(one.leg, one.leg)}",
            f"{one.packets} packets, {one.lost} lost, jitter {one.jitter_ms:.1f} ms"
            + (f", round trip {one.rtt_ms:.0f} ms" if one.rtt_ms else "")
            + (f", MOS {one.mos:.2f}" if one.mos else ""),
        )
        for one in streams
        if one.direction == "in"
    ]


def rows(cdr: Cdr) -> list[tuple[str, str]]:
    return [
        ("call", cdr.id),
        ("caller", f"{cdr.caller} ({cdr.caller_number or 'no number'})"),
        ("callee", cdr.callee),
        ("answered by", cdr.answered_by or "nobody"),
        ("invited", _clock(cdr.invited_at)),
        ("ringing", _clock(cdr.ringing_at)),
        ("answered", _clock(cdr.answered_at)),
        ("ended", f"{_clock(cdr.ended_at)} by {cdr.ended_by}: {cdr.why}"),
        ("talked", f"{cdr.seconds:.3f} s"),
        ("status", str(cdr.status)),
        ("takeovers", str(cdr.takeovers)),
    ]


def _clock(at: int) -> str:
    if not at:
        return "never"
    return time.strftime("%H:%M:%S", time.localtime(at / 1e6)) + f".{at // 1000 % 1000:03d}"
