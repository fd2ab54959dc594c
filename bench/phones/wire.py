"""A phone's line to its server: a UDP socket, or a TCP or TLS connection that is opened again when it breaks."""

import asyncio
import ssl
from collections.abc import Callable

from phones.message import cut

HOST = "127.0.0.1"
RECONNECT_SECONDS = 0.05  # between attempts; doubles
RECONNECT_SECONDS_MOST = 1.0

Receive = Callable[[bytes], None]


class Udp(asyncio.DatagramProtocol):
    """One socket of its own."""

    transport = "UDP"
    reliable = False

    def __init__(self, server: int, receive: Receive) -> None:
        self.server, self.receive = server, receive
        self.port = 0

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.socket, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(HOST, 0), remote_addr=(HOST, self.server)
        )
        self.port = self.socket.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: object) -> None:
        self.receive(data)

    def error_received(self, error: Exception) -> None:
        """Nobody listens for a moment: the timers repeat."""

    def send(self, data: bytes) -> None:
        self.socket.sendto(data)

    def close(self) -> None:
        self.socket.close()


class Stream:
    """One connection, TCP or TLS; `again` is called after each reconnection."""

    reliable = True

    def __init__(
        self, server: int, receive: Receive, again: Callable[[], None], *, tls: bool
    ) -> None:
        self.server, self.receive, self.again = server, receive, again
        self.transport = "TLS" if tls else "TCP"
        self.context: ssl.SSLContext | None = None
        if tls:
            self.context = ssl.create_default_context()
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE  # the bench's server signs for itself
        self.port = 0
        self.breaks = 0
        self.waiting: list[bytes] = []
        self.said: set[bytes] = (
            set()
        )  # over this connection: on a stream nothing is repeated (17.1)
        self.writer: asyncio.StreamWriter | None = None
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        reader = await self._connect()
        self.task = asyncio.create_task(self._read(reader))

    async def _connect(self) -> asyncio.StreamReader:
        reader, self.writer = await asyncio.open_connection(HOST, self.server, ssl=self.context)
        self.port = self.writer.get_extra_info("sockname")[1]
        return reader

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            buffer = bytearray()
            try:
                while data := await reader.read(65_536):
                    buffer += data
                    for message in cut(buffer):
                        self.receive(message)
            except OSError:
                pass
            self.writer = None
            self.said.clear()
            self.breaks += 1
            reader = await self._reconnect()
            self.again()
            waiting, self.waiting = self.waiting, []
            for message in waiting:
                if message not in self.said:
                    self.send(message)

    async def _reconnect(self) -> asyncio.StreamReader:
        pause = RECONNECT_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                return await asyncio.wait_for(self._connect(), 5.0)
            except OSError:
                pause = min(pause * 2, RECONNECT_SECONDS_MOST)

    def send(self, data: bytes) -> None:
        """While there is no connection: goes out over the next one."""
        if self.writer is None or self.writer.is_closing():
            self.waiting.append(data)
        else:
            self.said.add(data)
            self.writer.write(data)

    def close(self) -> None:
        if self.task:
            self.task.cancel()
        if self.writer:
            self.writer.close()


Wire = Udp | Stream
