"""Audio of many calls from one thread: each ear sends a packet every 20 ms to where it was last told, and remembers its longest silence."""

import contextlib
import re
import select
import socket
import struct
import threading
import time

PACKET_SECONDS = 0.02
SLOTS = 20  # of a packet's time: not all ears send at once
READS = 64  # of one socket in a turn
PAYLOAD = bytes([0xD5]) * 160
BUFFER_BYTES = 1 << 18
_PLACE = re.compile(r"^c=IN IP4 (\S+)", re.MULTILINE)
_PORT = re.compile(r"^m=audio (\d+)", re.MULTILINE)


class Ear:
    """One side of a call: a socket of its own."""

    def __init__(self, number: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.aim: tuple[str, int] | None = None
        self.ssrc, self.sequence = number, number % 65_536
        self.last = 0.0  # when it heard something; 0: nothing since `listen`
        self.longest = 0.0  # seconds of silence
        self.aims = 0  # how often it was told another place

    def told(self, sdp: str) -> None:
        """A description that came: where its media goes from now on."""
        place, port = _PLACE.search(sdp), _PORT.search(sdp)
        if place and port and (aim := (place[1], int(port[1]))) != self.aim:
            self.aim = aim
            self.aims += 1

    def say(self) -> None:
        if self.aim is None:
            return
        self.sequence = (self.sequence + 1) % 65_536
        head = struct.pack(">BBHII", 0x80, 0, self.sequence, self.sequence * 160, self.ssrc)
        with contextlib.suppress(OSError):
            self.socket.sendto(head + PAYLOAD, self.aim)

    def hear(self, now: float) -> None:
        with contextlib.suppress(OSError):
            for _ in range(READS):
                self.socket.recv(2_048)
                if self.last:
                    self.longest = max(self.longest, now - self.last)
                self.last = now


class Voices:
    """All ears, and the thread that works for them."""

    def __init__(self) -> None:
        self.ears: list[Ear] = []
        self.poll = select.epoll()
        self.by_fd: dict[int, Ear] = {}
        self.over = threading.Event()
        self.late = 0.0  # seconds: how far behind its time the thread was at most, since `listen`
        self.thread = threading.Thread(target=self._run, daemon=True)

    def ear(self) -> Ear:
        """One more; before `start`."""
        ear = Ear(len(self.ears) + 1)
        self.ears.append(ear)
        self.by_fd[ear.socket.fileno()] = ear
        self.poll.register(ear.socket, select.EPOLLIN)
        return ear

    def start(self) -> None:
        self.thread.start()

    def listen(self) -> None:
        """Silences count from now on."""
        now = time.monotonic()
        self.late = 0.0
        for ear in self.ears:
            ear.longest, ear.last = 0.0, now

    def close(self) -> None:
        self.over.set()
        self.thread.join()
        for ear in self.ears:
            ear.socket.close()
        self.poll.close()

    def _run(self) -> None:
        slot, due = 0, time.monotonic()
        while not self.over.is_set():
            for ear in self.ears[slot::SLOTS]:
                ear.say()
            slot, due = (slot + 1) % SLOTS, due + PACKET_SECONDS / SLOTS
            while True:
                now = time.monotonic()
                for fd, _ in self.poll.poll(max(0.0, due - now), 256):
                    self.by_fd[fd].hear(time.monotonic())
                if time.monotonic() >= due:
                    break
            self.late = max(self.late, time.monotonic() - due)
