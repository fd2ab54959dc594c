"""A small NAT for tests: what passes it has another source address, and a mapping that is idle for long is forgotten.

with Nat(inside="127.0.0.2", outside="127.0.0.3", server=("127.0.0.1", 5060)) as nat:
    phone.connect(nat.udp)      # a phone sends here instead of to the server
    nat.reboot()                # every mapping and connection is gone
"""

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

Address = tuple[str, int]

DATAGRAM_BYTES = 65_535
MAPPINGS_MOST = 1_024  # like a small router; beyond it nothing new passes
TURN_SECONDS = 0.05


class Nat:
    """One server behind one NAT, over UDP and TCP. `idle_seconds`: how long a UDP mapping lives without traffic from inside or outside."""

    def __init__(
        self,
        *,
        inside: str,
        outside: str,
        server: Address,
        idle_seconds: float = 30.0,
        stream: Address | None = None,
    ) -> None:
        self.outside, self.server, self.idle_seconds = outside, server, idle_seconds
        self.stream = stream or server
        self.inner = self._bound(inside, socket.SOCK_DGRAM)
        self.listener = self._bound(inside, socket.SOCK_STREAM)
        self.listener.listen()
        self.udp: Address = self.inner.getsockname()
        self.tcp: Address = self.listener.getsockname()
        self.outer: dict[Address, socket.socket] = {}  # by the phone's own address
        self.used: dict[Address, float] = {}
        self.pairs: dict[socket.socket, socket.socket] = {}
        self.from_server: list[tuple[float, Address, bytes]] = []  # datagrams that came in
        self.lost: list[bytes] = []  # from the server, for mappings that are forgotten
        self._gone: list[socket.socket] = []  # forgotten ones: their ports stay ours, to count
        self._lock = threading.Lock()
        self._stop = False
        self._select = selectors.DefaultSelector()
        self._select.register(self.inner, selectors.EVENT_READ)
        self._select.register(self.listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def mapped(self, phone: Address) -> Address | None:
        """What the server sees of a phone's UDP address now."""
        with self._lock:
            found = self.outer.get(phone)
            return found.getsockname() if found else None

    def pings(self) -> int:
        """Keep-alives that came from the server: datagrams of nothing but line ends."""
        with self._lock:
            return sum(not data.strip(b"\r\n") for _, _, data in self.from_server)

    def reboot(self) -> None:
        """Forgets every mapping, of which nobody is told, and ends every connection."""
        with self._lock:
            for phone in list(self.outer):
                self._forget(phone)
            for one in list(self.pairs):
                self._cut(one)

    # -- the relay

    def _run(self) -> None:
        while not self._stop:
            for key, _ in self._select.select(TURN_SECONDS):
                found = key.fileobj
                assert isinstance(found, socket.socket)
                with self._lock, contextlib.suppress(OSError):
                    self._ready(found)
            now = time.monotonic()
            with self._lock:
                for phone in [p for p, at in self.used.items() if now - at > self.idle_seconds]:
                    self._forget(phone)

    def _ready(self, found: socket.socket) -> None:
        if found is self.inner:
            data, phone = found.recvfrom(DATAGRAM_BYTES)
            if (mapping := self._mapping(phone)) is not None:
                mapping.sendto(data, self.server)
        elif found is self.listener:
            self._accept()
        elif found in self.pairs:
            self._pass(found)
        else:
            self._in(found)

    def _mapping(self, phone: Address) -> socket.socket | None:
        if phone not in self.outer:
            if len(self.outer) >= MAPPINGS_MOST:
                return None
            self.outer[phone] = self._bound(self.outside, socket.SOCK_DGRAM)
            self._select.register(self.outer[phone], selectors.EVENT_READ)
        self.used[phone] = time.monotonic()
        return self.outer[phone]

    def _in(self, outer: socket.socket) -> None:
        data, source = outer.recvfrom(DATAGRAM_BYTES)
        phone = next((p for p, o in self.outer.items() if o is outer), None)
        if (
            phone is None or source != self.server
        ):  # symmetric: only whom the phone has asked may answer
            self.lost.append(data)
            return
        self.from_server.append((time.monotonic(), phone, data))
        self.used[phone] = time.monotonic()
        self.inner.sendto(data, phone)

    def _accept(self) -> None:
        inner, _ = self.listener.accept()
        outer = self._bound(self.outside, socket.SOCK_STREAM)
        outer.connect(self.stream)
        for one, other in ((inner, outer), (outer, inner)):
            self.pairs[one] = other
            self._select.register(one, selectors.EVENT_READ)

    def _pass(self, one: socket.socket) -> None:
        try:
            data = one.recv(DATAGRAM_BYTES)
        except OSError:
            data = b""
        if data:
            self.pairs[one].sendall(data)
        else:
            self._cut(one)

    def _cut(self, one: socket.socket) -> None:
        other = self.pairs.pop(one, None)
        if other is None:
            return  # with its other end
        self.pairs.pop(other, None)
        for end in (one, other):
            self._select.unregister(end)
            end.close()

    def _forget(self, phone: Address) -> None:
        outer = self.outer.pop(phone)
        self.used.pop(phone, None)
        self._gone.append(outer)  # still heard: what comes for it is lost, and is counted so

    @staticmethod
    def _bound(host: str, kind: socket.SocketKind) -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        made.bind((host, 0))
        return made

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop = True
        self._thread.join()
        for one in list(self.pairs):
            self._cut(one)
        for found in (self.inner, self.listener, *self.outer.values(), *self._gone):
            found.close()
        self._select.close()
