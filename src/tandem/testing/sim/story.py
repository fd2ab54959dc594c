"""A simulated run told to a person: its messages and deaths as a ladder, its faults in words. It judges nothing."""

import hashlib

from rich.text import Text

from tandem.boundary import UDP
from tandem.cli.ladder import LadderMessage, Mark, ladder
from tandem.testing.sim.edge import ADDRESS
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.world import World

DEADLY = (" dies", " hangs")  # words of a mark that is drawn red


def picture(world: World) -> Text:
    """What phones and edges said, in order, with every death as a red line across."""
    marks = [Mark(at, text, death=any(word in text for word in DEADLY)) for at, text in world.marks]
    return ladder(messages(world), marks, caller="alice", callee="bob")


def messages(world: World) -> list[LadderMessage]:
    """All that arrived at an edge and all that left one, lost datagrams of ours included."""
    local = f"{ADDRESS}:5060"
    heard = [
        LadderMessage(at, True, name(transport), local, f"{host}:5060", data.decode("latin-1"))
        for at, _, transport, host, data in world.wire
    ]
    said = [
        LadderMessage(
            at,
            False,
            name(world.hosts[host].transport) if host in world.hosts else "UDP",
            local,
            f"{host}:5060",
            data.decode("latin-1"),
        )
        for edge in world.all_edges
        for at, _, _, host, data in edge.said
    ]
    return sorted(heard + said, key=lambda message: message.at)


def fingerprint(world: World) -> str:
    """A digest over every byte that arrived or left, with its time."""
    digest = hashlib.sha256()
    for message in messages(world):
        digest.update(f"{message.at} {message.inbound} {message.remote}\n".encode())
        digest.update(message.text.encode("latin-1"))
    return digest.hexdigest()


def name(transport: int) -> str:
    return "UDP" if transport == UDP else "TCP"


def faults_told(faults: Faults) -> str:
    """What goes wrong in the run, in words; "nothing fails" when nothing does."""
    told = [
        f"{chance:g} of datagrams {what}"
        for chance, what in ((faults.loss, "lost"), (faults.duplicate, "doubled"))
        if chance
    ]
    if faults.save_timeouts:
        told.append(f"{faults.save_timeouts:g} of saves time out")
    told += [f"the owner dies at {second:g} s" for second in faults.kills]
    told += [f"the owner dies at its point {point}" for point in faults.kill_at]
    told += [f"the owner hangs at {second:g} s for {long:g} s" for second, long in faults.pauses]
    told += [f"the edge dies at {second:g} s" for second in faults.edge_kills]
    told += [f"the store loses writes at {second:g} s" for second in faults.lost_writes]
    told += [f"nobody owns calls at {when:g} s for {long:g} s" for when, long in faults.darkness]
    told += [f"the relay dies at {second:g} s for {long:g} s" for second, long in faults.relay_gone]
    if faults.relay_forgets:
        told.append("it forgets all calls")
    if faults.relay_slow:
        told.append(f"the relay takes {faults.relay_slow:g} s")
    return ", ".join(told) or "nothing fails"
