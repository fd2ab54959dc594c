"""`tandem call trace|why`: what was said in a call, and how it went."""

import json as json_text
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.text import Text

from tandem.adapters.sqlite_records import events_of, get_cdr
from tandem.cli.ask import NoNode, Problem, ask
from tandem.cli.desk import Json, cell, desk, refusals, terminal
from tandem.cli.ladder import LadderMessage, Mark, ladder
from tandem.cli.pcap import pcap
from tandem.config import Config, load
from tandem.records.model import CallEvent
from tandem.records.why import why as tell
from tandem.web.changes import no_such

MARKED = (
    "adopted",
    "held",
    "resumed",
    "transferred",
    "failed",
    "no answer",
    "forwarded",
)  # events drawn across the ladder
SIGNAL = re.compile(r"signal \d+ \((\w+)\)")


def trace(
    id: str,
    *,
    pcap_file: Annotated[
        Path | None, Parameter(name="--pcap", help="Write a pcap file for Wireshark instead.")
    ] = None,
    raw: Annotated[
        bool, Parameter(negative="", help="Whole messages instead of a ladder.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the real SIP messages of one of the newest calls as a ladder."""
    with refusals():
        config = load()
        socket = config.control_socket
        messages = msgspec.convert(ask(socket, "trace", id=id), list[LadderMessage])
        if not messages:
            raise no_such("trace", f"{id}: kept for the newest calls only ([trace] in tandem.toml)")
        if pcap_file is not None:
            with pcap_file.open("wb") as file:
                file.writelines(pcap(messages))
            print(f"{len(messages)} messages written to {pcap_file}", file=sys.stderr)
        elif json:
            for message in messages:
                print(json_text.dumps(msgspec.to_builtins(message)))
        elif raw:
            for message in messages:
                _print_raw(message)
        else:
            caller, callee = _parties(config, id)
            picture = ladder(messages, _marks(socket, id), caller=caller, callee=callee)
            terminal().print(picture, soft_wrap=True)


def why(id: str, *, json: Json = False) -> None:
    """Tell a call, live or past, in one paragraph."""
    with desk() as (config, connection):
        cdr, events = get_cdr(connection, id), events_of(connection, id)
        if cdr is None or not events:  # live, or so fresh that it is still in the journal
            try:
                told = [_event(one) for one in ask(config.control_socket, "events", id=id)]
                events = told if len(told) > len(events) else events
            except (NoNode, Problem):
                if cdr is None and not events:
                    raise
        if cdr is None and not events:
            raise no_such("call", id)
        text = tell(cdr, events)
        print(json_text.dumps({"id": id, "why": text}) if json else cell("why", text))


def _print_raw(message: LadderMessage) -> None:
    arrow = "<-" if message.inbound else "->"
    seconds, micros = divmod(message.at, 1_000_000)
    head = f"{seconds}.{micros:06} {message.transport} {message.local} {arrow} {message.remote}"
    terminal().print(Text(head, style="bold"))
    for line in message.text.replace("\r\n", "\n").rstrip("\n").split("\n"):
        print(cell("text", line))
    print()


def _marks(socket: Path, id: str) -> list[Mark]:
    try:
        events = [_event(one) for one in ask(socket, "events", id=id)]
    except (NoNode, Problem):  # messages without marks are better than nothing
        return []
    return [
        Mark(
            event.at,
            cell("text", _mark_text(event)),
            death=event.what == "adopted",
        )
        for event in events
        if event.what in MARKED
    ]


def _mark_text(event: CallEvent) -> str:
    """Short enough for a line across the ladder."""
    if event.what == "adopted" and event.text:
        return SIGNAL.sub(r"\1", event.text)  # the call node died, SIGKILL, 0.25 s without an owner
    return f"{event.what} {event.text}".strip()


def _parties(config: Config, id: str) -> tuple[str, str]:
    """Who the columns are: from the CDR, or from the node while the call lives."""
    with desk() as (_, connection):
        cdr = get_cdr(connection, id)
    if cdr is not None:
        return cell("caller", cdr.caller), cell("callee", cdr.answered_by or cdr.callee)
    try:
        call: dict[str, Any] = ask(config.control_socket, "calls.show", id=id)
    except (NoNode, Problem):
        return "caller", "callee"
    return cell("caller", call["caller"]), cell("callee", call["callee"])


def _event(one: dict[str, Any]) -> CallEvent:
    return CallEvent(**{name: one[name] for name in CallEvent.__struct_fields__ if name in one})
