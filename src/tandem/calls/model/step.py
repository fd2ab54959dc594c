"""The whole behaviour of a call: `step(call, event, now)` gives the next call and what must be said. Pure.

Rules that hold everywhere:
- what has happened decides, not what was planned: late, repeated and crossing messages find the answer in the state;
- the caller gets exactly one final response; every dialog that a callee believes in is either the call's or is ended;
- a call ends once, and its CDR is made in the step that ends it.
"""

from msgspec import Struct
from msgspec.structs import replace

from tandem.boundary import Acked, Failed, Request, Response, TimedOut
from tandem.calls.model import (
    answer,
    finish,
    hangup,
    join,
    lost,
    media,
    moving,
    originate,
    redirect,
    relay,
    setup,
    sounds,
    stub,
    text,
    timers,
    transfer,
    unrelated,
)
from tandem.calls.model.call import ENDED, LINGER, STORY_EVENTS, Call, Client, Effect
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import (
    CallerGone,
    FlowLost,
    HangUp,
    Lapsed,
    Move,
    Moved,
    Placed,
    Record,
    Related,
    Rerouted,
    Ticked,
    Told,
    Unheard,
    Unplayed,
    Unrelated,
    Untold,
)
from tandem.records.model import CallEvent, Cdr

Event = (
    Placed
    | Request
    | Response
    | Acked
    | TimedOut
    | Failed
    | FlowLost
    | Rerouted
    | Ticked
    | CallerGone
    | HangUp
    | Move
    | Lapsed
    | Told
    | Untold
    | Related
    | Unrelated
    | Unheard
    | Moved
    | Unplayed
    | Record
    | originate.Originated
)


# Requests of ours whose answer is heard once; an INVITE may have several (RFC 3261 13.2.2.4)
ONCE = frozenset({"swap", "bring", "told", "offer", "refresh", "notify", "move"})


class Stepped(Struct, frozen=True):
    call: Call | None
    effects: tuple[Effect, ...] = ()
    notes: tuple[CallEvent, ...] = ()
    cdr: Cdr | None = None
    follows: bool = False  # what it says follows from what is saved: it needs no save


def step(call: Call | None, event: Event, now: int) -> Stepped:
    """One event. `now` and all times are microseconds since 1970."""
    if call is None:
        match event:
            case Placed():
                return stepped(setup.place(event, now))
            case originate.Originated():
                return stepped(originate.place(event, now))
        return Stepped(None)
    draft = Draft(call, now)
    draft.at = getattr(event, "at", now)
    if redelivered(draft, event):
        return stepped(draft)
    match event:
        case Response():
            response(draft, event)
        case Request(method="CANCEL"):
            finish.cancelled(draft, event)
        case Request():
            draft.at = event.at
            relay.inside(draft, event)
        case Acked():
            answer.acked(draft, event)
        case TimedOut(server=True):
            hangup.no_ack(draft, event.txn)
        case TimedOut():
            lost.timed_out(draft, event.txn)
        case Failed():
            lost.failed(draft, event, ())
        case FlowLost():
            draft.at = event.failed.at
            lost.failed(draft, event.failed, event.contacts)
        case Rerouted():
            draft.at = event.cause.at
            redirect.rerouted(draft, event)
        case Ticked():
            timers.tick(draft)
        case CallerGone():
            finish.hung_up_early(draft, "caller", why="the caller's connection is gone")
        case HangUp():
            hangup.desk(draft, event.by)
        case Move():
            transfer.desk(draft, event)
        case Record():
            sounds.desk(draft, event)
        case Lapsed():
            lost.lapsed(draft, event)
        case Related():
            media.related(draft, event)
        case Unrelated():
            if (refused := unrelated.unrelated(draft, event)) is not None:
                response(draft, refused)
        case Unplayed(why=why):
            if not draft.is_over():
                draft.note("no sound", why)
        case Unheard():
            unrelated.unheard(draft, event)
        case Moved():
            moving.moved(draft, event)
        case Told():
            stub.told(draft, event)
        case Untold():
            stub.untold(draft, event)
        case Placed() | originate.Originated():
            pass  # the same INVITE again, redelivered: its transaction is in hand
    return stepped(draft)


def redelivered(draft: Draft, event: Event) -> bool:
    """Whether a dead owner had saved this request before it could say taken: its answer again, and nothing else.

    The core knows repeats while their transaction lasts, which on a stream ends with the answer (RFC 3261 17.2.2).
    """
    cause = event.cause if isinstance(event, Rerouted) else event
    if not isinstance(cause, Request) or cause.txn not in draft.servers:
        return False
    if cause.flow.connection:  # a stream that broke meanwhile: the answer takes the next one
        draft.servers[cause.txn] = replace(draft.servers[cause.txn], flow=cause.flow)
    if draft.servers[cause.txn].status:
        draft.effects.append(Effect("respond", cause.txn, until=draft.now + LINGER))
    return True


def stepped(draft: Draft) -> Stepped:
    moving.go_on(draft)
    sounds.settle(draft)
    media.hold(draft)
    timers.prune(draft)
    if draft.notes:
        draft.set(story=(*draft.call.story, *draft.notes)[:STORY_EVENTS])
    return Stepped(
        draft.freeze(), tuple(draft.effects), tuple(draft.notes), draft.cdr, draft.follows
    )


def response(draft: Draft, event: Response) -> None:
    """By what the request was for."""
    client = draft.clients.get(event.n)
    if client is None:
        return
    if event.status in (401, 407) and (line := login(draft, client, event)):
        draft.close(event.n)
        relay.retry_with_login(draft, client, event, line)
        return
    if client.ended_at and client.why in ONCE:
        return
    match client.why:
        case "invite" if event.status < 200:
            setup.provisional(draft, event)
        case "invite" if event.status < 300:
            answer.answered(draft, event)
        case "invite":
            finish.failed(draft, event)
        case "relay":
            relay.relayed(draft, client, event)
        case "refresh":
            timers.refreshed(draft, client, event)
        case "originate":
            originate.progressed(draft, event)
        case "offer" | "join":
            transfer.progressed(draft, client, event)
        case "swap":
            join.swapped(draft, client, event)
        case "bring":
            join.brought(draft, client, event)
        case "move":
            moving.progressed(draft, client, event)
        case "told":
            stub.progressed(draft, client, event)
        case "notify" if event.status >= 200:
            transfer.notified(draft, client)
        case _ if event.status >= 200:
            draft.close(event.n)


def login(draft: Draft, client: Client, event: Response) -> str:
    """The credentials line for a trunk's challenge; "" when it has none, or had its chance."""
    attempt = draft.attempts.get(client.n)
    leg = draft.legs.get(client.leg)
    target = attempt.target if attempt else next(
        (a.target for a in draft.attempts.values() if leg and draft.legs[a.leg].local_tag == leg.local_tag), None
    )  # fmt: skip
    if (
        target is None
        or not target.username
        or client.logins
        or (attempt and attempt.cancelled)
        or draft.call.state == ENDED
    ):
        return ""
    proxy = event.status == 407
    uri = client.message.split(b" ", 2)[1].decode("latin-1")
    for challenge in event.special.get("proxy-authenticate" if proxy else "www-authenticate", ()):
        line = text.authorization(
            challenge, proxy=proxy, method=client.method, uri=uri, username=target.username, password=target.password,
            cnonce=f"{draft.call.id}{client.n}",
        )  # fmt: skip
        if line:
            return line
    return ""
