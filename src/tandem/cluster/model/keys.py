"""Rotation of the keys in keys.json: a new one signs soon, old ones verify long enough. Pure; it makes no secret."""

from typing import Any

from msgspec import Struct

ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789"  # of ids
KEYS_MOST = 16  # in one list; the core's limit
LEAD_SECONDS = 10  # from a key's making to its first signature: every process knows it by then
KEPT_SECONDS = (
    7 * 86_400
)  # the longest call allowed: so long a key verifies after its last signature
NONCE_KEPT_SECONDS = 3_600  # a nonce lives for minutes


class Full(Exception):
    """No further key fits; `free_at` (microseconds since 1970) is when the oldest one may leave."""

    def __init__(self, field: str, free_at: int) -> None:
        super().__init__(f"keys.{field}: {KEYS_MOST} keys are in use, the most that there may be")
        self.field, self.free_at = field, free_at


class Key(Struct, frozen=True):
    """One key, as people are shown it: never its secret."""

    use: str  # signing or nonce
    id: str
    signs_at: int  # microseconds since 1970; 0: since the first start
    state: str  # waits, signs or verifies


def rotate(
    keys: dict[str, Any],
    *,
    now: int,
    signing: str,
    nonce: str,
    lead_seconds: int = LEAD_SECONDS,
    kept_seconds: int = KEPT_SECONDS,
) -> dict[str, Any]:
    """The keys with a new one in each list, and without those that no call can carry any more. Raises Full.

    `signing` and `nonce` are the new secrets; `now` is in microseconds since 1970.
    """
    since = now + lead_seconds * 1_000_000
    return {
        **keys,
        "signing": _turned("signing", keys["signing"], signing, now, since, kept_seconds),
        "nonce": _turned("nonce", keys.get("nonce", []), nonce, now, since, NONCE_KEPT_SECONDS),
    }


def _turned(
    field: str, old: list[dict[str, Any]], secret: str, now: int, since: int, kept_seconds: int
) -> list[dict[str, Any]]:
    kept = kept_seconds * 1_000_000
    # a key has signed its last when the next newer one began
    ends = [0, *(int(key.get("from", 0)) for key in old)]
    left = [key for at, key in enumerate(old) if at == 0 or ends[at] + kept > now]
    if len(left) >= KEYS_MOST:
        raise Full(field, ends[len(left) - 1] + kept)
    return [
        {"id": _next_id([str(key["id"]) for key in left]), "secret": secret, "from": since},
        *left,
    ]


def _next_id(taken: list[str]) -> str:
    newest = ALPHABET.find(taken[0]) if taken else -1
    order = ALPHABET[newest + 1 :] + ALPHABET[: newest + 1]
    return next(id for id in order if id not in taken)


def shown(keys: dict[str, Any], now: int) -> list[Key]:
    """Every key, newest first."""
    found = []
    for use in ("signing", "nonce"):
        times = [int(key.get("from", 0)) for key in keys.get(use, [])]
        signs = next((at for at, since in enumerate(times) if since <= now), len(times) - 1)
        for at, key in enumerate(keys.get(use, [])):
            state = "waits" if at < signs else "signs" if at == signs else "verifies"
            found.append(Key(use, str(key["id"]), times[at], state))
    return found
