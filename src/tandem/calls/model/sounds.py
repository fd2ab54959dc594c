"""What a call wants of the relay's audio engine: music for who is held, a recording. It plays and records nothing.

What is wanted follows from the call; what the relay has been told stands in `Media`. Every step ends with the difference.
"""

import json

from msgspec.structs import replace

from tandem.calls.model import media
from tandem.calls.model.call import LINGER, TALKING, Effect
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Record
from tandem.calls.model.ways import FAR, PAUSED, RECORDED, STOPPED, Media

FOR_EVER = 0  # repeat-times
TOLD = {RECORDED: "recorded", PAUSED: "recording paused", STOPPED: "recording ended"}
VERBS = {RECORDED: "start recording", PAUSED: "pause recording", STOPPED: "stop recording"}


def settle(draft: Draft) -> None:
    """Orders what the relay does not do yet, and takes back what is over."""
    known = draft.call.media
    if known is None or draft.call.state != TALKING or draft.call.moving is not None:
        return
    if known.music or known.playing:
        play(draft, known)
    if draft.call.media is not None and known.record != known.recorded and known.ways:
        record(draft, draft.call.media)


def play(draft: Draft, known: Media) -> None:
    """Music to the other side of whoever holds the call."""
    wanted = tuple(sorted(to for to in listeners(draft) if known.music))
    if wanted == known.playing:
        return
    for party in known.playing:
        if party not in wanted:
            order(draft, "stop media", {"from-tag": party})
    for party in wanted:
        if party not in known.playing:
            pieces = [piece.strip() for piece in known.music.split(",")]
            order(
                draft, "play media", {"from-tag": party, "list": pieces, "repeat-times": FOR_EVER}
            )
    draft.set(media=replace(known, playing=wanted))


def listeners(draft: Draft) -> list[str]:
    """Who is held, as parties of the relay."""
    names = [name for name in draft.call.bridge if name]
    found = []
    for name in names:
        other = next((one for one in names if one != name), FAR)
        if draft.legs[name].held and not (other in draft.legs and draft.legs[other].held):
            one, to = media.party(draft, name), media.party(draft, other)
            if draft.call.media is not None and draft.call.media.way(one, to) is not None:
                found.append(to)
    return found


def record(draft: Draft, known: Media) -> None:
    call, words = draft.call, dict[str, object]()
    if known.record == RECORDED:
        who = f"tenant:{call.tenant}|caller:{call.caller.identity}|callee:{call.callee}"
        words["metadata"] = who
    order(draft, VERBS[known.record], words)
    draft.set(media=replace(known, recorded=known.record))


def order(draft: Draft, verb: str, words: dict[str, object]) -> None:
    assert draft.call.media is not None
    told = [draft.call.media.relay, {"command": verb, **words}]
    body = json.dumps(told, separators=(",", ":")).encode()
    draft.effects.append(Effect("media", draft.next_n(), until=draft.now + LINGER, body=body))
    draft.follows = False


def desk(draft: Draft, event: Record) -> None:
    """Somebody at a desk wants it recorded, paused or ended."""
    known = draft.call.media
    if known is None or draft.is_over() or known.record == event.wanted:
        return
    draft.set(media=replace(known, record=event.wanted))
    draft.note(TOLD[event.wanted], f"by {event.by}")
