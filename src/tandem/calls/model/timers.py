"""What a call wants at which time, and what happens then; and what it may forget. Nothing here looks at a clock."""

from msgspec.structs import replace

from tandem.boundary import Response
from tandem.calls.model import hangup, lost, moving, refresh, reliable, setup, transfer
from tandem.calls.model.call import (
    ENDED,
    GONE,
    LINGER,
    SETUP,
    TALKING,
    Call,
    Client,
    Effect,
    Server,
)
from tandem.calls.model.draft import Draft

FORGET = 2 * LINGER  # an ended call's row is gone this long after its last transaction


def due(call: Call) -> int:
    """The next time at which the call wants a tick; 0: none."""
    if call.state == ENDED:
        return call.look_at
    times = [call.give_up_at, call.end_at, call.look_at]
    if call.state == SETUP:
        times.append(call.tick_at)
        if call.later and not reliable.waits(call):
            times.append(call.invited_at)  # at once
    else:
        times.append(call.moving.at if call.moving is not None else 0)
        times += [refresh.due_at(leg.session) for leg in call.legs if leg.state != GONE]
        ended = [forgotten_at(server) for server in call.servers if server.ended_at] + [
            client.ended_at + LINGER for client in call.clients if client.ended_at
        ]
        times.append(max(ended) + 1 if ended else 0)
    times = [time for time in times if time]
    return min(times) if times else 0


def forgotten_at(server: Server) -> int:
    """An INVITE whose 2xx has no ACK is needed until the core has said so, which is no sooner than 64*T1 (13.3.1.4)."""
    waits = server.method == "INVITE" and 200 <= server.status < 300 and not server.acked
    return server.ended_at + (2 * LINGER if waits else LINGER)


def expires(call: Call) -> int:
    """When the row may vanish: never while the call lives."""
    return (
        call.ended_at and max(call.ended_at, *(client.at for client in call.clients), 0) + FORGET
        if call.state == ENDED
        else 0
    )


def tick(draft: Draft) -> None:
    """Everything that is due, in an order that leaves the call at most one end."""
    call, now = draft.call, draft.now
    if call.look_at and now >= call.look_at:
        lost.look_again(draft)
    moving.ticked(draft)
    if call.end_at and now >= call.end_at and call.state == TALKING:
        hangup.end_bridge(draft, ended_by="tandem", why="maximum duration")
        return
    if call.state == SETUP and call.give_up_at and now >= call.give_up_at:
        setup.gave_up(draft)
    if draft.call.state == TALKING and call.give_up_at and now >= call.give_up_at:
        transfer.gave_up(draft)
    if draft.call.state == SETUP and draft.call.tick_at and now >= draft.call.tick_at:
        ring_again(draft)
    if draft.call.state == SETUP and draft.call.later:
        reliable.say_next(draft)
    if draft.call.state == TALKING:
        for name in refresh.tick(draft):
            leg = draft.legs[name]
            if draft.call.state == TALKING and name in draft.call.bridge:
                hangup.end_bridge(
                    draft, ended_by="nobody", why="session expired", at=leg.seen_at, proof=True
                )


def ring_again(draft: Draft) -> None:
    """Repeats the last provisional above 100, so that no proxy before us gives up (RFC 3261 13.3.1.1)."""
    draft.set(tick_at=draft.now + setup.RING_AGAIN)
    server = draft.servers[draft.call.invite]
    if server.status > 100 and not server.reliable:
        draft.effects.append(Effect("respond", server.txn, until=draft.now + LINGER))


def refreshed(draft: Draft, client: Client, response: Response) -> None:
    """The answer to a session refresh of ours (RFC 4028 10)."""
    if response.status < 200:
        return
    draft.close(client.n)
    leg = draft.legs.get(client.leg)
    if leg is None or leg.state == GONE:
        return
    if response.status // 100 == 2:
        draft.leg(leg.name, seen_at=response.at)
    elif response.status in (408, 481):
        draft.leg(leg.name, state=GONE)
        hangup.end_bridge(
            draft,
            ended_by="nobody",
            why=f"the peer answered {response.status}",
            at=leg.seen_at,
            proof=True,
        )
    elif response.status in (405, 501):
        draft.leg(leg.name, session=replace(leg.session, interval=0))


def prune(draft: Draft) -> None:
    """Forgets transactions that no peer can repeat any more."""
    if draft.call.state == ENDED:
        return
    old = draft.now - LINGER
    for server in list(draft.servers.values()):
        if server.ended_at and forgotten_at(server) < draft.now:
            del draft.servers[server.txn]
    for client in list(draft.clients.values()):
        if client.ended_at and client.ended_at < old:
            del draft.clients[client.n]
            attempt = draft.attempts.get(client.n)
            if (
                attempt is not None
                and draft.call.state == TALKING
                and attempt.leg not in draft.call.bridge
                and not attempt.target.username
            ):
                draft.attempts.pop(client.n)
    if draft.call.state == TALKING:
        for name in [
            leg.name
            for leg in draft.legs.values()
            if leg.state == GONE and leg.name not in draft.call.bridge
        ]:
            kept = (
                {s.leg for s in draft.servers.values()}
                | {c.leg for c in draft.clients.values()}
                | {a.leg for a in draft.attempts.values()}
            )
            if name not in kept:
                del draft.legs[name]
