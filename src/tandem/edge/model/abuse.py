"""Who is banned and who was refused: the reports of several workers as one. Pure; crates/tandem-sip/src/abuse/report.rs makes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

REPORTED_MOST = 1_000  # lines of each kind, as in the core
NOTE_CHARACTERS = 120  # of the words for a ban
BAN_SECONDS_MOST = 86_400


class Banned(Struct, frozen=True):
    """A source that is not heard now; an IPv6 source stands for its /64."""

    source: str
    why: str  # rate, malformed, guessing, scanner, asked (by somebody), told (by another worker or the kernel)
    until_us: int  # microseconds since 1970
    seconds: int  # how long that still is
    note: str = ""  # what somebody said who asked for it
    workers: tuple[int, ...] = ()  # that do not hear it


class Suspect(Struct, frozen=True):
    """A source that was refused something, banned or not; at all workers together."""

    source: str
    refused: int = 0  # messages above its rate
    malformed: int = 0  # messages that were no SIP
    guesses: int = 0  # wrong users and passwords
    per_minute: int = 0  # messages
    silent_seconds: int = 0  # since it was last heard


class Refused(Struct, frozen=True):
    """Messages of one kind that came one after the other from one source."""

    at_us: int  # of the last of them
    source: str
    why: str
    method: str = ""
    agent: str = ""  # the beginning of its User-Agent
    count: int = 1


class Report(Struct, frozen=True):
    """Of one worker, or of all."""

    banned: tuple[Banned, ...] = ()
    banned_all: int = 0  # at the worker that knows most, where `banned` is cut
    suspects: tuple[Suspect, ...] = ()  # the worst first
    tail: tuple[Refused, ...] = ()  # the newest first
    refused: dict[str, int] = {}  # messages by reason, since each worker's start
    bans: int = 0  # since then
    messages_of_banned: int = 0  # that were read and thrown away
    kernel: dict[str, int] | None = None  # counters of nf_tables; None: bans do not go there
    missing: dict[str, str] = {}  # workers that do not answer, and why


def read(told: Any) -> Report:
    """A worker's answer to `abuse`. Raises msgspec.ValidationError."""
    return msgspec.convert(told, Report, strict=False)


def joined(reports: Mapping[int, Report], missing: Mapping[str, str], most: int) -> Report:
    """All workers as one, each list cut at `most`."""
    all = list(reports.values())
    banned: dict[str, Banned] = {}
    for worker, report in reports.items():
        for ban in report.banned:
            banned[ban.source] = _both(banned.get(ban.source), ban, worker)
    longest = sorted(banned.values(), key=lambda ban: (-ban.until_us, ban.source))
    newest = sorted((one for r in all for one in r.tail), key=lambda one: -one.at_us)
    kernels = [report.kernel for report in all if report.kernel is not None]
    return Report(
        banned=tuple(longest[:most]),
        banned_all=max([len(banned), *(report.banned_all for report in all)]),
        suspects=tuple(_suspects(one for r in all for one in r.suspects)[:most]),
        tail=tuple(newest[:most]),
        refused=_summed(report.refused for report in all),
        bans=sum(report.bans for report in all),
        messages_of_banned=sum(report.messages_of_banned for report in all),
        kernel=_summed(kernels) if kernels else None,
        missing=dict(missing),
    )


def _both(known: Banned | None, ban: Banned, worker: int) -> Banned:
    """The longer of the two; what somebody said, and a reason of one's own, count more than hearsay."""
    if known is None:
        return replace(ban, workers=(worker,))
    longer = max(known, ban, key=lambda one: one.until_us)
    reasons = [one.why for one in (longer, known, ban) if one.why != "told"]
    return replace(
        longer,
        why=reasons[0] if reasons else "told",
        note=known.note or ban.note,
        workers=(*known.workers, worker),
    )


def _suspects(all: Iterable[Suspect]) -> list[Suspect]:
    by_source: dict[str, Suspect] = {}
    for one in all:
        known = by_source.get(one.source)
        by_source[one.source] = one if known is None else _added(known, one)
    return sorted(by_source.values(), key=lambda one: (-_guilt(one), one.source))


def _guilt(one: Suspect) -> int:
    """As a worker orders them: a guess weighs more than a malformed message, that more than one too many."""
    return one.refused + 10 * one.malformed + 100 * one.guesses


def _added(one: Suspect, other: Suspect) -> Suspect:
    return Suspect(
        source=one.source,
        refused=one.refused + other.refused,
        malformed=one.malformed + other.malformed,
        guesses=one.guesses + other.guesses,
        per_minute=one.per_minute + other.per_minute,
        silent_seconds=min(one.silent_seconds, other.silent_seconds),
    )


def _summed(all: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counters in all:
        for name, count in counters.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))
