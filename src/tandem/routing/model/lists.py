"""Allow and deny lists: the most specific line that matches decides. Not who may log in."""

from collections.abc import Iterable

from msgspec import Struct

from tandem.routing.model.rows import ListEntry


class Rules(Struct, frozen=True):
    """The list of one owner in one direction, ready to ask."""

    exact: dict[str, bool]
    prefixes: dict[str, bool]
    countries: dict[str, bool]
    lengths: tuple[int, ...]  # of the prefixes, longest first


def rules_from(entries: Iterable[ListEntry]) -> Rules:
    """Of two lines about the same thing, deny wins."""
    kinds: dict[str, dict[str, bool]] = {"number": {}, "prefix": {}, "country": {}}
    for entry in entries:
        known = kinds[entry.kind]
        known[entry.value] = entry.do == "allow" and known.get(entry.value, True)
    lengths = sorted({len(prefix) for prefix in kinds["prefix"]}, reverse=True)
    return Rules(kinds["number"], kinds["prefix"], kinds["country"], tuple(lengths))


def allows(rules: Rules | None, number: str, country: str, country_length: int) -> bool:
    """Whether the list lets `number` (or address of record) pass.

    A number is more specific than a prefix, a longer prefix than a shorter one, and a country is as specific as the
    prefix by which the number belongs to it (a prefix of that length wins). Nothing that matches: it may pass.
    """
    if rules is None:
        return True
    exact = rules.exact.get(number)
    if exact is not None:
        return exact
    by_country = rules.countries.get(country) if country else None
    for length in rules.lengths:
        if by_country is not None and length < country_length:
            return by_country
        verdict = rules.prefixes.get(number[:length])
        if verdict is not None and length <= len(number):
            return verdict
    return by_country is not False


def denied(rules: Rules | None, *names: str) -> bool:
    """Whether a line names one of these, whole, and denies it."""
    return rules is not None and any(rules.exact.get(name) is False for name in names)
