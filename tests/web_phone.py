"""A phone in a web page, without the page: SIP over WebSocket as RFC 7118 and JsSIP have it (`.invalid` hosts). Not a test itself."""

import asyncio
import hashlib
import re
import ssl
import uuid
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

PATIENCE_SECONDS = 10.0
ORIGIN = "https://phone.example"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Heard:
    """A message as text, its headers by lower-case name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
        self.headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.strip().lower(), []).append(value.strip())

    def __getitem__(self, name: str) -> str:
        return self.headers[name][0]

    @property
    def method(self) -> str:
        return "" if self.start.startswith("SIP/2.0 ") else self.start.split()[0]

    @property
    def contact(self) -> str:
        """Its URI."""
        return self["contact"].partition("<")[2].partition(">")[0]

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if not self.method else 0


class WebPhone:
    """One account on one WebSocket."""

    def __init__(self, socket: ClientConnection, user: str, domain: str, password: str) -> None:
        self.socket, self.user, self.domain, self.password = socket, user, domain, password
        self.host = f"{uuid.uuid4().hex[:12]}.invalid"
        self.contact = f"<sip:{user}@{self.host};transport=ws>"
        self.instance = f"<urn:uuid:{uuid.uuid4()}>"
        self.cseq = 0

    @classmethod
    async def open(
        cls, uri: str, user: str, domain: str, password: str, *, origin: str = ORIGIN
    ) -> Self:
        context = ssl.create_default_context() if uri.startswith("wss:") else None
        if context is not None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        socket = await connect(
            uri, ssl=context, subprotocols=[Subprotocol("sip")], origin=Origin(origin)
        )
        assert "sip" == socket.subprotocol
        return cls(socket, user, domain, password)

    @property
    def via(self) -> str:
        transport = "WSS" if self.socket.transport.get_extra_info("ssl_object") else "WS"
        return f"SIP/2.0/{transport} {self.host};branch=z9hG4bK{uuid.uuid4().hex[:10]}"

    async def send(self, start: str, headers: list[str], body: str = "") -> None:
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [start, *headers, *kind, f"Content-Length: {len(body)}", "", body]
        await self.socket.send("\r\n".join(lines))

    async def hear(self, *wanted: int | str) -> Heard:
        """The next message with one of these statuses or methods; others are passed over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                frame = await self.socket.recv()
                heard = Heard(frame if isinstance(frame, str) else frame.decode("latin-1"))
                if heard.method in wanted or heard.status in wanted:
                    return heard

    async def ask(self, method: str, uri: str, headers: list[str], body: str = "") -> Heard:
        """A request, with the password where it is asked for; its first answer but 100."""
        credential: list[str] = []
        while True:
            self.cseq += 1
            mine = [f"Via: {self.via}", "Max-Forwards: 70", f"CSeq: {self.cseq} {method}"]
            await self.send(f"{method} {uri} SIP/2.0", mine + headers + credential, body)
            answer = await self.hear(*range(180, 700))
            if answer.status not in (401, 407) or credential:
                return answer
            if method == "INVITE":
                await self.acknowledge(answer, uri, mine[0])
            credential = [self._credential(method, uri, answer)]

    async def acknowledge(self, answer: Heard, uri: str, via: str) -> None:
        number = answer["cseq"].split()[0]
        headers = [via, "Max-Forwards: 70", f"CSeq: {number} ACK", f"From: {answer['from']}"]
        headers += [f"To: {answer['to']}", f"Call-ID: {answer['call-id']}"]
        await self.send(f"ACK {uri} SIP/2.0", headers)

    async def register(self) -> Heard:
        aor = f"sip:{self.user}@{self.domain}"
        headers = [f"From: <{aor}>;tag={uuid.uuid4().hex[:8]}", f"To: <{aor}>"]
        headers += [f"Call-ID: {uuid.uuid4().hex}", "Supported: path, outbound, gruu"]
        headers += [f'Contact: {self.contact};reg-id=1;+sip.instance="{self.instance}";expires=600']
        return await self.ask("REGISTER", f"sip:{self.domain}", headers)

    async def invite(self, user: str) -> Heard:
        """The first answer above 100, as a rule 180."""
        headers = [f"From: <sip:{self.user}@{self.domain}>;tag={uuid.uuid4().hex[:8]}"]
        headers += [f"To: <sip:{user}@{self.domain}>", f"Call-ID: {uuid.uuid4().hex}"]
        headers += [f"Contact: {self.contact}"]
        return await self.ask("INVITE", f"sip:{user}@{self.domain}", headers, SDP)

    async def answer(self, request: Heard, status: str, body: str = "") -> None:
        tag = "" if ";tag=" in request["to"] else f";tag={self.host[:8]}"
        headers = [f"Via: {via}" for via in request.headers["via"]]
        headers += [f"From: {request['from']}", f"To: {request['to']}{tag}"]
        headers += [f"Call-ID: {request['call-id']}", f"CSeq: {request['cseq']}"]
        headers += [f"Contact: {self.contact}"]
        await self.send(f"SIP/2.0 {status}", headers, body)

    async def hang_up(self, dialog: Heard, *, called: bool = False) -> Heard:
        """A BYE in the dialog of an answer (or, where we were called, of the INVITE that we got)."""
        ends = [f"From: {dialog['from']}", f"To: {dialog['to']}"]
        if called:
            ends = [f"From: {dialog['to']};tag={self.host[:8]}", f"To: {dialog['from']}"]
        return await self.ask("BYE", dialog.contact, [*ends, f"Call-ID: {dialog['call-id']}"])

    def _credential(self, method: str, uri: str, answer: Heard) -> str:
        name = "authorization" if answer.status == 401 else "proxy-authorization"
        asked = answer["www-authenticate" if answer.status == 401 else "proxy-authenticate"]
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', asked))
        made = hashlib.sha256 if given.get("algorithm", "MD5") == "SHA-256" else hashlib.md5

        def h(text: str) -> str:
            return made(text.encode()).hexdigest()

        ha1, ha2 = h(f"{self.user}:{given['realm']}:{self.password}"), h(f"{method}:{uri}")
        response = h(f"{ha1}:{given['nonce']}:00000001:c:auth:{ha2}")
        return (
            f'{name}: Digest username="{self.user}",realm="{given["realm"]}",nonce="{given["nonce"]}",uri="{uri}",'
            f'response="{response}",algorithm={given.get("algorithm", "MD5")},cnonce="c",qop=auth,nc=00000001'
        )
