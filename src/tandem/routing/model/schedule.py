"""Reads opening hours such as "mo-fr 08:00-18:00" into minutes of the week. Knows no clock: time is an argument."""

from datetime import datetime, tzinfo
from re import compile as pattern

from tandem.accounts.model.fields import BadField

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
DAY_MINUTES = 24 * 60
PARTS_MOST = 32

Hours = tuple[tuple[int, int], ...]  # [first, end) in minutes since Monday 00:00; () is always

_PART = pattern(r"([a-z]{2})(?:-([a-z]{2}))?(?: (\d\d):(\d\d)-(\d\d):(\d\d))?\Z")


def parse_schedule(text: str, field: str = "schedule") -> Hours:
    """Parts "mo-fr 08:00-18:00" or "su", with commas between. An end before its start is on the next day."""
    if not text.strip():
        return ()
    parts = [part.strip().lower() for part in text.split(",")]
    if len(parts) > PARTS_MOST:
        raise BadField(field, f"at most {PARTS_MOST} parts")
    return tuple(span for part in parts for span in _spans(part, field))


def is_open(hours: Hours, minute: int) -> bool:
    """Whether a minute of the week lies within the hours."""
    if not hours:
        return True
    week = 7 * DAY_MINUTES
    return any(first <= minute < end or first <= minute + week < end for first, end in hours)


def minute_of_week(now: int, zone: tzinfo) -> int:
    """now: microseconds since 1970."""
    local = datetime.fromtimestamp(now // 1_000_000, zone)
    return local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute


def _spans(part: str, field: str) -> list[tuple[int, int]]:
    found = _PART.match(part)
    if not found or found[1] not in DAYS or (found[2] or found[1]) not in DAYS:
        raise BadField(field, f'parts like "mo-fr 08:00-18:00", not {part[:40]!r}')
    first, last = DAYS.index(found[1]), DAYS.index(found[2] or found[1])
    start, end = 0, DAY_MINUTES
    if found[3]:
        start, end = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
        if max(start, end) > DAY_MINUTES or int(found[4]) > 59 or int(found[6]) > 59:
            raise BadField(field, f"times from 00:00 to 24:00, not {part[:40]!r}")
        if end <= start:
            end += DAY_MINUTES
    days = range(first, last + 1 if last >= first else last + 8)
    return [(day % 7 * DAY_MINUTES + start, day % 7 * DAY_MINUTES + end) for day in days]
