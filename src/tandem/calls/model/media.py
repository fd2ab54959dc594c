"""Descriptions on their way by the relay: which must go there, what waits meanwhile, and how it goes on. It sends nothing.

What has happened is decided at once, as everywhere; only the words of a message wait. The relay's answer is no decision:
it follows from the question, which the row keeps until the answer is known, and the relay says it again to whoever asks
with the same id. So what it releases goes out without another save.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from tandem.boundary import WS, WSS
from tandem.calls.model import described, sdp, tell, text
from tandem.calls.model.call import GONE, LINGER, Attempt, Call, Effect, Leg, Server
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Related
from tandem.calls.model.ways import FAR, OFFER, Wait, Way
from tandem.media.model import policy
from tandem.media.model.policy import Side
from tandem.routing.model.plan import Target

DELETED = b"delete"  # an effect's body: the relay may forget the call


def pass_on(
    draft: Draft,
    do: str,
    ref: int,
    *,
    verb: str,
    of: str,
    to: str,
    content_type: str,
    body: bytes,
    tag: str = "",
    word: bytes = b"",
    asked: bytes = b"",
) -> bool:
    """Whether the message that carries this description of `of` for `to` (legs, or FAR) waits for the relay."""
    media = draft.call.media
    told = described.part(content_type, asked or body)
    if media is None or not told:
        return False
    one, other = party(draft, of), party(draft, to)
    way = media.way(one, other)
    if way is None and verb == OFFER:
        way = decide(draft, one, other, told)
    if way is None:
        return False
    draft.set(media=media.saying(one, told, offered=verb == OFFER))
    ask(
        draft,
        noted(way, one, told),
        Wait(0, do, ref, tag, verb, one, other, word, told if asked else b""),
    )
    return True


def refused(draft: Draft, leg: str) -> None:
    """What a party offered is not taken: what it told before is in force again."""
    if draft.call.media is not None:
        draft.set(media=draft.call.media.refused(party(draft, leg)))


def last(draft: Draft, leg: str) -> bytes:
    """What a party told of its media last; b"": nothing that passed the relay."""
    return draft.call.media.last(party(draft, leg)) if draft.call.media is not None else b""


def decide(draft: Draft, of: str, to: str, told: bytes) -> Way | None:
    """The way of an offer between two parties who have none by the relay: None where they may talk directly."""
    media = draft.call.media
    assert media is not None
    both = policy.combined(policy_of(draft, of)[0], policy_of(draft, to)[0])
    if both == policy.DIRECT:
        return None
    legs, server = draft.legs.values(), draft.servers.get(draft.call.invite)
    one = side(draft.call, legs, server, of, told)
    other = side(draft.call, legs, server, to)
    towards = policy.wanted(one.kind, other, policy_of(draft, to)[1])
    reason = policy.why(both, one, other, towards)
    if not reason:
        return None
    draft.note("relayed", f"{of} and {to}: {REASONS[reason]}")
    kind = one.kind if towards != policy.KEPT else towards
    return Way(of, to, kind, towards, reason != "nat")


REASONS = {
    "policy": "the policy says so",
    "transport": "one of them speaks WebRTC",
    "srtp": "SRTP on one side only",
    "family": "IPv4 and IPv6",
    "nat": "NAT",
}


def policy_of(draft: Draft, party: str) -> tuple[str, str]:
    """(media, srtp) of whose side a party is on: its trunk's or tenant's."""
    media = draft.call.media
    assert media is not None
    target = target_of(draft.attempts.values(), draft.legs.values(), party)
    if target is not None:
        return target.media, target.srtp
    return media.policy, media.srtp if party != FAR else policy.PREFERRED


def clean_of(call: Call, party: str) -> str:
    """What the relay takes out of what a party says."""
    if party == "a":
        return call.media.clean if call.media is not None else ""
    target = target_of(call.attempts, call.legs, party)
    return target.clean if target is not None else ""


def target_of(attempts: Iterable[Attempt], legs: Iterable[Leg], party: str) -> Target | None:
    """As what somebody was asked; None for the caller, and for who is in another call."""
    if party[0] != "b":
        return None
    named = {leg.name for leg in legs if is_of(leg, party)}
    return next((attempt.target for attempt in attempts if attempt.leg in named), None)


def party(draft: Draft, name: str) -> str:
    """The relay's tag of whom a leg belongs to."""
    if name == FAR:
        return FAR
    return "a" if name[0] == "a" else draft.legs[name].local_tag[-2:]


def side(
    call: Call, legs: Iterable[Leg], server: Server | None, party: str, told: bytes = b""
) -> Side:
    """What is known of a party; `told`: its description."""
    leg = next((leg for leg in legs if is_of(leg, party)), None)
    if leg is not None:
        flow, uri = leg.flow, leg.target or leg.bound
    elif party == "a" and server is not None:
        flow, uri = server.flow, text.uri_of(call.caller.contact)
    else:
        return Side("", described.address(told), described.kind(told) if told else "")
    if told:
        return Side(flow.host, described.address(told), described.kind(told))
    known = next((kind for way in ways(call) for name, kind in kinds(way) if name == party), "")
    web = policy.WEB if flow.transport in (WS, WSS) else ""
    return Side(flow.host, text.host_of(uri).strip("[]"), web or known)


def is_of(leg: Leg, party: str) -> bool:
    return leg.name[0] == party[0] and (party == "a" or leg.local_tag.endswith(party))


def ways(call: Call) -> tuple[Way, ...]:
    return call.media.ways if call.media is not None else ()


def kinds(way: Way) -> tuple[tuple[str, str], tuple[str, str]]:
    return (way.one, way.one_kind), (way.other, way.other_kind)


def noted(way: Way, party: str, told: bytes) -> Way:
    """The way with the kind that a party has shown now."""
    kind = described.kind(told)
    if policy.KEPT in (way.one_kind, way.other_kind):
        return way
    if way.one == party:
        return way if way.one_kind == kind else replace(way, one_kind=kind)
    return way if way.other_kind == kind else replace(way, other_kind=kind)


def turn(draft: Draft, txn: int, to: str, word: tell.Join, offer: bytes) -> None:
    """The 200 to a caller who is picked up: his offer is answered from the far side's, when the relay has rewritten that."""
    waits = pass_on(
        draft, "respond", txn, verb=OFFER, of=FAR, to=to, content_type=word.content_type, body=word.body, asked=word.body,
    )  # fmt: skip
    if waits:  # his own offer stands in for the answer, which is made of both
        server = draft.servers[txn]
        message = described.rewritten(server.message, offer)
        draft.servers[txn] = replace(server, message=message)


def ask(draft: Draft, way: Way, wait: Wait) -> None:
    """Decides a question to the relay."""
    media = draft.call.media
    assert media is not None
    n = draft.next_n()
    others = tuple(w for w in media.ways if {w.one, w.other} != {way.one, way.other})
    waits = (*media.waits, replace(wait, n=n, at=draft.now))
    draft.set(media=replace(media, ways=(*others, way), waits=waits, known=True))
    draft.effects.append(Effect("media", n, until=tell.FOR_EVER))


def supersede(draft: Draft, do: str, ref: int, tag: str) -> None:
    """Something else is said in this message's place: what waited for it waits no longer."""
    media = draft.call.media
    if media is not None and (wait := media.wait(do, ref, tag)) is not None:
        draft.set(media=media.without(wait))


def say_end(draft: Draft) -> None:
    """The call is over: the relay may forget it, and the one before it too."""
    if draft.call.media is not None and draft.call.media.known:
        say_end_at(draft, draft.call.media.relay)
        if draft.call.moving is not None:
            say_end_at(draft, draft.call.moving.old)
            draft.set(moving=None)


def say_end_at(draft: Draft, relay: str) -> None:
    """This relay may forget the call."""
    body = DELETED + b" " + relay.encode()
    draft.effects.append(Effect("media", draft.next_n(), until=draft.now + LINGER, body=body))


def hold(draft: Draft) -> None:
    """What waits is not said yet; what has become void waits no longer. Every step ends with it."""
    media = draft.call.media
    if media is None or not media.waits:
        return
    waits = tuple(wait for wait in media.waits if stands(draft, wait))
    if len(waits) != len(media.waits):
        media = replace(media, waits=waits)
        draft.set(media=media)
    draft.effects = [e for e in draft.effects if not media.holds(e.do, e.ref, e.tag)]


def stands(draft: Draft, wait: Wait) -> bool:
    """Whether its message is still to be sent."""
    if wait.do == "ask":
        client = draft.clients.get(wait.ref)
        return client is not None and not client.ended_at
    if wait.do == "respond":
        return wait.ref in draft.servers
    if wait.do == "move":
        return draft.call.moving is not None
    return wait.ref in draft.clients if wait.do == "ack" else not draft.is_over()


def taken(draft: Draft, n: int) -> Wait | None:
    """The wait of this number, which is over; None when nobody waits for it any more."""
    media = draft.call.media
    wait = next((w for w in media.waits if w.n == n), None) if media is not None else None
    if wait is not None and media is not None:
        draft.set(media=media.without(wait))
    return wait


def related(draft: Draft, event: Related) -> None:
    """The relay has rewritten a description: its message goes on."""
    wait = taken(draft, event.n)
    if wait is not None:
        draft.follows = True
        release(draft, wait, event.body)


def release(draft: Draft, wait: Wait, new: bytes) -> None:
    """Says what waited, with the description `new`; b"" leaves its own."""
    match wait.do:
        case "ask":
            release_request(draft, wait.ref, new)
        case "respond":
            release_response(draft, wait, new)
        case "ack":
            client = draft.clients.get(wait.ref)
            if client is not None:
                acks = tuple(
                    replace(ack, message=written(ack.message, new)) if ack.to_tag == wait.tag else ack
                    for ack in client.acks
                )  # fmt: skip
                draft.clients[wait.ref] = replace(client, acks=acks)
                draft.effects.append(Effect("ack", wait.ref, wait.tag, until=draft.now + LINGER))
        case "tell":
            release_word(draft, wait, new)
        case "move":
            from tandem.calls.model import moving  # it asks through here

            moving.related(draft)


def written(message: bytes, new: bytes) -> bytes:
    return described.rewritten(message, new) if new else message


def release_request(draft: Draft, n: int, new: bytes) -> None:
    client = draft.clients.get(n)
    if client is None or client.ended_at:
        return
    leg = draft.legs.get(client.leg)
    if leg is None or leg.state == GONE:
        draft.close(n)
        return
    message, cseq = written(client.message, new), client.cseq
    if cseq != leg.local_cseq:  # another request has overtaken it: RFC 3261 12.2.2
        cseq = draft.leg(leg.name, local_cseq=leg.local_cseq + 1).local_cseq
        message = text.renumbered(message, cseq)
        draft.follows = False
    draft.clients[n] = replace(client, message=message, cseq=cseq, at=draft.now)
    draft.effects.append(Effect("ask", n, until=draft.now + LINGER))


def release_response(draft: Draft, wait: Wait, new: bytes) -> None:
    server = draft.servers.get(wait.ref)
    if server is None or not server.message:
        return
    if (
        wait.body and new
    ):  # picked up: the offer of the far side answers the one that stands in the message
        new = sdp.answer_from(described.of_message(server.message), new)
    draft.servers[wait.ref] = replace(server, message=written(server.message, new), at=draft.now)
    draft.effects.append(Effect("respond", wait.ref, until=draft.now + LINGER))


def release_word(draft: Draft, wait: Wait, new: bytes) -> None:
    """A word's number counts up in the order in which they are said, so it is given now, and saved."""
    draft.follows = False
    word = tell.read(wait.word)
    if new and isinstance(word, tell.Described):
        old = described.part(word.content_type, word.body)
        word = replace(word, body=word.body.replace(old, new, 1))
    if not draft.is_over():
        draft.tell(wait.tag, word)
