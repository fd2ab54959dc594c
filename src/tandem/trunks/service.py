"""Registers trunks with their carriers: saves, sends, hears, waits. The decisions about one registration are in model.py."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, msgpack
from msgspec.structs import replace

from tandem.boundary import Command, Event, Failed, Response, TimedOut
from tandem.log import log
from tandem.names.model import Peer, Place
from tandem.ports import Store
from tandem.routing.model.rows import Trunk
from tandem.trunks import model
from tandem.trunks.model import Account, Answered, Due, Registration, Wanted

PREFIX = "t/"
TICK_SECONDS = 0.25  # registrations are not finer than this
ASKS_PER_TICK = 50  # REGISTERs at once: a node that starts must not flood its carriers


class Kept(Struct):
    """A registration and the version of its row."""

    registration: Registration
    version: int
    places: list[Place] = []  # where it can be asked in this round; the first one was asked last


class Trunks:
    """`places` gives where a peer is, `missed` hears where it was not; `hash` is keyed; `fresh` gives a new id of a call id's form."""

    def __init__(
        self,
        *,
        store: Store,
        epoch: int,
        writer: int,
        places: Callable[[Peer, int], tuple[Place, ...]],
        missed: Callable[[Place], None],
        hash: Callable[[str, int], int],
        fresh: Callable[[], str],
        say: Callable[[list[Command]], int],
        now: Callable[[], int],
    ) -> None:
        self.store, self.epoch, self.writer = store, epoch, writer
        self.places, self.missed = places, missed
        self.hash, self.fresh, self.say, self.now = hash, fresh, say, now
        self.kept: dict[str, Kept] = {}  # by id
        self.current: dict[str, str] = {}  # by trunk, without those that are leaving

    def adopt(self) -> None:
        """Takes up what a dead owner had registered."""
        for key, row in self.store.scan(PREFIX):
            found = self.store.load(key)
            registration = model.adopted(msgpack.decode(row, type=Registration), self.now())
            kept = self.kept[registration.id] = Kept(registration, found[1] if found else 0)
            self.save(kept, registration)
            if not registration.leaving:
                self.current[registration.trunk] = registration.id

    def want(self, trunks: Iterable[Trunk]) -> None:
        """The trunks as they are configured now: new ones register, changed ones again, others leave."""
        accounts = {t.id: account for t in trunks if (account := model.account_of(t)) is not None}
        for trunk, id in list(self.current.items()):
            account = accounts.get(trunk)
            if account and model.same_binding(self.kept[id].registration.account, account):
                self.happens(id, Wanted(account))
            else:  # another user or registrar: the old binding goes, a new one comes
                del self.current[trunk]
                self.happens(id, Wanted(None))
        for trunk, account in accounts.items():
            if trunk not in self.current:
                self.begin(trunk, account)

    def begin(self, trunk: str, account: Account) -> None:
        registration = Registration(self.fresh(), trunk, account, due=self.now())
        kept = Kept(registration, 0)
        if self.save(kept, registration):
            self.kept[registration.id] = kept
            self.current[trunk] = registration.id

    async def run(self) -> None:
        """Renews what is due, for ever."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.tick()
            except OSError as error:  # the journal; what is due stays due
                log.error("registrations not saved", error=str(error))

    def tick(self) -> None:
        now = self.now()
        due = [
            id
            for id, kept in self.kept.items()
            if kept.registration.due <= now and not kept.registration.asked
        ]
        for id in due[:ASKS_PER_TICK]:
            kept = self.kept[id]
            account = kept.registration.account
            peer = Peer(account.host, account.port, account.transport)
            # the same draw each time: a registrar's server that works is kept
            kept.places = list(self.places(peer, self.hash(id, 0)))
            self.happens(id, Due(kept.places[0] if kept.places else None, self.hash(id, now)))

    def heard(self, event: Event) -> list[Command] | None:
        """What this room makes of an event that belongs to no call; None: not mine."""
        match event:
            case Response(call=id, n=n, status=status) if id in self.kept:
                if status >= 200:
                    self.elsewhere(id, self.answer(event, id))
                return []
            case TimedOut(call=id, txn=n, server=False) if id in self.kept:
                self.elsewhere(id, Answered(n, 408, "no answer", hash=self.hash(id, n)))
                return []
            case Failed(call=id, txn=n, server=False, why=why) if id in self.kept:
                self.elsewhere(id, Answered(n, 503, f"cannot send ({why})", hash=self.hash(id, n)))
                return []
        return None

    def answer(self, response: Response, id: str) -> Answered:
        places = self.kept[id].places
        return Answered(
            response.n, response.status, response.reason, response.contact, response.special,
            places[0] if places else None, self.hash(id, response.n),
        )  # fmt: skip

    def elsewhere(self, id: str, event: Answered) -> None:
        """An answer, with the next server where this one failed."""
        kept = self.kept[id]
        if event.status in (408, 503) and event.n == kept.registration.asked and kept.places:
            self.missed(kept.places.pop(0))
            event = replace(event, other=kept.places[0] if kept.places else None)
        self.happens(id, event)

    def happens(self, id: str, event: model.Event) -> None:
        """Steps one registration: saved first, said then (its CSeq must never be used twice)."""
        kept = self.kept[id]
        before = kept.registration
        after, ask = model.step(before, event, self.now())
        if after is None:
            self.save(kept, None)
            self.kept.pop(id, None)
            if self.current.get(before.trunk) == id:
                del self.current[before.trunk]
            log.info("trunk left", trunk=before.trunk)
            return
        if after == before or not self.save(kept, after):
            return
        self.tell(before, after)
        if ask is not None:
            self.say([ask])

    def save(self, kept: Kept, registration: Registration | None) -> bool:
        """False: another owner has it, and it is forgotten here. Raises OSError."""
        id, version = kept.registration.id, kept.version + 1
        row = None if registration is None else msgpack.encode(registration)
        good = self.store.save([(PREFIX + id, self.epoch, version, self.writer, 0, row, [])])[0]
        if good:
            kept.version = version
            kept.registration = registration or kept.registration
        else:
            log.error("registration has another owner", trunk=kept.registration.trunk)
            self.kept.pop(id, None)
            if self.current.get(kept.registration.trunk) == id:
                del self.current[kept.registration.trunk]
        return good

    def tell(self, before: Registration, after: Registration) -> None:
        if after.error and after.tries != before.tries:
            log.warning("trunk not registered", trunk=after.trunk, error=after.error)
        elif before.until <= self.now() < after.until:
            log.info("trunk registered", trunk=after.trunk)

    # -- what others ask

    def registered(self) -> int:
        now = self.now()
        return sum(
            model.state(kept.registration, now) == model.REGISTERED for kept in self.kept.values()
        )

    def status(self, trunk: str) -> dict[str, Any]:
        """state, expires_at, error, tries, next_at of a trunk; state "" when it does not register."""
        id = self.current.get(trunk) or next(
            (id for id, kept in self.kept.items() if kept.registration.trunk == trunk), ""
        )
        if not id:
            return {"state": "", "expires_at": 0, "error": "", "tries": 0, "next_at": 0}
        found = self.kept[id].registration
        return {
            "state": model.state(found, self.now()), "expires_at": found.until, "error": found.error,
            "tries": found.tries, "next_at": found.due,
        }  # fmt: skip
