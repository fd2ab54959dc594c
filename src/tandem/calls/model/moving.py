"""A call's media goes on through another relay (docs/decisions/0030-reinvite.md). It chooses none.

Two ordinary exchanges: what one party told last is offered to the other by the new relay, and what that one answers is
offered to the first. A call that is being set up tells the new relay what it told the old one; whoever rings is asked
again once he has answered.
"""

from msgspec.structs import replace

from tandem.boundary import Response
from tandem.calls.model import described, hangup, media, tell, text
from tandem.calls.model.call import (
    CONFIRMED,
    GONE,
    SETUP,
    TALKING,
    Client,
    Leg,
    Moving,
)
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Moved
from tandem.calls.model.ways import ANSWER, FAR, OFFER, STOPPED, Wait

WAITING, ASKING, TELLING, TURNING, ASKING_BACK, CLOSING = (
    "waiting", "asking", "telling", "turning", "asking back", "closing",
)  # fmt: skip
ASKED = {ASKING: TELLING, ASKING_BACK: CLOSING}  # who was asked has answered: the relay hears of it
TRIES = 6
AGAIN = 1_000_000  # microseconds between two tries
LATER = frozenset({480, 491, 500, 503})  # it may be asked again
LINES = f"Allow: {text.ALLOW}\r\nSupported: timer, replaces\r\n"


def moved(draft: Draft, event: Moved) -> None:
    """The node has chosen another relay for this call."""
    known = draft.call.media
    if known is None or draft.is_over() or known.relay == event.relay:
        return
    if not known.known:
        draft.set(media=replace(known, relay=event.relay))
        return
    if draft.call.moving is not None:
        media.say_end_at(draft, draft.call.moving.old)
    draft.set(
        media=replace(known, relay=event.relay, moves=known.moves + 1),
        moving=Moving(WAITING, known.relay, event.gone, draft.call.state == SETUP),
    )
    draft.note("relay left", event.why)
    tell_again(draft)


def tell_again(draft: Draft) -> None:
    """The new relay hears what the old one had not answered yet, and the offers that are still open."""
    known = draft.call.media
    assert known is not None
    waits = tuple(wait for wait in known.waits if wait.do not in ("move", "again"))
    draft.set(media=replace(known, waits=()))
    offers = {(wait.to, wait.of) for wait in waits if wait.verb == ANSWER}
    if draft.call.state == SETUP:
        offers |= {(way.one, way.other) for way in known.ways}
    for of, to in sorted(offers):
        way, told = known.way(of, to), known.last(of)
        if way is not None and told:
            media.ask(draft, way, Wait(0, "again", 0, of + to, OFFER, of, to, body=told))
    for wait in waits:
        way = known.way(wait.of, wait.to)
        if way is not None:
            media.ask(draft, way, wait)


def go_on(draft: Draft) -> None:
    """Every step ends with it: what was not possible may be now."""
    moving = draft.call.moving
    if moving is None or draft.call.state != TALKING:
        return
    if moving.stage in ASKED and not is_asked(draft):
        again(draft, moving, "could not be asked")
        moving = draft.call.moving
    if moving is None or moving.stage not in (WAITING, TURNING) or moving.at > draft.now:
        return
    if not is_quiet(draft):
        return
    one, other = pair(draft)
    if moving.stage == WAITING:
        ask(draft, moving, of=one, to=other, stage=ASKING)
    else:
        ask(draft, moving, of=other, to=one, stage=ASKING_BACK)


def pair(draft: Draft) -> tuple[str, str]:
    """The two who talk, as legs; FAR last, where one is in another call."""
    one, other = draft.call.bridge
    return (one, other or FAR) if one else (other, FAR)


def is_asked(draft: Draft) -> bool:
    """Whether our re-INVITE is under way; what another call was asked is answered there."""
    moving = draft.call.moving
    asks_far = moving is not None and moving.stage == ASKING and FAR in pair(draft)
    return asks_far or any(c.why == "move" and not c.ended_at for c in draft.clients.values())


def is_quiet(draft: Draft) -> bool:
    """Whether both parties may be asked: nothing else changes their dialogs (RFC 3261 14.1)."""
    call = draft.call
    if call.transfer is not None or call.joining is not None:
        return False
    if call.media is None or call.media.waits or ("" in call.bridge and not call.stub):
        return False
    names = [name for name in call.bridge if name]
    if any(draft.legs[name].state != CONFIRMED for name in names):
        return False
    asked = any(draft.open_client(name, "INVITE", "UPDATE") is not None for name in names)
    return not asked and not any(
        server.method in ("INVITE", "UPDATE")
        and (server.leg or call.bridge[0]) in names
        and (not server.ended_at or (server.method == "INVITE" and unacked(server.status, server.acked)))
        for server in draft.servers.values()
    )  # fmt: skip


def unacked(status: int, acked: bool) -> bool:
    return 200 <= status < 300 and not acked


def ask(draft: Draft, moving: Moving, *, of: str, to: str, stage: str) -> None:
    """Offers one's last description to the other."""
    known = draft.call.media
    assert known is not None
    one, other = media.party(draft, of), media.party(draft, to)
    told = known.last(one)
    if not told or known.way(one, other) is None:
        done(draft, moving)  # they talk directly
        return
    draft.set(moving=replace(moving, stage=stage, at=0))
    draft.follows = False
    if to == FAR:
        word = tell.Passed(-known.moves, "INVITE", LINES, described.SDP, told)
        draft.tell(draft.call.stub, word, of=of)
        return
    leg = draft.legs[to]
    draft.ask(
        leg, "INVITE", extra=LINES + session(leg), content_type=described.SDP, body=told, why="move", of=of
    )  # fmt: skip


def session(leg: Leg) -> str:
    """The timer goes on (RFC 4028 7.4): without the line it would end."""
    if not leg.session.interval:
        return ""
    refresher = "uac" if leg.session.ours else "uas"
    return f"Session-Expires: {leg.session.interval};refresher={refresher}\r\n"


def progressed(draft: Draft, client: Client, response: Response) -> None:
    """An answer to our re-INVITE."""
    from tandem.calls.model import relay

    if response.status < 200:
        draft.clients[client.n] = replace(client, proceeding=True)
        return
    draft.close(client.n)
    leg = draft.legs[client.leg]
    if response.status < 300:
        relay.learn(draft, client, leg, response)
        draft.ack(client.n, draft.legs[leg.name])
    answered(draft, leg.name, response.status, response.content_type, response.body)


def replied(draft: Draft, word: tell.Replied) -> None:
    """The other call's party has answered."""
    known = draft.call.media
    if known is not None and word.ref == -known.moves:
        answered(draft, FAR, word.status, word.content_type, word.body)


def answered(draft: Draft, by: str, status: int, content_type: str, body: bytes) -> None:
    """One of the two has answered: the relay is told."""
    moving = draft.call.moving
    if moving is None or moving.stage not in ASKED or draft.is_over():
        return
    if status >= 300:
        refused(draft, moving, by, status)
        return
    one, other = pair(draft)
    draft.set(moving=replace(moving, stage=ASKED[moving.stage]))
    to = other if by == one else one
    waits = media.pass_on(
        draft, "move", 0, verb=ANSWER, of=by, to=to, content_type=content_type, body=body, asked=body
    )  # fmt: skip
    if not waits:
        related(draft)


def related(draft: Draft) -> None:
    """The relay knows the answer: what is left to do follows at the end of the step."""
    moving = draft.call.moving
    if moving is None:
        return
    draft.follows = False
    if moving.stage == CLOSING or moving.alone:
        done(draft, moving)
    else:
        draft.set(moving=replace(moving, stage=TURNING))


def done(draft: Draft, moving: Moving) -> None:
    media.say_end_at(draft, moving.old)
    known = draft.call.media
    assert known is not None
    draft.set(moving=None, media=replace(known, playing=(), recorded=STOPPED))
    draft.follows = False
    draft.note("relay changed", f"to {known.relay}")


def refused(draft: Draft, moving: Moving, by: str, status: int) -> None:
    """One of the two does not take part."""
    leg = draft.legs.get(by)
    why = f"{by} answers {status}"
    if leg is not None and status in (408, 481):
        draft.leg(by, state=GONE)  # RFC 3261 12.2.1.2: this dialog is over
        hangup.end_bridge(
            draft, ended_by="nobody", why=f"the peer answered {status}", at=leg.seen_at, proof=True
        )
    elif status in LATER and moving.tries < TRIES:
        owns = leg is None or leg.name[0] == "b"  # RFC 3261 14.1: who owns the Call-ID waits longer
        wait = 2_100_000 + draft.now % 190 * 10_000 if owns else draft.now % 200 * 10_000
        again(draft, moving, why, wait if status == 491 else AGAIN)
    elif not moving.gone:
        stay(draft, moving, why)
    else:
        give_up(draft, why)


def unrelated(draft: Draft, why: str) -> None:
    """The new relay does not take the answer."""
    moving = draft.call.moving
    if moving is not None:
        again(draft, moving, why)


def again(draft: Draft, moving: Moving, why: str, wait: int = AGAIN) -> None:
    """From the beginning, a little later."""
    if moving.tries >= TRIES:
        give_up(draft, why)
        return
    draft.set(moving=replace(moving, stage=WAITING, at=draft.now + wait, tries=moving.tries + 1))


def stay(draft: Draft, moving: Moving, why: str) -> None:
    """The relay before goes on; who has left it already is asked back."""
    known = draft.call.media
    assert known is not None
    draft.note("relay kept", why)
    if moving.stage == ASKING:
        media.say_end_at(draft, known.relay)
        draft.set(media=replace(known, relay=moving.old), moving=None)
        return
    draft.set(
        media=replace(known, relay=moving.old, moves=known.moves + 1),
        moving=Moving(WAITING, known.relay, gone=True, alone=True),
    )


def give_up(draft: Draft, why: str) -> None:
    hangup.end_bridge(draft, ended_by="tandem", why=f"no other media relay: {why}")


def ticked(draft: Draft) -> None:
    """The time until the next try is over; it begins with the end of this step."""
    moving = draft.call.moving
    if moving is not None and moving.at and draft.now >= moving.at:
        draft.set(moving=replace(moving, at=0))
