"""TLS connections that call one after the other, or rest. Fast and not correct: no timers, no repeats, they trust what they hear.

tls_calls.py call|rest PORT CONNECTIONS SECONDS
"""

import asyncio
import json
import re
import ssl
import sys
import time

HOST = "127.0.0.1"
HERE = "127.0.0.2"  # over streams a member is known by its address alone: phones have another
AT_ONCE = 50  # handshakes
ANSWER_SECONDS = 10.0
RUN = f"{time.time_ns():x}"  # ports come again, transactions must not
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)


class Line:
    """One connection."""

    def __init__(self, number: int, port: int) -> None:
        self.number, self.port, self.calls = number, port, 0

    async def open(self, context: ssl.SSLContext) -> None:
        self.reader, self.writer = await asyncio.open_connection(
            HOST, self.port, ssl=context, local_addr=(HERE, 0)
        )
        local = self.writer.get_extra_info("sockname")
        self.me = f"{local[0]}:{local[1]}"

    async def hears(self, cseq: str) -> str:
        """The final response to it; the provisional ones are passed over."""
        while True:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS)
            if found := LENGTH.search(head):
                await self.reader.readexactly(int(found[1]))
            text = head.decode()
            if text.startswith("SIP/2.0 ") and text[8] != "1" and f"\r\nCSeq: {cseq}\r\n" in text:
                return text

    def says(
        self, method: str, uri: str, cseq: int, to: str, more: str = "", body: str = ""
    ) -> None:
        branch = f"z9hG4bK{RUN}.{self.number}.{self.calls}{method}"
        self.writer.write(
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {self.me};branch={branch};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:tls{self.number}@bench.local>;tag=f{self.calls}\r\nTo: {to}\r\nCall-ID: {self.calls}-{self.number}-{RUN}@bench\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:tls{self.number}@{self.me};transport=tls>\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    async def call(self) -> bool:
        self.calls += 1
        uri = f"sip:service@{HOST}:{self.port};transport=tls"
        self.says("INVITE", uri, 1, f"<{uri}>", "Content-Type: application/sdp\r\n", SDP)
        answer = await self.hears("1 INVITE")
        if not answer.startswith("SIP/2.0 200"):
            return False
        routes = re.findall(r"\r\nRecord-Route: *([^\r]+)", answer)
        hops = [hop for line in routes for hop in line.split(",")][::-1]
        route = "".join(f"Route: {hop.strip()}\r\n" for hop in hops)
        to, target = (
            field(answer, "To"),
            field(answer, "Contact").partition("<")[2].partition(">")[0],
        )
        self.says("ACK", target, 1, to, route)
        self.says("BYE", target, 2, to, route)
        return (await self.hears("2 BYE")).startswith("SIP/2.0 200")

    async def asks(self) -> None:
        uri = f"sip:{HOST}:{self.port};transport=tls"
        self.says("OPTIONS", uri, 1, f"<{uri}>")
        await self.hears("1 OPTIONS")


def field(message: str, name: str) -> str:
    found = re.search(rf"\r\n{name}: *([^\r]+)", message)
    return found[1] if found else ""


async def main(what: str, port: int, many: int, seconds: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    lines = [Line(n, port) for n in range(many)]
    for first in range(0, many, AT_ONCE):
        await asyncio.gather(*(line.open(context) for line in lines[first : first + AT_ONCE]))
    if what == "rest":
        for first in range(0, many, AT_ONCE):
            await asyncio.gather(*(line.asks() for line in lines[first : first + AT_ONCE]))
        await asyncio.sleep(0.5)
        print("resting", flush=True)
        await asyncio.sleep(seconds)
        return
    began = time.monotonic()
    done, failed = 0, 0

    async def go(line: Line) -> None:
        nonlocal done, failed
        while time.monotonic() < began + seconds:
            try:
                good = await line.call()
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                failed += 1
                return
            done, failed = done + good, failed + (not good)

    await asyncio.gather(*(go(line) for line in lines))
    print(json.dumps({"completed": done, "failed": failed, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
