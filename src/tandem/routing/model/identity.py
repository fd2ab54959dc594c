"""Who is calling, as the called side is told: from the account or a trusted carrier, not from what a phone claims."""

from msgspec import Struct

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.fields import DISPLAY_CHARACTERS, NAME_CHARACTERS
from tandem.routing.model.numbers import normalise
from tandem.routing.model.plan import Asked
from tandem.routing.model.rows import Trunk
from tandem.routing.model.tables import Place
from tandem.routing.model.uri import split_name_addr, split_uri, wire


class Identity(Struct, frozen=True):
    """Both are SIP text: one character per byte."""

    number: str
    name: str


def user_identity(place: Place, user: User, from_: str) -> Identity:
    """The account's number and name; a number or name in From counts only if it is one of the user's aliases."""
    number = user.shown or user.number
    if user.aliases:
        claimed = split_uri(split_name_addr(from_)[1])[0]
        if claimed and claimed != user.name:
            for known in (claimed, normalise(claimed, place.tenant)):
                if known and place.aliases.get(known) == user.name:
                    number = known
                    break
    if number and not number.startswith("+"):
        number = normalise(number, place.tenant) or number
    return Identity(number or user.name, wire(user.display_name))


def trunk_identity(trunk: Trunk, reader: Tenant, asked: Asked) -> Identity:
    """RFC 3325: P-Asserted-Identity from a peer that is trusted, otherwise From. "" where the caller is anonymous."""
    name, uri = split_name_addr(asked.asserted if trunk.trusted and asked.asserted else asked.from_)
    user, host = split_uri(uri)
    if host == "anonymous.invalid" or user.lower() == "anonymous":  # RFC 3323 4.1
        return Identity("", "")
    number = normalise(user, reader)
    if trunk.format == "digits" and user.isdigit() and len(user) > reader.short_digits:
        number = "+" + user
    return Identity(number or user[:NAME_CHARACTERS], name[:DISPLAY_CHARACTERS])
