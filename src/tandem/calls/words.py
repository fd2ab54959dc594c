"""Words between calls on their way: from a saved outbox to the receiver's events, once; until its save they are repeated.

A word stays in its sender's outbox until its receiver's row has been saved with it. Nothing else is needed for a crash at
any point: the heir says again what stands there, and `Row.heard` drops what had been heard.
"""

from collections.abc import Callable

from tandem.calls.batch import Live
from tandem.calls.model.call import Call, Effect
from tandem.calls.model.events import Told, Untold
from tandem.calls.model.step import Event


class Words:
    """`find` gives a call of this node, or None when there is none of that name."""

    def __init__(self, find: Callable[[str], Live | None]) -> None:
        self.find = find
        self.waiting: list[tuple[str, Effect]] = []

    def said(self, sender: str, effects: tuple[Effect, ...]) -> None:
        """These effects of a row are durable now."""
        self.waiting += [(sender, effect) for effect in effects if effect.do == "tell"]

    def deliver(self) -> list[tuple[str, Live, Event]]:
        """The events that follow, each with its call."""
        if not self.waiting:
            return []
        words, self.waiting = self.waiting, []
        events: list[tuple[str, Live, Event]] = []
        for sender, effect in words:
            live = self.find(effect.tag)
            if live is not None:
                events.append((effect.tag, live, Told(sender, effect.ref, effect.body)))
            elif (own := self.find(sender)) is not None:
                own.told.add(effect.ref)
                events.append((sender, own, Untold(effect.tag, effect.body)))
        return events

    def heard(self, words: list[tuple[str, int]]) -> None:
        """The receiver's row has been saved with these: their senders need not repeat them."""
        for sender, number in words:
            live = self.find(sender)
            if live is not None:
                live.told.add(number)


def fresh(live: Live, events: list[Event]) -> tuple[list[Event], dict[str, int]]:
    """The events without words that the row has heard before; the highest number heard per sender after them."""
    heard = dict(live.heard)
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Told):
            if event.id <= heard.get(event.sender, 0):
                continue
            heard[event.sender] = event.id
        kept.append(event)
    return kept, heard


def numbers(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.sender, event.id) for event in events if isinstance(event, Told)]


def left_over(live: Live, call: Call, now: int) -> tuple[Effect, ...]:
    """What of the outbox must stay in it: what the edges may not have, words that nobody has saved yet, and what the relay has not answered."""
    kept = tuple(effect for effect in live.outbox if stays(effect, live, call, now))
    live.told &= {effect.ref for effect in live.outbox}
    return kept


def stays(effect: Effect, live: Live, call: Call, now: int) -> bool:
    match effect.do:
        case "tell":
            return effect.ref not in live.told
        case "media" if not effect.body:
            return call.media is not None and any(w.n == effect.ref for w in call.media.waits)
        case "media":
            return effect.until > now
    return not live.done and effect.until > now
