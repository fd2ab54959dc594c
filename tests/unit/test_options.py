"""OPTIONS to a user or to nobody, as the node answers it (RFC 3261 11.2)."""

from msgspec.structs import replace

from tandem.boundary import UDP, Flow, Request
from tandem.calls.commands import stateless
from tandem.calls.model import options
from tandem.routing.model.plan import Refusal

ASKED = Request(
    seq=1, at=1, call="", txn=7, flow=Flow(1, 0, UDP, 0, "192.0.2.1", 5060), trust="trunk:carrier", method="OPTIONS",
    uri="sip:bob@demo.example", from_="<sip:+4930@carrier>;tag=f", to="<sip:bob@demo.example>", from_tag="f", to_tag="",
    call_id="c", cseq=8, vias="", record_routes="", contact="", max_forwards=70, special={}, rest="", content_type="",
    body=b"", size=300,
)  # fmt: skip
NOBODY = Refusal(404, "Not Found", "nobody is called so")
AWAY = Refusal(480, "Temporarily Unavailable", "switched off")


class Found:
    """A plan, as far as the answer looks at it."""


def answered(plan: object = None, **changed: object) -> tuple[int, str]:
    return options.answer(replace(ASKED, **changed), plan or Found())  # type: ignore[arg-type]


def test_a_user_who_could_be_called_is_200_with_what_we_do() -> None:
    status, extra = answered()
    assert 200 == status
    names = [line.split(":")[0] for line in extra.split("\r\n") if line]
    assert ["Allow", "Accept", "Supported"] == names
    assert "INVITE" in extra and "100rel" in extra


def test_an_unknown_extension_is_420_and_named_before_it_is_said_who_exists() -> None:
    status, extra = answered(NOBODY, special={"require": ["telepathy, 100rel", "Clairvoyance"]})
    assert (420, "Unsupported: clairvoyance, telepathy\r\n") == (status, extra)


def test_max_forwards_at_its_end_is_483_and_without_one_it_goes_on() -> None:
    assert (483, "") == answered(NOBODY, max_forwards=0)
    assert 200 == answered(max_forwards=-1)[0]


def test_who_could_not_be_called_is_said_as_an_invite_would_hear_it() -> None:
    assert (404, "") == answered(NOBODY)
    assert (480, "") == answered(AWAY)


def test_an_answer_outside_calls_has_a_tag_that_is_no_call_of_ours() -> None:
    said = stateless(ASKED, 200).message.decode()
    assert "To: <sip:bob@demo.example>;tag=s0000000000000007\r\n" in said
    assert 15 != len("s0000000000000007"), "the length of our dialogs' tags (boundary.md, 1)"
