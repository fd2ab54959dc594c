"""Counts failed logins, so that passwords cannot be guessed quickly. Pure: time is an argument."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

WINDOW_SECONDS = 60.0
TRIES_LOGIN = 5  # failed ones, of one login name from one source
TRIES_SOURCE = 30  # failed ones, of any login from one source
KEYS_MOST = 20_000  # remembered at a time; the oldest is forgotten


class Tries:
    """A sliding window per key."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, source: str, login: str, now: float) -> int:
        """0: go on, the try is counted; otherwise seconds to wait, and it is not."""
        keys = self._keys(source, login)
        waits = [self._wait(key, most, now) for key, most in keys]
        if any(waits):
            return max(waits)
        for key, _ in keys:
            self._tries.setdefault(key, []).append(now)
            self._tries.move_to_end(key)
        while len(self._tries) > KEYS_MOST:
            self._tries.popitem(last=False)
        return 0

    def give_back(self, source: str, login: str) -> None:
        """The try was a success: it does not count, and earlier ones of this login are forgotten."""
        (one, _), (all, _) = self._keys(source, login)
        self._tries.pop(one, None)
        if times := self._tries.get(all):
            times.pop()

    def _wait(self, key: str, most: int, now: float) -> int:
        times = self._tries.get(key)
        if times is None:
            return 0
        times[:] = [at for at in times if now - at < WINDOW_SECONDS]
        return int(WINDOW_SECONDS - (now - times[0])) + 1 if len(times) >= most else 0

    def _keys(self, source: str, login: str) -> tuple[tuple[str, int], tuple[str, int]]:
        network = network_of(source)
        return (f"{network} {login[:256]}", TRIES_LOGIN), (network, TRIES_SOURCE)


def network_of(source: str) -> str:
    """An IPv4 address, or the /64 that an IPv6 host can choose addresses in."""
    try:
        address = ip_address(source)
    except ValueError:
        return source[:64]
    if isinstance(address, IPv6Address):
        return (
            f"{int(address) >> 64:x}" if address.ipv4_mapped is None else str(address.ipv4_mapped)
        )
    return str(address)
