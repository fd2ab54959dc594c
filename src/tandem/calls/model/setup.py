"""Setting a call up: the INVITE is placed, targets ring in stages, provisionals reach the caller. Not what ends it."""

from msgspec.structs import replace

from tandem.boundary import Flow, Request, Response
from tandem.calls.model import bill, described, identity, join, places, reliable, text
from tandem.calls.model.call import EARLY, ENDED, SETUP, Attempt, Call, Caller, Contact, Leg
from tandem.calls.model.draft import NUMBERS, Draft
from tandem.calls.model.events import Placed
from tandem.calls.model.finish import attempt_failed, cancel_attempts, is_better, refuse, why_of
from tandem.calls.model.ways import ANSWER, OFFER, of_plan
from tandem.media.model.policy import PLAIN
from tandem.routing.model.plan import Plan, Refusal, Target
from tandem.routing.model.stages import next_stage, outcome

SECOND = 1_000_000
RING_AGAIN = 60 * SECOND  # RFC 3261 13.3.1.1: a 1xx at least each minute
FULL_RETRY_SECONDS = 10  # what a caller is told where a limit is reached
ATTEMPTS_PER_CALL = 24
ANY_LOCAL = 255  # boundary.md, 2: whichever listening address of the transport


def place(event: Placed, now: int) -> Draft:
    """Makes the call that an INVITE asks for; where it may not be, it ends at once with a final response and a CDR."""
    request, plan = event.request, event.plan
    draft = Draft(new_call(request, plan, event.relay), now)
    draft.at = request.at
    server = draft.receive(request, "")
    draft.set(invite=server.txn)
    draft.note("invited", f"{draft.call.caller.identity} to {draft.call.callee}")
    if isinstance(plan, Plan):  # a refused call gives back at its end what the shell counted for it
        draft.set(limits=tuple(limit.name for limit in plan.limits))
    if (problem := what_is_wrong(event)) is not None:
        status, extra, why = problem
        refuse(draft, status, why, extra=extra, ours=True)
        return draft
    if "replaces" in request.special:
        join.ask(draft, request)
        return draft
    assert isinstance(plan, Plan)
    draft.set(stages=plan.stages, contacts=event.contacts)
    draft.respond(server.txn, 100)
    draft.note("routed", plan.why)
    start_stage(draft, 0, frozenset(event.full))
    return draft


def new_call(request: Request, plan: Plan | Refusal, relay: str) -> Call:
    planned = plan if isinstance(plan, Plan) else None
    caller = Caller(
        from_=request.from_, to=request.to, uri=request.uri,
        name=planned.caller_name if planned else text.display_of(request.from_),
        number=planned.caller_number if planned else text.user_of(text.uri_of(request.from_)),
        identity=plan.caller, contact=request.contact, max_forwards=request.max_forwards, special=request.special,
        rest=request.rest, content_type=request.content_type, body=request.body,
        trusted=bool(planned and planned.caller_trusted), cseq=request.cseq,
    )  # fmt: skip
    return Call(
        id=request.call, shard=shard_of(request.call), state=SETUP, tenant=plan.tenant, caller=caller, callee=plan.callee, stages=(), contacts={},
        stage=0, legs=(), attempts=(), servers=(), clients=(), invite=request.txn, next_n=1, next_leg=0, bridge=("", ""),
        invited_at=request.at, max_seconds=planned.max_seconds if planned else 0,
        emergency=bool(planned and planned.emergency),
        trunk_in=trunk_in(request, plan),
        inbound_headers=planned.inbound_headers if planned else (),
        media=of_plan(planned, relay) if planned and planned.media else None,
    )  # fmt: skip


def trunk_in(request: Request, plan: Plan | Refusal) -> str:
    """The trunk that calls; several accounts with one carrier share addresses, and routing tells them apart."""
    if not request.trust.startswith("trunk:"):
        return ""
    return (plan.caller if plan.caller.startswith("trunk:") else request.trust)[6:]


def shard_of(call: str) -> int:
    """The shard that a call id names in its first two characters."""
    return NUMBERS.index(call[0]) * 32 + NUMBERS.index(call[1])


def what_is_wrong(event: Placed) -> tuple[int, str, str] | None:
    """(status, extra header lines, why) when the INVITE must be refused before anybody rings."""
    request, plan = event.request, event.plan
    if event.merged:
        return 482, "", "the same request came by another path"
    if request.max_forwards == 0:
        return 483, "", "Max-Forwards is used up"
    if unknown := text.tokens(request.special.get("require")) - text.SUPPORTED:
        return (
            420,
            f"Unsupported: {', '.join(sorted(unknown))}\r\n",
            f"the caller requires {', '.join(sorted(unknown))}",
        )
    if not request.contact and not text.host_of(text.uri_of(request.from_)):
        return 400, "", "the INVITE has neither Contact nor a SIP URI in From"
    if problem := reliable.too_small(request):
        return 422, problem, "the session interval is too small"
    if "replaces" in request.special and request.trust.startswith("stranger:"):
        return 403, "", "who proved nothing takes nobody's place"
    if "replaces" in request.special:
        return None  # it goes to a call, not to whom routing finds
    if isinstance(plan, Refusal):
        return plan.status, "", plan.why
    if plan.emergency:
        return None
    if plan.srtp == "required" and plan.media != "direct" and offers_no_srtp(request):
        return 488, 'Warning: 305 tandem "SRTP is required"\r\n', "the caller offers no SRTP"
    if over := [
        limit.name
        for limit in plan.limits
        if limit.name in event.full and not limit.name.startswith("trunk:")
    ]:
        busy = over[0].startswith("user:")
        extra = "" if busy else f"Retry-After: {FULL_RETRY_SECONDS}\r\n"
        return (486 if busy else 503), extra, f"the limit of {over[0]} is reached"
    return None


def offers_no_srtp(request: Request) -> bool:
    told = described.part(request.content_type, request.body)
    return bool(told) and described.kind(told) == PLAIN


def start_stage(draft: Draft, stage: int, full: frozenset[str] = frozenset()) -> None:
    """Rings every target of a stage; goes on to the one that its outcome leads to while nobody can be rung."""
    stages = draft.call.stages
    while 0 <= stage < len(stages):
        draft.set(stage=stage)
        missed = [try_target(draft, target, stage, full) for target in stages[stage]]
        running = [a for a in draft.attempts.values() if a.stage == stage and a.status < 200]
        if running:
            seconds = max(attempt.target.ring_seconds for attempt in running)
            draft.set(
                give_up_at=draft.now + seconds * SECOND,
                tick_at=draft.call.tick_at or draft.now + RING_AGAIN,
            )
            return
        stage = next_stage(stages, stage, outcome(stages[stage][0].kind, min(missed), rang=False))
    best, media = draft.call.best or 480, draft.call.media
    relay = media.failed if media is not None and best in (488, 503) else ""
    refuse(draft, best, relay or why_of(best), extra=draft.call.best_rest, ours=bool(relay))


def try_target(
    draft: Draft, target: Target, stage: int, full: frozenset[str] = frozenset(), depth: int = 0
) -> int:
    """One INVITE per contact of a user; one to a trunk. A status where the target cannot be rung, and its mark in `tried`."""
    over = [limit.name for limit in target.limits if limit.name in full]
    if over and not draft.call.emergency:
        return miss(draft, target, 486 if target.kind == "user" else 503, f"is full ({over[0]})")
    if target.kind == "trunk":
        flow = Flow(0, 0, target.transport or 1, ANY_LOCAL, target.host, target.port or 5060)
        return invite(draft, target, Contact(target.uri, flow), stage, depth)
    contacts = places.rung(draft.call.contacts.get(target.aor, ()), target.instance)
    if not contacts:
        return miss(draft, target, 480, "is not registered")
    return max(invite(draft, target, contact, stage, depth) for contact in contacts)


def miss(draft: Draft, target: Target, status: int, why: str) -> int:
    who = target.aor or f"trunk:{target.trunk}"
    draft.set(tried=(*draft.call.tried, f"{who} {why}"))
    if is_better(status, draft.call.best):
        draft.set(best=status, best_rest="")
    draft.note("failed", f"{who} {why}")
    return status


def invite(draft: Draft, target: Target, contact: Contact, stage: int, depth: int = 0) -> int:
    """Sends the caller's INVITE on, as our own. 0, or a status where that is one attempt too many."""
    number = draft.new_name()
    if not number or len(draft.attempts) >= ATTEMPTS_PER_CALL:
        return miss(draft, target, 480, "is one attempt too many")
    call, caller = draft.call, draft.call.caller
    name = f"b{number}"
    shown = identity.shown(call, target)
    routes, flow = places.way_to(contact)
    leg = Leg(
        name=name, peer=f"a{number}", state=EARLY, call_id=call.id + name, local=shown.from_, local_tag=call.id + name,
        remote=f"<{target.uri}>", remote_tag="", target=contact.uri if target.kind == "user" else target.uri,
        routes=routes, flow=flow,
        local_cseq=0, remote_cseq=0, aor=target.aor, instance=contact.instance, trunk=target.trunk,
        contact=f";user={target.contact}" if target.contact else "", bound=contact.uri,
    )  # fmt: skip
    draft.legs[name] = leg
    n = (
        draft.call.next_n
    )  # the attempt is there before its INVITE: its policy decides by which way the media goes
    draft.attempts[n] = Attempt(n, name, stage, target, contact, depth=depth)
    rest = identity.apply(target.headers, shown.lines + passed_on(draft, caller))
    draft.ask(
        leg, "INVITE", extra=rest, content_type=caller.content_type, body=caller.body, why="invite",
        serves=call.invite, max_forwards=(caller.max_forwards if caller.max_forwards >= 0 else 70) - 1, of="a",
    )  # fmt: skip
    draft.note(
        "tried",
        f"{target.aor or 'trunk:' + target.trunk} at {contact.flow.host}:{contact.flow.port}",
    )
    return 0


def passed_on(draft: Draft, caller: Caller) -> str:
    """What the caller's INVITE says beyond its identity, for the callee."""
    supported = text.tokens(caller.special.get("supported")) & text.SUPPORTED
    required = text.tokens(caller.special.get("require")) & text.SUPPORTED
    lines = f"Allow: {text.ALLOW}\r\nSupported: {', '.join(sorted(supported | {'timer', 'replaces'}))}\r\n"
    if required:
        lines += f"Require: {', '.join(sorted(required))}\r\n"
    for name in ("session-expires", "min-se", "expires", "content-disposition", "content-encoding"):
        for value in caller.special.get(name, ()):
            lines += f"{name.title()}: {value}\r\n"
    return lines + caller.rest


def provisional(draft: Draft, response: Response) -> None:
    """A 101-199 to one of our INVITEs: the dialog that it makes, or tells more of, and what the caller hears of it."""
    attempt = draft.attempts.get(response.n)
    if attempt is None or attempt.cancelled or draft.call.state != SETUP:
        return
    client = draft.clients[response.n]
    draft.clients[response.n] = replace(client, proceeding=True)
    draft.attempt(response.n, status=response.status, rang=True)
    if response.status == 199 or draft.call.state == ENDED:
        return
    if reliable.must_wait(draft, response):
        return
    leg = early_leg(draft, attempt, response)
    if leg is None or not reliable.is_next(draft, leg, response):
        return
    if response.status >= 180 and not draft.call.ringing_at:
        draft.set(ringing_at=response.at)
        draft.note("rang", attempt.target.aor or f"trunk:{attempt.target.trunk}")
    caller_leg = caller_dialog(draft, leg)
    extra = reliable.offer(draft, caller_leg, response) + from_callee(response, attempt)
    draft.respond(
        draft.call.invite, response.status, extra=extra, content_type=response.content_type, body=response.body,
        reason=response.reason, tag=caller_leg.local_tag, contact=draft.contact(caller_leg), reliable="RSeq:" in extra,
        of=leg.name, verb=ANSWER if draft.call.caller.body else OFFER,
    )  # fmt: skip


def early_leg(draft: Draft, attempt: Attempt, response: Response) -> Leg | None:
    """The dialog of this response: the attempt's own, or a further one where a proxy behind it has forked."""
    first = draft.legs[attempt.leg]
    if not response.to_tag:
        return first
    for leg in draft.legs.values():
        if leg.local_tag == first.local_tag and leg.remote_tag in ("", response.to_tag):
            return learn(draft, leg, response)
    number = draft.new_name()
    if not number:
        return None
    twin = replace(
        first,
        name=f"b{number}",
        peer=f"a{number}",
        remote_tag=response.to_tag,
        rseq=0,
        local_cseq=1,
    )
    draft.legs[twin.name] = twin
    return learn(draft, twin, response)


def learn(draft: Draft, leg: Leg, response: Response) -> Leg:
    """What a response with a To tag tells of its dialog (RFC 3261 12.1.2)."""
    target = text.uri_of(response.contact) if response.contact else leg.target
    return draft.leg(
        leg.name, remote_tag=response.to_tag, target=target, remote=text.without_tag(response.to),
        routes=text.routes_of(response.record_routes, reverse=True) or leg.routes,
        flow=text.next_hop(target, response.flow if response.flow.port else leg.flow),
        supports=leg.supports | text.tokens(response.special.get("supported")) | text.tokens(response.special.get("require")),
        allows_update=leg.allows_update or "update" in text.tokens(response.special.get("allow")),
        seen_at=response.at,
    )  # fmt: skip


def caller_dialog(draft: Draft, leg: Leg) -> Leg:
    """The caller's dialog that belongs to a callee's dialog; made when the caller first hears of it."""
    return caller_leg(draft, f"a{leg.name[1]}", leg.name)


def caller_leg(draft: Draft, name: str, peer: str) -> Leg:
    """The caller's dialog of this name."""
    if name in draft.legs:
        return draft.legs[name]
    caller, server = draft.call.caller, draft.servers[draft.call.invite]
    from_ = server.head.split("\r\n", 1)[0][6:]
    record_routes = server.head.split("\r\n", 4)[4]
    # RFC 2543 callers may leave Contact out; their From is where they are (RFC 3261 12.1.1 gives no other)
    target = text.uri_of(caller.contact or caller.from_)
    supports = text.tokens(caller.special.get("supported")) | text.tokens(
        caller.special.get("require")
    )
    binding = places.of_caller(draft)
    draft.legs[name] = Leg(
        name=name, peer=peer, state=EARLY, call_id=server.call_id, local=text.without_tag(caller.to),
        local_tag=draft.call.id + name, remote=text.without_tag(from_), remote_tag=tag_of(from_), target=target,
        routes=text.routes_of(record_routes, reverse=False), flow=text.next_hop(target, server.flow),
        local_cseq=0, remote_cseq=server.cseq, seen_at=draft.at, trunk=draft.call.trunk_in,
        aor=caller.identity if "@" in caller.identity and not draft.call.trunk_in else "", supports=supports,
        allows_update="update" in text.tokens(caller.special.get("allow")),
        instance=binding.instance if binding else "", bound=binding.uri if binding else "",
    )  # fmt: skip
    return draft.legs[name]


def tag_of(value: str) -> str:
    """The tag parameter of a From or To value."""
    for part in value[value.find(">") + 1 :].split(";")[1:]:
        name, _, tag = part.partition("=")
        if name.strip().lower() == "tag":
            return tag.strip()
    return ""


def from_callee(response: Response, attempt: Attempt) -> str:
    """What a callee's response says to the caller, without what is ours to say."""
    lines = response.rest
    for name in ("allow", "content-disposition", "content-encoding", "reason"):
        for value in response.special.get(name, ()):
            lines += f"{name.title()}: {value}\r\n"
    return identity.apply(attempt.target.headers, lines) if attempt.target.headers else lines


def gave_up(draft: Draft) -> None:
    """The stage has rung long enough."""
    draft.note("no answer")
    if draft.call.stub:
        refuse(draft, 480, "the call to be replaced does not answer", ours=True)
        return
    if not draft.call.invite:
        finish_origination(draft)
        return
    for attempt in list(draft.attempts.values()):
        if attempt.stage == draft.call.stage and attempt.status < 300 and not attempt.cancelled:
            attempt_failed(draft, attempt, 408, "no answer")


def finish_origination(draft: Draft) -> None:
    """The first party of a call that a desk started does not answer."""
    cancel_attempts(draft, "no answer")
    draft.set(final=408)
    bill.end(draft, ended_by="tandem", why="the first party did not answer")
