"""Emergency calls of who proved nothing: placed, talked and ended like any other, to emergency numbers alone."""

import msgspec
import pytest

from tandem.accounts.model.account import Tenant, User
from tandem.boundary import Request
from tandem.calls.model.call import Contact
from tandem.routing.model.plan import Asked, Plan, Refusal
from tandem.routing.model.route import route
from tandem.routing.model.rows import Emergency, Route, Trunk
from tandem.routing.model.tables import tables_from
from tandem.testing.actor import TCP, UDP
from tandem.testing.flows import Play

STRANGER = "192.0.2.66"


def routed(play: Play, rescue: str) -> None:
    """What is dialled is decided by routing itself, with everything that the owner says of the caller."""
    tables = tables_from(
        [Tenant("sim", "sim")],
        [User("sim", "alice"), User("sim", "bob")],
        trunks=[Trunk("rescue", rescue, port=5060)],
        routes=[Route("all", "rescue", "sim", "")],
        emergency=[Emergency("sim", "112", "rescue")],
    )

    tables = msgspec.structs.replace(tables, media=play.board.media)

    def place(request: Request) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        return route(tables, Asked(request.trust, request.uri, request.from_, request.to)), {}

    play.board.place = place  # type: ignore[method-assign]


@pytest.mark.parametrize(("transport", "ends"), [(UDP, "caller"), (UDP, "callee"), (TCP, "callee")])
def test_a_strangers_call_for_help_is_placed_and_ended(
    play: Play, transport: int, ends: str
) -> None:
    rescue, mallory = play.trunk("rescue"), play.phone("mallory", transport, host=STRANGER)
    routed(play, rescue.host)
    line = mallory.invites("112", ("Privacy", "none"), ("P-Asserted-Identity", "<sip:alice@sim>"))
    rung = rescue.rings()
    assert "anonymous" in rung.invite.get("From").lower()
    assert not [value for name, value in rung.invite.headers if "mallory" in value + name]
    assert not rung.invite.get("P-Asserted-Identity")
    rescue.answers()
    play.until(lambda: line.state == "talking", "help")
    play.wait(2)
    (mallory if ends == "caller" else rescue).hangs_up()
    play.ends()
    assert ("stranger:sim", "112", True, 200, ends) == (
        play.cdr.caller, play.cdr.callee, play.cdr.emergency, play.cdr.status, play.cdr.ended_by,
    )  # fmt: skip


@pytest.mark.parametrize("dialled", ["bob", "nobody", "+49301", "113"])
def test_a_stranger_is_challenged_for_anything_else(play: Play, dialled: str) -> None:
    rescue, mallory = play.trunk("rescue"), play.phone("mallory", host=STRANGER)
    routed(play, rescue.host)
    line = mallory.invites(dialled, ("Subject", "long " * 99))
    play.until(lambda: line.finals, "an answer")
    play.ends(bills=False)
    assert ([407], []) == (line.finals, rescue.lines)


def test_a_stranger_takes_nobodys_place_with_a_call_for_help(play: Play) -> None:
    rescue, mallory = play.trunk("rescue"), play.phone("mallory", host=STRANGER)
    routed(play, rescue.host)
    line = mallory.invites("112", ("Replaces", "1@x;to-tag=a;from-tag=b"))
    play.until(lambda: line.finals, "an answer")
    play.ends()
    assert [403] == line.finals
