"""Links between machines, over TCP and TLS: nothing is lost or doubled when owners die and connections break, and epochs decide."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from frames import respond
from joined import Caller, Joined, Owner, invited, linked, listening
from tandem.boundary import EdgeDown, Request, Taken, write_commands

pytestmark = pytest.mark.parametrize("kind", ["tcp", "tls"])
CALLS = 20


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    made = Joined(tmp_path)
    yield made
    made.close()


class Cable:
    """Between an edge and a node: `cut` breaks the connection, and `joins` lets another one through."""

    def __init__(self, place: str) -> None:
        self.kind, host, port = place.split(":")
        self.far = (host, int(port))
        self.door = listening(socket.SOCK_STREAM)
        self.whole = threading.Event()
        self.whole.set()
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._carry, daemon=True).start()

    @property
    def place(self) -> str:
        return f"{self.kind}:127.0.0.1:{self.door.getsockname()[1]}"

    def _carry(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.door.accept()
                if not self.whole.is_set():
                    near.close()
                    continue
                far = socket.create_connection(self.far)
                self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=(one, other), daemon=True).start()

    def cut(self) -> None:
        self.whole.clear()
        while self.ends:
            with suppress(OSError):
                self.ends.pop().shutdown(socket.SHUT_RDWR)

    def joins(self) -> None:
        self.whole.set()

    def close(self) -> None:
        self.cut()
        self.door.close()


def copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


def refuse(owner: Owner, event: Request) -> None:
    owner.node.run(
        write_commands(
            [Taken(event.flow.edge, [event.seq]), respond(event, 486, event.call + "a0")]
        )
    )


def test_an_heir_gets_all_that_was_not_taken_in_order_and_answers(
    joined: Joined, kind: str
) -> None:
    with ExitStack() as stack:
        sip = stack.enter_context(listening())
        stack.enter_context(joined.edge(7, sip, joined.place(kind)))
        callers = [Caller(sip) for _ in range(CALLS)]
        with joined.node(3) as owner:
            linked(owner, 7)
            asked = [invited(owner, caller, f"c{n}") for n, caller in enumerate(callers)]
            refuse(owner, asked[0])
            assert callers[0].hears().startswith("SIP/2.0 486 ")
        callers[1].says("INVITE", "c1")  # a repetition while nobody is there
        with joined.node(4) as heir:
            again = [heir.waits(Request) for _ in asked[1:]]
            assert [one.seq for one in asked[1:]] == [one.seq for one in again]
            assert [one.call for one in asked[1:]] == [one.call for one in again]
            assert [one.at for one in asked[1:]] == [one.at for one in again]
            for event in again:
                refuse(heir, event)
            assert all(c.hears().startswith("SIP/2.0 486 ") for c in callers[1:])
            heir.listens(0.3)
            assert [] == [one for one in heir.heard if isinstance(one, Request)]


def test_what_is_said_while_a_connection_is_broken_arrives_over_the_next_and_is_decided_once(
    joined: Joined, kind: str
) -> None:
    with ExitStack() as stack:
        owner = stack.enter_context(joined.node(3))
        sip = stack.enter_context(listening())
        cable = Cable(joined.place(kind))
        stack.callback(cable.close)
        stack.enter_context(joined.edge(7, sip, cable.place))
        linked(owner, 7)
        one, two = Caller(sip), Caller(sip)
        event = invited(owner, one, "c1")
        cable.cut()
        owner.waits(EdgeDown)
        refuse(owner, event)
        two.says("INVITE", "c2")
        cable.joins()
        refuse(owner, owner.waits(Request))
        for caller, call in ((one, "c1"), (two, "c2")):
            answer = caller.hears()
            assert answer.startswith("SIP/2.0 486 ")
            caller.says("ACK", call, tag="x")
            caller.socket.settimeout(0.3)
            with suppress(TimeoutError):  # what was said before the cut may be said again
                assert answer == caller.hears()
        owner.listens(0.1)
        assert [] == [one for one in owner.heard if isinstance(one, Request)]


def test_an_owner_whose_shards_another_has_claimed_is_neither_asked_nor_heard(
    joined: Joined, kind: str
) -> None:
    with ExitStack() as stack:
        sip = stack.enter_context(listening())
        old = stack.enter_context(joined.node(3))
        places = (joined.place(kind), joined.place("unix", 2))
        stack.enter_context(joined.edge(7, sip, *places))
        linked(old, 7)
        caller = Caller(sip)
        event = invited(old, caller, "c1")
        heir = stack.enter_context(joined.node(4, number=2, far=False))
        linked(heir, 7)
        again = heir.waits(Request)
        assert (event.call, event.seq) == (again.call, again.seq)
        refuse(old, event)  # it was only slow, and knows nothing of its heir
        refuse(heir, again)
        assert caller.hears().startswith("SIP/2.0 486 ")
        caller.says("INVITE", "c2")
        refuse(heir, heir.waits(Request))
        assert "Call-ID: c2\r\n" in caller.hears()
        old.listens(0.3)
        assert [] == [one for one in old.heard if isinstance(one, Request)]
