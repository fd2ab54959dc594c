"""Two calls become one for their parties: INVITE with Replaces (RFC 3891), pick-up, attended transfer (RFC 5589 7).

The asking call says Join. The asked one re-INVITEs the party that stays (or, picked up while it rings, answers its caller
from the two offers), says Joined, and hangs up whom the asking one replaces. From then on each forwards to the other (stub.py).
"""

from msgspec.structs import replace

from tandem.boundary import Request, Response
from tandem.calls.model import finish, hangup, media, replaces, sdp, tell, text
from tandem.calls.model.call import (
    ANSWERED,
    CONFIRMED,
    EARLY,
    ENDED,
    GONE,
    SETUP,
    TALKING,
    Client,
    Joining,
    Leg,
)
from tandem.calls.model.draft import Draft
from tandem.calls.model.ways import ANSWER, FAR, OFFER

JOIN_SECONDS = 20  # how long the other call may take
LINES = f"Allow: {text.ALLOW}\r\nSupported: timer, replaces\r\n"


# -- the asking call


def ask(draft: Draft, request: Request) -> None:
    """An INVITE with Replaces: its caller wants the place of another party (RFC 3891 3)."""
    wanted = replaces.read(request.special["replaces"])
    if wanted is None or "join" in request.special:
        finish.refuse(draft, 400, "the Replaces header cannot be read", ours=True)
        return
    if not wanted.call or wanted.call == draft.call.id:
        finish.refuse(draft, 481, "Replaces names no dialog of ours", ours=True)
        return
    draft.respond(draft.call.invite, 100)
    draft.set(stub=wanted.call, give_up_at=draft.now + JOIN_SECONDS * 1_000_000)
    word = tell.Join(
        wanted.to_tag, wanted.from_tag, draft.call.tenant, draft.call.caller.identity, wanted.early_only,
        request.content_type, request.body,
    )  # fmt: skip
    draft.tell(wanted.call, word, of="a")
    draft.note("joining", wanted.call)


def joined(draft: Draft, sender: str, word: tell.Joined) -> None:
    """The other call has connected its party with ours."""
    if draft.call.transfer is not None and draft.call.transfer.call == sender:
        bring(draft, word)
    elif draft.call.state == SETUP and draft.call.stub == sender:
        connected(draft, word)


def connected(draft: Draft, word: tell.Joined) -> None:
    """Our caller, who came with Replaces, gets the answer."""
    from tandem.calls.model.setup import caller_leg

    leg = caller_leg(draft, "a" + draft.new_name(), "")
    offered = bool(draft.call.caller.body)
    draft.leg(leg.name, state=ANSWERED, answered_at=draft.at, seen_at=draft.at)
    draft.set(
        state=TALKING, answered_at=draft.at, ringing_at=draft.at, bridge=(leg.name, ""), give_up_at=0, tick_at=0, final=200,
        answered_by=word.who, tried=(*draft.call.tried, f"{word.who} 200"), caller=replace(draft.call.caller, body=b"", rest="", special={}),
    )  # fmt: skip
    draft.respond(
        draft.call.invite, 200, extra=LINES + word.lines, content_type=word.content_type, body=word.body, tag=leg.local_tag,
        contact=draft.contact(leg), of=FAR, verb=ANSWER if offered else OFFER,
    )  # fmt: skip
    draft.note("answered", f"in {draft.call.stub}")


def bring(draft: Draft, word: tell.Joined) -> None:
    """Attended transfer: the other call's party has offered; the party that we move answers it."""
    transfer = draft.call.transfer
    assert transfer is not None
    moved = draft.legs.get(transfer.moved)
    if draft.call.state != TALKING or moved is None or moved.state != CONFIRMED:
        draft.tell(transfer.call, tell.Left("tandem", ""))
        refused(draft, transfer.call, 480)
        return
    client = draft.ask(
        moved, "INVITE", extra=LINES, content_type=word.content_type, body=word.body, why="bring", of=FAR
    )  # fmt: skip
    draft.set(transfer=replace(transfer, offer=client.n, to=word.who), give_up_at=0)


def brought(draft: Draft, client: Client, response: Response) -> None:
    """The answer to that: the two halves are one call, and the transferor is out of it."""
    from tandem.calls.model import transfer as transfers
    from tandem.calls.model.relay import learn

    if response.status < 200:
        return
    draft.close(client.n)
    transfer = draft.call.transfer
    if response.status < 300:
        learn(draft, client, draft.legs[client.leg], response)
        draft.ack(client.n, draft.legs[client.leg])
    if transfer is None or transfer.offer != client.n:
        return
    if response.status >= 300:
        draft.tell(transfer.call, tell.Left("tandem", ""))
        draft.set(transfer=replace(transfer, call=""))
        transfers.over(draft, response.status)
        return
    word = tell.Answered(0, "", response.content_type, response.body)
    draft.tell(transfer.call, word, of=client.leg, verb=ANSWER)
    old = next((name for name in draft.call.bridge if name not in ("", client.leg)), "")
    draft.set(tried=(*draft.call.tried, f"{transfer.to} 200"))
    half(draft, client.leg, transfer.call, transfer.to)
    transfers.over(draft, 200)
    transfers.release(draft, old, transfer.by)


def refused(draft: Draft, sender: str, status: int) -> None:
    """The other call does not join us."""
    from tandem.calls.model import transfer as transfers

    if draft.call.transfer is not None and draft.call.transfer.call == sender:
        draft.set(transfer=replace(draft.call.transfer, call=""))
        transfers.over(draft, status)
    elif draft.call.stub == sender and draft.call.state == SETUP:
        draft.set(stub="")
        finish.refuse(draft, status, "the call to be replaced refused", ours=True)


# -- the asked call


def asked(draft: Draft, sender: str, word: tell.Join) -> None:
    leg = next(
        (one for one in draft.legs.values() if (one.local_tag, one.remote_tag) == (word.tag, word.peer_tag)), None
    )  # fmt: skip
    if problem := why_not(draft, leg, word):
        draft.tell(sender, tell.Refused(problem))
        return
    assert leg is not None
    if leg.state == EARLY:
        pick_up(draft, sender, leg, word)
        return
    peer = draft.legs[leg.peer]
    client = draft.ask(
        peer, "INVITE", extra=LINES, content_type=word.content_type, body=word.body, why="swap", of=FAR
    )  # fmt: skip
    draft.set(joining=Joining(sender, leg.name, client.n, word.who))
    draft.note("joining", f"{word.who} for {leg.name}")


def why_not(draft: Draft, leg: Leg | None, word: tell.Join) -> int:
    """The status of RFC 3891 3 with which the asking party is refused; 0: it may."""
    call = draft.call
    if leg is None or word.tenant != call.tenant:
        return 481
    if call.state == ENDED or leg.state == GONE:
        return 603
    if leg.state == EARLY:
        return 0 if leg.name[0] == "b" and call.state == SETUP and call.invite else 481
    if word.early_only:
        return 486
    peer = draft.legs.get(leg.peer)
    busy = call.joining is not None or call.transfer is not None or leg.name not in call.bridge
    if busy or peer is None or peer.state != CONFIRMED:
        return 491
    if draft.open_client(peer.name, "INVITE", "UPDATE") or draft.open_server(peer.name, "INVITE"):
        return 491
    return 0


def pick_up(draft: Draft, sender: str, leg: Leg, word: tell.Join) -> None:
    """Somebody else takes the call that rings at `leg`: each offer, cut to what both can, answers the other."""
    from tandem.calls.model.setup import caller_dialog

    call = draft.call
    offer = call.caller.body
    answer = sdp.answer_from(offer, word.body) if offer and word.body else word.body
    if not answer:
        draft.tell(sender, tell.Refused(488))
        return
    caller = caller_dialog(draft, leg)
    finish.cancel_attempts(draft, f"picked up by {word.who}")
    for other in list(draft.legs.values()):
        if other.name != caller.name and other.state == EARLY:
            draft.leg(other.name, state=GONE)
    draft.leg(caller.name, state=ANSWERED, peer="", answered_at=draft.at)
    draft.set(
        state=TALKING, answered_at=draft.at, bridge=(caller.name, ""), give_up_at=0, tick_at=0, final=200, stub=sender,
        end_at=draft.at + call.max_seconds * 1_000_000 if call.max_seconds else 0, ringing_at=call.ringing_at or draft.at,
        answered_by=word.who, tried=(*call.tried, f"{word.who} 200"), contacts={}, stages=(), later=(),
        caller=replace(call.caller, body=b"", rest="", special={}),
    )  # fmt: skip
    draft.respond(
        call.invite, 200, extra=LINES, content_type=word.content_type, body=answer, tag=caller.local_tag,
        contact=draft.contact(caller), of="" if offer else FAR, verb=OFFER,
    )  # fmt: skip
    if offer:  # else the caller's ACK brings the answer: stub.answered
        media.turn(draft, call.invite, caller.name, word, offer)
        back = sdp.answer_from(word.body, offer, "passive")
        told = tell.Joined(call.caller.identity, "", word.content_type, back)
        draft.tell(sender, told, of=caller.name, verb=ANSWER)
    draft.note("answered", f"{word.who} picks up")


def swapped(draft: Draft, client: Client, response: Response) -> None:
    """The party that stays has answered the re-INVITE by which it gets another peer."""
    from tandem.calls.model.relay import learn

    if response.status < 200:
        return
    draft.close(client.n)
    joining, leg = draft.call.joining, draft.legs[client.leg]
    if response.status < 300:
        learn(draft, client, leg, response)
    if joining is None or joining.n != client.n:
        if response.status < 300:
            draft.ack(client.n, draft.legs[leg.name])
            hangup.end_bridge(draft, ended_by="tandem", why="who was to take over is gone")
        return
    if response.status >= 300:
        stays(draft, joining, response.status)
        return
    who = leg.aor or (f"trunk:{leg.trunk}" if leg.trunk else draft.call.caller.identity)
    word = tell.Joined(who, "", response.content_type, response.body)
    draft.tell(joining.by, word, of=leg.name, verb=ANSWER if client.has_body else OFFER)
    if client.has_body:
        draft.ack(client.n, draft.legs[leg.name])
        settle(draft, joining, leg.name)


def stays(draft: Draft, joining: Joining, status: int) -> None:
    """Nothing changes: the party did not take the new offer."""
    draft.set(joining=None)
    draft.tell(joining.by, tell.Refused(status))
    if draft.legs[joining.leg].state == GONE or status in (408, 481):
        hangup.end_bridge(draft, ended_by="tandem", why="replacing failed")


def settle(draft: Draft, joining: Joining, name: str) -> None:
    """The replaced leg is hung up; the other one talks to a party of another call."""
    replaced = draft.legs[joining.leg]
    draft.set(joining=None, tried=(*draft.call.tried, f"{joining.who} 200"))
    half(draft, name, joining.by, joining.who)
    hangup.hang_up_leg(draft, replaced)


def half(draft: Draft, name: str, other: str, who: str) -> None:
    """From now on this call is one leg and, at its other end, another call."""
    draft.leg(name, peer="", held=False)
    draft.set(bridge=(name, "") if draft.call.bridge[0] == name else ("", name), stub=other)
    if draft.call.bridge[0] == name:
        draft.set(answered_by=who)
    draft.note("joined", f"{name} with {other}")
