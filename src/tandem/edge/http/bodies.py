"""What the edge's API takes and gives. Unknown fields are refused; a change names only what it changes."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tandem.edge.model.abuse import BAN_SECONDS_MOST, NOTE_CHARACTERS
from tandem.edge.model.tree import Amounts, LimitsSection, ListsSection, Member, Pool
from tandem.edge.model.view import EdgeView, PoolView


class Ready(Struct, frozen=True):
    """Whether calls find their way, and what is missing."""

    ready: bool
    reasons: list[str] = []


class Pools(Struct, frozen=True):
    """All pools as they are in force: file, list and live changes together."""

    items: list[Pool]


class PoolShown(Struct, frozen=True):
    """A pool: what is configured, and what the workers see of it (null: none of them answers)."""

    pool: Pool
    live: PoolView | None = None


class Rules(Struct, frozen=True):
    """Limits and lists in force."""

    limits: LimitsSection = LimitsSection()
    lists: ListsSection = ListsSection()


class RulesChange(Struct, frozen=True, forbid_unknown_fields=True):
    """A merge patch (RFC 7396): null gives the file's value back; a list is replaced as a whole."""

    limits: dict[str, int | None] | UnsetType = UNSET
    lists: dict[str, list[str] | None] | UnsetType = UNSET


class Ban(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is not to be heard. seconds 0: as long as the limit ban_seconds says."""

    source: str
    seconds: Annotated[int, Meta(ge=0, le=BAN_SECONDS_MOST)] = 0
    note: Annotated[str, Meta(max_length=NOTE_CHARACTERS)] = ""  # your words, for the report


class BanBegun(Struct, frozen=True):
    """How long an address is not heard, and the workers that did not hear of it, with the reason."""

    source: str
    seconds: int
    missing: dict[str, str] = {}


class Unbanned(Struct, frozen=True):
    """Whether it had been banned; missing: workers that did not hear of it, with the reason."""

    was_banned: bool
    missing: dict[str, str] = {}


class Draining(Struct, frozen=True):
    """Whether the edge takes new calls."""

    draining: bool


class Overview(Struct, frozen=True):
    """The edge: its workers as one."""

    ready: Ready
    view: EdgeView


def given(change: Struct) -> dict[str, Any]:
    """The fields that a change names; null stays null."""
    names = change.__struct_fields__
    values = {name: getattr(change, name) for name in names}
    plain: dict[str, Any] = msgspec.to_builtins(
        {name: value for name, value in values.items() if value is not UNSET}
    )
    return plain


def whole(body: Struct) -> dict[str, Any]:
    """What a body says, without what is only a default."""
    plain: dict[str, Any] = msgspec.to_builtins(body)
    defaults = {field.name: field for field in msgspec.structs.fields(type(body))}
    return {
        name: value
        for name, value in plain.items()
        if defaults[name].required or value != msgspec.to_builtins(_default(defaults[name]))
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _patch(type: type[Struct], name: str, doc: str, leave: tuple[str, ...]) -> type[Struct]:
    """A Struct whose fields may all be missing, or null for the default."""
    fields: list[Any] = [
        (field.name, field.type | None | UnsetType, UNSET)
        for field in msgspec.structs.fields(type)
        if field.name not in leave
    ]
    made = msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True, kw_only=True)
    made.__doc__ = doc
    return made


if TYPE_CHECKING:
    PoolChange: TypeAlias = Struct
    MemberChange: TypeAlias = Struct
else:
    PoolChange = _patch(
        Pool,
        "PoolChange",
        "A merge patch of a pool; its members change one by one.",
        ("name", "members"),
    )
    MemberChange = _patch(Member, "MemberChange", "A merge patch of a server.", ("name",))

__all__ = [
    "Amounts",
    "Ban",
    "Draining",
    "Member",
    "MemberChange",
    "Overview",
    "Pool",
    "PoolChange",
    "PoolShown",
    "Pools",
    "Ready",
    "Rules",
    "RulesChange",
    "Unbanned",
    "given",
    "whole",
]
