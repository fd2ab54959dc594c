"""The words of effects: what stands in a row's transactions, as commands to the core. It changes nothing."""

from collections.abc import Iterable

from msgspec.structs import replace

from tandem.boundary import Ack, Ask, Command, Forget, Receive, Request, Respond, Stop, Taken
from tandem.calls.model import inquiry
from tandem.calls.model.call import LINGER, Call, Client, Effect, Server
from tandem.calls.model.text import response
from tandem.media.model.ng import Question


def taken_of(seqs: list[tuple[int, int]]) -> list[Command]:
    """Taken commands, one per edge."""
    by_edge: dict[int, list[int]] = {}
    for edge, seq in seqs:
        by_edge.setdefault(edge, []).append(seq)
    return [Taken(edge, found) for edge, found in by_edge.items()]


def said(
    call: Call, effects: Iterable[Effect], now: int, questions: list[Question]
) -> list[Command]:
    """The words of these effects; what is for the relay goes to `questions`."""
    commands: list[Command] = []
    for effect in effects:
        if effect.do == "media":
            if (asked := inquiry.question(call, effect)) is not None:
                questions.append(asked)
        elif (told := command(call, effect, now)) is not None:
            commands.append(told)
    return commands


def command(call: Call, effect: Effect, now: int) -> Command | None:
    """The words of an effect: they stand in the transaction that it names. None while they wait for the relay."""
    if call.media is not None and call.media.holds(effect.do, effect.ref, effect.tag):
        return None
    match effect.do:
        case "respond":
            server = next((s for s in call.servers if s.txn == effect.ref), None)
            return respond(call, server, 0) if server is not None else None
        case "ask":
            client = next((c for c in call.clients if c.n == effect.ref), None)
            return ask(call, client, 0) if client is not None else None
        case "ack":
            client = next((c for c in call.clients if c.n == effect.ref), None)
            found = (
                next((a for a in client.acks if a.to_tag == effect.tag), None)
                if client is not None
                else None
            )
            return (
                Ack(
                    call.shard,
                    call.id,
                    effect.ref,
                    found.branch,
                    found.to_tag,
                    found.flow,
                    found.message,
                )
                if found
                else None
            )
        case "stop":
            return Stop(effect.ref)
        case "forget":
            return Forget(call.id, effect.ref)
    return None


def respond(call: Call, server: Server, age: int) -> Respond:
    return Respond(
        call.shard, server.txn, server.method, server.status, server.flow, server.vias, server.contact, server.call_id, server.message,
        server.reliable, call.id, age, server.acked,
    )  # fmt: skip


def ask(call: Call, client: Client, age: int) -> Ask:
    return Ask(
        call.shard, call.id, client.n, client.method, client.flow, client.contact, client.call_id, client.message, client.quiet, age,
        client.proceeding, client.branch_of,
    )  # fmt: skip


def rearm(call: Call, now: int, unsaid: set[tuple[str, int, str]]) -> list[Command]:
    """The transactions of a row, for the core of a new owner: silent ones, they only go on.

    unsaid: (do, ref, tag) of the effects that the heir says itself; their transactions begin with that.
    """
    commands: list[Command] = []
    waits = call.media.waits if call.media is not None else ()
    held = {(wait.do, wait.ref, wait.tag) for wait in waits}
    unsaid = unsaid | held if held else unsaid
    for server in call.servers:
        if server.ended_at and now - server.ended_at > LINGER:
            continue
        if ("respond", server.txn, "") in held:
            commands.append(Receive(call.shard, server.txn, server.method, call.id))
            continue
        if ("respond", server.txn, "") in unsaid:
            continue
        if server.status and server.message:
            commands.append(respond(call, server, max(1, now - server.at)))
        elif not server.status:
            commands.append(Receive(call.shard, server.txn, server.method, call.id))
    for client in call.clients:
        age = max(1, now - client.at)
        if ("ask", client.n, "") in held:
            # it may have gone out, and be answered; so it is known, and not said before the relay has answered
            commands.append(ask(call, replace(client, proceeding=True), age))
        elif ("ask", client.n, "") in unsaid:
            pass
        elif not client.ended_at:
            commands.append(ask(call, client, age))
        elif client.method == "INVITE" and not client.acks and now - client.ended_at < LINGER:
            refused = replace(client, quiet=True, proceeding=True)  # its ACK may not have gone out
            commands.append(ask(call, refused, max(1, now - client.ended_at)))
        for ack in client.acks:
            if now - client.ended_at < LINGER and ("ack", client.n, ack.to_tag) not in unsaid:
                remembered = Ack(
                    call.shard,
                    call.id,
                    client.n,
                    ack.branch,
                    ack.to_tag,
                    ack.flow,
                    ack.message,
                    age,
                    send=False,
                )
                commands.append(remembered)
    return commands


def stateless(request: Request, status: int, extra: str = "") -> Respond:
    """A final response that no row remembers; the core repeats it while the transaction lives."""
    # the ACK to an INVITE's refusal finds its way by our tag; others only need one (RFC 3261 8.2.6.2)
    ours = f"{request.call}a0" if request.call else f"s{request.txn:016x}"
    tag = "" if request.to_tag else f";tag={ours}"
    head = (
        f"From: {request.from_}\r\nTo: {request.to}{tag}\r\nCall-ID: {request.call_id}\r\n"
        f"CSeq: {request.cseq} {request.method}\r\n"
    )
    return Respond(
        0, request.txn, request.method, status, request.flow, request.vias, "", request.call_id,
        response(status, head, extra),
    )  # fmt: skip


def last_words(effects: list[Effect], version: int, epoch: int) -> tuple[Effect, ...]:
    """The effects of one save, numbered; of several responses in one transaction only the last is said.

    A question to the relay is known there by its epoch too: an heir may decide another one under the number of one
    whose save was lost.
    """
    last = {effect.ref: at for at, effect in enumerate(effects) if effect.do == "respond"}
    return tuple(
        numbered(effect, version, epoch) for at, effect in enumerate(effects) if effect.do != "respond" or last[effect.ref] == at
    )  # fmt: skip


def numbered(effect: Effect, version: int, epoch: int) -> Effect:
    if effect.do == "media":
        return replace(effect, version=version, tag=f"{epoch}.{version}")
    return replace(effect, version=version)
