"""What is in force now: the file, the members of watched lists, and the live changes that are kept in changes.json.

The admin process writes; the supervisor reads it for a worker that starts. Nobody is told anything here.
"""

import os
from pathlib import Path

import msgspec

from tandem.config import BadConfig
from tandem.edge.config import EdgeConfig, changed
from tandem.edge.lists import Members, read_lists
from tandem.edge.model.changes import CHANGEABLE, Patch
from tandem.edge.model.tree import Tree

CHANGES_BYTES = 8 * 1024 * 1024  # of changes.json


def read_changes(path: Path) -> Patch:
    """The kept patch; {} if there is none. Raises BadConfig."""
    try:
        if path.stat().st_size > CHANGES_BYTES:
            raise BadConfig(f"{path}: more than {CHANGES_BYTES} bytes")
        patch = msgspec.json.decode(path.read_bytes(), type=Patch)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise BadConfig(f"{path}: {error}") from error
    for key in patch:
        if key not in CHANGEABLE:
            raise BadConfig(f"{path}: {key}: only {', '.join(CHANGEABLE)} can be changed live")
    return patch


def keep_changes(path: Path, patch: Patch) -> None:
    """The whole patch or the old one: never half of it."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(patch), indent=1))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def now(config: EdgeConfig) -> tuple[Tree, str]:
    """The tree in force, and what could not be used: then it is that of the file, as far as that goes."""
    lists: Members = {}
    try:
        patch = read_changes(config.changes)
        lists = read_lists(config, patch)
        return changed(config, lists, patch, str(config.changes)), ""
    except BadConfig as error:
        why = str(error)
    try:
        return changed(config, lists or read_lists(config, {}), {}, str(config.file)), why
    except BadConfig:
        return config.tree, why
