"""`tandem abuse, ban, unban`: who is refused at this machine's edges, and who is not heard. Each edge process is asked for itself."""

import re
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tandem.accounts.model.fields import BadField
from tandem.cli.ask import NoNode, ask
from tandem.cli.desk import Json, refusals, show_one, show_rows
from tandem.config import load
from tandem.edge.model.abuse import BAN_SECONDS_MOST, Report, joined, read

LINES = 20  # of each part of the report
UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
SPAN = re.compile(r"^(?P<number>[0-9]{1,9})(?P<unit>[smhd]?)$")
WHY = {
    "rate": "far above its rate",
    "malformed": "too much that is no SIP",
    "guessing": "tried many users in vain",
    "scanner": "names itself as a scanner",
    "asked": "somebody asked for it",
    "told": "another worker said so, or the kernel",
}
BANNED = ("source", "why", "until", "left", "note")
SUSPECTS = ("source", "refused", "malformed", "guesses", "per_minute", "last_heard")
TAIL = ("at", "source", "why", "method", "user_agent", "count")

Only = Annotated[str, Parameter(help="Only this one; without it all.")]
Most = Annotated[int, Parameter(help="Lines of each part, at most.")]
For = Annotated[str, Parameter(name="--for", help="Like 90s, 15m, 1h, 1d; without it the limit ban_seconds.")]  # fmt: skip
Note = Annotated[str, Parameter(name="--reason", help="Your words, for the report.")]


def abuse(address: Only = "", *, most: Most = LINES, json: Json = False) -> None:
    """Show who is banned, why and until when, whom the edges refused most, and for what."""
    with refusals():
        told = _ask_edges("abuse", **asked(address, most))
        reports = {edge: read(one) for edge, one in told.items() if not isinstance(one, Exception)}
        show(joined(reports, _missing(told), most), as_json=json)


def ban(address: str, *, for_: For = "", reason: Note = "", json: Json = False) -> None:
    """Do not hear an address any more, at no edge of this machine: `tandem ban 198.51.100.7 --for 1h --reason "toll fraud"`."""
    with refusals():
        told = _ask_edges("ban", **order(address, for_, reason))
        answers = [one for one in told.values() if not isinstance(one, Exception)]
        say_banned(address, answers[0]["seconds"], _missing(told), as_json=json)


def unban(address: str, *, json: Json = False) -> None:
    """Hear a banned address again."""
    with refusals():
        told = _ask_edges("unban", source=address)
        was = any(one["was_banned"] for one in told.values() if not isinstance(one, Exception))
        say_unbanned(address, was, _missing(told), as_json=json)


def _ask_edges(do: str, **arguments: Any) -> dict[int, Any]:
    """What each edge said, or NoNode instead. Raises NoNode where none answers, Problem where one refuses."""
    config, told = load(), dict[int, Any]()
    for edge in config.edge_numbers:
        try:
            told[edge] = ask(
                config.edge_control(edge),
                do,
                who=f"edge {edge}",
                hint="`tandem up` starts it; a standalone edge has `tandem edge abuse, ban, unban`",
                **arguments,
            )
        except NoNode as error:
            told[edge] = error
    away = [one for one in told.values() if isinstance(one, NoNode)]
    if len(away) == len(told):
        raise away[0]
    return told


def _missing(told: dict[int, Any]) -> dict[str, str]:
    return {str(edge): str(one) for edge, one in told.items() if isinstance(one, Exception)}


# --- shared with `tandem edge` ---------------------------------------------------------------------------------------


def asked(address: str, most: int) -> dict[str, Any]:
    return {"most": most, **({"source": address} if address else {})}


def order(address: str, span: str, reason: str) -> dict[str, Any]:
    """Raises BadField."""
    seconds = {"seconds": seconds_of(span)} if span else {}
    return {"source": address, **seconds, **({"note": reason} if reason else {})}


def seconds_of(span: str) -> int:
    """Raises BadField."""
    found = SPAN.match(span.strip())
    seconds = int(found["number"]) * UNITS[found["unit"]] if found else 0
    if not 1 <= seconds <= BAN_SECONDS_MOST:
        raise BadField("for", f"{span[:20]!r}: a time like 90s, 15m, 1h, at most 1d")
    return seconds


def say_banned(address: str, seconds: int, missing: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        show_one({"source": address, "seconds": seconds, "missing": missing}, as_json=True)
        return
    until = clock((time.time() + seconds) * 1e6)
    print(f"{address} is banned until {until} ({span_of(seconds)})")
    say_missing(missing)


def say_unbanned(address: str, was_banned: bool, missing: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        show_one({"source": address, "was_banned": was_banned, "missing": missing}, as_json=True)
        return
    print(f"{address} is heard again" if was_banned else f"{address} was not banned")
    say_missing(missing)


def say_missing(missing: dict[str, str]) -> None:
    for edge, why in missing.items():
        print(f"tandem: worker {edge} was not reached: {why}", file=sys.stderr)


def span_of(seconds: int) -> str:
    """`1 h 5 m`: two units at most."""
    for unit, length, less, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):  # fmt: skip
        if seconds >= length:
            rest = seconds % length // part
            return f"{seconds // length} {unit}" + (f" {rest} {less}" if rest else "")
    return f"{seconds} s"


def show(report: Report, *, as_json: bool) -> None:
    """For people in four parts, the empty ones left out; for programs one object."""
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    more = f", the {len(report.banned)} longest shown" if report.banned_all > len(report.banned) else ""  # fmt: skip
    print(f"banned now: {report.banned_all}{more}")
    if report.banned:
        rows = [
            {
                "source": ban.source,
                "why": WHY.get(ban.why, ban.why),
                "until": clock(ban.until_us),
                "left": span_of(ban.seconds),
                "note": ban.note,
            }
            for ban in report.banned
        ]
        show_rows(rows, BANNED if any(ban.note for ban in report.banned) else BANNED[:-1], as_json=False)  # fmt: skip
    if report.suspects:
        print("\nmost refused sources")
        suspects = [{**msgspec.structs.asdict(one), "last_heard": f"{span_of(one.silent_seconds)} ago"} for one in report.suspects]  # fmt: skip
        show_rows(suspects, SUSPECTS, as_json=False)
    if report.refused:
        print("\nrefused, by reason, since the workers began")
        counts = [{"reason": why, "messages": n} for why, n in report.refused.items() if n]
        show_rows(counts, ("reason", "messages"), as_json=False)
    if report.tail:
        print("\nlast refused messages")
        tail = [
            {**msgspec.structs.asdict(one), "at": clock(one.at_us), "user_agent": one.agent}
            for one in report.tail
        ]
        show_rows(tail, TAIL, as_json=False)
    thrown = f"{report.bans} bans since the workers began, {report.messages_of_banned} messages of banned sources thrown away"
    kernel = "" if report.kernel is None else ", more by the kernel"
    print(f"\n{thrown}{kernel}")
    say_missing(report.missing)


def clock(at_us: float) -> str:
    """In the time of this machine; the day only when it is another one."""
    at = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return at.strftime("%H:%M:%S" if at.date() == today else "%Y-%m-%d %H:%M:%S")
