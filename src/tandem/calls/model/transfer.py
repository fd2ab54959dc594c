"""Connecting one side of a call to somebody else: REFER (RFC 3515, 5589), and a desk's order. Late offer, then re-INVITE.

The new party is asked without an offer, its offer goes to the side that stays, the answer comes back in its ACK
(RFC 3725 flow I). Until the new party answers, nothing changes for the two who talk.
"""

from msgspec.structs import replace

from tandem.boundary import Flow, Request, Response
from tandem.calls.model import hangup, identity, join, places, replaces, tell, text
from tandem.calls.model.call import (
    CONFIRMED,
    EARLY,
    GONE,
    TALKING,
    Attempt,
    Client,
    Contact,
    Leg,
    Transfer,
)
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Move, Rerouted
from tandem.calls.model.hangup import hang_up_leg
from tandem.routing.model.plan import Plan, Refusal, Target

SUBSCRIPTION_SECONDS = 120


def refused(draft: Draft, request: Request, leg: Leg) -> None:
    """A REFER that came without a plan: nobody looked it up."""
    draft.respond(request.txn, 400 if "refer-to" not in request.special else 403)


def referred(draft: Draft, event: Rerouted) -> None:
    """A party asks that the other one be connected elsewhere."""
    request = event.cause
    assert isinstance(request, Request)
    from tandem.calls.model.relay import leg_of

    leg = leg_of(draft, request)
    draft.receive(request, leg.name if leg else "?")
    if leg is None or leg.state == GONE:
        draft.respond(request.txn, 481)
        return
    leg = draft.leg(leg.name, remote_cseq=max(request.cseq, leg.remote_cseq), seen_at=request.at)
    if (
        draft.call.state != TALKING
        or leg.name not in draft.call.bridge
        or draft.call.transfer is not None
        or draft.call.joining is not None
        or ("" in draft.call.bridge and not draft.call.stub)
    ):
        waits = draft.call.transfer or draft.call.joining
        draft.respond(request.txn, 491 if waits else 403)
        return
    other_leg = draft.peer(leg)
    if other_leg is not None and other_leg.state != CONFIRMED:
        draft.respond(
            request.txn, 491
        )  # its ACK is not here yet: it cannot be asked anything (RFC 3261 14.1)
        return
    value = replaces.of_refer_to(request.special.get("refer-to", [""])[0])
    wanted = replaces.read([value]) if value is not None else None
    if value is not None and wanted is None:
        draft.respond(request.txn, 400)
        return
    if wanted is not None and draft.call.stub:
        draft.respond(request.txn, 403)  # a half has nobody of its own to join with a third call
        return
    if wanted is not None and wanted.call:
        attended(draft, request, leg, wanted)
        return
    if isinstance(event.plan, Refusal):
        draft.respond(request.txn, event.plan.status if event.plan.status >= 400 else 403)
        return
    draft.respond(request.txn, 202, contact=draft.contact(leg))
    moved = next(name for name in draft.call.bridge if name != leg.name)
    other = draft.call.stub
    draft.set(
        transfer=Transfer(leg.name, moved, request.cseq, event.plan.callee, call=other),
    )
    notify(draft, 100)
    if other:
        draft.tell(other, tell.Moved(event.plan, event.contacts))
        return
    connect(draft, event.plan, event.contacts, f"Replaces: {value}\r\n" if value else "")


def attended(draft: Draft, request: Request, leg: Leg, wanted: replaces.Replaces) -> None:
    """REFER with Replaces of a dialog of ours (RFC 5589 7): the party that stays is joined with the other call's."""
    if wanted.call == draft.call.id:
        draft.respond(request.txn, 403)
        return
    draft.respond(request.txn, 202, contact=draft.contact(leg))
    moved = next(name for name in draft.call.bridge if name != leg.name)
    draft.set(
        transfer=Transfer(by=leg.name, moved=moved, cseq=request.cseq, to="", call=wanted.call),
        give_up_at=draft.now + join.JOIN_SECONDS * 1_000_000,
    )
    notify(draft, 100)
    who = draft.legs[moved].aor or draft.call.caller.identity
    word = tell.Join(wanted.to_tag, wanted.from_tag, draft.call.tenant, who, False, "", b"")
    draft.tell(wanted.call, word)
    draft.note("transferred", f"{moved} into {wanted.call}")


def desk(draft: Draft, event: Move) -> None:
    """Somebody at a desk moves one side."""
    if (
        draft.call.state != TALKING
        or draft.call.transfer is not None
        or draft.call.joining is not None
        or "" in draft.call.bridge
        or isinstance(event.plan, Refusal)
    ):
        return
    moved, by = draft.call.bridge if event.leg == "caller" else reversed(draft.call.bridge)
    draft.set(transfer=Transfer(by="", moved=moved, cseq=0, to=event.plan.callee))
    draft.note("transferred", f"by {event.by}: {moved} away from {by}")
    connect(draft, event.plan, event.contacts)


def connect(
    draft: Draft, plan: Plan, contacts: dict[str, tuple[Contact, ...]], extra: str = ""
) -> None:
    """Rings the first target of the plan without an offer."""
    target = next(
        (
            t
            for stage in plan.stages
            for t in stage
            if t.kind == "trunk" or places.rung(contacts.get(t.aor, ()), t.instance)
        ),
        None,
    )
    number = draft.new_name()
    if target is None or not number:
        over(draft, 480)
        return
    contact = (
        places.rung(contacts[target.aor], target.instance)[0] if target.kind == "user"
        else Contact(target.uri, Flow(0, 0, target.transport or 1, 255, target.host, target.port or 5060))
    )  # fmt: skip
    routes, flow = places.way_to(contact)
    call, transfer = draft.call, draft.call.transfer
    assert transfer is not None
    moved = draft.legs[transfer.moved]
    leg = Leg(
        name=f"b{number}", peer=moved.name, state=EARLY, call_id=f"{call.id}b{number}", local=from_of(draft, moved, target),
        local_tag=f"{call.id}b{number}", remote=f"<{target.uri}>", remote_tag="",
        target=contact.uri if target.kind == "user" else target.uri, routes=routes, flow=flow, local_cseq=0, remote_cseq=0,
        aor=target.aor, instance=contact.instance, trunk=target.trunk, contact=f";user={target.contact}" if target.contact else "",
        bound=contact.uri,
    )  # fmt: skip
    draft.legs[leg.name] = leg
    by = draft.legs.get(transfer.by)
    lines = (
        f"Allow: {text.ALLOW}\r\nSupported: timer, replaces\r\n"
        + (f"Referred-By: {by.remote}\r\n" if by else "")
        + extra
    )
    client = draft.ask(leg, "INVITE", extra=identity.apply(target.headers, lines), why="join")
    draft.attempts[client.n] = Attempt(client.n, leg.name, -1, target, contact)
    draft.set(
        transfer=replace(transfer, n=client.n),
        give_up_at=draft.now + target.ring_seconds * 1_000_000,
    )
    draft.note("tried", f"{target.aor or 'trunk:' + target.trunk} for a transfer")


def from_of(draft: Draft, moved: Leg, target: Target) -> str:
    """The moved party as the new one sees it."""
    if moved.name[0] == "a":
        return identity.shown(draft.call, target).from_
    return moved.remote


def progressed(draft: Draft, client: Client, response: Response) -> None:
    """An answer to the new party's INVITE ("join") or to the re-INVITE of the side that stays ("offer")."""
    transfer = draft.call.transfer
    if client.why == "join":
        joined(draft, client, response, transfer)
    elif response.status >= 200:
        draft.close(client.n)
        offered(draft, client, response, transfer)


def joined(draft: Draft, client: Client, response: Response, transfer: Transfer | None) -> None:
    from tandem.calls.model.setup import learn

    if response.status < 200:
        draft.clients[client.n] = replace(client, proceeding=True)
        if response.status >= 180 and transfer is not None:
            notify(draft, response.status)
        return
    draft.close(client.n)
    draft.attempt(client.n, status=response.status)
    leg = draft.legs[client.leg]
    if response.status >= 300:
        draft.leg(leg.name, state=GONE)
        if transfer is not None and transfer.n == client.n:
            over(draft, response.status)
        return
    leg = learn(draft, draft.leg(leg.name, state=CONFIRMED, answered_at=response.at), response)
    moved = draft.legs.get(transfer.moved) if transfer is not None else None
    if (
        transfer is None
        or transfer.n != client.n
        or draft.call.state != TALKING
        or moved is None
        or moved.state != CONFIRMED
    ):
        draft.ack(client.n, leg)
        hang_up_leg(draft, leg)
        if transfer is not None and transfer.n == client.n:
            over(draft, 480)
        return
    offer = draft.ask(
        moved, "INVITE", content_type=response.content_type, body=response.body, why="offer", of=leg.name,
        extra=f"Allow: {text.ALLOW}\r\nSupported: timer, replaces\r\n",
    )  # fmt: skip
    draft.set(transfer=replace(transfer, offer=offer.n), give_up_at=0)


def offered(draft: Draft, client: Client, response: Response, transfer: Transfer | None) -> None:
    if transfer is None or transfer.offer != client.n:
        if response.status // 100 == 2:
            draft.ack(client.n, draft.legs[client.leg])
        return
    leg = draft.legs[draft.clients[transfer.n].leg] if transfer.n in draft.clients else None
    if response.status >= 300 or leg is None or leg.state == GONE:
        if leg is not None and leg.state != GONE:
            draft.ack(transfer.n, leg)
            hang_up_leg(draft, leg)
        over(draft, response.status if response.status >= 300 else 480)
        return
    moved = draft.legs[client.leg]
    draft.ack(client.n, moved)
    draft.ack(
        transfer.n, leg, content_type=response.content_type, body=response.body, of=moved.name
    )
    old = next((name for name in draft.call.bridge if name != moved.name), "")
    bridge = (
        (moved.name, leg.name) if draft.call.bridge[0] == moved.name else (leg.name, moved.name)
    )
    draft.leg(moved.name, peer=leg.name, held=False)
    draft.leg(leg.name, peer=moved.name)
    draft.set(
        bridge=bridge,
        answered_at=draft.call.answered_at or draft.at,
        tried=(*draft.call.tried, f"{transfer.to} 200"),
    )
    draft.note("transferred", f"to {transfer.to}")
    over(draft, 200)
    release(draft, old, transfer.by)


def release(draft: Draft, old: str, by: str) -> None:
    """Hangs up who has been replaced."""
    if old and old == by and draft.legs[old].state != GONE:
        draft.leg(old, bye=True)  # after its NOTIFY is answered: a BYE may overtake it
    elif old and draft.legs[old].state != GONE:
        hang_up_leg(draft, draft.legs[old])


def gave_up(draft: Draft) -> None:
    """The new party has rung long enough."""
    draft.set(give_up_at=0)
    transfer = draft.call.transfer
    if transfer is not None and transfer.call:
        draft.tell(transfer.call, tell.Left("tandem", ""))
        draft.set(transfer=replace(transfer, call=""))
        over(draft, 408)
        return
    if transfer is None or transfer.n not in draft.clients or draft.clients[transfer.n].ended_at:
        return
    draft.cancel(transfer.n)
    draft.attempt(transfer.n, cancelled=True)
    over(draft, 408)


def over(draft: Draft, status: int) -> None:
    """The transfer has ended, one way or the other; who asked for it is told, or whoever was left alone is hung up."""
    transfer = draft.call.transfer
    if transfer is None:
        return
    notify(draft, status)
    draft.set(transfer=None, give_up_at=0)
    if status < 300:
        return
    draft.note("transfer failed", f"{transfer.to} {status}")
    if ("" in draft.call.bridge and not draft.call.stub) or (
        transfer.by and draft.legs[transfer.by].state == GONE
    ):
        hangup.end_bridge(draft, ended_by="tandem", why="the transfer failed")


def notified(draft: Draft, client: Client) -> None:
    """The NOTIFY has been answered, or never will be."""
    draft.close(client.n)
    leg = draft.legs.get(client.leg)
    if leg is not None and leg.bye and draft.open_client(leg.name, "NOTIFY") is None:
        hang_up_leg(draft, leg)
        if leg.name in draft.call.bridge:  # a half whose party has moved the other one on
            hangup.end_bridge(draft, ended_by="tandem", why="transferred")


def notify(draft: Draft, status: int) -> None:
    """NOTIFY with the progress of a REFER as sipfrag (RFC 3515 2.4.5)."""
    transfer = draft.call.transfer
    if transfer is not None and transfer.told:
        draft.tell(transfer.told, tell.Progress(status))
        if status // 100 == 2:
            draft.set(stub="")
    leg = draft.legs.get(transfer.by) if transfer is not None else None
    if transfer is None or leg is None or leg.state == GONE:
        return
    state = (
        f"active;expires={SUBSCRIPTION_SECONDS}" if status < 200 else "terminated;reason=noresource"
    )
    draft.ask(
        leg, "NOTIFY", extra=f"Event: refer;id={transfer.cseq}\r\nSubscription-State: {state}\r\n", why="notify",
        content_type="message/sipfrag;version=2.0", body=f"SIP/2.0 {status} {text.REASONS.get(status, 'Other')}\r\n".encode("ascii"),
    )  # fmt: skip
