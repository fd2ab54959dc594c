"""Why edge.toml is refused, in words: field, value, limit, and what was probably meant. It only makes text."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from tandem.edge.model.tree import Tree

VALUE_CHARACTERS = 80  # of a wrong value
PLACE = re.compile(r"^(?P<why>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
BOUND = re.compile(
    r"^Expected `(?P<kind>\w+)`(?P<of> of length)? (?P<sign><=|>=) (?P<limit>\d+)(\.0)?$"
)
KIND = re.compile(r"^Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`$")
PLACES = re.compile(r"\bpool\[(?P<pool>\d+)\](?:\.members\[(?P<member>\d+)\])?")
STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")
KINDS = {
    "int": "a number", "str": "a text", "bool": "true or false", "array": "a list", "object": "a table", "float": "a number",
    "str | object": "a text or a table", "int | object": "a number or a table", "null": "nothing",
}  # fmt: skip
ALLOWED = {  # in words, what a pattern of the tree says
    "Name": "letters, digits and . _ - : [ ] only",
    "hash_on": "one of call_id, from, to, uri_user, source, header:NAME",
    "method": "a method is written in capitals, like OPTIONS",
    "methods": "a method is written in capitals, like INVITE",
}


def explained(text: str, plain: Any) -> str:
    """msgspec's sentence about a tree of plain values, with the field first and the value that it is about."""
    found = PLACE.match(text)
    assert found is not None
    path, why = found["path"] or "", found["why"]
    if unknown := UNKNOWN.match(why):
        return _unknown(path, unknown["name"])
    if missing := MISSING.match(why):
        return f"{_under(path, missing['name'])}: it is missing"
    value = _value(path, plain)
    shown = "" if value is None else f": {repr(value)[:VALUE_CHARACTERS]}"
    return f"{path or 'the file'}{shown}: {_rule(why, path)}"


def by_names(text: str, tree: Mapping[str, Any]) -> str:
    """A refusal of a live change, in which pools and members have names and no numbers."""
    return PLACES.sub(lambda place: _named(place, tree), text)


def _named(place: re.Match[str], tree: Mapping[str, Any]) -> str:
    pool = tree["pool"][int(place["pool"])]
    if place["member"] is None:
        return f"pool {pool['name']}"
    return f"pool {pool['name']}, member {pool['members'][int(place['member'])]['name']}"


def _unknown(path: str, name: str) -> str:
    known = [field.encode_name for at in _structs(path) for field in at.fields]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
    kind = "setting" if path else "section"
    return f"{_under(path, name)}: there is no such {kind}; {hint}"


def _rule(why: str, path: str) -> str:
    if bound := BOUND.match(why):
        most = "at most" if bound["sign"] == "<=" else "at least"
        what = "" if not bound["of"] else " characters" if bound["kind"] == "str" else " entries"
        return f"{most} {bound['limit']}{what}"
    if kind := KIND.match(why):
        wanted, got = (KINDS.get(kind[k], kind[k]) for k in ("wanted", "got"))
        return f"it must be {wanted}, not {got}"
    key = path.rpartition(".")[2].partition("[")[0]
    if "matching regex" in why:
        return ALLOWED.get("Name" if key == "name" else key, why)
    choices = [
        str(one)
        for at in _at(path)
        if isinstance(at, msgspec.inspect.LiteralType)
        for one in at.values
    ]
    if choices:
        return f"one of {', '.join(choices)}"
    return why[:1].lower() + why[1:]


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _structs(path: str) -> list[msgspec.inspect.StructType]:
    return [at for at in _at(path) if isinstance(at, msgspec.inspect.StructType)]


def _at(path: str) -> list[msgspec.inspect.Type]:
    """The types that a place of the tree may have."""
    at = [msgspec.inspect.type_info(Tree)]
    for name, index in STEP.findall(path):
        at = [deeper for one in at for deeper in _step(one, name, index)]
    return at


def _step(at: msgspec.inspect.Type, name: str, index: str) -> Iterator[msgspec.inspect.Type]:
    found: list[msgspec.inspect.Type] = []
    match at:
        case msgspec.inspect.StructType() if name:
            found = [field.type for field in at.fields if field.encode_name == name]
        case msgspec.inspect.VarTupleType(item_type=item) if index:
            found = [item]
        case msgspec.inspect.DictType(value_type=value):
            found = [value]
    for one in found:
        yield from one.types if isinstance(one, msgspec.inspect.UnionType) else [one]


def _value(path: str, plain: Any) -> Any:
    at = plain
    for name, index in STEP.findall(path):
        if isinstance(at, dict):
            at = at.get(name)
        elif isinstance(at, list) and index.isdigit() and int(index) < len(at):
            at = at[int(index)]
        else:
            return None
    return at if isinstance(at, str | int | float | bool) else None
