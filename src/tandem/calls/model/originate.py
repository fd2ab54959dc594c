"""A call that a desk starts: the first phone is rung with silent media, then connected as by a transfer (RFC 3725 flow IV)."""

from msgspec import Struct

from tandem.boundary import Response
from tandem.calls.model import places, sdp, text, transfer
from tandem.calls.model.call import (
    CONFIRMED,
    EARLY,
    SETUP,
    TALKING,
    Attempt,
    Call,
    Caller,
    Contact,
    Leg,
    Transfer,
)
from tandem.calls.model.draft import NUMBERS, Draft
from tandem.calls.model.ways import of_plan
from tandem.routing.model.plan import Plan, Target

RING_SECONDS = 30


class Originated(Struct, frozen=True, array_like=True, tag=108):
    """Ring `who` at `first`, then connect by `plan`."""

    at: int
    id: str
    who: str
    first: tuple[Contact, ...]
    plan: Plan
    contacts: dict[str, tuple[Contact, ...]]
    relay: str = ""  # that its media would pass; "": the only one


def call_id(number: int) -> str:
    """A call id from 65 random bits: shard and all."""
    return "".join(NUMBERS[(number >> (5 * place)) & 31] for place in range(12, -1, -1))


def place(event: Originated, now: int) -> Draft:
    """The call with the INVITE to its first party; several phones of it ring one after the other is not done: the best q rings."""
    plan = event.plan
    caller = Caller(
        from_="", to="", uri="", name=plan.caller_name, number=plan.caller_number, identity=event.who, contact="", max_forwards=70,
        special={}, rest="", content_type="", body=b"", trusted=False, cseq=0,
    )  # fmt: skip
    shard = NUMBERS.index(event.id[0]) * 32 + NUMBERS.index(event.id[1])
    call = Call(
        id=event.id, shard=shard, state=SETUP, tenant=plan.tenant, caller=caller, callee=plan.callee, stages=plan.stages,
        contacts=event.contacts, stage=0, legs=(), attempts=(), servers=(), clients=(), invite=0, next_n=1, next_leg=0, bridge=("", ""),
        invited_at=event.at, give_up_at=now + RING_SECONDS * 1_000_000, max_seconds=plan.max_seconds,
        limits=tuple(limit.name for limit in plan.limits), media=of_plan(plan, event.relay) if plan.media else None,
    )  # fmt: skip
    draft = Draft(call, now)
    contact = places.rung(event.first)[0]
    routes, flow = places.way_to(contact)
    name = "b" + draft.new_name()
    domain = event.who.partition("@")[2]
    leg = Leg(
        name=name, peer="", state=EARLY, call_id=call.id + name, local=f"{text.quoted(plan.callee)} <sip:{user(plan.callee)}@{domain}>",
        local_tag=call.id + name, remote=f"<sip:{event.who}>", remote_tag="", target=contact.uri, routes=routes, flow=flow,
        local_cseq=0, remote_cseq=0, aor=event.who, instance=contact.instance, bound=contact.uri,
    )  # fmt: skip
    draft.legs[name] = leg
    lines = f"Allow: {text.ALLOW}\r\nSupported: timer, replaces\r\nAlert-Info: <urn:alert:source:internal>\r\n"
    client = draft.ask(
        leg,
        "INVITE",
        extra=lines,
        content_type="application/sdp",
        body=sdp.black_hole(1),
        why="originate",
    )
    draft.attempts[client.n] = Attempt(
        client.n, name, 0, Target("user", f"sip:{event.who}", aor=event.who), contact
    )
    draft.note("originated", f"{event.who} to {plan.callee}")
    return draft


def user(callee: str) -> str:
    return callee.partition("@")[0]


def progressed(draft: Draft, response: Response) -> None:
    """The first party's phone answers, or does not."""
    from tandem.calls.model import bill
    from tandem.calls.model.setup import learn

    client = draft.clients[response.n]
    leg = draft.legs[client.leg]
    if response.status < 200:
        draft.set(ringing_at=draft.call.ringing_at or response.at)
        return
    draft.close(response.n)
    draft.attempt(response.n, status=response.status)
    if response.status >= 300:
        draft.set(final=response.status)
        bill.end(draft, ended_by="caller", why="the first party did not answer")
        return
    leg = learn(draft, draft.leg(leg.name, state=CONFIRMED, answered_at=response.at), response)
    draft.ack(response.n, leg)
    if draft.call.state != SETUP:
        from tandem.calls.model.hangup import hang_up_leg

        hang_up_leg(draft, leg)
        return
    plan = Plan(draft.call.tenant, "", "", "", draft.call.callee, draft.call.stages)
    contacts = draft.call.contacts
    draft.set(
        state=TALKING, final=200, bridge=(leg.name, ""), give_up_at=0, stages=(), contacts={},
        transfer=Transfer(by="", moved=leg.name, cseq=0, to=draft.call.callee),
    )  # fmt: skip
    transfer.connect(draft, plan, contacts)
