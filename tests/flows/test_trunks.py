"""Calls to carriers: credentials, header rules, fail-over by the retry rule, and what each side may know."""

import hashlib
import re

import pytest
from msgspec.structs import replace

from tandem.boundary import Flow
from tandem.calls.model.call import Contact
from tandem.names.model import Place
from tandem.routing.model.plan import Diversion, HeaderRule, Limit
from tandem.testing.flows import Play, hosts_in


def two_carriers(play: Play) -> None:
    play.board.stages["pstn"] = (("one",), ("two",))
    play.board.targets["two"] = replace(play.board.targets["two"], on="failed", after=0)


@pytest.mark.parametrize("status", [408, 480, 503, 504])
def test_the_next_carrier_is_tried_after(play: Play, status: int) -> None:
    alice, one, two = play.phone("alice"), play.trunk("one"), play.trunk("two")
    two_carriers(play)
    line = alice.invites("pstn")
    one.rung()
    one.declines(status)
    two.rings()
    two.answers()
    play.until(lambda: line.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()
    assert (f"trunk:one {status}", "trunk:two 200") == play.cdr.tried
    assert "two" == play.cdr.trunk_out


@pytest.mark.parametrize("status", [404, 486, 603, 500, 400])
def test_no_other_carrier_is_tried_after(play: Play, status: int) -> None:
    alice, one, two = play.phone("alice"), play.trunk("one"), play.trunk("two")
    two_carriers(play)
    line = alice.invites("pstn")
    one.rung()
    one.declines(status)
    play.ends()
    assert ([status], []) == (line.finals, two.lines)


def test_no_other_carrier_is_tried_after_a_ring(play: Play) -> None:
    alice, one, two = play.phone("alice"), play.trunk("one"), play.trunk("two")
    two_carriers(play)
    line = alice.invites("pstn")
    one.rings()
    play.wait(0.05)
    one.declines(503)
    play.ends()
    assert ([500], []) == (line.finals, two.lines)


def test_a_carrier_that_cannot_be_reached_is_skipped(play: Play) -> None:
    alice, two = play.phone("alice"), play.trunk("two")
    play.trunk("one")
    play.board.targets["one"] = replace(play.board.targets["one"], transport=2, host="10.0.0.99")
    two_carriers(play)
    line = alice.invites("pstn")
    two.rung()
    two.answers()
    play.until(lambda: line.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()


def test_a_carrier_that_never_says_a_word_is_skipped(play: Play) -> None:
    alice, one, two = play.phone("alice"), play.trunk("one"), play.trunk("two")
    two_carriers(play)
    one.sleeps()
    line = alice.invites("pstn")
    two.rung()
    two.answers()
    play.until(lambda: line.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_answered_once(play: Play, status: int) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier", username="acme", password="s3cret")
    line = alice.invites("carrier")
    first = carrier.rung()
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    carrier.declines(status, (name, 'Digest realm="c", nonce="n1", qop="auth"'))
    play.until(lambda: len(carrier.lines) == 2, "the second INVITE")
    second = carrier.line.invite
    said = second.get("Authorization" if status == 401 else "Proxy-Authorization")
    found = {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', said)}
    ha1 = hashlib.md5(b"acme:c:s3cret").hexdigest()
    ha2 = hashlib.md5(f"INVITE:{second.uri}".encode()).hexdigest()
    wanted = f"{ha1}:n1:{found['nc']}:{found['cnonce']}:auth:{ha2}"
    assert hashlib.md5(wanted.encode()).hexdigest() == found["response"]
    assert first.invite.get("Call-ID") == second.get("Call-ID")
    assert first.invite.from_tag == second.from_tag
    assert first.invite.cseq[0] + 1 == second.cseq[0]
    carrier.ghosts = 0
    carrier.answers()
    play.until(lambda: line.state == "talking" and carrier.line.got("ACK"), "the answer")
    assert "Digest" in carrier.line.got("ACK")[0].get(
        "Authorization" if status == 401 else "Proxy-Authorization"
    )
    alice.hangs_up()
    play.ends()


def test_wrong_credentials_are_not_tried_for_ever(play: Play) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier", username="acme", password="wrong")
    line = alice.invites("carrier")
    for number in (1, 2):
        play.until(lambda number=number: len(carrier.lines) == number, "an INVITE")
        carrier.declines(401, ("WWW-Authenticate", 'Digest realm="c", nonce="n"'))
        play.wait(0.2)
    play.wait(5)
    carrier.ghosts = 0
    play.ends()
    assert (2, [403]) == (len(carrier.lines), line.finals)


def test_header_rules_are_applied_towards_a_carrier(play: Play) -> None:
    rules = (
        HeaderRule("set", "X-Tenant", "acme"),
        HeaderRule("drop", "X-Secret"),
        HeaderRule("add", "X-More", "1"),
    )
    alice, carrier = play.phone("alice"), play.trunk("carrier", headers=rules)
    alice.invites("carrier", ("X-Secret", "inner"), ("X-Tenant", "mine"), ("X-Kept", "yes"))
    invite = carrier.rung().invite
    assert (["acme"], [], ["1"], ["yes"]) == tuple(
        invite.all(name) for name in ("X-Tenant", "X-Secret", "X-More", "X-Kept")
    )
    carrier.declines()
    play.ends()


def test_a_carrier_that_insists_gets_its_number_in_our_contact_and_its_requests_find_us(
    play: Play,
) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier", contact="+49301234")
    line = alice.invites("carrier")
    rung = carrier.rung()
    assert rung.invite.get("Contact").startswith("<sip:+49301234@")
    carrier.answers()
    play.until(lambda: line.state == "talking", "the answer")
    play.wait(1)
    carrier.hangs_up()
    play.ends()
    assert "callee" == play.cdr.ended_by


def test_a_trusted_carrier_learns_who_calls_in_spite_of_privacy(play: Play) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier", asserted=True)
    alice.invites("carrier", ("Privacy", "id"))
    invite = carrier.rung().invite
    assert "anonymous" in invite.get("From")
    assert "alice@" in invite.get("P-Asserted-Identity")
    assert "id" == invite.get("Privacy")
    carrier.declines()
    play.ends()


def test_a_stranger_does_not(play: Play) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier")
    alice.invites("carrier", ("Privacy", "id"), ("P-Asserted-Identity", "<sip:alice@sim>"))
    invite = carrier.rung().invite
    head = "".join(f"{name}: {value}\n" for name, value in invite.headers)
    assert "alice" not in head.lower()
    carrier.declines()
    play.ends()


def test_a_forged_identity_of_an_untrusted_caller_is_not_passed_on(play: Play) -> None:
    alice, carrier = play.phone("alice"), play.trunk("carrier", asserted=True)
    alice.invites("carrier", ("P-Asserted-Identity", "<sip:+49110@police.example>"))
    asserted = carrier.rung().invite.all("P-Asserted-Identity")
    assert 1 == len(asserted)
    assert "+49110" not in asserted[0]
    carrier.declines()
    play.ends()


@pytest.mark.parametrize("form", ["diversion", "history-info", "both", "none"])
def test_a_forwarding_is_told_in_the_carriers_form(play: Play, form: str) -> None:
    moved = (Diversion("bob@sim", "+4930555", "user-busy"),)
    alice, carrier = play.phone("alice"), play.trunk("carrier", diversion=form, diverted=moved)
    alice.invites("carrier")
    invite = carrier.rung().invite
    assert ("+4930555" in invite.get("Diversion")) == (form in ("diversion", "both"))
    assert ("+4930555" in invite.get("History-Info")) == (form in ("history-info", "both"))
    carrier.declines()
    play.ends()


def test_neither_side_sees_the_others_addresses_or_names(play: Play) -> None:
    """Everything but the SDP, whose media flow directly where no relay is asked for."""
    alice, carrier = play.phone("alice"), play.trunk("carrier")
    line, far = alice.invites("carrier"), carrier.rings(183, sdp=True)
    carrier.answers(line=far)
    play.until(lambda: line.state == "talking", "the answer")
    play.wait(0.1)
    alice.reinvites("sendonly")
    play.wait(0.5)
    carrier.asks("INFO", line=far)
    play.wait(0.5)
    alice.hangs_up()
    play.ends()
    ours, theirs = line.call_id, far.call_id
    for me, other, foreign in ((alice, carrier, theirs), (carrier, alice, ours)):
        own = {m.branch for m in other.said if not m.status}
        for heard in me.heard:
            head = heard.bytes().decode("latin-1").partition("\r\n\r\n")[0]
            assert other.host not in hosts_in(head), head
            assert foreign not in head
            assert not any(branch in head for branch in own)
            assert {m.from_tag for m in other.said if m.from_tag}.isdisjoint(
                {heard.from_tag, heard.to_tag} - {""}
            )


@pytest.mark.parametrize(("name", "status"), [("user:bob@sim", 486), ("tenant:sim", 503)])
def test_a_limit_refuses_the_call_beyond_it(play: Play, name: str, status: int) -> None:
    alice, bob, carol = play.phone("alice"), play.phone("bob"), play.phone("carol")
    play.board.options["limits"] = (Limit(name, 1),)
    play.talk(alice, bob)
    two = carol.invites("bob")
    play.until(lambda: two.finals, "the refusal")
    assert [status] == two.finals
    bob.hangs_up()
    play.wait(1)
    three = carol.invites("bob")
    bob.rings()
    bob.answers()
    play.until(lambda: three.state == "talking", "the answer")
    carol.hangs_up()
    play.ends(bills=False)
    assert 3 == len(play.cdrs)


def test_a_full_carrier_is_skipped_and_is_free_again_after_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one, two = play.trunk("one"), play.trunk("two")
    two_carriers(play)
    limit = (Limit("trunk:one", 1),)
    play.board.targets["one"] = replace(play.board.targets["one"], limits=limit)
    play.board.options["limits"] = limit
    alice.invites("pstn")
    one.rung()
    one.answers()
    play.wait(0.2)
    second = bob.invites("pstn")
    two.rung()
    two.answers()
    play.until(lambda: second.state == "talking", "the answer")
    bob.hangs_up()
    alice.hangs_up()
    play.wait(1)
    third = bob.invites("pstn")
    one.rung()
    one.declines(486)
    play.wait(1)
    assert [486] == third.finals
    play.ends(bills=False)


def test_a_call_that_a_full_limit_refused_does_not_use_it_up(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.board.options["limits"] = (Limit("user:bob@sim", 1),)
    play.talk(alice, bob)
    for _ in range(3):
        alice.invites("bob")
        play.wait(0.5)
    assert {"user:bob@sim": 1} == {k: len(v) for k, v in play.world.nodes[-1].shell.usage.items()}
    bob.hangs_up()
    play.ends(bills=False)


def test_a_contact_that_names_another_port_is_where_the_phone_is_reached(play: Play) -> None:
    alice = play.phone("alice")
    bob = play.phone("bob")
    play.board.contacts_of["bob@sim"] = (
        Contact(
            f"sip:bob@{bob.host}:5060",
            Flow(1, 0, 1, 0, bob.host, 5060),
            path="<sip:proxy@10.1.1.1;lr>",
        ),
    )
    alice.invites("bob")
    bob.rung()
    bob.declines()
    play.ends()


def one_name_two_servers(play: Play) -> None:
    """A carrier whose name leads to the addresses of "one" and of "two"."""
    two = play.board.targets["two"]
    others = (Place(two.transport or 1, two.host, two.port),)
    play.board.targets["one"] = replace(play.board.targets["one"], others=others)
    play.board.stages["pstn"] = (("one",),)


@pytest.mark.parametrize("status", [408, 503])
def test_the_carriers_next_server_is_tried_after(play: Play, status: int) -> None:
    alice, one, two = play.phone("alice"), play.trunk("one"), play.trunk("two")
    one_name_two_servers(play)
    line = alice.invites("pstn")
    one.rung()
    one.declines(status)
    two.rings()
    two.answers()
    play.until(lambda: line.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()
    assert (f"trunk:one {status}", "trunk:one 200") == play.cdr.tried
    assert ("one", 1) == (play.cdr.trunk_out, len(two.lines))


@pytest.mark.parametrize("status", [480, 504, 404, 486])
def test_what_the_carrier_itself_says_is_not_asked_of_its_next_server(
    play: Play, status: int
) -> None:
    alice, one, two = play.phone("alice"), play.trunk("one"), play.trunk("two")
    one_name_two_servers(play)
    line = alice.invites("pstn")
    one.rung()
    one.declines(status)
    play.ends()
    assert ([status], []) == (line.finals, two.lines)


def test_when_every_server_of_a_carrier_failed_the_next_carrier_is_tried(play: Play) -> None:
    alice, three = play.phone("alice"), play.trunk("three")
    play.trunk("one"), play.trunk("two")
    one_name_two_servers(play)
    nowhere = (Place(2, "10.0.0.98", 5060), Place(2, "10.0.0.97", 5060))
    one = play.board.targets["one"]
    play.board.targets["one"] = replace(one, transport=2, host="10.0.0.99", others=nowhere)
    play.board.targets["three"] = replace(play.board.targets["three"], on="failed", after=0)
    play.board.stages["pstn"] = (("one",), ("three",))
    line = alice.invites("pstn")
    three.rung()
    three.answers()
    play.until(lambda: line.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()
    assert ("trunk:one 503",) * 3 + ("trunk:three 200",) == play.cdr.tried
