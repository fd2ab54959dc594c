"""Tells a call in one plain paragraph: `call why`. Pure: from the CDR, if there is one yet, and the events."""

from collections.abc import Sequence
from http import HTTPStatus

from tandem.records.export import iso
from tandem.records.model import CallEvent, Cdr

_SIP = {
    0: "no answer at all",
    408: "408, no answer in time",
    480: "480, not reachable now",
    482: "482, a loop",
    486: "486, busy",
    487: "487, cancelled",
    488: "488, no common codec",
    600: "600, busy everywhere",
    603: "603, declined",
    604: "604, does not exist anywhere",
}
GAP_TOLD = 30_000_000  # microseconds
_HANGING = {"caller": "the caller", "callee": "the called side", "tandem": "Tandem"}


def why(cdr: Cdr | None, events: Sequence[CallEvent]) -> str:
    """Which way the call went, who was tried and what they said, who died, what it cost, and how it ended."""
    told = sorted(events, key=lambda event: event.at)
    if cdr is None and not told:
        return "Nothing is known of this call."
    start = cdr.invited_at if cdr else told[0].at
    sentences = [_opening(cdr, told, start)]
    last = start
    for event in told:
        sentences += _sentence(event, start, last)
        last = max(last, event.at)
    if cdr:
        if not any(event.what in ("failed", "answered") for event in told):
            sentences += [_tried(one) for one in cdr.tried]
        if cdr.takeovers and not any(event.what == "adopted" for event in told):
            sentences.append(f"It changed hands {_times(cdr.takeovers)}.")
        sentences.append(_ending(cdr))
    else:
        sentences.append("It has not ended yet.")
    return " ".join(sentences)


def _opening(cdr: Cdr | None, told: Sequence[CallEvent], start: int) -> str:
    day = iso(start)
    if cdr is None:
        return f"Call {told[0].call} began at {day}."
    shown = f" ({cdr.caller_number})" if cdr.caller_number not in ("", cdr.caller) else ""
    kind = "Emergency call" if cdr.emergency else "Call"
    return f"{kind} {cdr.id}, from {cdr.caller}{shown} to {cdr.callee}, began at {day}."


def _sentence(event: CallEvent, start: int, last: int) -> list[str]:
    text, after = _text(event.text), f"after {_seconds(event.at - start)}"
    match event.what:
        case "invited" | "ended" | "originated":
            return []
        case "routed":
            return [f"Routing found: {text}."] if text else []
        case "tried":
            return [f"Tried {text} {after}."]
        case "failed":
            return [_tried(text, after)]
        case "rang":
            return [f"{text or 'It'} rang {after}."]
        case "answered":
            return [f"{text or 'It'} answered {after}."]
        case "adopted":
            node = f"node {event.node}" if event.node else "another node"
            gap = event.at - last
            # nobody watched in between; after a long silence that bound says nothing
            known = "without an owner" in text
            cost = "" if known or gap >= GAP_TOLD else f", at most {_seconds(gap)} without an owner"
            how = f" ({text})" if text else ""
            return [f"Its process died{how}: {node} took it over {after}{cost}."]
        case "held" | "resumed":
            by = f" by {_HANGING[text]}" if text in _HANGING else ""
            return [f"It was {event.what}{by} {after}."]
        case "no answer":
            return [f"Nobody answered: ringing was given up {after}."]
        case what:
            return [f"{what[:1].upper()}{what[1:]}{f': {text}' if text else ''}, {after}."]


def _tried(text: str, after: str = "") -> str:
    """ "trunk:one 503 Service Unavailable" as a sentence."""
    who, _, said = text.partition(" ")
    status, _, rest = said.partition(" ")
    if not status.isdigit():
        return f"{who} failed{f' with {said}' if said else ''}{f' {after}' if after else ''}."
    if status == "200":
        return f"{who} answered{f' {after}' if after else ''}."
    return f"{who} failed with {_status(int(status), rest)}{f' {after}' if after else ''}."


def _ending(cdr: Cdr) -> str:
    if cdr.proof:
        return (
            f"Nobody saw its end: it was last known to be alive at {iso(cdr.ended_at)},"
            f" {_seconds_of(cdr.seconds)} after the answer, and is counted to there."
        )
    who = _HANGING.get(cdr.ended_by, "nobody")
    if cdr.answered_at:
        how = f"{who} hung up" if cdr.why == "hung up" else f"{who} ended it ({cdr.why})"
        return f"They talked for {_seconds_of(cdr.seconds)}; {how}."
    waited = _seconds(cdr.ended_at - cdr.invited_at)
    if cdr.why == "cancelled":
        return f"The caller gave up after {waited}."
    return (
        f"It ended unanswered after {waited}: {cdr.why}; the caller was told {_status(cdr.status)}."
    )


def _status(status: int, reason: str = "") -> str:
    if status in _SIP:
        return _SIP[status] + (f" ({reason})" if reason and not status else "")
    try:
        return f"{status} {reason or HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} {reason}".rstrip()


def _text(text: str) -> str:
    """SIP text (one character per byte) as people read it."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _seconds(micros: int) -> str:
    return _seconds_of(max(0, micros) / 1e6)


def _seconds_of(seconds: float) -> str:
    if seconds < 0.1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
