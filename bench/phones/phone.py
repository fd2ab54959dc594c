"""A phone: registers, sends requests with RFC 3261's timers, and hands what is said to its calls. Its calls are phones.call."""

import asyncio
import itertools
import uuid
from collections.abc import Callable
from functools import partial

from phones import message
from phones.message import Message
from phones.wire import HOST, Stream, Udp, Wire

T1, T2 = 0.5, 4.0  # seconds, RFC 3261 17.1.1.1
GIVE_UP = 64 * T1
_numbers = itertools.count(1)

Answered = Callable[[Message | None], None]  # None: no answer within GIVE_UP


def fresh(what: str) -> str:
    return f"{what}{next(_numbers):x}{uuid.uuid4().hex[:8]}"


class Sent:
    """A request under way: repeated on UDP, given up after GIVE_UP."""

    def __init__(self, phone: "Phone", data: bytes, method: str, answered: Answered) -> None:
        self.phone, self.data, self.method, self.answered = phone, data, method, answered
        self.pause = T1
        self.proceeding = False
        loop = asyncio.get_running_loop()
        self.give_up = loop.call_later(GIVE_UP, self._gave_up)
        self.again: asyncio.TimerHandle | None = None
        phone.wire.send(data)
        if not phone.wire.reliable:
            self.again = loop.call_later(self.pause, self._again)

    def _again(self) -> None:
        if self.proceeding and self.method == "INVITE":
            return
        self.phone.repeats += 1
        self.phone.wire.send(self.data)
        self.pause = self.pause * 2 if self.method == "INVITE" else min(self.pause * 2, T2)
        if self.proceeding:
            self.pause = T2
        self.again = asyncio.get_running_loop().call_later(self.pause, self._again)

    def heard(self, response: Message) -> None:
        """A provisional response to an INVITE ends its repetition and its time-out: it may ring for long."""
        if response.status < 200:
            self.proceeding = True
            if self.method == "INVITE":
                self.give_up.cancel()
        else:
            self.stop()
        self.answered(response)

    def _gave_up(self) -> None:
        self.stop()
        self.answered(None)

    def stop(self) -> None:
        self.give_up.cancel()
        if self.again:
            self.again.cancel()


class Phone:
    """One user with one contact."""

    def __init__(self, user: str, domain: str, password: str, transport: str, port: int) -> None:
        self.user, self.domain, self.password = user, domain, password
        self.aor = f"sip:{user}@{domain}"
        self.instance = uuid.uuid4()
        self.wire: Wire
        if transport == "UDP":
            self.wire = Udp(port, self._received)
        else:
            self.wire = Stream(port, self._received, self._reconnected, tls=transport == "TLS")
        self.transport = transport
        self.sent: dict[tuple[str, str], Sent] = {}
        self.replies: dict[tuple[str, str], bytes] = {}  # to (branch, method)
        self.dialogs: dict[str, Callable[[Message], None]] = {}  # by Call-ID
        self.invited: Callable[[Phone, Message], None] | None = None
        self.repeats = 0
        self.strange = 0
        self.registers = 0
        self.registration = fresh("r")

    @property
    def contact(self) -> str:
        by = f";transport={self.transport.lower()}" if self.transport != "UDP" else ""
        return f"<sip:{self.user}@{HOST}:{self.wire.port}{by}>"

    def via(self) -> tuple[str, str]:
        """The header's value, and its branch."""
        branch = fresh("z9hG4bK")
        return f"SIP/2.0/{self.transport} {HOST}:{self.wire.port};rport;branch={branch}", branch

    async def open(self) -> None:
        """Connected and registered; raises TimeoutError, or OSError when refused."""
        await self.wire.open()
        for _ in range(3):
            status = await self.register()
            if status == 200:
                return
            await asyncio.sleep(0.5)
        raise OSError(f"{self.user} cannot register by {self.transport}: {status}")

    async def register(self) -> int:
        """The final status; 0 for none."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._register("", partial(_set, done))
        return await done

    def _register(self, credential: str, done: Callable[[int], None]) -> None:
        self.registers += 1
        target = f"sip:{self.domain}"

        def answered(response: Message | None) -> None:
            if response is None:
                done(0)
            elif response.status == 401 and not credential:
                challenges = response.all("www-authenticate")
                self._register(
                    message.authorization(challenges, "REGISTER", target, self.user, self.password),
                    done,
                )
            elif response.status >= 200:
                done(response.status)

        mine = f'{self.contact};+sip.instance="<urn:uuid:{self.instance}>";reg-id=1'
        headers = [("From", f"<{self.aor}>;tag=reg"), ("To", f"<{self.aor}>")]
        headers += [("Call-ID", self.registration), ("CSeq", f"{self.registers} REGISTER")]
        headers += [("Contact", mine), ("Expires", "600"), ("Supported", "path, outbound")]
        if credential:
            headers.append(("Authorization", credential))
        self.request("REGISTER", target, headers, answered)

    def request(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        answered: Answered,
        body: str = "",
    ) -> tuple[str, str]:
        """Sends one with a transaction of its own; its Via and branch."""
        via, branch = self.via()
        head = [("Via", via), ("Max-Forwards", "70"), *headers]
        data = message.write(f"{method} {target} SIP/2.0", head, body)
        self.sent[branch, method] = Sent(self, data, method, answered)
        return via, branch

    def same_branch(
        self, method: str, target: str, headers: list[tuple[str, str]], via: str, answered: Answered
    ) -> None:
        """CANCEL: the INVITE's branch (RFC 3261 9.1)."""
        head = [("Via", via), ("Max-Forwards", "70"), *headers]
        data = message.write(f"{method} {target} SIP/2.0", head)
        branch = message.parameter(via, "branch")
        self.sent[branch, method] = Sent(self, data, method, answered)

    def say(self, method: str, target: str, headers: list[tuple[str, str]], via: str = "") -> bytes:
        """An ACK; returned for its repetition."""
        head = [("Via", via or self.via()[0]), ("Max-Forwards", "70"), *headers]
        data = message.write(f"{method} {target} SIP/2.0", head)
        self.wire.send(data)
        return data

    def reply(self, request: Message, status: int, reason: str, tag: str, body: str = "") -> bytes:
        data = message.answer(request, status, reason, tag, self.contact, body)
        self.replies[request.branch, request.method] = data
        self.wire.send(data)
        return data

    def _received(self, data: bytes) -> None:
        got = message.read(data)
        if got is None:
            return
        if got.status:
            waiting = self.sent.get((got.branch, got.method))
            if waiting:
                waiting.heard(got)
            return
        if got.method != "ACK" and (known := self.replies.get((got.branch, got.method))):
            self.wire.send(known)  # a repetition
            return
        if dialog := self.dialogs.get(got.first("call-id")):
            dialog(got)
        elif got.method == "INVITE" and self.invited:
            self.invited(self, got)
        elif got.method == "OPTIONS":
            self.reply(got, 200, "OK", "o")
        elif got.method != "ACK":
            self.strange += 1
            self.reply(got, 481, "Call/Transaction Does Not Exist", "x")

    def _reconnected(self) -> None:
        """RFC 5626: registers anew, then repeats what nobody has answered."""
        self._register("", lambda status: None)
        assert isinstance(self.wire, Stream)
        for one in list(self.sent.values()):
            is_open = not one.give_up.cancelled() and one.method != "REGISTER"
            if is_open and one.data not in self.wire.said:
                self.wire.send(one.data)

    def close(self) -> None:
        for one in self.sent.values():
            one.stop()
        self.wire.close()


def _set(future: "asyncio.Future[int]", status: int) -> None:
    if not future.done():
        future.set_result(status)
