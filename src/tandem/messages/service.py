"""Accepts, saves, delivers and retries SIP MESSAGEs; the decisions about one message are in model.py."""

import asyncio
from collections.abc import Callable

from msgspec import msgpack
from msgspec.structs import replace

from tandem.boundary import Command, Failed, Request, Respond, Response, TimedOut
from tandem.calls.model import places, text
from tandem.calls.model.call import Contact
from tandem.log import log
from tandem.messages import model
from tandem.messages.model import Kept
from tandem.ports import Store

PREFIX = "m/"


class Messages:
    """`reach` gives (address of record, From value) or a refusal's status; `contacts` the phones of an address of record."""

    def __init__(
        self,
        *,
        store: Store,
        epoch: int,
        writer: int,
        reach: Callable[[Request], tuple[str, str] | int],
        contacts: Callable[[str], tuple[Contact, ...]],
        say: Callable[[list[Command]], int],
        now: Callable[[], int],
    ) -> None:
        self.store, self.epoch, self.writer = store, epoch, writer
        self.reach, self.contacts, self.say, self.now = reach, contacts, say, now
        self.versions: dict[str, int] = {}
        self.kept: dict[str, Kept] = {}

    def adopt(self) -> None:
        """Takes up what a dead owner had accepted."""
        for key, row in self.store.scan(PREFIX):
            message = msgpack.decode(row, type=Kept)
            found = self.store.load(key)
            self.versions[message.id] = found[1] if found else 0
            self.kept[message.id] = replace(message, asked=())

    async def run(self) -> None:
        """Tries again what is kept, for ever."""
        while True:
            await asyncio.sleep(model.RETRY_SECONDS)
            for message in list(self.kept.values()):
                if not message.asked:
                    self.say(self.deliver(message))

    def heard(self, event: Request | Response | TimedOut | Failed) -> list[Command] | None:
        """What this room makes of an event that belongs to no call; None: not mine."""
        match event:
            case Request(method="MESSAGE"):
                return self.accept(event)
            case Response(call=key, n=n, status=status) if key in self.kept:
                return self.answered(self.kept[key], n, status) if status >= 200 else []
            case TimedOut(call=key, txn=n) | Failed(call=key, txn=n) if key in self.kept:
                return self.answered(self.kept[key], n, 408)
        return None

    def accept(self, request: Request) -> list[Command]:
        if (bad := model.problem(request)) is not None:
            return [answer(request, *bad)]
        there = self.reach(request)
        if isinstance(there, int):
            return [answer(request, there)]
        message = model.kept(request, *there)
        if message.id in self.kept:
            return [answer(request, 202)]
        if sum(other.to == message.to for other in self.kept.values()) >= model.KEPT_PER_USER:
            return [answer(request, 480, "Retry-After: 3600\r\n")]
        self.versions[message.id] = 0
        if not self.save(message):
            return [answer(request, 500)]
        return [answer(request, 202), *self.deliver(message)]

    def deliver(self, message: Kept) -> list[Command]:
        """One MESSAGE per phone; nothing where the addressee is away."""
        contacts = places.rung(self.contacts(message.to))
        if not contacts:
            return []
        numbers = range(message.next_n, message.next_n + len(contacts))
        asked = replace(
            message,
            asked=tuple(numbers),
            next_n=message.next_n + len(contacts),
            tries=message.tries + 1,
        )
        if not self.save(asked):
            return []
        return [model.ask(asked, contact, n) for contact, n in zip(contacts, numbers, strict=True)]

    def answered(self, message: Kept, n: int, status: int) -> list[Command]:
        """One phone has it: delivered. All have failed: kept for the next try, as long as that makes sense."""
        left = tuple(number for number in message.asked if number != n)
        if status // 100 == 2 or message.tries >= model.TRIES_MOST:
            self.save(message, delete=True)
        else:
            self.kept[message.id] = replace(message, asked=left)
        return []

    def save(self, message: Kept, *, delete: bool = False) -> bool:
        key, version = PREFIX + message.id, self.versions[message.id] + 1
        row = None if delete else msgpack.encode(message)
        expires = message.at + model.KEEP_SECONDS * 1_000_000
        good = self.store.save([(key, self.epoch, version, self.writer, expires, row, [])])[0]
        if delete:
            self.kept.pop(message.id, None)
            self.versions.pop(message.id, None)
        elif good:
            self.versions[message.id], self.kept[message.id] = version, message
        else:
            log.error("message not saved", message=message.id)
        return good


def answer(request: Request, status: int, extra: str = "") -> Command:
    head = f"From: {request.from_}\r\nTo: {request.to};tag={model.message_id(request)}a0\r\nCall-ID: {request.call_id}\r\n"
    head += f"CSeq: {request.cseq} {request.method}\r\n"
    told = text.response(status, head, extra)
    return Respond(
        0,
        request.txn,
        request.method,
        status,
        request.flow,
        request.vias,
        "",
        request.call_id,
        told,
    )
