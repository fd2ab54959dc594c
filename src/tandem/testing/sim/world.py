"""One simulated world: phones, a network, edges, nodes, a store, and the faults that a seed chose. It judges nothing."""

from functools import partial

from tandem.boundary import UDP
from tandem.calls.model.call import Contact
from tandem.testing.sim.clock import MS, SECOND, START, Clock
from tandem.testing.sim.edge import SimEdge
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.node import Directory, SimNode, flow_of
from tandem.testing.sim.phone import TCP, Habits, Phone
from tandem.testing.sim.relay import OTHER, SimRelay
from tandem.testing.sim.store import SimStore


class World:
    """`phones` and `calls` are filled by a scenario; `run` lets time pass until all is quiet."""

    def __init__(
        self, seed: int, faults: Faults, directory: Directory | None = None, media: str = ""
    ) -> None:
        """media: the policy of all calls; "" without a relay."""
        self.clock = Clock(seed)
        self.faults = faults
        self.store = SimStore(self.clock)
        self.directory = directory or Directory()
        self.phones: dict[str, Phone] = {}
        self.hosts: dict[str, Phone] = {}
        self.connections: dict[str, tuple[SimEdge, int]] = {}
        self.unsent: dict[str, list[bytes]] = {}  # by host: what waits for the next connection
        self.marks: list[tuple[int, str]] = []
        self.wire: list[
            tuple[int, bool, int, str, bytes]
        ] = []  # time, inbound, transport, host, bytes
        self.points = 0
        self.relay: SimRelay | None = None  # that calls take; another one is there
        self.relays: dict[str, SimRelay] = {}
        if media:
            self.directory.media = media
            self.relay = SimRelay(self.clock, slow=faults.relay_slow)
            other = SimRelay(self.clock, address=OTHER, known=self.relay.known)
            self.relays |= {"": self.relay, "other": other}
            for name, relay in self.relays.items():
                relay.unasked = partial(self.from_relay, name)
        self.nodes: list[SimNode] = []
        self.all_edges: list[SimEdge] = []  # dead ones, too
        self.edges: list[SimEdge] = [self.new_edge()]
        self.new_node()
        self.plan_faults()

    # -- building

    def phone(self, name: str, transport: int, habits: Habits) -> Phone:
        host = f"10.0.0.{len(self.phones) + 1}"
        phone = Phone(name, host, transport, self.clock, self.from_phone, habits)
        self.phones[name] = self.hosts[host] = phone
        self.register(phone)
        return phone

    def register(self, phone: Phone) -> None:
        """Where the phone is now: a fresh connection for a stream."""
        edge, connection = self.edges[-1], 0
        if phone.transport == TCP:
            known, connection = self.connections.get(phone.host, (None, 0))
            if known is not edge:
                connection = edge.connect(phone)
                self.connections[phone.host] = (edge, connection)
        flow = flow_of(edge.number, phone.host, phone.transport, connection)
        uri = f"sip:{phone.name}@{phone.host}:5060" + (
            ";transport=tcp" if phone.transport == TCP else ""
        )
        self.directory.contacts_of[f"{phone.name}@sim"] = (Contact(uri, flow, instance=phone.name),)

    def new_edge(self) -> SimEdge:
        edge = SimEdge(1 + len(getattr(self, "edges", [])), self.clock, self.to_phone)
        edge.start()
        self.all_edges.append(edge)
        return edge

    def new_node(self) -> SimNode:
        node = SimNode(
            len(self.nodes) + 1, self.clock, self.store, self.directory, self.faults, self.at_point, self.relays
        )  # fmt: skip
        self.nodes.append(node)
        node.do(lambda: node.start(self.edges))
        self.move(node)
        if not node.alive:
            self.died(node)
        return node

    def at_point(self, node: SimNode) -> bool:
        """Counts the places where an owner may die; true at the ones that the faults name."""
        self.points += 1
        if self.points in self.faults.kill_at:
            self.clock.after(0, lambda: self.died(node))
            return True
        return False

    # -- faults

    def plan_faults(self) -> None:
        for second in self.faults.kills:
            self.clock.at(START + int(second * SECOND), lambda: self.kill())
        for second in self.faults.lost_writes:
            self.clock.at(START + int(second * SECOND), lambda: self.kill(lose=True))
        for second, length in self.faults.pauses:
            self.clock.at(START + int(second * SECOND), partial(self.pause, length))
        for second in self.faults.edge_kills:
            self.clock.at(START + int(second * SECOND), self.kill_edge)
        for second, length in self.faults.relay_gone if self.relay is not None else ():
            self.clock.at(START + int(second * SECOND), partial(self.relay_dies, length))
        if self.faults.relay_left and self.relay is not None:
            self.clock.at(START + int(self.faults.relay_left * SECOND), self.relay_ends)
        for second, length in self.faults.darkness:
            self.clock.at(START + int(second * SECOND), partial(self.kill, dark=length))

    def kill(self, *, lose: bool = False, dark: float = 0) -> None:
        node = self.nodes[-1]
        if not node.alive:
            return
        node.alive = False
        if lose:
            self.mark(
                f"the store's primary dies with node {node.number}: {self.store.lose()} writes lost"
            )
        self.died(node, dark)

    def died(self, node: SimNode, dark: float = 0) -> None:
        self.mark(f"node {node.number} dies")
        if node is not self.nodes[-1]:
            return
        for edge in self.edges:
            edge.link(node.number, None)
        self.clock.after((dark or self.faults.takeover_after) * SECOND, self.take_over)

    def take_over(self) -> None:
        if not self.nodes[-1].alive or self.nodes[-1].paused:
            self.mark(f"node {len(self.nodes) + 1} takes over")
            self.new_node()

    def pause(self, length: float) -> None:
        node = self.nodes[-1]
        if not node.alive:
            return
        node.paused = True
        self.mark(f"node {node.number} hangs for {length} s")
        self.clock.after(2 * SECOND, self.take_over)  # its lease runs out
        self.clock.after(length * SECOND, node.resume)

    def relay_dies(self, length: float) -> None:
        relay = self.relay
        assert relay is not None
        relay.die(forget=self.faults.relay_forgets)
        self.mark(f"the relay dies for {length:g} s")
        self.clock.after(length * SECOND, relay.starts)

    def relay_ends(self) -> None:
        assert self.relay is not None
        self.relay.die(forget=True)
        self.mark("the relay is gone for good")
        self.move(self.nodes[-1])

    def move(self, node: SimNode) -> None:
        """The owner has given the dead relay up: whatever passes by it is moved, and nothing new takes it."""
        left = self.faults.relay_left
        if left and self.clock.now >= START + int(left * SECOND):
            node.do(lambda: node.moves("", "other"))

    def kill_edge(self) -> None:
        edge = self.edges[-1]
        edge.die()
        self.mark(f"edge {edge.number} dies")
        for node in self.nodes:
            node.detach(edge)
        self.edges = [self.new_edge_after(edge)]
        if self.nodes[-1].alive:
            self.nodes[-1].do(lambda: self.nodes[-1].attach(self.edges[-1]))
        for host, (old, _) in list(self.connections.items()):
            if old is edge:
                phone = self.hosts[host]
                self.directory.contacts_of.pop(f"{phone.name}@sim", None)  # until it registers
                self.unsent[host] = []
                phone.cut_off()
                connects = (0.2 + self.clock.random.random()) * SECOND
                self.clock.after(connects, partial(self.is_back, phone))

    def is_back(self, phone: Phone) -> None:
        """A phone's next connection: what waited goes out, and it is registered some round trips later."""
        edge = self.edges[-1]
        self.connections[phone.host] = (edge, edge.connect(phone))
        phone.is_back()
        for data in self.unsent.pop(phone.host, []):
            self.from_phone(phone, data)
        self.clock.after(self.clock.random.random() * SECOND / 2, partial(self.register, phone))

    def new_edge_after(self, edge: SimEdge) -> SimEdge:
        new = SimEdge(edge.number, self.clock, self.to_phone)
        new.start()
        self.all_edges.append(new)
        return new

    # -- the network

    def from_relay(self, name: str, datagram: bytes) -> None:
        self.nodes[-1].heard(name, datagram)

    def from_phone(self, phone: Phone, data: bytes) -> None:
        if phone.transport == UDP:
            for _ in range(self.copies()):
                self.clock.after(self.delay(), lambda: self.arrive(phone, 0, data))
            return
        if phone.host in self.unsent:
            self.unsent[phone.host].append(data)
            return
        edge, connection = self.connections[phone.host]
        self.clock.after(MS, lambda: self.arrive_on(edge, phone, connection, data))

    def arrive(self, phone: Phone, connection: int, data: bytes) -> None:
        self.arrive_on(self.edges[-1], phone, connection, data)

    def arrive_on(self, edge: SimEdge, phone: Phone, connection: int, data: bytes) -> None:
        if edge.alive and (connection == 0 or connection in edge.connections):
            self.wire.append((self.clock.now, True, phone.transport, phone.host, data))
            edge.hear(phone.host, phone.transport, connection, data)

    def to_phone(self, host: str, data: bytes) -> None:
        phone = self.hosts.get(host)
        if phone is None:
            return
        for _ in range(self.copies()):
            self.clock.after(self.delay(), lambda: phone.hear(data))

    def copies(self) -> int:
        chance = self.clock.random.random()
        if chance < self.faults.loss:
            return 0
        return 2 if chance > 1 - self.faults.duplicate else 1

    def delay(self) -> int:
        return MS + int(self.clock.random.random() * self.faults.delay_most * SECOND)

    def mark(self, text: str) -> None:
        self.marks.append((self.clock.now, text))

    def run(self, seconds: float) -> None:
        self.clock.run(START + int(seconds * SECOND))
