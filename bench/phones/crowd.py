"""A crowd of phones on the three transports and a script of calls around a moment; afterwards, what the phones believed."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from phones.call import Call, name_in
from phones.message import Message
from phones.phone import Phone

TRANSPORTS = ("UDP", "TCP", "TLS")
SETUP_RATE = 60  # calls/s
SETTLE_SECONDS = 8.0  # until all calls are as wanted
END_SECONDS = 34.0  # from one side's hanging up to the other's knowing
KILL_SECONDS = 0.5  # from the script's start to the kill
FINAL_SECONDS = 32.0  # within which every INVITE gets its final reply


C = TypeVar("C", bound=Call)


class Script(Struct, frozen=True):
    """How many calls are in which state at the moment, and how many begin around it."""

    talking: int = 500
    ringing: int = 500
    during: int = 60  # begun from 0.5 s before to 2.5 s after
    phones: int = 30  # callers, and as many callees
    port: int = 5060
    tls_port: int = 5061


class Party(Generic[C]):
    """Callers and callees, and the calls between them by name: a callee's INVITE finds its call."""

    def __init__(self, callers: list[Phone], callees: list[Phone]) -> None:
        self.callers, self.callees = callers, callees
        self.calls: list[C] = []
        self.named: dict[str, C] = {}
        self.stray = 0

    async def open(self) -> None:
        """All phones registered."""
        for callee in self.callees:
            callee.invited = self._invited
        for phone in (*self.callers, *self.callees):
            await phone.open()

    def _invited(self, phone: Phone, request: Message) -> None:
        call = self.named.get(name_in(request))
        if call is None or call.request is not None:
            self.stray += 1  # the same INVITE as another transaction: a second call at the phone
            phone.reply(request, 486, "Busy Here", "stray")
        else:
            call.arrives(request)


class Crowd(Party[Call]):
    """All phones and calls of one run."""

    def __init__(
        self,
        script: Script,
        domain: str,
        password: str,
        make: Callable[[str, Phone, Phone], Call] = Call,
    ) -> None:
        self.script, self.make = script, make
        ports = {"UDP": script.port, "TCP": script.port, "TLS": script.tls_port}
        kinds = [TRANSPORTS[n % 3] for n in range(script.phones)]
        # callees are shifted, so that all nine pairs of transports occur
        shifted = [TRANSPORTS[(n // 3) % 3] for n in range(script.phones)]

        def phone(number: int, kind: str) -> Phone:
            return Phone(f"user{number}", domain, password, kind, ports[kind])

        super().__init__(
            [phone(n, kind) for n, kind in enumerate(kinds)],
            [phone(script.phones + n, kind) for n, kind in enumerate(shifted)],
        )
        self.moment = 0.0

    def begin(self, answer_after: float | None) -> Call:
        number = len(self.calls)
        phones = self.script.phones
        call = self.make(f"c{number}", self.callers[number % phones], self.callees[number % phones])
        call.answer_after = answer_after
        self.calls.append(call)
        self.named[call.name] = call
        call.invite()
        return call

    async def set_up(self) -> tuple[list[Call], list[Call]]:
        """The calls that talk and those that ring, when all do; raises TimeoutError."""
        talking, ringing = [], []
        for group, many, answer in (
            (talking, self.script.talking, 0.2),
            (ringing, self.script.ringing, None),
        ):
            began = asyncio.get_running_loop().time()
            for n in range(many):
                group.append(self.begin(answer))
                ahead = began + n / SETUP_RATE - asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, ahead))
        for _ in range(int(SETTLE_SECONDS / 0.05)):
            if all(c.far.confirmed for c in talking) and all(c.near.rang_at for c in ringing):
                return talking, ringing
            await asyncio.sleep(0.05)
        raise TimeoutError

    async def around(self, talking: list[Call], ringing: list[Call]) -> None:
        """What people do: a third of each group around the kill, the rest over seconds; at last all hang up."""
        loop = asyncio.get_running_loop()
        self.moment = time.time()
        for n, call in enumerate(ringing):
            after = (n % 100) / 100 * 6.0 if n % 3 else about(n)
            match n % 5:
                case 0 | 1:
                    loop.call_later(after, call.answer)
                case 2:
                    loop.call_later(after, call.decline)
                case 3:
                    loop.call_later(after, call.cancel)
                case _:
                    pass  # rings until the server gives up
        for n, call in enumerate(talking):
            after = (n % 100) / 100 * 8.0 if n % 3 else about(n)
            match n % 5:
                case 0 | 1:
                    loop.call_later(after, call.caller_hangs_up)
                case 2 | 3:
                    loop.call_later(after, call.callee_hangs_up)
                case _:
                    pass  # talks on
        for n in range(self.script.during):
            loop.call_later(n / self.script.during * 3.0, self.begin, 0.3)
        await asyncio.sleep(FINAL_SECONDS + 4.0)
        for n, call in enumerate(self.calls):
            if call.near.answered_at and not call.near.ended_at:
                loop.call_later(n / 200, call.caller_hangs_up)
        await asyncio.sleep(len(self.calls) / 200 + 6.0)

    def close(self) -> None:
        for phone in (*self.callers, *self.callees):
            phone.close()


def about(n: int) -> float:
    """Seconds: from 0.1 before the kill, which is at KILL_SECONDS, to 0.4 after it."""
    return KILL_SECONDS - 0.1 + (n % 50) / 100


def lost(call: Call, moment: float, *, excused: bool = False) -> str:
    """Why the phones' beliefs do not make one call; "" when they do.

    excused: the caller's connection died before the answer. Its phone knows that the call is over; the callee must learn it.
    """
    near, far = call.near, call.far
    if excused and not near.status:
        return "the callee is not told" if far.invited_at and not far.ended_at else ""
    if not near.status:
        return f"no final reply {near.trouble}"
    late = near.ended_at - max(moment, near.invited_at)
    if not near.answered_at and late > FINAL_SECONDS + 1.0:
        return "final reply too late"
    if near.trouble or far.trouble:
        return f"caller: {near.trouble}" if near.trouble else f"callee: {far.trouble}"
    if near.answered_at and not far.answered_at:
        return "the caller talks to nobody"
    if far.answered_at and not near.answered_at and not far.ended_at:
        return "the callee talks to nobody"
    if bool(near.ended_at) != bool(far.ended_at) and far.invited_at:
        return f"{'the caller' if near.ended_at else 'the callee'} hung up, the other does not know"
    if near.answered_at and abs(near.ended_at - far.ended_at) > END_SECONDS:
        return "the end came too late"
    return ""
