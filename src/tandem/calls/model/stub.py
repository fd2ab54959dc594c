"""A call whose other party is in another call: requests in the dialog go there as words and come back as answers."""

from msgspec.structs import replace

from tandem.boundary import Acked, Request, Response
from tandem.calls.model import hangup, join, media, moving, tell
from tandem.calls.model.call import CONFIRMED, GONE, SETUP, TALKING, Client, Transfer
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Told, Untold
from tandem.calls.model.ways import ANSWER, FAR, OFFER


def told(draft: Draft, event: Told) -> None:
    """Another call says something."""
    word = tell.read(event.body)
    match word:
        case tell.Join():
            join.asked(draft, event.sender, word)
        case tell.Joined():
            join.joined(draft, event.sender, word)
        case tell.Refused():
            join.refused(draft, event.sender, word.status)
        case tell.Passed():
            passed(draft, event.sender, word)
        case tell.Replied():
            replied(draft, word)
        case tell.Answered():
            answered(draft, event.sender, word)
        case tell.Moved():
            moved(draft, event.sender, word)
        case tell.Progress():
            progress(draft, event.sender, word.status)
        case tell.Left():
            left(draft, event.sender, word)


def untold(draft: Draft, event: Untold) -> None:
    """There is no call that could hear it."""
    word = tell.read(event.body)
    if isinstance(word, tell.Join):
        join.refused(draft, event.to, 481)
    elif not isinstance(word, tell.Left):
        left(draft, event.to, tell.Left("nobody", ""))


def pass_on(draft: Draft, request: Request, lines: str) -> None:
    """Our party's request, for the party in the other call."""
    word = tell.Passed(request.txn, request.method, lines, request.content_type, request.body)
    draft.tell(draft.call.stub, word, of=draft.servers[request.txn].leg)


def passed(draft: Draft, sender: str, word: tell.Passed) -> None:
    """The other call's party asks ours."""
    leg = next((draft.legs[n] for n in draft.call.bridge if n in draft.legs), None)
    if draft.call.stub != sender or leg is None or leg.state == GONE or draft.is_over():
        draft.tell(sender, tell.Replied(word.ref, 481, "", "", "", b""))
        return
    changes = word.method in ("INVITE", "UPDATE")
    if changes and (
        leg.state != CONFIRMED
        or draft.open_client(leg.name, "INVITE", "UPDATE")
        or draft.open_server(leg.name, "INVITE")
    ):
        draft.tell(sender, tell.Replied(word.ref, 491, "", "", "", b""))  # RFC 3261 14.2
        return
    draft.ask(
        leg, word.method, extra=word.lines, content_type=word.content_type, body=word.body, serves=word.ref, why="told",
        of=FAR,
    )  # fmt: skip


def progressed(draft: Draft, client: Client, response: Response) -> None:
    """Our party's answer to it."""
    from tandem.calls.model import relay

    if response.status < 200:
        return
    draft.close(client.n)
    leg = draft.legs[client.leg]
    if response.status < 300:
        relay.learn(draft, client, leg, response)
        if client.method == "INVITE" and client.has_body:
            draft.ack(client.n, draft.legs[leg.name])
    if not draft.call.stub:
        if client.method == "INVITE" and response.status < 300 and not draft.clients[client.n].acks:
            draft.ack(client.n, draft.legs[leg.name])
        return
    lines = relay.passed({**response.special, "session-expires": []}) + response.rest
    word = tell.Replied(
        client.serves, response.status, response.reason, lines, response.content_type, response.body, not client.has_body,
    )  # fmt: skip
    draft.tell(draft.call.stub, word, of=leg.name, verb=ANSWER if client.has_body else OFFER)
    if response.status in (408, 481) and client.method in ("INVITE", "UPDATE"):
        draft.leg(leg.name, state=GONE)  # RFC 3261 12.2.1.2: this dialog is over
        why = f"the peer answered {response.status}"
        hangup.end_bridge(draft, ended_by="nobody", why=why, at=leg.seen_at, proof=True)


def unanswered(draft: Draft, client: Client, status: int) -> None:
    """Our party says nothing to it."""
    if draft.call.stub:
        draft.tell(draft.call.stub, tell.Replied(client.serves, status, "", "", "", b""))


def replied(draft: Draft, word: tell.Replied) -> None:
    """The other party's answer to our party's request."""
    from tandem.calls.model.relay import session_lines

    if word.ref < 0:
        moving.replied(draft, word)
        return
    server = draft.servers.get(word.ref)
    if server is None or server.ended_at:
        return
    if word.status >= 300:
        media.refused(draft, server.leg)
    leg = draft.legs.get(server.leg)
    changes = server.method in ("INVITE", "UPDATE") and word.status < 300 and leg is not None
    draft.respond(
        word.ref, word.status, extra=word.lines + (session_lines(leg, None) if changes and leg else ""), reason=word.reason,
        content_type=word.content_type, body=word.body, contact=draft.contact(leg) if changes and leg else "",
        of=FAR, verb=OFFER if word.offers else ANSWER,
    )  # fmt: skip


def pass_answer(draft: Draft, txn: int, event: Acked) -> None:
    """An ACK with SDP: the answer to an offer that came from the other call."""
    if event.body and draft.call.stub:
        ref = 0 if txn == draft.call.invite else txn
        draft.tell(
            draft.call.stub,
            tell.Answered(ref, draft.call.caller.identity, event.content_type, event.body),
            of=draft.servers[txn].leg or "a",
            verb=ANSWER,
        )


def answered(draft: Draft, sender: str, word: tell.Answered) -> None:
    """The answer to the offer of our party."""
    call = draft.call
    if (
        word.ref == 0 and call.state == SETUP and call.stub == sender
    ):  # picked up: its caller had made no offer
        join.connected(draft, tell.Joined(word.who, "", word.content_type, word.body))
        return
    joining = call.joining
    if word.ref == 0 and joining is not None and joining.by == sender:
        client = draft.clients[joining.n]
        leg = draft.legs[client.leg]
        draft.ack(client.n, leg, content_type=word.content_type, body=word.body, of=FAR)
        join.settle(draft, joining, client.leg)
        return
    for client in list(draft.clients.values()):
        if (
            client.why == "told"
            and client.serves == word.ref
            and client.ended_at
            and not client.acks
        ):
            leg = draft.legs[client.leg]
            draft.ack(client.n, leg, content_type=word.content_type, body=word.body, of=FAR)


def moved(draft: Draft, sender: str, word: tell.Moved) -> None:
    """The other half's party asked by REFER that ours be connected elsewhere."""
    from tandem.calls.model import transfer

    call = draft.call
    leg = next((draft.legs[n] for n in call.bridge if n in draft.legs), None)
    if call.stub != sender or call.state != TALKING or leg is None or leg.state != CONFIRMED:
        draft.tell(sender, tell.Progress(480))
        return
    if call.transfer is not None or call.joining is not None:
        draft.tell(sender, tell.Progress(491))
        return
    draft.set(transfer=Transfer(by="", moved=leg.name, cseq=0, to=word.plan.callee, told=sender))
    transfer.connect(draft, word.plan, word.contacts)


def progress(draft: Draft, sender: str, status: int) -> None:
    """How the other half gets on with that."""
    from tandem.calls.model import transfer

    asked = draft.call.transfer
    if asked is None or asked.call != sender:
        return
    if status < 200:
        transfer.notify(draft, status)
        return
    draft.set(transfer=replace(asked, call=""))
    if status >= 300:
        transfer.over(draft, status)
        return
    draft.set(stub="")
    notified = draft.legs[asked.by].state != GONE
    if notified:
        draft.leg(asked.by, bye=True)  # after its NOTIFY is answered
    transfer.notify(draft, 200)
    draft.set(transfer=None)
    if not notified:
        hangup.end_bridge(draft, ended_by="tandem", why="transferred")


def left(draft: Draft, sender: str, word: tell.Left) -> None:
    """The other call has ended."""
    call = draft.call
    if call.joining is not None and call.joining.by == sender:
        client = draft.clients.get(call.joining.n)
        draft.set(joining=None)
        if client is not None and client.ended_at and not client.acks:
            draft.ack(client.n, draft.legs[client.leg])
            hangup.end_bridge(draft, ended_by="tandem", why="who was to take over is gone")
    elif (call.transfer is not None and call.transfer.call == sender) or (
        call.stub == sender and call.state == SETUP
    ):
        join.refused(draft, sender, 480)
    if draft.call.stub == sender and draft.call.state == TALKING:
        draft.set(stub="")
        by = other_side(draft, word.by)
        hangup.end_bridge(draft, ended_by=by, why="hung up", extra=word.lines)


def other_side(draft: Draft, by: str) -> str:
    """Who that is for our CDR: a party of the other call is whom we have at our empty side."""
    if by not in ("caller", "callee"):
        return by
    return "callee" if draft.call.bridge[1] == "" else "caller"
