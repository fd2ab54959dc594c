"""`tandem call pcap`: the SIP of a call and, while it talks, its media as the relay sees them on the wire, in one file."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cli.call_media import place_of
from tandem.cli.desk import fail, refusals
from tandem.cli.ladder import LadderMessage
from tandem.cli.pcap import BadPcap, merged
from tandem.cli.relay_ask import ask_relay
from tandem.config import Config, load
from tandem.web.changes import no_such

SECONDS = 10
SECONDS_MOST = 600  # the relay's limit: crates/tandem-rtp/src/ng/command.rs
WRITTEN_SECONDS = 5.0  # how long the relay's file is waited for, once the tap has ended
LOOK_SECONDS = 0.5  # between two looks whether the call goes on


class Tap(Struct, frozen=True):
    """What the relay tells of a tap."""

    state: str  # running, writing, written, failed
    file: str
    packets: int = 0
    bytes: int = 0
    lost: int = 0
    why: str = ""


def pcap(
    id: str,
    *,
    output: Annotated[Path | None, Parameter(help="The file; ID.pcap when not given.")] = None,
    seconds: Annotated[
        int,
        Parameter(
            help="How long media are copied; Ctrl-C ends it earlier.",
            validator=Number(gte=1, lte=SECONDS_MOST),
        ),
    ] = SECONDS,
) -> None:
    """Write SIP, RTP and RTCP of a call into a file for Wireshark. Of an ended call: its SIP."""
    with refusals():
        config = load()
        live = _live(config, id)
        if not live and not _messages(config, id):
            raise no_such(
                "call", f"{id}: neither live nor among the newest ([trace] in tandem.toml)"
            )
        file = output or Path(f"{id}.pcap")
        try:
            with file.open("wb") as out:
                tap, why = _tapped(config, id, seconds, live)
                messages = _messages(config, id)
                media = _fetched(tap)
                try:
                    with media.open("rb") if media else _none() as packets:
                        out.writelines(merged(messages, packets))
                finally:
                    if media:
                        media.unlink(missing_ok=True)
        except OSError as error:
            fail(f"{error.filename or file}: {error.strerror or error}")
        except BadPcap as error:
            fail(f"what the relay wrote of the media cannot be read: {error}")
        why = why or _unfetched(tap, media)
        _tell(file, len(messages), tap, why)
        if why and live.get("relayed"):  # there were media to be had
            sys.exit(1)


def _tell(file: Path, messages: int, tap: Tap | None, why: str) -> None:
    packets = tap.packets if tap and not why else 0
    print(f"{messages} SIP messages, {packets} packets of media: {file}", file=sys.stderr)
    if tap and tap.lost:
        print(f"{tap.lost} packets came too fast and are not in the file", file=sys.stderr)
    if tap and tap.why:
        print(f"the copy ended early: {tap.why}", file=sys.stderr)
    if why:
        print(f"only SIP was written: {why}", file=sys.stderr)


def _live(config: Config, id: str) -> dict[str, Any]:
    """How its media go; {}: it has ended."""
    try:
        found: dict[str, Any] = ask(config.control_socket, "calls.media", id=id)
    except Problem as refused:
        if str(refused).startswith("no such call"):
            return {}
        raise
    return found


def _messages(config: Config, id: str) -> list[LadderMessage]:
    return msgspec.convert(ask(config.control_socket, "trace", id=id), list[LadderMessage])


def _tapped(config: Config, id: str, seconds: int, live: dict[str, Any]) -> tuple[Tap | None, str]:
    """What came of the tap, or why there was none."""
    if not live:
        return None, "the call has ended"
    if not live["relayed"]:
        return None, "the call's media do not pass the relay"
    place = place_of(config, live["relay"])
    if place is None:
        return None, f"no relay {live['relay']!r} is in the configuration any more"
    try:
        ask_relay(place, "start tap", call_id=id, tap_seconds=seconds)
    except (NoNode, Problem) as error:
        return None, str(error)
    print(f"copying the media for {seconds} s, or until Ctrl-C", file=sys.stderr)
    try:
        _wait(config, id, seconds)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        told = _stop(place, id)
    return told


def _wait(config: Config, id: str, seconds: int) -> None:
    """Until the time is over, or the call."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_SECONDS))
        try:
            if not _live(config, id):
                return
        except (NoNode, Problem):  # a call node that is being replaced: media go on without it
            continue


def _stop(place: Path | tuple[str, int], id: str) -> tuple[Tap | None, str]:
    until = time.monotonic() + WRITTEN_SECONDS
    try:
        while True:
            tap = msgspec.convert(ask_relay(place, "stop tap", call_id=id)["tap"], Tap)
            if tap.state in ("written", "failed"):
                break
            if time.monotonic() > until:
                return tap, "the relay has not written the file in time"
            time.sleep(0.05)
    except (NoNode, Problem) as error:
        return None, str(error)
    return tap, tap.why if tap.state == "failed" else ""


def _fetched(tap: Tap | None) -> Path | None:
    """The relay's file, if it is on this machine."""
    path = Path(tap.file) if tap and tap.state == "written" else None
    return path if path and path.exists() else None


def _unfetched(tap: Tap | None, media: Path | None) -> str:
    if tap is None or media is not None:
        return ""
    return f"the relay has its part on its own machine: {tap.file}"


class _none:
    """No file."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
