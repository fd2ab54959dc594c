"""Which calls' media passes by which relay, for the day on which one is gone. It moves none."""

from collections.abc import Iterable, Mapping

from tandem.boundary import Request
from tandem.calls.model.call import ENDED, SETUP, Call, Contact


class Relayed:
    """Calls by relay, each with its last sign of life; a call that is being set up comes before all others."""

    def __init__(self) -> None:
        self.by: dict[str, dict[str, float]] = {}
        self.where: dict[str, str] = {}

    def watch(self, key: str, call: Call) -> None:
        """As the call is now."""
        media = call.media
        if media is None:
            return
        if call.state == ENDED or not media.known:
            self.drop(key)
            return
        if self.where.get(key, media.relay) != media.relay:
            self.drop(key)
        seen = max((leg.seen_at for leg in call.legs), default=0)
        self.by.setdefault(media.relay, {})[key] = float("inf") if call.state == SETUP else seen
        self.where[key] = media.relay

    def drop(self, key: str) -> None:
        if key in self.where:
            self.by[self.where.pop(key)].pop(key, None)

    def of(self, relay: str) -> list[str]:
        """Its calls: who is being set up first, then who was heard last."""
        calls = self.by.get(relay, {})
        return sorted(calls, key=lambda key: -calls[key])


def hosts_of(request: Request, contacts: Mapping[str, Iterable[Contact]]) -> list[str]:
    """Where a caller and those who may be rung are: a relay shall be near them."""
    rung = (contact.flow.host for found in contacts.values() for contact in found)
    return list(dict.fromkeys([request.flow.host, *rung]))
