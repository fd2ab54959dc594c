"""Kamailio's dispatcher.list as the members of a pool. It reads files and watches none."""

from pathlib import Path
from typing import Any

import msgspec

from tandem._core import read_dispatcher_list
from tandem.config import BadConfig
from tandem.edge.config import EdgeConfig
from tandem.edge.model.changes import Patch, lists_of

LIST_BYTES = 4 * 1024 * 1024  # as the core has it
Members = dict[str, list[dict[str, Any]]]  # by pool


def read_lists(config: EdgeConfig, patch: Patch) -> Members:
    """The members of every pool that has a list. Raises BadConfig with the file and the line."""
    return {
        pool: read_list(config.path(name), set)
        for pool, (name, set) in lists_of(config.plain, patch).items()
    }


def list_files(config: EdgeConfig, patch: Patch) -> set[Path]:
    """Those that pools name."""
    return {config.path(name) for name, _ in lists_of(config.plain, patch).values()}


def read_list(path: Path, set: int) -> list[dict[str, Any]]:
    """The members of one set. A set that is not in the file is refused: nobody wants a pool of nothing by a slip."""
    try:
        if path.stat().st_size > LIST_BYTES:
            raise BadConfig(f"{path}: more than {LIST_BYTES} bytes")
        told = msgspec.json.decode(read_dispatcher_list(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadConfig(f"{path}: there is no such file (dispatcher_list)") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadConfig(f"{path}: {error}") from error
    found = next((pool["members"] for pool in told["pools"] if pool["name"] == str(set)), None)
    if found is None:
        known = ", ".join(pool["name"] for pool in told["pools"]) or "none"
        raise BadConfig(f"{path}: set {set}: there is no such set; there are: {known}")
    members: list[dict[str, Any]] = found
    return members


def warnings(config: EdgeConfig, patch: Patch) -> list[str]:
    """What lists say that has no effect here, each with file and line."""
    told = []
    for path in sorted(list_files(config, patch)):
        try:
            text = path.read_text(encoding="utf-8")
            found = msgspec.json.decode(read_dispatcher_list(text))["warnings"]
        except (OSError, UnicodeDecodeError, ValueError):
            continue  # it is refused where it is used
        told += [f"{path.name}: {warning}" for warning in found]
    return told
