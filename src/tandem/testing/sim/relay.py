"""A simulated media relay: it rewrites descriptions as a relay does, drops repeats by id, and may be away, slow or forgetful.

It carries no media. What it remembers of ports is for the oracle: who would hear whom.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tandem.testing.sim.clock import MS, SECOND, Clock

ADDRESS, OTHER = "10.9.0.9", "10.9.0.10"
FIRST_PORT = 20_000
DELAY = MS // 5


@dataclass
class Port:
    """One port of the relay: who sends there, and whose media is heard from it."""

    call: str
    facing: str
    peer: str


@dataclass
class Talk:
    """One call: its ports by (facing, peer), and where each party said that it receives."""

    ports: dict[tuple[str, str], int] = field(default_factory=dict)
    told: dict[str, tuple[str, int]] = field(default_factory=dict)


class SimRelay:
    def __init__(
        self,
        clock: Clock,
        *,
        slow: float = 0.0,
        address: str = ADDRESS,
        known: dict[str, "SimRelay"] | None = None,
    ) -> None:
        """slow: seconds that an answer takes beside its way; known: all relays there are, by address."""
        self.address, self.known = address, known if known is not None else {}
        self.known[address] = self
        self.clock, self.slow = clock, slow
        self.alive = True
        self.lacks = ""  # a sound that it does not have
        self.talks: dict[str, Talk] = {}
        self.ports: dict[int, Port] = {}  # of all times
        self.places: dict[tuple[str, str], tuple[str, int]] = {}  # (call, party), of all times
        self.answers: dict[str, dict[str, object]] = {}  # by effect id
        self.asked: list[dict[str, object]] = []
        self.quality: dict[str, list[dict[str, object]]] = {}
        self.unasked: Callable[[bytes], object] = lambda datagram: None

    def hear(self, datagram: bytes, reply: Callable[[bytes], object]) -> None:
        """A question on its way here; its answer goes to `reply`."""
        self.clock.after(DELAY, lambda: self.work(datagram, reply))

    def work(self, datagram: bytes, reply: Callable[[bytes], object]) -> None:
        if not self.alive:
            return
        cookie, _, body = datagram.partition(b" ")
        answer = self.answer(json.loads(body))
        data = cookie + b" " + json.dumps(answer).encode()
        self.clock.after(DELAY + self.slow * SECOND, lambda: self.alive and reply(data))

    def die(self, *, forget: bool = False) -> None:
        """Until `starts`; forget: with all that it knew."""
        self.alive = False
        if forget:
            self.talks.clear()
            self.answers.clear()

    def starts(self) -> None:
        self.alive = True

    def tells(self, event: str, leg: str) -> None:
        """Says something of its newest call unasked, to whoever owns it."""
        told = {"event": event, "call": next(reversed(self.talks)), "leg": leg}
        self.unasked(json.dumps(told).encode())

    def answer(self, command: dict[str, object]) -> dict[str, object]:
        id = str(command["id"])
        if id not in self.answers:
            self.asked.append(command)
            self.answers[id] = self.decide(command)
        return self.answers[id]

    def decide(self, command: dict[str, object]) -> dict[str, object]:
        call = str(command["call-id"])
        if self.lacks and self.lacks in command.get("list", []):  # type: ignore[operator]
            return {"result": "error", "error-reason": f"no file {self.lacks}"}
        match command["command"]:
            case "offer":
                talk = self.talks.setdefault(call, Talk())
                return self.rewrite(call, talk, command, "from-tag", "to-tag")
            case "answer" if call in self.talks:
                return self.rewrite(call, self.talks[call], command, "to-tag", "from-tag")
            case (
                "play media"
                | "stop media"
                | "start recording"
                | "pause recording"
                | "stop recording"
            ):
                known = call in self.talks
                return (
                    {"result": "ok"}
                    if known
                    else {"result": "error", "error-reason": "Unknown call-id"}
                )
            case "delete" if call in self.talks:
                del self.talks[call]
                return {"result": "ok", "quality": self.quality.get(call, [])}
        return {"result": "error", "error-reason": "Unknown call-id"}

    def rewrite(
        self, call: str, talk: Talk, command: dict[str, object], of: str, to: str
    ) -> dict[str, object]:
        teller, hearer, sdp = str(command[of]), str(command[to]), str(command["sdp"])
        talk.told[teller] = self.places[call, teller] = place_in(sdp)
        port = talk.ports.get((hearer, teller))
        if port is None:
            port = talk.ports[hearer, teller] = FIRST_PORT + 2 * len(self.ports)
            self.ports[port] = Port(call, hearer, teller)
        return {"result": "ok", "sdp": readdressed(sdp, self.address, port)}

    def behind(self, port: int) -> str:
        """Whose media is heard from this port: the address that he told, through a second relaying too. A dead relay carries nobody's."""
        if not self.alive:
            return ""
        known = self.ports[port]
        host, port = self.places.get((known.call, known.peer), ("", 0))
        return self.known[host].behind(port) if host in self.known else host


def place_in(sdp: str) -> tuple[str, int]:
    """Address and port of the first stream."""
    host, port = "", 0
    for line in sdp.split("\r\n"):
        if line.startswith("c=IN IP4 "):
            host = line[9:]
        if line.startswith("m=") and not port:
            port = int(line.split(" ")[1])
    return host, port


def readdressed(sdp: str, address: str, port: int) -> str:
    """The same description with the relay's address and port; a hold in the old way stays one."""
    out = []
    for line in sdp.split("\r\n"):
        if line.startswith("c=IN IP4 ") and line[9:] != "0.0.0.0":
            line = f"c=IN IP4 {address}"
        elif line.startswith("o="):
            line = " ".join([*line.split(" ")[:5], address])
        elif line.startswith("m="):
            kind, _, rest = line.split(" ", 2)
            line = f"{kind} {port} {rest}"
        out.append(line)
    return "\r\n".join(out)
