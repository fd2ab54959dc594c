"""Bans that somebody asked for, kept until they end: a worker that begins anew is told them again. It bans nobody itself."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import Struct

BANS_MOST = 1_024  # that are kept; beyond it the shortest are not told to new workers
log = structlog.get_logger()


class Asked(Struct, frozen=True):
    """One ban; `until` is seconds since 1970."""

    until: float
    note: str = ""


class Bans:
    """By source."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: dict[str, Asked] = {}
        try:
            self.asked = msgspec.json.decode(path.read_bytes(), type=dict[str, Asked])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("kept bans not used", why=str(error))

    def keep(self, source: str, seconds: int, note: str) -> None:
        self.asked[source] = Asked(time.time() + seconds, note)
        self._write()

    def end(self, source: str) -> None:
        if self.asked.pop(source, None):
            self._write()

    def left(self) -> list[dict[str, Any]]:
        """As a worker is asked."""
        now = time.time()
        return [
            {"source": source, "seconds": max(1, round(one.until - now)), "note": one.note}
            for source, one in self.asked.items()
            if one.until > now
        ]

    def _write(self) -> None:
        now = time.time()
        living = sorted(self.asked.items(), key=lambda item: -item[1].until)[:BANS_MOST]
        self.asked = {source: one for source, one in living if one.until > now}
        fresh = self.path.with_suffix(".new")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self.asked))
            fresh.replace(self.path)
        except OSError as error:
            log.warning("bans not kept", why=str(error))
