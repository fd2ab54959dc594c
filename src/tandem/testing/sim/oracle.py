"""What must hold after every run (DESIGN 13), whatever died: the list of what does not."""

from collections import Counter

from tandem.records.model import CDR_STREAM, read_cdr
from tandem.testing.sim.clock import SECOND
from tandem.testing.sim.phone import Talk
from tandem.testing.sim.world import World

CDR_ERROR = 1.0  # seconds between what phones believe and what is billed


def wrong(world: World) -> list[str]:
    return [*phones_wrong(world), *bills_wrong(world), *wire_wrong(world), *relay_wrong(world)]


def phones_wrong(world: World) -> list[str]:
    found = []
    for phone in world.phones.values():
        for talk in phone.talks.values():
            if talk.state != "ended":
                found.append(f"{phone.name} is still {talk.state} in {talk.call_id}")
            if talk.caller and len(set(talk.finals)) > 1:
                found.append(f"{phone.name} got contradicting final responses {talk.finals}")
            if talk.caller and not talk.finals:
                found.append(f"{phone.name} got no final response")
            if talk.caller and not talk.gave_up and talk.finals == [408]:
                found.append(f"{phone.name} gave up without an answer from us")
        if phone.ghosts:
            found.append(f"{phone.name} rang {phone.ghosts} times for a call that it had ended")
    return found


def bills_wrong(world: World) -> list[str]:
    found = []
    cdrs = [read_cdr(record) for record in world.store.stream(CDR_STREAM)]
    twice = [call for call, times in Counter(cdr.id for cdr in cdrs).items() if times > 1]
    found += [f"{call} has more than one CDR" for call in twice]
    by_caller = {cdr.caller_call_id: cdr for cdr in cdrs}
    for phone in world.phones.values():
        for talk in phone.talks.values():
            if not talk.caller:
                continue
            cdr = by_caller.get(talk.call_id)
            if cdr is None and cut_at_once(world, talk):
                continue
            if cdr is None:
                found.append(f"{talk.call_id} has no CDR")
            elif talk.answered_at:
                found += seconds_wrong(world, talk, cdr.seconds)
    return found


def cut_at_once(world: World, talk: Talk) -> bool:
    """Its INVITE may have died with the connection, before any owner saw it: nobody rang, nobody heard of it."""
    called = [other for phone in world.phones.values() for other in phone.talks.values()]
    return talk.unheard and all(other.caller for other in called)


def seconds_wrong(world: World, talk: Talk, billed: float) -> list[str]:
    """The bill lies between what the two ends believe, give or take a second."""
    ends = [talk] + [
        other
        for phone in world.phones.values()
        for other in phone.talks.values()
        if not other.caller and other.answered_at and other.ended_at
    ]
    starts, stops = [end.answered_at for end in ends], [end.ended_at for end in ends]
    least, most = (min(stops) - max(starts)) / SECOND, (max(stops) - min(starts)) / SECOND
    error = CDR_ERROR + world.faults.delay_most * 4 + slack(world)
    if least - error <= billed <= most + error:
        return []
    return [f"{talk.call_id} talked {least:.1f} to {most:.1f} s and is billed {billed:.1f} s"]


def slack(world: World) -> float:
    """A lost datagram is repeated after T1, 2*T1, ...: the end of a call is heard that much later."""
    return 8.0 if world.faults.loss else 0.0


def wire_wrong(world: World) -> list[str]:
    """Nothing on the wire from a lower epoch after a higher one."""
    found = []
    for edge in world.all_edges:
        highest: dict[int, int] = {}
        for at, shard, epoch, host, _ in edge.said:
            if epoch < highest.get(shard, 0):
                found.append(
                    f"at {at} edge {edge.number} sent for epoch {epoch} of shard {shard} after {highest[shard]} to {host}"
                )
            highest[shard] = max(epoch, highest.get(shard, 0))
    return found


def relay_wrong(world: World) -> list[str]:
    """The relay has forgotten every call that is over; with policy relay nobody is told anybody's own address."""
    if world.relay is None:
        return []
    living = [relay for relay in world.relays.values() if relay.alive]
    found = [f"the relay still has call {call}" for relay in living for call in relay.talks]
    if world.directory.media != "relay":
        return found
    for edge in world.all_edges:
        for at, _, _, host, data in edge.said:
            body = data.partition(b"\r\n\r\n")[2].decode("latin-1")
            told = {other for other in world.hosts if other != host and f" {other}\r" in body}
            found += [f"at {at} {host} is told the address of {other}" for other in sorted(told)]
    return found
