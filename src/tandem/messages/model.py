"""One SIP MESSAGE on its way (RFC 3428): a value, and the requests that deliver it. It sends and saves nothing."""

from msgspec import Struct

from tandem.boundary import Ask, Request
from tandem.calls.model import places, text
from tandem.calls.model.call import Contact
from tandem.calls.model.draft import NUMBERS

KEEP_SECONDS = 7 * 86_400
KEPT_PER_USER = 200
BODY_BYTES = 8_192
TRIES_MOST = 50
RETRY_SECONDS = 5.0


class Kept(Struct, frozen=True, array_like=True):
    """A message that its addressee has not yet confirmed."""

    id: str
    to: str  # address of record
    uri: str
    from_: str
    content_type: str
    body: bytes
    at: int
    next_n: int = 1
    asked: tuple[int, ...] = ()  # client transactions that wait for an answer
    tries: int = 0


def kept(request: Request, to: str, from_: str) -> Kept:
    """`to` and `from_` as routing gave them, not as the sender claims."""
    return Kept(
        message_id(request), to, f"sip:{to}", from_, request.content_type, request.body, request.at
    )


def message_id(request: Request) -> str:
    """Of the form of a call id: the same for the same request, wherever it is handled."""
    return "".join(NUMBERS[(request.txn >> (5 * place)) & 31] for place in range(12, -1, -1))


def problem(request: Request) -> tuple[int, str] | None:
    """(status, extra header lines) when a MESSAGE cannot be accepted."""
    if len(request.body) > BODY_BYTES:
        return 513, ""
    if request.max_forwards == 0:
        return 483, ""
    if not request.content_type and request.body:
        return 415, "Accept: text/plain\r\n"
    return None


def ask(message: Kept, contact: Contact, n: int) -> Ask:
    """The MESSAGE to one contact."""
    head = (
        f"From: {message.from_};tag={message.id}a0\r\nTo: <{message.uri}>\r\nCall-ID: {message.id}b0\r\n"
        f"CSeq: {n} MESSAGE\r\nMax-Forwards: 69\r\n"
    )
    shard = NUMBERS.index(message.id[0]) * 32 + NUMBERS.index(message.id[1])
    routes, flow = places.way_to(contact)
    told = text.request(
        "MESSAGE", contact.uri, routes, head, "", message.content_type, message.body
    )
    return Ask(shard, message.id, n, "MESSAGE", flow, "", f"{message.id}b0", told)
