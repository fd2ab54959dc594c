"""What crosses between a worker and the policy process: a request as far as it is named, a verdict. Pure."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

FIELDS = (
    "method",
    "source",  # IP address of the sender
    "transport",  # udp, tcp, tls, ws, wss
    "listen",  # the address that was asked, host:port
    "uri_user",
    "uri_host",
    "from_user",
    "from_host",
    "to_user",
    "to_host",
    "call_id",
    "user_agent",
)
HEADER = re.compile(r"^header:[A-Za-z0-9!%*_+`'~.-]{1,64}$")
FIELDS_MOST = 8  # of one rule
SECONDS_MOST = 86_400.0  # that a verdict may be kept
HEADERS_MOST = 16  # that a verdict adds, or takes away
HEADER_CHARACTERS = 512  # of one that is added
URI_CHARACTERS = 512  # of a new Request-URI
URI = re.compile(r"^(?:sips?|tel):[!-~]+$")
VALUE = re.compile(r"^[^\x00-\x08\x0a-\x1f\x7f]*$")
NAME = re.compile(r"^[A-Za-z0-9!%*_+`'~.-]{1,64}$")
# the edge's own business: RFC 3261 16.6, and what says where a message ends or belongs
KEPT = frozenset(
    ("via", "v", "route", "record-route", "max-forwards", "content-length", "l", "call-id", "i", "cseq", "from", "f", "to", "t", "contact", "m", "path")
)  # fmt: skip


class BadVerdict(Exception):
    """A verdict that no edge could follow; the text says why."""


class Rule(Struct, frozen=True):
    """A kind of request, what its verdict may depend on, and how long a verdict is kept."""

    method: str
    by: tuple[str, ...]
    seconds: float

    def __post_init__(self) -> None:
        if not (self.method.isascii() and self.method.isupper() and len(self.method) <= 32):
            raise ValueError(f"on({self.method!r}): a method is written in capitals, like INVITE")
        if len(self.by) > FIELDS_MOST:
            raise ValueError(f"on({self.method!r}): by: at most {FIELDS_MOST} fields")
        for field in self.by:
            if field not in FIELDS and not HEADER.match(field):
                known = ", ".join(FIELDS)
                raise ValueError(
                    f"on({self.method!r}): by: {field!r} is none of {known}, header:NAME"
                )
        if not 0 <= self.seconds <= SECONDS_MOST:
            raise ValueError(f"on({self.method!r}): seconds: 0 to {SECONDS_MOST:g}")


class Request:
    """A request, as far as `by` names it: a verdict that is kept can depend on nothing else."""

    __slots__ = ("_rule", "_values")

    def __init__(self, rule: Rule, values: tuple[str, ...]) -> None:
        self._rule = rule
        self._values = dict(zip(rule.by, values, strict=True)) | {"method": rule.method}

    def __getattr__(self, name: str) -> str:
        if name in FIELDS:
            return self._value(name)
        raise AttributeError(
            f"a request has no {name}; there are: {', '.join(FIELDS)}, header(NAME)"
        )

    def header(self, name: str) -> str:
        """The first header of that name, "" without one."""
        return self._value(f"header:{name}")

    def _value(self, field: str) -> str:
        if field not in self._values:
            raise AttributeError(
                f"the verdict on {self._rule.method} is kept by {self._rule.by}: add {field!r} to by= to look at it"
            )
        return self._values[field]

    def __repr__(self) -> str:
        return f"Request({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"


class To(Struct, frozen=True, tag="to"):
    """Where a request goes. `add` are headers that it gets, `remove` names of those that it loses; `cost`: a rule of the pool; `uri`: its new Request-URI."""

    pool: str
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    cost: str = ""
    uri: str = ""

    def __post_init__(self) -> None:
        if self.uri and (len(self.uri) > URI_CHARACTERS or not URI.match(self.uri)):
            raise BadVerdict(f"uri: a sip, sips or tel URI of at most {URI_CHARACTERS} characters")
        if len(self.add) > HEADERS_MOST or len(self.remove) > HEADERS_MOST:
            raise BadVerdict(f"at most {HEADERS_MOST} headers are added or removed")
        for name in (*self.add, *self.remove):
            if not NAME.match(name) or name.lower() in KEPT:
                raise BadVerdict(f"the header {name!r} is not a verdict's to change")
        for name, value in self.add.items():
            if len(value) > HEADER_CHARACTERS or not VALUE.match(value):
                raise BadVerdict(f"{name}: one line of at most {HEADER_CHARACTERS} characters")


class Refuse(Struct, frozen=True, tag="refuse"):
    """A refusal. reason "": the status's own; retry_after in seconds, 0: none is told."""

    status: Annotated[int, Meta(ge=300, le=699)] = 403
    reason: str = ""
    retry_after: Annotated[int, Meta(ge=0, le=86_400)] = 0

    def __post_init__(self) -> None:
        if not 300 <= self.status <= 699:
            raise BadVerdict(f"status {self.status}: 300 to 699")
        if not 0 <= self.retry_after <= 86_400:
            raise BadVerdict(f"retry_after {self.retry_after}: 0 to 86400")
        if len(self.reason) > 128 or not VALUE.match(self.reason):
            raise BadVerdict("reason: one line of at most 128 characters")


class Question(Struct, frozen=True):
    """A worker's line: values in the order of the rule's `by`."""

    id: int
    rule: int
    values: tuple[str, ...] = ()


class Answer(Struct, frozen=True, omit_defaults=True):
    """The line back. verdict None: as the routes say; failed: the function did not give any."""

    id: int
    verdict: To | Refuse | None = None
    failed: bool = False


class Rules(Struct, frozen=True):
    """The first line to a worker, and each time that the file was read again: what was kept is void."""

    version: int
    rules: tuple[Rule, ...]


def read_question(line: bytes) -> Question:
    """Raises msgspec.MsgspecError."""
    return _question.decode(line)


def line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


_question = msgspec.json.Decoder(Question)
