"""Kamailio's dispatcher.list as the members of a pool. It reads files and watches none."""

from pathlib import Path
from typing import Any

from tandem.config import BadConfig
from tandem.edge.config import EdgeConfig
from tandem.edge.model.changes import Patch, lists_of

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
    raise BadConfig(f"{path}: lists are not read yet (set {set})")
