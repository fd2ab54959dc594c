"""Calls that must leave a relay are told one after another: who rings first, then who was heard last. It decides for none."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from tandem.calls.model.call import GONE, Call
from tandem.calls.model.events import Moved
from tandem.calls.service import Service
from tandem.log import log
from tandem.media.fleet import Fleet
from tandem.media.model.ng import Question

TURN_SECONDS = 0.02
WAITING_MOST = 65_536  # of calls that ask late; those that leave together are at most the node's
MOVES_PER_TURN = 20  # a thousand calls a second: each costs two re-INVITEs and four questions


class Mover:
    def __init__(self, *, service: Service, fleet: Fleet, now: Callable[[], int]) -> None:
        self.service, self.fleet, self.now = service, fleet, now
        self.waiting: deque[tuple[str, str, bool]] = deque()  # call, relay, whether that is gone
        self.timer: asyncio.TimerHandle | None = None
        self.moves = 0

    def leave(self, relay: str, *, gone: bool) -> int:
        """Its calls go to others; how many there are. None goes where no other relay lives."""
        if not self.fleet.candidates(relay, drained=gone):
            return 0
        calls = self.calls(relay)
        waiting = {call for call, _, _ in self.waiting}
        self.waiting.extend((call, relay, gone) for call in calls if call not in waiting)
        self.turn()
        return len(calls)

    def asked(self, questions: Iterable[Question]) -> None:
        """A call whose relay was given up before it had any use for it takes another one now."""
        late = [
            one for one in questions
            if one.call and one.verb != "delete" and not self.fleet.is_up(one.relay)
        ]  # fmt: skip
        if not late or not any(map(self.fleet.is_up, self.fleet.members)):
            return
        room = max(0, WAITING_MOST - len(self.waiting))
        self.waiting.extend((one.call, self.fleet.named(one.relay), True) for one in late[:room])
        if self.timer is None and self.service.loop is not None:  # not from within the save
            self.timer = self.service.loop.call_later(0, self.again)

    def stay(self, relay: str, *, gone: bool) -> None:
        """Those that have not been told yet keep it."""
        self.waiting = deque(one for one in self.waiting if one[1:] != (relay, gone))

    def calls(self, relay: str) -> list[str]:
        """On this relay, in the order in which they are moved."""
        shell = self.service.shell
        unnamed = shell.relayed.of("") if relay == self.fleet.first else []
        return shell.relayed.of(relay) + unnamed

    def rescue(self, key: str, relay: str, why: str) -> bool:
        """A party is without media at this relay: another one may do better, once. False when the call has to end."""
        live = self.service.shell.find(key)
        call = live.call if live is not None else None
        if call is None or call.media is None or call.media.moves:
            return False
        to = self.fleet.choose(hosts(call), but=relay)
        if not to or not self.fleet.is_up(to):
            return False
        self.service.shell.queue(key, Moved(to, why, self.now()))
        self.moves += 1
        return True

    def changed(self, relay: str, up: bool) -> None:
        """A relay is given up, or answers: then it takes what others have lost, and keeps what has not gone yet."""
        if not up:
            self.leave(relay, gone=True)
            return
        self.stay(relay, gone=True)
        having = map(self.fleet.named, self.service.shell.relayed.by)
        for other in dict.fromkeys(having):  # one that is not configured any more, too
            if not self.fleet.is_up(other):
                self.leave(other, gone=True)
            elif other in self.fleet.leaving:
                self.leave(other, gone=False)

    def turn(self) -> None:
        """Some of them, and the next ones a little later."""
        if self.timer is not None:
            return
        told = 0
        while self.waiting and told < MOVES_PER_TURN:
            told += self.tell(*self.waiting.popleft())
        if told:
            self.service.commit()
        if self.waiting and self.service.loop is not None:
            self.timer = self.service.loop.call_later(TURN_SECONDS, self.again)

    def again(self) -> None:
        self.timer = None
        self.turn()

    def tell(self, key: str, relay: str, gone: bool) -> int:
        live = self.service.shell.find(key)
        call = live.call if live is not None else None
        if call is None or call.media is None or self.fleet.named(call.media.relay) != relay:
            return 0
        to = self.fleet.choose(hosts(call), but=relay, drained=gone)
        if not to:
            return 0
        why = f"{relay} does not answer" if gone else f"{relay} is drained"
        self.service.shell.queue(key, Moved(to, why, self.now(), gone))
        self.moves += 1
        if self.moves % 1_000 == 1:
            log.info("calls move to another relay", relay=relay, to=to, waiting=len(self.waiting))
        return 1


def hosts(call: Call) -> list[str]:
    """Where its parties are."""
    return list(dict.fromkeys(leg.flow.host for leg in call.legs if leg.state != GONE))
