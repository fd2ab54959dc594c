"""Which calls wait for something on which connection, and what they hear when it is gone. It steps nothing."""

from collections.abc import Callable

from tandem.boundary import EdgeUp, Failed
from tandem.calls import rows
from tandem.calls.batch import Live
from tandem.calls.model.call import SETUP, Call
from tandem.calls.model.events import CallerGone
from tandem.calls.model.step import Event


class Flows:
    """`find` gives a call, `queue` gives it an event, `fail` tells it what could not be sent."""

    def __init__(
        self,
        find: Callable[[str], Live | None],
        queue: Callable[[str, Event], None],
        fail: Callable[[Failed], None],
    ) -> None:
        self.find, self.queue, self.fail = find, queue, fail
        self.calls: dict[tuple[int, int], set[str]] = {}  # by connection
        self.lives: dict[int, tuple[int, int]] = {}  # by edge: incarnation, since when

    def edge_up(self, edge: EdgeUp) -> None:
        """Connections of an edge's earlier lives are gone: their numbers are below its incarnation."""
        self.lives[edge.edge] = (edge.incarnation, edge.at)
        for number, connection in [flow for flow in self.calls if flow[0] == edge.edge]:
            if connection < edge.incarnation:
                self.gone(edge.at, number, connection)

    def gone(self, at: int, edge: int, connection: int) -> None:
        """A connection is gone: who waited on it ends, what was asked on it is asked anew."""
        flow = (edge, connection)
        for key in list(self.calls.pop(flow, ())):
            self.cut(key, at, flow)

    def cut(self, key: str, at: int, flow: tuple[int, int]) -> None:
        live = self.find(key)
        call = live.call if live is not None else None
        if call is None:
            return
        server = next((s for s in call.servers if s.txn == call.invite), None)
        if call.state == SETUP and server is not None and rows.on(server.flow, flow):
            self.queue(key, CallerGone(at))
        for answered in call.servers:
            if rows.unacked(answered) and rows.on(answered.flow, flow):
                self.fail(Failed(at, key, answered.txn, True, "flow"))
        for client in call.clients:
            if not client.ended_at and rows.on(client.flow, flow):
                self.fail(Failed(at, key, client.n, False, "flow"))

    def look_for_phones(self, key: str, now: int) -> None:
        """Asks the registrar again for phones whose connection is gone."""
        live = self.find(key)
        call = live.call if live is not None else None
        if call is not None and call.look_at and call.look_at <= now:
            for client in call.clients:
                if client.cut and not client.ended_at:
                    self.fail(Failed(now, key, client.n, False, "flow"))
            for server in call.servers:
                if server.cut and rows.unacked(server):
                    self.fail(Failed(now, key, server.txn, True, "flow"))

    def watch(self, key: str, live: Live, call: Call) -> None:
        """Knows on which connections this call waits now."""
        now = rows.flows_of(call)
        for flow in live.flows - now:
            rows.unwatch(self.calls, flow, key)
        new, live.flows = now - live.flows, now
        for flow in new:
            self.calls.setdefault(flow, set()).add(key)
            if flow[1] < self.lives.get(flow[0], (0, 0))[0]:  # its edge died in the same moment
                self.gone(self.lives[flow[0]][1], *flow)
