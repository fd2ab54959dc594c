"""A play: phones, trunks and one simulated cluster, told as a trace. It judges with the simulation's own oracle."""

import re
from collections.abc import Callable

from msgspec.structs import replace

from tandem.boundary import Request, Response
from tandem.calls.batch import Live
from tandem.calls.model import text
from tandem.calls.model.call import Call, Contact
from tandem.calls.model.originate import Originated
from tandem.records.model import CDR_STREAM, STORY_STREAM, CallEvent, Cdr, read_cdr, read_story
from tandem.routing.model.plan import Plan, Refusal, Target
from tandem.testing.actor import TCP, UDP, Actor
from tandem.testing.line import Line
from tandem.testing.sim.clock import MS, SECOND, START
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.node import RING_SECONDS, Directory, flow_of
from tandem.testing.sim.oracle import bills_wrong, phones_wrong, relay_wrong, wire_wrong
from tandem.testing.sim.relay import SimRelay, place_in
from tandem.testing.sim.world import World

STEP = 5 * MS
SLACK = 0.15  # seconds per death
CALM = Faults(delay_most=0.001)


class Board(Directory):
    """Who is where and what is dialled how; `plans` wins over `stages`, `targets` over users."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: dict[str, Plan | Refusal] = {}
        self.targets: dict[str, Target] = {}
        self.options: dict[str, object] = {}  # of every plan: limits, max_seconds, ...

    def place(self, request: Request) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        caller = text.user_of(text.uri_of(request.from_))
        return self.plan(text.user_of(request.uri), caller)

    def elsewhere(
        self, call: Call, cause: Response | Request
    ) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        named = (
            cause.special.get("refer-to", [""])[0] if isinstance(cause, Request) else cause.contact
        )
        return self.plan(text.user_of(text.uri_of(named)), call.caller.number)

    def plan(self, name: str, caller: str) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        planned = self.plans.get(name)
        if isinstance(planned, Refusal):
            return planned, {}
        stages = tuple(
            tuple(self.target(user) for user in stage)
            for stage in self.stages.get(name, ((name,),))
        )
        made = Plan(
            "sim",
            f"{caller}@sim",
            caller,
            caller.title(),
            f"{name}@sim",
            stages,
            why="the play says so",
        )
        plan = planned or replace(made, **self.options)
        if self.media:
            plan = replace(plan, media=plan.media or self.media, srtp=plan.srtp or self.srtp)
        aors = {target.aor for stage in plan.stages for target in stage if target.aor}
        return plan, {aor: self.contacts_of.get(aor, ()) for aor in aors}

    def target(self, user: str) -> Target:
        found = self.targets.get(user)
        target = found or Target(
            "user", f"sip:{user}@sim", aor=f"{user}@sim", ring_seconds=RING_SECONDS
        )
        return replace(target, media=target.media or self.media, srtp=target.srtp or self.srtp)


class Play:
    """`phone` and `trunk` make actors; `until` and `wait` let time pass; `ends` lets it all come to rest and judges."""

    def __init__(
        self, faults: Faults = CALM, seed: int = 1, transport: int = UDP, media: str = ""
    ) -> None:
        """media: the policy of all calls; "" without a relay."""
        self.transport = transport
        self.slack = SLACK * len(faults.kill_at)
        self.board = Board()
        self.world = World(seed, faults, self.board, media)
        self.clock = self.world.clock
        self.actors: dict[str, Actor] = {}
        self.clock.run(START + SECOND)

    def phone(self, name: str, transport: int = 0, of: str = "", host: str = "") -> Actor:
        """A phone; `of` makes it one more contact of that user. Outside of 10.0.0.0/8 it is a stranger."""
        transport = transport or self.transport
        host = host or f"10.0.0.{len(self.actors) + 1}"
        actor = Actor(self, name, host, transport)
        self.actors[name] = actor
        self.world.phones[name] = self.world.hosts[host] = actor  # type: ignore[assignment]
        edge, connection = self.world.edges[-1], 0
        if transport == TCP:
            connection = edge.connect(actor)  # type: ignore[arg-type]
            self.world.connections[host] = (edge, connection)
        flow = flow_of(edge.number, host, transport, connection)
        uri = f"sip:{name}@{host}:5060" + (";transport=tcp" if transport == TCP else "")
        aor = f"{of or name}@sim"
        known = self.board.contacts_of.get(aor, ())
        self.board.contacts_of[aor] = (*known, Contact(uri, flow, instance=name))
        return actor

    def trunk(self, name: str, **options: object) -> Actor:
        """A carrier, dialled where a stage names it."""
        actor = self.phone(name, UDP)
        self.board.contacts_of.pop(f"{name}@sim")
        target = Target(
            "trunk",
            f"sip:+4930123@{actor.host}",
            trunk=name,
            host=actor.host,
            port=5060,
            transport=1,
            ring_seconds=RING_SECONDS,
        )
        self.board.targets[name] = replace(target, **options)
        return actor

    @property
    def relay(self) -> SimRelay:
        assert self.world.relay is not None
        return self.world.relay

    def heard_from(self, sdp: str) -> str:
        """Whose media a description promises: of who is at its address, or of whom the relay joins to it."""
        address, port = place_in(sdp)
        relay = self.world.relay.known.get(address) if self.world.relay is not None else None
        return relay.behind(port) if relay is not None else address

    def send(self, actor: Actor, data: bytes) -> None:
        self.world.from_phone(actor, data)  # type: ignore[arg-type]

    def until(self, true: Callable[[], object], why: str, seconds: float = 40) -> None:
        """Lets time pass until it is true. Raises AssertionError when it does not become so."""
        last = self.clock.now + int(seconds * SECOND)
        while not true():
            if self.clock.now >= last:
                raise AssertionError(f"waited {seconds} s for {why}")
            self.clock.run(self.clock.now + STEP)

    def wait(self, seconds: float = 0.5) -> None:
        """Lets time pass; where owners die, as much more as it takes to replace them."""
        self.clock.run(self.clock.now + int((seconds + self.slack) * SECOND))

    def talk(self, caller: Actor, callee: Actor, *extra: tuple[str, str]) -> tuple[Line, Line]:
        """A plain answered call between two phones: its two lines."""
        one = caller.invites(callee.name, *extra)
        two = callee.rings()
        callee.answers()
        self.until(lambda: one.state == "talking" and two.got_ack, "the call")
        self.wait(0.1)
        return one, two

    def order(self, event: object, key: str = "") -> None:
        """A desk's order for the only call, or the one named."""
        self.until(lambda: self.world.nodes[-1].alive, "an owner")
        node = self.world.nodes[-1]

        def give() -> None:
            if isinstance(event, Originated) and node.shell.find(event.id) is None:
                node.shell.live[event.id] = Live(None, 0)
            node.shell.queue(key or next(reversed(self.world.store.rows)), event)  # type: ignore[arg-type]
            node.turn()

        node.do(give)
        self.wait(0.005)
        if not node.alive:  # who gave the order has heard nothing, and gives it again
            self.order(event, key)

    @property
    def cdrs(self) -> list[Cdr]:
        return [read_cdr(record) for record in self.world.store.stream(CDR_STREAM)]

    @property
    def cdr(self) -> Cdr:
        (only,) = self.cdrs
        return only

    @property
    def story(self) -> tuple[CallEvent, ...]:
        """What is told of the newest call that has ended."""
        return read_story(self.world.store.stream(STORY_STREAM)[-1]).events

    def ends(self, *, bills: bool = True, seconds: float = 80) -> None:
        """Time passes until nothing can happen any more; then nothing may be wrong."""
        self.wait(seconds)
        found = self.wrong(bills=bills)
        assert found == [], found

    def wrong(self, *, bills: bool = True) -> list[str]:
        found = [*phones_wrong(self.world), *wire_wrong(self.world), *relay_wrong(self.world)]
        return found + (bills_wrong(self.world) if bills else [])


def hosts_in(data: str) -> set[str]:
    """Every IPv4 address in a text."""
    return set(re.findall(r"\d+\.\d+\.\d+\.\d+", data))
