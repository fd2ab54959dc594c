"""Countries of addresses by a database in MaxMind's format (GeoLite2, DB-IP and others). It is opened once and never written."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import maxminddb

REMEMBERED = 65_536  # addresses


def countries(path: Path) -> Callable[[str], str]:
    """Gives the ISO code of an address, "" where the database has none. Raises OSError, ValueError (not such a database)."""
    try:
        reader = maxminddb.open_database(path)
    except maxminddb.InvalidDatabaseError as error:
        raise ValueError(f"{path}: {error}") from error

    @lru_cache(maxsize=REMEMBERED)
    def country(address: str) -> str:
        try:
            found = reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return ""
        place = found.get("country") if isinstance(found, dict) else None
        code = place.get("iso_code") if isinstance(place, dict) else None
        return code if isinstance(code, str) else ""

    return country
