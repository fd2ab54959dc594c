"""What happens inside an answered call: changes of media, session timers, and the other methods."""

import pytest

from tandem.testing.flows import Play


@pytest.mark.parametrize("who", [0, 1])
def test_a_reinvite_passes_both_ways_with_its_offer_and_answer(play: Play, who: int) -> None:
    phones = [play.phone("alice"), play.phone("bob")]
    play.talk(*phones)
    asker, other = phones[who], phones[1 - who]
    asker.reinvites(address="10.8.8.8")
    play.until(lambda: other.line.media == "10.8.8.8", "the offer")
    play.until(lambda: 200 in asker.line.statuses()[-1:], "the answer")
    play.wait(0.2)
    assert other.host == asker.line.media
    assert "ACK" == other.line.heard[-1].method
    other.hangs_up()
    play.ends()


def test_a_reinvite_without_offer_gets_the_far_offer_and_its_ack_the_answer(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.reinvites(offer=False)
    play.wait(0.5)
    offer = bob.line.got("INVITE")[-1]
    assert "" == offer.body
    assert "m=audio" in bob.line.got("ACK")[-1].body
    alice.hangs_up()
    play.ends()


@pytest.mark.parametrize(
    ("direction", "address"), [("sendonly", ""), ("inactive", ""), ("sendrecv", "0.0.0.0")]
)
def test_hold_and_resume_are_seen(play: Play, direction: str, address: str) -> None:
    from tandem.records.model import EVENT_STREAM, read_event

    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.reinvites(direction, address=address)
    play.wait(1)
    assert direction == bob.line.direction
    alice.reinvites()
    play.wait(1)
    what = [read_event(record).what for record in play.world.store.stream(EVENT_STREAM)]
    assert ["held", "resumed"] == [name for name in what if name in ("held", "resumed")]
    bob.hangs_up()
    play.ends()


def test_a_refused_change_leaves_the_call_as_it_was(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    bob.replies_with["INVITE"] = (488, [])
    alice.reinvites()
    play.wait(1)
    assert 488 == alice.line.statuses()[-1]
    assert "talking" == bob.line.state
    alice.hangs_up()
    play.ends()


def test_two_changes_at_once_are_glare_and_the_call_goes_on(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.reinvites("sendonly")
    bob.reinvites("sendonly")
    play.wait(1)
    assert 491 in alice.line.statuses() + bob.line.statuses()
    assert "talking" == alice.line.state == bob.line.state
    bob.hangs_up()
    play.ends()


@pytest.mark.parametrize("method", ["INFO", "MESSAGE", "OPTIONS"])
def test_a_request_in_the_dialog_passes_with_its_body(play: Play, method: str) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    asked = bob.asks(method, ("Content-Type", "text/plain"), body="Signal=5", line=bob.line)
    play.wait(0.5)
    heard = alice.line.got(method)
    assert ["Signal=5"] == [m.body for m in heard]
    assert "text/plain" == heard[0].get("Content-Type")
    assert [200] == [m.status for m in bob.line.answers(method)]
    assert asked.get("Call-ID") != heard[0].get("Call-ID")
    alice.hangs_up()
    play.ends()


def test_an_update_with_sdp_passes(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.asks("UPDATE", body=alice.sdp("sendonly"))
    play.wait(0.5)
    assert "sendonly" == bob.line.direction
    assert [200] == [m.status for m in alice.line.answers("UPDATE")]
    assert "recvonly" == alice.line.direction
    alice.hangs_up()
    play.ends()


def test_an_unknown_method_is_405_and_an_unknown_dialog_481(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.asks("FROBNICATE")
    play.wait(0.2)
    assert [405] == [m.status for m in alice.line.answers("FROBNICATE")]
    dialog = alice.line.dialog
    stranger = type(dialog)(dialog.local_tag + "x", dialog.tag, dialog.target, [])
    alice.asks("INFO", dialog=stranger)
    play.wait(0.2)
    assert [481] == [m.status for m in alice.line.answers("INFO")]
    bob.hangs_up()
    play.ends()


def test_an_unknown_extension_in_the_dialog_is_420(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.talk(alice, bob)
    alice.asks("INFO", ("Require", "telepathy"))
    play.wait(0.2)
    assert [420] == [m.status for m in alice.line.answers("INFO")]
    bob.hangs_up()
    play.ends()


# -- reliable provisionals (RFC 3262)


def test_reliable_ringing_is_acknowledged_at_both_ends(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings(reliable=77)
    play.until(lambda: two.got("PRACK"), "the PRACK")
    assert "77 1 INVITE" == two.got("PRACK")[0].get("RAck")
    bob.answers()
    play.until(lambda: one.state == "talking", "the answer")
    play.wait(0.1)
    assert [200] == [m.status for m in one.answers("PRACK")]
    bob.hangs_up()
    play.ends()


def test_two_reliable_provisionals_with_sdp_come_in_order(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings(183, sdp=True, reliable=5)
    play.until(lambda: two.got("PRACK"), "the first PRACK")
    bob.rings(183, sdp=True, reliable=6, line=two)
    play.until(lambda: len(two.got("PRACK")) == 2, "the second PRACK")
    play.wait(5)
    assert ["5 1 INVITE", "6 1 INVITE"] == [m.get("RAck") for m in two.got("PRACK")]
    reliable = [m for m in one.heard if m.status == 183]
    assert ["1", "2"] == list(dict.fromkeys(m.get("RSeq") for m in reliable))
    bob.answers(line=two)
    play.until(lambda: one.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()


def test_the_second_reliable_provisional_waits_for_the_first_ones_prack(play: Play) -> None:
    """RFC 3262 3: no second reliable provisional before the first one is acknowledged."""
    alice, bob = play.phone("alice"), play.phone("bob")
    alice.pracks = False
    one = alice.invites("bob")
    two = bob.rings(183, sdp=True, reliable=5)
    play.wait(0.1)
    bob.rings(180, reliable=6, line=two)
    play.wait(0.1)
    first = next(m for m in one.heard if m.status == 183)
    assert ["1"] == sorted({m.get("RSeq") for m in one.heard if m.get("RSeq")})
    alice.pracks = True
    alice.prack(one, one.dialog, first)
    play.until(lambda: any(m.get("RSeq") == "2" for m in one.heard), "the second one")
    play.until(lambda: len(two.got("PRACK")) == 2, "both PRACKs")
    bob.answers(line=two)
    play.until(lambda: one.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()


def test_a_caller_without_100rel_does_not_get_it(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    alice.supported = "timer"
    alice.invites("bob")
    two = bob.rings()
    assert "100rel" not in two.invite.get("Supported") + two.invite.get("Require")
    bob.declines()
    play.ends()


def test_an_update_in_the_early_dialog_passes(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings(183, sdp=True, reliable=5)
    play.until(lambda: two.got("PRACK"), "the PRACK")
    play.wait(0.1)
    alice.asks("UPDATE", body=alice.sdp("inactive"))
    play.wait(0.2)
    assert [200] == [m.status for m in one.answers("UPDATE")]
    assert "inactive" == two.direction
    bob.answers(line=two)
    play.until(lambda: one.state == "talking", "the answer")
    alice.hangs_up()
    play.ends()


# -- session timers (RFC 4028)


def test_an_interval_below_90_seconds_is_422(play: Play) -> None:
    alice = play.phone("alice")
    play.phone("bob")
    one = alice.invites("bob", ("Session-Expires", "60"))
    play.ends()
    assert [422] == one.finals
    assert "90" == one.heard[-1].get("Min-SE")


def test_a_callees_422_reaches_the_caller_with_its_minimum(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Session-Expires", "100"))
    bob.rung()
    bob.declines(422, ("Min-SE", "600"))
    play.ends()
    assert [422] == one.finals
    assert "600" == one.heard[-1].get("Min-SE")


def test_a_caller_that_refreshes_keeps_its_call_and_one_that_stops_loses_it(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Session-Expires", "90;refresher=uac"))
    bob.rings()
    bob.answers()
    play.until(lambda: one.state == "talking", "the answer")
    answer = next(m for m in one.heard if m.status == 200)
    assert "90;refresher=uac" == answer.get("Session-Expires").replace(" ", "")
    assert "timer" in answer.get("Require")
    for _ in range(3):
        play.wait(45)
        alice.asks("UPDATE", ("Session-Expires", "90;refresher=uac"))
    play.wait(1)
    assert ("talking", 200) == (one.state, one.answers("UPDATE")[-1].status)
    talked = play.clock.now
    play.until(lambda: one.state == "ended", "the end of the session", 95)
    play.wait(5)
    assert ("session expired", True, "nobody") == (play.cdr.why, play.cdr.proof, play.cdr.ended_by)
    assert abs(play.cdr.ended_at - talked) < 3_000_000  # its last proof of life


def test_we_refresh_where_the_caller_leaves_it_to_us(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Session-Expires", "90;refresher=uas"))
    bob.rings()
    bob.answers()
    play.until(lambda: one.state == "talking", "the answer")
    play.wait(200)
    assert "talking" == one.state
    assert len(one.got("UPDATE")) >= 3
    assert all(
        "90;refresher=uac" == m.get("Session-Expires").replace(" ", "") for m in one.got("UPDATE")
    )
    alice.hangs_up()
    play.ends()


def test_we_refresh_the_callee_that_wants_a_timer(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob")
    two = bob.rings()
    bob.answers(("Session-Expires", "120;refresher=uac"), ("Require", "timer"))
    play.until(lambda: one.state == "talking", "the answer")
    play.wait(130)
    assert len(two.got("UPDATE")) + len(two.got("INVITE")) >= 2
    alice.hangs_up()
    play.ends()


def test_a_callee_that_refreshes_itself_and_stops_is_hung_up(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Session-Expires", "1800"))
    bob.rings()
    bob.answers(("Session-Expires", "90;refresher=uas"))
    play.until(lambda: one.state == "talking", "the answer")
    play.until(lambda: one.state == "ended", "the end of the session", 95)
    play.wait(5)
    assert "session expired" == play.cdr.why


def test_a_peer_that_answers_a_refresh_with_481_has_no_call_any_more(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    one = alice.invites("bob", ("Session-Expires", "90;refresher=uas"))
    bob.rings()
    bob.answers()
    play.until(lambda: one.state == "talking", "the answer")
    alice.replies_with["UPDATE"] = (481, [])
    play.until(lambda: bob.line.state == "ended", "bob's end", 60)
    alice.end(one)
    play.wait(2)
    assert "481" in play.cdr.why


# -- limits of time


def test_the_maximum_duration_ends_the_call(play: Play) -> None:
    alice, bob = play.phone("alice"), play.phone("bob")
    play.board.options["max_seconds"] = 60
    one, two = play.talk(alice, bob)
    play.until(lambda: one.state == two.state == "ended", "the end", 61)
    play.ends()
    assert ("tandem", "maximum duration", 60) == (
        play.cdr.ended_by,
        play.cdr.why,
        round(play.cdr.seconds),
    )
