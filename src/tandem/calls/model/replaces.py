"""The Replaces header (RFC 3891), in an INVITE and inside Refer-To: reading it, and finding our call in it. Text only."""

from urllib.parse import unquote

from msgspec import Struct

from tandem.calls.model import text
from tandem.calls.model.draft import NUMBERS

TAG_LENGTH = 15  # boundary.md, 1: call id and dialog name


class Replaces(Struct, frozen=True):
    call_id: str
    to_tag: str  # of who is asked: ours, where the dialog is ours
    from_tag: str
    early_only: bool = False

    @property
    def call(self) -> str:
        """The call that it names, "" when the tag is none of ours."""
        ours = len(self.to_tag) == TAG_LENGTH and all(c in NUMBERS for c in self.to_tag)
        return self.to_tag[:13] if ours else ""


def read(values: list[str]) -> Replaces | None:
    """The one Replaces of an INVITE; None when it cannot be read or there are several (400)."""
    if len(values) != 1:
        return None
    call_id, *params = [part.strip() for part in values[0].split(";")]
    found = {
        name.strip().lower(): value.strip() for name, _, value in (p.partition("=") for p in params)
    }
    if not call_id or not found.get("to-tag") or not found.get("from-tag"):
        return None
    if len(found) != len(params) or "," in values[0]:
        return None
    return Replaces(call_id, found["to-tag"], found["from-tag"], "early-only" in found)


def of_refer_to(value: str) -> str | None:
    """The Replaces value in a Refer-To URI's headers, unescaped; None when there is none."""
    _, _, headers = text.uri_of(value).partition("?")
    for header in headers.split("&"):
        name, _, escaped = header.partition("=")
        if name.lower() == "replaces":
            return unquote(escaped, encoding="latin-1")
    return None
