"""Reads globally routable URIs of single phones (RFC 5627) by their form. Whom they name, the registrar knows."""

from re import IGNORECASE
from re import compile as pattern
from urllib.parse import unquote

_GR = pattern(
    r"^sips?:(?:(?P<user>[^@]*)@)?[^;?]*(?:;[^;?]*)*?;gr(?:=(?P<instance>[^;?]*))?(?:[;?]|$)",
    IGNORECASE,
)


def instance_of(uri: str) -> str:
    """The instance that a public GRUU names, without angle brackets; "" of anything else."""
    found = _GR.match(uri)
    return unquote(found["instance"] or "", "latin-1") if found else ""


def temporary_of(uri: str) -> str | None:
    """The user part of a temporary GRUU; None of anything else."""
    found = _GR.match(uri)
    return found["user"] or "" if found and not found["instance"] else None
