"""Requests inside a dialog: checked, passed to the other leg as our own, and the answer passed back."""

from msgspec.structs import replace

from tandem.boundary import Request, Response
from tandem.calls.model import (
    evidence,
    hangup,
    identity,
    media,
    moving,
    refresh,
    reliable,
    sdp,
    stub,
    text,
)
from tandem.calls.model.call import (
    ANSWERED,
    CONFIRMED,
    EARLY,
    GONE,
    TRANSACTIONS_PER_CALL,
    Client,
    Leg,
)
from tandem.calls.model.draft import Draft
from tandem.calls.model.ways import ANSWER, OFFER

RELAYED = frozenset({"INVITE", "UPDATE", "INFO", "MESSAGE", "PRACK", "NOTIFY", "OPTIONS"})
PASSED = (
    "content-disposition",
    "content-encoding",
    "event",
    "subscription-state",
    "reason",
    "session-expires",
    "min-se",
    "allow",
)
MINE = text.SUPPORTED


def inside(draft: Draft, request: Request) -> None:
    """A request with our tag: 481 without its dialog, else by method."""
    leg = leg_of(draft, request)
    if (
        leg is not None
        and request.method == "BYE"
        and leg.state == GONE
        and request.cseq > leg.remote_cseq
    ):
        draft.receive(request, leg.name)  # both hung up at once: both are right
        draft.respond(request.txn, 200)
        return
    draft.receive(request, leg.name if leg else "?")
    if leg is None or leg.state == GONE:
        draft.respond(request.txn, 481)
        return
    if request.cseq < leg.remote_cseq:
        draft.respond(request.txn, 500)  # RFC 3261 12.2.2
        return
    streams = leg.aor and leg.flow.connection and request.flow.connection
    flow = request.flow if streams else leg.flow  # the phone may have connected anew
    leg = draft.leg(leg.name, remote_cseq=request.cseq, seen_at=request.at, flow=flow)
    if proves_an_answer(request, leg) and evidence.of_answer(draft, leg):
        leg = draft.legs[leg.name]
    if request.method == "BYE":
        hangup.bye(draft, request, leg)
        return
    if unknown := text.tokens(request.special.get("require")) - MINE:
        draft.respond(request.txn, 420, extra=f"Unsupported: {', '.join(sorted(unknown))}\r\n")
        return
    if len(draft.servers) + len(draft.clients) > TRANSACTIONS_PER_CALL:
        draft.respond(request.txn, 503, extra="Retry-After: 10\r\n")
        return
    match request.method:
        case "REFER":
            from tandem.calls.model import transfer

            transfer.refused(draft, request, leg)
        case "PRACK":
            prack(draft, request, leg)
        case method if method in RELAYED:
            relay(draft, request, leg)
        case _:
            draft.respond(request.txn, 405, extra=f"Allow: {text.ALLOW}\r\n")


def proves_an_answer(request: Request, leg: Leg) -> bool:
    """Requests that a phone sends only in a dialog that it holds to be answered; the caller may BYE an early one (15.1.1)."""
    if request.method in ("PRACK", "UPDATE", "OPTIONS"):
        return False
    return leg.name[0] == "b" or request.method != "BYE"


def leg_of(draft: Draft, request: Request) -> Leg | None:
    """The dialog by our tag, and by the peer's where several share ours (a fork behind us)."""
    same = [
        leg
        for leg in draft.legs.values()
        if leg.local_tag == request.to_tag and leg.call_id == request.call_id
    ]
    return next((leg for leg in same if leg.remote_tag == request.from_tag), None)


def relay(draft: Draft, request: Request, leg: Leg) -> None:
    """Passes a request on; re-INVITE and UPDATE meet the rules of glare first."""
    changes = request.method in ("INVITE", "UPDATE")
    if changes and glare(draft, request, leg):
        return
    if request.contact and changes:
        target = text.uri_of(request.contact)
        leg = draft.leg(leg.name, target=target, flow=text.next_hop(target, request.flow))
    peer = draft.peer(leg)
    if peer is None and draft.call.stub and leg.name in draft.call.bridge:
        to_other_call(draft, request, leg)
        return
    if (
        peer is None
        or peer.state == GONE
        or (peer.state == EARLY and request.method in ("INVITE", "OPTIONS"))
    ):
        draft.respond(request.txn, 200 if request.method == "OPTIONS" else 481)
        return
    if changes:
        refresh.refreshed(draft, leg.name, request)
    if request.method == "UPDATE" and not request.body and not peer.allows_update:
        draft.respond(
            request.txn, 200, extra=session_lines(leg, request), contact=draft.contact(leg)
        )
        return  # a session refresh of this side alone
    if request.method == "INVITE":
        draft.respond(request.txn, 100)
    heard(draft, leg, request.body)
    extra = supported(request) + passed(request.special) + request.rest
    draft.ask(
        peer, request.method, extra=extra, content_type=request.content_type, body=request.body, serves=request.txn, why="relay",
        max_forwards=(request.max_forwards if request.max_forwards >= 0 else 70) - 1,
        of=leg.name if changes else "",
    )  # fmt: skip


def to_other_call(draft: Draft, request: Request, leg: Leg) -> None:
    """The other party is in another call: it goes there as a word."""
    if request.method in ("INVITE", "UPDATE"):
        refresh.refreshed(draft, leg.name, request)
        if request.method == "UPDATE" and not request.body:
            lines = session_lines(leg, request)
            draft.respond(request.txn, 200, extra=lines, contact=draft.contact(leg))
            return  # a session refresh of this side alone
    if request.method == "INVITE":
        draft.respond(request.txn, 100)
    heard(draft, leg, request.body)
    stub.pass_on(draft, request, supported(request) + passed(request.special) + request.rest)


def glare(draft: Draft, request: Request, leg: Leg) -> bool:
    """RFC 3261 14.2, RFC 3311 5.2: one change at a time in a dialog. True when the request has been refused."""
    if draft.open_client(leg.name, "INVITE", "UPDATE") is not None and leg.state != EARLY:
        draft.respond(request.txn, 491)
        return True
    if draft.call.moving is not None and draft.call.moving.stage != moving.WAITING:
        draft.respond(request.txn, 491)
        return True
    waiting = [
        s for s in draft.servers.values()
        if s.leg == leg.name and s.method in ("INVITE", "UPDATE") and not s.ended_at and s.txn != request.txn
    ]  # fmt: skip
    if waiting or (request.method == "INVITE" and leg.state != CONFIRMED and leg.name[0] == "a"):
        draft.respond(request.txn, 500, extra=f"Retry-After: {1 + request.cseq % 9}\r\n")
        return True
    return False


def heard(draft: Draft, leg: Leg, body: bytes) -> None:
    """Notes hold and resume by what a peer offers or answers."""
    if not body:
        return
    held = sdp.is_held(body)
    if held != leg.held:
        draft.leg(leg.name, held=held)
        draft.note("held" if held else "resumed", "caller" if leg.name[0] == "a" else "callee")


def supported(request: Request) -> str:
    common = text.tokens(request.special.get("supported")) & MINE
    required = text.tokens(request.special.get("require")) & MINE
    lines = f"Supported: {', '.join(sorted(common))}\r\n" if common else ""
    return lines + (f"Require: {', '.join(sorted(required))}\r\n" if required else "")


def passed(special: dict[str, list[str]]) -> str:
    return "".join(
        f"{name.title()}: {value}\r\n" for name in PASSED for value in special.get(name, ())
    )


def prack(draft: Draft, request: Request, leg: Leg) -> None:
    """The caller acknowledges our reliable provisional: its repeats end, the callee's own gets a PRACK."""
    rack = request.special.get("rack", [""])[0].split()
    peer = draft.peer(leg)
    invite = draft.servers.get(draft.call.invite)
    if (
        len(rack) != 3
        or not rack[0].isdigit()
        or not 0 < int(rack[0]) <= leg.rseq
        or peer is None
        or invite is None
    ):
        draft.respond(request.txn, 481)
        return
    draft.stop(invite.txn)
    reliable.say_next(draft)
    client = next(
        (
            c
            for c in draft.clients.values()
            if c.leg == peer.name or draft.legs[c.leg].local_tag == peer.local_tag
        ),
        None,
    )
    number = peer.rseq - (leg.rseq - int(rack[0]))
    cseq = client.cseq if client else 1
    extra = f"RAck: {number} {cseq} INVITE\r\n" + passed(request.special) + request.rest
    draft.ask(
        peer,
        "PRACK",
        extra=extra,
        content_type=request.content_type,
        body=request.body,
        serves=request.txn,
        why="relay",
        of=leg.name,
        verb=OFFER if draft.call.caller.body else ANSWER,
    )


def relayed(draft: Draft, client: Client, response: Response) -> None:
    """A response to a request that we passed on."""
    server = draft.servers.get(client.serves)
    leg = draft.legs.get(client.leg)
    if leg is None:
        return
    if response.status >= 200:
        draft.close(client.n)
    if response.status // 100 == 2:
        learn(draft, client, leg, response)
    if (
        response.status in (408, 481)
        and client.method in ("INVITE", "UPDATE")
        and leg.state in (ANSWERED, CONFIRMED)
    ):
        draft.leg(leg.name, state=GONE)  # RFC 3261 12.2.1.2: this dialog is over
        hangup.end_bridge(
            draft,
            ended_by="nobody",
            why=f"the peer answered {response.status}",
            at=leg.seen_at,
            proof=True,
        )
        return
    if server is None or server.ended_at:
        if (
            client.method == "INVITE"
            and response.status // 100 == 2
            and not draft.clients[client.n].acks
        ):
            draft.ack(client.n, draft.legs[leg.name])
        return
    side = draft.legs.get(server.leg)
    if response.status >= 300 and side is not None and client.method in ("INVITE", "UPDATE"):
        media.refused(draft, side.name)
        if before := media.last(draft, side.name):
            heard(draft, side, before)
    extra = passed({**response.special, "session-expires": []}) + response.rest
    if response.status // 100 == 2 and client.method in ("INVITE", "UPDATE") and side is not None:
        extra += session_lines(side, None)
    contact = (
        draft.contact(side)
        if side and client.method in ("INVITE", "UPDATE") and response.status < 300
        else ""
    )
    offered = client.has_body
    draft.respond(
        server.txn, response.status, extra=extra, content_type=response.content_type, body=response.body, reason=response.reason,
        contact=contact, of=leg.name, verb=ANSWER if offered else OFFER,
    )  # fmt: skip
    if client.method == "INVITE" and response.status // 100 == 2 and offered:
        draft.ack(client.n, draft.legs[leg.name])


def learn(draft: Draft, client: Client, leg: Leg, response: Response) -> None:
    """Target refresh, session timer, hold, by a 2xx."""
    if client.method in ("INVITE", "UPDATE"):
        if response.contact:
            target = text.uri_of(response.contact)
            leg = draft.leg(leg.name, target=target, flow=text.next_hop(target, response.flow))
        refresh.refreshed(draft, leg.name, response)
        other = draft.peer(leg)
        if other is None or not other.held:  # inactive and recvonly answer a hold: RFC 3264 6.1
            heard(draft, leg, response.body)
    draft.leg(leg.name, seen_at=response.at)


def session_lines(leg: Leg, request: Request | None) -> str:
    """Session-Expires for our 2xx in a dialog with a timer."""
    if not leg.session.interval:
        return ""
    refresher = "uas" if leg.session.ours else "uac"
    return f"Session-Expires: {leg.session.interval};refresher={refresher}\r\n" + (
        "Require: timer\r\n" if refresher == "uac" else ""
    )


def apply_inbound(draft: Draft, lines: str) -> str:
    return identity.apply(draft.call.inbound_headers, lines)


def retry_with_login(draft: Draft, client: Client, response: Response, line: str) -> None:
    """Asks again with credentials, in the same dialog (RFC 3261 22.2)."""
    leg = draft.legs[client.leg]
    head, _, body = client.message.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    own = (
        "route:",
        "from:",
        "to:",
        "call-id:",
        "cseq:",
        "max-forwards:",
        "content-type:",
        "authorization:",
        "proxy-authorization:",
    )
    kept = "".join(
        f"{text_line}\r\n" for text_line in lines if not text_line.lower().startswith(own)
    )
    kind = next(
        (
            text_line[13:].strip()
            for text_line in lines
            if text_line.lower().startswith("content-type:")
        ),
        "",
    )
    media = draft.call.media
    waits = media.wait("ask", client.n) if media is not None else None  # an heir hears of it first
    again = draft.ask(
        leg, client.method, extra=line + kept, content_type=kind, body=body, serves=client.serves, why=client.why, quiet=client.quiet,
        logins=client.logins + 1, of=waits.of if waits else "", verb=waits.verb if waits else OFFER,
    )  # fmt: skip
    if client.n in draft.attempts:
        attempt = draft.attempts.pop(client.n)
        draft.attempts[again.n] = replace(attempt, n=again.n, status=0, logins=attempt.logins + 1)
